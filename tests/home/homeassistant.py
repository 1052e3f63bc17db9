"""A real Home Assistant in a process of its own, listening on loopback, with a config folder made for it."""

import contextlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.home import documentation
from tests.home.hassclient import HassClient, HassError
from tests.home.namespaces import die_with_parent, stop
from tests.home.python import PYTHON, ROOT

T = TypeVar("T")
USERNAME = "demo"
_START = 120.0
_HTTP = {
    "version": 2,
    "minor_version": 2,
    "key": "http",
    "data": {
        "stable": {
            "server_host": ["127.0.0.1"],
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": False,
            "ssl_profile": "modern",
            "use_x_frame_options": True,
            "created_at": "2026-01-01T00:00:00+00:00",
            "error": None,
            "error_message": None,
        },
        "pending": None,
        "yaml_migration_done": True,
    },
}
_ONBOARDING = {
    "version": 4,
    "minor_version": 1,
    "key": "onboarding",
    "data": {"done": ["core_config", "analytics", "integration"]},
}
_CONFIGURATION = """
homeassistant:
  name: Simulated home
  unit_system: metric
  time_zone: UTC
  country: NL
frontend:
config:
history:
logbook:
conversation:
logger:
  default: warning
automation: !include automations.yaml
"""


@dataclass
class HomeAssistant:
    """One Home Assistant; its state stays in `folder` from one start to the next."""

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    username: str = USERNAME
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _client: HassClient | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where the frontend is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "home-assistant.out"

    @property
    def client(self) -> HassClient:
        """The API, as the demo's user."""
        if self._client is None:
            raise RuntimeError("Home Assistant was not set up")
        return self._client

    @property
    def pid(self) -> int:
        """The id of the process."""
        if self._process is None:
            raise RuntimeError("Home Assistant does not run")
        return self._process.pid

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def prepare(self) -> None:
        """Write the config folder."""
        storage = self.folder / ".storage"
        storage.mkdir(parents=True)
        http = json.loads(json.dumps(_HTTP))
        http["data"]["stable"]["server_port"] = self.port
        (storage / "http").write_text(json.dumps(http))
        (storage / "onboarding").write_text(json.dumps(_ONBOARDING))
        (self.folder / "configuration.yaml").write_text(_CONFIGURATION + documentation.names_configuration())
        (self.folder / "automations.yaml").write_text("[]")
        (self.folder / "custom_components").symlink_to(ROOT / "custom_components")
        blueprints = self.folder / "blueprints/automation"
        blueprints.mkdir(parents=True)
        (blueprints / "spin").symlink_to(ROOT / "blueprints/automation/spin")

    def start(self) -> None:
        """Start the process without waiting for it."""
        command = die_with_parent(PYTHON, "-m", "homeassistant", "-c", self.folder, "--skip-pip")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it in order, so that it saves what it knows."""
        if self._process:
            stop(self._process, grace=30)
            self._process = None

    def restart(self) -> None:
        """Have it stop in order and start again."""
        self.stop()
        self.start()
        self.wait_until_running()

    def check(self) -> None:
        """Raise RuntimeError when it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"Home Assistant ended: {self.log.read_text()[-2000:]}")

    def onboard(self) -> None:
        """Create the user, once HTTP answers."""
        self._client = self.when_answering(lambda: HassClient.onboard(self.url, self.username, self.password))

    def wait_until_running(self) -> None:
        """Wait until every integration is set up."""
        client = self.client
        self.when_answering(client.expect_running)

    def when_answering(self, call: Callable[[], T]) -> T:
        """Call until it raises neither OSError nor HassError; raise RuntimeError when that takes too long."""
        end = time.monotonic() + _START
        while True:
            self.check()
            try:
                return call()
            except (OSError, HassError) as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"Home Assistant is not ready after {_START:.0f} s") from error
                time.sleep(0.25)

    def add_mqtt(self, *, port: int, username: str, password: str, protocol: str) -> None:
        """Set its MQTT integration up, as a user would."""
        self.client.configure(
            "mqtt",
            {
                "broker": "127.0.0.1",
                "port": port,
                "protocol": protocol,
                "username": username,
                "password": password,
                "other_settings": {"set_client_cert": False, "set_ca_cert": "off"},
            },
        )

    def accept_discovered_gateway(self, timeout: float = 60) -> str:
        """Confirm the gateway that MQTT discovery found; return the config entry's id."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for flow in self.client.command("config_entries/flow/progress"):
                if flow["handler"] == "spin":
                    return str(self.client.confirm(flow["flow_id"])["entry_id"])
            time.sleep(0.25)
        said = self.log.read_text()[-2000:]
        raise RuntimeError(f"Home Assistant discovered no gateway within {timeout:.0f} s: {said}")


def _environment() -> dict[str, str]:
    """Return the environment without what other Python programs were started with."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


@contextlib.contextmanager
def running(instance: HomeAssistant) -> Iterator[HomeAssistant]:
    """Prepare and start it for the length of a block; `onboard` and `wait_until_running` follow."""
    try:
        instance.prepare()
        instance.start()
        yield instance
    finally:
        instance.stop()

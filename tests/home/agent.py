"""The real agent, as a process on the simulated home's gateway."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.home.broker import Broker
from tests.home.home import Home
from tests.home.namespaces import stop
from tests.home.python import AGENT_PYTHON, ROOT

GATEWAY = "home"


@dataclass
class Agent:
    """`python -m gateway_agent run` in the gateway's namespace; its state stays in `folder`."""

    home: Home
    broker: Broker
    folder: Path
    interval: float = 1
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "agent.log"

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self.folder / "agent.toml"

    @property
    def pid(self) -> int:
        """Its process id; raise RuntimeError when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the agent ended: {self.log.read_text()[-2000:]}")
        return self._process.pid

    def configure(self) -> None:
        """Write its configuration."""
        values = {
            "gateway": GATEWAY,
            "name": "Simulated gateway",
            "interval": self.interval,
            "lease_file": str(self.home.leases),
            "state_directory": str(self.folder / "state"),
            "runtime_directory": str(self.folder / "run"),
        }
        mqtt = {
            "socket": str(self.broker.socket),
            "username": self.broker.username,
            "password": self.broker.password,
        }
        self.configuration.touch(mode=0o600)
        self.configuration.write_text(
            "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
            + "[mqtt]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in mqtt.items())
        )
        for name in ("state", "run"):
            (self.folder / name).mkdir(exist_ok=True)

    def start(self) -> None:
        """Start it without waiting for it."""
        with self.log.open("a") as log:
            self._process = self.home.gateway.start(
                AGENT_PYTHON, "-m", "gateway_agent", "run", "--config", self.configuration,
                stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip

    def wait_observing(self, patience: float = 30) -> None:
        """Wait until it observes: what devices look up before that has no name."""
        end = time.monotonic() + patience
        while "mqtt connected" not in self.log.read_text():
            if time.monotonic() > end or not self.pid:
                raise RuntimeError(f"the agent does not observe: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)

    def command(self, *arguments: str) -> str:
        """Run another of its commands to the end and return what it printed."""
        return self.home.gateway.run(
            "env", f"PYTHONPATH={ROOT}", AGENT_PYTHON, "-m", "gateway_agent",
            *arguments, "--config", self.configuration,
        )  # fmt: skip

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        if self._process:
            stop(self._process)
            self._process = None

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(agent: Agent) -> Iterator[Agent]:
    """Run it for the length of a block."""
    agent.configure()
    try:
        agent.start()
        yield agent
    finally:
        agent.stop()

"""Everything together: a home in namespaces, the agent on its gateway, a broker and a real Home Assistant."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home import homeassistant as hass
from tests.home import household
from tests.home.agent import Agent
from tests.home.broker import free_port
from tests.home.hassclient import HassClient
from tests.home.home import Home, home
from tests.home.homeassistant import HomeAssistant
from tests.home.namespaces import Namespace

RESIDENTS = (household.HUE, household.CAMERA, household.PLUG, household.PHONE)
_PATIENCE = 60.0


@dataclass
class Whole:
    """A running home and the Home Assistant that watches it."""

    home: Home
    agent: Agent
    assistant: HomeAssistant
    entry: str

    @property
    def client(self) -> HassClient:
        """The API, as the administrator."""
        return self.assistant.client

    @property
    def gateway(self) -> Namespace:
        """Where the rules are."""
        return self.home.gateway

    def device_id(self, mac: str) -> str | None:
        """Return the registry's id of a device, once it is there."""
        for device in self.client.command("config/device_registry/list"):
            if ["mac", mac] in device["connections"]:
                return str(device["id"])
        return None

    def wait_for_devices(self) -> dict[str, str]:
        """Wait until every resident is registered; return their ids by label."""
        end = time.monotonic() + _PATIENCE
        while True:
            found = {resident.label: self.device_id(resident.mac) for resident in RESIDENTS}
            if all(found.values()):
                return {label: str(device) for label, device in found.items()}
            if time.monotonic() > end:
                raise RuntimeError(f"devices did not appear: {found}")
            time.sleep(0.5)

    def enable(self, device: str) -> None:
        """Take a device with a made-up MAC address into use, as a user would."""
        self.client.command("config/device_registry/update", device_id=device, disabled_by=None)
        self.reload()

    def reload(self) -> None:
        """Set the integration up anew."""
        self.client.request(f"/api/config/config_entries/entry/{self.entry}/reload", {})

    def table(self, **wish: Any) -> list[list[Any]]:  # noqa: ANN401 (a request is JSON)
        """Return rows of the picture's table."""
        request = {"window": "24h", "filter": [], "search": "", "sort": "last", "descending": True,
                   "offset": 0, "limit": 500, **wish}  # fmt: skip
        rows: list[list[Any]] = self.client.command("spin/table", **request)["rows"]
        return rows

    def wait_for_hosts(self, *hosts: str, **wish: Any) -> None:  # noqa: ANN401
        """Wait until Home Assistant knows these full names."""
        end = time.monotonic() + _PATIENCE
        while missing := set(hosts) - (known := {row[2] for row in self.table(**wish)}):
            if time.monotonic() > end:
                raise RuntimeError(f"not heard of: {missing}, but of {known}")
            time.sleep(0.5)


@contextlib.contextmanager
def whole(*, port: int | None = None, speed: float = 10.0, interval: int = 1) -> Iterator[Whole]:
    """Run everything for the length of a block, with the devices switched on and registered."""
    with tempfile.TemporaryDirectory(prefix="spin-whole-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        assistant = HomeAssistant(folder / "homeassistant", port or free_port())
        with (
            hass.running(assistant),
            brokers.running(brokers.mosquitto(folder)) as broker,
            home(*RESIDENTS) as house,
            agents.running(Agent(house, broker, folder, interval=interval)) as agent,
        ):
            assistant.onboard()
            assistant.wait_until_running()
            assistant.add_mqtt(
                port=broker.port,
                username=broker.username,
                password=broker.password,
                protocol=broker.protocol,
            )
            entry = assistant.accept_discovered_gateway()
            # The agent has said that it is there: it hears the devices' first lookups too.
            for resident in RESIDENTS:
                house.start_device(resident.label, resident.label, "--speed", str(speed))
            yield Whole(house, agent, assistant, entry)

"""What the end-to-end tests share: the simulated home, a broker, the agent and a Home Assistant."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home import namespaces
from tests.home.agent import Agent
from tests.home.broker import Broker
from tests.home.home import GATEWAY4, GATEWAY6, Home, home
from tests.home.household import CAMERA, HUE
from tests.home.namespaces import Namespace
from tests.home.reader import Message, Reader, reading

# A shell that runs this in the background has it ignore Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and say why."""
    rootless = namespaces.missing()
    brokerless = None if brokers.find_mosquitto() else "needs mosquitto (script/setup as root installs it)"
    reason = rootless or brokerless
    for item in items:
        if reason and "root" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Loop:
    """A home whose gateway runs the agent, the broker that it talks to, and a reader there."""

    home: Home
    broker: Broker
    agent: Agent
    reader: Reader

    @property
    def hue(self) -> Namespace:
        """The first device: its block is tested."""
        return self.home.devices["hue"]

    @property
    def camera(self) -> Namespace:
        """The second device: nothing may happen to it."""
        return self.home.devices["camera"]

    def wait_online(self) -> None:
        """Wait until the agent said so."""
        self.reader.wait(
            lambda: self.agent.pid and self.reader.retained.get("status") == "online", "the agent is online"
        )

    def enforce(self, revision: int, **policy: Any) -> Message:  # noqa: ANN401 (a policy is JSON)
        """Publish a policy and wait until the agent reports it enforced; return the report."""
        wanted = {"revision": revision, "devices": {}, "everyone": [], **policy}
        self.reader.publish("policy", wanted, retain=True)
        return self.reader.wait(lambda: self._enforced(revision), f"revision {revision} is enforced", 5)

    def _enforced(self, revision: int) -> Message | None:
        state: Message = self.reader.retained.get("policy/state") or {}
        return state if state.get("revision") == revision and state.get("enforced") else None


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A fresh home with two devices whose addresses are set, and the agent online."""
    with (
        tempfile.TemporaryDirectory(prefix="spin-e2e-") as folder,
        home(HUE, CAMERA) as house,
        brokers.running(brokers.mosquitto(Path(folder))) as broker,
        reading(broker) as reader,
        agents.running(Agent(house, broker, Path(folder))) as agent,
    ):
        for label in house.devices:
            house.configure_statically(label)
        built = Loop(house, broker, agent, reader)
        built.wait_online()
        for device in house.devices.values():
            device.run("ping", "-c1", "-W2", GATEWAY4)  # the gateway knows its MAC address from now on
            device.run("ping", "-c1", "-W2", GATEWAY6)
        time.sleep(1)
        yield built

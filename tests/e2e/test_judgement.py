"""From the packet to the person: what is new, fails or attacks is told with its reasons, and answered."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest

from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home import dashboard
from tests.home import homeassistant as hass
from tests.home.agent import Agent
from tests.home.broker import free_port
from tests.home.hassclient import HassError, Json
from tests.home.home import Home, home
from tests.home.homeassistant import HomeAssistant
from tests.home.household import CAMERA, HUE, SCANNER
from tests.home.hue import TIME_SERVERS
from tests.home.namespaces import stop
from tests.home.traffic import look_up, reaches, transfer

pytestmark = [pytest.mark.root, pytest.mark.timeout(200)]

T = TypeVar("T")
# Slow enough for the four time servers to be done, with their timeouts, before the diagnostics are due.
SPEED = 5
TOLD_WITHIN = 3.0
SCAN_TOLD_WITHIN = 90.0
# The cloud is gone, but the name service answers.
_CLOUD_LOSS = """
table inet outage {
  chain input { type filter hook input priority raw; policy drop;
    meta l4proto ipv6-icmp accept
    udp dport 53 accept
  }
}
"""


@dataclass
class World:
    """A home with its gateway, and the Home Assistant that judges."""

    home: Home
    assistant: HomeAssistant

    def shown(self, mac: str) -> dict[str, str]:
        """Return the entities of a device by their keys."""
        for shown in dashboard.devices(self.assistant.client):
            if shown.mac == mac:
                return shown.entities
        raise LookupError(f"{mac} is not known yet")

    def call(self, action: str, mac: str, key: str = "block", **data: Json) -> Json:
        """Perform an action on one of a device's entities."""
        return self.assistant.client.call(action, entity_id=self.shown(mac)[key], **data)

    def activity(self, mac: str) -> dict[str, Json]:
        """Return what is told of a device last: the attributes, and `at`."""
        state = self.assistant.client.request(f"/api/states/{self.shown(mac)['activity']}")
        happened = state["state"] not in {"unknown", "unavailable"}
        at = datetime.fromisoformat(state["state"]).timestamp() if happened else 0.0
        return {**state["attributes"], "at": at}

    def timeline(self, mac: str, kind: str) -> list[str]:
        """Return the hosts of the entries of one kind, in their order."""
        client = self.assistant.client
        entities = client.command("config/entity_registry/list")
        device_id = next(e["device_id"] for e in entities if e["entity_id"] == self.shown(mac)["block"])
        entries = client.command("spin/timeline", device=device_id, limit=500)["entries"]
        return [entry["host"] for entry in entries if entry["kind"] == kind]

    def names(self, mac: str) -> set[str]:
        """Return the full names that a device is known to talk to."""
        answer = self.call("spin.get_destinations", mac, response=True)
        (device,) = answer["service_response"]["devices"].values()
        return {name for destination in device["destinations"] for name in destination["names"]}

    def rules(self, name: str) -> str:
        """Return a set of the gateway's own table."""
        return self.home.gateway.run("nft", "list", "set", "inet", "spin", name)

    def settle(self, mac: str) -> None:
        """Wait until a device is shown, and end its learning."""
        eventually(lambda: self.shown(mac)["reaction"], f"{mac} is shown")
        self.call("spin.skip_learning", mac)
        eventually(
            lambda: self.assistant.client.state(self.shown(mac)["learning"]) == "over", "learning is over"
        )

    def contact(self, label: str, name: str) -> float:
        """Look a name up and exchange something with it; return when the first packet left."""
        device = self.home.devices[label]
        address = look_up(device, name, 4)[0]
        begun = time.time()
        with contextlib.suppress(OSError):
            transfer(device, address, 500, 500)
        return begun


def eventually(ready: Callable[[], T], what: str, patience: float = 30) -> T:
    end = time.monotonic() + patience
    while True:
        try:
            if found := ready():
                return found
        except (LookupError, HassError, OSError) as error:
            what = f"{what} ({error})"[:300]
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextlib.contextmanager
def living() -> Iterator[World]:
    """Build a home with all that belongs to it, for the length of a block."""
    with (
        tempfile.TemporaryDirectory(prefix="spin-e2e-", ignore_cleanup_errors=True) as name,
        hass.running(HomeAssistant(Path(name) / "homeassistant", free_port())) as assistant,
        brokers.running(brokers.mosquitto(Path(name))) as broker,
        home(HUE, CAMERA, SCANNER) as house,
        agents.running(Agent(house, broker, Path(name))),
    ):
        for label in house.devices:
            house.configure_statically(label)
        assistant.onboard()
        assistant.wait_until_running()
        assistant.add_mqtt(
            port=broker.port, username=broker.username, password=broker.password, protocol=broker.protocol
        )
        assistant.accept_discovered_gateway()
        yield World(house, assistant)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One home for the tests that leave no traces."""
    with living() as built:
        yield built


@pytest.fixture
def fresh_world() -> Iterator[World]:
    """A home of which nothing is known yet."""
    with living() as built:
        yield built


def news_of(world: World, mac: str, destination: str) -> dict[str, Json]:
    """Wait until a new destination is told, and return what is."""

    def found() -> dict[str, Json] | None:
        event = world.activity(mac)
        wanted = (event.get("event_type"), event.get("destination")) == ("new_destination", destination)
        return event if wanted else None

    return eventually(found, f"{destination} is told", 10) or {}


def test_what_is_new_is_told_within_three_seconds(world: World) -> None:
    world.contact("camera", "news.example")
    world.settle(CAMERA.mac)
    for name, group in (("social.example", "social.example"), ("n1.fresh.example", "fresh.example")):
        begun = world.contact("camera", name)
        assert news_of(world, CAMERA.mac, group)["at"] - begun < TOLD_WITHIN
    world.contact("camera", "n2.fresh.example")
    time.sleep(TOLD_WITHIN)
    event = world.activity(CAMERA.mac)
    assert event["name"] == "n1.fresh.example"  # another name of the same domain is no news
    assert (event["name_source"], event["protocol"], event["port"]) == ("dns", "tcp", 80)
    assert event["reasons"] == "after_learning,only_device"
    assert event["action"] == "none"
    assert world.assistant.client.state(world.shown(CAMERA.mac)["attention"]) == "on"
    world.call("button.press", CAMERA.mac, "accept_all")
    assert world.assistant.client.state(world.shown(CAMERA.mac)["attention"]) == "off"


def test_what_is_new_is_blocked_and_unblocked_by_one_action(world: World) -> None:
    world.settle(CAMERA.mac)
    world.call("select.select_option", CAMERA.mac, "reaction", option="block_destination")
    try:
        world.contact("camera", "video.example")
        event = news_of(world, CAMERA.mac, "video.example")
        assert event["action"] == "blocked_destination"
        device = world.home.devices["camera"]
        addresses = look_up(device, "video.example", 4)
        time.sleep(0.05)
        assert not any(reaches(device, address) for address in addresses)
        assert reaches(device, look_up(device, "news.example", 4)[0])
        assert reaches(world.home.devices["hue"], look_up(world.home.devices["hue"], "video.example", 4)[0])
        ruleset = world.home.gateway.run("nft", "list", "table", "inet", "spin")
        assert all(address in ruleset for address in addresses)
        world.call("spin.undo_automatic_blocks", CAMERA.mac)
        assert all(reaches(device, address) for address in addresses)
    finally:
        world.call("select.select_option", CAMERA.mac, "reaction", option="notify")


def test_a_scanner_is_told_and_blocked(world: World) -> None:
    world.contact("scanner", "pool.ntp.example")
    world.contact("scanner", "pool.ntp.example")
    world.settle(SCANNER.mac)
    world.call("select.select_option", SCANNER.mac, "reaction", option="block_device")
    process = world.home.start_device("scanner", "scanner")
    begun = time.time()
    try:
        event = eventually(
            lambda: (e := world.activity(SCANNER.mac))["event_type"] == "scan_suspected" and e,
            "the scan is told",
            SCAN_TOLD_WITHIN,
        )
        assert event["at"] - begun < SCAN_TOLD_WITHIN
        assert event["hosts"] >= 20
        assert event["action"] == "blocked_device"
        assert SCANNER.mac in world.rules("blocked_devices")
        assert world.assistant.client.state(world.shown(SCANNER.mac)["block"]) == "on"
        world.call("switch.turn_off", SCANNER.mac)
        assert SCANNER.mac not in world.rules("blocked_devices")
    finally:
        stop(process)


def start_bridge(world: World) -> subprocess.Popen[str]:
    """Switch the bridge on, and wait until it has done all that it does at the start."""
    bridge = world.home.start_device("hue", "hue", "--speed", str(SPEED))
    expected = {"ws.meethue.com", "diagnostics.meethue.com", "fwupdate.philips.com", *TIME_SERVERS}
    eventually(lambda: expected <= world.names(HUE.mac), "start-up is over", 60)
    return bridge


@contextlib.contextmanager
def without_cloud(world: World) -> Iterator[None]:
    """Take the Internet away inside, all but the name service."""
    world.home.internet.run("nft", "-f", "-", text=_CLOUD_LOSS)
    try:
        yield
    finally:
        world.home.mend_uplink()


def missed(world: World) -> list[str]:
    """Wait until the bridge has asked everybody, and return whom it missed, in order."""
    eventually(lambda: "baidu.com" in world.timeline(HUE.mac, "connection_failed"), "it asks everywhere", 100)
    order = world.timeline(HUE.mac, "connection_failed")
    assert len(order) == len(set(order))
    assert order[0] == "ws.meethue.com"
    assert order[-4:] == ["www2.meethue.com", "www.philips.com", "google.com", "baidu.com"]
    assert world.timeline(HUE.mac, "scan_suspected") == []
    return order


def test_sudden_loss_of_the_cloud(world: World) -> None:
    """The article's second scenario: its order, each once, and no scan; then the end of it."""
    bridge = start_bridge(world)
    time.sleep(3)
    with without_cloud(world):
        order = missed(world)
    assert set(order[1:5]) == set(TIME_SERVERS)
    assert order[5] == "diagnostics.meethue.com"
    eventually(
        lambda: {"ws.meethue.com", *TIME_SERVERS} <= set(world.timeline(HUE.mac, "connection_restored")),
        "it answers again",
        40,
    )
    stop(bridge)


def test_start_without_internet(fresh_world: World) -> None:
    """The article's third scenario: the bridge is known, and is switched off and on without Internet."""
    stop(start_bridge(fresh_world))
    time.sleep(1)
    with without_cloud(fresh_world):
        fresh_world.home.start_device("hue", "hue", "--speed", str(SPEED))
        order = missed(fresh_world)
    assert set(order[1:-4]) >= {"diagnostics.meethue.com", *TIME_SERVERS}

"""The whole loop: a real Home Assistant, a real mosquitto, the agent, and packets that stop."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home import dashboard
from tests.home import homeassistant as hass
from tests.home.agent import Agent
from tests.home.broker import Broker, free_port
from tests.home.hassclient import HassError
from tests.home.home import Home, home
from tests.home.homeassistant import HomeAssistant
from tests.home.household import CAMERA, HUE
from tests.home.namespaces import Namespace
from tests.home.traffic import reaches, transfer

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

PLACES = ("198.51.100.7", "2001:db8:5:1::7")
MEGABYTE = 1_000_000


@dataclass
class World:
    """Everything at once."""

    home: Home
    broker: Broker
    agent: Agent
    assistant: HomeAssistant

    @property
    def hue(self) -> Namespace:
        """The device under test."""
        return self.home.devices["hue"]

    def entity(self, key: str) -> str:
        """Return the entity id of the bridge's entity with that key."""
        for shown in dashboard.devices(self.assistant.client):
            if shown.mac == HUE.mac:
                return shown.entities[key]
        raise LookupError(key)

    def state(self, key: str) -> str:
        """Return the state of the bridge's entity with that key."""
        return self.assistant.client.state(self.entity(key))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One Home Assistant for all tests here, set up as a user does it."""
    with (
        tempfile.TemporaryDirectory(prefix="spin-e2e-", ignore_cleanup_errors=True) as name,
        hass.running(HomeAssistant(Path(name) / "homeassistant", free_port())) as assistant,
        brokers.running(brokers.mosquitto(Path(name))) as broker,
        home(HUE, CAMERA) as house,
        agents.running(Agent(house, broker, Path(name))) as agent,
    ):
        for label in house.devices:
            house.configure_statically(label)
        assistant.onboard()
        assistant.wait_until_running()
        assistant.add_mqtt(
            port=broker.port, username=broker.username, password=broker.password, protocol=broker.protocol
        )
        assistant.accept_discovered_gateway()
        yield World(house, broker, agent, assistant)


def eventually(ready: Callable[[], object], what: str, patience: float = 30) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            if ready():
                return
        except (LookupError, HassError, OSError) as error:
            what = f"{what} ({error})"[:300]
        assert time.monotonic() < end, what
        time.sleep(0.3)


def megabytes(world: World, key: str) -> float:
    return float(world.state(key))


def exchange(world: World) -> None:
    for place in PLACES:
        transfer(world.hue, place, MEGABYTE, 2 * MEGABYTE)


def test_discovered_device_becomes_entities(world: World) -> None:
    exchange(world)
    eventually(lambda: world.entity("block"), "the bridge's entities exist")
    assert {"sent", "received", "destinations", "block", "activity"} <= {
        key for shown in dashboard.devices(world.assistant.client) for key in shown.entities
    }
    eventually(lambda: megabytes(world, "sent") > 0, "the total is shown")
    assert world.state("block") == "off"


def test_switch_ends_in_nftables(world: World) -> None:
    switch = world.entity("block")
    assert all(reaches(world.hue, place) for place in PLACES)
    assert HUE.mac not in blocked_devices(world)
    world.assistant.client.call("switch.turn_on", entity_id=switch)
    assert world.state("block") == "on"
    assert HUE.mac in blocked_devices(world)
    assert not any(reaches(world.hue, place) for place in PLACES)
    assert all(reaches(world.home.devices["camera"], place) for place in PLACES)
    world.assistant.client.call("switch.turn_off", entity_id=switch)
    assert world.state("block") == "off"
    assert HUE.mac not in blocked_devices(world)
    assert all(reaches(world.hue, place) for place in PLACES)


def blocked_devices(world: World) -> str:
    return world.home.gateway.run("nft", "list", "set", "inet", "spin", "blocked_devices")


def test_switch_does_not_lie_without_the_agent(world: World) -> None:
    switch = world.entity("block")
    world.agent.stop()
    eventually(lambda: world.state("block") == "unavailable", "the switch is unavailable")
    world.agent.start()
    eventually(lambda: world.assistant.client.state(switch) == "off", "the switch is back")


@pytest.mark.parametrize("part", ["agent", "broker", "home assistant"])
def test_totals_survive_a_restart(world: World, part: str) -> None:
    """What went through before, during and after is all in the total, which never gets smaller."""
    before = megabytes(world, "received")
    settled = stable(lambda: total(world, "received_bytes"))
    # The resets with which the gateway refused packets in former tests came from no Internet.
    refusals = world.home.meter("hue").received_bytes - settled
    assert refusals < 1000
    restart = {"agent": _restart_agent, "broker": _restart_broker, "home assistant": _restart_assistant}
    exchange(world)
    time.sleep(2)
    restart[part](world)
    exchange(world)
    eventually(lambda: world.state("block") == "off", "the entities are back", 60)
    assert megabytes(world, "received") >= before
    measured = world.home.meter("hue").received_bytes - refusals
    eventually(lambda: total(world, "received_bytes") == measured, f"the total becomes {measured}")


def stable(measure: Callable[[], int]) -> int:
    """Return a figure once it has not changed for three seconds."""
    value, since = measure(), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.5)
        if (now := measure()) != value:
            value, since = now, time.monotonic()
    return value


def total(world: World, key: str) -> int:
    """Return the exact sum over all destinations; the sensors follow at their pace."""
    answer = world.assistant.client.call(
        "spin.get_destinations", response=True, entity_id=world.entity("block")
    )
    (device,) = answer["service_response"]["devices"].values()
    return sum(int(destination[key]) for destination in device["destinations"])


def _restart_agent(world: World) -> None:
    world.agent.stop()
    world.agent.start()


def _restart_broker(world: World) -> None:
    world.broker.stop()
    exchange(world)
    world.broker.start()


def _restart_assistant(world: World) -> None:
    world.assistant.stop()
    exchange(world)
    world.assistant.start()
    world.assistant.wait_until_running()


def say(world: World, text: str, language: str) -> dict[str, Any]:
    """Speak to Assist; return its answer."""
    answer = world.assistant.client.command("conversation/process", text=text, language=language)
    response: dict[str, Any] = answer["response"]
    return response


def name(world: World) -> str:
    (shown,) = (shown for shown in dashboard.devices(world.assistant.client) if shown.mac == HUE.mac)
    return shown.name


def test_voice_on_the_users_word(world: World) -> None:
    eventually(lambda: world.state("block") == "off", "the switch is there", 60)
    spoken = f"block {name(world)}"
    assert say(world, f"turn on {spoken}", "en")["response_type"] == "error"
    (entry,) = world.assistant.client.request("/api/config/config_entries/entry?domain=spin")
    flow = world.assistant.client.request(
        "/api/config/config_entries/options/flow", {"handler": entry["entry_id"]}
    )
    chosen = {part["name"]: _defaults(part) for part in flow["data_schema"]}
    chosen["voice"] = {"expose": True}
    world.assistant.client.request(f"/api/config/config_entries/options/flow/{flow['flow_id']}", chosen)
    eventually(lambda: world.state("block") == "off", "the switch is back", 60)
    for on, off, language in (("turn on", "turn off", "en"), ("zet {} aan", "zet {} uit", "nl")):
        turn = [f"{text} {{}}" if "{}" not in text else text for text in (on, off)]
        assert say(world, turn[0].format(spoken), language)["response_type"] == "action_done"
        assert HUE.mac in blocked_devices(world)
        assert say(world, turn[1].format(spoken), language)["response_type"] == "action_done"
        assert HUE.mac not in blocked_devices(world)


def _defaults(part: dict[str, Any]) -> dict[str, Any]:
    return {field["name"]: field["default"] for field in part["schema"]}


def automate(world: World, blueprint: str, **inputs: object) -> None:
    """Make an automation of a blueprint, as the editor does."""
    client = world.assistant.client
    used = {"path": f"spin/{blueprint}.yaml", "input": inputs}
    client.request(f"/api/config/automation/config/{blueprint}", {"alias": blueprint, "use_blueprint": used})
    eventually(lambda: client.state(f"automation.{blueprint}") == "on", f"{blueprint} is valid")


def test_blueprints(world: World) -> None:
    automate(world, "voice_block")
    answer = say(world, f"blokkeer de {name(world)}", "nl")
    assert answer["speech"]["plain"]["speech"] == f"{name(world)} is geblokkeerd"
    assert not any(reaches(world.hue, place) for place in PLACES)
    answer = say(world, f"unblock {name(world)}", "en")
    assert answer["speech"]["plain"]["speech"] == f"{name(world)} is unblocked"
    assert all(reaches(world.hue, place) for place in PLACES)

    devices, when = {"entity_id": world.entity("block")}, [{"trigger": "event", "event_type": "button"}]
    automate(world, "pause_internet", devices=devices, when=when, duration={"seconds": 3})
    world.assistant.client.request("/api/events/button", {})
    eventually(lambda: HUE.mac in blocked_devices(world), "the Internet is paused")
    eventually(lambda: HUE.mac not in blocked_devices(world), "the pause is over")
    eventually(lambda: world.state("block") == "off", "and that is shown")

"""Experiments: what is cut off, for how long, what is told, and that nothing is left behind."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from freezegun.api import FrozenDateTimeFactory
from gateway_double import CAMERA, EPOCH, HUE, Broker, Gateway, example, grown, row, text_of
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin.const import DOMAIN
from custom_components.spin.destinations import Grown
from custom_components.spin.models import Row, RowCounters
from custom_components.spin.packing import unpack
from custom_components.spin.study.contacts import Contact
from custom_components.spin.study.experiment import MAX_ATTEMPTS, MAX_LOOKUPS, Experiment
from custom_components.spin.study.experiments import Experiments
from custom_components.spin.study.record import MAX_EXPERIMENTS

DOCS = Path(__file__).parent.parent.parent / "docs"
BEGAN = time.time() - 100
PLUG = "50:c7:bf:00:00:03"


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with (
        patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1),
        patch("custom_components.spin.policy.POLICY_GATHER", 0),
    ):
        yield


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> str:
    """Have a device that talks to its cloud; return its id."""
    gateway.device()
    await hass.async_block_till_done()
    tell(gateway, now_row(), now_row("time1.google.com", port=123, protocol="udp"), seq=1)
    await hass.async_block_till_done()
    return device_id(hass, spin)


def device_id(hass: HomeAssistant, spin: MockConfigEntry, name: str = f"home_{HUE}") -> str:
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, name), spin.entry_id).id


def now_row(name: str | None = "ws.meethue.com", **fields: Any) -> dict[str, Any]:
    first = BEGAN if name == "ws.meethue.com" else time.time()
    return row(name, **{"first": first, "last": time.time(), **fields})


def tell(gateway: Gateway, *rows: dict[str, Any], seq: int = 2, **fields: Any) -> None:
    """Report traffic of the present."""
    with patch("gateway_double.START", time.time() - 5 * seq):
        gateway.flows(*rows, seq=seq, **fields)


async def call(hass: HomeAssistant, action: str, device: str, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, action, {"device_id": device, **data}, blocking=True, return_response=True
    )
    return answer["devices"][device]


async def over(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_cloud_loss(
    hass: HomeAssistant, gateway: Gateway, hue: str, freezer: FrozenDateTimeFactory, spin: MockConfigEntry
) -> None:
    answer = await call(hass, "start_experiment", hue, kind="cloud_lost", duration="00:05:00")
    assert answer["outcome"] == "running"
    rule = gateway.policy["devices"][HUE]
    assert rule["blocked"] is True
    assert rule["until"] == pytest.approx(time.time() + 300, abs=2)
    study = spin.runtime_data.study
    assert study.experiment_of(HUE).id == answer["id"]

    freezer.tick(10)
    tell(gateway, now_row(blocked=3, connections=1), lookups={"www.philips.com": time.time()})
    freezer.tick(5)
    tell(
        gateway,
        now_row(blocked=4, connections=1),
        now_row("google.com", port=80, sent_packets=0, blocked=1, connections=0, received_bytes=0),
        seq=3,
    )
    await over(hass, freezer, 300)
    assert gateway.policy["devices"] == {}
    experiment = (await call(hass, "get_experiment", hue))["experiment"]
    assert experiment["outcome"] == "completed"
    assert [
        (each["destination"], each["count"], each["answer"], each["usual"]) for each in experiment["attempts"]
    ] == [("ws.meethue.com", 4, "refused", True), ("google.com", 1, "refused", False)]
    assert 0 <= experiment["attempts"][0]["after"] <= experiment["attempts"][1]["after"] <= 20
    assert experiment["looked_up_only"] == ["www.philips.com"]
    assert study.experiment_of(HUE) is None
    state = hass.states.get("event.philips_hue_activity")
    assert state.attributes["event_type"] == "experiment_finished"
    assert state.attributes["tried"] == "ws.meethue.com, google.com"
    assert state.attributes["unusual"] == "google.com"
    assert state.attributes["message"] == (
        "The experiment with Philips-hue is over. It tried: ws.meethue.com, google.com."
    )
    chapter = (DOCS / "alerts.md").read_text().split("All events have")[1].split("and those about")[0]
    of_all = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", chapter, re.MULTILINE))))
    assert of_all >= {"id", "message", "reasons", "action", "burst", "burst_position", "burst_summary"}
    assert of_all <= set(state.attributes)
    entries, _ = spin.runtime_data.devices[HUE].journal.entries()
    assert {"experiment_started", "experiment_finished"} <= {entry.kind for entry in entries}
    profile = study.record(HUE).periods.present
    assert {c.target for c, seen in profile.contacts.items() if seen.usual} == {
        "ws.meethue.com",
        "time1.google.com",
    }
    assert {c.target for c, seen in profile.contacts.items() if seen.in_trouble} == {
        "ws.meethue.com",
        "google.com",
    }


async def test_stopped_early(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    await call(hass, "start_experiment", hue, kind="started_without_internet")
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "start_experiment", hue, kind="normal")
    assert caught.value.translation_key == "experiment_runs"
    answer = await call(hass, "stop_experiment", hue)
    assert answer["outcome"] == "stopped"
    assert gateway.policy["devices"] == {}
    again = await call(hass, "stop_experiment", hue)
    assert answer["changed"] is True
    assert again == {**answer, "changed": False}


@pytest.fixture
async def several(hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry) -> dict[str, str]:
    """Have two more devices; return the MAC addresses of all by id, in the order in which they are taken."""
    gateway.device(CAMERA, hostname="camera")
    gateway.device(PLUG, hostname="plug")
    await hass.async_block_till_done()
    return dict(sorted((device_id(hass, spin, f"home_{mac}"), mac) for mac in (HUE, CAMERA, PLUG)))


async def start_several(hass: HomeAssistant, several: dict[str, str]) -> None:
    await hass.services.async_call(
        DOMAIN, "start_experiment", {"device_id": list(several), "kind": "cloud_lost"}, blocking=True
    )


async def test_none_begins_when_one_of_several_is_refused(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, several: dict[str, str], spin: MockConfigEntry
) -> None:
    *_, last = several
    await hass.services.async_call(DOMAIN, "block_device", {"device_id": last}, blocking=True)
    written = len(broker.sent("spin/home/policy"))
    with pytest.raises(ServiceValidationError) as caught:
        await start_several(hass, several)
    assert caught.value.translation_key == "experiment_blocked"
    assert list(gateway.policy["devices"]) == [several[last]]
    assert len(broker.sent("spin/home/policy")) == written
    assert not any(spin.runtime_data.study.record(mac).experiments for mac in several.values())


async def test_none_begins_when_one_of_several_must_stay_reachable(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, several: dict[str, str], spin: MockConfigEntry
) -> None:
    *_, last = several.values()
    own = example("device") | {"mac": last, "epoch": EPOCH, "addresses": ["192.168.8.66"]}
    gateway.say(f"device/{last}", own)
    await hass.async_block_till_done()
    assert spin.runtime_data.devices[last].addresses == ("192.168.8.66",)
    spin.runtime_data.decisions._protected._refreshed_at = float("-inf")
    adapter = {"ipv4": [{"address": "192.168.8.66"}], "ipv6": []}
    with (
        patch("homeassistant.components.network.async_get_adapters", return_value=[adapter]),
        pytest.raises(ServiceValidationError) as caught,
    ):
        await start_several(hass, several)
    assert caught.value.translation_key == "is_home_assistant"
    assert broker.sent("spin/home/policy") == []


@pytest.mark.parametrize("ends", [True, False])
async def test_those_that_began_end_when_a_later_one_fails(
    hass: HomeAssistant, gateway: Gateway, several: dict[str, str], spin: MockConfigEntry, ends: bool
) -> None:
    """What the gateway does not end at once ends in its time."""
    *first, gateway.refuses = several.values()
    fails = patch.object(Experiments, "stop", side_effect=HomeAssistantError)
    with pytest.raises(HomeAssistantError) as caught, nullcontext() if ends else fails:
        await start_several(hass, several)
    assert caught.value.translation_key == "policy_refused"
    blocked = {mac for mac, rule in gateway.policy["devices"].items() if rule["until"]}
    assert blocked == (set() if ends else set(first))
    study = spin.runtime_data.study
    outcomes = [[each.outcome for each in study.record(mac).experiments] for mac in several.values()]
    assert outcomes == [["stopped" if ends else "running"]] * 2 + [[]]


async def test_several_are_stopped_whichever_of_them_run(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, several: dict[str, str]
) -> None:
    first, idle, last = several
    for device in (first, last):
        await call(hass, "start_experiment", device, kind="cloud_lost")
    answer = await hass.services.async_call(
        DOMAIN, "stop_experiment", {"device_id": list(several)}, blocking=True, return_response=True
    )
    devices = answer["devices"]
    assert {name: devices[name]["changed"] for name in devices} == {first: True, idle: False, last: True}
    assert [devices[name]["outcome"] for name in (first, last)] == ["stopped", "stopped"]
    assert gateway.policy["devices"] == {}
    assert len(broker.sent("spin/home/policy")) == 3


async def test_several_go_on_when_the_gateway_does_not_confirm_their_end(
    hass: HomeAssistant, gateway: Gateway, several: dict[str, str], spin: MockConfigEntry
) -> None:
    await start_several(hass, several)
    gateway.answers = False
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(DOMAIN, "stop_experiment", {"device_id": list(several)}, blocking=True)
    assert all(spin.runtime_data.study.experiment_of(mac) for mac in several.values())


async def test_it_goes_on_when_the_gateway_does_not_confirm_its_end(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    await call(hass, "start_experiment", hue, kind="cloud_lost", duration=600)
    (before,) = spin.runtime_data.study.record(HUE).experiments
    ends = before.ends
    gateway.status("offline")
    await hass.async_block_till_done()
    with pytest.raises(HomeAssistantError):
        await call(hass, "stop_experiment", hue)
    assert (before.is_running, before.ends) == (True, ends)


async def test_only_some_names(
    hass: HomeAssistant, gateway: Gateway, hue: str, freezer: FrozenDateTimeFactory
) -> None:
    """A check that answers is seen to be one: set up and closed, without a byte."""
    await call(hass, "start_experiment", hue, kind="cloud_lost", destinations=["MeetHue.com."])
    (rule,) = gateway.policy["devices"][HUE]["destinations"]
    assert (rule["action"], rule["name"]) == ("block", "meethue.com")
    freezer.tick(10)
    tell(gateway, now_row("www.philips.com", port=80, connections=2, empty=2, received_bytes=120))
    await over(hass, freezer, 700)
    assert gateway.policy["devices"] == {}
    experiment = (await call(hass, "get_experiment", hue))["experiment"]
    (attempt,) = experiment["attempts"]
    assert (attempt["answer"], attempt["connectivity_check"]) == ("answered", "empty")
    assert experiment["only"] == ["meethue.com"]


async def test_only_some_addresses(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    only = ["198.51.100.7", "2001:DB8::/32", "b\u00fccher.example"]
    answer = await call(hass, "start_experiment", hue, kind="cloud_lost", destinations=only)
    assert answer["only"] == ["198.51.100.7", "2001:db8::/32", "xn--bcher-kva.example"]
    rules = gateway.policy["devices"][HUE]["destinations"]
    assert [rule.get("name") or rule["address"] for rule in rules] == answer["only"]
    assert all(rule["until"] for rule in rules)
    await call(hass, "stop_experiment", hue)
    assert gateway.policy["devices"] == {}


@pytest.mark.parametrize("destination", ["300.1.2.3", "a b", "192.0.2.1/8"])
async def test_what_is_no_destination(
    hass: HomeAssistant, broker: Broker, hue: str, destination: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "start_experiment", hue, kind="cloud_lost", destinations=[destination])
    assert caught.value.translation_key == "invalid_destination"
    assert broker.sent("spin/home/policy") == []


async def test_ordinary_operation_blocks_nothing(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, hue: str, freezer: FrozenDateTimeFactory
) -> None:
    await call(hass, "start_experiment", hue, kind="normal", duration=60)
    freezer.tick(5)
    tell(gateway, now_row(sent_bytes=9000, connections=4, received_bytes=9000))
    await over(hass, freezer, 100)
    assert broker.sent("spin/home/policy") == []
    experiment = (await call(hass, "get_experiment", hue))["experiment"]
    assert [each["answer"] for each in experiment["attempts"]] == ["answered"]


async def test_a_blocked_device_is_refused(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    await hass.services.async_call(DOMAIN, "block_device", {"device_id": hue}, blocking=True)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "start_experiment", hue, kind="cloud_lost")
    assert caught.value.translation_key == "experiment_blocked"
    assert gateway.policy["devices"][HUE]["until"] is None


async def test_a_rule_that_there_was_is_not_ended(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    await hass.services.async_call(
        DOMAIN, "block_destination", {"device_id": hue, "destination": "meethue.com"}, blocking=True
    )
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "start_experiment", hue, kind="cloud_lost", destinations=["meethue.com"])
    assert caught.value.translation_key == "experiment_rule"


async def test_what_home_assistant_runs_on_is_refused(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    spin.runtime_data.decisions._protected._refreshed_at = float("-inf")
    adapter = {"ipv4": [{"address": "192.168.8.20"}], "ipv6": []}
    with (
        patch("homeassistant.components.network.async_get_adapters", return_value=[adapter]),
        pytest.raises(ServiceValidationError) as caught,
    ):
        await call(hass, "start_experiment", hue, kind="cloud_lost")
    assert caught.value.translation_key == "is_home_assistant"
    assert gateway.policy["devices"] == {}


async def test_the_gateway_is_refused(hass: HomeAssistant, spin: MockConfigEntry, hue: str) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "start_experiment", device_id(hass, spin, "home"), kind="cloud_lost")
    assert caught.value.translation_key == "gateway_is_no_device"


async def test_nothing_begins_when_the_gateway_does_not_confirm(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    gateway.answers = False
    with pytest.raises(HomeAssistantError):
        await call(hass, "start_experiment", hue, kind="cloud_lost")
    assert spin.runtime_data.study.experiment_of(HUE) is None
    assert (await call(hass, "get_experiment", hue))["experiment"] is None


async def test_only_one_begins_of_two_at_once(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, hue: str
) -> None:
    results = await asyncio.gather(
        *(call(hass, "start_experiment", hue, kind="cloud_lost") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["ServiceValidationError", "dict"]
    assert len(broker.sent("spin/home/policy")) == 1


async def test_what_is_refused_before_the_gateway_has_confirmed(
    hass: HomeAssistant, gateway: Gateway, hue: str
) -> None:
    gateway.answers = False
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 5):
        begun = hass.async_create_task(call(hass, "start_experiment", hue, kind="cloud_lost"))
        await asyncio.sleep(0.05)
        tell(gateway, now_row(blocked=2))
        gateway.take_policy(gateway.broker.sent("spin/home/policy")[-1])
        await begun
    (attempt,) = (await call(hass, "get_experiment", hue))["experiment"]["attempts"]
    assert (attempt["after"], attempt["count"], attempt["answer"]) == (0.0, 2, "refused")


async def test_somebody_unblocks_the_device(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    await call(hass, "start_experiment", hue, kind="cloud_lost")
    await hass.services.async_call(DOMAIN, "unblock_device", {"device_id": hue}, blocking=True)
    await hass.async_block_till_done()
    assert (await call(hass, "get_experiment", hue))["experiment"]["outcome"] == "interrupted"


async def test_a_gateway_that_is_away_at_the_end(
    hass: HomeAssistant, gateway: Gateway, hue: str, freezer: FrozenDateTimeFactory
) -> None:
    await call(hass, "start_experiment", hue, kind="cloud_lost", duration=60)
    gateway.status("offline")
    await over(hass, freezer, 100)
    assert (await call(hass, "get_experiment", hue))["experiment"]["outcome"] == "completed"


async def test_survives_a_restart(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    begun = await call(hass, "start_experiment", hue, kind="cloud_lost", duration=600)
    tell(gateway, now_row(blocked=3))
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    experiment = spin.runtime_data.study.experiment_of(HUE)
    assert experiment.id == begun["id"]
    assert experiment.in_order()[0][1].count == 3
    assert gateway.policy["devices"][HUE]["blocked"] is True
    assert (await call(hass, "stop_experiment", hue))["outcome"] == "stopped"


async def test_ends_in_order_what_ended_while_home_assistant_was_stopped(
    hass: HomeAssistant,
    broker: Broker,
    gateway: Gateway,
    hue: str,
    spin: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    await call(hass, "start_experiment", hue, kind="cloud_lost", duration=600)
    assert await hass.config_entries.async_unload(spin.entry_id)
    devices = hass_storage[f"spin.{spin.entry_id}.study"]["data"]["devices"]
    record = unpack(devices[HUE])
    stored = record["experiments"][-1]
    stored["ends"] = time.time() - 60
    devices[HUE] = text_of(orjson.dumps(record))
    with (
        patch("custom_components.spin.study.experiments.AFTER_RESTART", 0.05),
        patch.object(Experiments, "_grace", return_value=0.0),
    ):
        assert await hass.config_entries.async_setup(spin.entry_id)
        await broker.settled()
        await asyncio.sleep(0.2)
        await hass.async_block_till_done()
    experiment = (await call(hass, "get_experiment", hue))["experiment"]
    assert experiment["outcome"] == "completed"
    assert experiment["ended"] == stored["ends"]
    assert gateway.policy["devices"] == {}


async def test_a_device_that_goes_meanwhile(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device(CAMERA, hostname="camera")
    await hass.async_block_till_done()
    await call(hass, "start_experiment", hue, kind="normal", duration=600)
    spin.runtime_data.roster.remove(HUE)
    await over(hass, freezer, 61)
    assert HUE not in spin.runtime_data.study._records
    await over(hass, freezer, 700)


async def test_an_experiment_is_found_by_its_id(
    hass: HomeAssistant, hue: str, several: dict[str, str]
) -> None:
    first = await call(hass, "start_experiment", hue, kind="normal")
    await call(hass, "stop_experiment", hue)
    await call(hass, "start_experiment", hue, kind="normal")
    answer = await hass.services.async_call(
        DOMAIN,
        "get_experiment",
        {"device_id": list(several), "experiment": first["id"]},
        blocking=True,
        return_response=True,
    )
    found = {device: each["experiment"] for device, each in answer["devices"].items()}
    assert found.pop(hue)["id"] == first["id"]
    assert set(found.values()) == {None}
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "get_experiment", hue, experiment="none")
    assert caught.value.translation_key == "unknown_experiment"


async def test_listeners_are_told(hass: HomeAssistant, hue: str, spin: MockConfigEntry) -> None:
    told: list[str] = []
    stop = spin.runtime_data.study.listen_changes(told.append)
    await call(hass, "start_experiment", hue, kind="normal")
    await call(hass, "stop_experiment", hue)
    stop()
    assert told == [HUE, HUE]


def growth(name: str, at: float, **counters: int) -> Grown:
    new = RowCounters(**counters)
    return grown(Row(name, "dns", "198.51.100.7", "tcp", 443, False, at, at, 1, new))


def never(_contact: Contact) -> bool:
    return False


def test_what_was_before_the_block_is_no_attempt() -> None:
    experiment = Experiment("a", "cloud_lost", 1000, 1600)
    experiment.take([growth("ws.meethue.com", 998, connections=1, sent_bytes=90)], (996, 1001), 0, never)
    assert experiment.in_order() == []
    experiment.take(
        [growth("ws.meethue.com", 998, connections=1, blocked=2, received_bytes=90)], (996, 1001), 0, never
    )
    ((_, attempt),) = experiment.in_order()
    assert (attempt.first, attempt.count, attempt.answer) == (1000, 2, "refused")
    experiment.take([growth("quiet.example", 1001)], (1000, 1005), 0, never)
    assert len(experiment.attempts) == 1


def test_what_is_after_the_block_is_no_attempt() -> None:
    experiment = Experiment("a", "cloud_lost", 1000, 1600)
    back = growth("ws.meethue.com", 1601, connections=1, received_bytes=90)
    experiment.take([back], (1600, 1605), 0, never)
    assert experiment.in_order() == []
    at_the_end = growth("ws.meethue.com", 1598, connections=1, blocked=2, received_bytes=90)
    experiment.take([at_the_end], (1598, 1603), 0, never)
    ((_, attempt),) = experiment.in_order()
    assert (attempt.first, attempt.count, attempt.answer) == (1598, 2, "refused")


def test_the_gateway_s_clock_does_not_matter() -> None:
    experiment = Experiment("a", "cloud_lost", 1000, 1600)
    experiment.take([growth("ws.meethue.com", 51_010, blocked=1)], (51_005, 51_010), 50_000, never)
    assert experiment.result({})["attempts"][0]["after"] == 10


def test_what_answers_nothing_is_unanswered() -> None:
    experiment = Experiment("a", "normal", 1000, 1600)
    experiment.take(
        [growth("x.example", 1001, connections=1, unanswered=1, sent_bytes=60)], (1000, 1005), 0, never
    )
    experiment.take([growth("y.example", 1001, connections=1, sent_bytes=60)], (1000, 1005), 0, never)
    assert [attempt.answer for _, attempt in experiment.in_order()] == ["unanswered", "pending"]


def test_a_check_that_was_seen_before_is_named() -> None:
    experiment = Experiment("a", "cloud_lost", 1000, 1600)
    experiment.take([growth("google.com", 1001, blocked=1)], (1000, 1005), 0, never)
    found = experiment.result({Contact("google.com", True, "tcp", 443): "empty"})
    assert found["attempts"][0]["connectivity_check"] == "empty"


def test_bounds() -> None:
    experiment = Experiment("a", "cloud_lost", 1000, 1600)
    for number in range(1000):
        experiment.take([growth(f"host{number}.example", 1001, blocked=1)], (1000, 1005), 0, never)
        experiment.look_up({f"host{number}.example": 1001.0}, 0)
    assert len(experiment.attempts) == MAX_ATTEMPTS
    assert experiment.omitted == 1000 - MAX_ATTEMPTS
    assert len(experiment.lookups) == MAX_LOOKUPS


async def test_old_experiments_are_forgotten(hass: HomeAssistant, hue: str, spin: MockConfigEntry) -> None:
    for _ in range(MAX_EXPERIMENTS + 2):
        await call(hass, "start_experiment", hue, kind="normal")
        await call(hass, "stop_experiment", hue)
    assert len(spin.runtime_data.study.record(HUE).experiments) == MAX_EXPERIMENTS


@pytest.mark.parametrize("wrong", [{"kind": "x"}, {"outcome": "x"}, {"attempts": [[1]]}, {"lookups": [1]}])
def test_what_is_stored_is_checked(wrong: dict[str, Any]) -> None:
    stored = Experiment("a", "normal", 1000, 1600).as_dict()
    assert Experiment.from_dict(stored).as_dict() == stored
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Experiment.from_dict(stored | wrong)

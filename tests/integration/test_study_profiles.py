"""Profiles: what a firmware changed, told exactly, and what can be concluded from it."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from gateway_double import HUE, Gateway, grown, row, stored_of, text_of
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin.const import DOMAIN
from custom_components.spin.destinations import Grown
from custom_components.spin.models import Row, RowCounters
from custom_components.spin.packing import unpack
from custom_components.spin.study import study as studies
from custom_components.spin.study.connectivity import check_kind
from custom_components.spin.study.contact_book import MAX_CONTACTS
from custom_components.spin.study.contacts import Contact
from custom_components.spin.study.experiment import Experiment
from custom_components.spin.study.periods import MAX_PERIODS, Periods
from custom_components.spin.study.profile import DAY, Profile, compare
from custom_components.spin.study.record import Record
from custom_components.spin.wire import parse_flows
from tests.home.household import HUE as HUE_RESIDENT
from tests.home.hue import Firmware, hue_bridge
from tests.home.recording import Outage, Part, record
from tests.home.replayed import flows_of

START = 1577880000.0


def growth(name: str | None, port: int = 443, **counters: int) -> Grown:
    new = RowCounters(**{"connections": 1, "sent_bytes": 100, "received_bytes": 200, **counters})
    row = Row(name, name and "dns", "198.51.100.7", "tcp", port, False, 1, 1, 1, new)
    return grown(row)


def observed(kept: Record, folder: Path, firmware: Firmware) -> None:
    """Watch the bridge with a firmware for 190 s, and 410 s more without its cloud."""
    capture = folder / f"{firmware}.pcap"
    with capture.open("wb") as file:
        record(
            file, [Part(HUE_RESIDENT, hue_bridge(firmware))],
            start=START, seconds=600, outages=[Outage(190, 600, "blocked")],
        )  # fmt: skip
    for _, payload in flows_of(capture, HUE_RESIDENT.mac):
        flows = parse_flows(payload)
        if kept.running is None and flows.start >= START + 190:
            kept.begin(Experiment(firmware, "cloud_lost", flows.start, START + 600))
        # Each message of a replay has all that was counted; names are all that matters here.
        seen = [grown(row) for row in flows.rows if not row.local]
        kept.take(flows, seen, flows.end, 0)
    running = kept.running
    assert running is not None
    running.end("completed", START + 600)


def test_the_firmware_of_december_2019_compared_with_that_of_march(tmp_path: Path) -> None:
    kept = Record(Periods.beginning(START))
    kept.periods.firmware_is("March 2019", START)
    observed(kept, tmp_path, "march2019")
    kept.periods.firmware_is("December 2019", START)
    observed(kept, tmp_path, "december2019")
    pair = kept.periods.pair("March 2019", "December 2019")
    assert pair is not None
    found = compare(*pair)
    assert [each["name"] for each in found["names_gone"]] == ["facebook.com", "qq.com"]
    assert all(each["only_without_internet"] for each in found["names_gone"])
    assert found["names_new"] == []
    assert {"ws.meethue.com", "google.com", "baidu.com", "time1.google.com"} <= set(found["names_kept"])
    assert (found["services_gone"], found["services_new"]) == ([], [])


def test_exposure_is_stated_and_warned_of() -> None:
    before, after = Profile(1, 0.0, heard=10 * DAY), Profile(2, 0.0, heard=2 * DAY)
    before.take([growth("a.example", sent_bytes=10_000)], 5.0, trouble=False)
    before.requests = 100
    found = compare(before, after)
    assert found["before"]["exposure_hours"] == 240
    assert found["before"]["sent_bytes_per_day"] == 1000
    assert found["before"]["time_requests_per_day"] == 10
    assert found["warnings"] == ["unequal_exposure"]
    after.trouble, after.heard = 600.0, 1.0
    after.omitted = 3
    assert compare(before, after)["warnings"] == [
        "unequal_exposure", "unequal_trouble", "short_exposure", "truncated",
    ]  # fmt: skip
    assert compare(before, after)["after"]["sent_bytes_per_day"] is None
    equal = Profile(3, 0.0, heard=10 * DAY)
    assert compare(before, equal)["warnings"] == []


def test_names_and_services() -> None:
    before, after = Profile(1, 0.0), Profile(2, 0.0)
    before.take(
        [growth("a.example"), growth("b.example", 80, empty=1), growth(None, 8883)], 1.0, trouble=False
    )
    after.take([growth("a.example"), growth("c.example", 123)], 1.0, trouble=True)
    after.take([growth("quiet.example", connections=0, sent_bytes=0, received_bytes=0)], 1.0, trouble=False)
    found = compare(before, after)
    assert found["names_gone"] == [
        {
            "name": "b.example",
            "services": ["tcp/80"],
            "only_without_internet": False,
            "connectivity_check": "empty",
        }
    ]
    assert [(each["name"], each["only_without_internet"]) for each in found["names_new"]] == [
        ("c.example", True)
    ]
    assert found["names_kept"] == ["a.example"]
    assert found["services_gone"] == ["tcp/80", "tcp/8883"]
    assert found["services_new"] == ["tcp/123"]


@pytest.mark.parametrize(
    ("name", "connections", "empty", "kind"),
    [
        ("google.com", 3, 3, "empty"),
        (None, 1, 1, "empty"),
        ("google.com", 3, 2, None),
        ("google.com", 0, 0, None),
        ("connectivitycheck.gstatic.com", 3, 0, "probe"),
        ("captive.apple.com", 3, 1, "probe"),
        ("www.msftconnecttest.com", 0, 0, "probe"),
        ("captive.apple.com", 3, 3, "empty"),
        ("captive.apple.com.example", 3, 0, None),
    ],
)
def test_connectivity_checks(name: str | None, connections: int, empty: int, kind: str | None) -> None:
    assert check_kind(name, connections, empty) == kind


def test_periods_are_found_and_forgotten() -> None:
    periods = Periods.beginning(0.0)
    assert periods.firmware_is(None, 1.0) is None
    assert periods.firmware_is("1.0", 1.0) is None
    assert periods.firmware_is("1.0", 2.0) is None
    begun = periods.firmware_is("1.1", 3.0)
    assert begun is periods.present
    assert periods.begin(4.0, label="holiday").firmware == "1.1"
    assert [profile.ended for profile in periods] == [3.0, 4.0, None]
    assert periods.titles() == ["1.0", "1.1", "holiday"]
    assert periods.find("1.0").number == 1
    assert periods.find("1.1").number == 3
    assert periods.find("2").firmware == "1.1"
    assert periods.pair("nobody", None) is None
    assert periods.pair(None, "1") is None
    assert [profile.number for profile in periods.pair(None, None)] == [2, 3]
    assert [profile.number for profile in periods.pair(None, "2")] == [1, 2]
    for _ in range(MAX_PERIODS + 3):
        periods.begin(5.0)
    assert len(periods) == MAX_PERIODS
    with pytest.raises(ValueError, match="no period"):
        Periods([])


def test_bounds() -> None:
    profile = Profile(1, 0.0)
    for number in range(MAX_CONTACTS + 10):
        profile.take([growth(f"host{number}.example")], float(number), trouble=False)
    assert (len(profile.contacts), profile.omitted) == (MAX_CONTACTS, 10)
    assert profile.halve() == MAX_CONTACTS // 2
    assert Contact("host0.example", True, "tcp", 443) not in profile.contacts
    periods = Periods([profile])
    assert periods.shrink() == 0
    periods.begin(1.0)
    assert periods.shrink() == MAX_CONTACTS // 2
    assert periods.size == 0


def test_stored_and_restored() -> None:
    profile = Profile(3, 1.0, "label", "fw", 5.0, 6.0, 7.0, 8, 9)
    profile.take([growth("a.example"), growth(None)], 2.0, trouble=True)
    restored = Profile.from_dict(json.loads(stored_of(profile)), str)
    assert stored_of(restored) == stored_of(profile)
    kept = Record(Periods([profile]))
    assert stored_of(Record.from_dict(json.loads(stored_of(kept)), str)) == stored_of(kept)


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> str:
    """Have a device; return its id."""
    gateway.device()
    gateway.flows(row(), row("old.example"))
    await hass.async_block_till_done()
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).id


async def compared(hass: HomeAssistant, hue: str, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, "compare_profiles", {"device_id": hue, **data}, blocking=True, return_response=True
    )
    return answer["devices"][hue]


async def begin(hass: HomeAssistant, hue: str, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, "begin_period", {"device_id": hue, **data}, blocking=True, return_response=True
    )
    return answer["devices"][hue]


async def minute(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    freezer.tick(timedelta(seconds=61))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def test_a_period_by_hand(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    assert (await compared(hass, hue))["comparison"] is None
    begun = await begin(hass, hue, label="after the summer")
    assert (begun["period"], begun["label"], begun["names"]) == (2, "after the summer", 0)
    gateway.flows(row(sent_bytes=9000), row("new.example"), seq=2)
    await hass.async_block_till_done()
    found = (await compared(hass, hue))["comparison"]
    assert [each["name"] for each in found["names_gone"]] == ["old.example"]
    assert [each["name"] for each in found["names_new"]] == ["new.example"]
    assert found["after"]["label"] == "after the summer"
    with pytest.raises(ServiceValidationError) as caught:
        await compared(hass, hue, before="never")
    assert caught.value.translation_key == "no_period"


async def test_beginning_twice_is_beginning_once(hass: HomeAssistant, gateway: Gateway, hue: str) -> None:
    for label, numbers in ((None, (2, 2)), (" summer ", (3, 3)), ("autumn", (4, 4)), ("summer", (5, 5))):
        data = {} if label is None else {"label": label}
        answers = [await begin(hass, hue, **data) for _ in range(2)]
        assert [answer["changed"] for answer in answers] == [True, False]
        assert tuple(answer["period"] for answer in answers) == numbers
        assert {answer["label"] for answer in answers} == {label and label.strip()}
        gateway.flows(row(sent_bytes=1000 * numbers[0]), seq=numbers[0])
        await hass.async_block_till_done()
    assert (await begin(hass, hue, label="summer"))["changed"] is False
    assert (await begin(hass, hue))["period"] == 6


@pytest.mark.parametrize("label", ["", "  ", "\t"])
async def test_a_blank_label_is_refused(
    hass: HomeAssistant, hue: str, spin: MockConfigEntry, label: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await begin(hass, hue, label=label)
    assert caught.value.translation_key == "blank_label"
    assert len(spin.runtime_data.study.record(HUE).periods) == 1


async def test_new_firmware_begins_a_period(
    hass: HomeAssistant, hue: str, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    other = MockConfigEntry(domain="hue")
    other.add_to_hass(hass)
    registry = dr.async_get(hass)
    linked = registry.async_get_or_create(
        config_entry_id=other.entry_id, connections={(dr.CONNECTION_NETWORK_MAC, HUE)}, sw_version="1.0"
    )
    await minute(hass, freezer)
    registry.async_update_device(linked.id, sw_version="1.1")
    told: list[str] = []
    spin.runtime_data.study.listen_changes(told.append)
    await minute(hass, freezer)
    found = await compared(hass, hue)
    assert [period["firmware"] for period in found["periods"]] == ["1.0", "1.1"]
    assert found["periods"][0]["exposure_hours"] == pytest.approx(2 / 60, abs=0.01)
    assert told == [HUE]


async def test_the_firmware_of_an_update_entity(
    hass: HomeAssistant, hue: str, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    other = MockConfigEntry(domain="hue")
    other.add_to_hass(hass)
    linked = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, connections={(dr.CONNECTION_NETWORK_MAC, HUE)}
    )
    entity = er.async_get(hass).async_get_or_create("update", "hue", "fw", device_id=linked.id)
    await minute(hass, freezer)
    hass.states.async_set(entity.entity_id, "off", {"installed_version": "1937045000"})
    await minute(hass, freezer)
    assert spin.runtime_data.study.record(HUE).periods.present.firmware == "1937045000"


async def test_all_devices_together_are_bounded(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry, freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(studies, "MAX_CONTACTS_IN_ALL", 3)
    study = spin.runtime_data.study
    await study.begin_period(HUE, None)
    gateway.flows(*(row(f"host{number}.example") for number in range(8)), seq=2)
    await minute(hass, freezer)
    assert sum(len(profile.contacts) for profile in study.record(HUE).periods) <= 3
    assert len(study.record(HUE).periods) == 1


async def test_survives_a_restart(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    before = stored_of(spin.runtime_data.study.record(HUE))
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    assert stored_of(spin.runtime_data.study.record(HUE)) == before


async def test_saved_in_time_though_there_is_always_traffic(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry, hass_storage: dict[str, Any],
    freezer: FrozenDateTimeFactory,
) -> None:  # fmt: skip
    for number in range(12):
        gateway.flows(row(f"host{number}.example"), seq=number + 2)
        await minute(hass, freezer)
    kept = unpack(hass_storage[f"spin.{spin.entry_id}.study"]["data"]["devices"][HUE])
    assert {"host0.example", "host3.example"} <= {each[0] for each in kept["periods"][0]["contacts"]}


async def test_reads_what_an_earlier_version_stored(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    before = stored_of(spin.runtime_data.study.record(HUE))
    assert await hass.config_entries.async_unload(spin.entry_id)
    devices = hass_storage[f"spin.{spin.entry_id}.study"]["data"]["devices"]
    devices[HUE] = unpack(devices[HUE])
    for contact in devices[HUE]["periods"][0]["contacts"]:
        contact[4][0] += 0.25
        contact[4][1] += 0.75
    assert await hass.config_entries.async_setup(spin.entry_id)
    assert stored_of(spin.runtime_data.study.record(HUE)) == before


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"devices": 3},
        {"devices": {HUE: {"periods": []}, "x": {}}},
        {"devices": {HUE: None}},
        {"devices": {HUE: "not packed"}},
        {"devices": {HUE: text_of(b'{"periods": [')}},
        {"devices": {HUE: text_of(b'{"periods": []}')[:20]}},
        {"devices": {HUE: text_of(b"[]")}},
    ],
)
async def test_what_cannot_be_read_is_forgotten(
    hass: HomeAssistant,
    gateway: Gateway,
    hue: str,
    spin: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    stored: dict[str, Any],
) -> None:
    assert await hass.config_entries.async_unload(spin.entry_id)
    hass_storage[f"spin.{spin.entry_id}.study"]["data"] = stored
    assert await hass.config_entries.async_setup(spin.entry_id)
    assert len(spin.runtime_data.study.record(HUE).periods.present.contacts) == 0
    assert "stud" in caplog.text


async def test_removed_with_the_entry(
    hass: HomeAssistant, hue: str, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    await spin.runtime_data.study.save()
    assert f"spin.{spin.entry_id}.study" in hass_storage
    await hass.config_entries.async_remove(spin.entry_id)
    assert f"spin.{spin.entry_id}.study" not in hass_storage


async def test_time_sync_sensor_and_action(
    hass: HomeAssistant, gateway: Gateway, all_enabled: None, hue: str
) -> None:
    assert hass.states.get("sensor.philips_hue_time_requests_every").state == "unknown"
    now = time.time()
    ntp = row("time1.google.com", protocol="udp", port=123, requests=[now - 266, now - 133, now])
    gateway.flows(ntp, seq=2)
    gateway.flows(ntp, seq=3)
    await hass.async_block_till_done()
    assert hass.states.get("sensor.philips_hue_time_requests_every").state == "133"
    gateway.status("offline")
    await hass.async_block_till_done()
    assert hass.states.get("sensor.philips_hue_time_requests_every").state == "133"
    answer = await hass.services.async_call(
        DOMAIN, "get_time_sync", {"device_id": hue}, blocking=True, return_response=True
    )
    found = answer["devices"][hue]["time_sync"]
    assert (found["total"]["requests"], found["total"]["mean"]) == (3, 133.0)
    assert [server["server"] for server in found["servers"]] == ["time1.google.com"]
    assert found["advice"] == ["few_servers"]

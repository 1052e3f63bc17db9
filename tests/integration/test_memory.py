"""What is kept over restarts."""

import json
import random
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gateway_double import CAMERA, EPOCH, HUE, START, Broker, Gateway, row, stored_of, text_of
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin import memory, packing
from custom_components.spin.const import SAVE_DELAY, SAVE_NEWS_DELAY
from custom_components.spin.packing import unpack

REAL_STORE = {name: getattr(Store, name) for name in ("_async_load", "_async_write_data", "async_remove")}
VERSION_1 = Path(__file__).parent / "stored" / "version-1.json"


def key(entry: MockConfigEntry) -> str:
    return f"spin.{entry.entry_id}"


def stored(storage: dict[str, Any], entry: MockConfigEntry, mac: str = HUE) -> dict[str, Any]:
    return unpack(storage[key(entry)]["data"]["devices"][mac])


def sent_bytes(device: dict[str, Any]) -> int:
    total: int = device["interfaces"][HUE]["totals"]["total"][0]
    return total


def packed(value: Any) -> str:
    return text_of(json.dumps(value).encode())


async def wait(hass: HomeAssistant, seconds: float) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done()


async def test_news_is_written_soon(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row())
    await wait(hass, SAVE_NEWS_DELAY + 1)
    document = hass_storage[key(spin)]
    assert (document["version"], document["minor_version"]) == (2, 1)
    (destination,) = stored(hass_storage, spin)["destinations"]["known"]
    assert destination[:3] == ["meethue.com", "tcp", 443]


async def test_traffic_is_written_after_a_while_even_if_it_never_ends(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row())
    await wait(hass, SAVE_NEWS_DELAY + 1)
    for seq in range(2, 5):
        gateway.flows(row(), seq=seq, sent_bytes=seq)
    await wait(hass, SAVE_DELAY - 10)
    assert sent_bytes(stored(hass_storage, spin)) == 0
    await wait(hass, SAVE_DELAY + 1)
    assert sent_bytes(stored(hass_storage, spin)) == 4


async def test_it_is_written_when_home_assistant_stops(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=77)
    hass.set_state(CoreState.final_write)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert sent_bytes(stored(hass_storage, spin)) == 77
    hass.set_state(CoreState.running)


async def test_a_save_that_is_due_while_home_assistant_stops_waits_for_the_last_writes(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=77)
    hass.set_state(CoreState.stopping)
    await wait(hass, SAVE_NEWS_DELAY + 1)
    assert key(spin) not in hass_storage
    hass.set_state(CoreState.final_write)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert sent_bytes(stored(hass_storage, spin)) == 77
    hass.set_state(CoreState.running)


async def test_all_is_there_after_a_restart(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row(), row("time1.google.com", port=123), row(None, address="192.0.2.9"), sent_bytes=5)
    before = stored_of(spin.runtime_data.devices[HUE])
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    after = stored_of(spin.runtime_data.devices[HUE])
    assert after == before
    assert len(json.loads(after)["destinations"]["known"]) == 3


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue("spin", "home_memory_lost")


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def document(**data: Any) -> dict[str, Any]:
    return {"version": 2, "minor_version": 1, "data": {"heard": 5.0, "devices": {}} | data}


@pytest.mark.parametrize(
    "damaged",
    [
        document(devices=[]),
        document(heard="long"),
        document(devices={"nonsense": {}}),
        document(devices={HUE: None}),
        document(devices={HUE: "@@@"}),
        document(devices={HUE: b64encode(zlib.compress(b"{}")[:-3]).decode()}),
        document(devices={HUE: b64encode(zlib.compress(b"[1")).decode()}),
        document(devices={HUE: packed({"destinations": {"known": [[]]}})}),
        {"version": 2, "minor_version": 1, "data": {}},
    ],
)
async def test_what_cannot_be_read_is_set_aside_and_said(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    damaged: dict[str, Any],
) -> None:
    hass_storage[key(entry)] = damaged | {"key": key(entry)}
    backup = json.loads(json.dumps(damaged["data"]))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    assert entry.runtime_data.devices == {}
    assert hass_storage[f"{key(entry)}.unreadable"]["data"] == backup
    told = issue(hass)
    assert told is not None
    assert told.translation_placeholders is not None
    assert ".unreadable" in told.translation_placeholders["backup"]


async def test_a_device_that_would_burst_when_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="cut off"):
        unpack(packed({"name": "x" * 2000}))


async def test_one_device_that_cannot_be_read_does_not_take_the_others_along(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    spin: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=5)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(spin.entry_id)
    hass_storage[key(spin)]["data"]["devices"]["00:00:00:00:00:01"] = packed({"totals": 3})
    await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    assert spin.runtime_data.devices[HUE].total.sent_bytes == 5
    assert issue(hass) is not None


@pytest.fixture
def storage_folder(hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the memory stored in a folder of its own, by Home Assistant's code instead of its stand-in."""
    for name, method in REAL_STORE.items():
        monkeypatch.setattr(memory._Store, name, method)
    hass.config.config_dir = str(tmp_path)
    folder = tmp_path / ".storage"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("content", "backup"),
    [
        (b'{"version": 2, "minor_version": 1, "data": {"heard": 5.0, "dev', "corrupt"),
        (b"\x00" * 4096, "corrupt"),
        (b"", "corrupt"),
        (b"[]", "unreadable"),
        (b'{"version": 2}', "unreadable"),
        (b'{"version": "two", "data": {}}', "unreadable"),
        (b'{"version": 1, "minor_version": 1, "data": {"devices": 3}}', "unreadable"),
    ],
)
async def test_a_torn_file_is_kept_and_said(
    hass: HomeAssistant,
    storage_folder: Path,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    content: bytes,
    backup: str,
) -> None:
    (storage_folder / key(entry)).write_bytes(content)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    assert entry.state is ConfigEntryState.LOADED
    assert issue(hass) is not None
    assert [kept.read_bytes() for kept in found(storage_folder, f"{key(entry)}.{backup}.*")] == [content]


async def test_without_a_file_nothing_is_said(
    hass: HomeAssistant, storage_folder: Path, gateway: Gateway, broker: Broker, entry: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    assert issue(hass) is None


async def test_a_file_of_a_later_version_is_left_alone(
    hass: HomeAssistant, storage_folder: Path, gateway: Gateway, entry: MockConfigEntry
) -> None:
    content = json.dumps(document() | {"version": 3, "key": key(entry)}).encode()
    (storage_folder / key(entry)).write_bytes(content)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert (storage_folder / key(entry)).read_bytes() == content


async def test_version_1_is_migrated(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    hass_storage[key(entry)] = json.loads(VERSION_1.read_text())
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    hue, camera = entry.runtime_data.devices[HUE], entry.runtime_data.devices[CAMERA]
    assert hue.hostname == "Philips-hue"
    assert hue.total.sent_bytes == 70_000
    assert hue.learning.over
    assert not camera.learning.over
    known = {destination.key.group: destination for destination in hue.destinations}
    assert {group: destination.verdict for group, destination in known.items()} == {
        "meethue.com": "learned",
        "google.com": "allowed",
        "192.0.2.9": "new",
    }
    assert known["meethue.com"].names == ["ws.meethue.com", "diag.meethue.com", "old.meethue.com"]
    # 5,000 of them in an earlier epoch, of which only the sum is known.
    assert known["meethue.com"].counters.sent_bytes == 17_300
    assert known["192.0.2.9"].addresses == ["192.0.2.9"]
    assert issue(hass) is None
    assert hass_storage[key(entry)]["version"] == 2


async def test_what_is_migrated_goes_on_counting(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    hass_storage[key(entry)] = json.loads(VERSION_1.read_text())
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    hue = entry.runtime_data.devices[HUE]
    gateway.flows(row(sent_bytes=12_001, connections=9), epoch=EPOCH)
    (meethue,) = [known for known in hue.destinations if known.key.group == "meethue.com"]
    assert meethue.counters.sent_bytes == 17_301
    assert [entry.kind for entry in hue.journal.entries()[0]] == []


def _damage(chance: random.Random, value: Any) -> Any:
    """Return the document with one place of it made something else."""
    if isinstance(value, (dict, list)) and value and chance.random() < 0.85:
        places = list(value) if isinstance(value, dict) else range(len(value))
        place = chance.choice(list(places))
        value[place] = _damage(chance, value[place])
        return value
    return chance.choice([None, -1, 2**70, 0.5, "", "text", [], {}, [[]], {"a": 1}, True])


@pytest.mark.parametrize("seed", range(3))
async def test_no_damage_ends_in_an_exception(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, seed: int
) -> None:
    gateway.device()
    gateway.flows(row(), row(None, address="192.0.2.9"), row("t.example.org", port=123))
    contents: Callable[[], Any] = lambda: json.loads(stored_of(spin.runtime_data.devices[HUE]))  # noqa: E731
    chance = random.Random(seed)
    group = spin.runtime_data.roster._group
    for _ in range(200):
        damaged = {"heard": 1.0, "devices": {HUE: packed(_damage(chance, contents()))}}
        restored, errors = memory._restore(damaged, group)
        assert len(restored.devices) + len(errors) == 1
        for device in restored.devices:
            device.chart("1h", START)
            list(device.destinations)


def test_what_is_stored_is_json() -> None:
    assert json.loads(zlib.decompress(b64decode(packed({"a": 1})))) == {"a": 1}

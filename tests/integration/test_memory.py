"""What is kept over restarts."""

import json
from datetime import timedelta
from typing import Any

import pytest
from gateway_double import HUE, Broker, Gateway, row
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin.const import SAVE_DELAY, SAVE_NEWS_DELAY


def stored(storage: dict[str, Any], entry: MockConfigEntry) -> dict[str, Any]:
    found: dict[str, Any] = storage.get(f"spin.{entry.entry_id}", {})
    return found


async def wait(hass: HomeAssistant, seconds: float) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done()


async def test_news_is_written_soon(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row())
    await wait(hass, SAVE_NEWS_DELAY + 1)
    document = stored(hass_storage, spin)
    assert (document["version"], document["minor_version"]) == (1, 1)
    (destination,) = document["data"]["devices"][HUE]["destinations"]["known"]
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
    assert stored(hass_storage, spin)["data"]["devices"][HUE]["totals"]["total"][0] == 0
    await wait(hass, SAVE_DELAY + 1)
    assert stored(hass_storage, spin)["data"]["devices"][HUE]["totals"]["total"][0] == 4


async def test_it_is_written_when_home_assistant_stops(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=77)
    hass.set_state(CoreState.stopping)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert stored(hass_storage, spin)["data"]["devices"][HUE]["totals"]["total"][0] == 77
    hass.set_state(CoreState.running)


@pytest.mark.parametrize(
    "damage",
    [
        {"devices": []},
        {"heard": "long"},
        {"devices": {"nonsense": {}}},
        {"devices": {HUE: None}},
        {"devices": {HUE: {"destinations": {"known": [[]]}}}},
        {},
    ],
)
async def test_what_cannot_be_read_is_forgotten(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, Any],
) -> None:
    data = {"heard": 5.0, "devices": {}} | damage if damage else {}
    hass_storage[f"spin.{entry.entry_id}"] = {
        "version": 1,
        "minor_version": 1,
        "key": f"spin.{entry.entry_id}",
        "data": data,
    }
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    assert entry.runtime_data.devices == {}
    assert "cannot be read" in caplog.text
    if "set aside" in caplog.text:
        assert hass_storage[f"spin.{entry.entry_id}.unreadable"]["data"] == data


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
    document = json.loads(json.dumps(stored(hass_storage, spin)))
    document["data"]["devices"]["00:00:00:00:00:01"] = {"totals": 3}
    hass_storage[f"spin.{spin.entry_id}"] = document
    await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    assert spin.runtime_data.devices[HUE].totals.total.sent_bytes == 5

"""The sensors of devices and gateway."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from gateway_double import CAMERA, HUE, START, Broker, Gateway, flows, row
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNKNOWN, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

SENT = "sensor.philips_hue_data_sent"
RECEIVED = "sensor.philips_hue_data_received"
DESTINATIONS = "sensor.philips_hue_destinations"
RATE = "sensor.philips_hue_upload_rate"


@pytest.fixture
def only_sensors() -> Iterator[None]:
    with patch("custom_components.spin.PLATFORMS", [Platform.SENSOR]):
        yield


def value(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def wait(hass: HomeAssistant, seconds: float) -> None:
    """Let timers run out without the clock standing still, which setting up does not bear."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done()


async def reload(hass: HomeAssistant, broker: Broker, entry: MockConfigEntry) -> None:
    assert await hass.config_entries.async_reload(entry.entry_id)
    await broker.settled()


@pytest.mark.usefixtures("only_sensors", "all_enabled")
async def test_snapshot(
    hass: HomeAssistant,
    gateway: Gateway,
    spin: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to("2026-03-01 12:00:00+00:00")
    gateway.flows(row(), row("time1.google.com", port=123), sent_bytes=1_148_000, received_bytes=2_210_000)
    gateway.device(sent_bytes=1_148_000, received_bytes=2_210_000, sent_packets=10, received_packets=9)
    await hass.async_block_till_done()
    await snapshot_platform(hass, entity_registry, snapshot, spin.entry_id)


async def test_first_traffic_shows_at_once(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    gateway.flows(row(), row("time1.google.com", port=123), sent_bytes=1_148_000)
    await hass.async_block_till_done()
    assert value(hass, SENT) == "1.148"
    assert value(hass, RECEIVED) == "0.0"
    assert value(hass, DESTINATIONS) == "2"


async def test_later_traffic_shows_later(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=1_000_000)
    gateway.flows(row(), seq=2, sent_bytes=1_500_000)
    await hass.async_block_till_done()
    assert value(hass, SENT) == "1.0"
    await pass_time(hass, freezer, 599)
    assert value(hass, SENT) == "1.0"
    await pass_time(hass, freezer, 2)
    assert value(hass, SENT) == "1.5"


async def test_much_traffic_shows_soon(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=1_000_000)
    gateway.flows(row(), seq=2, sent_bytes=11_000_000)
    await hass.async_block_till_done()
    assert value(hass, SENT) == "1.0"
    await pass_time(hass, freezer, 11)
    assert value(hass, SENT) == "11.0"


async def test_more_traffic_while_waiting(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """A small change waits long; one that multiplies the value meanwhile does not wait with it."""
    gateway.device()
    for seq, sent in enumerate((1_000_000, 1_100_000, 12_000_000), 1):
        gateway.flows(row(), seq=seq, sent_bytes=sent)
    await pass_time(hass, freezer, 11)
    gateway.flows(row(), seq=4, sent_bytes=12_000_001)
    await hass.async_block_till_done()
    assert float(value(hass, SENT)) == pytest.approx(12.0, abs=0.001)


@pytest.mark.parametrize("growth", [1_000, 250_000])
async def test_the_recorder_is_not_flooded(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory, growth: int
) -> None:
    """Default entities and a message each 5 s: how often states change in the first hour and the second."""
    changes: list[str] = []

    @callback
    def changed(event: Event[Any]) -> None:
        if "philips_hue" in event.data["entity_id"]:
            changes.append(event.data["entity_id"])

    hass.bus.async_listen(EVENT_STATE_CHANGED, changed)
    gateway.device()
    hours = []
    for seq in range(1, 1441):
        rows = [row(f"h{n}.d{n}.org", last=START + seq * 5) for n in range(min(seq, 20))]
        gateway.flows(*rows, seq=seq, sent_bytes=seq * growth, received_bytes=seq * growth * 3)
        await pass_time(hass, freezer, 5)
        if seq % 720 == 0:
            hours.append(len(changes))
    first, second = hours[0], hours[1] - hours[0]
    assert 20 <= first <= 30, {entity: changes.count(entity) for entity in set(changes)}
    assert second <= 12


async def test_totals_survive_a_new_epoch(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=1_000_000)
    gateway.flows(row(), epoch="next", sent_bytes=500_000)
    gateway.flows(row(), seq=2, sent_bytes=1_000_000)
    await pass_time(hass, freezer, 601)
    assert value(hass, SENT) == "1.5"


async def test_totals_survive_a_restart(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device(sent_bytes=900_000, sent_packets=10)
    gateway.flows(row(), sent_bytes=1_000_000)
    await hass.async_block_till_done()
    await reload(hass, broker, spin)
    # What is retained may be older than what was shown: nothing is shown before the gateway's answer.
    assert value(hass, SENT) == STATE_UNKNOWN
    gateway.flows(row(sent_bytes=2000), snapshot=True, sent_bytes=1_200_000)
    await hass.async_block_till_done()
    assert value(hass, SENT) == "1.2"
    assert value(hass, DESTINATIONS) == "1"
    (destination,) = spin.runtime_data.devices[HUE].destinations
    assert destination.counters.sent_bytes == 2000


async def test_a_device_that_the_gateway_forgot_shows_its_totals(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=1_000_000)
    await hass.async_block_till_done()
    await reload(hass, broker, spin)
    assert value(hass, SENT) == STATE_UNKNOWN
    await wait(hass, 16)
    assert value(hass, SENT) == "1.0"


async def test_what_happened_while_home_assistant_was_away_counts(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=1_000_000)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(spin.entry_id)
    gateway.device(sent_bytes=4_000_000, sent_packets=40)
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    await wait(hass, 16)
    assert value(hass, SENT) == "4.0"


@pytest.mark.usefixtures("all_enabled")
async def test_rates(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    assert value(hass, RATE) == STATE_UNKNOWN
    gateway.flows(row(), sent_bytes=50_000)
    await hass.async_block_till_done()
    assert value(hass, RATE) == "10.0"
    await pass_time(hass, freezer, 10)
    # A message was lost: the difference is that of two intervals.
    gateway.flows(row(), seq=3, sent_bytes=250_000)
    await hass.async_block_till_done()
    assert value(hass, RATE) == "20.0"
    # Another part of the same interval has nothing new.
    gateway.flows(row("b.org"), seq=3, sent_bytes=250_000)
    await pass_time(hass, freezer, 10)
    assert value(hass, RATE) == "20.0"
    await pass_time(hass, freezer, 15)
    assert value(hass, RATE) == "0.0"


@pytest.mark.usefixtures("all_enabled")
async def test_quiet_time_is_no_part_of_the_rate(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.flows(row(), sent_bytes=50_000)
    await pass_time(hass, freezer, 60)
    gateway.say(f"device/{HUE}/flows", _after_silence(), retain=False)
    await hass.async_block_till_done()
    assert value(hass, RATE) == "10.0"


def _after_silence() -> dict[str, Any]:
    return flows(row(), seq=2, sent_bytes=100_000) | {"start": START + 60, "end": START + 65}


@pytest.mark.usefixtures("all_enabled")
async def test_last_seen(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.flows(row())
    await pass_time(hass, freezer, 61)
    gateway.flows(row(), seq=2)
    await hass.async_block_till_done()
    seen = dt_util.parse_datetime(value(hass, "sensor.philips_hue_last_seen"))
    assert seen is not None
    assert abs(seen.timestamp() - time.time()) < 2


async def test_gateway(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    gateway.device(CAMERA, hostname=None)
    gateway.info(version="0.2.0", problems=[{"code": "accounting_off", "text": "x"}])
    await hass.async_block_till_done()
    assert value(hass, "sensor.home_gateway_devices_seen") == "1"
    assert value(hass, "sensor.home_gateway_problems") == "1"
    assert spin.runtime_data.info.version == "0.2.0"


async def test_devices_seen_follows_soon(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.device(CAMERA)
    await pass_time(hass, freezer, 11)
    assert value(hass, "sensor.home_gateway_devices_seen") == "2"
    gateway.say(f"device/{CAMERA}", b"")
    await pass_time(hass, freezer, 11)
    assert value(hass, "sensor.home_gateway_devices_seen") == "1"
    assert value(hass, "sensor.home_gateway_agent_version") == "0.1.0"

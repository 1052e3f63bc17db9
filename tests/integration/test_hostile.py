"""Input that somebody made up to do harm."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_double import HUE, Broker, Gateway, row, stored_of, wire_messages
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.const import MAX_DESTINATIONS_PER_DEVICE, MAX_DEVICES_SEEN, MAX_WARNINGS

HOSTILE = [
    pytest.param(topic, payload, id=name)
    for name, topic, payload in wire_messages("hostile")
    if topic.split("/")[2] not in {"command", "reply", "capture"}
]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelname in {"WARNING", "ERROR", "CRITICAL"} and "custom_components.spin" in record.name
    ]


@pytest.mark.parametrize(("topic", "payload"), HOSTILE)
async def test_one_warning_and_dropped(
    hass: HomeAssistant,
    broker: Broker,
    gateway: Gateway,
    spin: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    topic: str,
    payload: bytes,
) -> None:
    gateway.device()
    gateway.flows(row())
    await hass.async_block_till_done()
    before = stored_of(spin.runtime_data.devices[HUE].destinations)
    caplog.clear()
    broker.publish(topic, payload, retain=False)
    await hass.async_block_till_done()
    (warning,) = warnings(caplog)
    assert warning.startswith("Dropped a message on spin/home/")
    assert len(warning) < 700
    assert warning.isprintable()
    assert stored_of(spin.runtime_data.devices[HUE].destinations) == before
    assert set(spin.runtime_data.devices) == {HUE}


async def test_a_flood_of_them_costs_few_warnings(
    hass: HomeAssistant,
    gateway: Gateway,
    spin: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    freezer: Any,
) -> None:
    for _ in range(1000):
        gateway.say(f"device/{HUE}/flows", b"{", retain=False)
    assert len(warnings(caplog)) == MAX_WARNINGS + 1
    freezer.tick(61)
    gateway.say(f"device/{HUE}/flows", b"{", retain=False)
    assert len(warnings(caplog)) == MAX_WARNINGS + 2


async def test_made_up_macs(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    for number in range(10_000):
        mac = f"00:17:88:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        gateway.device(mac, hostname=f"<b>{number}</b>")
    await hass.async_block_till_done()
    assert len(spin.runtime_data.devices) == 100
    assert len(spin.runtime_data.seen) == MAX_DEVICES_SEEN


async def test_made_up_names(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    for seq in range(1, 101):
        rows = [row(f"h{seq}x{n}.org", first=1e9 + seq, last=1e9 + seq) for n in range(100)]
        gateway.flows(*rows, seq=seq, lookups={f"l{seq}x{n}.org": 1.0 for n in range(100)})
    await hass.async_block_till_done()
    device = spin.runtime_data.devices[HUE]
    assert len(device.destinations) <= MAX_DESTINATIONS_PER_DEVICE
    assert len(device.lookups) == 256
    assert len(stored_of(device)) < 2_000_000


@pytest.mark.parametrize(
    "hostname", ["\x1b[31mred\n", "x" * 5000, "<script>alert(1)</script>", "\u202e\u200b"]
)
async def test_host_names(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hostname: str
) -> None:
    gateway.device(hostname=hostname, sent_packets=10)
    await hass.async_block_till_done()
    shown = spin.runtime_data.registry.name(HUE)
    assert shown.isprintable()
    assert 1 <= len(shown) <= 500


async def test_times_of_every_age(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    for seq, at in enumerate((0.0, 253_402_300_799.0, 4_294_967_296.0), 1):
        gateway.flows(row(f"t{seq}.org", first=at, last=at), seq=seq)
    spin.runtime_data.devices[HUE].learning.over = True
    gateway.flows(row("last.org", first=0.0, last=253_402_300_799.0), seq=9)
    await hass.async_block_till_done()
    state = hass.states.get("event.philips_hue_activity")
    assert state is not None
    first_seen = datetime.fromisoformat(state.attributes["first_seen"])
    assert abs(datetime.now(UTC) - first_seen) < timedelta(minutes=1), "the gateway's clock is not believed"

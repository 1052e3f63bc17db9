"""A device apart from Home Assistant."""

import json
from typing import Any

import pytest
from gateway_double import CAMERA, HUE, START, flows, row, stored_of

from custom_components.spin.const import MAX_LOOKUPS_PER_DEVICE, MAX_PENDING_EVENTS
from custom_components.spin.destinations import Destinations
from custom_components.spin.device import Device
from custom_components.spin.interface import Rates
from custom_components.spin.learning import Learning
from custom_components.spin.wire import parse_flows


@pytest.fixture
def device() -> Device:
    return Device(HUE, Destinations(lambda name: name), Learning(0.0), START)


def heard(device: Device, now: float = START, **fields: Any) -> None:
    message = parse_flows(json.dumps(flows(row(), **fields)).encode())
    device.flows(HUE, message, now, is_over=lambda _: False)


def test_events_wait_for_the_entity(device: Device) -> None:
    for number in range(MAX_PENDING_EVENTS + 5):
        device.announce("new_destination", {"number": number})
    told: list[int] = []
    stop = device.on_event(lambda _, evidence: told.append(evidence["number"]))
    assert told == list(range(5, MAX_PENDING_EVENTS + 5))
    device.announce("new_destination", {"number": 99})
    assert told[-1] == 99
    stop()
    device.announce("new_destination", {"number": 100})
    assert told[-1] == 99


def test_listeners(device: Device) -> None:
    calls: list[int] = []
    stop = device.listen(lambda: calls.append(1))
    device.changed()
    stop()
    stop()
    device.changed()
    assert calls == [1]


def test_a_new_epoch_has_its_own_rate(device: Device) -> None:
    heard(device, sent_bytes=50_000)
    heard(device, epoch="next", sent_bytes=100_000)
    assert device.rates == Rates(20_000.0, 0.0)


def test_a_snapshot_is_no_activity(device: Device) -> None:
    heard(device, now=START + 500, snapshot=True)
    assert device.last_seen == START
    assert device.rates is None
    assert device.learning.last_active is None


def test_lookups_are_bounded_and_the_first_counts(device: Device) -> None:
    heard(device, lookups={"a.org": START})
    heard(device, seq=2, lookups={"a.org": START + 9})
    assert device.lookups == {"a.org": START}
    for seq in range(3, 13):
        heard(device, seq=seq, lookups={f"l{seq}x{n}.org": START for n in range(100)})
    assert len(device.lookups) == MAX_LOOKUPS_PER_DEVICE
    assert "a.org" not in device.lookups


def test_the_chart_has_what_was_counted(device: Device) -> None:
    heard(device, sent_bytes=5000)
    chart = device.chart("1h", START)
    assert (chart.sent[-1], sum(chart.sent), chart.step) == (5000, 5000, 60)


def test_the_first_mac_address_is_the_device_s(device: Device) -> None:
    stored = json.loads(stored_of(device))
    with pytest.raises(ValueError, match="not the first"):
        Device.from_dict(CAMERA, str, stored, str)

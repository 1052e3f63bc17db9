"""What Home Assistant knows of a device: learning, made up names, and what is said when there is too much."""

from typing import Any

import pytest
from gateway_double import HUE, Gateway, row, stored_of
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.const import MAX_DESTINATIONS_PER_DEVICE, MAX_ROWS_PER_DEVICE
from custom_components.spin.device import Device
from custom_components.spin.roster import Roster

HOUR = 3600.0


@pytest.fixture
async def roster(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> Roster:
    """Return the devices, of which one has talked."""
    gateway.device()
    gateway.flows(row())
    await hass.async_block_till_done()
    found: Roster = spin.runtime_data.roster
    return found


@pytest.fixture
def hue(roster: Roster) -> Device:
    """Return the device."""
    return roster.devices[HUE]


def told(device: Device) -> list[tuple[str, Any]]:
    entries, _ = device.journal.entries(limit=1000)
    return [(entry.kind, entry.data.get("reason")) for entry in entries if entry.kind.startswith("learning")]


async def test_learning_is_ended_restarted_and_reopened(roster: Roster, hue: Device) -> None:
    assert roster.learning_left(hue.learning) == 72 * HOUR
    roster.skip_learning(hue)
    roster.skip_learning(hue)
    assert roster.learning_left(hue.learning) is None
    roster.reopen_learning(hue, 24, "firmware")
    assert roster.learning_left(hue.learning) == 24 * HOUR
    roster.reopen_learning(hue, 24, "firmware")
    roster.skip_learning(hue)
    roster.restart_learning(hue)
    assert roster.learning_left(hue.learning) == 72 * HOUR
    assert told(hue) == [
        ("learning_over", "user"),
        ("learning_started", "firmware"),
        ("learning_started", "user"),
    ]


async def test_what_is_learned_again_is_known(gateway: Gateway, roster: Roster, hue: Device) -> None:
    roster.skip_learning(hue)
    roster.restart_learning(hue)
    gateway.flows(row("b.org"), seq=2)
    assert {known.verdict for known in hue.destinations} == {"learned"}


async def test_first_contacts_are_in_the_timeline(hue: Device) -> None:
    entries, _ = hue.journal.entries()
    assert [entry.kind for entry in entries] == ["device_seen", "first_contact"]
    assert entries[1].data == {
        "host": "ws.meethue.com", "group": "meethue.com", "protocol": "tcp", "port": 443,
    }  # fmt: skip


@pytest.mark.parametrize("learning", [True, False])
async def test_ten_thousand_names(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, roster: Roster, hue: Device, learning: bool
) -> None:
    if not learning:
        roster.skip_learning(hue)
    events: list[Any] = []
    hass.bus.async_listen("state_changed", events.append)
    for seq in range(2, 42):
        gateway.flows(*[row(f"h{n}.d{seq}x{n}.org", first=1e9 + seq) for n in range(250)], seq=seq)
    await hass.async_block_till_done()
    assert len(hue.destinations) <= MAX_DESTINATIONS_PER_DEVICE
    assert hue.destinations.rows <= MAX_ROWS_PER_DEVICE
    assert len(stored_of(hue)) < 3_000_000
    activity = [event for event in events if event.data["entity_id"].startswith("event.philips")]
    assert len(activity) <= (5 if learning else 70)
    issue = ir.async_get(hass).async_get_issue("spin", f"home_memory_full_{HUE}")
    assert issue is not None
    assert issue.translation_placeholders == {
        "gateway": "home", "device": "Philips-hue", "limit": str(MAX_DESTINATIONS_PER_DEVICE),
    }  # fmt: skip
    *_, entry = [each for each in hue.journal.entries(limit=1000)[0] if each.kind == "forgotten"]
    assert entry.data == {"by": "automatic"}
    assert 1 < entry.count <= 10_001 - len(hue.destinations)


async def test_the_bound_of_all_together(
    hass: HomeAssistant, gateway: Gateway, roster: Roster, hue: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.spin.roster.MAX_DESTINATIONS", 50)
    gateway.device("00:17:88:00:00:07", hostname="small")
    gateway.flows(row(), mac="00:17:88:00:00:07")
    gateway.flows(*[row(f"d{n}.org") for n in range(60)], seq=2)
    assert sum(len(device.destinations) for device in roster.devices.values()) <= 50
    assert len(roster.devices["00:17:88:00:00:07"].destinations) == 1


async def test_a_name_with_ten_thousand_hosts(gateway: Gateway, hue: Device) -> None:
    for seq in range(2, 42):
        gateway.flows(*[row(f"h{seq}x{n}.example.org", first=1e9 + seq) for n in range(250)], seq=seq)
    (known,) = [each for each in hue.destinations if each.key.group == "example.org"]
    assert len(known.names) == 32
    assert known.counters.connections == 10_000
    assert hue.destinations.rows < 100


async def test_messages_out_of_order_and_of_a_former_epoch(gateway: Gateway, hue: Device) -> None:
    before = stored_of(hue.destinations)
    gateway.flows(row(sent_bytes=2000), epoch="new", seq=1)
    after = stored_of(hue.destinations)
    assert after != before
    for _ in range(3):
        gateway.flows(row(sent_bytes=1500), row("late.org"), seq=9)  # of the epoch before
        gateway.flows(row(sent_bytes=2000), epoch="new", seq=1)
        gateway.flows(row(sent_bytes=1900), epoch="new", seq=0)
    assert stored_of(hue.destinations) == after

"""Several MAC addresses that the user says are one device."""

from typing import Any

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway, row, stored_of
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.destinations import Key
from custom_components.spin.device import Device
from custom_components.spin.roster import Roster

MEETHUE = Key("meethue.com", "tcp", 443)


@pytest.fixture
async def roster(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> Roster:
    """Return the devices, of which two have talked."""
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row(sent_bytes=10), sent_bytes=100)
    gateway.flows(row(sent_bytes=5), row("b.org"), mac=CAMERA, sent_bytes=1000)
    await hass.async_block_till_done()
    found: Roster = spin.runtime_data.roster
    return found


def registered(hass: HomeAssistant, spin: MockConfigEntry) -> dict[str, set[str]]:
    """Return the MAC addresses of each registered device but the gateway, by name."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), spin.entry_id)
    return {
        device.name or "": {mac for _, mac in device.connections} for device in devices if device.connections
    }


def sent(device: Device) -> int:
    return device.total.sent_bytes


async def test_histories_and_totals_are_one(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, roster: Roster
) -> None:
    device = roster.join([HUE, CAMERA])
    await hass.async_block_till_done()
    assert list(roster.devices) == [HUE]
    assert device.macs == (HUE, CAMERA)
    assert roster.find(CAMERA) is roster.find(HUE) is device
    assert sent(device) == 1100
    assert device.destinations.get(MEETHUE).counters.sent_bytes == 15  # type: ignore[union-attr]
    assert [entry.kind for entry in device.journal.entries()[0]].count("device_seen") == 2
    assert registered(hass, spin) == {"Philips-hue": {HUE, CAMERA}}
    assert hass.states.get("switch.camera_block") is None


async def test_what_each_does_counts_for_the_one(gateway: Gateway, roster: Roster) -> None:
    device = roster.join([HUE, CAMERA])
    gateway.flows(row(sent_bytes=11), seq=2, sent_bytes=101)
    gateway.flows(row(sent_bytes=7), seq=2, mac=CAMERA, sent_bytes=1002)
    assert sent(device) == 1103
    assert device.destinations.get(MEETHUE).counters.sent_bytes == 18  # type: ignore[union-attr]
    gateway.device(CAMERA, hostname="camera", sent_bytes=1010)
    assert sent(device) == 1111
    gateway.say(f"device/{CAMERA}", b"")
    assert device.reported
    gateway.say(f"device/{HUE}", b"")
    assert not device.reported
    assert list(roster.devices) == [HUE]


async def test_split_again(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, roster: Roster
) -> None:
    hue = roster.join([HUE, CAMERA])
    gateway.flows(row("c.org"), seq=2, mac=CAMERA, sent_bytes=1002)
    camera = roster.split(CAMERA)
    await hass.async_block_till_done()
    assert (hue.macs, camera.macs) == ((HUE,), (CAMERA,))
    assert (sent(hue), sent(camera)) == (100, 1002)
    assert {known.key.group for known in hue.destinations} == {"meethue.com"}
    assert {known.key.group for known in camera.destinations} == {"meethue.com", "b.org", "c.org"}
    assert registered(hass, spin) == {"Philips-hue": {HUE}, "camera": {CAMERA}}
    assert hass.states.get("switch.camera_block") is not None
    gateway.flows(row("c.org", sent_bytes=2000), seq=3, mac=CAMERA, sent_bytes=3000)
    assert (sent(hue), sent(camera)) == (100, 3000)


async def test_it_is_kept_over_a_restart(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    spin: MockConfigEntry,
    roster: Roster,
    hass_storage: dict[str, Any],
) -> None:
    before = stored_of(roster.join([HUE, CAMERA]))
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    again: Roster = spin.runtime_data.roster
    device = again.find(CAMERA)
    assert device is again.find(HUE) is not None
    assert stored_of(device) == before
    assert registered(hass, spin) == {"Philips-hue": {HUE, CAMERA}}
    assert sent(again.split(CAMERA)) == 1000


async def test_joining_what_is_joined_changes_nothing(roster: Roster) -> None:
    device = roster.join([HUE, CAMERA])
    before = stored_of(device)
    assert roster.join([CAMERA, HUE]) is device
    assert stored_of(device) == before


async def test_only_what_is_there_can_be_joined_or_split(roster: Roster) -> None:
    with pytest.raises(KeyError):
        roster.join([HUE, "00:00:00:00:00:99"])
    for mac in (HUE, CAMERA, "00:00:00:00:00:99"):
        with pytest.raises(KeyError):
            roster.split(mac)
    assert list(roster.devices) == [HUE, CAMERA]


async def test_a_joined_device_is_removed_as_a_whole(
    hass: HomeAssistant, gateway: Gateway, roster: Roster
) -> None:
    roster.join([HUE, CAMERA])
    roster.remove(HUE)
    assert roster.find(CAMERA) is None
    gateway.device(CAMERA, hostname="camera", sent_packets=10)
    await hass.async_block_till_done()
    assert list(roster.devices) == [CAMERA]


async def test_the_entities_of_the_joined_are_gone(
    hass: HomeAssistant, spin: MockConfigEntry, roster: Roster
) -> None:
    roster.join([HUE, CAMERA])
    await hass.async_block_till_done()
    entities = er.async_entries_for_config_entry(er.async_get(hass), spin.entry_id)
    assert not [entity.unique_id for entity in entities if CAMERA in entity.unique_id]

"""When the entities of devices are added: of a few at once, of more one device after the other."""

import pytest
from freezegun.api import FrozenDateTimeFactory
from gateway_double import Broker, Gateway, row
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin.const import DEVICES_AT_ONCE, DEVICES_PACE

MANY = DEVICES_AT_ONCE + 3
MACS = [f"00:17:88:00:00:{number:02x}" for number in range(MANY)]


def shown(hass: HomeAssistant) -> list[str]:
    """Return the names of the devices that have entities, each of all platforms."""
    names = []
    for number in range(MANY):
        platforms = ("binary_sensor.{}_needs_attention", "button.{}_accept_all_destinations",
                     "event.{}_activity", "select.{}_reaction", "sensor.{}_data_sent",
                     "switch.{}_block")  # fmt: skip
        there = {hass.states.get(each.format(f"d{number}")) is not None for each in platforms}
        assert len(there) == 1
        if there.pop():
            names.append(f"d{number}")
    return names


async def wait(hass: HomeAssistant, freezer: FrozenDateTimeFactory, turns: int = 1) -> None:
    """Let some devices have their turn."""
    for _ in range(turns):
        freezer.tick(DEVICES_PACE)
        async_fire_time_changed(hass)
        await hass.async_block_till_done()


async def report(hass: HomeAssistant, gateway: Gateway, number: int) -> None:
    """Have a device seen for the first time."""
    gateway.device(MACS[number], hostname=f"d{number}")
    await hass.async_block_till_done()


@pytest.fixture
async def crowd(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> MockConfigEntry:
    """Return the entry of a gateway that has just reported many devices."""
    for number in range(MANY):
        gateway.device(MACS[number], hostname=f"d{number}")
    await hass.async_block_till_done()
    return spin


async def test_a_few_at_once_and_the_others_in_turn(
    hass: HomeAssistant, crowd: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    assert len(crowd.runtime_data.devices) == MANY
    for turn in range(4):
        assert shown(hass) == [f"d{number}" for number in range(DEVICES_AT_ONCE + turn)]
        await wait(hass, freezer)


async def test_after_a_while_a_few_may_come_at_once_again(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    for number in range(DEVICES_AT_ONCE):
        await report(hass, gateway, number)
    await report(hass, gateway, DEVICES_AT_ONCE)
    assert len(shown(hass)) == DEVICES_AT_ONCE
    await wait(hass, freezer, 2)
    await report(hass, gateway, DEVICES_AT_ONCE + 1)
    assert len(shown(hass)) == DEVICES_AT_ONCE + 2
    await wait(hass, freezer, 2 * DEVICES_AT_ONCE)
    await report(hass, gateway, DEVICES_AT_ONCE + 2)
    assert len(shown(hass)) == MANY


async def test_what_happens_meanwhile_is_not_lost(
    hass: HomeAssistant, gateway: Gateway, crowd: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    crowd.runtime_data.roster.skip_learning(crowd.runtime_data.devices[MACS[-1]])
    gateway.flows(row("new.org"), mac=MACS[-1])
    await hass.async_block_till_done()
    entity_id = f"event.d{MANY - 1}_activity"
    assert hass.states.get(entity_id) is None
    await wait(hass, freezer, 3)
    state = hass.states.get(entity_id)
    assert state is not None
    assert state.attributes["event_type"] == "new_destination"


async def test_who_is_removed_meanwhile_gets_no_entities(
    hass: HomeAssistant, crowd: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    roster = crowd.runtime_data.roster
    roster.remove(MACS[-3])
    roster.join([MACS[0], MACS[-2]])
    await wait(hass, freezer, 3)
    assert shown(hass) == [*(f"d{number}" for number in range(DEVICES_AT_ONCE)), f"d{MANY - 1}"]
    assert len(hass.states.async_entity_ids("switch")) == DEVICES_AT_ONCE + 1


async def test_unloading_ends_it(
    hass: HomeAssistant, crowd: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    assert await hass.config_entries.async_unload(crowd.entry_id)
    await wait(hass, freezer, 3)
    assert len(shown(hass)) == DEVICES_AT_ONCE


async def test_known_devices_need_not_wait(
    hass: HomeAssistant, broker: Broker, crowd: MockConfigEntry
) -> None:
    assert len(shown(hass)) == DEVICES_AT_ONCE
    assert await hass.config_entries.async_reload(crowd.entry_id)
    await broker.settled()
    assert len(shown(hass)) == MANY

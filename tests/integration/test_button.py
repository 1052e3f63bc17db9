"""The button platform as the registry and the state machine see it; what it does is in test_judgement.py."""

from unittest.mock import patch

from gateway_double import Broker, Gateway, row
from homeassistant.const import Platform
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser, snapshot_platform
from syrupy.assertion import SnapshotAssertion


async def test_snapshot(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    with patch("custom_components.spin.PLATFORMS", [Platform.BUTTON]):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await broker.settled()
        gateway.device()
        await hass.async_block_till_done()
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)


async def test_restart_learning(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    await hass.async_block_till_done()
    (device,) = spin.runtime_data.devices.values()
    device.learning.skip()
    device.changed()
    learning = "sensor.philips_hue_learning"
    assert hass.states.get(learning).state == "over"  # type: ignore[union-attr]
    assert hass.states.get("sensor.philips_hue_learning_time_left").state == "0"  # type: ignore[union-attr]
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.philips_hue_restart_learning"}, blocking=True
    )
    assert hass.states.get(learning).state == "learning"  # type: ignore[union-attr]
    assert hass.states.get("sensor.philips_hue_learning_time_left").state == "72"  # type: ignore[union-attr]


async def test_who_pressed_it(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_admin_user: MockUser
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    (device,) = spin.runtime_data.devices.values()
    device.learning.skip()
    gateway.flows(row())
    await hass.async_block_till_done()
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": "button.philips_hue_accept_all_destinations"},
        blocking=True,
        context=Context(user_id=hass_admin_user.id),
    )
    assert device.journal.entries()[0][-1].data == {"by": "user", "user": hass_admin_user.name}

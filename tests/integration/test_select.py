"""The select platform as the registry and the state machine see it; what it does is in test_judgement.py."""

from unittest.mock import patch

from gateway_double import Broker, Gateway
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, snapshot_platform
from syrupy.assertion import SnapshotAssertion


async def test_snapshot(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    with patch("custom_components.spin.PLATFORMS", [Platform.SELECT]):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await broker.settled()
        gateway.device()
        await hass.async_block_till_done()
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)

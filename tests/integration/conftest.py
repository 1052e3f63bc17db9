"""Home Assistant with the integration, and a gateway that speaks to it over a mocked MQTT client."""

import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

# Home Assistant's test configuration has a package of the same name, which would come first.
from gateway_double import GATEWAY, Broker, Gateway
from reading import act, client, fast

import custom_components.spin  # noqa: F401
from custom_components.spin.const import DOMAIN

__all__ = ["act", "client", "fast"]


@pytest.fixture(autouse=True)
def no_cooldown() -> Generator[None]:
    """Have Home Assistant's MQTT client subscribe at once."""
    with (
        patch("homeassistant.components.mqtt.client.INITIAL_SUBSCRIBE_COOLDOWN", 0.0),
        patch("homeassistant.components.mqtt.client.SUBSCRIBE_COOLDOWN", 0.0),
        patch("homeassistant.components.mqtt.client.UNSUBSCRIBE_COOLDOWN", 0.0),
        patch("homeassistant.components.mqtt.client.DISCOVERY_COOLDOWN", 0.0),
        # The mocked client has no keepalive to look after; the timer would outlive the test.
        patch("homeassistant.components.mqtt.client.MQTT._async_start_misc_periodic"),
    ):
        yield


@pytest.fixture(autouse=True)
def broker_addresses() -> Generator[set[str]]:
    """Return the addresses of the host `mock-broker`, which no test asks the network for."""
    addresses: set[str] = set()
    with patch("custom_components.spin.protected.addresses_of", return_value=addresses):
        yield addresses


@pytest.fixture(autouse=True)
def integrations(enable_custom_integrations: None, no_cooldown: None) -> None:
    """Let Home Assistant find the integration, before MQTT is set up."""


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Leave out of snapshots what Home Assistant makes up anew each time."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
def all_enabled() -> Generator[None]:
    """Enable the entities that are disabled by default."""
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", new=True):
        yield


@pytest.fixture
def broker(hass: HomeAssistant, mqtt_mock: Any, mqtt_client_mock: Any) -> Broker:
    """Return a broker that Home Assistant is connected to."""
    return Broker(hass, mqtt_client_mock)


@pytest.fixture
def gateway(broker: Broker) -> Gateway:
    """Return a gateway that has introduced itself."""
    gateway = Gateway(broker)
    gateway.start()
    return gateway


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the options of the config entry; to be overridden."""
    return {}


@pytest.fixture
async def entry(hass: HomeAssistant, options: dict[str, Any]) -> AsyncGenerator[MockConfigEntry]:
    """Return a config entry that is not set up yet."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Home gateway",
        unique_id=GATEWAY,
        data={"gateway": GATEWAY, "prefix": "spin"},
        options=options,
    )
    entry.add_to_hass(hass)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def spin(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, entry: MockConfigEntry
) -> MockConfigEntry:
    """Return the config entry, set up."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    return entry

"""Binary sensors: whether the gateway is heard."""

from typing import override

from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SpinConfigEntry
from .entity import GatewayEntity

PARALLEL_UPDATES = 0

CONNECTIVITY = BinarySensorEntityDescription(
    key="connectivity",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the gateway's connectivity."""
    async_add_entities([ConnectivitySensor(entry.runtime_data, CONNECTIVITY)])


class ConnectivitySensor(GatewayEntity, BinarySensorEntity):
    """Whether the gateway is heard."""

    @property
    @override
    def available(self) -> bool:
        """Always: that nothing is heard is the information."""
        return True

    @property
    @override
    def is_on(self) -> bool:
        """Whether broker and gateway are there."""
        return self.coordinator.available

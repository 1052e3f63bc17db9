"""Binary sensors: whether the gateway is heard, and whether a device needs the user's attention."""

from typing import override

from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SpinConfigEntry
from .device import Device
from .entity import DeviceEntity, GatewayEntity

PARALLEL_UPDATES = 0

CONNECTIVITY = BinarySensorEntityDescription(
    key="connectivity",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)

ATTENTION = BinarySensorEntityDescription(
    key="attention", translation_key="attention", device_class=BinarySensorDeviceClass.PROBLEM
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the gateway's connectivity, and the sensor of each device once that is known."""
    coordinator = entry.runtime_data
    async_add_entities([ConnectivitySensor(coordinator, CONNECTIVITY)])

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(AttentionSensor(coordinator, device, ATTENTION) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


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


class AttentionSensor(DeviceEntity, BinarySensorEntity):
    """On while there is something for the user to decide: new and not blocked, an alarm, a new device."""

    _written: bool | None = None

    @property
    @override
    def available(self) -> bool:
        """Always: what awaits a decision is remembered in Home Assistant."""
        return True

    @property
    @override
    def is_on(self) -> bool:
        """Whether there is something to decide."""
        return self.coordinator.judgement.needs_attention(self.device)

    @callback
    @override
    def changed(self) -> None:
        """Write the state if it differs; ordinary traffic is not looked at."""
        if self._written is None or self.device.judged.unsettled:
            self.device.judged.unsettled = False
            if (shown := self.is_on) != self._written:
                self._written = shown
                self.async_write_ha_state()

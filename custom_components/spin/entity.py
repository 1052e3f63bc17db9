"""What all entities of SPIN have in common."""

from typing import override

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription

from .const import DOMAIN
from .coordinator import SpinCoordinator
from .device import Device
from .naming import identifier


class SpinEntity(Entity):
    """An entity that shows what the gateway pushed last."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, coordinator: SpinCoordinator, description: EntityDescription) -> None:
        """Show what the coordinator knows."""
        self.coordinator = coordinator
        self.entity_description = description

    @property
    @override
    def available(self) -> bool:
        """Whether the gateway is heard."""
        return self.coordinator.available

    @callback
    def changed(self) -> None:
        """Take note that something may have changed."""
        self.async_write_ha_state()


class GatewayEntity(SpinEntity):
    """An entity of the gateway itself."""

    def __init__(self, coordinator: SpinCoordinator, description: EntityDescription) -> None:
        """Belong to the gateway's device."""
        super().__init__(coordinator, description)
        self._attr_unique_id = f"{coordinator.gateway}_{description.key}"

    @property
    @override
    def device_info(self) -> DeviceInfo:
        """The gateway's device."""
        return DeviceInfo(identifiers={(DOMAIN, self.coordinator.gateway)})

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the gateway."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.listen_gateway(self.changed))


class DeviceEntity(SpinEntity):
    """An entity of a device on the LAN."""

    def __init__(self, coordinator: SpinCoordinator, device: Device, description: EntityDescription) -> None:
        """Belong to the device."""
        super().__init__(coordinator, description)
        self.device = device
        self._attr_unique_id = f"{coordinator.gateway}_{device.mac}_{description.key}"

    @property
    @override
    def device_info(self) -> DeviceInfo:
        """The device."""
        return DeviceInfo(identifiers={identifier(self.coordinator.gateway, self.device.mac)})

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the device."""
        await super().async_added_to_hass()
        self.async_on_remove(self.device.listen(self.changed))

"""The event entities that tell what is noteworthy: one for each device, and one of the gateway for all."""

from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import ACTIVITY_EVENTS
from .coordinator import SpinConfigEntry
from .device import Device
from .entity import DeviceEntity, GatewayEntity

PARALLEL_UPDATES = 0

ACTIVITY = EventEntityDescription(
    key="activity",
    translation_key="activity",
    event_types=ACTIVITY_EVENTS,
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the gateway's event entity, and that of each device once that is known."""
    coordinator = entry.runtime_data
    async_add_entities([GatewayActivityEvent(coordinator, ACTIVITY)])

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(ActivityEvent(coordinator, device, ACTIVITY) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


class GatewayActivityEvent(GatewayEntity, EventEntity):
    """What happened last with any of the devices, so that one automation can serve them all."""

    _written_available: bool | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Announce what happens from now on."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.listen_announcements(self._happened))

    @callback
    def _happened(self, device: Device, event: str, evidence: dict[str, Any]) -> None:
        registry = self.coordinator.registry
        about = {"device": registry.name(device.mac), "device_id": registry.device_id(device.mac)}
        self._trigger_event(event, evidence | about)
        self.async_write_ha_state()

    @callback
    @override
    def changed(self) -> None:
        """Write the state when the gateway comes or goes; what else it says is no event."""
        if self.available != self._written_available:
            self._written_available = self.available
            self.async_write_ha_state()


class ActivityEvent(DeviceEntity, EventEntity):
    """What happened last, with the evidence."""

    _written_available: bool | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Announce what happens from now on, and what waited for this entity."""
        await super().async_added_to_hass()
        self.async_on_remove(self.device.on_event(self._happened))

    @callback
    def _happened(self, event: str, evidence: dict[str, Any]) -> None:
        self._trigger_event(event, evidence)
        self.async_write_ha_state()

    @callback
    @override
    def changed(self) -> None:
        """Write the state when the gateway comes or goes; a device's traffic is no event."""
        if self.available != self._written_available:
            self._written_available = self.available
            self.async_write_ha_state()

"""The event entity that tells what is noteworthy of a device."""

from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import ACTIVITY_EVENTS
from .coordinator import SpinConfigEntry
from .device import Device
from .entity import DeviceEntity

PARALLEL_UPDATES = 0

ACTIVITY = EventEntityDescription(
    key="activity",
    translation_key="activity",
    event_types=ACTIVITY_EVENTS,
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the event entity of each device once that is known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(ActivityEvent(coordinator, device, ACTIVITY) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


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

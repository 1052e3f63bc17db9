"""Notices that the firmware of a device changed: other integrations know its version.

A device of another integration with the same MAC address tells it in the device registry, or has
an `update` entity. Each of them is compared with what it said itself the last time.
"""

from collections.abc import Callable, Mapping

from homeassistant.components.update import ATTR_INSTALLED_VERSION
from homeassistant.const import EVENT_STATE_CHANGED, Platform
from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from ..checks import plain_text
from ..const import DOMAIN
from ..models import Mac

REGISTRY = "device"
MAX_VERSION = 64

# The MAC address, who says so, and the version.
type Heard = Callable[[Mac, str, str], None]


def macs_of(entry: dr.DeviceEntry) -> list[Mac]:
    """Return the MAC addresses of a device."""
    return [value for kind, value in entry.connections if kind == dr.CONNECTION_NETWORK_MAC]


class FirmwareWatch:
    """Listens to what other integrations say of the versions of their devices."""

    def __init__(self, hass: HomeAssistant, heard: Heard) -> None:
        """Call `heard` with each version that is said, also when it is not new."""
        self._hass = hass
        self._heard = heard

    @callback
    def listen(self) -> list[CALLBACK_TYPE]:
        """Listen from now on; returns how to end it."""
        listen = self._hass.bus.async_listen
        return [
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._device_updated),
            listen(EVENT_STATE_CHANGED, self._state_changed, event_filter=_is_update),
        ]

    @callback
    def look(self, mac: Mac) -> None:
        """Take what the registry and the states say of a device by now."""
        for entry in dr.async_get(self._hass).async_get_devices(
            connections={(dr.CONNECTION_NETWORK_MAC, mac)}
        ):
            self._registered(entry)
            for entity in er.async_entries_for_device(er.async_get(self._hass), entry.id):
                if entity.domain == Platform.UPDATE and (state := self._hass.states.get(entity.entity_id)):
                    self._say(entry, entity.entity_id, state.attributes.get(ATTR_INSTALLED_VERSION))

    @callback
    def _device_updated(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] == "remove":
            return
        if isinstance(entry := dr.async_get(self._hass).async_get(event.data["device_id"]), dr.DeviceEntry):
            self._registered(entry)

    @callback
    def _state_changed(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        entity = er.async_get(self._hass).async_get(event.data["entity_id"])
        if new is None or entity is None or entity.device_id is None:
            return
        if isinstance(entry := dr.async_get(self._hass).async_get(entity.device_id), dr.DeviceEntry):
            self._say(entry, entity.entity_id, new.attributes.get(ATTR_INSTALLED_VERSION))

    def _registered(self, entry: dr.DeviceEntry) -> None:
        self._say(entry, REGISTRY, entry.sw_version)

    def _say(self, entry: dr.DeviceEntry, source: str, version: object) -> None:
        owner = self._hass.config_entries.async_get_entry(entry.config_entry_id)
        if not isinstance(version, str) or owner is None or owner.domain == DOMAIN:
            return
        if version := plain_text(version)[:MAX_VERSION]:
            # Several integrations may know the device, and each has its own way to write a version.
            who = f"{owner.domain}/{source}"
            for mac in macs_of(entry):
                self._heard(mac, who, version)


@callback
def _is_update(data: EventStateChangedData | Mapping[str, object]) -> bool:
    return str(data["entity_id"]).startswith(f"{Platform.UPDATE}.")

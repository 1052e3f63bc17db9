"""The gateway and its devices in Home Assistant's device registry."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import UNDEFINED

from .const import DOMAIN
from .device import Device
from .models import GatewayInfo, Mac
from .naming import device_info, identifier


@callback
def mac_of(entry: dr.AnyDeviceEntry, gateway: str) -> Mac | None:
    """Return the MAC address of a device of the gateway; None for the gateway itself."""
    prefix = f"{gateway}_"
    for domain, name in entry.identifiers:
        if domain == DOMAIN and name.startswith(prefix):
            return name.removeprefix(prefix)
    return None


class Registry:
    """The part of the device registry that belongs to one gateway."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, gateway: str) -> None:
        """Register nothing yet."""
        self._hass = hass
        self._entry_id = entry.entry_id
        self._gateway = gateway
        self._registry = dr.async_get(hass)
        self._gateway_device_id = ""

    @callback
    def write_gateway(self, info: GatewayInfo) -> None:
        """Register the gateway, or update what is registered of it."""
        self._gateway_device_id = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            identifiers={(DOMAIN, self._gateway)},
            manufacturer="SPIN",
            model="Gateway agent",
            name=info.name or self._gateway,
            sw_version=info.version,
        ).id

    @callback
    def write(self, device: Device, *, disabled: bool = False) -> None:
        """Register a device, `disabled` if it is new, or update what is registered of it."""
        new = self._find(device.mac) is None
        info = device_info(self._hass, self._gateway, self._gateway_device_id, device)
        entry = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            disabled_by=dr.DeviceEntryDisabler.INTEGRATION if new and disabled else UNDEFINED,
            **info,
        )
        if entry.connections != info["connections"]:  # a MAC address was taken out
            self._registry.async_update_device(entry.id, new_connections=info["connections"])
        if new and entry.disabled_by in (None, dr.DeviceEntryDisabler.INTEGRATION):
            # One that was deleted comes back as it was.
            wanted = dr.DeviceEntryDisabler.INTEGRATION if disabled else None
            self._registry.async_update_device(entry.id, disabled_by=wanted)

    @callback
    def enable(self, mac: Mac) -> None:
        """Enable a device that was not disabled by the user."""
        entry = self._find(mac)
        if entry is not None and entry.disabled_by is dr.DeviceEntryDisabler.INTEGRATION:
            self._registry.async_update_device(entry.id, disabled_by=None)

    @callback
    def remove(self, mac: Mac) -> None:
        """Remove a device with its entities."""
        if (entry := self._find(mac)) is not None:
            self._registry.async_remove_device(entry.id)

    @callback
    def device_id(self, mac: Mac) -> str:
        """Return the id of a device in the device registry."""
        entry = self._find(mac)
        return entry.id if entry else mac

    @callback
    def name(self, mac: Mac) -> str:
        """Return what the user sees as the device's name."""
        entry = self._find(mac)
        return (entry and (entry.name_by_user or entry.name)) or mac

    def _find(self, mac: Mac) -> dr.DeviceEntry | None:
        return self._registry.async_get_device_by_identifier(identifier(self._gateway, mac), self._entry_id)

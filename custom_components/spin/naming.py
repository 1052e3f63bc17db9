"""What a device is called and who made it.

The user's name stands above all; Home Assistant sees to that. Then comes the name that another
integration gives to a device with the same MAC address, then the host name that the device itself
told over DHCP, then the vendor of its network card.
"""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .device import Device
from .models import Mac
from .vendors import vendors


async def async_load() -> None:
    """Load the vendors; to be awaited before anything else here is used."""
    await vendors.load()


def identifier(gateway: str, mac: Mac) -> tuple[str, str]:
    """Return what identifies a device of a gateway in the device registry."""
    return (DOMAIN, f"{gateway}_{mac}")


def is_random(mac: Mac) -> bool:
    """Return whether the MAC address is locally administered: made up, by a phone for instance."""
    return bool(int(mac[:2], 16) & 2)


@callback
def linked_device(hass: HomeAssistant, mac: Mac) -> dr.DeviceEntry | None:
    """Return the device of another integration with this MAC address, the best described if several."""
    linked = [
        device
        for device in dr.async_get(hass).async_get_devices(connections={(dr.CONNECTION_NETWORK_MAC, mac)})
        if (entry := hass.config_entries.async_get_entry(device.config_entry_id)) is not None
        and entry.domain != DOMAIN
    ]
    return max(
        linked,
        key=lambda device: (
            device.model is not None,
            device.sw_version is not None,
            -device.created_at.timestamp(),
        ),
        default=None,
    )


@callback
def device_info(hass: HomeAssistant, gateway: str, gateway_device_id: str, device: Device) -> dr.DeviceInfo:
    """Return all that the device registry is told of a device."""
    linked = next((found for mac in device.macs if (found := linked_device(hass, mac))), None)
    vendor = None if is_random(device.mac) else vendors.of(device.mac)
    octets = device.mac[-8:]
    info = dr.DeviceInfo(
        identifiers={identifier(gateway, device.mac)},
        connections={(dr.CONNECTION_NETWORK_MAC, mac) for mac in device.macs},
        manufacturer=(linked and linked.manufacturer) or vendor,
        model=linked.model if linked else None,
        sw_version=linked.sw_version if linked else None,
        via_device_id=gateway_device_id,
    )
    name = (linked and (linked.name_by_user or linked.name)) or device.hostname
    if name is None and vendor is not None:
        name = f"{vendor} {octets}"
    if name is None:
        info["translation_key"] = "unknown"
        info["translation_placeholders"] = {"octets": octets}
    else:
        info["name"] = name
    return info

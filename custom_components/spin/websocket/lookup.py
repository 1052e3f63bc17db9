"""Finds what a request is about."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from ..const import DOMAIN
from ..device import Device
from ..registry import mac_of
from .desk import Desk


class NotFoundError(Exception):
    """There is no such gateway or device."""


@callback
def find(hass: HomeAssistant, device_id: str) -> tuple[Desk, Device]:
    """Return a device by its id in the registry, with the desk of its gateway.

    Raises:
        NotFoundError: there is none, or its gateway is not loaded
    """
    entry, config = dr.async_get_device_and_config_entry_for_domain(hass, device_id, domain=DOMAIN)
    if entry is not None and config is not None and config.state is ConfigEntryState.LOADED:
        desk = Desk(config.runtime_data)
        mac = mac_of(entry, desk.coordinator.gateway)
        device = desk.coordinator.roster.find(mac) if mac else None
        if device is not None:
            return desk, device
    raise NotFoundError(f"no device {device_id[:64]!r}")

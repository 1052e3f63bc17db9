"""Which gateways there are, and how they are."""

from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from ..const import CONF_GATEWAY, CONF_PREFIX, DOMAIN
from ..coordinator import SpinConfigEntry, SpinCoordinator
from . import text

# In these states Home Assistant does not try any more.
_GIVEN_UP = {ConfigEntryState.SETUP_ERROR, ConfigEntryState.MIGRATION_ERROR, ConfigEntryState.FAILED_UNLOAD}


@callback
def entries_of(hass: HomeAssistant, gateway: str | None) -> list[SpinConfigEntry]:
    """Return the config entries that are in use: one, or all of them."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False, include_disabled=False)
    return [entry for entry in entries if gateway in (None, entry.entry_id)]


@callback
def coordinator_of(entry: SpinConfigEntry) -> SpinCoordinator | None:
    """Return the coordinator of an entry, None while that is not loaded."""
    return entry.runtime_data if entry.state is ConfigEntryState.LOADED else None


@callback
def gateway_rows(hass: HomeAssistant, gateway: str | None) -> list[dict[str, Any]]:
    """Return what a reader is told of each gateway."""
    return [_row(hass, entry) for entry in entries_of(hass, gateway)]


def _row(hass: HomeAssistant, entry: SpinConfigEntry) -> dict[str, Any]:
    coordinator = coordinator_of(entry)
    info = coordinator.info if coordinator else None
    gateway = entry.data[CONF_GATEWAY]
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, gateway), entry.entry_id)
    name = (device and (device.name_by_user or device.name)) or entry.title
    return {
        "entry_id": entry.entry_id,
        "id": gateway,
        "name": text.name(name),
        "device_id": device.id if device else None,
        "state": _state(entry, coordinator),
        "since": coordinator.since if coordinator else None,
        "version": info.version if info else None,
        "source": info.source if info else None,
        "capabilities": sorted(info.capabilities) if info else [],
        "topic": f"{entry.data[CONF_PREFIX]}/{gateway}",
        "problems": [
            {"code": problem.code, "text": text.clean(problem.text, text.MAX_HOST)}
            for problem in (coordinator.problems if coordinator else [])
        ],
    }


def _state(entry: ConfigEntry, coordinator: SpinCoordinator | None) -> str:
    if coordinator is None:
        return "offline" if entry.state in _GIVEN_UP else "loading"
    return "online" if coordinator.available else "offline"

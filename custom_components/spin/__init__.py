"""SPIN: see and control what the devices in your home do on the Internet."""

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import ConfigType
from homeassistant.util.hass_dict import HassKey

from . import naming
from .const import CONF_GATEWAY, DOMAIN, PLATFORMS
from .coordinator import SpinConfigEntry, SpinCoordinator
from .destinations import Group, load_grouping
from .issues import Issues
from .judgement.notices import Notices
from .memory import remove_stored
from .panel import async_setup_module, async_show_panel, hide_panel
from .registry import mac_of
from .rulings import remove_rulings
from .services import async_setup_services
from .study.setup import async_setup_study
from .study.store import remove_study
from .websocket import async_setup_websocket

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
DATA_GROUPING: HassKey[Group] = HassKey(f"{DOMAIN}_grouping")


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Register the actions, the browser module and what it asks."""
    async_setup_services(hass)
    await async_setup_study(hass)
    await async_setup_module(hass)
    await async_setup_websocket(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: SpinConfigEntry) -> bool:
    """Set up a gateway."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_unavailable")
    await naming.async_load()
    if DATA_GROUPING not in hass.data:
        hass.data[DATA_GROUPING] = await hass.async_add_executor_job(load_grouping)
    coordinator = entry.runtime_data = SpinCoordinator(hass, entry, hass.data[DATA_GROUPING])
    await coordinator.prepare()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await coordinator.listen()
    await async_show_panel(hass)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SpinConfigEntry) -> bool:
    """Unload a gateway; what it blocks stays blocked."""
    entry.runtime_data.roster.stop_introducing()
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.close()
    hide_panel(hass)
    return True


async def async_remove_entry(hass: HomeAssistant, entry: SpinConfigEntry) -> None:
    """Forget what is known of a gateway's devices; what it blocks stays blocked."""
    hide_panel(hass)
    Issues(hass, entry.data[CONF_GATEWAY]).close_all()
    Notices(hass, entry.data[CONF_GATEWAY]).dismiss_all()
    await remove_stored(hass, entry.entry_id)
    await remove_rulings(hass, entry.entry_id)
    await remove_study(hass, entry.entry_id)


async def async_remove_config_entry_device(
    _hass: HomeAssistant, entry: SpinConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Let the user delete a device that the gateway does not report any more."""
    coordinator = entry.runtime_data
    mac = mac_of(device, coordinator.gateway)
    if mac is None or not coordinator.may_be_removed(mac):
        return False
    coordinator.roster.forget(mac)
    return True

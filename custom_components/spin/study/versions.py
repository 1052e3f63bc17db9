"""Which firmware a device has, as another integration knows it."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..models import Mac
from ..naming import linked_device

ATTR_INSTALLED = "installed_version"


@callback
def firmware_of(hass: HomeAssistant, mac: Mac) -> str | None:
    """Return the firmware's version: that of the linked device, else that of its update entity."""
    linked = linked_device(hass, mac)
    if linked is None:
        return None
    if linked.sw_version:
        return linked.sw_version
    for entity in er.async_entries_for_device(er.async_get(hass), linked.id):
        if entity.domain == Platform.UPDATE and (state := hass.states.get(entity.entity_id)) is not None:
            installed = state.attributes.get(ATTR_INSTALLED)
            if isinstance(installed, str) and installed:
                return installed
    return None

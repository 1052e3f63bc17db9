"""Notices in Home Assistant's own list, for those who made no automation: one for each burst.

Their text is shown as Markdown, and what stands in it comes from the network: every character that
could mean something there is escaped. Their title is shown as it is.
"""

import re

from homeassistant.components import persistent_notification
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util.hass_dict import HassKey

from ..const import (
    DOMAIN,
    EVENT_BEHAVIOUR_CHANGED,
    EVENT_FLOOD,
    EVENT_NEW_DESTINATION,
    EVENT_SCAN,
    EVENT_SUPPRESSED,
)

# What somebody may have to decide; the rest is there to be looked up.
NOTICED = {EVENT_BEHAVIOUR_CHANGED, EVENT_FLOOD, EVENT_NEW_DESTINATION, EVENT_SCAN, EVENT_SUPPRESSED}
# What is shown: by gateway and device, the notices. They live as long as Home Assistant runs.
DATA_SHOWN: HassKey[dict[str, dict[str, set[str]]]] = HassKey(f"{DOMAIN}_notices")
_SPECIAL = re.compile(r"""[\\`*_{}\[\]<>()#+!|~&:@/$^="'-]""")


def plain(text: str) -> str:
    """Return Markdown that shows the text as it is, and links to nothing."""
    escaped = _SPECIAL.sub(lambda match: f"\\{match[0]}", text)
    return re.sub(r"(?i)\bwww\.", r"www\\.", escaped)


class Notices:
    """The notices about one gateway's devices."""

    def __init__(self, hass: HomeAssistant, gateway: str) -> None:
        """Begin with those that are shown since before a reload."""
        self._hass = hass
        self._gateway = gateway
        self._shown = hass.data.setdefault(DATA_SHOWN, {}).setdefault(gateway, {})

    @callback
    def listen(self) -> CALLBACK_TYPE:
        """Take the notices on devices away that are removed; returns how to end it."""
        for device_id in list(self._shown):
            if dr.async_get(self._hass).async_get(device_id) is None:
                self.dismiss(device_id)
        return self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._device_updated)

    @callback
    def _device_updated(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] == "remove":
            self.dismiss(event.data["device_id"])

    @callback
    def show(self, device_id: str, burst: str, title: str, text: str, link: str) -> None:
        """Show a notice on a device, in place of the one of the same burst."""
        identity = f"{DOMAIN}_{self._gateway}_{burst}"
        self._shown.setdefault(device_id, set()).add(identity)
        persistent_notification.async_create(
            self._hass,
            f"{plain(text)}\n\n[{plain(link)}](/config/devices/device/{device_id})",
            title=title,
            notification_id=identity,
        )

    @callback
    def dismiss(self, device_id: str) -> None:
        """Take the notices on a device away: the user has seen to it."""
        for identity in self._shown.pop(device_id, ()):
            persistent_notification.async_dismiss(self._hass, identity)

    @callback
    def dismiss_all(self) -> None:
        """Take all notices away: the gateway is removed."""
        for device_id in list(self._shown):
            self.dismiss(device_id)

"""The actions `spin.*`: their names and what they take."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType

from . import actions, export, listing
from .actions import ATTR_ALLOWED, ATTR_DESTINATION, ATTR_DURATION
from .const import DOMAIN

# As many as a person or a burst of news names in one call.
MAX_DESTINATIONS_PER_CALL = 100

type Action = Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]

_DURATION: VolDictType = {
    vol.Optional(ATTR_DURATION): vol.All(
        cv.positive_time_period, vol.Range(min=timedelta(seconds=1), max=timedelta(days=3650))
    )
}
_DESTINATION: VolDictType = {
    vol.Required(ATTR_DESTINATION): vol.All(
        cv.ensure_list, [cv.string], vol.Length(min=1, max=MAX_DESTINATIONS_PER_CALL)
    )
}
_ALLOWED: VolDictType = {vol.Optional(ATTR_ALLOWED, default=True): cv.boolean}

# Answers are optional but for those that only ask.
_CHANGES: dict[str, tuple[Action, VolDictType]] = {
    "block_device": (actions.block_device, _DURATION),
    "unblock_device": (actions.unblock_device, {}),
    "block_destination": (actions.block_destination, {**_DESTINATION, **_DURATION}),
    "unblock_destination": (actions.unblock_destination, _DESTINATION),
    "allow_destination": (actions.allow_destination, {**_DESTINATION, **_DURATION, **_ALLOWED}),
    "forget_destination": (actions.forget_destination, _DESTINATION),
    "accept_all": (actions.accept_all, {}),
    "restart_learning": (actions.restart_learning, {}),
    "skip_learning": (actions.skip_learning, {}),
    "undo_automatic_blocks": (actions.undo_automatic_blocks, {}),
    "join_devices": (actions.join_devices, {vol.Required("into"): cv.string}),
    "split_device": (actions.split_device, {vol.Required("mac"): cv.matches_regex(actions.MAC)}),
    "export": (export.export, export.FIELDS),
}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, (action, fields) in _CHANGES.items():
        schema = vol.Schema({**cv.TARGET_SERVICE_FIELDS, **fields})
        hass.services.async_register(
            DOMAIN, name, action, schema, supports_response=SupportsResponse.OPTIONAL
        )
    hass.services.async_register(
        DOMAIN,
        "get_destinations",
        listing.get_destinations,
        vol.Schema({**cv.TARGET_SERVICE_FIELDS, **listing.FIELDS}),
        supports_response=SupportsResponse.ONLY,
    )

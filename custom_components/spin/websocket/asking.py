"""What all commands have in common: who may ask, and what a request may contain."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import voluptuous as vol
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import async_response
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import Unauthorized
from homeassistant.helpers.typing import VolDictType

from ..windows import WINDOWS
from .lookup import NotFoundError

type Message = dict[str, Any]
type Command = Callable[[HomeAssistant, ActiveConnection, Message], None]
type Answer = Callable[[HomeAssistant, ActiveConnection, Message], Awaitable[None]]

WORD = vol.All(str, vol.Length(min=1, max=253))
WORD_OR_NONE = vol.Any(None, WORD)
WINDOW = vol.In(list(WINDOWS))
COUNT = vol.All(int, vol.Range(min=0, max=2**53))
FOCUS: VolDictType = {
    vol.Optional("gateway", default=None): WORD_OR_NONE,
    vol.Optional("device", default=None): WORD_OR_NONE,
    vol.Optional("destination", default=None): WORD_OR_NONE,
}


def for_readers(answer: Answer) -> Command:
    """Have a command answered for whoever may read all entities: the picture shows the whole home."""

    @async_response
    @wraps(answer)
    async def checked(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
        if not connection.user.permissions.access_all_entities(POLICY_READ):
            raise Unauthorized(permission=POLICY_READ)
        try:
            await answer(hass, connection, msg)
        except NotFoundError as error:
            connection.send_error(msg["id"], ERR_NOT_FOUND, str(error))

    return checked

"""Subscribes to a gateway's topics and hands on what arrives; what is malformed costs a warning."""

import logging
import time
from collections.abc import Callable

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .checks import plain_text
from .const import MAX_WARNINGS, QOS, WARNINGS_WINDOW
from .wire import WireError

_LOGGER = logging.getLogger(__name__)

type Handler = Callable[[str, bytes, bool], None]


class Listener:
    """The topics below one root."""

    def __init__(self, hass: HomeAssistant, root: str) -> None:
        """Listen below `root`, without its final slash."""
        self._hass = hass
        self._root = root
        self._warnings = 0
        self._window = 0.0

    async def subscribe(self, topic: str, handler: Handler) -> CALLBACK_TYPE:
        """Call the handler with the topic below the root, the payload, and whether it was retained.

        It raises WireError for a message that is not of the wire contract; that is dropped then.
        """

        @callback
        def received(message: mqtt.ReceiveMessage) -> None:
            payload = message.payload
            payload = payload.encode() if isinstance(payload, str) else bytes(payload)
            below = message.topic.removeprefix(f"{self._root}/")
            try:
                handler(below, payload, message.retain)
            except WireError as err:
                self._warn(below, err)

        return await mqtt.async_subscribe(self._hass, f"{self._root}/{topic}", received, QOS, encoding=None)

    def _warn(self, topic: str, err: WireError) -> None:
        now = time.monotonic()
        if now - self._window >= WARNINGS_WINDOW:
            self._window, self._warnings = now, 0
        self._warnings += 1
        if self._warnings <= MAX_WARNINGS:
            _LOGGER.warning("Dropped a message on %s/%s: %s", self._root, plain_text(topic)[:80], err)
        elif self._warnings == MAX_WARNINGS + 1:
            _LOGGER.warning(
                "More such messages below %s are dropped without a warning for a while", self._root
            )

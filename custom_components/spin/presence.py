"""Whether a gateway is heard, and how it introduces itself."""

import asyncio
import logging
import time
from collections.abc import Callable

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady

from .const import DOMAIN, INFO_TIMEOUT, PROTOCOL
from .issues import Issues
from .listener import Listener
from .models import GatewayInfo
from .wire import UnsupportedProtocolError, parse_info, parse_status

_LOGGER = logging.getLogger(__name__)

# So many epochs of the past are remembered to recognise one that comes back.
MAX_EPOCHS = 4


class Presence:
    """What `info`, `status` and the connection to the broker tell of one gateway."""

    def __init__(
        self, hass: HomeAssistant, gateway: str, issues: Issues, changed: Callable[[], None]
    ) -> None:
        """Call `changed` when there is a new introduction, or the gateway comes or goes."""
        self.info: GatewayInfo | None = None
        self.connected = False
        # Since when it is available, or is not.
        self.since = time.time()
        self._hass = hass
        self._gateway = gateway
        self._issues = issues
        self._changed = changed
        self._supported = True
        self._online = False
        self._info_heard = asyncio.Event()
        self._status_heard = asyncio.Event()
        self._was_available: bool | None = None
        self._epochs: list[str] = []
        self._epochs_come_back = 0

    @property
    def available(self) -> bool:
        """Whether what is shown of the gateway is current, and it can be told to do something."""
        return self.connected and self._online and self._supported

    @property
    def is_duplicated(self) -> bool:
        """Whether several agents use this gateway's id: each in its turn introduces itself."""
        return self._epochs_come_back > 1

    async def follow(self, listener: Listener) -> list[CALLBACK_TYPE]:
        """Listen from now on; returns how to end it."""
        self.connected = mqtt.is_connected(self._hass)
        return [
            mqtt.async_subscribe_connection_status(self._hass, self._connection_changed),
            await listener.subscribe("info", self._info_received),
            await listener.subscribe("status", self._status_received),
        ]

    async def introduced(self) -> None:
        """Wait until the gateway has introduced itself.

        Raises:
            ConfigEntryNotReady: it has not
            ConfigEntryError: it speaks another version of the protocol
        """
        try:
            async with asyncio.timeout(INFO_TIMEOUT):
                await self._info_heard.wait()
                if self._supported:
                    await self._status_heard.wait()
        except TimeoutError:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="no_info",
                translation_placeholders={"gateway": self._gateway},
            ) from None
        if not self._supported:
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="unsupported_protocol",
                translation_placeholders={"gateway": self._gateway, "version": str(PROTOCOL)},
            )

    @callback
    def _connection_changed(self, connected: bool) -> None:
        self.connected = connected
        # The status is retained and comes again, if there is one.
        self._online = False
        self._settle()

    @callback
    def _status_received(self, _topic: str, payload: bytes, _retained: bool) -> None:
        self._online = bool(payload) and parse_status(payload)
        self._status_heard.set()
        self._settle()

    @callback
    def _info_received(self, _topic: str, payload: bytes, retained: bool) -> None:
        if not payload:
            return  # uninstalled; its status says so
        try:
            info = parse_info(payload, self._gateway)
        except UnsupportedProtocolError as err:
            self._supported = False
            key = "protocol_too_new" if err.protocol > PROTOCOL else "protocol_too_old"
            self._issues.open(key, version=str(err.protocol), supported=str(PROTOCOL))
            self._info_heard.set()
            self._settle()
            raise
        self._supported = True
        self._issues.close("protocol_too_new")
        self._issues.close("protocol_too_old")
        self._watch_epochs(info.epoch, retained=retained)
        self.info = info
        self._info_heard.set()
        self._settle(news=True)

    def _watch_epochs(self, epoch: str, *, retained: bool) -> None:
        """An agent makes a new epoch at each start: old ones that come back are another agent's."""
        if epoch in self._epochs[:-1] and not retained:
            self._epochs_come_back += 1
        if epoch not in self._epochs[-1:]:
            self._epochs = [*self._epochs, epoch][-MAX_EPOCHS:]

    def _settle(self, *, news: bool = False) -> None:
        """Say what has changed: in the log only when the gateway is lost, and when it is back."""
        available = self.available
        if available != bool(self._was_available):
            if not available:
                _LOGGER.info("Gateway %s is unavailable", self._gateway)
            elif self._was_available is not None:
                _LOGGER.info("Gateway %s is available again", self._gateway)
            self._was_available = available
            self.since = time.time()
            news = True
        if news:
            self._changed()

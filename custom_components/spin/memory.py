"""Keeps what is known of a gateway's devices over restarts."""

import logging
from collections.abc import Callable
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .destinations import Group
from .device import Device
from .models import Mac
from .wire import parse_mac

_LOGGER = logging.getLogger(__name__)

VERSION = 1
MINOR_VERSION = 1


def _store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(
        hass,
        VERSION,
        f"{DOMAIN}.{entry_id}",
        minor_version=MINOR_VERSION,
        atomic_writes=True,
        serialize_in_event_loop=False,
    )


async def remove_stored(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what is stored of a gateway's devices."""
    await _store(hass, entry_id).async_remove()


class Memory:
    """One file in Home Assistant's storage, written with delay and when Home Assistant stops."""

    def __init__(self, hass: HomeAssistant, entry_id: str, contents: Callable[[], dict[str, Any]]) -> None:
        """Store what `contents` returns; that is called from another thread."""
        self._store = _store(hass, entry_id)
        self._hass = hass
        self._contents = contents
        self._due: float | None = None

    async def load(self, group: Group) -> tuple[dict[Mac, Device], float]:
        """Return the devices, and for how many seconds the gateway was heard in all."""
        stored = await self._store.async_load()
        if stored is None:
            return {}, 0.0
        try:
            return await self._hass.async_add_executor_job(_restore, stored, group)
        except AttributeError, KeyError, TypeError, ValueError:
            aside = f"{self._store.key}.unreadable"
            _LOGGER.exception("What is stored cannot be read; it is set aside as %s", aside)
            await Store[dict[str, Any]](self._hass, VERSION, aside).async_save(stored)
            return {}, 0.0

    @callback
    def save_later(self, delay: float) -> None:
        """Have it written within the delay, in seconds; an earlier date that is set already stands."""
        due = self._hass.loop.time() + delay
        if self._due is None or due < self._due:
            self._due = due
            self._store.async_delay_save(self._write, delay)

    def _write(self) -> dict[str, Any]:
        self._due = None
        return self._contents()

    async def save(self) -> None:
        """Write it now."""
        self._due = None
        await self._store.async_save(await self._hass.async_add_executor_job(self._contents))


def _restore(stored: dict[str, Any], group: Group) -> tuple[dict[Mac, Device], float]:
    devices: dict[Mac, Device] = {}
    for mac, kept in stored["devices"].items():
        try:
            devices[mac] = Device.from_dict(parse_mac(mac), group, kept)
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            _LOGGER.warning("Forgetting a device whose stored data cannot be read: %r", err)
    return devices, float(stored["heard"])

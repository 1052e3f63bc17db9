"""Keeps the studies of a gateway's devices over restarts, in a file of their own."""

import logging
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from ..const import DOMAIN
from ..models import Mac
from ..packing import compressed, packed, unpack
from ..saving import Saving
from ..wire import parse_mac
from .record import Record

_LOGGER = logging.getLogger(__name__)

VERSION = 1
# Traffic may wait: after a crash these minutes are missing in the studies. Experiments may not.
SAVE_DELAY = 300.0

type Records = dict[Mac, Record]


def _store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, VERSION, f"{DOMAIN}.{entry_id}.study", atomic_writes=True)


async def remove_study(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what is stored of the studies of a gateway's devices."""
    await _store(hass, entry_id).async_remove()


class StudyStore:
    """Written with delay, and when Home Assistant stops."""

    def __init__(self, hass: HomeAssistant, entry_id: str, contents: Callable[[], Records]) -> None:
        """Store what `contents` returns."""
        self._hass = hass
        self._store = _store(hass, entry_id)
        self._contents = contents
        self._saving = Saving(hass, self._save)

    async def load(self, names: Callable[[Mac], Iterable[str]]) -> Records:
        """Return what is known from before; what cannot be read is forgotten, and said.

        Args:
            names: texts that are kept of a device anyway; what equals one of them is that very object
        """
        stored = await self._store.async_load()
        return {} if stored is None else await self._hass.async_add_executor_job(_restore, stored, names)

    @callback
    def save_later(self) -> None:
        """Have it written within some minutes."""
        self._saving.later(SAVE_DELAY)

    async def save(self) -> None:
        """Write it now."""
        await self._saving.now()

    async def _save(self) -> None:
        devices = {}
        for mac, record in list(self._contents().items()):
            devices[mac] = await packed(self._hass, partial(_compressed, record))
        await self._store.async_save({"devices": devices})


def _compressed(record: Record) -> bytes:
    return compressed(record.as_json())


def _same(texts: dict[str, str], text: str) -> str:
    return texts.setdefault(text, text)


def _restore(stored: dict[str, Any], names: Callable[[Mac], Iterable[str]]) -> Records:
    records: Records = {}
    try:
        devices = stored["devices"].items()
    except AttributeError, KeyError, TypeError:
        _LOGGER.warning("What is stored of the studies cannot be read; they begin anew")
        return records
    for mac, kept in devices:
        try:
            # Earlier versions did not pack.
            document = kept if isinstance(kept, dict) else unpack(kept)
            texts = {name: name for name in names(mac)}
            records[parse_mac(mac)] = Record.from_dict(document, partial(_same, texts))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError, zlib.error) as err:
            _LOGGER.warning("Forgetting the studies of a device that cannot be read: %r", err)
    return records

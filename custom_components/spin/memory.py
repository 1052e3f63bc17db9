"""Keeps what is known of a gateway's devices over restarts."""

import gc
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, override

import orjson
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .destinations import Group
from .device import Device
from .issues import Issues
from .migration import from_version_1
from .packing import as_text, compressed, packed, unpack
from .saving import Saving
from .wire import parse_mac

_LOGGER = logging.getLogger(__name__)

VERSION = 2
MINOR_VERSION = 1

_DAMAGE = (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error, zlib.error)
# A device that changes while it is read is read again; each time that is less likely.
_ATTEMPTS = 20


class Contents(NamedTuple):
    """All that is stored: for how many seconds the gateway was heard in all, and its devices."""

    heard: float
    devices: list[Device]


class _Store(Store[dict[str, Any]]):
    """One file in Home Assistant's storage."""

    def __init__(self, hass: HomeAssistant, key: str, group: Group = str) -> None:
        """Name the file; without `group` it can only be written and removed."""
        super().__init__(
            hass,
            VERSION,
            key,
            minor_version=MINOR_VERSION,
            atomic_writes=True,
        )
        self._group = group

    @override
    async def _async_migrate_func(
        self, old_major_version: int, old_minor_version: int, old_data: dict[str, Any]
    ) -> dict[str, Any]:
        return await self.hass.async_add_executor_job(_migrate, old_data, self._group)


def _key(entry_id: str) -> str:
    return f"{DOMAIN}.{entry_id}"


async def remove_stored(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what is stored of a gateway's devices."""
    await _Store(hass, _key(entry_id)).async_remove()


class Memory:
    """One file in Home Assistant's storage, written with delay and when Home Assistant stops."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        group: Group,
        contents: Callable[[], Contents],
        issues: Issues,
    ) -> None:
        """Store what `contents` returns."""
        self._store = _Store(hass, _key(entry_id), group)
        self._hass = hass
        self._group = group
        self._contents = contents
        self._issues = issues
        self._saving = Saving(hass, self._save)

    async def load(self) -> Contents:
        """Return what was stored. What cannot be read is set aside, and the user is told."""
        there = await self._hass.async_add_executor_job(Path(self._store.path).exists)
        try:
            stored = await self._store.async_load()
        except _DAMAGE:
            _LOGGER.exception("What is stored in %s is no such document", self._store.path)
            self._lost(await self._hass.async_add_executor_job(self._set_aside))
            return Contents(0.0, [])
        if stored is None:
            if there:  # no JSON; Home Assistant has renamed it and says where to
                self._lost(f"{self._store.path}.corrupt.*")
            return Contents(0.0, [])
        contents, errors = await self._hass.async_add_executor_job(_restore, stored, self._group)
        if errors:
            for error in errors:
                _LOGGER.warning("Forgetting what cannot be read: %s", error)
            aside = f"{self._store.key}.unreadable"
            await _Store(self._hass, aside).async_save(stored)
            self._lost(self._hass.config.path(".storage", aside))
        return contents

    def _lost(self, backup: str) -> None:
        self._issues.open("memory_lost", backup=backup)

    def _set_aside(self) -> str:
        path = Path(self._store.path)
        aside = path.with_name(f"{path.name}.unreadable.{datetime.now(UTC):%Y%m%dT%H%M%S}")
        if path.exists():
            path.rename(aside)
        return str(aside)

    @callback
    def save_later(self, delay: float) -> None:
        """Have it written within the delay, in seconds; an earlier date that is set already stands."""
        self._saving.later(delay)

    async def save(self) -> None:
        """Write it now."""
        await self._saving.now()

    async def _save(self) -> None:
        """Write the document; each device is made JSON by itself, lest it keeps the event loop waiting."""
        contents = self._contents()
        devices = {}
        for device in contents.devices:
            devices[device.mac] = await packed(self._hass, partial(_compressed, device))
        await self._store.async_save({"heard": contents.heard, "devices": devices})


def _compressed(device: Device) -> bytes:
    """Return a device as it was at one time, although the event loop goes on meanwhile."""
    for _ in range(_ATTEMPTS):
        edition = device.edition
        stored = compressed(device.as_json())
        if edition % 2 == 0 and device.edition == edition:
            break
    return stored


def _migrate(stored: dict[str, Any], group: Group) -> dict[str, Any]:
    migrated = from_version_1(stored, group)
    for mac, device in migrated["devices"].items():
        migrated["devices"][mac] = as_text(compressed([orjson.dumps(device)]))
    return migrated


class _Texts(dict[str, str]):
    """Returns one and the same object for equal texts: those of a device recur in all that is kept of it."""

    def __call__(self, text: str) -> str:
        if type(text) is not str:
            raise TypeError(f"expected text, not {text!r}")
        return self.setdefault(text, text)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Spare the event loop that the collector goes again and again through what is there to stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_without_garbage_collection()
def _restore(stored: dict[str, Any], group: Group) -> tuple[Contents, list[str]]:
    """Restore what can be read, and say what cannot."""
    devices: list[Device] = []
    errors: list[str] = []
    try:
        heard, kept = float(stored["heard"]), stored["devices"].items()
    except _DAMAGE as error:
        return Contents(0.0, []), [repr(error)]
    for mac, device in kept:
        try:
            devices.append(Device.from_dict(parse_mac(mac), group, unpack(device), _Texts()))
        except _DAMAGE as error:
            errors.append(f"device: {error!r}")
    return Contents(heard, devices), errors

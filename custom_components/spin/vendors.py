"""Who made a network card, by the first half of its MAC address.

aiooui keeps its whole list as a dictionary of 9 MB. Of this a home needs a few lines, which are looked
up in the file: it is sorted. Where it is not there, or not sorted, aiooui is asked.
"""

import asyncio
import os
import weakref
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path

import aiooui

from .models import Mac

_PREFIX = 6
_MAX_LINE = 512


class Vendors:
    """The list, once it is open."""

    def __init__(self, path: Path) -> None:
        """Use the lines `<first half>=<vendor>` of a file."""
        self._path = path
        self._file: int | None = None
        self._size = 0
        self._cached = lru_cache(maxsize=512)(self._find)

    async def load(self) -> None:
        """Open the list; to be awaited before `of`."""
        if self._file is not None:
            return
        try:
            await asyncio.to_thread(self._open)
        except OSError, ValueError:
            await aiooui.async_load()

    def _open(self) -> None:
        """Read it once, so that the lookups find it in the page cache."""
        before = b""
        with self._path.open("rb") as lines:
            for line in lines:
                if line[:_PREFIX] < before or len(line) > _MAX_LINE:
                    raise ValueError(line)
                before = line[:_PREFIX]
            self._size = lines.tell()
        self._file = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def of(self, mac: Mac) -> str | None:
        """Return who made it."""
        if self._file is None:
            return aiooui.get_vendor(mac)
        return self._cached(self._file, mac[:8].replace(":", "").upper().encode())

    def _find(self, file: int, prefix: bytes) -> str | None:
        at = bisect_left(range(self._size), prefix, key=lambda at: _line(file, at)[:_PREFIX])
        found, _, vendor = _line(file, at).partition(b"=")
        return vendor.decode(errors="replace").rstrip() if found == prefix else None


def _line(file: int, at: int) -> bytes:
    """Return the line around a position."""
    begin = max(0, at - _MAX_LINE)
    text = os.pread(file, 2 * _MAX_LINE, begin)
    start = text.rfind(b"\n", 0, at - begin) + 1
    end = text.find(b"\n", at - begin)
    return text[start : end if end >= 0 else None]


vendors = Vendors(Path(aiooui.__file__).with_name("oui.data"))

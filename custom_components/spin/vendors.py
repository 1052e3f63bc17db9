"""Who made a network card, by the first half of its MAC address.

aiooui keeps its whole list as a dictionary of 9 MB. Here it stays the text that it is on disk, a
megabyte, of which a home needs a few lines; without that text aiooui is asked.
"""

import asyncio
from functools import lru_cache
from pathlib import Path

import aiooui

from .models import Mac


class Vendors:
    """The list, once it is loaded."""

    def __init__(self, path: Path) -> None:
        """Use the lines `<first half>=<vendor>` of a file."""
        self._path = path
        self._text = b""
        self._cached = lru_cache(maxsize=512)(self._find)

    async def load(self) -> None:
        """Load the list; to be awaited before `of`."""
        if self._text:
            return
        try:
            self._text = b"\n" + await asyncio.to_thread(self._path.read_bytes)
        except OSError:
            await aiooui.async_load()

    def of(self, mac: Mac) -> str | None:
        """Return who made it."""
        return self._cached(mac[:8].replace(":", "").upper()) if self._text else aiooui.get_vendor(mac)

    def _find(self, prefix: str) -> str | None:
        begin = self._text.find(f"\n{prefix}=".encode())
        if begin < 0:
            return None
        begin += len(prefix) + 2
        end = self._text.find(b"\n", begin)
        return self._text[begin : end if end >= 0 else None].decode(errors="replace").rstrip()


vendors = Vendors(Path(aiooui.__file__).with_name("oui.data"))

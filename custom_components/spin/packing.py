"""Parts of a stored document: JSON, compressed and in base 64.

What is to be written every few minutes for years is small, and neither reading nor writing needs all
of it at once in memory. A part is compressed in a thread. What the thread takes for that is little,
and what it returns is made text elsewhere: each of Home Assistant's many threads keeps the most memory
that it ever took.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from itertools import batched
from typing import Any

import orjson
from homeassistant.core import HomeAssistant

_MAX_BYTES = 32 * 1024 * 1024
# A window of 4 kB, and as much for the compressor's tables.
_WINDOW_BITS, _MEMORY_LEVEL = 12, 5
# For each piece the compressor lets other threads go first, so it gets several at once.
_BULK = 32


def compressed(pieces: Iterable[bytes]) -> bytes:
    """Return a part of which the JSON comes in pieces; may be called from any thread."""
    compressor = zlib.compressobj(level=1, wbits=_WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    bulks = batched(pieces, _BULK, strict=False)
    parts = [compressor.compress(b"".join(bulk)) for bulk in bulks]
    return b"".join([*parts, compressor.flush()])


def as_text(part: bytes) -> str:
    """Return a compressed part as it stands in the document."""
    return b64encode(part).decode()


async def packed(hass: HomeAssistant, compress: Callable[[], bytes]) -> str:
    """Return a part as it stands in the document, compressed in a thread."""
    return as_text(await hass.async_add_executor_job(compress))


def unpack(stored: str) -> dict[str, Any]:
    """Return what was packed; raises ValueError, TypeError or zlib.error when it is not that."""
    unpacked = zlib.decompressobj()
    document = unpacked.decompress(b64decode(stored), _MAX_BYTES)
    if not unpacked.eof:
        raise ValueError("cut off")
    restored: dict[str, Any] = orjson.loads(document)
    return restored

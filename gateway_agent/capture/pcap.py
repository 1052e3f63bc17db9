"""Makes a pcap file in pieces that each end with a whole record."""

import struct
from typing import Final

from gateway_agent.capture.bpf import SNAPLEN
from gateway_agent.capture.ring import Captured

_MAGIC: Final = 0xA1B23C4D
"""Times in nanoseconds."""

_ETHERNET: Final = 1
HEADER: Final = struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, SNAPLEN, _ETHERNET)
CHUNK_BYTES: Final = 128 * 1024
_RECORD = struct.Struct("<IIII")
RECORD_BYTES: Final = _RECORD.size


class Chunk:
    """A piece of the file: `data` and how many packets it has."""

    __slots__ = ("data", "packets")

    def __init__(self) -> None:
        self.data = bytearray()
        self.packets = 0

    def has_room(self, frame: bytes) -> bool:
        """Whether a frame's record still fits."""
        return len(self.data) + RECORD_BYTES + len(frame) <= CHUNK_BYTES

    def add(self, captured: Captured) -> None:
        """Append a record."""
        seconds, nanoseconds, frame, length = captured
        self.data += _RECORD.pack(seconds, nanoseconds, len(frame), length)
        self.data += frame
        self.packets += 1

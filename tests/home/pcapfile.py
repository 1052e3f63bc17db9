"""Capture files in the classic pcap format: Ethernet, microseconds."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = 0xA1B2C3D4
_ETHERNET = 1


@dataclass
class PcapWriter:
    """Writes frames in the order in which they are given."""

    file: BinaryIO

    def __post_init__(self) -> None:
        """Begin the file."""
        self.file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, 262144, _ETHERNET))

    def write(self, at: float, frame: bytes) -> None:
        """Append a frame seen at that Unix time."""
        microseconds = round(at * 1_000_000)
        self.file.write(
            struct.pack("<IIII", microseconds // 1_000_000, microseconds % 1_000_000, len(frame), len(frame))
        )
        self.file.write(frame)

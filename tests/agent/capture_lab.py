"""Reads pcap files as the agent makes them, without its code."""

import struct
from typing import NamedTuple


class Record(NamedTuple):
    """A packet of a file: nanoseconds since 1970, what was captured of it, its length on the wire."""

    at: int
    frame: bytes
    length: int


def records(file: bytes) -> list[Record]:
    """Return the packets of a pcap file with nanoseconds; asserts that it is one, to its last byte."""
    magic, major, minor, _, _, snaplen, link = struct.unpack_from("<IHHiIII", file)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 1)
    found, place = [], 24
    while place < len(file):
        seconds, nanoseconds, size, length = struct.unpack_from("<IIII", file, place)
        assert size <= snaplen
        frame = file[place + 16 : place + 16 + size]
        assert len(frame) == size
        found.append(Record(seconds * 10**9 + nanoseconds, frame, length))
        place += 16 + size
    return found

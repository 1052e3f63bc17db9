"""Reads pcap files as the agent makes them, without its code; and a tap without an interface."""

import socket
import struct
import time
from collections import deque
from typing import NamedTuple

from gateway_agent.capture.ring import Captured


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


class FakeTap:
    """A tap that shows what a test feeds it."""

    interface = "br-lan"

    def __init__(self) -> None:
        self._ear, self._bell = socket.socketpair()
        self.blocks: deque[list[Captured]] = deque()
        self.dropped = 0
        self.broken = self.closed = False

    def feed(self, *frames: bytes, at: float | None = None) -> None:
        """Show frames."""
        when = time.time() if at is None else at
        self.blocks.append([Captured(int(when), int(when % 1 * 1e9), frame, len(frame)) for frame in frames])
        self.ring()

    def ring(self) -> None:
        """Have it looked at."""
        self._bell.send(b"\0")

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._ear.fileno()

    @property
    def waiting(self) -> bool:
        """Whether there is something to read."""
        return bool(self.blocks)

    def read(self) -> list[Captured]:
        """Return the next frames."""
        block = self.blocks.popleft()
        if not self.blocks:
            self._ear.recv(4096)
        return block

    def close(self) -> None:
        """Stop."""
        self.closed = True
        self._ear.close()
        self._bell.close()

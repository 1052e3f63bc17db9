"""Finds DNS answers in TCP connections (RFC 7766): small ones, in bounded memory."""

from collections.abc import Iterator
from typing import Final

_MAX_MESSAGE: Final = 16_384
_MAX_AHEAD: Final = 16
_MAX_STREAMS: Final = 128
_HALF: Final = 1 << 31


class DnsStream:
    """One direction of a connection: segments in, whole messages out. A gap that is not filled ends it."""

    def __init__(self, sequence: int) -> None:
        self._next = sequence
        self._buffer = bytearray()
        self._ahead: dict[int, bytes] = {}
        self._given_up = False

    def segment(self, sequence: int, payload: bytes, *, cut: bool = False) -> Iterator[bytes]:
        """Yield the messages that a segment completes; it may be repeated, or come somewhat out of order."""
        if self._given_up or not payload:
            return
        self._ahead[sequence] = payload
        while (found := self._continuation()) is not None:
            self._buffer += found
            self._next = (self._next + len(found)) & 0xFFFFFFFF
            yield from self._messages()
        if cut or len(self._ahead) > _MAX_AHEAD or len(self._buffer) > _MAX_MESSAGE:
            self._given_up = True
            self._buffer.clear()
            self._ahead.clear()

    def _continuation(self) -> bytes | None:
        """Return what follows the buffer, and drop what it has already."""
        for sequence, payload in list(self._ahead.items()):
            repeated = (self._next - sequence) & 0xFFFFFFFF
            if repeated >= _HALF:
                continue
            del self._ahead[sequence]
            if repeated < len(payload):
                return payload[repeated:]
        return None

    def _messages(self) -> Iterator[bytes]:
        buffer = self._buffer
        while len(buffer) >= 2:
            end = 2 + int.from_bytes(buffer[:2])
            if len(buffer) < end:
                return
            message = bytes(buffer[2:end])
            del buffer[:end]
            yield message


class DnsStreams:
    """The streams that are open; of too many the oldest is given up."""

    def __init__(self) -> None:
        self._streams: dict[object, DnsStream] = {}

    def begin(self, key: object, sequence: int) -> DnsStream:
        """Return the stream of a connection that begins, or that was not seen before."""
        self._streams.pop(key, None)
        if len(self._streams) >= _MAX_STREAMS:
            del self._streams[next(iter(self._streams))]
        stream = self._streams[key] = DnsStream(sequence)
        return stream

    def get(self, key: object) -> DnsStream | None:
        """Return the stream of a connection, if it is still followed."""
        return self._streams.get(key)

"""The blocks of pcapng files (draft-ietf-opsawg-pcapng): sections, interfaces, packets."""

import struct
from typing import Final, NamedTuple

Record = tuple[float, int, bytes, int]
"""Time in Unix seconds, link type (LINKTYPE_*), the captured bytes, the frame's length on the wire."""

MAX_FRAME: Final = 262_144
"""libpcap's MAXIMUM_SNAPLEN: a longer record is damage, not a packet."""
SECTION: Final = b"\x0a\x0d\x0d\x0a"
BYTE_ORDER: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14
_MAX_INTERFACES: Final = 4096
_MAX_TIME: Final = 4_294_967_296.0


class DamageError(ValueError):
    """What is wrong with a file's content."""


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    ticks: float
    offset: float


class Section:
    """One section: its byte order, and the interfaces that it has described so far."""

    def __init__(self, order: str) -> None:
        self.head = struct.Struct(f"{order}II").unpack
        self.length = struct.Struct(f"{order}I").unpack_from
        self._enhanced = struct.Struct(f"{order}IIIII").unpack_from
        self._obsolete = struct.Struct(f"{order}HHIIII").unpack_from
        self._order = order
        self._interfaces: list[_Interface] = []

    def block(self, kind: int, body: bytes, before: float) -> Record | None:
        """Return the packet in a block, or None of another block; `before` is the time of the packet before.

        Raises:
            DamageError: the block contradicts itself or the section.
        """
        try:
            if kind == _ENHANCED:
                number, high, low, captured, length = self._enhanced(body)
                return self._record(body, number, high << 32 | low, captured, length, before)
            if kind == _PACKET:
                number, _, high, low, captured, length = self._obsolete(body)
                return self._record(body, number, high << 32 | low, captured, length, before)
            if kind == _SIMPLE:
                return self._simple(body, before)
            if kind == _INTERFACE:
                self._describe(body)
        except struct.error:
            raise DamageError(f"a block of type {kind} is too short") from None
        return None

    def _record(  # noqa: PLR0913, PLR0917 (what a packet block's header says)
        self, body: bytes, number: int, ticks: int, captured: int, length: int, before: float
    ) -> Record:
        if captured > MAX_FRAME or captured > len(body) - 20:
            raise DamageError(f"a packet of {captured} bytes")
        link_type, _, per_second, offset = self._interface(number)
        at = ticks / per_second + offset
        if not 0.0 <= at < _MAX_TIME:
            at = before  # no clock shows it
        return at, link_type, body[20 : 20 + captured], length

    def _simple(self, body: bytes, before: float) -> Record:
        """Read a Simple Packet Block: of the first interface, without a time of its own."""
        (length,) = self.length(body)
        interface = self._interface(0)
        captured = min(length, interface.snap_length or length, len(body) - 4)
        if captured > MAX_FRAME:
            raise DamageError(f"a packet of {captured} bytes")
        return before, interface.link_type, body[4 : 4 + captured], length

    def _interface(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise DamageError(f"a packet of interface {number}, which the section does not describe")
        return self._interfaces[number]

    def _describe(self, body: bytes) -> None:
        """Read an Interface Description Block: link type, and how its time stamps count."""
        if len(self._interfaces) == _MAX_INTERFACES:
            raise DamageError("too many interfaces")
        link_type, snap_length = struct.unpack_from(f"{self._order}HxxI", body)
        ticks, offset = 1e6, 0.0
        place = 8
        while place + 4 <= len(body):
            code, size = struct.unpack_from(f"{self._order}HH", body, place)
            value = body[place + 4 : place + 4 + size]
            if code == 0:
                break
            if code == _OPTION_RESOLUTION and len(value) == 1:
                exponent = value[0] & 0x7F
                ticks = 2.0**exponent if value[0] & 0x80 else 10.0**exponent
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset = float(struct.unpack(f"{self._order}q", value)[0])
            place += 4 + size + -size % 4
        self._interfaces.append(_Interface(link_type, snap_length, ticks, offset))

"""Reads capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), as a stream.

Both byte orders, any time resolution, several sections and interfaces. Nothing in a file is believed: lengths
are bounded before anything is read; what cannot be read ends in a CaptureError that names file and offset.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

Record = tuple[float, int, bytes, int]
"""Time in Unix seconds, link type (LINKTYPE_*), the captured bytes, the frame's length on the wire."""

MAX_FRAME: Final = 262_144
"""libpcap's MAXIMUM_SNAPLEN: a longer record is damage, not a packet."""
_MAX_BLOCK: Final = 16 << 20
_MAX_INTERFACES: Final = 4096
_MAX_TIME: Final = 4_294_967_296.0
_READ_AHEAD: Final = 1 << 20

_PCAP_MAGIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14


class CaptureError(Exception):
    """A capture file that cannot be read, or not to its end; the text names file, offset and reason."""


@dataclass(frozen=True, slots=True)
class _Interface:
    """What a pcapng section says of one interface."""

    link_type: int
    snap_length: int
    ticks: float
    offset: float


class Capture:
    """The packets of one file. After iterating, `torn` says where the file ended within a packet, if it did.

    A file may be read more than once. A CaptureError in the midst comes after all packets before it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn: str | None = None
        self._offset = 0
        try:
            self._file: BinaryIO = path.open("rb", buffering=_READ_AHEAD)
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Return the capture; the file is closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        """Yield the packets from the file's beginning."""
        try:
            self._file.seek(0)
            self._offset = 0
            self.torn = None
            magic = self._file.read(4)
            if magic in _PCAP_MAGIC:
                yield from self._pcap(*_PCAP_MAGIC[magic])
            elif magic == _SECTION:
                yield from self._pcapng()
            else:
                raise self._error(_not_a_capture(magic))
        except OSError as error:
            raise CaptureError(f"{self.path}: {error.strerror}") from error

    def _error(self, reason: str) -> CaptureError:
        return CaptureError(f"{self.path}: at offset {self._offset}: {reason}")

    def _torn(self) -> None:
        self.torn = f"{self.path}: the file ends within what begins at offset {self._offset}"

    def _pcap(self, order: str, ticks: float) -> Iterator[Record]:
        header = self._file.read(20)
        if len(header) < 20:
            raise self._error("the file ends within its header")
        major, _, _, _, _, link_type = struct.unpack(f"{order}HHiIII", header)
        if major != 2:
            raise self._error(f"version {major} of pcap is unknown")
        link_type &= 0xFFFF
        read, unpack = self._file.read, struct.Struct(f"{order}IIII").unpack
        self._offset = 24
        while header := read(16):
            if len(header) < 16:
                return self._torn()
            seconds, fraction, captured, length = unpack(header)
            if captured > MAX_FRAME:
                raise self._error(f"a packet of {captured} bytes")
            frame = read(captured)
            if len(frame) < captured:
                return self._torn()
            yield seconds + fraction / ticks, link_type, frame, length
            self._offset += 16 + captured
        return None

    def _pcapng(self) -> Iterator[Record]:
        order = "<"
        interfaces: list[_Interface] = []
        at = 0.0
        self._file.seek(0)
        while head := self._file.read(8):
            magic = self._file.read(4) if head[:4] == _SECTION else b""
            if magic in _BYTE_ORDER:
                order, interfaces = _BYTE_ORDER[magic], []
            elif len(magic) == 4:
                raise self._error("the section's byte order is unreadable")
            if len(head) < 8:
                return self._torn()
            kind, length = struct.unpack(f"{order}II", head)
            body = self._body(length, len(magic), order)
            if body is None:
                return self._torn()
            if kind == _INTERFACE:
                if len(interfaces) == _MAX_INTERFACES:
                    raise self._error("too many interfaces")
                interfaces.append(_interface(order, body, self._error))
            elif kind in _READ_PACKET:
                record = _READ_PACKET[kind](order, body, interfaces, at, self._error)
                at = record[0]
                yield record
            self._offset += length
        return None

    def _body(self, length: int, read: int, order: str) -> bytes | None:
        """Return what is left of a block after `read` bytes of its body, or None where the file ends."""
        size = length - 8 - read
        if size < 4 or length % 4 or length > _MAX_BLOCK:
            raise self._error(f"a block of {length} bytes")
        body = self._file.read(size)
        if len(body) < size:
            return None
        if struct.unpack_from(f"{order}I", body, size - 4)[0] != length:
            raise self._error("the two lengths of a block differ")
        return body[:-4]


_Fail = Callable[[str], CaptureError]


def _not_a_capture(magic: bytes) -> str:
    if not magic:
        return "the file is empty"
    if magic[:2] == b"\x1f\x8b" or magic in (b"\x28\xb5\x2f\xfd", b"\xfd7zX", b"BZh9"):
        return "the file is compressed; unpack it first"
    return "neither pcap nor pcapng"


def _interface(order: str, body: bytes, fail: _Fail) -> _Interface:
    """Read an Interface Description Block: link type, and how its time stamps count."""
    if len(body) < 8:
        raise fail("an interface block is too short")
    link_type, snap_length = struct.unpack_from(f"{order}HxxI", body)
    ticks, offset = 1e6, 0.0
    place = 8
    while place + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, place)
        value = body[place + 4 : place + 4 + size]
        if code == 0:
            break
        if code == _OPTION_RESOLUTION and len(value) == 1:
            exponent = value[0] & 0x7F
            ticks = 2.0**exponent if value[0] & 0x80 else 10.0**exponent
        elif code == _OPTION_OFFSET and len(value) == 8:
            offset = float(struct.unpack(f"{order}q", value)[0])
        place += 4 + size + -size % 4
    return _Interface(link_type, snap_length, ticks, offset)


def _frame(body: bytes, start: int, captured: int, fail: _Fail) -> bytes:
    if captured > MAX_FRAME or start + captured > len(body):
        raise fail(f"a packet of {captured} bytes")
    return body[start : start + captured]


def _on(interfaces: list[_Interface], number: int, fail: _Fail) -> _Interface:
    if number >= len(interfaces):
        raise fail(f"a packet of interface {number}, which the section does not describe")
    return interfaces[number]


def _time(interface: _Interface, high: int, low: int, before: float) -> float:
    """Return the time in Unix seconds; one that no clock shows is replaced by the packet's before it."""
    at = (high << 32 | low) / interface.ticks + interface.offset
    return at if 0.0 <= at < _MAX_TIME else before


def _enhanced(order: str, body: bytes, interfaces: list[_Interface], before: float, fail: _Fail) -> Record:
    if len(body) < 20:
        raise fail("a packet block is too short")
    number, high, low, captured, length = struct.unpack_from(f"{order}IIIII", body)
    interface = _on(interfaces, number, fail)
    return _time(interface, high, low, before), interface.link_type, _frame(body, 20, captured, fail), length


def _obsolete(order: str, body: bytes, interfaces: list[_Interface], before: float, fail: _Fail) -> Record:
    if len(body) < 20:
        raise fail("a packet block is too short")
    number, _, high, low, captured, length = struct.unpack_from(f"{order}HHIIII", body)
    interface = _on(interfaces, number, fail)
    return _time(interface, high, low, before), interface.link_type, _frame(body, 20, captured, fail), length


def _simple(order: str, body: bytes, interfaces: list[_Interface], before: float, fail: _Fail) -> Record:
    """Read a Simple Packet Block: first interface, no time (the time of the packet before it is taken)."""
    if len(body) < 4:
        raise fail("a packet block is too short")
    (length,) = struct.unpack_from(f"{order}I", body)
    interface = _on(interfaces, 0, fail)
    captured = min(length, interface.snap_length or length, len(body) - 4)
    return before, interface.link_type, _frame(body, 4, captured, fail), length


_READ_PACKET: Final = {_ENHANCED: _enhanced, _PACKET: _obsolete, _SIMPLE: _simple}

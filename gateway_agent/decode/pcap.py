"""Reads capture files as a stream: pcap (draft-ietf-opsawg-pcap) and pcapng.

Nothing in a file is believed: lengths are bounded before anything is read, and what cannot be read ends in a
CaptureError that names file and offset.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from gateway_agent.decode.pcapng import BYTE_ORDER, MAX_FRAME, SECTION, DamageError, Record, Section

__all__ = ["Capture", "CaptureError", "Record"]

_MAGIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
_VERSION: Final = 2
_MAX_BLOCK: Final = 16 << 20
_READ_AHEAD: Final = 1 << 20


class CaptureError(Exception):
    """A capture file that cannot be read, or not to its end; the text names file, offset and reason."""


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
            yield from self._records()
        except DamageError as damage:
            raise CaptureError(f"{self.path}: at offset {self._offset}: {damage}") from None
        except io.UnsupportedOperation:
            raise CaptureError(f"{self.path}: this cannot be read twice; save it to a file first") from None
        except OSError as error:
            raise CaptureError(f"{self.path}: {error.strerror}") from error

    def _records(self) -> Iterator[Record]:
        self._file.seek(0)
        self._offset, self.torn = 0, None
        magic = self._file.read(4)
        if magic in _MAGIC:
            return self._pcap(*_MAGIC[magic])
        if magic != SECTION:
            raise DamageError(_not_a_capture(magic))
        self._file.seek(0)
        return self._pcapng()

    def _torn(self) -> None:
        self.torn = f"{self.path}: the file ends within what begins at offset {self._offset}"

    def _pcap(self, order: str, ticks: float) -> Iterator[Record]:
        header = self._file.read(20)
        if len(header) < 20:
            raise DamageError("the file ends within its header")
        major, _, _, _, _, link_type = struct.unpack(f"{order}HHiIII", header)
        if major != _VERSION:
            raise DamageError(f"version {major} of pcap is unknown")
        link_type &= 0xFFFF  # above it are flags
        read, unpack = self._file.read, struct.Struct(f"{order}IIII").unpack
        self._offset = 24
        while header := read(16):
            if len(header) < 16:
                return self._torn()
            seconds, fraction, captured, length = unpack(header)
            if captured > MAX_FRAME:
                raise DamageError(f"a packet of {captured} bytes")
            frame = read(captured)
            if len(frame) < captured:
                return self._torn()
            yield seconds + fraction / ticks, link_type, frame, length
            self._offset += 16 + captured
        return None

    def _pcapng(self) -> Iterator[Record]:
        section = Section("<")
        read = self._file.read
        at = 0.0
        while head := read(8):
            magic = read(4) if head[:4] == SECTION else b""
            if magic in BYTE_ORDER:
                section = Section(BYTE_ORDER[magic])
            elif len(magic) == 4:
                raise DamageError("the section's byte order is unreadable")
            if len(head) < 8:
                return self._torn()
            kind, length = section.head(head)
            size = length - 8 - len(magic)
            if size < 4 or length % 4 or length > _MAX_BLOCK:
                raise DamageError(f"a block of {length} bytes")
            body = read(size)
            if len(body) < size:
                return self._torn()
            if section.length(body, size - 4)[0] != length:
                raise DamageError("the two lengths of a block differ")
            record = section.block(kind, body[:-4], at)
            if record is not None:
                at = record[0]
                yield record
            self._offset += length
        return None


def _not_a_capture(magic: bytes) -> str:
    if not magic:
        return "the file is empty"
    if magic[:2] == b"\x1f\x8b" or magic in (b"\x28\xb5\x2f\xfd", b"\xfd7zX", b"BZh9"):
        return "the file is compressed; unpack it first"
    return "neither pcap nor pcapng"

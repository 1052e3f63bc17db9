"""The captures on disk: written under another name first, listed, and removed when there are too many.

Everything here blocks: not in the event loop.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .capture_wire import check_chunk

MAX_FILES = 50
MAX_BYTES_IN_ALL = 2_000_000_000
_PART = ".part"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,120}\.pcap")


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that is over, as it is written down beside its file. Times are Unix seconds.

    Args:
        file: the name of its pcap file
        complete: whether all that the gateway captured is in the file
        dropped: packets that the gateway lost
        missing: bytes that the gateway sent and that did not arrive, or could not be written in time
    """

    file: str
    mac: str
    device: str
    began: float
    seconds: float
    packets: int
    bytes: int
    dropped: int
    missing: int
    headers_only: bool
    complete: bool
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return response data."""
        return asdict(self)


class CaptureFile:
    """One capture that is being written."""

    def __init__(self, folder: Path, name: str) -> None:
        """Begin the file; raises OSError."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"file name {name!r}")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / name
        self.size = 0
        self.packets = 0
        self._part = self.path.with_suffix(_PART)
        self._file: BinaryIO = self._part.open("wb")
        self._part.chmod(0o600)

    def write(self, chunks: list[bytes]) -> None:
        """Add chunks; raises OSError, and WireError where they are no part of a pcap file."""
        for chunk in chunks:
            self.packets += check_chunk(chunk, first=self.size == 0)
            self._file.write(chunk)
            self.size += len(chunk)
        self._file.flush()

    def finish(self, capture: Capture) -> None:
        """Give the file its name; raises OSError."""
        self._file.close()
        self.path.with_suffix(".json").write_text(json.dumps(asdict(capture)))
        self._part.replace(self.path)

    def discard(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what an interrupted run left."""
    for part in folder.glob(f"*{_PART}"):
        part.unlink(missing_ok=True)


def _described(folder: Path) -> Iterator[Capture]:
    for path in folder.glob("*.pcap"):
        try:
            yield Capture(**json.loads(path.with_suffix(".json").read_text()))
        except OSError, TypeError, ValueError:
            continue


def listed(folder: Path) -> list[Capture]:
    """Return the captures, the newest first."""
    return sorted(_described(folder), key=lambda capture: capture.began, reverse=True)


def find(folder: Path, name: str) -> Path | None:
    """Return the path of a capture by its file's name; None where there is none."""
    path = folder / name
    return path if _NAME.fullmatch(name) and path.is_file() else None


def remove(folder: Path, name: str) -> bool:
    """Remove a capture; return whether there was one."""
    path = find(folder, name)
    if path is None:
        return False
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)
    return True


def retain(folder: Path) -> None:
    """Remove the oldest captures while there are too many or they are too large together."""
    kept = listed(folder)
    while kept and (len(kept) > MAX_FILES or sum(capture.bytes for capture in kept) > MAX_BYTES_IN_ALL):
        remove(folder, kept.pop().file)

"""What a device did with one contact in a period.

There are tens of thousands of contacts, so what is kept of each is plain bytes, in the wide layout
only where the counters do not fit the narrow one; `Seen` is how it is read.
"""

from collections.abc import Iterable
from operator import add
from struct import Struct, error
from typing import Any, NamedTuple, Self

from ..models import RowCounters
from .connectivity import Check, check_kind
from .contacts import Contact

# First and last time, the counters as RowCounters has them, and the flags.
_NARROW, _WIDE = Struct("<4I4HB"), Struct("<2I2Q4IB")
_MOST = (2**64 - 1, 2**64 - 1, *[2**32 - 1] * 4)
_LATEST = 2**32 - 1
_USUAL, _IN_TROUBLE = 1, 2


class Seen(NamedTuple):
    """What a device did with one contact; times in whole seconds of Home Assistant's clock.

    Args:
        usual: whether it was seen in ordinary operation
        in_trouble: whether it was seen without Internet
    """

    first: int
    last: int
    counters: RowCounters
    usual: bool
    in_trouble: bool

    def check(self, contact: Contact) -> Check | None:
        """Return what kind of connectivity check this is."""
        name = contact.target if contact.named else None
        return check_kind(name, self.counters.connections - self.counters.unanswered, self.counters.empty)

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [float(self.first), float(self.last), [*self.counters], self.usual, self.in_trouble]

    @classmethod
    def from_list(cls, stored: Iterable[Any]) -> Self:
        """Restore; raises ValueError, TypeError or OverflowError when it is not what was stored."""
        first, last, counters, usual, in_trouble = stored
        counted = RowCounters._make(map(int, counters))
        if min(counted) < 0:
            raise ValueError(f"counters {counters!r}")
        return cls(
            whole_seconds(float(first)), whole_seconds(float(last)), counted, bool(usual), bool(in_trouble)
        )

    def packed(self) -> bytes:
        """Return what is kept of it."""
        flags = self.usual * _USUAL | self.in_trouble * _IN_TROUBLE
        return _pack(self.first, self.last, self.counters, flags)


def unpacked(kept: bytes) -> Seen:
    """Return what is kept, to be read."""
    first, last, *counters, flags = _layout(kept).unpack(kept)
    return Seen(first, last, RowCounters(*counters), flags & _USUAL > 0, flags & _IN_TROUBLE > 0)


def first_seen(new: RowCounters, now: int, *, trouble: bool) -> bytes:
    """Return what is kept of a contact that is new."""
    return _pack(now, now, new, _IN_TROUBLE if trouble else _USUAL)


def seen_again(kept: bytes, new: RowCounters, now: int, *, trouble: bool) -> bytes:
    """Return it with what is new."""
    first, _, *counters, flags = _layout(kept).unpack(kept)
    flags |= _IN_TROUBLE if trouble else _USUAL
    return _pack(first, now, list(map(add, counters, new)), flags)  # noqa: B912 both are counters


def whole_seconds(at: float) -> int:
    """Return a time as it is kept; raises ValueError when it is none."""
    return int(min(max(at, 0), _LATEST))


def _layout(kept: bytes) -> Struct:
    return _NARROW if len(kept) == _NARROW.size else _WIDE


def _pack(first: int, last: int, counters: Iterable[int], flags: int) -> bytes:
    try:
        return _NARROW.pack(first, last, *counters, flags)
    except error:
        return _WIDE.pack(first, last, *map(min, counters, _MOST, strict=True), flags)

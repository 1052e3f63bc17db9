"""Traffic over time, for the picture and the days: the older, the coarser, and nothing where there was none.

Times are Unix seconds of Home Assistant's clock. A history is a sequence of samples; with age they
are merged on ever coarser grids, all of which divide the UTC day. A window begins on its grid, so
it covers up to one step more than its name says.
"""

import struct
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, Self

from .models import RowCounters

MINUTE, HOUR, DAY = 60, 3600, 86_400
WINDOWS = {"5m": 5 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY}
KEPT_DAYS = 30
EPOCH_DAY = date(1970, 1, 1).toordinal()
NOTHING = RowCounters()

# Grid, in seconds, of the samples up to an age. Older ones than the last are forgotten.
_GRIDS = {5 * MINUTE: MINUTE, HOUR: 5 * MINUTE, DAY: 2 * HOUR, 7 * DAY: 12 * HOUR, KEPT_DAYS * DAY: DAY}
_STEPS = tuple(_GRIDS.values())[1:]
_TIDY_EVERY = 16

# A sample is the minute of its start and the counters as RowCounters has them. Most are small.
_NARROW, _WIDE = struct.Struct("<IIIHHHH"), struct.Struct("<IQQIIII")
_MOST = (2**64 - 1, 2**64 - 1, *[2**32 - 1] * 4)

type Sample = tuple[int, ...]


class Day(NamedTuple):
    """The traffic of one UTC day."""

    sent: int = 0
    received: int = 0
    connections: int = 0


def begin(window: int, now: float) -> int:
    """Return where a window of so many seconds begins, on its grid."""
    grid = _GRIDS[window]
    return int(now - window) // grid * grid


def _sum(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(int.__add__, one, other, strict=True))


def _tidy(samples: Iterable[Sample], now: float) -> list[Sample]:
    """Merge what has aged and what lies in the future, and forget what is too old."""
    this_minute = int(now) // MINUTE
    *borders, oldest = [begin(window, now) // MINUTE for window in _GRIDS]
    merged: dict[int, tuple[int, ...]] = {}
    for start, *counted in samples:
        if start < oldest:
            continue
        at = min(start, this_minute)
        for border, step in zip(borders, _STEPS, strict=True):
            if start >= border:
                break
            at = start * MINUTE // step * step // MINUTE
        merged[at] = _sum(merged[at], counted) if at in merged else tuple(counted)
    return [(at, *merged[at]) for at in sorted(merged)]


def add_days(several: Iterable[dict[int, Day]]) -> dict[int, Day]:
    """Add the traffic of the same days."""
    total: dict[int, Day] = {}
    for days in several:
        for day, traffic in days.items():
            total[day] = Day._make(_sum(total.get(day, Day()), traffic))
    return total


class History:
    """What was counted in the last 30 days."""

    __slots__ = ("_layout", "_packed")

    def __init__(self, packed: bytes = b"", layout: struct.Struct = _NARROW) -> None:
        """Begin empty."""
        self._packed = packed
        self._layout = layout

    def add(self, at: float, new: tuple[int, ...], now: float) -> None:
        """Count something in that happened at a time up to now, in the order of RowCounters."""
        packed, layout = self._packed, self._layout
        minute, this_minute = int(at) // MINUTE, int(now) // MINUTE
        if packed:
            start, *last = layout.unpack_from(packed, len(packed) - layout.size)
            if minute <= start <= this_minute:
                minute = start
                packed = packed[: -layout.size]
                new = _sum(last, new)
            elif start > this_minute or len(packed) // layout.size % _TIDY_EVERY == 0:
                self._pack(_tidy([*self.samples(), (minute, *new)], now))
                return
        try:
            self._packed = packed + layout.pack(minute, *new)
        except struct.error:
            self._packed = packed
            self._pack([*self.samples(), (minute, *new)])

    def samples(self) -> Iterable[Sample]:
        """Go through (minute of the start, counters...), oldest first."""
        return self._layout.iter_unpack(self._packed)

    def window(self, seconds: int, now: float) -> RowCounters:
        """Return what was counted in the time up to now."""
        since = begin(seconds, now) // MINUTE
        total = (0,) * len(NOTHING)
        for start, *counted in self.samples():
            if start >= since:
                total = _sum(total, counted)
        return RowCounters._make(total)

    def days(self) -> dict[int, Day]:
        """Return the traffic of each day with traffic, by its number in the common era (UTC)."""
        found: dict[int, Day] = {}
        for start, sent, received, connections, *_ in self.samples():
            day = EPOCH_DAY + start * MINUTE // DAY
            found[day] = Day._make(_sum(found.get(day, Day()), (sent, received, connections)))
        return found

    def join(self, other: Self) -> None:
        """Add what another one counted."""
        both = sorted([*self.samples(), *other.samples()])
        if both:
            self._pack(_tidy(both, both[-1][0] * MINUTE))

    def packed(self) -> bytes:
        """Return what is stored."""
        return bytes([self._layout is _WIDE]) + self._packed if self._packed else b""

    @classmethod
    def unpacked(cls, stored: bytes) -> Self:
        """Restore; raises ValueError when it is not what was stored."""
        if not stored:
            return cls()
        layout = _WIDE if stored[0] else _NARROW
        if (len(stored) - 1) % layout.size:
            raise ValueError(f"history of {len(stored)} bytes")
        return cls(stored[1:], layout)

    def _pack(self, samples: list[Sample]) -> None:
        for layout in (_NARROW, _WIDE):
            try:
                self._packed = b"".join([layout.pack(*sample) for sample in samples])
            except struct.error:
                continue
            self._layout = layout
            return
        self._pack([(start, *map(min, counted, _MOST, strict=True)) for start, *counted in samples])

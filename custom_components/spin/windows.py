"""Traffic over time, for the picture and the days: the older, the coarser, and nothing where there was none.

Times are Unix seconds of Home Assistant's clock. A history is a sequence of samples of the last 30
days; with age they are merged on ever coarser grids, all of which divide the UTC day. A window
begins on its grid, so it covers up to one step more than its name says.

There may be tens of thousands of histories, so each is plain bytes: a flag that tells the layout,
then the samples.
"""

import operator
import struct
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

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
    return tuple(map(operator.add, one, other))  # noqa: B912 both are counters


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
    for each in several:
        for day, traffic in each.items():
            total[day] = Day._make(_sum(total.get(day, Day()), traffic))
    return total


def samples(history: bytes) -> Iterable[Sample]:
    """Go through the samples of a history, oldest first: minute of the start, and what was counted."""
    if not history:
        return ()
    return (_WIDE if history[0] else _NARROW).iter_unpack(memoryview(history)[1:])


def _packed(several: list[Sample]) -> bytes:
    for flag, layout in ((b"\0", _NARROW), (b"\1", _WIDE)):
        try:
            return flag + b"".join([layout.pack(*sample) for sample in several])
        except struct.error:
            continue
    return _packed([(start, *map(min, counted, _MOST, strict=True)) for start, *counted in several])


def add(history: bytes, at: float, new: tuple[int, ...], now: float) -> bytes:
    """Return the history with what was counted, in the order of RowCounters, at a time up to now."""
    minute, this_minute = int(at) // MINUTE, int(now) // MINUTE
    layout = _WIDE if history and history[0] else _NARROW
    if history:
        count = len(history) // layout.size
        start, *last = layout.unpack_from(history, len(history) - layout.size)
        if minute <= start <= this_minute:
            minute = start
            new = _sum(last, new)
            history = history[: -layout.size]
        elif start > this_minute or count % _TIDY_EVERY == 0:
            return _packed(_tidy([*samples(history), (minute, *new)], now))
    try:
        return (history or b"\0") + layout.pack(minute, *new)
    except struct.error:
        return _packed([*samples(history), (minute, *new)])


def is_same_minute(one: float, other: float) -> bool:
    """Return whether what is counted at these times is one sample, as long as it is new."""
    return int(one) // MINUTE == int(other) // MINUTE


def window(history: bytes, seconds: int, now: float) -> RowCounters:
    """Return what was counted in the time up to now."""
    since = begin(seconds, now) // MINUTE
    total: tuple[int, ...] = NOTHING
    for start, *counted in samples(history):
        if start >= since:
            total = _sum(total, counted)
    return NOTHING if total is NOTHING else RowCounters._make(total)


def days(history: bytes) -> dict[int, Day]:
    """Return the traffic of each day with traffic, by its number in the common era (UTC)."""
    found: dict[int, Day] = {}
    for start, sent, received, connections, *_ in samples(history):
        day = EPOCH_DAY + start * MINUTE // DAY
        found[day] = Day._make(_sum(found.get(day, Day()), (sent, received, connections)))
    return found


def join(one: bytes, other: bytes) -> bytes:
    """Return both in one."""
    both = sorted([*samples(one), *samples(other)])
    return _packed(_tidy(both, both[-1][0] * MINUTE)) if both else b""


def checked(history: bytes) -> bytes:
    """Return a history that was stored; raises ValueError when it is none."""
    if history and (len(history) - 1) % (_WIDE if history[0] else _NARROW).size:
        raise ValueError(f"history of {len(history)} bytes")
    return history if len(history) > 1 else b""

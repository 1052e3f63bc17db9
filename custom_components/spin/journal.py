"""What happened to a device, in order: short entries, of which the newest are kept.

Kinds and keys are those of the timeline in docs/websocket.md.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from .const import JOURNAL_REPEAT, MAX_JOURNAL_ENTRIES


@dataclass(slots=True)
class Entry:
    """One thing that happened at a time of Home Assistant's clock, `count` times up to `last`."""

    id: int
    at: float
    kind: str
    data: dict[str, Any]
    count: int = 1
    last: float = 0.0

    @property
    def same(self) -> Hashable:
        """What repetitions have in common."""
        return self.kind, tuple(sorted(self.data.items()))


class Journal:
    """The newest entries, by id."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._latest: dict[Hashable, Entry] = {}
        self.newest = 0

    def add(self, kind: str, at: float, *, count: int = 1, **data: str | float | None) -> Entry:
        """Note something; what is the same as a recent entry is counted there."""
        entry = Entry(self.newest + 1, at, kind, data, count, at)
        recent = self._latest.get(entry.same)
        if recent is not None and abs(at - recent.last) <= JOURNAL_REPEAT.total_seconds():
            recent.count += count
            recent.last = max(recent.last, at)
            return recent
        self._append(entry)
        return entry

    def _append(self, entry: Entry) -> None:
        self.newest = entry.id
        self._entries[entry.id] = entry
        self._latest[entry.same] = entry
        if len(self._entries) > MAX_JOURNAL_ENTRIES:
            _, oldest = self._entries.popitem(last=False)
            if self._latest.get(oldest.same) is oldest:
                del self._latest[oldest.same]

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    def entries(
        self, before: int | None = None, after: int | None = None, limit: int = 100
    ) -> tuple[list[Entry], bool]:
        """Return entries, oldest first, and whether there are more in that direction.

        Args:
            before: the newest ones with a smaller id; None: the newest of all
            after: the oldest ones with a greater id
            limit: how many at most
        """
        if after is not None:
            found = [entry for entry in self._entries.values() if entry.id > after]
            return found[:limit], len(found) > limit
        older = (e for e in reversed(self._entries.values()) if before is None or e.id < before)
        found = list(islice(older, limit + 1))
        return found[:limit][::-1], len(found) > limit

    def as_list(self) -> list[Any]:
        """Return what is stored; may be called from another thread."""
        return [[e.id, e.at, e.kind, dict(e.data), e.count, e.last] for e in list(self._entries.values())]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls()
        for number, at, kind, data, count, last in stored:
            self._append(Entry(int(number), float(at), str(kind), dict(data), int(count), float(last)))
        return self

    def join(self, other: Self) -> None:
        """Add the entries of another one, in the order of their times, under new ids."""
        both = sorted([*self._entries.values(), *other._entries.values()], key=lambda entry: entry.at)
        self._entries.clear()
        self._latest.clear()
        for entry in both:
            self._append(Entry(self.newest + 1, entry.at, entry.kind, entry.data, entry.count, entry.last))

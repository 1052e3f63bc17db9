"""What happened to a device, in order: short entries, of which the newest are kept.

Kinds and keys are those of the timeline in docs/websocket.md.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, Self

import orjson

from .const import JOURNAL_REPEAT, MAX_JOURNAL_ENTRIES
from .remotes import Intern

type Value = str | float | None

# What happens again is looked for among so many entries.
_RECENT = 64


class Entry:
    """One thing that happened at a time of Home Assistant's clock, `count` times up to `last`."""

    __slots__ = ("_keys", "_values", "at", "count", "id", "kind", "last")

    # Few combinations of keys recur in many entries.
    _known_keys: ClassVar[dict[tuple[str, ...], tuple[str, ...]]] = {}

    def __init__(self, number: int, at: float, kind: str, data: Mapping[str, Value], count: int = 1) -> None:
        """Begin with what happened first."""
        self.id = number
        self.at = self.last = at
        self.kind = kind
        self.count = count
        keys = tuple(data)
        self._keys = self._known_keys.setdefault(keys, keys)
        self._values = tuple(data.values())

    @property
    def data(self) -> dict[str, Value]:
        """What is told besides."""
        return dict(zip(self._keys, self._values, strict=True))

    def is_like(self, other: Self) -> bool:
        """Return whether the same happened, at whatever time."""
        return self.kind == other.kind and self._values == other._values and self._keys == other._keys


class Journal:
    """The newest entries, by id."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: deque[Entry] = deque(maxlen=MAX_JOURNAL_ENTRIES)

    @property
    def newest(self) -> int:
        """The id of the newest entry; 0 when there is none."""
        return self._entries[-1].id if self._entries else 0

    def add(self, kind: str, at: float, *, count: int = 1, **data: Value) -> Entry:
        """Note something; what is the same as a recent entry is counted there."""
        entry = Entry(self.newest + 1, at, kind, data, count)
        for recent in islice(reversed(self._entries), _RECENT):
            if recent.is_like(entry) and abs(at - recent.last) <= JOURNAL_REPEAT.total_seconds():
                recent.count += count
                recent.last = max(recent.last, at)
                return recent
        self._entries.append(entry)
        return entry

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
            found = [entry for entry in self._entries if entry.id > after]
            return found[:limit], len(found) > limit
        older = (entry for entry in reversed(self._entries) if before is None or entry.id < before)
        found = list(islice(older, limit + 1))
        return found[:limit][::-1], len(found) > limit

    def as_json(self) -> bytes:
        """Return what is stored; may be called from another thread."""
        entries = (orjson.dumps([e.id, e.at, e.kind, e.data, e.count, e.last]) for e in list(self._entries))
        return b"[%b]" % b",".join(entries)

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or AttributeError when it is not what was stored."""
        self = cls()
        for number, at, kind, data, count, last in stored:
            texts = {intern(k): intern(v) if type(v) is str else v for k, v in data.items()}
            entry = Entry(int(number), float(at), intern(kind), texts, int(count))
            entry.last = float(last)
            self._entries.append(entry)
        return self

    def join(self, other: Self) -> None:
        """Add the entries of another one, in the order of their times, under new ids."""
        first = max(self.newest, other.newest) + 1
        both = sorted([*self._entries, *other._entries], key=lambda entry: entry.at)
        self._entries.clear()
        for number, entry in enumerate(both, first):
            entry.id = number
            self._entries.append(entry)

"""What happened to a device, in order: short entries, of which the newest are kept.

Kinds and keys are those of the timeline in docs/websocket.md.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any, NamedTuple, Self

import orjson

from .const import JOURNAL_REPEAT, MAX_JOURNAL_ENTRIES
from .remotes import Intern

type Value = str | float | None

# What is kept of an entry, as there are ten thousands: at, last, count, form, and the form's values.
type _Kept = tuple[Any, ...]

# What happens again is looked for among so many entries.
_RECENT = 64
_MOST = 2**53


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened at a time of Home Assistant's clock, `count` times up to `last`.

    Args:
        data: what is told besides
    """

    id: int
    at: float
    kind: str
    data: dict[str, Value]
    count: int
    last: float


class _Form(NamedTuple):
    """What entries of one kind have in common."""

    kind: str
    keys: tuple[str, ...]


_form = lru_cache(maxsize=256)(_Form)


def _kept(at: float, last: float, count: int, kind: str, data: Mapping[str, Value]) -> _Kept:
    return (at, last, count, _form(kind, tuple(data)), *data.values())


def _entry(number: int, kept: _Kept) -> Entry:
    at, last, count, form, *values = kept
    return Entry(number, at, form.kind, dict(zip(form.keys, values, strict=True)), count, last)


class Journal:
    """The newest entries; their ids follow one another."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: deque[_Kept] = deque(maxlen=MAX_JOURNAL_ENTRIES)
        self._newest = 0
        self._numbering = Lock()

    @property
    def newest(self) -> int:
        """The id of the newest entry; 0 when there is none."""
        return self._newest

    def add(self, kind: str, at: float, *, count: int = 1, **data: Value) -> None:
        """Note something; what is the same as a recent entry is counted there."""
        new = _kept(at, at, count, kind, data)
        what = new[3:]
        for place, recent in enumerate(islice(reversed(self._entries), _RECENT), 1):
            if recent[3:] == what and abs(at - recent[1]) <= JOURNAL_REPEAT.total_seconds():
                first, last, before = recent[:3]
                self._entries[-place] = (first, max(last, at), before + count, *what)
                return
        with self._numbering:
            self._entries.append(new)
            self._newest += 1

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
        every = self._numbered()
        if after is not None:
            found = [each for each in every if each[0] > after]
            return [_entry(*each) for each in found[:limit]], len(found) > limit
        found = [each for each in every if before is None or each[0] < before]
        return [_entry(*each) for each in found[-limit:]], len(found) > limit

    def _numbered(self) -> list[tuple[int, _Kept]]:
        """Return the entries with their ids; from any thread."""
        with self._numbering:
            return list(enumerate(self._entries, self._newest + 1 - len(self._entries)))

    def as_json(self) -> bytes:
        """Return what is stored; may be called from another thread."""
        entries = (_entry(*each) for each in self._numbered())
        return b"[%b]" % b",".join(
            orjson.dumps([e.id, e.at, e.kind, e.data, e.count, e.last]) for e in entries
        )

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or AttributeError when it is not what was stored."""
        self = cls()
        numbers: dict[tuple[type, Value], Value] = {}

        def shared(value: Value) -> Any:  # noqa: ANN401 it is of the value's type
            """Return one and the same object for equal values, which recur from entry to entry."""
            if isinstance(value, str):
                return intern(value)
            if type(value) not in (int, float):
                return value
            return numbers.setdefault((type(value), value), value)

        for number, at, kind, data, count, last in stored:
            values = {intern(key): shared(value) for key, value in data.items()}
            times = shared(float(at)), shared(float(last))
            self._entries.append(_kept(*times, shared(_checked(count)), intern(kind), values))
            self._newest = max(self._newest + 1, _checked(number))
        return self

    def join(self, other: Self) -> None:
        """Add the entries of another one, in the order of their times, under new ids."""
        both = sorted([*self._entries, *other._entries], key=lambda kept: kept[0])
        with self._numbering:
            self._entries.clear()
            self._entries.extend(both)
            self._newest = max(self._newest, other._newest) + len(both)


def _checked(stored: Any) -> int:  # noqa: ANN401
    if not 0 <= (number := int(stored)) < _MOST:
        raise ValueError(f"number {stored!r}")
    return number

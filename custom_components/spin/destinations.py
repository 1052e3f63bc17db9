"""What a device is known to talk to.

A destination is a group, a protocol and a port. The group is the registrable domain of the name
that the device asked for (public suffix list, with its private section), the full name where the
list gives none, and the address where there is no name. The gateway reports rows, one for each
address, whose counters are cumulative within an epoch; here they add up per destination.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Self

from publicsuffixlist import PublicSuffixList

from .const import (
    MAX_DESTINATIONS_PER_DEVICE,
    MAX_NAMES_PER_DESTINATION,
    MAX_ROWS_PER_DEVICE,
)
from .models import Growth, Row, RowCounters, Rule
from .totals import growth

LEARNED = "learned"
NEW = "new"
ALLOWED = "allowed"
VERDICTS = (LEARNED, NEW, ALLOWED)

type Group = Callable[[str], str]


def load_grouping() -> Group:
    """Return the function from a name to its registrable domain. Reads a file: not in the event loop."""
    suffixes = PublicSuffixList()

    @lru_cache(maxsize=8192)
    def group(name: str) -> str:
        return suffixes.privatesuffix(name) or name

    return group


class Key(NamedTuple):
    """What tells destinations of a device apart."""

    group: str
    protocol: str
    port: int


class Instance(NamedTuple):
    """What tells the gateway's rows of a device apart within an epoch."""

    name: str | None
    address: str
    protocol: str
    port: int
    first: float


def _remember(texts: dict[str, None], text: str) -> None:
    """Put the text last, and forget the first when there are too many."""
    texts.pop(text, None)
    texts[text] = None
    if len(texts) > MAX_NAMES_PER_DESTINATION:
        del texts[next(iter(texts))]


@dataclass(slots=True)
class Destination:
    """One destination of a device; times are of the gateway's clock."""

    key: Key
    first: float
    last: float
    verdict: str
    name_source: str | None = None
    counters: RowCounters = field(default_factory=RowCounters)
    names: dict[str, None] = field(default_factory=dict)
    addresses: dict[str, None] = field(default_factory=dict)

    def add(self, row: Row, new: Iterable[int]) -> None:
        """Add the traffic that is new in a row."""
        self.first = min(self.first, row.first)
        self.last = max(self.last, row.last)
        self.counters = RowCounters(*map(sum, zip(self.counters, new, strict=True)))
        self.name_source = row.name_source or self.name_source
        if row.name is not None:
            _remember(self.names, row.name)
        _remember(self.addresses, row.address)

    def is_meant_by(self, rule: Rule) -> bool:
        """Return whether a rule's name or address stands for this destination as a whole."""
        if rule.name is None:
            return set(self.addresses) == {rule.address}
        names = self.names or {self.key.group: None}
        return all(name == rule.name or name.endswith(f".{rule.name}") for name in names)

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [
            *self.key,
            self.first,
            self.last,
            self.verdict,
            self.name_source,
            list(self.counters),
            list(self.names),
            list(self.addresses),
        ]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        group, protocol, port, first, last, verdict, source, counters, names, addresses = stored
        if verdict not in VERDICTS:
            raise ValueError(f"verdict {verdict!r}")
        return cls(
            Key(str(group), str(protocol), int(port)),
            float(first),
            float(last),
            verdict,
            None if source is None else str(source),
            RowCounters(*map(int, counters)),
            {str(name): None for name in names},
            {str(address): None for address in addresses},
        )


class Destinations:
    """All known destinations of one device."""

    def __init__(self, group: Group) -> None:
        """Begin with none."""
        self._group = group
        # What the newest message had of the Internet.
        self.grown: list[Growth] = []
        self._known: dict[Key, Destination] = {}
        self._epoch: str | None = None
        self._rows: dict[Instance, RowCounters] = {}
        # Rows that began up to here may have been counted and forgotten.
        self._horizon = 0.0

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._known)

    def __iter__(self) -> Iterator[Destination]:
        """Go through all of them, in the order of their first contact; from any thread."""
        return iter(list(self._known.values()))

    def __contains__(self, key: Key) -> bool:
        """Return whether the device is known to talk to this."""
        return key in self._known

    def key(self, row: Row) -> Key:
        """Return the destination that a row belongs to."""
        return Key(row.address if row.name is None else self._group(row.name), row.protocol, row.port)

    def take(self, epoch: str, rows: Iterable[Row], verdict: str) -> list[tuple[Destination, Row]]:
        """Count the rows of an epoch in, later epochs after earlier ones.

        Local rows are left out, and rows in which the device did not do anything itself.

        Returns:
            the destinations that were not known, each with its first row; they get `verdict`
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._rows.clear()
            self._horizon = 0.0
        news = []
        self.grown = []
        for row in rows:
            if row.local or not (row.sent_packets or row.counters.blocked):
                continue
            key = self.key(row)
            destination = self._known.get(key)
            if destination is None:
                destination = self._known[key] = Destination(key, row.first, row.last, verdict)
                news.append((destination, row))
            new = RowCounters(*self._count(row))
            self.grown.append(Growth(row, new))
            destination.add(row, new)
        if len(self._known) > MAX_DESTINATIONS_PER_DEVICE:
            self.forget_oldest()
        return news

    def _count(self, row: Row) -> list[int]:
        instance = Instance(row.name, row.address, row.protocol, row.port, row.first)
        seen = self._rows.pop(instance, None)
        if seen is None:
            seen = row.counters if row.first <= self._horizon else RowCounters()
        self._rows[instance] = RowCounters(*map(max, seen, row.counters, strict=True))
        if len(self._rows) > MAX_ROWS_PER_DEVICE:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._horizon = max(self._horizon, oldest.first)
        return growth(seen, row.counters)

    def allow(self, rule: Rule) -> None:
        """Take note that the user allows what a rule names: it is news no more."""
        for destination in self._known.values():
            if destination.is_meant_by(rule):
                destination.verdict = ALLOWED

    def forget_oldest(self) -> int:
        """Forget the twentieth part that was not contacted for longest; return how many."""
        stale = sorted(self._known.values(), key=lambda destination: destination.last)
        stale = stale[: max(1, len(stale) // 20)]
        for destination in stale:
            del self._known[destination.key]
        return len(stale)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; may be called from another thread."""
        return {
            "known": [destination.as_list() for destination in self],
            "epoch": self._epoch,
            "horizon": self._horizon,
            "rows": [[*row, *seen] for row, seen in list(self._rows.items())],
        }

    @classmethod
    def from_dict(cls, group: Group, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls(group)
        for item in stored["known"]:
            destination = Destination.from_list(item)
            self._known[destination.key] = destination
        self._epoch = stored["epoch"]
        self._horizon = float(stored["horizon"])
        for name, address, protocol, port, first, *seen in stored["rows"]:
            self._rows[Instance(name, address, protocol, port, first)] = RowCounters(*map(int, seen))
        return self

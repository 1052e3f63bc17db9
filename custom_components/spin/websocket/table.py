"""A page of the table: every known pair of a device and a host, filtered, searched and sorted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..destination import Destination
from ..device import Device
from ..hosts import Host
from . import flags as flag
from . import text
from .rows import Row, fields_of, flags_of
from .standing import Standing

type Sort = Callable[["Pair"], Any]

MAX_LIMIT = 1_000


class Entry(NamedTuple):
    """A device that may have rows in the table."""

    device_id: str
    name: str
    device: Device
    standing: Standing


@dataclass(frozen=True, slots=True)
class Query:
    """What a reader asked for; `wanted` are flags, of which a row has to have one, 0 for any row."""

    window: str
    destination: str | None = None
    wanted: int = 0
    search: str = ""
    sort: str = "last"
    descending: bool = True
    offset: int = 0
    limit: int = 100


@dataclass(slots=True)
class Pair:
    """A device and one of its hosts."""

    entry: Entry
    destination: Destination
    host: Host
    flags: int
    window: str
    now: float
    _row: Row | None = None

    @property
    def row(self) -> Row:
        """The row, whose traffic is added up when it is asked for."""
        if self._row is None:
            fields = fields_of(self.destination, self.host, self.flags, self.window, self.now)
            self._row = [self.entry.device_id, text.host(self.destination.key.group), *fields]
        return self._row

    @property
    def order(self) -> tuple[str, str]:
        """What rows that are alike are sorted by."""
        return self.entry.name.casefold(), self.host.name


_SENT, _RECEIVED, _CONNECTIONS = 6, 7, 10

SORTS: dict[str, Sort] = {
    "device": lambda pair: pair.entry.name.casefold(),
    "host": lambda pair: pair.host.name,
    "status": lambda pair: flag.urgency(pair.flags),
    "sent": lambda pair: pair.row[_SENT],
    "received": lambda pair: pair.row[_RECEIVED],
    "total": lambda pair: pair.row[_SENT] + pair.row[_RECEIVED],
    "first": lambda pair: pair.host.first,
    "last": lambda pair: pair.host.last,
    "port": lambda pair: (pair.destination.key.port, pair.destination.key.protocol),
    "connections": lambda pair: pair.row[_CONNECTIONS],
}


def page(entries: Sequence[Entry], query: Query, now: float) -> dict[str, Any]:
    """Return a page. That takes a while where there is a lot: not in the event loop."""
    pairs = sorted(_pairs(entries, query, now), key=lambda pair: pair.order)
    pairs.sort(key=SORTS[query.sort], reverse=query.descending)
    shown = pairs[query.offset : query.offset + query.limit]
    return {
        "at": round(now, 3),
        "total": len(pairs),
        "devices": {pair.entry.device_id: pair.entry.name for pair in shown},
        "rows": [pair.row for pair in shown],
    }


def _pairs(entries: Iterable[Entry], query: Query, now: float) -> Iterator[Pair]:
    search = query.search.strip().casefold()
    for entry in entries:
        device_matches = search in entry.name.casefold()
        for destination in entry.device.destinations:
            if query.destination not in {None, destination.key.group}:
                continue
            for host in destination.each:
                found = flags_of(entry.standing, destination, host)
                if query.wanted and not found & query.wanted:
                    continue
                if device_matches or _matches(destination, host, search):
                    yield Pair(entry, destination, host, found, query.window, now)


def _matches(destination: Destination, host: Host, search: str) -> bool:
    return (
        search in host.name.casefold()
        or search in destination.group.casefold()
        or any(search in address for address in host.reached)
    )

"""One full name, or an address without a name, that a device talks to.

The gateway reports rows, one for each address, whose counters are cumulative within an epoch and,
as a row may be forgotten and come back, from the row's `first` on. What is kept here grows by what
is new in them. Times are of Home Assistant's clock unless said otherwise.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from .const import MAX_ADDRESSES_PER_HOST
from .models import Mac, Row, RowCounters
from .windows import NOTHING, WINDOWS, Day, History

LEARNED = "learned"
NEW = "new"
ALLOWED = "allowed"
VERDICTS = (LEARNED, NEW, ALLOWED)

type Intern = Callable[[str], str]


def plus(one: RowCounters, other: RowCounters) -> RowCounters:
    """Add counters."""
    if other is NOTHING:
        return one
    return RowCounters._make(map(int.__add__, one, other, strict=True))


class AddressCounters(NamedTuple):
    """What was exchanged with one address."""

    first: float
    last: float
    counters: RowCounters


class Remote:
    """A row as the gateway reports it of one of the device's MAC addresses.

    `base` was counted in earlier epochs and instances of the row, `seen` in the present one, which
    is marked by the epoch and by the row's `first` (of the gateway's clock).
    """

    __slots__ = ("address", "base", "epoch", "first", "instance", "last", "mac", "seen")

    def __init__(self, mac: Mac, epoch: str, row: Row, first: float) -> None:
        """Begin with nothing counted."""
        self.mac = mac
        self.address = row.address
        self.epoch = epoch
        self.instance = row.first
        self.first = self.last = first
        self.seen = self.base = NOTHING

    @property
    def counters(self) -> RowCounters:
        """All that was counted."""
        return plus(self.seen, self.base)

    def begin_at(self, counters: RowCounters) -> None:
        """Leave out of what is counted what the row has counted so far."""
        self.seen = counters
        self.base = RowCounters._make(-count for count in counters)

    def grow(self, epoch: str, row: Row) -> RowCounters:
        """Count in what is new in the row and return that."""
        seen, now = self.seen, row.counters
        if epoch != self.epoch or row.first > self.instance:
            self.base, self.seen = self.counters, now
            self.epoch, self.instance = epoch, row.first
            return now
        if row.first < self.instance or seen == now:
            return NOTHING
        new = RowCounters._make(map(int.__sub__, now, seen, strict=True))
        if min(new) < 0:  # overtaken by a later message
            new = RowCounters._make(max(0, count) for count in new)
            now = plus(seen, new)
        self.seen = now
        return new

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        base = [] if self.base is NOTHING else [*self.base]
        times = [self.first, self.last, self.epoch, self.instance]
        return [self.mac, self.address, *times, [*self.seen], base]

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        self = cls.__new__(cls)
        mac, address, first, last, epoch, instance, seen, base = stored
        self.mac, self.address, self.epoch = intern(mac), intern(address), intern(epoch)
        self.first, self.last, self.instance = float(first), float(last), float(instance)
        self.seen, self.base = restored_counters(seen), restored_counters(base)
        return self


def restored_counters(stored: list[int]) -> RowCounters:
    """Restore counters; raises ValueError or TypeError when they are not what was stored."""
    if not stored:
        return NOTHING
    if len(stored) != len(NOTHING) or not all(type(count) is int for count in stored):
        raise ValueError(f"counters {stored!r}")
    return RowCounters._make(stored)


class Host:
    """A full name, or an address where the device asked for no name, with a protocol and a port."""

    __slots__ = (
        "first",
        "history",
        "last",
        "learned",
        "name",
        "name_source",
        "named",
        "remotes",
        "rest",
        "verdict",
    )

    def __init__(self, name: str, verdict: str, first: float, *, named: bool) -> None:
        """Begin with nothing counted."""
        self.name = name
        self.named = named
        self.name_source: str | None = None
        self.verdict = verdict
        self.learned = verdict == LEARNED  # what its verdict is without the user's word
        self.first = self.last = first
        self.remotes: tuple[Remote, ...] = ()
        self.rest = NOTHING  # of addresses that were forgotten
        self.history = History()

    @property
    def counters(self) -> RowCounters:
        """All that was counted since Home Assistant knows the host."""
        total = self.rest
        for remote in self.remotes:
            total = plus(remote.counters, total)
        return total

    @property
    def addresses(self) -> dict[str, AddressCounters]:
        """What was exchanged with each of the newest addresses."""
        found: dict[str, AddressCounters] = {}
        for remote in self.remotes:
            counted = AddressCounters(remote.first, remote.last, remote.counters)
            if (other := found.get(remote.address)) is not None:
                counted = AddressCounters(
                    min(counted.first, other.first),
                    max(counted.last, other.last),
                    plus(counted.counters, other.counters),
                )
            found[remote.address] = counted
        return found

    def window(self, name: str, now: float) -> RowCounters:
        """Return the traffic within a window (`WINDOWS`) that ends now."""
        return self.history.window(WINDOWS[name], now)

    @property
    def days(self) -> dict[int, Day]:
        """The traffic of each of the last 30 days with traffic, by `date.toordinal()` (UTC)."""
        return self.history.days()

    def remote(self, mac: Mac, address: str) -> Remote | None:
        """Return the row of an address."""
        for remote in self.remotes:
            if remote.address == address and remote.mac == mac:
                return remote
        return None

    def drop(self, remotes: set[Remote]) -> None:
        """Forget addresses, but not what was counted with them."""
        for remote in remotes:
            self.rest = plus(remote.counters, self.rest)
        self.remotes = tuple(remote for remote in self.remotes if remote not in remotes)

    def excess(self) -> set[Remote]:
        """Return what is beyond the bound of addresses: those not contacted for longest."""
        count = len(self.remotes) - MAX_ADDRESSES_PER_HOST
        if count <= 0:
            return set()
        return set(sorted(self.remotes, key=lambda remote: remote.last)[:count])

    def join(self, other: Self) -> None:
        """Add what another one counted: the same host, of another MAC address of the device."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.name_source = self.name_source or other.name_source
        self.learned |= other.learned
        self.verdict = max(self.verdict, other.verdict, key=(NEW, LEARNED, ALLOWED).index)
        self.remotes += other.remotes
        self.rest = plus(self.rest, other.rest)
        self.history.join(other.history)

    def part(self, mac: Mac) -> Self | None:
        """Return what of it is of one MAC address, as far as that can be told; None if nothing is."""
        remotes = tuple(remote for remote in self.remotes if remote.mac == mac)
        if not remotes:
            return None
        part = type(self)(self.name, self.verdict, min(r.first for r in remotes), named=self.named)
        part.last = max(remote.last for remote in remotes)
        part.name_source, part.learned = self.name_source, self.learned
        part.remotes = remotes
        return part

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [
            self.name,
            self.named,
            self.name_source,
            self.verdict,
            self.learned,
            self.first,
            self.last,
            [] if self.rest is NOTHING else [*self.rest],
            b64encode(self.history.packed()).decode(),
            [remote.as_list() for remote in self.remotes],
        ]

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        name, named, source, verdict, learned, first, last, rest, history, remotes = stored
        if verdict not in VERDICTS:
            raise ValueError(f"verdict {verdict!r}")
        self = cls(intern(name), intern(verdict), float(first), named=bool(named))
        self.name_source = None if source is None else intern(source)
        self.learned, self.last = bool(learned), float(last)
        self.rest = restored_counters(rest)
        self.history = History.unpacked(b64decode(history))
        self.remotes = tuple(Remote.from_list(remote, intern) for remote in remotes)
        return self

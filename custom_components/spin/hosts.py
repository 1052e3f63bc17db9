"""One full name, or an address without a name, that a device talks to.

The gateway reports rows, one for each address, whose counters are cumulative within an epoch and,
as a row may be forgotten and come back, from the row's `first` on. What is kept here grows by what
is new in them. Times are of Home Assistant's clock unless said otherwise.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple, Self

from . import windows
from .const import MAX_ADDRESSES_PER_HOST
from .models import Mac, Row, RowCounters
from .windows import NOTHING, WINDOWS, Day

LEARNED = "learned"
NEW = "new"
ALLOWED = "allowed"
VERDICTS = (LEARNED, NEW, ALLOWED)

# JSON knows no larger number than that.
MOST = 2**63 - 1

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

    There may be tens of thousands, so the numbers are packed: what was counted in the present
    instance of the row, that instance (the row's `first` of the gateway's clock, in the present
    epoch), and when it was contacted first and last.
    """

    __slots__ = ("_base", "_packed", "address", "epoch", "mac")

    _layout = Struct("<6Q3d")
    _base_layout = Struct("<6q")

    def __init__(self, mac: Mac, epoch: str, row: Row, first: float) -> None:
        """Begin with nothing counted."""
        self.mac = mac
        self.address = row.address
        self.epoch = epoch
        self._base = b""
        self._packed = self._layout.pack(*NOTHING, row.first, first, first)

    @property
    def base(self) -> RowCounters:
        """What was counted in earlier instances of the row."""
        return RowCounters._make(self._base_layout.unpack(self._base)) if self._base else NOTHING

    @base.setter
    def base(self, counters: RowCounters) -> None:
        self._base = b"" if counters == NOTHING else self._base_layout.pack(*counters)

    @property
    def seen(self) -> RowCounters:
        """What was counted in the present instance of the row."""
        return RowCounters._make(self._layout.unpack(self._packed)[:6])

    @property
    def times(self) -> tuple[float, float, float]:
        """The present instance, and when it was contacted first and last."""
        return self._layout.unpack(self._packed)[6:]

    @property
    def instance(self) -> float:
        """The present instance of the row."""
        return self.times[0]

    @property
    def first(self) -> float:
        """When it was contacted first."""
        return self.times[1]

    @property
    def last(self) -> float:
        """When it was contacted last."""
        return self.times[2]

    @property
    def counters(self) -> RowCounters:
        """All that was counted."""
        return plus(self.seen, self.base)

    def begin_at(self, counters: RowCounters) -> None:
        """Leave out of what is counted what the row has counted so far."""
        self.base = RowCounters._make(-min(count, MOST) for count in counters)
        self._packed = self._layout.pack(*counters, *self.times)

    def grow(self, epoch: str, row: Row, at: float) -> RowCounters:
        """Count in what is new in the row, which was contacted at this time, and return that."""
        *seen, instance, first, last = self._layout.unpack(self._packed)
        now = row.counters
        if epoch != self.epoch or row.first > instance:
            self.base = capped(self.counters)
            self.epoch, instance = epoch, row.first
            new = now
        elif row.first < instance:
            return NOTHING
        else:
            new = RowCounters(*map(int.__sub__, now, seen))  # noqa: B912 both are counters
            if min(new) < 0:  # overtaken by a later message
                new = RowCounters._make(max(0, count) for count in new)
                now = plus(RowCounters._make(seen), new)
            if new == NOTHING:
                return NOTHING
        self._packed = self._layout.pack(*now, instance, first, max(at, last))
        return new

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        base = [] if self.base is NOTHING else [*self.base]
        return [self.mac, self.address, self.epoch, *self.times, [*self.seen], base]

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or struct.error when it is not what was stored."""
        self = cls.__new__(cls)
        mac, address, epoch, instance, first, last, seen, base = stored
        self.mac, self.address, self.epoch = intern(mac), intern(address), intern(epoch)
        self.base = restored_counters(base)
        self._packed = self._layout.pack(*seen, instance, first, last)
        return self


def capped(counters: RowCounters) -> RowCounters:
    """Return counters that can be stored; only made up ones are larger."""
    return counters if max(counters) <= MOST else RowCounters._make(min(count, MOST) for count in counters)


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
        "_remotes",
        "first",
        "history",
        "last",
        "learned",
        "name",
        "name_source",
        "named",
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
        # Most hosts have one address, and there are many hosts: one stands for a tuple of one.
        self._remotes: Remote | tuple[Remote, ...] = ()
        self.rest = NOTHING  # of addresses that were forgotten
        self.history = b""

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Its newest addresses, each as often as it is one of several of the device's MAC addresses."""
        return self._remotes if isinstance(self._remotes, tuple) else (self._remotes,)

    @remotes.setter
    def remotes(self, remotes: tuple[Remote, ...]) -> None:
        self._remotes = remotes[0] if len(remotes) == 1 else remotes

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
        return windows.window(self.history, WINDOWS[name], now)

    @property
    def days(self) -> dict[int, Day]:
        """The traffic of each of the last 30 days with traffic, by `date.toordinal()` (UTC)."""
        return windows.days(self.history)

    def remote(self, mac: Mac, address: str) -> Remote | None:
        """Return the row of an address."""
        remotes = self._remotes
        if not isinstance(remotes, tuple):
            return remotes if remotes.address == address and remotes.mac == mac else None
        for remote in remotes:
            if remote.address == address and remote.mac == mac:
                return remote
        return None

    def drop(self, remotes: set[Remote]) -> None:
        """Forget addresses, but not what was counted with them."""
        for remote in remotes:
            self.rest = capped(plus(remote.counters, self.rest))
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
        self.rest = capped(plus(self.rest, other.rest))
        self.history = windows.join(self.history, other.history)

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
            b64encode(self.history).decode(),
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
        self.history = windows.checked(b64decode(history))
        self.remotes = tuple(Remote.from_list(remote, intern) for remote in remotes)
        return self

"""One full name, or an address without a name, that a device talks to.

The gateway reports rows, one for each address, whose counters are cumulative within an epoch and,
as a row may be forgotten and come back, from the row's `first` on. What is kept here grows by what
is new in them. Times are of Home Assistant's clock unless said otherwise.
"""

from base64 import b64decode, b64encode
from copy import copy
from functools import reduce
from typing import Any, NamedTuple, Self

from . import remotes, windows
from .const import MAX_ADDRESSES_PER_HOST
from .models import Mac, Row, RowCounters
from .remotes import Intern, Remote, capped, plus, restored_counters
from .windows import NOTHING, WINDOWS, Day

LEARNED = "learned"
NEW = "new"
ALLOWED = "allowed"
VERDICTS = (LEARNED, NEW, ALLOWED)

# The flags of a host: its verdict's place in VERDICTS, and three bits.
_VERDICT, _LEARNED, _NAMED, _ONCE = 3, 4, 8, 16


class AddressCounters(NamedTuple):
    """What was exchanged with one address, or with several."""

    first: float
    last: float
    counters: RowCounters

    def plus(self, other: AddressCounters) -> AddressCounters:
        """Return both together."""
        return AddressCounters(
            min(self.first, other.first), max(self.last, other.last), plus(self.counters, other.counters)
        )


def _only_sample(remote: Remote) -> bytes:
    """Return the history of an address that was contacted in one minute only."""
    at = remotes.last(remote)
    return windows.add(b"", at, remotes.counters(remote), at)


def _counted(remote: Remote) -> AddressCounters:
    return AddressCounters(remotes.first(remote), remotes.last(remote), remotes.counters(remote))


class Host:
    """A full name, or an address where the device asked for no name, with a protocol and a port."""

    __slots__ = ("_flags", "_history", "_remotes", "_rest", "name", "name_source")

    def __init__(self, name: str, verdict: str, first: float, *, named: bool) -> None:
        """Begin with nothing counted."""
        self.name = name
        self.name_source: str | None = None
        # Not kept of what was contacted in one minute only, at one address: that tells when, and how much.
        self._history = b""
        self._flags = VERDICTS.index(verdict) | (verdict == LEARNED) * _LEARNED | named * _NAMED
        # Most hosts have one address, and there are many hosts: one stands for a tuple of one.
        self._remotes: Remote | tuple[Remote, ...] = ()
        # What the addresses do not tell: the traffic of those that were forgotten.
        self._rest: AddressCounters | None = AddressCounters(first, first, NOTHING)

    @property
    def named(self) -> bool:
        """Whether it is a name."""
        return self._flags & _NAMED > 0

    @property
    def verdict(self) -> str:
        """What is thought of it."""
        return VERDICTS[self._flags & _VERDICT]

    @verdict.setter
    def verdict(self, verdict: str) -> None:
        self._flags = self._flags & ~_VERDICT | VERDICTS.index(verdict)

    @property
    def learned(self) -> bool:
        """Whether its verdict is `learned` without the user's word."""
        return self._flags & _LEARNED > 0

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Its newest addresses, each as often as it is one of several of the device's MAC addresses."""
        return self._remotes if isinstance(self._remotes, tuple) else (self._remotes,)

    @remotes.setter
    def remotes(self, several: tuple[Remote, ...]) -> None:
        self._keep_history()
        self._remotes = several[0] if len(several) == 1 else several

    @property
    def history(self) -> bytes:
        """Its traffic over time (`windows`)."""
        if self._flags & _ONCE and not isinstance(self._remotes, tuple):
            return _only_sample(self._remotes)
        return self._history

    @history.setter
    def history(self, history: bytes) -> None:
        self._history = history
        self._flags &= ~_ONCE

    def draw(self, at: float, new: RowCounters, now: float) -> None:
        """Take what was counted at a time up to now into the history."""
        if self._flags & _ONCE:
            return
        known, self._history = self._history, windows.add(self._history, at, new, now)
        if not known:
            self._spare_history()

    def _keep_history(self) -> None:
        """Keep the history, as the only address will tell it no longer."""
        if self._flags & _ONCE:
            self.history = self.history

    def _spare_history(self) -> None:
        """Keep no history where the only address tells it."""
        only = self._remotes
        if self._rest is None and not isinstance(only, tuple) and self._history == _only_sample(only):
            self._history = b""
            self._flags |= _ONCE

    @property
    def reached(self) -> list[str]:
        """Its newest addresses."""
        return [remotes.address(remote) for remote in self.remotes]

    @property
    def first(self) -> float:
        """When it was contacted first."""
        if self._rest is None and not isinstance(self._remotes, tuple):
            return remotes.first(self._remotes)
        return self._all.first

    @property
    def last(self) -> float:
        """When it was contacted last."""
        if self._rest is None and not isinstance(self._remotes, tuple):
            return remotes.last(self._remotes)
        return self._all.last

    @property
    def counters(self) -> RowCounters:
        """All that was counted since Home Assistant knows the host."""
        return self._all.counters

    @property
    def _all(self) -> AddressCounters:
        parts = [_counted(remote) for remote in self.remotes]
        if self._rest is not None:
            parts.append(self._rest)
        return reduce(AddressCounters.plus, parts) if parts else AddressCounters(0.0, 0.0, NOTHING)

    @property
    def is_empty(self) -> bool:
        """Whether it has no address any more, and nothing was counted with those that were forgotten."""
        return not self.remotes and (self._rest is None or self._rest.counters == NOTHING)

    @property
    def addresses(self) -> dict[str, AddressCounters]:
        """What was exchanged with each of the newest addresses."""
        found: dict[str, AddressCounters] = {}
        for remote in self.remotes:
            at, counted = remotes.address(remote), _counted(remote)
            found[at] = found[at].plus(counted) if at in found else counted
        return found

    def window(self, name: str, now: float) -> RowCounters:
        """Return the traffic within a window (`WINDOWS`) that ends now."""
        return windows.window(self.history, WINDOWS[name], now)

    @property
    def days(self) -> dict[int, Day]:
        """The traffic of each of the last 30 days with traffic, by `date.toordinal()` (UTC)."""
        return windows.days(self.history)

    def add(self, remote: Remote) -> None:
        """Add an address."""
        self.remotes += (remote,)
        if self._rest is not None and self._rest.counters == NOTHING:
            self._rest = None

    def grow(self, where: bytes, epoch: bytes, row: Row, at: float) -> RowCounters | None:
        """Count in what is new in the row of an address, and return that; None if there is no such row.

        Args:
            where: the address (`remotes.where`)
            epoch: tag of the gateway's epoch
            row: the row as it was reported
            at: when it was contacted last
        """
        known = self._remotes
        if not isinstance(known, tuple):
            if not known.startswith(where):
                return None
            grown, new = remotes.grow(known, epoch, row, at)
            if grown is not known:
                if self._flags & _ONCE and not windows.is_same_minute(remotes.last(known), at):
                    self._keep_history()
                self._remotes = grown
            return new
        for index, remote in enumerate(known):
            if remote.startswith(where):
                grown, new = remotes.grow(remote, epoch, row, at)
                self._remotes = (*known[:index], grown, *known[index + 1 :])
                return new
        return None

    def drop(self, several: set[Remote]) -> None:
        """Forget addresses, but not what was counted with them."""
        for remote in several:
            counted = _counted(remote)
            rest = counted if self._rest is None else self._rest.plus(counted)
            self._rest = rest._replace(counters=capped(rest.counters))
        self.remotes = tuple(remote for remote in self.remotes if remote not in several)

    def excess(self) -> set[Remote]:
        """Return what is beyond the bound of addresses: those not contacted for longest."""
        count = len(self.remotes) - MAX_ADDRESSES_PER_HOST
        return set(sorted(self.remotes, key=remotes.last)[:count]) if count > 0 else set()

    def join(self, other: Self) -> None:
        """Add what another one counted: the same host, of another MAC address of the device."""
        self.name_source = self.name_source or other.name_source
        self._flags |= other._flags & _LEARNED
        self.verdict = max(self.verdict, other.verdict, key=(NEW, LEARNED, ALLOWED).index)
        self.remotes += other.remotes
        if other._rest is not None:
            rest = other._rest if self._rest is None else self._rest.plus(other._rest)
            self._rest = rest._replace(counters=capped(rest.counters))
        self.history = windows.join(self.history, other.history)

    def part(self, mac: Mac) -> Self | None:
        """Return what of it is of one MAC address, as far as that can be told; None if nothing is."""
        several = tuple(remote for remote in self.remotes if remotes.is_of(remote, mac))
        if not several:
            return None
        part = copy(self)
        part.history, part.remotes = b"", several
        part._rest = None  # noqa: SLF001 it is its own class
        return part

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        first, last, _ = self._all
        return [
            self.name,
            self.named,
            self.name_source,
            self.verdict,
            self.learned,
            first,
            last,
            [] if self._rest is None or self._rest.counters == NOTHING else [*self._rest.counters],
            b64encode(self.history).decode(),
            [remotes.as_list(remote) for remote in self.remotes],
        ]

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or struct.error when it is not what was stored."""
        name, named, source, verdict, learned, first, last, rest, history, several = stored
        if verdict not in VERDICTS:
            raise ValueError(f"verdict {verdict!r}")
        self = cls(intern(name), intern(verdict), float(first), named=bool(named))
        self._flags = VERDICTS.index(verdict) | bool(learned) * _LEARNED | bool(named) * _NAMED
        self.name_source = None if source is None else intern(source)
        self.history = windows.checked(b64decode(history))
        self.remotes = tuple(remotes.from_list(remote) for remote in several)
        forgotten = AddressCounters(float(first), float(last), restored_counters(rest))
        self._rest = None
        if not several or forgotten != (*self._all[:2], NOTHING):
            self._rest = forgotten
        self._spare_history()
        return self

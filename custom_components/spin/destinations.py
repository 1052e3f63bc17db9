"""What a device is known to talk to.

A destination is a group, a protocol and a port. The group is the registrable domain of the name
that the device asked for (public suffix list, with its private section), the full name where the
list gives none, and the address where there is no name. A destination has one or more hosts: full
names, or an address. Times are of Home Assistant's clock unless said otherwise.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, Self

import orjson
from publicsuffixlist import PublicSuffixList

from . import remotes
from .const import MAX_CLOCK_ERROR, MAX_DESTINATIONS_PER_DEVICE, MAX_ROWS_PER_DEVICE
from .destination import Destination, Key, is_meant
from .hosts import ALLOWED, LEARNED, NEW, VERDICTS, AddressCounters, Host
from .models import Flows, Mac, Row, RowCounters, Rule
from .remotes import Intern, Remote
from .windows import NOTHING

__all__ = ["ALLOWED", "LEARNED", "NEW", "VERDICTS", "AddressCounters", "Destination", "Host", "Key"]

type Group = Callable[[str], str]

# What a name is grouped as is remembered for so many names; for most it shows in what is known already.
MAX_GROUPED = 512

# A time that lies further back is that of a clock that was wrong.
_MAX_AGE = 366 * 86_400.0


def load_grouping() -> Group:
    """Return the function from a name to its registrable domain. Reads a file: not in the event loop."""
    suffixes = PublicSuffixList()

    @lru_cache(maxsize=MAX_GROUPED)
    def group(name: str) -> str:
        found = suffixes.privatesuffix(name)
        return name if found is None or found == name else found

    return group


class Grown(NamedTuple):
    """A row of a message in which something is new, and where it was counted.

    Args:
        new: whether the destination was not known before, not even by a name for its address
    """

    destination: Destination
    host: Host
    row: Row
    growth: RowCounters
    new: bool


@dataclass(slots=True)
class Source:
    """The rows of one MAC address: those that began up to the horizon may have been counted and forgotten.

    What is forgotten during an interval does not come again in that interval's messages.
    """

    epoch: str
    horizon: float = 0.0
    next_horizon: float = 0.0
    end: float = 0.0

    def begin(self, end: float) -> None:
        """Begin with a message of the interval with this end."""
        if end != self.end:
            self.horizon, self.end = self.next_horizon, end

    def forget(self, instance: float) -> None:
        """Take note that a row is forgotten that began then."""
        self.next_horizon = max(self.next_horizon, instance)


class _Clock:
    """Tells the times of one message by Home Assistant's clock, whatever the gateway's clock says."""

    __slots__ = ("_now", "_shift")

    def __init__(self, end: float, now: float) -> None:
        """Compare the time that the message ends with to the time when it came."""
        self._now = now
        self._shift = now - end if abs(now - end) > MAX_CLOCK_ERROR else 0.0

    def local(self, at: float) -> float:
        """Return a time of the message; it lies neither in the future nor ages back."""
        local = at + self._shift if self._shift else at
        return local if 0 <= self._now - local <= _MAX_AGE else self._now


class _ByName:
    """The services that a device reaches by names which are no news, as the gateway may forget a name."""

    def __init__(self, known: Iterable[Destination]) -> None:
        """Look them up only when one is asked for."""
        self._known = known
        self._found: set[tuple[bytes, str, int]] | None = None

    def has(self, where: bytes, row: Row) -> bool:
        """Return whether an address without a name is where one of them was reached."""
        if self._found is None:
            self._found = {
                (remotes.where_of(remote), *known.key[1:])
                for known in self._known
                for host in known.each
                if host.named and host.verdict != NEW
                for remote in host.remotes
            }
        return (where, row.protocol, row.port) in self._found


type _Found = Destination | tuple[Destination, ...] | None


def _with_service(found: _Found, service: tuple[str, int]) -> Destination | None:
    """Return the destination of a group that has this protocol and port."""
    if isinstance(found, tuple):
        return next((destination for destination in found if destination.is_at(service)), None)
    return found if found is not None and found.is_at(service) else None


class Destinations:
    """All known destinations of one device."""

    def __init__(
        self, group: Group, known: Iterable[Destination] = (), sources: dict[Mac, Source] | None = None
    ) -> None:
        """Begin with these."""
        self._group = group
        # By group; most groups are one destination, which stands for a tuple of one.
        self._known: dict[str, Destination | tuple[Destination, ...]] = {}
        self._count = 0
        self._sources = sources or {}
        for destination in known:
            self._put(destination)
        self._rows = sum(len(host.remotes) for destination in self for host in destination.each)
        self._forgotten = 0

    def __len__(self) -> int:
        """Return how many are known."""
        return self._count

    def __iter__(self) -> Iterator[Destination]:
        """Go through all of them, in the order of their groups' first contact; from any thread."""
        for found in list(self._known.values()):
            if isinstance(found, tuple):
                yield from found
            else:
                yield found

    def __contains__(self, key: Key) -> bool:
        """Return whether the device is known to talk to this."""
        return self.get(key) is not None

    def get(self, key: Key) -> Destination | None:
        """Return a known destination."""
        group, protocol, port = key
        return _with_service(self._known.get(group), (protocol, port))

    def _put(self, destination: Destination) -> None:
        others = self._known.get(destination.group, ())
        others = others if isinstance(others, tuple) else (others,)
        self._known[destination.group] = (*others, destination) if others else destination
        self._count += 1

    def _remove(self, destination: Destination) -> None:
        group, found = destination.group, self._known[destination.group]
        if not isinstance(found, tuple):
            del self._known[group]
        else:
            others = tuple(other for other in found if other is not destination)
            self._known[group] = others[0] if len(others) == 1 else others
        self._count -= 1

    def key(self, row: Row) -> Key:
        """Return the destination that a row belongs to."""
        return Key(row.address if row.name is None else self._group(row.name), row.protocol, row.port)

    def take(self, mac: Mac, flows: Flows, verdict: str, now: float) -> list[Grown]:
        """Count the rows of a message in, those of later epochs after those of earlier ones.

        Local rows are left out, and rows in which the device did not do anything itself.

        Args:
            mac: which of the device's MAC addresses it is about
            flows: the message
            verdict: what destinations get that were not known
            now: when it came
        """
        source = self._sources.get(mac)
        if source is None or source.epoch != flows.epoch:
            source = self._sources[mac] = Source(flows.epoch)
        source.begin(flows.end)
        tag = remotes.tag(source.epoch)
        clock = _Clock(flows.end, now)
        by_name = _ByName(self)
        grown: list[Grown] = []
        # What was contacted first is told first.
        for row in sorted(flows.rows, key=attrgetter("first")):
            if row.local or not (row.sent_packets or row.counters.blocked):
                continue
            target = row.name or row.address
            destination, host = self._find(target, row)
            if new := destination is None:
                if flows.snapshot and row.first <= source.horizon:
                    continue  # it was forgotten, and nothing happened since
                destination = Destination(self.key(row))
                self._put(destination)
            at, where = clock.local(row.last), remotes.where(mac, row.address)
            if host is None:
                met = new and row.name is None and by_name.has(where, row)
                new = new and not met
                host = self._add_host(destination, row, LEARNED if met else verdict, clock)
            growth = host.grow(where, tag, row, at)
            if growth is None:
                host.add(self._new_remote(where, row, source, clock))
                growth = host.grow(where, tag, row, at) or NOTHING
                self._hold_bound_of(host)
            if growth is NOTHING and not new:
                continue
            if row.name_source is not None:
                host.name_source = sys.intern(row.name_source)
            host.draw(at, growth, now)
            grown.append(Grown(destination, host, row, growth, new))
        self._hold_bounds()
        return grown

    def _find(self, target: str, row: Row) -> tuple[Destination | None, Host | None]:
        """Return the destination and the host that a row belongs to, as far as they are known.

        A name that is known is in the group that one of its suffixes names, so no list needs to be asked.
        """
        known, service = self._known, (row.protocol, row.port)
        if row.name is not None:
            suffix = target
            while suffix:
                if (found := known.get(suffix)) is not None:
                    destination = _with_service(found, service)
                    if destination is not None and (host := destination.host(target)) is not None:
                        return destination, host
                suffix = suffix.partition(".")[2]
        destination = self.get(self.key(row))
        return destination, None if destination is None else destination.host(target)

    def _add_host(self, destination: Destination, row: Row, verdict: str, clock: _Clock) -> Host:
        """Add a host; one of a destination that is known is judged as that is."""
        if destination.each:
            verdict = destination.verdict
        host = Host(row.name or row.address, verdict, clock.local(row.first), named=row.name is not None)
        for stale in destination.add(host):
            self._dropped(stale.remotes)
        return host

    def _new_remote(self, where: bytes, row: Row, source: Source, clock: _Clock) -> Remote:
        self._rows += 1
        first, counted = clock.local(row.first), row.first <= source.horizon
        return remotes.create(where, remotes.tag(source.epoch), row, first, counted=counted)

    def _hold_bound_of(self, host: Host) -> None:
        if stale := host.excess():
            host.drop(stale)
            self._dropped(stale)

    def _dropped(self, several: Iterable[Remote]) -> None:
        """Take note of rows that are forgotten, lest they be counted again."""
        for remote in several:
            self._rows -= 1
            source = self._sources.get(remotes.mac(remote))
            if source is not None and remotes.tag(source.epoch) == remotes.epoch_tag(remote):
                source.forget(remotes.instance(remote))

    def _hold_bounds(self) -> None:
        while self._count > MAX_DESTINATIONS_PER_DEVICE:
            self.forget_oldest()
        if self._rows <= MAX_ROWS_PER_DEVICE:
            return
        rows = [
            (remotes.last(remote), host, remote)
            for known in self
            for host in known.each
            for remote in host.remotes
        ]
        rows.sort(key=itemgetter(0))
        for _, host, remote in rows[: max(len(rows) // 16, len(rows) - MAX_ROWS_PER_DEVICE)]:
            host.drop({remote})
            self._dropped((remote,))

    def allow(self, rule: Rule, *, allowed: bool = True) -> int:
        """Take note that the user allows what a rule names, or does not any more; return how many changed."""
        changed = 0
        for host in (host for known in self for host in known.each if is_meant(host, rule)):
            before, was = host.verdict, LEARNED if host.learned else NEW
            host.verdict = ALLOWED if allowed else was if before == ALLOWED else before
            changed += host.verdict != before
        return changed

    def accept_all(self) -> int:
        """Take note that the user allows all that is new; return how many destinations that were."""
        new = [known for known in self if known.verdict == NEW]
        for destination in new:
            destination.verdict = ALLOWED
        return len(new)

    def forget(self, destinations: Iterable[Destination]) -> None:
        """Forget destinations; the next contact is the first one again."""
        for destination in destinations:
            self._remove(destination)
            for host in destination.each:
                self._dropped(host.remotes)

    def forget_meant(self, rule: Rule) -> int:
        """Forget the hosts that a rule's name or address stands for; return how many that were."""
        forgotten = 0
        for known in self:
            hosts = [host for host in known.each if is_meant(host, rule)]
            forgotten += len(hosts)
            if len(hosts) == len(known.each) and known.is_meant_by(rule):
                self.forget([known])
            else:
                for host in hosts:
                    known.remove(host)
                    self._dropped(host.remotes)
        return forgotten

    def forget_oldest(self) -> int:
        """Forget the twentieth part that was not contacted for longest, of the learned ones first.

        Returns:
            how many
        """
        stale = sorted(self, key=lambda known: (known.verdict != LEARNED, known.last))
        stale = stale[: max(1, len(stale) // 20)]
        self.forget(stale)
        self._forgotten += len(stale)
        return len(stale)

    def take_forgotten(self) -> int:
        """Return how many were forgotten for want of room since this was asked last."""
        forgotten, self._forgotten = self._forgotten, 0
        return forgotten

    def join(self, other: Self) -> None:
        """Add what is known of other MAC addresses of the same device."""
        self._sources |= other._sources
        self._rows += other._rows
        for destination in other:
            ours = self.get(destination.key)
            if ours is None:
                self._put(destination)
                continue
            for stale in ours.join(destination):
                self._dropped(stale.remotes)
        self._hold_bounds()

    def take_out(self, mac: Mac) -> Self:
        """Return what is known of one MAC address, and drop that here."""
        parts = {known: part for known in self if (part := known.take_out(mac)) is not None}
        for known in parts:
            if not known.each and known.rest is None:
                self._remove(known)
        source = self._sources.pop(mac, None)
        taken = type(self)(self._group, parts.values(), {mac: source} if source else {})
        self._rows -= taken.rows
        return taken

    @property
    def rows(self) -> int:
        """How many rows of the gateway are kept track of."""
        return self._rows

    def as_json(self) -> Iterator[bytes]:
        """Yield what is stored, in pieces; may be called from another thread.

        One destination after the other becomes JSON: hundreds of thousands of lists at once would set
        the garbage collector off, which stops the event loop.
        """
        yield b'{"known":['
        for number, destination in enumerate(self):
            yield b"," * (number > 0) + orjson.dumps(destination.as_list())
        sources = {mac: [source.epoch, source.next_horizon] for mac, source in list(self._sources.items())}
        yield b'],"sources":%b}' % orjson.dumps(sources)

    @classmethod
    def from_dict(cls, group: Group, stored: dict[str, Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        return cls(
            group,
            [Destination.from_list(destination, intern) for destination in stored["known"]],
            {
                intern(mac): Source(intern(epoch), float(horizon), float(horizon))
                for mac, (epoch, horizon) in stored["sources"].items()
            },
        )

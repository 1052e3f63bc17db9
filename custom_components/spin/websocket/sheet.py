"""One device in one window: with which groups it exchanges how much, and what is remarkable about them.

A sheet is kept current at the cost of what has changed: a destination's traffic is added up again only
when there was some, or when the window has slid on over some.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import NamedTuple

from ..destination import Destination, Key
from ..device import Device
from ..hosts import Host
from ..judgement.outages import Service
from ..models import RowCounters
from ..windows import WINDOWS, begin
from . import flags as flag
from .standing import Standing


class Link(NamedTuple):
    """A device and a group. `active` is 0 without traffic; `hosts` and what follows count hosts."""

    sent: int = 0
    received: int = 0
    active: int = 0
    hosts: int = 0
    new: int = 0
    blocked: int = 0
    failed: int = 0

    @property
    def is_shown(self) -> bool:
        """Whether it is in the picture: there was traffic, or something is remarkable."""
        return bool(self.active or self.new or self.blocked or self.failed)

    @property
    def flags(self) -> int:
        """The flags, apart from a block of the whole device."""
        found = flag.NEW if self.new else 0
        if self.blocked:
            found |= flag.BLOCKED if self.blocked == self.hosts else flag.PARTLY
        if self.failed:
            found |= flag.FAILED
        return found if self.active else found | flag.QUIET


NOTHING = Link()


def total(links: Iterable[Link]) -> Link:
    """Add links up."""
    return Link._make(map(sum, zip(NOTHING, *links, strict=True)))


class Change(NamedTuple):
    """A link that may be another than it was."""

    group: str
    before: Link
    after: Link


class Cell(NamedTuple):
    """What a sheet knows of one destination."""

    stamp: Hashable
    traffic: RowCounters
    link: Link


class Sheet:
    """The links of one device, by group."""

    def __init__(self, device: Device, window: str) -> None:
        """Begin with nothing; `refresh` fills it."""
        self.device = device
        self.links: dict[str, Link] = {}
        self.standing: Standing | None = None
        self._window = window
        self._begin = 0
        self._cells: dict[Key, Cell] = {}
        self._keys: dict[str, dict[Key, None]] = {}

    def is_due(self, now: float) -> bool:
        """Return whether the window has slid on."""
        return begin(WINDOWS[self._window], now) != self._begin

    def destinations(self, group: str) -> list[Destination]:
        """Return the destinations of a group."""
        found = [self.device.destinations.get(key) for key in self._keys.get(group, ())]
        return [destination for destination in found if destination is not None]

    def services(self, group: str) -> Iterator[Service]:
        """Go through the hosts of a group."""
        for destination in self.destinations(group):
            for host in destination.each:
                yield Service(host.name, destination.key.protocol, destination.key.port)

    def refresh(self, standing: Standing, now: float, grown: Collection[Key] = frozenset()) -> list[Change]:
        """Bring it up to date; return the links of all groups that something happened to.

        Args:
            standing: how the hosts are judged
            now: when the window ends
            grown: with whom there was traffic since it was refreshed last
        """
        since = begin(WINDOWS[self._window], now)
        slid, self._begin = since != self._begin, since
        judged, self.standing = standing is not self.standing, standing
        known = self.device.destinations
        touched: set[str] = set()
        for destination in known:
            key = destination.key
            cell = self._cells.get(key)
            stamp = _stamp(destination.each)
            if cell is None or cell.stamp != stamp or key in grown or (slid and any(cell.traffic)):
                traffic = destination.window(self._window, now)
            elif judged:
                traffic = cell.traffic
            else:
                continue
            self._cells[key] = Cell(stamp, traffic, _judge(standing, destination, traffic))
            self._keys.setdefault(key.group, {})[key] = None
            touched.add(key.group)
        if len(self._cells) > len(known):
            for key in [key for key in self._cells if key not in known]:
                del self._cells[key], self._keys[key.group][key]
                touched.add(key.group)
        return [self._sum_up(group) for group in touched]

    def _sum_up(self, group: str) -> Change:
        links = [self._cells[key].link for key in self._keys[group]]
        before = self.links.get(group, NOTHING)
        after = links[0] if len(links) == 1 else total(links)
        if links:
            self.links[group] = after
        else:
            del self._keys[group], self.links[group]
        return Change(group, before, after)


def _judge(standing: Standing, destination: Destination, traffic: RowCounters) -> Link:
    new = blocked = failed = 0
    hosts = destination.each
    for host in hosts:
        found = standing.flags(destination.key, host)
        new += bool(found & flag.NEW)
        blocked += bool(found & flag.BLOCKED)
        failed += bool(found & flag.FAILED)
    active = int(any(traffic))
    return Link(traffic.sent_bytes, traffic.received_bytes, active, len(hosts), new, blocked, failed)


def _stamp(hosts: tuple[Host, ...]) -> Hashable:
    """Return what is different when something about a destination is, apart from time and rules."""
    if len(hosts) == 1:
        return hosts[0].last, hosts[0].verdict
    return tuple([(host.last, host.verdict) for host in hosts])

"""One destination of a device: a group of hosts with a protocol and a port."""

import sys
from functools import lru_cache
from typing import Any, NamedTuple, Self

from .const import MAX_HOSTS_PER_DESTINATION
from .hosts import ALLOWED, LEARNED, NEW, Host
from .models import Mac, RowCounters, Rule
from .remotes import Intern, plus
from .windows import NOTHING, Day, add_days


class Key(NamedTuple):
    """What tells destinations of a device apart."""

    group: str
    protocol: str
    port: int


@lru_cache(maxsize=1_024)
def _service(protocol: str, port: int) -> tuple[str, int]:
    """Return one and the same object for equal services: they recur in tens of thousands of destinations."""
    return sys.intern(protocol), port


class Destination:
    """One destination of a device, as the sum of its hosts."""

    __slots__ = ("_hosts", "_service", "group", "rest")

    def __init__(self, key: Key, hosts: tuple[Host, ...] = ()) -> None:
        """Begin with these hosts."""
        self.group = key.group
        self._service = _service(key.protocol, key.port)
        self.each = hosts
        self.rest: Host | None = None  # the sum of those that were forgotten

    @property
    def key(self) -> Key:
        """What tells it apart."""
        return Key(self.group, *self._service)

    def is_at(self, service: tuple[str, int]) -> bool:
        """Return whether it has this protocol and port."""
        return self._service == service

    @property
    def hosts(self) -> dict[str, Host]:
        """The newest hosts by name, or address where there is no name."""
        return {host.name: host for host in self.each}

    @property
    def each(self) -> tuple[Host, ...]:
        """The newest hosts."""
        return self._hosts if isinstance(self._hosts, tuple) else (self._hosts,)

    @each.setter
    def each(self, hosts: tuple[Host, ...]) -> None:
        # Most destinations have one host, and there are many: one stands for a tuple of one.
        self._hosts: Host | tuple[Host, ...] = hosts[0] if len(hosts) == 1 else hosts

    @property
    def _parts(self) -> tuple[Host, ...]:
        return self.each if self.rest is None else (*self.each, self.rest)

    @property
    def first(self) -> float:
        """When it was contacted first."""
        return min((host.first for host in self._parts), default=0.0)

    @property
    def last(self) -> float:
        """When it was contacted last."""
        return max((host.last for host in self._parts), default=0.0)

    @property
    def verdict(self) -> str:
        """New as long as a host is; allowed where all of them are; else learned."""
        verdicts = {host.verdict for host in self._parts}
        if NEW in verdicts:
            return NEW
        return ALLOWED if verdicts == {ALLOWED} else LEARNED

    @verdict.setter
    def verdict(self, verdict: str) -> None:
        for host in self._parts:
            host.verdict = verdict

    @property
    def counters(self) -> RowCounters:
        """All that was counted since Home Assistant knows the destination."""
        total = NOTHING
        for host in self._parts:
            total = plus(host.counters, total)
        return total

    @property
    def names(self) -> list[str]:
        """The full names."""
        return [host.name for host in self.each if host.named]

    @property
    def addresses(self) -> list[str]:
        """The addresses of all hosts."""
        return list({address: None for host in self.each for address in host.reached})

    @property
    def name_source(self) -> str | None:
        """How the name is known."""
        return next((host.name_source for host in reversed(self.each) if host.name_source), None)

    @property
    def days(self) -> dict[int, Day]:
        """The traffic of each of the last 30 days with traffic, by `date.toordinal()` (UTC)."""
        return add_days(host.days for host in self._parts)

    def window(self, name: str, now: float) -> RowCounters:
        """Return the traffic within a window (`windows.WINDOWS`) that ends now."""
        total = NOTHING
        for host in self._parts:
            total = plus(host.window(name, now), total)
        return total

    def host(self, name: str) -> Host | None:
        """Return the host with a name, or an address where there is no name."""
        hosts = self._hosts
        if not isinstance(hosts, tuple):
            return hosts if hosts.name == name else None
        for host in hosts:
            if host.name == name:
                return host
        return None

    def add(self, host: Host) -> list[Host]:
        """Add a host; return those that are forgotten for it, whose traffic is still counted."""
        excess = len(self.each) + 1 - MAX_HOSTS_PER_DESTINATION
        stale = sorted(self.each, key=lambda known: (known.verdict != LEARNED, known.last))[: max(0, excess)]
        for forgotten in stale:
            self._absorb(forgotten)
        self.each = (*(known for known in self.each if known not in stale), host)
        return stale

    def remove(self, host: Host) -> None:
        """Forget a host, and what was counted with it."""
        self.each = tuple(known for known in self.each if known is not host)

    def _absorb(self, host: Host) -> None:
        if self.rest is None:
            self.rest = Host("", host.verdict, host.first, named=False)
        self.rest.join(host)
        self.rest.drop(set(self.rest.remotes))

    def join(self, other: Self) -> list[Host]:
        """Add what another one counted; return the hosts that are forgotten for it, as `add` does."""
        stale: list[Host] = []
        for theirs in other.each:
            ours = self.host(theirs.name)
            if ours is None:
                stale += self.add(theirs)
            else:
                ours.join(theirs)
        if other.rest is not None:
            self._absorb(other.rest)
        return stale

    def take_out(self, mac: Mac) -> Self | None:
        """Drop what of it is of one MAC address, as far as that can be told, and return it; or None."""
        parts = [(host, part) for host in self.each if (part := host.part(mac)) is not None]
        if not parts:
            return None
        for host, part in parts:
            host.remotes = tuple(remote for remote in host.remotes if remote not in part.remotes)
        emptied = {host for host, _ in parts if host.is_empty}
        self.each = tuple(host for host in self.each if host not in emptied)
        return type(self)(self.key, tuple(part for _, part in parts))

    def is_meant_by(self, rule: Rule) -> bool:
        """Return whether a rule's name or address stands for this destination as a whole."""
        return all(is_meant(host, rule) for host in self.each) and bool(self.each)

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        rest = self.rest and self.rest.as_list()
        return [*self.key, self.first, [host.as_list() for host in self.each], rest]

    @classmethod
    def from_list(cls, stored: list[Any], intern: Intern) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        group, protocol, port, _, hosts, rest = stored
        key = Key(intern(group), intern(protocol), int(port))
        self = cls(key, tuple(Host.from_list(host, intern) for host in hosts))
        self.rest = None if rest is None else Host.from_list(rest, intern)
        return self


def is_meant(host: Host, rule: Rule) -> bool:
    """Return whether a rule's name or address stands for a host."""
    if rule.name is None:
        return set(host.reached) == {rule.address}
    return host.name == rule.name or host.name.endswith(f".{rule.name}")

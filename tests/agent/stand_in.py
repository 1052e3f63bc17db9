"""Stand-ins for the kernel: a platform that is told what happens, a firewall that remembers its orders."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway_agent.config import Config
from gateway_agent.firewall.enforcement import FirewallError
from gateway_agent.model import Address, Answer, Flow, Mac, Neighbour, Observe, Traffic
from gateway_agent.wire.policy import Policy, Problem, Resolved

MAC, OTHER, ROUTER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:ff"
LAN, OTHER_LAN = bytes((192, 168, 8, 20)), bytes((192, 168, 8, 21))
REMOTE = bytes((198, 51, 100, 7))


@dataclass
class FakeFirewall:
    """Applies everything, unless `fault` says why not."""

    applied: list[Policy] = field(default_factory=list)
    restored: list[Resolved] = field(default_factory=list)
    addresses: list[Resolved] = field(default_factory=list)
    neighbours: list[tuple[Mac, Address]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fault: str | None = None
    lookups: Callable[[], Iterable[tuple[Mac, str, Address]]] = tuple

    def apply(self, policy: Policy, now: float) -> list[Problem]:
        """Remember the policy."""
        assert now > 0
        if self.fault is not None:
            raise FirewallError(self.fault)
        self.applied.append(policy)
        return list(self.problems)

    def answered(self, mac: Mac | None, answer: Answer) -> None:
        """Take no notice."""

    def learned(self, mac: Mac, address: Address) -> None:
        """Remember whose an address is."""
        self.neighbours.append((mac, address))

    def resolved(self) -> list[Resolved]:
        """Return what the test put there."""
        return self.addresses

    def restore(self, resolved: Iterable[Resolved]) -> None:
        """Remember them."""
        self.restored = list(resolved)


@dataclass
class FakePlatform:
    """Two devices and a router; `happen` is the traffic until the next reading."""

    config: Config
    observe: Observe
    firewall: FakeFirewall | None = field(default_factory=FakeFirewall)
    capabilities: tuple[str, ...] = ("block", "names")
    name: str = "nftables"
    troubles: list[Problem] = field(default_factory=list)
    closed: bool = False
    owners: dict[Address, Mac] = field(default_factory=lambda: {LAN: MAC, OTHER_LAN: OTHER})
    pending: list[tuple[Flow, Traffic]] = field(default_factory=list)
    open_tap: Any = None

    @property
    def source(self) -> Any:  # noqa: ANN401 (it plays all parts)
        """It is its own source."""
        return self

    def happen(self, flow: Flow, **counts: Any) -> None:  # noqa: ANN401
        """Let a flow do something."""
        self.pending.append((flow, Traffic(**{"first": 1000.0, "last": 1000.0, **counts})))

    def read(self, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Deliver what happened."""
        assert now > 0
        happened, self.pending = self.pending, []
        yield []
        if happened:
            yield happened

    def mac_of(self, address: Address) -> Mac | None:
        """Return whose an address is."""
        return self.owners.get(address)

    def is_local(self, address: Address) -> bool:
        """Whether an address is in 192.168.0.0/16."""
        return address[:2] == LAN[:2]

    def is_own(self, mac: Mac) -> bool:
        """Whether it is the router's."""
        return mac == ROUTER

    def attach(self) -> None:
        """Announce everybody."""
        for address, mac in self.owners.items():
            self.observe(Neighbour(mac, address, 1000.0))

    async def settle(self) -> None:
        """Have nothing that is late."""

    def refresh(self, now: float) -> None:
        """Have nothing new."""

    def problems(self, now: float) -> list[Problem]:
        """Return what the test put there."""
        assert now > 0
        return list(self.troubles)

    def close(self, now: float) -> None:
        """Note it."""
        assert now > 0
        self.closed = True

"""The rules that a gateway enforces, arranged so that the one that decides is found at once.

Says the same as rules.decision, and which rule it was. Precedence is told there.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from ..models import DevicePolicy, Mac, Policy, PolicyState, Rule
from ..rules import ALLOW

_NOTHING = Policy(0, {})

type Network = IPv4Network | IPv6Network


class Decision(NamedTuple):
    """The rule that decides for a host, and whether it is one for everyone."""

    rule: Rule
    everyone: bool

    @property
    def action(self) -> str:
        """What the rule says."""
        return self.rule.action


@lru_cache(maxsize=8192)
def _address(text: str) -> IPv4Address | IPv6Address:
    return ip_address(text)


class Level:
    """The rules of one device, or those for everyone."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Arrange the rules."""
        self._names: dict[str, Rule] = {}
        self._addresses: dict[str, Rule] = {}
        self._networks: list[tuple[Network, Rule]] = []
        for rule in rules:
            if rule.name is not None:
                self._put(self._names, rule.name, rule)
            elif rule.address is not None:
                network = ip_network(rule.address)
                if network.num_addresses == 1:
                    self._put(self._addresses, str(network.network_address), rule)
                else:
                    self._networks.append((network, rule))

    @staticmethod
    def _put(rules: dict[str, Rule], target: str, rule: Rule) -> None:
        if target not in rules or rule.action == ALLOW:
            rules[target] = rule

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule at all."""
        return not (self._names or self._addresses or self._networks)

    def decide(self, name: str | None, addresses: Collection[str]) -> Rule | None:
        """Return the rule that decides for a name and its addresses, None for none."""
        found = self._by_name(name) if name is not None and self._names else None
        if (found is not None and found.action == ALLOW) or not (self._addresses or self._networks):
            return found
        for rule in self._by_address(addresses):
            if rule.action == ALLOW:
                return rule
            found = found or rule
        return found

    def _by_name(self, name: str) -> Rule | None:
        """Return the rule with the longest suffix of the name."""
        rest = name
        while rest:
            if (rule := self._names.get(rest)) is not None:
                return rule
            rest = rest.partition(".")[2]
        return None

    def _by_address(self, addresses: Collection[str]) -> Iterable[Rule]:
        for text in addresses:
            if (rule := self._addresses.get(text)) is not None:
                yield rule
            for network, rule in self._networks:
                if _address(text) in network:
                    yield rule


class RuleBook:
    """What holds for one device."""

    def __init__(self, device: DevicePolicy, everyone: Level) -> None:
        """Arrange the device's own rules; those for everyone are shared by all."""
        self.blocked = device.blocked
        self.until = device.until
        self.device = device
        self.everyone = everyone
        self._own = Level(device.destinations)
        self.has_no_rules = self._own.is_empty and everyone.is_empty

    def destination(self, name: str | None, addresses: Collection[str]) -> Decision | None:
        """Return what the rules for destinations say, apart from a block of the whole device."""
        if (rule := self._own.decide(name, addresses)) is not None:
            return Decision(rule, everyone=False)
        if (rule := self.everyone.decide(name, addresses)) is not None:
            return Decision(rule, everyone=True)
        return None


class Shelf:
    """The rule books of one gateway's devices, made when they are asked for."""

    def __init__(self, state: PolicyState | None, former: Shelf | None = None) -> None:
        """Say what a gateway enforces; nothing while that is not known."""
        self.state = state
        self.policy = state.policy if state is not None and state.enforced else _NOTHING
        # Books stay as they are where the rules do.
        kept = former is not None and former.policy.everyone == self.policy.everyone
        self.everyone: Level = former.everyone if former and kept else Level(self.policy.everyone)

    def is_current(self, mac: Mac, book: RuleBook) -> bool:
        """Return whether a book, made of a former state, says what holds for a device."""
        return book.everyone is self.everyone and book.device == self.policy.device(mac)

    def book(self, mac: Mac) -> RuleBook:
        """Return what holds for a device."""
        return RuleBook(self.policy.device(mac), self.everyone)

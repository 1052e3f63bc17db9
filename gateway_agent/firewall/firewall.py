"""Enforces a policy in `table inet spin`, and keeps the addresses of blocked names up to date."""

import ipaddress
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from gateway_agent.firewall.elements import FOREVER, Elements, Levels, Until, Wanted, family, fixed, pair_key
from gateway_agent.firewall.enforcement import FirewallError
from gateway_agent.firewall.requests import (
    CUT,
    PAIRS,
    Difference,
    added,
    deleted,
    gate,
    needed_chains,
    replacement,
)
from gateway_agent.firewall.resolutions import GRACE, Resolutions, lifetime
from gateway_agent.kernel.netlink import NetlinkError, Request
from gateway_agent.kernel.ruleset import BLOCKED_DEVICES
from gateway_agent.kernel.table import Table
from gateway_agent.model import Address, Answer, Mac, ServerName
from gateway_agent.wire.policy import Policy, Problem, Resolved

_LOG = logging.getLogger(__name__)

_RENEW: Final = GRACE / 2
"""An element is renewed when it would end this much earlier than it could."""

_MAX_PRODUCT: Final = 1_000
"""Newly blocked pairs up to which every address of the device is cut off; beyond, only running flows are."""

_MAX_PROBLEMS: Final = 20
_MAX_UNKNOWN: Final = 64


class Firewall:
    """What is in force. Safe for several threads: everything holds the table's lock.

    `addresses_of` tells the addresses of a device, `mac_of` whose an address is. Both may be behind: what the
    kernel learns of blocked devices by itself is enforced without them. `flows` tells which (LAN address,
    remote address) have traffic, `lookups` the (device, name, address) that were resolved before there was a
    rule about the name: with both, running connections are cut at once. `on_names` is told, after a policy
    was applied, whether there are rules about names.
    """

    def __init__(
        self,
        table: Table,
        addresses_of: Callable[[Mac], Collection[Address]],
        *,
        mac_of: Callable[[Address], Mac | None] = lambda _: None,
        flows: Callable[[], Iterable[tuple[Address, Address]]] = tuple,
    ) -> None:
        self.lookups: Callable[[], Iterable[tuple[Mac, str, Address]]] = tuple
        self.on_names: Callable[[bool], None] = lambda _: None
        self._table = table
        self._addresses_of = addresses_of
        self._mac_of = mac_of
        self._flows = flows
        self._policy = Policy()
        self._levels = Levels(self._policy)
        self._resolutions = Resolutions()
        self._wanted = Wanted()
        self._chains: list[str] = []
        self._in_kernel = False
        """Whether the kernel holds what is wanted, and not what another run left."""
        self._unknown: dict[Address, list[Answer]] = {}
        table.policy_requests = self._requests

    def apply(self, policy: Policy, now: float) -> list[Problem]:
        """Bring a policy into force in one transaction, running connections included.

        Raises:
            FirewallError: the kernel refused; what was in force before still is.
        """
        with self._table.lock:
            before = self._policy, self._levels, self._wanted, self._chains
            self._policy, self._levels = policy, Levels(policy)
            if self._levels != before[1]:
                self._adopt_lookups(now)
            self._wanted = self._compile(now)
            self._chains = needed_chains(self._wanted, self._levels.used)
            try:
                self._commit(before[2], before[3], now)
            except OSError as error:
                self._policy, self._levels, self._wanted, self._chains = before
                raise FirewallError(f"nftables refused the rules: {error.strerror}") from error
            self._in_kernel = True
            names = bool(self._levels)
        self.on_names(names)
        return self.problems(now)

    @property
    def needs_names(self) -> bool:
        """Whether there is any rule about a name."""
        return bool(self._levels)

    def answered(self, mac: Mac | None, answer: Answer) -> None:
        """Take the addresses of a name: what rules say of it is in the kernel when this returns."""
        if not self._levels or not answer.addresses:
            return
        with self._table.lock:
            if mac is None:
                self._remember_unknown(answer)
                return
            decided = self._levels.decide(mac, answer.name, answer.at)
            if not decided:
                return
            until = lifetime(answer)
            for address in answer.addresses:
                self._resolutions.add(mac, answer.name, address, until)
            self._put(mac, answer.addresses, [(level, min(end, until)) for level, end in decided])

    def named(self, mac: Mac | None, server: ServerName) -> None:
        """Block a server by the name that a device asks it for, where no lookup has told the address before.

        Such a name comes from the device alone, so it allows nothing, and is forgotten with the next policy.
        """
        if not self._levels or mac is None:
            return
        with self._table.lock:
            decided = self._levels.decide(mac, server.name, server.at)
            first = min((level for level, _ in decided), default="")  # their names are in order of precedence
            if first.endswith("block"):
                until = server.at + GRACE
                blocks = [(level, min(end, until)) for level, end in decided if level.endswith("block")]
                self._put(mac, [server.remote], blocks)

    def catch_up(self, now: float) -> None:
        """Take what was resolved before the rules came in force, and was told of after."""
        with self._table.lock:
            for mac, name, address in self.lookups():
                self._put_name(mac, name, address, now)

    def learned(self, mac: Mac, address: Address) -> None:
        """Take an address of a device: of a blocked one, nothing may reach it any more."""
        with self._table.lock:
            answers = self._unknown.pop(address, ())
            device = self._policy.devices.get(mac)
            if device is not None and device.blocked:
                self._cut_device(address, FOREVER if device.until is None else device.until)
        for answer in answers:
            self.answered(mac, answer)

    def contacted(self, lan: Address, remote: Address) -> None:
        """Take the first packet of a flow: it may come from a remote that the device may not talk to."""
        if not self._chains:
            return
        with self._table.lock:
            now = time.time()
            mac = self._mac_of(lan)
            if mac is not None and self._wanted.refuses(mac, remote, now):
                self._add({f"cut{family(lan)}": {remote + lan: now + GRACE}}, {})

    def attempted(self, lan: Address, remote: Address, now: float) -> None:
        """Keep the address of a blocked name blocked while the device goes on trying to reach it."""
        with self._table.lock:
            mac = self._mac_of(lan)
            if mac is None:
                return
            for name, until in list(self._resolutions.names(mac, remote).items()):
                if until < now + _RENEW:
                    self._put_name(mac, name, remote, now)

    def resolved(self) -> list[Resolved]:
        """Return the addresses of names that rules are about, to survive a restart."""
        with self._table.lock:
            return list(self._resolutions)

    def restore(self, resolved: Iterable[Resolved]) -> None:
        """Take such addresses of an earlier run, from a file and from what is still in the kernel."""
        now = time.time()
        with self._table.lock:
            for entry in resolved:
                if entry.until > now:
                    self._resolutions.add(entry.mac, entry.name, entry.address, entry.until)
            for name in PAIRS:
                self._adopt_elements(name, now)

    def problems(self, now: float) -> list[Problem]:
        """Return the addresses that names of one level make both allowed and blocked."""
        found: list[Problem] = []
        with self._table.lock:
            exact = self._wanted.exact
            for name in PAIRS:
                whose, _, action = name.partition("_")
                blocked = exact.get(f"{whose}_block{name[-1]}", {})
                for key, until in exact.get(name, {}).items() if action.startswith("allow") else ():
                    if until > now and blocked.get(key, -FOREVER) > now and len(found) < _MAX_PROBLEMS:
                        found.append(self._shared_address(key))
        return found

    def _shared_address(self, key: bytes) -> Problem:
        mac, address = key[:6].hex(":"), key[8:]
        names = sorted(self._resolutions.names(mac, address))
        shown = str(ipaddress.ip_address(address))
        text = f"{shown} belongs to allowed and to blocked names of {mac}, and is allowed: {', '.join(names)}"
        return Problem("shared_address", text, {"mac": mac, "address": shown})

    def _adopt_lookups(self, now: float) -> None:
        """Take what devices looked up before there was a rule about it."""
        for mac, name, address in self.lookups():
            if self._levels.decide(mac, name, now):
                self._resolutions.add(mac, name, address, now + GRACE)

    def _adopt_elements(self, name: str, now: float) -> None:
        try:
            elements = self._table.elements(name)
        except NetlinkError as error:
            _LOG.warning("elements_unreadable set=%s cause=%s", name, error.strerror)
            return
        for element in elements:
            if element.comment is not None and element.timeout is not None:
                mac = element.key[:6].hex(":")
                self._resolutions.add(mac, element.comment, element.key[8:], now + element.timeout)

    def _compile(self, now: float) -> Wanted:
        blocked = [mac for mac, device in self._policy.devices.items() if device.blocked]
        wanted = fixed(self._policy, {mac: self._addresses_of(mac) for mac in blocked}, now)
        self._resolutions.expire(now)
        for entry in self._resolutions:
            key = pair_key(entry.mac, entry.address)
            for level, end in self._levels.decide(entry.mac, entry.name, now):
                wanted.add(level + family(entry.address), key, min(end, entry.until))
        return wanted

    def _commit(self, before: Wanted, chains: list[str], now: float) -> None:
        if self._in_kernel:
            difference = Difference(before, self._wanted)
            requests = [*difference.requests(self._name_of, now), *self._cuts(difference.fresh, now)]
            if chains != self._chains:
                requests += gate(self._chains)
            try:
                self._table.commit(requests)
            except NetlinkError as error:
                _LOG.info("difference_refused cause=%s: writing all rules", error)
            else:
                return
        self._table.commit(list(self._requests()))

    def _requests(self) -> Iterator[Request]:
        """Yield what brings everything into force in a table of which nothing is known."""
        now = time.time()
        yield from replacement(self._wanted, self._name_of, now)
        yield from self._cuts(self._wanted.exact, now)
        yield from gate(self._chains)

    def _name_of(self, key: bytes) -> str | None:
        return next(iter(self._resolutions.names(key[:6].hex(":"), key[8:])), None)

    def _cuts(self, fresh: dict[str, Elements], now: float) -> Iterator[Request]:
        """Yield what cuts off, towards the LAN, what is refused from there; `fresh` are new elements."""
        if self._chains in ([], [BLOCKED_DEVICES]):
            return
        cut: dict[str, Elements] = {name: {} for name in CUT}
        blocked = {key[8:] for name in PAIRS if "block" in name for key in self._wanted.exact.get(name, ())}
        blocked.update(*(self._wanted.exact.get(f"everyone_block_hosts{version}", ()) for version in "46"))
        for lan, remote in self._flows():
            if self._wanted.networks or remote in blocked:
                mac = self._mac_of(lan)
                if mac is not None and self._wanted.refuses(mac, remote, now):
                    cut[f"cut{family(lan)}"][remote + lan] = now + GRACE
        pairs = [key for name in PAIRS if "block" in name for key in fresh.get(name, ())]
        for key in pairs[:_MAX_PRODUCT]:
            cut[f"cut{family(key[8:])}"].update(self._towards(key[:6].hex(":"), key[8:], now))
        for name, elements in cut.items():
            yield from added(name, elements, self._name_of, now)

    def _towards(self, mac: Mac, remote: Address, now: float) -> Elements:
        if not self._wanted.refuses(mac, remote, now):
            return {}
        return {remote + lan: now + GRACE for lan in self._addresses_of(mac) if len(lan) == len(remote)}

    def _cut_device(self, address: Address, until: Until) -> None:
        name = f"cut_devices{family(address)}"
        now = time.time()
        if until > now and not self._wanted.has(name, address, now):
            self._wanted.add(name, address, until)
            self._add({name: {address: until}}, {})

    def _put_name(self, mac: Mac, name: str, address: Address, now: float) -> None:
        """Have an address follow the rules about a name for the time of grace, if there are any."""
        decided = self._levels.decide(mac, name, now)
        if decided:
            self._resolutions.add(mac, name, address, now + GRACE)
            self._put(mac, [address], [(level, min(end, now + GRACE)) for level, end in decided])

    def _put(self, mac: Mac, addresses: Collection[Address], decided: list[tuple[str, Until]]) -> None:
        """Add the addresses of a name to the sets; what is there for long enough stays as it is."""
        now = time.time()
        new: dict[str, Elements] = {}
        renewed: dict[str, Elements] = {}
        for address in addresses:
            key = pair_key(mac, address)
            for level, until in decided:
                name = level + family(address)
                known = self._wanted.exact.get(name, {}).get(key, -FOREVER)
                if known >= until - _RENEW and known > now:
                    continue
                self._wanted.exact.setdefault(name, {})[key] = until
                new.setdefault(name, {})[key] = until
                if known > now:
                    renewed.setdefault(name, {})[key] = known
        if new:
            for address in addresses:
                new.setdefault(f"cut{family(address)}", {}).update(self._towards(mac, address, now))
            self._add(new, renewed)

    def _add(self, new: dict[str, Elements], renewed: dict[str, Elements]) -> None:
        """Add elements at once; where that fails, make the kernel hold all that is wanted."""
        now = time.time()
        requests: list[Request] = []
        for name, elements in renewed.items():
            requests += deleted(name, elements)
        for name, elements in new.items():
            requests += added(name, elements, self._name_of, now)
        try:
            self._table.commit(requests)
        except NetlinkError as error:
            _LOG.info("elements_refused cause=%s: writing all rules", error)
            try:
                self._table.commit(list(self._requests()))
            except NetlinkError as again:  # the table is gone: putting it back brings these along
                _LOG.warning("elements_not_added cause=%s", again)

    def _remember_unknown(self, answer: Answer) -> None:
        """Keep the answers to an address until it is known whose it is."""
        if len(self._unknown) >= _MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[answer.lan] = [*self._unknown.get(answer.lan, []), answer][-_MAX_UNKNOWN:]

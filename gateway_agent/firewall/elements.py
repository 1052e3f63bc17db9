"""What a policy means in the kernel: which elements the sets of `table inet spin` must hold, and until when.

The kernel asks the sets in the order of decreasing precedence (ruleset.LEVELS): a blocked device, what is
allowed for the device, blocked for it, allowed for everyone, blocked for everyone. Names are decided here,
when they are resolved, and become pairs of MAC and address.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Final

from gateway_agent.kernel.nf_tables import padded
from gateway_agent.kernel.ruleset import BLOCKED_DEVICES, LEVELS
from gateway_agent.model import Address, Mac
from gateway_agent.wire.policy import Policy, Rule

FOREVER: Final = math.inf

Until = float
Elements = dict[bytes, Until]
"""Keys of one set, each with the time at which it ends."""

Interval = tuple[bytes, bytes, Until]
"""First and last key, and the time at which it ends."""

Names = Mapping[str, list[Rule]]
"""The rules about names on one level, by name."""


@dataclass(slots=True)
class Wanted:
    """The contents of the sets: elements of the exact ones, intervals of those of networks."""

    exact: dict[str, Elements] = field(default_factory=dict)
    networks: dict[str, list[Interval]] = field(default_factory=dict)
    """Apart from each other and in ascending order."""

    def add(self, name: str, key: bytes, until: Until) -> None:
        """Want an element; of two reasons for it the longer one counts."""
        elements = self.exact.get(name)
        if elements is None:
            elements = self.exact[name] = {}
        known = elements.get(key)
        if known is None or known < until:
            elements[key] = until

    def has(self, name: str, key: bytes, now: float) -> bool:
        """Tell whether the element is wanted now."""
        elements = self.exact.get(name)
        return elements is not None and elements.get(key, -FOREVER) > now

    def covers(self, name: str, key: bytes, now: float) -> bool:
        """Tell whether a set of networks covers the key now."""
        intervals = self.networks.get(name)
        if not intervals:
            return False
        place = bisect_right(intervals, key, key=lambda interval: interval[0])
        return place > 0 and intervals[place - 1][1] >= key and intervals[place - 1][2] > now

    def refuses(self, mac: Mac, remote: Address, now: float) -> bool:
        """Decide about a device's destination as the kernel's chains do, but for the blocked devices."""
        version = family(remote)
        pair = pair_key(mac, remote)
        for level in LEVELS:
            key = pair if level.startswith("device") else remote
            if (
                self.has(level + version, pair, now)
                or self.has(f"{level}_hosts{version}", remote, now)
                or self.covers(f"{level}_networks{version}", key, now)
            ):
                return level.endswith("block")
        return False


def mac_key(mac: Mac) -> bytes:
    """Return a MAC address as the kernel has it in a key of its own."""
    return bytes.fromhex(mac.replace(":", ""))


def pair_key(mac: Mac, address: Address) -> bytes:
    """Return the key of a MAC . address pair."""
    return padded(mac_key(mac), address)


def family(address: Address) -> str:
    """Return the suffix of the sets for this address."""
    return "4" if len(address) == 4 else "6"  # noqa: PLR2004  # bytes of an IPv4 address


class Levels:
    """The rules about names, of devices and of everyone."""

    def __init__(self, policy: Policy) -> None:
        self._devices = {
            mac: names
            for mac, device in policy.devices.items()
            if device.destinations and (names := _by_name(device.destinations))
        }
        self._everyone = _by_name(policy.everyone)
        self.used = frozenset(self._used())

    def __bool__(self) -> bool:
        """Tell whether there is any rule about a name."""
        return bool(self.used)

    def __eq__(self, other: object) -> bool:
        """Tell whether the same names are decided alike."""
        return isinstance(other, Levels) and (self._devices, self._everyone) == (
            other._devices,
            other._everyone,
        )

    __hash__ = None  # type: ignore[assignment]

    def decide(self, mac: Mac, name: str, now: float) -> list[tuple[str, Until]]:
        """Return the levels (ruleset.LEVELS) that the addresses of this name belong to, each with its end."""
        decided = _decide(self._devices[mac], name, now, "device") if mac in self._devices else []
        return decided + _decide(self._everyone, name, now, "everyone")

    def _used(self) -> Iterator[str]:
        for names in self._devices.values():
            yield from (f"device_{rule.action}" for rules in names.values() for rule in rules)
        yield from (f"everyone_{rule.action}" for rules in self._everyone.values() for rule in rules)


def fixed(policy: Policy, addresses: Mapping[Mac, Collection[Address]], now: float) -> Wanted:
    """Return what is wanted whatever names resolve to; `addresses` are those of the blocked devices."""
    wanted = Wanted()
    networks: dict[str, list[Interval]] = {}
    for mac, device in policy.devices.items():
        key = mac_key(mac)
        until = _end(device.until)
        if device.blocked and until > now:
            wanted.add(BLOCKED_DEVICES, key, until)
            for address in addresses.get(mac, ()):
                wanted.add(f"cut_devices{family(address)}", address, until)
        prefix = padded(key) if device.destinations else b""
        for action, version, first, last, end in _ranges(device.destinations, now):
            if first == last:
                wanted.add(f"device_{action}{version}", prefix + first, end)
            else:
                name = f"device_{action}_networks{version}"
                networks.setdefault(name, []).append((prefix + first, prefix + last, end))
    for action, version, first, last, end in _ranges(policy.everyone, now):
        if first == last:
            wanted.add(f"everyone_{action}_hosts{version}", first, end)
        else:
            networks.setdefault(f"everyone_{action}_networks{version}", []).append((first, last, end))
    for name, ranges in networks.items():
        wanted.networks[name] = _apart(ranges)
    return wanted


def _end(until: float | None) -> Until:
    return FOREVER if until is None else until


def _by_name(rules: Iterable[Rule]) -> Names:
    names: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.name is not None:
            names.setdefault(rule.name, []).append(rule)
    return names


def _decide(names: Names, name: str, now: float, level: str) -> list[tuple[str, Until]]:
    """Let the longest matching name decide; behind an allowance that ends, also what comes after it."""
    decided = []
    suffix = name
    while names:
        rules = [rule for rule in names.get(suffix, ()) if _end(rule.until) > now]
        for action in ("allow", "block"):
            ends = [_end(rule.until) for rule in rules if rule.action == action]
            if ends:
                decided.append((f"{level}_{action}", max(ends)))
                if action == "block" or max(ends) == FOREVER:
                    return decided
        _, dot, suffix = suffix.partition(".")
        if not dot:
            break
    return decided


def _ranges(rules: Iterable[Rule], now: float) -> Iterator[tuple[str, str, bytes, bytes, Until]]:
    """Yield action, IP version, first and last address and end of the rules about networks."""
    for rule in rules:
        network = rule.network
        end = FOREVER if rule.until is None else rule.until
        if network is not None and end > now:
            first = network.network_address.packed
            host = network.prefixlen == len(first) * 8
            last = first if host else network.broadcast_address.packed
            yield rule.action, "4" if len(first) == 4 else "6", first, last, end  # noqa: PLR2004


def _apart(intervals: list[Interval]) -> list[Interval]:
    """Return the intervals in ascending order, cut so that none overlaps another.

    They come from networks, which are apart or nested. Each piece ends when the last that covers it does.
    """
    intervals.sort(key=itemgetter(0))
    if all(before[1] < after[0] for before, after in pairwise(intervals)):
        return intervals
    whole = sorted(intervals, key=lambda interval: (interval[0], -int.from_bytes(interval[1], "big")))
    size = len(whole[0][0])
    pieces = _cut(
        [(int.from_bytes(first, "big"), int.from_bytes(last, "big"), until) for first, last, until in whole]
    )
    return [(first.to_bytes(size, "big"), last.to_bytes(size, "big"), until) for first, last, until in pieces]


def _cut(ranges: list[tuple[int, int, Until]]) -> list[tuple[int, int, Until]]:
    """Cut nested ranges, the outer before the inner, into pieces."""
    pieces: list[tuple[int, int, Until]] = []
    opened: list[tuple[int, Until]] = []
    place = 0

    def close_before(end: float) -> None:
        nonlocal place
        while opened and opened[-1][0] < end:
            last, until = opened.pop()
            if place <= last:
                pieces.append((place, last, until))
            place = last + 1

    for first, last, until in ranges:
        close_before(first)
        if opened and place < first:
            pieces.append((place, first - 1, opened[-1][1]))
        place = first
        opened.append((last, max(until, opened[-1][1]) if opened else until))
    close_before(math.inf)
    return pieces

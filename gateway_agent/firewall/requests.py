"""Renders what a policy wants as requests to the kernel: all of it, or the difference to before."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from gateway_agent.firewall.elements import FOREVER, Elements, Interval, Wanted
from gateway_agent.kernel import nf_tables, ruleset
from gateway_agent.kernel.netlink import NLM_F_CREATE, Request
from gateway_agent.kernel.nf_tables import Element, encode_element, encode_key
from gateway_agent.kernel.ruleset import GATE, LEVELS, OUTBOUND, TABLE

_GATE_PRIORITY: Final = -160
"""After conntrack and destination NAT, before the filters of others."""

_VERSIONS: Final = ("4", "6")
CUT_DEVICES: Final = tuple(f"cut_devices{version}" for version in _VERSIONS)
CUT: Final = tuple(f"cut{version}" for version in _VERSIONS)
PAIRS: Final = tuple(level + version for level in LEVELS for version in _VERSIONS)
_NETWORKS: Final = tuple(f"{level}_networks{version}" for level in LEVELS for version in _VERSIONS)
_HOSTS: Final = tuple(name + version for name in ruleset.HOSTS for version in _VERSIONS)
_ALL: Final = (ruleset.BLOCKED_DEVICES, *PAIRS, *CUT_DEVICES, *CUT, *_NETWORKS, *_HOSTS)

Comment = Callable[[bytes], str | None]
"""Tells the name behind a MAC . address pair."""


def replacement(wanted: Wanted, comment: Comment, now: float) -> Iterator[Request]:
    """Yield what makes the sets hold exactly what is wanted, whatever they hold."""
    for name in _ALL:
        yield nf_tables.flush_set(TABLE, name)
    for name, elements in wanted.exact.items():
        yield from added(name, elements, comment, now)
    for name, intervals in wanted.networks.items():
        yield from _added_networks(name, intervals, now)


class Difference:
    """What has to change. `fresh` are the elements that are new or end at another time.

    `loosened`: something is no longer blocked, so that nothing must remain cut off without a new reason.
    """

    def __init__(self, before: Wanted, after: Wanted) -> None:
        self._before = before
        self._after = after
        self._networks = [
            name
            for name in {*before.networks, *after.networks}
            if before.networks.get(name, []) != after.networks.get(name, [])
        ]
        self.fresh: dict[str, Elements] = {}
        self._gone: dict[str, list[bytes]] = {}
        for name in {*before.exact, *after.exact}:
            old, new = before.exact.get(name, {}), after.exact.get(name, {})
            if old != new:
                self.fresh[name] = {key: until for key, until in new.items() if old.get(key) != until}
                self._gone[name] = [key for key in old if key not in new or key in self.fresh[name]]
        self.loosened = bool(self._networks) or any(
            gone or "allow" in name for name, gone in self._gone.items()
        )

    def requests(self, comment: Comment, now: float) -> Iterator[Request]:
        """Yield the requests; what ends within a second may be gone before, and is left to end by itself."""
        for name, gone in self._gone.items():
            if name not in CUT_DEVICES:
                there = (encode_key(key) for key in gone if self._before.exact[name][key] > now + 1)
                yield from nf_tables.elements(nf_tables.DELSETELEM, TABLE, name, there)
                yield from added(name, self.fresh[name], comment, now)
        for name in self._networks:
            old, new = self._before.networks.get(name, []), self._after.networks.get(name, [])
            yield from _changed_networks(name, old, new, now)
        if self.loosened:
            for name in (*CUT_DEVICES, *CUT):
                yield nf_tables.flush_set(TABLE, name)
        for name in CUT_DEVICES:
            addresses = (self._after.exact if self.loosened else self.fresh).get(name, {})
            yield from added(name, addresses, comment, now)


def needed_chains(wanted: Wanted, levels: Iterable[str]) -> list[str]:
    """Return, by precedence, the chains whose sets may hold anything; `levels` have rules about names."""
    chains = [ruleset.BLOCKED_DEVICES] if wanted.exact.get(ruleset.BLOCKED_DEVICES) else []
    for level in LEVELS:
        if level in levels or any(wanted.exact.get(level + version) for version in _VERSIONS):
            chains.append(level)
        if any(wanted.exact.get(f"{level}_hosts{version}") for version in _VERSIONS):
            chains.append(f"{level}_hosts")
        if any(wanted.networks.get(f"{level}_networks{version}") for version in _VERSIONS):
            chains.append(f"{level}_networks")
    return chains


def gate(chains: Iterable[str]) -> Iterator[Request]:
    """Yield what puts these chains in front of the forward hook, and nothing where there are none."""
    yield nf_tables.delete_rules(TABLE, OUTBOUND)
    # Creating what exists changes nothing, so that what follows finds it in either case.
    yield nf_tables.forward_chain(TABLE, GATE, _GATE_PRIORITY)
    yield nf_tables.delete_rules(TABLE, GATE)
    if not chains:
        yield nf_tables.delete_chain(TABLE, GATE)
        return
    yield nf_tables.jump_rule(TABLE, GATE, ruleset.CROSSING)
    for chain in chains:
        yield nf_tables.jump_rule(TABLE, OUTBOUND, chain)
    yield nf_tables.jump_rule(TABLE, OUTBOUND, ruleset.PASS, goto=True)


def added(name: str, elements: Elements, comment: Comment, now: float) -> Iterator[Request]:
    """Yield the requests that add elements; the kernel ends them in time."""
    pairs = name in PAIRS
    encoded = (
        encode_key(key)
        if until == FOREVER
        else encode_element(Element(key, None, until - now, comment(key) if pairs else None))
        for key, until in elements.items()
        if until > now
    )
    return nf_tables.elements(nf_tables.NEWSETELEM, TABLE, name, encoded, NLM_F_CREATE)


def deleted(name: str, keys: Iterable[bytes]) -> Iterator[Request]:
    """Yield the requests that delete elements, which must be there."""
    return nf_tables.elements(nf_tables.DELSETELEM, TABLE, name, map(encode_key, keys))


def _changed_networks(name: str, old: list[Interval], new: list[Interval], now: float) -> Iterator[Request]:
    """Yield what is new, if nothing is gone; else everything: deleting one by one takes the kernel longer."""
    known = set(old)
    if known <= set(new):
        yield from _added_networks(name, [interval for interval in new if interval not in known], now)
        return
    yield nf_tables.flush_set(TABLE, name)
    yield from _added_networks(name, new, now)


def _added_networks(name: str, intervals: Iterable[Interval], now: float) -> Iterator[Request]:
    concatenated = name.startswith("device")
    encoded: list[bytes] = []
    for first, last, until in intervals:
        if until <= now:
            continue
        left = None if until == FOREVER else until - now
        if concatenated:
            encoded.append(encode_element(Element(first, last, left)))
        else:
            encoded.append(nf_tables.encode_interval(first, last, left))
    return nf_tables.elements(nf_tables.NEWSETELEM, TABLE, name, encoded, NLM_F_CREATE)

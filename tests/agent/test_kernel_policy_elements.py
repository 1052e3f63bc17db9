"""What a policy means: the sets decide every packet as the precedence of the wire contract says."""

import ipaddress
import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.firewall.elements import FOREVER, Levels, Wanted, _apart, family, fixed, mac_key, pair_key
from gateway_agent.firewall.requests import Difference, needed_chains
from gateway_agent.firewall.resolutions import Resolutions
from gateway_agent.kernel.nf_tables import padded
from gateway_agent.kernel.ruleset import LEVELS
from gateway_agent.wire.policy import DevicePolicy, Policy, Rule

HUE, CAMERA = "00:17:88:00:00:01", "00:17:88:00:00:02"
NOW = 1000.0
NAMES = ("com", "example.com", "www.example.com", "cdn.www.example.com", "example.org")
HOSTS = [ipaddress.ip_address(f"198.51.100.{host}") for host in range(12)]
HOSTS6 = [ipaddress.ip_address(f"2001:db8::{host:x}") for host in range(1, 5)]

untils = st.none() | st.sampled_from([500.0, 1500.0, 2500.0])
actions = st.sampled_from(["block", "allow"])
networks = st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.sampled_from(HOSTS),
    st.integers(26, 32),
) | st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.sampled_from(HOSTS6),
    st.sampled_from([64, 126, 128]),
)
rules = st.lists(
    st.builds(Rule, actions, name=st.sampled_from(NAMES), until=untils)
    | st.builds(Rule, actions, network=networks, until=untils),
    max_size=5,
).map(tuple)
devices = st.builds(DevicePolicy, st.booleans(), untils, rules)
policies = st.builds(Policy, st.just(1), st.dictionaries(st.sampled_from([HUE, CAMERA]), devices), rules)
lookups = st.lists(
    st.tuples(st.sampled_from([HUE, CAMERA]), st.sampled_from(NAMES), st.sampled_from(HOSTS + HOSTS6)),
    max_size=5,
)


def holds(until: float | None, now: float) -> bool:
    return until is None or until > now


def verdict(
    rules: Iterable[Rule], address: ipaddress._BaseAddress, names: Iterable[str], now: float
) -> str | None:
    """Say what the rules of one level mean, written from the contract and not from the code."""
    found = {
        rule.action for rule in rules if holds(rule.until, now) and rule.network and address in rule.network
    }
    for name in names:
        labels = name.split(".")
        for start in range(len(labels)):
            suffix = ".".join(labels[start:])
            of_suffix = {rule.action for rule in rules if holds(rule.until, now) and rule.name == suffix}
            if of_suffix:
                found.add("allow" if "allow" in of_suffix else "block")
                break
    return "allow" if "allow" in found else "block" if found else None


def passes(policy: Policy, mac: str, address: ipaddress._BaseAddress, names: list[str], now: float) -> bool:
    device = policy.devices.get(mac, DevicePolicy())
    if device.blocked and holds(device.until, now):
        return False
    for level in (device.destinations, policy.everyone):
        decided = verdict(level, address, names, now)
        if decided:
            return decided == "allow"
    return True


def kernel_passes(wanted: Wanted, mac: str, address: bytes, now: float) -> bool:
    """Walk the chains of the ruleset."""
    if wanted.has("blocked_devices", mac_key(mac), now):
        return False
    version = family(address)
    for level in LEVELS:
        network_key = pair_key(mac, address) if level.startswith("device") else address
        if (
            wanted.has(level + version, pair_key(mac, address), now)
            or wanted.has(f"{level}_hosts{version}", address, now)
            or wanted.covers(f"{level}_networks{version}", network_key, now)
        ):
            return level.endswith("allow")
    return True


def compiled(policy: Policy, resolved: list[tuple[str, str, ipaddress._BaseAddress]], now: float) -> Wanted:
    wanted = fixed(policy, {}, now)
    levels = Levels(policy)
    for mac, name, address in resolved:
        for level, until in levels.decide(mac, name, now):
            wanted.add(level + family(address.packed), pair_key(mac, address.packed), until)
    return wanted


@settings(max_examples=400)
@given(policies, lookups)
def test_every_packet_is_decided_by_precedence(policy: Policy, resolved: list) -> None:
    wanted = compiled(policy, resolved, NOW)
    for mac in (HUE, CAMERA):
        for address in HOSTS + HOSTS6:
            names = [name for owner, name, found in resolved if (owner, found) == (mac, address)]
            expected = passes(policy, mac, address, names, NOW)
            assert kernel_passes(wanted, mac, address.packed, NOW) == expected, (mac, address, names)


@settings(max_examples=400)
@given(policies, lookups)
def test_nothing_opens_up_that_another_rule_still_blocks(policy: Policy, resolved: list) -> None:
    """The kernel ends elements by itself: without the agent, what rules without end block stays blocked."""
    wanted = compiled(policy, resolved, NOW)
    for mac in (HUE, CAMERA):
        for address in HOSTS:
            names = [name for owner, name, found in resolved if (owner, found) == (mac, address)]
            for later in (2000.0, 3000.0):
                if not passes(policy, mac, address, names, later) and not name_block_was_hidden(
                    policy, mac, names
                ):
                    assert not kernel_passes(wanted, mac, address.packed, later)


def name_block_was_hidden(policy: Policy, mac: str, names: list[str]) -> bool:
    """Whether a timed block of a longer name hides one of a shorter name: the agent follows when it ends."""
    rules = [*policy.devices.get(mac, DevicePolicy()).destinations, *policy.everyone]
    return bool(names) and any(rule.name and rule.until and rule.action == "block" for rule in rules)


RANGES = st.lists(
    st.tuples(networks.filter(lambda network: network.version == 4), st.sampled_from([5.0, 9.0, FOREVER]))
)


@given(RANGES)
def test_intervals_are_apart_and_cover_the_same_for_as_long(ranges: list) -> None:
    intervals = _apart(
        [(net.network_address.packed, net.broadcast_address.packed, until) for net, until in ranges]
    )
    assert all(before[1] < after[0] for before, after in itertools.pairwise(intervals))
    assert all(first <= last for first, last, _ in intervals)
    for address in (ipaddress.ip_address("198.51.100.0") + host for host in range(70)):
        expected = max((until for net, until in ranges if address in net), default=None)
        found = [until for first, last, until in intervals if first <= address.packed <= last]
        assert found == ([] if expected is None else [expected])


def test_the_device_is_part_of_its_networks() -> None:
    rule = Rule("block", network=ipaddress.ip_network("198.51.100.0/24"))
    wanted = fixed(Policy(1, {HUE: DevicePolicy(destinations=(rule,))}), {}, NOW)
    assert wanted.networks == {
        "device_block_networks4": [
            (
                padded(bytes.fromhex("001788000001"), b"\xc6\x33\x64\x00"),
                padded(bytes.fromhex("001788000001"), b"\xc6\x33\x64\xff"),
                FOREVER,
            )
        ]
    }


def test_addresses_of_a_blocked_device_are_cut_for_as_long() -> None:
    policy = Policy(1, {HUE: DevicePolicy(blocked=True, until=1500.0)})
    wanted = fixed(
        policy, {HUE: [b"\xc0\xa8\x4d\x0b", bytes(15) + b"\1"], CAMERA: [b"\xc0\xa8\x4d\x0c"]}, NOW
    )
    assert wanted.exact == {
        "blocked_devices": {bytes.fromhex("001788000001"): 1500.0},
        "cut_devices4": {b"\xc0\xa8\x4d\x0b": 1500.0},
        "cut_devices6": {bytes(15) + b"\1": 1500.0},
    }
    assert fixed(policy, {}, 1500.0).exact == {}


@given(policies, lookups)
def test_only_chains_that_can_decide_are_in_the_way(policy: Policy, resolved: list) -> None:
    wanted = compiled(policy, resolved, NOW)
    chains = needed_chains(wanted, Levels(policy).used)
    order = [
        "blocked_devices",
        *(level + suffix for level in LEVELS for suffix in ("", "_hosts", "_networks")),
    ]
    assert chains == [chain for chain in order if chain in chains]
    for name, elements in [*wanted.exact.items(), *wanted.networks.items()]:
        if elements and not name.startswith("cut"):
            assert name.rstrip("46") in chains
    if not (
        policy.everyone or any(device.blocked or device.destinations for device in policy.devices.values())
    ):
        assert chains == []


@given(policies, lookups)
def test_the_same_again_changes_nothing(policy: Policy, resolved: list) -> None:
    wanted = compiled(policy, resolved, NOW)
    difference = Difference(wanted, compiled(policy, resolved, NOW))
    assert list(difference.requests(lambda _: None, NOW)) == []
    assert not difference.loosened


def test_resolutions_are_bounded_and_the_oldest_go() -> None:
    resolutions = Resolutions()
    for number in range(20_000):
        resolutions.add(HUE, f"n{number % 50}.example.com", number.to_bytes(4, "big"), 10.0)
    assert len(list(resolutions)) == 2048
    assert resolutions.names(HUE, (19_999).to_bytes(4, "big"))
    assert not resolutions.names(HUE, bytes(4))
    for number in range(100):
        resolutions.add(CAMERA, f"n{number}.example.com", bytes(4), 20.0)
    assert len(resolutions.names(CAMERA, bytes(4))) == 16
    for device in range(40):
        for number in range(2048):
            resolutions.add(f"02:00:00:00:00:{device:02x}", "example.com", number.to_bytes(4, "big"), 10.0)
    assert len(list(resolutions)) <= 16_384 + 15
    resolutions.expire(15.0)
    assert {entry.mac for entry in resolutions} <= {CAMERA}


def test_the_later_end_counts() -> None:
    resolutions = Resolutions()
    resolutions.add(HUE, "example.com", bytes(4), 20.0)
    resolutions.add(HUE, "example.com", bytes(4), 10.0)
    assert resolutions.names(HUE, bytes(4)) == {"example.com": 20.0}

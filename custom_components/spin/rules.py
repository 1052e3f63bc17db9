"""What a policy says, and the changes that can be made to it: pure functions.

A change may be applied twice without harm. Precedence: a blocked device > what the device is
allowed > what it is not > what everyone is allowed > what nobody is. Among the names of one level
the most specific decides; what is allowed wins over what is blocked where both hold.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from .models import DevicePolicy, Mac, Policy, Rule

type Change = Callable[[Policy], Policy]

ALLOW = "allow"
BLOCK = "block"


def _with_device(policy: Policy, mac: Mac, device: DevicePolicy) -> Policy:
    devices = {**policy.devices, mac: device}
    if device == DevicePolicy():
        del devices[mac]
    return replace(policy, devices=devices)


def _outlasts(present: float | None, until: float | None) -> bool:
    """Return whether what ends at the present time, or never, ends no sooner than what ends at the other."""
    return until is not None and (present is None or present >= until)


def block_device(mac: Mac, *, until: float | None = None) -> Change:
    """Cut a device off the Internet, for good or until a time of the gateway's clock.

    A block that lasts longer stands.
    """

    def change(policy: Policy) -> Policy:
        present = policy.device(mac)
        if present.blocked and _outlasts(present.until, until):
            return policy
        return _with_device(policy, mac, replace(present, blocked=True, until=until))

    return change


def unblock_device(mac: Mac) -> Change:
    """Let a device use the Internet; the rules for its destinations stay."""

    def change(policy: Policy) -> Policy:
        return _with_device(policy, mac, replace(policy.device(mac), blocked=False, until=None))

    return change


def _same_target(one: Rule, other: Rule) -> bool:
    return one.name == other.name and one.address == other.address


def set_rule(mac: Mac | None, rule: Rule) -> Change:
    """Put a rule in the place of those with the same target, for a device or for everyone.

    One that does the same for longer stands.
    """

    def put(rules: Sequence[Rule]) -> tuple[Rule, ...]:
        others = tuple(r for r in rules if not _same_target(r, rule))
        former = [r for r in rules if _same_target(r, rule)]
        if len(former) == 1 and former[0].action == rule.action and _outlasts(former[0].until, rule.until):
            return tuple(rules)
        return tuple(rules) if rule in rules and len(others) == len(rules) - 1 else (*others, rule)

    return _edit_rules(mac, put)


def remove_rule(mac: Mac | None, target: Rule) -> Change:
    """Take away the rules with this target, for a device or for everyone."""
    return _edit_rules(mac, lambda rules: tuple(r for r in rules if not _same_target(r, target)))


def take_back(mac: Mac | None, rule: Rule) -> Change:
    """Take away this very rule; one for the same target that says something else stays."""
    return _edit_rules(mac, lambda rules: tuple(r for r in rules if r != rule))


def disallow(mac: Mac | None, target: Rule) -> Change:
    """Take away the rules that allow this target; those that block it stay."""
    return _edit_rules(
        mac, lambda rules: tuple(r for r in rules if not (r.action == ALLOW and _same_target(r, target)))
    )


def share_rules(macs: Sequence[Mac]) -> Change:
    """Have all that holds for one of several MAC addresses hold for all of them.

    Where two have different rules for one target, that of the first MAC address wins.
    """

    def change(policy: Policy) -> Policy:
        devices = [policy.device(mac) for mac in macs]
        ends = [device.until for device in devices if device.blocked]
        rules = {
            (rule.name, rule.address): rule for device in reversed(devices) for rule in device.destinations
        }
        timed = [end for end in ends if end is not None]
        shared = DevicePolicy(
            blocked=bool(ends),
            until=max(timed) if timed and len(timed) == len(ends) else None,
            destinations=tuple(rules.values()),
        )
        for mac in macs:
            policy = _with_device(policy, mac, shared)
        return policy

    return change


def _edit_rules(mac: Mac | None, edit: Callable[[Sequence[Rule]], tuple[Rule, ...]]) -> Change:
    def change(policy: Policy) -> Policy:
        if mac is None:
            return replace(policy, everyone=edit(policy.everyone))
        device = policy.device(mac)
        return _with_device(policy, mac, replace(device, destinations=edit(device.destinations)))

    return change


def together(changes: Sequence[Change]) -> Change:
    """Make one change of several."""

    def change(policy: Policy) -> Policy:
        for one in changes:
            policy = one(policy)
        return policy

    return change


@lru_cache(maxsize=4096)
def _within(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)


def _level(rules: Sequence[Rule], name: str | None, addresses: Collection[str]) -> str | None:
    actions = {
        rule.action
        for rule in rules
        if rule.address and any(_within(address, rule.address) for address in addresses)
    }
    if name is not None:
        suffixes = [r for r in rules if r.name and (name == r.name or name.endswith(f".{r.name}"))]
        longest = max((len(r.target) for r in suffixes), default=0)
        actions |= {r.action for r in suffixes if len(r.target) == longest}
    return next((action for action in (ALLOW, BLOCK) if action in actions), None)


def decision(policy: Policy, mac: Mac, name: str | None, addresses: Collection[str]) -> str | None:
    """Return what the policy says of a device's traffic to a name and its addresses, None for nothing."""
    device = policy.device(mac)
    if device.blocked:
        return BLOCK
    return _level(device.destinations, name, addresses) or _level(policy.everyone, name, addresses)

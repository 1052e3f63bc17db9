"""What a policy says, and changes of it."""

import pytest
from gateway_double import CAMERA, HUE

from custom_components.spin.models import DevicePolicy, Policy, Rule
from custom_components.spin.rules import (
    block_device,
    decision,
    remove_rule,
    set_rule,
    together,
    unblock_device,
)

EMPTY = Policy(3, {})
BAIDU = Rule("block", name="baidu.com")


def test_block_and_unblock() -> None:
    blocked = block_device(HUE, until=9.0)(EMPTY)
    assert blocked.devices == {HUE: DevicePolicy(blocked=True, until=9.0)}
    assert unblock_device(HUE)(blocked) == EMPTY


def test_unblocking_keeps_the_rules_for_destinations() -> None:
    policy = together([set_rule(HUE, BAIDU), block_device(HUE), unblock_device(HUE)])(EMPTY)
    assert policy.devices == {HUE: DevicePolicy(destinations=(BAIDU,))}


@pytest.mark.parametrize("mac", [HUE, None])
def test_one_rule_for_each_target(mac: str | None) -> None:
    other = Rule("block", name="example.org")
    allow = Rule("allow", name="baidu.com")
    policy = together([set_rule(mac, BAIDU), set_rule(mac, other), set_rule(mac, allow)])(EMPTY)
    rules = policy.everyone if mac is None else policy.device(mac).destinations
    assert rules == (other, allow)
    assert remove_rule(mac, BAIDU)(remove_rule(mac, other)(policy)) == EMPTY


@pytest.mark.parametrize(
    "change",
    [
        block_device(HUE),
        unblock_device(HUE),
        set_rule(HUE, BAIDU),
        set_rule(None, BAIDU),
        remove_rule(None, BAIDU),
    ],
)
def test_twice_is_once(change: object) -> None:
    start = together([set_rule(HUE, BAIDU), set_rule(HUE, Rule("block", name="a.org"))])(EMPTY)
    once = change(start)  # type: ignore[operator]
    assert change(once) == once  # type: ignore[operator]


def policy(device: list[Rule], everyone: list[Rule]) -> Policy:
    return Policy(1, {HUE: DevicePolicy(destinations=tuple(device))}, tuple(everyone))


@pytest.mark.parametrize(
    ("device", "everyone", "name", "addresses", "expected"),
    [
        ([], [], "a.org", [], None),
        ([BAIDU], [], "www.baidu.com", [], "block"),
        ([BAIDU], [], "baidu.com", [], "block"),
        ([BAIDU], [], "notbaidu.com", [], None),
        ([], [BAIDU], "www.baidu.com", [], "block"),
        ([Rule("allow", name="www.baidu.com")], [BAIDU], "www.baidu.com", [], "allow"),
        ([BAIDU, Rule("allow", name="www.baidu.com")], [], "x.www.baidu.com", [], "allow"),
        (
            [Rule("allow", name="baidu.com"), Rule("block", name="www.baidu.com")],
            [],
            "www.baidu.com",
            [],
            "block",
        ),
        ([Rule("block", address="192.0.2.0/24")], [], None, ["192.0.2.7"], "block"),
        ([Rule("block", address="192.0.2.0/24")], [], None, ["2001:db8::1"], None),
        ([BAIDU, Rule("allow", address="192.0.2.7")], [], "baidu.com", ["192.0.2.7"], "allow"),
    ],
)
def test_decisions(
    device: list[Rule], everyone: list[Rule], name: str | None, addresses: list[str], expected: str | None
) -> None:
    assert decision(policy(device, everyone), HUE, name, addresses) == expected


def test_rules_of_a_device_are_its_own() -> None:
    assert decision(policy([BAIDU], []), CAMERA, "baidu.com", []) is None


def test_nothing_pierces_the_block_of_a_device() -> None:
    blocked = block_device(HUE)(policy([Rule("allow", name="a.org")], []))
    assert decision(blocked, HUE, "a.org", []) == "block"

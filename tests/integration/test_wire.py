"""The parsers of the gateway's messages."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_double import HUE, example, flows, row, wire_messages
from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin import wire
from custom_components.spin.checks import plain_text
from custom_components.spin.const import MAX_MESSAGE_BYTES
from custom_components.spin.models import DevicePolicy, Rule


def parse(topic: str, payload: bytes) -> object:
    """Parse a message by its topic, as the coordinator does."""
    _, gateway, *below = topic.split("/")
    if below[0] == "device":
        mac = wire.parse_mac(below[1])
        return wire.parse_flows(payload) if below[2:] else wire.parse_device(payload, mac)
    parsers: dict[str, Callable[[bytes], object]] = {
        "info": lambda payload: wire.parse_info(payload, gateway),
        "status": wire.parse_status,
        "policy": wire.parse_policy,
        "policy/state": wire.parse_policy_state,
    }
    return parsers["/".join(below)](payload)


def of_readers(kind: str) -> list[Any]:
    """Return the messages that a reader subscribes to."""
    return [
        pytest.param(topic, payload, id=name)
        for name, topic, payload in wire_messages(kind)
        if topic.split("/")[2] not in {"command", "reply", "capture"}
    ]


@pytest.mark.parametrize(("topic", "payload"), of_readers("examples"))
def test_examples_are_understood(topic: str, payload: bytes) -> None:
    parse(topic, payload)


@pytest.mark.parametrize(("topic", "payload"), of_readers("hostile"))
def test_hostile_messages_are_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(wire.WireError):
        parse(topic, payload)


def test_info() -> None:
    info = wire.parse_info(json.dumps(example("info-problems")).encode(), "home")
    assert (info.name, info.version, info.interval) == ("Home gateway", "0.1.0", 5)
    assert "block" not in info.capabilities
    assert info.limits["devices"] == 256
    assert [problem.code for problem in info.problems] == ["accounting_off"]


def test_another_protocol_is_told_apart() -> None:
    with pytest.raises(wire.UnsupportedProtocolError) as caught:
        wire.parse_info(json.dumps(example("info") | {"protocol": 3}).encode(), "home")
    assert caught.value.protocol == 3


def test_device() -> None:
    report = wire.parse_device(json.dumps(example("device")).encode(), HUE)
    assert report is not None
    assert report.hostname == "Philips-hue"
    assert report.addresses == ("192.168.8.20", "2001:db8:8::217:88ff:fe00:1")
    assert report.counters.packets == 19


def test_flows() -> None:
    message = wire.parse_flows(json.dumps(example("flows")).encode())
    assert [(r.name, r.address, r.port) for r in message.rows] == [
        ("ws.meethue.com", "198.51.100.7", 443),
        ("time1.google.com", "203.0.113.35", 123),
        (None, "2001:db8:ffff::9", 8883),
        (None, "192.168.9.4", 0),
    ]
    assert message.rows[0].counters.sent_bytes == 1148
    assert message.rows[2].counters.blocked == 3
    assert message.lookups == {"www2.meethue.com": 1577880002.0}


def test_policy_there_and_back() -> None:
    policy = wire.parse_policy(json.dumps(example("policy")).encode())
    assert policy.device(HUE) == DevicePolicy(blocked=True, until=1577883600.0)
    assert policy.everyone == (Rule("block", name="doubleclick.net"),)
    assert wire.parse_policy(json.dumps(wire.policy_as_dict(policy)).encode()) == policy


def test_a_network_of_one_address_is_that_address() -> None:
    rule = {"action": "block", "address": "192.0.2.1/32"}
    policy = wire.parse_policy(json.dumps({"revision": 1, "everyone": [rule]}).encode())
    assert policy.everyone[0].address == "192.0.2.1"


def test_devices_without_rules_are_left_out() -> None:
    policy = wire.parse_policy(json.dumps({"revision": 1, "devices": {HUE: {}}}).encode())
    assert policy.devices == {}


def test_policy_state_names_the_refused_revision() -> None:
    state = wire.parse_policy_state(json.dumps(example("policy-state-refused")).encode())
    assert state.enforced
    assert state.policy.revision == 4
    assert [(p.code, p.revision) for p in state.problems] == [("policy_refused", 5)]


@pytest.mark.parametrize(
    "change",
    [
        {"destinations": [row(address="fe80::1%eth0")]},
        {"destinations": [row(address="1" * 300)]},
        {"destinations": [row(name_source="<b>")]},
        {"destinations": [row(local=0)]},
        {"destinations": [row(port=443.0)]},
        {"destinations": [row(protocol="T C P")]},
        {"counters": {}},
        {"epoch": "a/b"},
        {"start": float("-1")},
        {"start": True},
        {"lookups": [{"name": None, "last": 0}]},
        {"snapshot": "yes"},
    ],
)
def test_flows_of_the_wrong_shape(change: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_flows(json.dumps(flows() | change).encode())


@pytest.mark.parametrize(
    ("parser", "message"),
    [
        (wire.parse_policy, {"revision": 1, "everyone": [{"action": "block", "address": 5}]}),
        (wire.parse_policy, {"revision": 1, "everyone": [{"action": "block", "address": "fe80::1%x"}]}),
        (wire.parse_policy, {"revision": 1, "everyone": [{"action": "block", "name": "a" * 64}]}),
        (
            wire.parse_policy_state,
            {"revision": 1, "enforced": True, "problems": [{"code": "a b", "text": ""}]},
        ),
        (wire.parse_policy_state, {"revision": 1, "enforced": True, "problems": [{"code": "a", "text": 1}]}),
    ],
)
def test_policies_of_the_wrong_shape(parser: Callable[[bytes], object], message: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        parser(json.dumps(message).encode())


def test_too_large() -> None:
    with pytest.raises(wire.WireError, match="more than 131072"):
        wire.parse_flows(b" " * (MAX_MESSAGE_BYTES + 1))


def test_text_is_made_plain() -> None:
    assert plain_text("  Kees'\x1b[31m bulb\u202e\n ") == "Kees'[31m bulb"
    assert len(plain_text("x" * 2000)) == 500


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(payload: bytes) -> None:
    for parser in (wire.parse_flows, wire.parse_policy, wire.parse_policy_state, wire.parse_status):
        try:
            parser(payload)
        except wire.WireError:
            continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(flows())), st.sampled_from(sorted(row())), JSON)
def test_no_value_does_harm(key: str, field: str, value: Any) -> None:
    for message in (flows(row()) | {key: value}, flows(row() | {field: value})):
        try:
            parsed = wire.parse_flows(json.dumps(message).encode())
        except wire.WireError:
            continue
        assert all(type(count) is int and 0 <= count < 2**64 for count in parsed.counters)

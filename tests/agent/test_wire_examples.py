"""The examples of the wire contract: what the agent understands, refuses, and says itself."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from gateway_agent.ledger.ledger import Ledger
from gateway_agent.ledger.names import NameTable
from gateway_agent.model import Answer, Flow, HostName, Neighbour, Traffic
from gateway_agent.wire.commands import (
    Command,
    CommandError,
    Snapshot,
    StartCapture,
    StopCapture,
    parse_command,
)
from gateway_agent.wire.messages import (
    OFFLINE,
    ONLINE,
    CaptureReport,
    Info,
    Message,
    capture_report,
    gone,
    info,
    policy_state,
    reply,
    status,
)
from gateway_agent.wire.policy import (
    DevicePolicy,
    Policy,
    PolicyError,
    Problem,
    Rule,
    parse_policy,
    policy_to_wire,
)

WIRE = Path(__file__).parents[1] / "wire"
ROOT = "spin/home/"
MAC, OTHER = "00:17:88:00:00:01", "00:17:88:00:00:02"
LAN = ipaddress.ip_address("192.168.8.20").packed
REMOTE = ipaddress.ip_address("198.51.100.7").packed
EPOCH = "5f3a9c01d2e4b687"
REPORT = CaptureReport("br-lan", 2.0, 1, 82, 0, 0)


def payload(file: Path) -> bytes:
    content = json.loads(file.read_text())
    if "payload" in content:
        return json.dumps(content["payload"]).encode()
    if "repeat" in content:
        text, times = content["repeat"]
        return str(text).encode() * int(times)
    return str(content["raw"]).encode("latin-1")


def files(folder: str, topic: str) -> list[Any]:
    """Return the files of one kind of message; of the hostile ones also those that are hostile anywhere."""
    found = sorted((WIRE / folder).glob("*.json"))
    assert found
    anywhere = ("not-json", "not-utf8", "deep-nesting", "info-not-an-object")
    return [
        pytest.param(file, id=file.stem)
        for file in found
        if json.loads(file.read_text())["topic"] == ROOT + topic or file.stem in anywhere
    ]


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((WIRE / "examples" / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("file", files("examples", "policy"))
def test_policies_are_accepted_and_come_back_unchanged(file: Path) -> None:
    policy = parse_policy(payload(file))
    assert parse_policy(json.dumps(policy_to_wire(policy)).encode()) == policy
    assert policy.revision == json.loads(payload(file))["revision"]


def test_the_content_of_a_policy() -> None:
    until = 1_577_883_600.0
    assert parse_policy(payload(WIRE / "examples" / "policy.json")) == Policy(
        4,
        {
            MAC: DevicePolicy(blocked=True, until=until),
            OTHER: DevicePolicy(
                destinations=(
                    Rule("block", name="baidu.com"),
                    Rule("allow", network=ipaddress.ip_network("203.0.113.0/24"), until=until),
                    Rule("block", network=ipaddress.ip_network("2001:db8:bad::1")),
                )
            ),
        },
        (Rule("block", name="doubleclick.net"),),
    )


@pytest.mark.parametrize("file", files("hostile", "policy"))
def test_hostile_policies_are_refused(file: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(payload(file))
    assert str(refused.value)


COMMANDS: dict[str, Command] = {
    "command-snapshot": Snapshot("7c1e-1"),
    "command-snapshot-device": Snapshot("7c1e-2", MAC),
    "command-capture": StartCapture("cap-1", MAC, 60, 5_000_000, headers_only=True),
    "command-capture-defaults": StartCapture("cap-2", MAC, 300, 20_000_000, headers_only=False),
    "command-stop-capture": StopCapture("stop-1", "cap-1"),
}


@pytest.mark.parametrize("file", files("examples", "command"))
def test_commands_are_understood(file: Path) -> None:
    assert parse_command(payload(file)) == COMMANDS[file.stem]


@pytest.mark.parametrize("file", files("hostile", "command"))
def test_hostile_commands_are_refused(file: Path) -> None:
    with pytest.raises(CommandError) as refused:
        parse_command(payload(file))
    content = json.loads(file.read_text()).get("payload")
    assert refused.value.id == ("x" if isinstance(content, dict) and content.get("id") == "x" else None)


def shape(value: object) -> object:
    """Return the keys of a message at every depth, and the kinds of what they hold."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return {json.dumps(shape(item), sort_keys=True) for item in value}
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def assert_like(message: Message, name: str) -> None:
    """Assert topic, retain flag, keys at every depth and kinds of values of an example."""
    expected = example(name)
    assert ROOT + message.topic == expected["topic"]
    assert message.retain == expected.get("retain", False)
    assert message.qos == 1
    if "raw" in expected:
        assert message.payload == expected["raw"].encode("latin-1")
    else:
        assert shape(json.loads(message.payload)) == shape(expected["payload"])


def ledger() -> Ledger:
    local = ipaddress.ip_network("192.168.0.0/16")
    ledger = Ledger(
        epoch=EPOCH,
        names=NameTable(),
        is_local=lambda address: len(address) == 4 and ipaddress.ip_address(address) in local,
    )
    ledger.neighbour(Neighbour(MAC, LAN, 1.0))
    return ledger


def flows_of(*, snapshot: bool) -> list[Message]:
    book = ledger()
    v6, peer = ipaddress.ip_address("2001:db8:ffff::9").packed, ipaddress.ip_address("192.168.9.4").packed
    book.answered(MAC, Answer(LAN, "ws.meethue.com", (REMOTE,), 60, answered=True, at=1.0))
    book.answered(MAC, Answer(LAN, "www2.meethue.com", (v6[:15] + b"\1",), 60, answered=True, at=1.0))
    book.add(Flow(LAN, REMOTE, 6, 443), Traffic(1.0, 2.0, sent_bytes=40, sent_packets=1))
    book.add(Flow(LAN, v6, 17, 123), Traffic(1.0, 2.0, sent_bytes=76, sent_packets=1, requests=[1.5]))
    book.add(Flow(LAN, peer, 1, 0), Traffic(1.0, 2.0, sent_bytes=84, sent_packets=1))
    return list(book.collect(0.0, 10.0, snapshot=snapshot))


@pytest.mark.parametrize(("name", "snapshot"), [("flows", False), ("flows-snapshot", True)])
def test_flows(name: str, snapshot: bool) -> None:
    message = next(message for message in flows_of(snapshot=snapshot) if message.topic.endswith("/flows"))
    expected = example(name)
    content = json.loads(message.payload)
    assert ROOT + message.topic == expected["topic"]
    assert (message.retain, message.qos, content["snapshot"]) == (False, 1, snapshot)
    assert list(content) == list(expected["payload"])
    for key in ("counters", "fanout", "omitted"):
        assert list(content[key]) == list(expected["payload"][key])
    for key in ("destinations", "lookups"):
        keys = {tuple(row) for row in expected["payload"][key]}
        assert {tuple(row) for row in content[key]} == keys
    rows = {row["protocol"]: row for row in content["destinations"]}
    assert (rows["tcp"]["name"], rows["tcp"]["name_source"]) == ("ws.meethue.com", "dns")
    assert (rows["udp"]["name"], rows["udp"]["name_source"]) == (None, None)
    assert rows["udp"]["requests"] == [1.5]
    assert [rows[protocol]["local"] for protocol in ("tcp", "udp", "icmp")] == [False, False, True]
    assert content["lookups"] == [{"name": "www2.meethue.com", "answered": True, "count": 1, "last": 1.0}]
    assert content["counters"]["sent_bytes"] == 116


def test_devices() -> None:
    book = ledger()
    book.host_name(HostName(MAC, "Philips-hue", "udhcp 1.19.4", 1.0))
    (message,) = [message for message in book.collect(0.0, 5.0) if not message.topic.endswith("/flows")]
    assert_like(message, "device")
    assert json.loads(message.payload)["addresses"] == ["192.168.8.20"]


def test_a_device_without_name() -> None:
    book = Ledger(epoch=EPOCH, names=NameTable(), is_local=lambda _: False)
    book.add(Flow(LAN, REMOTE, 6, 443, MAC), Traffic(1.0, 2.0, sent_bytes=40, sent_packets=1))
    (message,) = [message for message in book.collect(0.0, 5.0) if not message.topic.endswith("/flows")]
    assert_like(message, "device-unnamed")


@pytest.mark.parametrize(
    ("name", "problems"),
    [("info", []), ("info-problems", [Problem("accounting_off", "Set it.")])],
)
def test_info(name: str, problems: list[Problem]) -> None:
    content = example(name)["payload"]
    content.pop("from_a_later_version", None)
    values = Info(
        **{key: content[key] for key in content if key not in ("protocol", "problems")}, problems=problems
    )
    message = info(values)
    said = json.loads(message.payload)
    assert (message.topic, message.retain) == ("info", True)
    assert shape(said) == shape(content)
    assert said | {"problems": 0, "capabilities": sorted(said["capabilities"])} == content | {
        "problems": 0,
        "capabilities": sorted(content["capabilities"]),
    }


def test_policy_state() -> None:
    content = example("policy-state")["payload"]
    policy = parse_policy(json.dumps(content).encode())
    message = policy_state(policy, enforced=True, problems=[])
    said = json.loads(message.payload)
    assert (ROOT + message.topic, message.retain) == (example("policy-state")["topic"], True)
    assert list(said) == list(content)
    for rule in content["devices"][OTHER]["destinations"]:
        if rule.get("until", 0) is None:
            del rule["until"]
    assert said == content


def test_a_refused_policy() -> None:
    content = example("policy-state-refused")["payload"]
    problem = Problem("policy_refused", content["problems"][0]["text"], {"revision": 5})
    policy = parse_policy(json.dumps(content).encode())
    said = json.loads(policy_state(policy, enforced=True, problems=[problem]).payload)
    assert said["problems"] == content["problems"]


def test_a_source_that_cannot_block() -> None:
    problem = Problem("cannot_block", "This source only observes.")
    message = policy_state(Policy(), enforced=False, problems=[problem])
    assert json.loads(message.payload) == example("policy-state-unable")["payload"]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (status(ONLINE), "status-online"),
        (status(OFFLINE), "status-offline"),
        (gone(MAC), "device-gone"),
        (reply("7c1e-1"), "reply-ok"),
        (capture_report("cap-1", REPORT, reason=None), "reply-capture-began"),
        (capture_report("cap-1", REPORT, reason=None), "reply-capture-running"),
        (capture_report("cap-1", REPORT, reason="duration"), "reply-capture-ended"),
        (reply("cap-1", "no such device: 00:17:88:00:00:01"), "reply-capture-refused"),
        (Message("capture/cap-1", b""), "capture-end"),
        (reply("7c1e-2", "no such command: 'reboot'"), "reply-error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_short_messages(message: Message, name: str) -> None:
    assert_like(message, name)

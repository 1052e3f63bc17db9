"""The wire contract, version 1: the form of what the agent says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from gateway_agent.model import Mac
from gateway_agent.wire.policy import Policy, Problem, policy_to_wire
from gateway_agent.wire.strict_json import encode

PROTOCOL: Final = 1
GATEWAY: Final = re.compile(r"[a-z0-9_-]{1,32}")
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

_MAX_PROBLEM_TEXT = 1000


class Message(NamedTuple):
    """An MQTT message; the topic is relative to the gateway's root."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """How far a capture is: what the broker has, and the packets that were lost on the way, and where."""

    interface: str
    elapsed: float
    packets: int
    bytes: int
    dropped_kernel: int
    dropped_agent: int


def _problems(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {"code": problem.code, "text": problem.text[:_MAX_PROBLEM_TEXT], **problem.extra}
        for problem in problems
    ]


@dataclass(frozen=True, slots=True)
class Info:
    """What the agent is and can do, and what is wrong."""

    gateway: str
    name: str
    version: str
    epoch: str
    started: float
    interval: float
    source: str
    capabilities: Sequence[str]
    limits: Mapping[str, int]
    problems: Sequence[Problem]


def info(values: Info) -> Message:
    """Return the message of what the agent is."""
    payload = {
        "protocol": PROTOCOL,
        "gateway": values.gateway,
        "name": values.name,
        "version": values.version,
        "epoch": values.epoch,
        "started": round(values.started, 3),
        "interval": values.interval,
        "source": values.source,
        "capabilities": sorted(values.capabilities),
        "limits": dict(values.limits),
        "problems": _problems(values.problems),
    }
    return Message("info", encode(payload), retain=True)


def status(text: bytes) -> Message:
    """Return the status message, ONLINE or OFFLINE."""
    return Message("status", text, retain=True)


def policy_state(policy: Policy, *, enforced: bool, problems: Sequence[Problem]) -> Message:
    """Return the rules that are in force."""
    payload = {**policy_to_wire(policy), "enforced": enforced, "problems": _problems(problems)}
    return Message("policy/state", encode(payload), retain=True)


def reply(id_: str, error: str | None = None) -> Message:
    """Return the answer to a command: done, or what is wrong with it."""
    payload: dict[str, Any] = {"ok": error is None}
    if error is not None:
        payload["error"] = error
    return Message(f"reply/{id_}", encode(payload))


def capture_report(id_: str, report: CaptureReport, *, reason: str | None) -> Message:
    """Return the news of a capture; with the reason for its end, it is over."""
    state = {"state": "running"} if reason is None else {"state": "ended", "reason": reason}
    return Message(f"reply/{id_}", encode({"ok": True, **asdict(report), **state}))


def gone(mac: Mac) -> Message:
    """Return the message that takes a device back."""
    return Message(f"device/{mac}", b"", retain=True)

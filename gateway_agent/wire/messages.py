"""The wire contract, version 1: what the agent understands of others, and the form of what it says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import voluptuous as vol

from gateway_agent.model import Mac
from gateway_agent.wire.policy import Policy, Problem, explain, mac_address, policy_to_wire
from gateway_agent.wire.strict_json import JsonError, decode, encode, shown

PROTOCOL: Final = 1
GATEWAY: Final = re.compile(r"[a-z0-9_-]{1,32}")
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_PROBLEM_TEXT = 1000


class Message(NamedTuple):
    """An MQTT message; the topic is relative to the gateway's root."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A reader's request; `device` limits a snapshot to one device."""

    id: str
    command: str
    device: Mac | None = None


class CommandError(ValueError):
    """A command that is not understood; `id` is where to answer, if it could be read."""

    def __init__(self, text: str, id_: str | None) -> None:
        super().__init__(text)
        self.id = id_


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise vol.Invalid("not 1 to 64 letters, digits, '_' or '-'")
    return value


def _known_command(value: object) -> str:
    if value != "snapshot":
        raise vol.Invalid(f"no such command: {shown(value)}")
    return "snapshot"


def _device(value: object) -> Mac | None:
    return None if value is None else mac_address(value)


_COMMAND = vol.Schema(
    {
        vol.Required("id"): _id,
        vol.Required("command"): _known_command,
        vol.Optional("device", default=None): _device,
    },
    extra=vol.REMOVE_EXTRA,
)


def parse_command(payload: bytes) -> Command:
    """Return the command of a message; raise CommandError with the reason."""
    try:
        value = decode(payload)
    except JsonError as error:
        raise CommandError(str(error), None) from error
    try:
        return Command(**_COMMAND(value))
    except vol.Invalid as error:
        raise CommandError(explain(error), _readable_id(value)) from error


def _readable_id(value: object) -> str | None:
    try:
        return _id(value.get("id")) if isinstance(value, dict) else None
    except vol.Invalid:
        return None


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


def gone(mac: Mac) -> Message:
    """Return the message that takes a device back."""
    return Message(f"device/{mac}", b"", retain=True)

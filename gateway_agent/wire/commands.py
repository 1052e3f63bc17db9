"""What readers ask the agent for: a snapshot, a capture, or the end of one."""

import re
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from gateway_agent.model import Mac
from gateway_agent.wire.policy import explain, mac_address
from gateway_agent.wire.strict_json import JsonError, decode, shown

LONGEST_CAPTURE: Final = 3_600
LARGEST_CAPTURE: Final = 1_000_000_000
_SMALLEST_CAPTURE: Final = 4_096

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows are wanted again; with `device` that one's only."""

    id: str
    device: Mac | None = None


@dataclass(frozen=True, slots=True)
class StartCapture:
    """A device's packets are wanted, for `duration` seconds or until the file has `max_bytes`."""

    id: str
    device: Mac
    duration: int = 300
    max_bytes: int = 20_000_000
    headers_only: bool = False


@dataclass(frozen=True, slots=True)
class StopCapture:
    """The capture with the id `capture` is to end."""

    id: str
    capture: str


Command = Snapshot | StartCapture | StopCapture


class CommandError(ValueError):
    """A command that is not understood; `id` is where to answer, if it could be read."""

    def __init__(self, text: str, id_: str | None) -> None:
        super().__init__(text)
        self.id = id_


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise vol.Invalid("not 1 to 64 letters, digits, '_' or '-'")
    return value


def _device(value: object) -> Mac | None:
    return None if value is None else mac_address(value)


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise vol.Invalid("neither true nor false")
    return value


def _whole(lowest: int, highest: int) -> Any:  # noqa: ANN401 (a validator)
    def validate(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise vol.Invalid(f"not a whole number from {lowest} to {highest}")
        return value

    return validate


_KINDS: Final[dict[str, tuple[type[Command], dict[Any, Any]]]] = {
    "snapshot": (Snapshot, {vol.Optional("device"): _device}),
    "capture": (
        StartCapture,
        {
            vol.Required("device"): mac_address,
            vol.Optional("duration"): _whole(1, LONGEST_CAPTURE),
            vol.Optional("max_bytes"): _whole(_SMALLEST_CAPTURE, LARGEST_CAPTURE),
            vol.Optional("headers_only"): _flag,
        },
    ),
    "stop_capture": (StopCapture, {vol.Required("capture"): _id}),
}
_SCHEMAS: Final = {
    name: vol.Schema({vol.Required("id"): _id, **fields}, extra=vol.REMOVE_EXTRA)
    for name, (_, fields) in _KINDS.items()
}


def parse_command(payload: bytes) -> Command:
    """Return the command of a message; raise CommandError with the reason."""
    try:
        value = decode(payload)
    except JsonError as error:
        raise CommandError(str(error), None) from error
    if not isinstance(value, dict):
        raise CommandError("not an object", None)
    if "command" not in value:
        raise CommandError("command: required key not provided", _readable_id(value))
    name = value["command"]
    if not isinstance(name, str) or name not in _KINDS:
        raise CommandError(f"command: no such command: {shown(name)}", _readable_id(value))
    try:
        found: Command = _KINDS[name][0](**_SCHEMAS[name](value))
    except vol.Invalid as error:
        raise CommandError(explain(error), _readable_id(value)) from error
    return found


def _readable_id(value: dict[str, object]) -> str | None:
    try:
        return _id(value.get("id"))
    except vol.Invalid:
        return None

"""What is said of a capture on the wire: the command, its replies, and the chunks of its pcap file."""

import struct
from dataclasses import dataclass
from typing import Any, Literal

import voluptuous as vol
from homeassistant.util.json import json_loads_object

from .. import checks
from ..models import Mac
from ..wire import WireError

MAX_REPLY_BYTES = 4096
MAX_CHUNK_BYTES = 131_072
SNAP_LENGTH = 262_144
# Little endian, nanoseconds, version 2.4, Ethernet.
FILE_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_MAGIC = 0xA1B23C4D
_NANOSECONDS = 1_000_000_000

type State = Literal["running", "ended"]

_REPLY = vol.Schema(
    {
        vol.Required("ok"): checks.flag,
        vol.Optional("error", default=None): checks.or_null(checks.text),
        vol.Optional("state", default="running"): vol.In(("running", "ended")),
        vol.Optional("reason", default=None): checks.or_null(checks.word),
        vol.Optional("elapsed", default=0.0): checks.unix_time,
        vol.Optional("packets", default=0): checks.count,
        vol.Optional("bytes", default=0): checks.count,
        vol.Optional("dropped_kernel", default=0): checks.count,
        vol.Optional("dropped_agent", default=0): checks.count,
    },
    extra=vol.REMOVE_EXTRA,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """How far a capture is, or why there is none. `bytes` is the size of the file so far."""

    ok: bool
    error: str | None
    state: State
    reason: str | None
    elapsed: float
    packets: int
    bytes: int
    dropped_kernel: int
    dropped_agent: int

    @property
    def dropped(self) -> int:
        """Packets that are not in the file."""
        return self.dropped_kernel + self.dropped_agent


def parse_reply(payload: bytes) -> Reply:
    """Read an answer to a command; raises WireError."""
    if len(payload) > MAX_REPLY_BYTES:
        raise WireError(f"{len(payload)} bytes, more than {MAX_REPLY_BYTES}")
    try:
        return Reply(**_REPLY(json_loads_object(payload)))
    except (ValueError, vol.Invalid) as err:
        raise WireError(checks.plain_text(str(err))) from err


def command(capture: str, mac: Mac, seconds: int, max_bytes: int, *, headers_only: bool) -> dict[str, Any]:
    """Return the command that begins a capture."""
    return {
        "id": capture,
        "command": "capture",
        "device": mac,
        "duration": seconds,
        "max_bytes": max_bytes,
        "headers_only": headers_only,
    }


def check_chunk(chunk: bytes, *, first: bool) -> int:
    """Return how many packets a chunk has; raises WireError where it is no part of a pcap file."""
    if len(chunk) > MAX_CHUNK_BYTES:
        raise WireError(f"a chunk of {len(chunk)} bytes")
    at = packets = 0
    if first:
        if len(chunk) < FILE_HEADER.size or FILE_HEADER.unpack_from(chunk)[0] != _MAGIC:
            raise WireError("the first chunk does not begin a pcap file")
        at = FILE_HEADER.size
    while at < len(chunk):
        if at + _RECORD.size > len(chunk):
            raise WireError("a chunk ends within a record")
        _, nanoseconds, included, original = _RECORD.unpack_from(chunk, at)
        if nanoseconds >= _NANOSECONDS or included > min(SNAP_LENGTH, original):
            raise WireError("a chunk has no records of a pcap file")
        at += _RECORD.size + included
        packets += 1
    if at != len(chunk):
        raise WireError("a chunk ends within a packet")
    return packets

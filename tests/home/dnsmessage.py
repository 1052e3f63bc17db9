"""DNS messages (RFC 1035) as the simulated home's clients and server need them: A, AAAA and CNAME."""

import ipaddress
import struct
from dataclasses import dataclass

from tests.home.zone import Family, Resolution

A, CNAME, AAAA = 1, 5, 28
_TYPE = {4: A, 6: AAAA}
NXDOMAIN = 3
_POINTER_TO_QUESTION = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed answer."""

    id: int
    rcode: int
    addresses: tuple[str, ...]
    truncated: bool


def encode_name(name: str) -> bytes:
    """Encode a name as uncompressed labels."""
    labels = [label.encode("ascii") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(identity: int, name: str, family: Family) -> bytes:
    """Build a recursive query for A or AAAA."""
    return struct.pack(">6H", identity, 0x0100, 1, 0, 0, 0) + encode_name(name) + _question(family)


def question_of(message: bytes) -> tuple[int, str, int]:
    """Return id, lower-case name and type of a query; raise ValueError or IndexError when it is none."""
    identity, flags, count = struct.unpack_from(">3H", message)
    if flags & 0x8000 or count != 1:
        raise ValueError("not a query with one question")
    name, offset = _read_name(message, 12)
    return identity, name.lower(), int.from_bytes(message[offset : offset + 2], "big")


def response(identity: int, resolution: Resolution, kind: int, *, limit: int = 65535) -> bytes:
    """Build the answer to a query of that type; one that exceeds `limit` bytes is truncated."""
    records = []
    owner = _POINTER_TO_QUESTION
    for alias in resolution.aliases:
        target = encode_name(alias)
        records.append(owner + struct.pack(">HHIH", CNAME, 1, resolution.ttl, len(target)) + target)
        owner = target
    for address in resolution.addresses:
        packed = ipaddress.ip_address(address).packed
        records.append(owner + struct.pack(">HHIH", kind, 1, resolution.ttl, len(packed)) + packed)
    rcode = 0 if resolution.exists else NXDOMAIN
    question = encode_name(resolution.name) + struct.pack(">HH", kind, 1)
    body = struct.pack(">6H", identity, 0x8580 | rcode, 1, len(records), 0, 0) + question + b"".join(records)
    if len(body) <= limit:
        return body
    return struct.pack(">6H", identity, 0x8780 | rcode, 1, 0, 0, 0) + question


def reply_of(message: bytes) -> Reply:
    """Parse an answer; raise ValueError, IndexError or struct.error when it is none."""
    identity, flags, questions, answers = struct.unpack_from(">4H", message)
    if not flags & 0x8000:
        raise ValueError("not an answer")
    offset = 12
    for _ in range(questions):
        _, offset = _read_name(message, offset)
        offset += 4
    addresses = []
    for _ in range(answers):
        _, offset = _read_name(message, offset)
        kind, _, _, length = struct.unpack_from(">HHIH", message, offset)
        offset += 10
        if kind in (A, AAAA):
            addresses.append(str(ipaddress.ip_address(message[offset : offset + length])))
        offset += length
    return Reply(identity, flags & 15, tuple(addresses), bool(flags & 0x0200))


def _question(family: Family) -> bytes:
    return struct.pack(">HH", _TYPE[family], 1)


def _read_name(message: bytes, offset: int) -> tuple[str, int]:
    """Return a name and the offset behind it, following compression pointers that lead backwards."""
    labels: list[str] = []
    end = None
    while length := message[offset]:
        if length >= 0xC0:
            target = int.from_bytes(message[offset : offset + 2], "big") & 0x3FFF
            end = end or offset + 2
            if target >= offset:
                raise ValueError("compression pointer leads forward")
            offset = target
        else:
            labels.append(message[offset + 1 : offset + 1 + length].decode("ascii", "replace"))
            offset += 1 + length
    return ".".join(labels), end or offset + 1

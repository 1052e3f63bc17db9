"""Reads DNS answers (RFC 1035): who asked for which name, and which addresses are behind it.

The parser is on the path of every answer on the gateway, so it decodes only what it needs: the name in the
question, and of the records those that lead from it through aliases to addresses. Aliases that a server
sorts oddly, or writes without compression, are compared by name. What is malformed ends in DnsError, in
bounded time.
"""

import re
import struct
from typing import Final

from gateway_agent.model import Address, Answer

PORT: Final = 53

_A, _CNAME, _PTR, _AAAA, _SVCB, _HTTPS = 1, 5, 12, 28, 64, 65
_INTERNET = 1
_TRUNCATED = 0x0200
_SIZE_OF: Final = {_A: 4, _AAAA: 16, _CNAME: 0, _SVCB: 0, _HTTPS: 0}
"""The records that lead to addresses; 0 where their size varies."""
_ADDRESSES: Final = frozenset({_A, _AAAA})
_HINT_WIDTH: Final = {4: 4, 6: 16}
_MAX_TTL: Final = 0x7FFFFFFF

_MAX_WIRE_NAME = 255
_MAX_NAME = 253
_MAX_LABEL = 63
_MAX_RECORDS = 512
_MAX_LABELS = 4096
_KNOWN_NAMES = 8192

_HEADER = struct.Struct("!xxHHH4x").unpack_from
_QUESTION = struct.Struct("!HH").unpack_from
_RECORD = struct.Struct("!HHIH").unpack_from
_POINTED_RECORD = struct.Struct("!HHHIH").unpack_from

_HOST_NAME = re.compile(rb"[0-9a-z._-]+")
_ESCAPED: Final = [
    chr(byte).lower() if 0x21 <= byte <= 0x7E and byte not in b".\\" else f"\\{byte:03d}"
    for byte in range(256)
]

_Record = tuple[int, int, int, int, int]
"""Offset of the owner's name, type, where the data begins and ends, TTL in seconds."""

_new = tuple.__new__
_texts: dict[bytes, str] = {}
"""Names in wire form that were read before: devices ask for the same few again and again."""


class DnsError(ValueError):
    """A message that is no well-formed DNS response."""


def parse_answer(message: bytes, lan: Address, at: float, *, cut: bool = False) -> Answer | None:
    """Return what a DNS message on its way to `lan` answers; None if it is no answer about a name.

    None: a query, another opcode or class, not one question, a reverse lookup, the root. The addresses are
    those of A and AAAA records along the alias chain, and the address hints of SVCB and HTTPS records (RFC
    9460, section 7.3: a client may connect to them). With `cut`, or where the server truncated the message
    (TC), the records that are there count.

    Raises:
        DnsError: malformed. Nothing else is ever raised.
    """
    try:
        flags, questions, records = _HEADER(message)
        if flags & 0xF800 != 0x8000 or questions != 1:
            return None
        end = message.find(0, 12) + 1
        name = _texts.get(message[12:end])
        if name is None:
            name, end = _question_name(message)
        kind, network = _QUESTION(message, end)
        if network != _INTERNET or kind == _PTR or not name:
            return None
        if flags & 15 or not records:
            if flags & (_TRUNCATED | 15) == _TRUNCATED:
                return None  # the answer will come over TCP
            return Answer(lan, name, (), 0, False, at)
        addresses, ttl = _resolve(message, end + 4, records, partial=cut or bool(flags & _TRUNCATED))
        return _new(Answer, (lan, name, addresses, ttl, True, at))
    except (struct.error, IndexError):
        raise DnsError("the message ends too early") from None


def _question_name(message: bytes) -> tuple[str, int]:
    """Return the question's name as text, and where it ends; compression cannot occur there."""
    labels = []
    place = 12
    while size := message[place]:
        if size > _MAX_LABEL:
            raise DnsError("a compressed name in the question, or a label of unknown type")
        labels.append(message[place + 1 : place + 1 + size])
        place += 1 + size
        if place >= 12 + _MAX_WIRE_NAME:
            raise DnsError("a name of more than 255 bytes")
    text = name_text(labels)
    if len(_texts) >= _KNOWN_NAMES:
        _texts.clear()
    _texts[message[12 : place + 1]] = text
    return text, place + 1


def name_text(labels: list[bytes]) -> str:
    r"""Return a name for people: lower case, and not printable ASCII as \DDD (RFC 4343, section 2.1)."""
    name = b".".join(labels).lower()
    if _HOST_NAME.fullmatch(name) and name.count(b".") == len(labels) - 1:
        text = name.decode("ascii")
    else:
        text = ".".join("".join(_ESCAPED[byte] for byte in label) for label in labels)
    if len(text) > _MAX_NAME:
        raise DnsError("a name of mostly unprintable bytes")
    return text


class _Names:
    """The names in one message, decoded when asked for and at most once; bounded over all of them."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._known: dict[int, bytes] = {}
        self._left = _MAX_LABELS

    def wire(self, offset: int) -> bytes:
        """Return the name at an offset: uncompressed, lower case, in wire form."""
        known = self._known.get(offset)
        if known is not None:
            return known
        message = self._message
        labels = []
        length = 1
        place = start = offset
        while size := message[place]:
            self._left -= 1
            if self._left < 0:
                raise DnsError("too many labels")
            if size <= _MAX_LABEL:
                label = message[place : place + 1 + size]
                if len(label) <= size:
                    raise DnsError("a label ends outside of the message")
                length += 1 + size
                if length > _MAX_WIRE_NAME:
                    raise DnsError("a name of more than 255 bytes")
                labels.append(label)
                place += 1 + size
            elif size >= 0xC0:
                place = _pointed(message, place)
                if place >= start:
                    raise DnsError("a compression pointer that does not point back")
                start = place
            else:
                raise DnsError("a label of unknown type")
        wire = self._known[offset] = b"".join(labels).lower() + b"\0"
        return wire


def _resolve(message: bytes, offset: int, records: int, *, partial: bool) -> tuple[tuple[Address, ...], int]:
    """Return the addresses of the question's name, and the shortest TTL on the way to them."""
    chain = {12}
    addresses: list[Address] = []
    shortest = _MAX_TTL
    later: list[_Record] = []
    for _ in range(min(records, _MAX_RECORDS)):
        try:
            record = owner, kind, data, offset, ttl = _record(message, offset)
        except (struct.error, IndexError):
            if partial:
                break
            raise
        if kind not in _SIZE_OF:
            continue
        if owner not in chain:
            later.append(record)
            continue
        if ttl < shortest:  # noqa: PLR1730 (a comparison costs less than a call)
            shortest = ttl
        if kind in _ADDRESSES:
            addresses.append(message[data:offset])
        else:
            _follow(message, record, chain, addresses)
    if later:
        shortest = min(shortest, _resolve_by_name(message, later, chain, addresses))
    if len(addresses) > 1:
        addresses = list(dict.fromkeys(addresses))
    return tuple(addresses), shortest if addresses else 0


def _record(message: bytes, offset: int) -> _Record:
    """Return the record at an offset; of another class than Internet, with type 0."""
    if message[offset] >= 0xC0:
        owner, kind, network, ttl, size = _POINTED_RECORD(message, offset)
        owner &= 0x3FFF
        if owner >= offset:
            raise DnsError("a compression pointer that does not point back")
        data = offset + 12
    else:
        owner, data = offset, _end_of_name(message, offset) + 10
        kind, network, ttl, size = _RECORD(message, data - 10)
    end = data + size
    if end > len(message):
        raise IndexError
    if network != _INTERNET:
        kind = 0
    elif (wanted := _SIZE_OF.get(kind)) and wanted != size:
        raise DnsError("an address of odd size")
    return owner, kind, data, end, ttl if ttl <= _MAX_TTL else 0  # RFC 2181, section 8


def _resolve_by_name(message: bytes, later: list[_Record], chain: set[int], addresses: list[Address]) -> int:
    """Take the records whose owner is in the chain, but was not seen to be; return their shortest TTL."""
    names = _Names(message)
    records_of: dict[bytes, list[_Record]] = {}
    for record in later:
        records_of.setdefault(names.wire(record[0]), []).append(record)
    shortest = _MAX_TTL
    unseen = list(chain)
    while unseen and records_of:
        for record in records_of.pop(names.wire(unseen.pop()), ()):
            shortest = min(shortest, record[4])
            before = set(chain)
            _follow(message, record, chain, addresses)
            unseen += chain - before
    return shortest


def _follow(message: bytes, record: _Record, chain: set[int], addresses: list[Address]) -> None:
    """Take one record of the chain: an address, hints, or an alias, whose target joins the chain."""
    _, kind, data, end, _ = record
    if kind in _ADDRESSES:
        addresses.append(message[data:end])
        return
    target = data
    if kind != _CNAME:
        if message[data] or message[data + 1]:
            addresses += _hints(message, _end_of_name(message, data + 2), end)
            return
        target = data + 2  # an SVCB record of priority 0 is an alias
    if target >= end:
        raise DnsError("an alias without a target")
    chain.add(target)
    if message[target] >= 0xC0:
        chain.add(_pointed(message, target))


def _hints(message: bytes, place: int, end: int) -> list[Address]:
    """Return the addresses in the service parameters of an SVCB or HTTPS record."""
    found: list[Address] = []
    while place < end:
        key, size = _QUESTION(message, place)
        place += 4 + size
        if place > end:
            raise DnsError("a service parameter ends outside of its record")
        width = _HINT_WIDTH.get(key)
        if width is None:
            continue
        if size % width:
            raise DnsError("an address hint of odd size")
        found += [message[hint : hint + width] for hint in range(place - size, place, width)]
    return found


def _end_of_name(message: bytes, offset: int) -> int:
    """Return where the name at an offset ends, without following a pointer."""
    start = offset
    while size := message[offset]:
        if size >= 0xC0:
            return offset + 2
        if size > _MAX_LABEL:
            raise DnsError("a label of unknown type")
        offset += 1 + size
        if offset - start >= _MAX_WIRE_NAME:
            raise DnsError("a name of more than 255 bytes")
    return offset + 1


def _pointed(message: bytes, place: int) -> int:
    return (message[place] & 0x3F) << 8 | message[place + 1]

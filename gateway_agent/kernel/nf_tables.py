"""Messages of nf_tables (include/uapi/linux/netfilter/nf_tables.h) for one table of the inet family."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from gateway_agent.kernel.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    Request,
    attribute,
    attributes,
    nested,
    string,
    text,
    u32,
    u64,
)

NFPROTO_INET: Final = 1
NFNLGRP_NFTABLES: Final = 7

_SUBSYSTEM: Final = 10 << 8
NEWTABLE, GETTABLE, DELTABLE = _SUBSYSTEM, _SUBSYSTEM + 1, _SUBSYSTEM + 2
NEWCHAIN, GETCHAIN, DELCHAIN = _SUBSYSTEM + 3, _SUBSYSTEM + 4, _SUBSYSTEM + 5
NEWRULE, GETRULE, DELRULE = _SUBSYSTEM + 6, _SUBSYSTEM + 7, _SUBSYSTEM + 8
NEWSET, GETSET, DELSET = _SUBSYSTEM + 9, _SUBSYSTEM + 10, _SUBSYSTEM + 11
NEWSETELEM, GETSETELEM, DELSETELEM = _SUBSYSTEM + 12, _SUBSYSTEM + 13, _SUBSYSTEM + 14
NEWGEN, NEWOBJ, GETOBJ, DELOBJ = _SUBSYSTEM + 15, _SUBSYSTEM + 18, _SUBSYSTEM + 19, _SUBSYSTEM + 20
GETFLOWTABLE: Final = _SUBSYSTEM + 23

TABLE_NAME, TABLE_HANDLE, TABLE_USERDATA = 1, 4, 6
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY, CHAIN_TYPE = 1, 3, 4, 5, 7
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS, RULE_USERDATA = 1, 2, 4, 7
SET_TABLE, SET_NAME, SET_DESC, SET_ID, DESC_SIZE = 1, 2, 9, 10, 1
SET_COPIED: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 18})
"""What of a dumped set makes an equal one: all but its handle, its id and what newer kernels add."""
OBJ_TABLE, OBJ_NAME, OBJ_TYPE, OBJ_DATA = 1, 2, 3, 4
GEN_PROC_PID, GEN_PROC_NAME = 2, 3

_ELEM_LIST_TABLE, _ELEM_LIST_SET, _ELEM_LIST_ELEMENTS = 1, 2, 3
_LIST_ELEM: Final = 1
_ELEM_KEY, _ELEM_FLAGS, _ELEM_TIMEOUT, _ELEM_EXPIRATION, _ELEM_USERDATA, _ELEM_EXPR, _ELEM_KEY_END = (
    1,
    3,
    4,
    5,
    6,
    7,
    10,
)
_DATA_VALUE, _DATA_VERDICT, _VERDICT_CODE, _VERDICT_CHAIN = 1, 2, 1, 2
_JUMP, _GOTO = -3 & 0xFFFFFFFF, -4 & 0xFFFFFFFF
_EXPR_NAME, _EXPR_DATA = 1, 2
_IMMEDIATE_DREG, _IMMEDIATE_DATA = 1, 2
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_FORWARD: Final = 2
_INTERVAL_END: Final = 1
_COMMENT: Final = 0
_MAX_COMMENT: Final = 120

_MAX_LIST_BYTES: Final = 60_000  # an attribute's length has 16 bits
HEAD: Final = struct.pack(">BBH", NFPROTO_INET, 0, 0)


class Element(NamedTuple):
    """An element of a set; `end` is the interval's last key, `timeout` what is left of it in seconds."""

    key: bytes
    end: bytes | None = None
    timeout: float | None = None
    comment: str | None = None


COUNTER: Final = struct.Struct(">Q4sQ")
"""A counter as it stands in a dump: bytes, the header of the attribute in between, packets."""

_BETWEEN: Final = struct.pack("=HH", 12, _COUNTER_PACKETS)


def padded(*fields: bytes) -> bytes:
    """Concatenate the fields of a key as the kernel does: each in registers of 4 bytes."""
    return b"".join(field + b"\0" * (-len(field) % 4) for field in fields)


def encode_key(key: bytes) -> bytes:
    """Encode an element that is nothing but its key; the headers before it depend on its size only."""
    start = _STARTS.get(len(key))
    if start is None:
        whole = nested(_LIST_ELEM, nested(_ELEM_KEY, attribute(_DATA_VALUE, key)))
        start = _STARTS[len(key)] = whole[:12]
    return start + key + b"\0" * (-len(key) % 4)


_STARTS: Final[dict[int, bytes]] = {}
_ENDS: Final = u32(_ELEM_FLAGS, _INTERVAL_END)


def encode_element(element: Element) -> bytes:
    """Encode one element for `add` or `delete`."""
    if element.end is None and element.timeout is None and element.comment is None:
        return encode_key(element.key)
    parts = [nested(_ELEM_KEY, attribute(_DATA_VALUE, element.key))]
    if element.end is not None:
        parts.append(nested(_ELEM_KEY_END, attribute(_DATA_VALUE, element.end)))
    if element.timeout is not None:
        parts.append(u64(_ELEM_TIMEOUT, max(int(element.timeout * 1000), 1)))
    if element.comment is not None and len(element.comment) <= _MAX_COMMENT:
        parts.append(attribute(_ELEM_USERDATA, comment(element.comment)))
    return nested(_LIST_ELEM, *parts)


def comment(value: str) -> bytes:
    """Encode a comment as libnftnl does in user data: type, length, text with a zero byte."""
    encoded = value.encode() + b"\0"
    return bytes((_COMMENT, len(encoded))) + encoded


def read_comment(userdata: bytes | memoryview) -> str | None:
    """Return the comment in user data, if that is what they are."""
    if len(userdata) < 3 or userdata[0] != _COMMENT or userdata[1] != len(userdata) - 2:  # noqa: PLR2004
        return None
    return string(userdata[2:])


def elements(kind: int, table: str, name: str, encoded: Iterable[bytes], flags: int = 0) -> Iterator[Request]:
    """Yield the requests that add (NEWSETELEM) or delete (DELSETELEM) encoded elements."""
    start = HEAD + text(_ELEM_LIST_TABLE, table) + text(_ELEM_LIST_SET, name)
    gathered: list[bytes] = []
    size = 0
    for element in encoded:
        if size + len(element) > _MAX_LIST_BYTES:
            yield Request(kind, flags, start + nested(_ELEM_LIST_ELEMENTS, *gathered))
            gathered, size = [], 0
        gathered.append(element)
        size += len(element)
    if gathered:
        yield Request(kind, flags, start + nested(_ELEM_LIST_ELEMENTS, *gathered))


def flush_set(table: str, name: str) -> Request:
    """Return the request that deletes all elements of a set."""
    return Request(DELSETELEM, 0, HEAD + text(_ELEM_LIST_TABLE, table) + text(_ELEM_LIST_SET, name))


def element_dump(table: str, name: str) -> bytes:
    """Return the body of a request for a dump of a set's elements."""
    return HEAD + text(_ELEM_LIST_TABLE, table) + text(_ELEM_LIST_SET, name)


def jump_rule(table: str, chain: str, target: str, *, goto: bool = False) -> Request:
    """Return the request that appends `jump target` or `goto target` to a chain."""
    verdict = nested(
        _DATA_VERDICT, u32(_VERDICT_CODE, _GOTO if goto else _JUMP), text(_VERDICT_CHAIN, target)
    )
    immediate = nested(_EXPR_DATA, u32(_IMMEDIATE_DREG, 0), nested(_IMMEDIATE_DATA, verdict))
    expression = nested(1, text(_EXPR_NAME, "immediate"), immediate)
    body = text(RULE_TABLE, table) + text(RULE_CHAIN, chain) + nested(RULE_EXPRESSIONS, expression)
    return Request(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, HEAD + body)


def forward_chain(table: str, chain: str, priority: int) -> Request:
    """Return the request for a base chain in the forward hook that lets pass what no rule decides."""
    hook = nested(CHAIN_HOOK, u32(_HOOK_NUMBER, _FORWARD), u32(_HOOK_PRIORITY, priority & 0xFFFFFFFF))
    body = text(CHAIN_TABLE, table) + text(CHAIN_NAME, chain) + hook + text(CHAIN_TYPE, "filter")
    return Request(NEWCHAIN, NLM_F_CREATE, HEAD + body)


def delete_rules(table: str, chain: str | None = None) -> Request:
    """Return the request that deletes all rules of a chain or of the table."""
    body = text(RULE_TABLE, table) + (text(RULE_CHAIN, chain) if chain else b"")
    return Request(DELRULE, 0, HEAD + body)


def delete_chain(table: str, chain: str) -> Request:
    """Return the request that deletes a chain without rules."""
    return Request(DELCHAIN, 0, HEAD + text(CHAIN_TABLE, table) + text(CHAIN_NAME, chain))


def listed(body: memoryview) -> Iterator[memoryview]:
    """Yield the encoded elements of a NEWSETELEM or DELSETELEM message."""
    for kind, payload in attributes(body[len(HEAD) :]):
        if kind == _ELEM_LIST_ELEMENTS:
            yield from (element for _, element in attributes(payload))


def set_of(body: memoryview) -> str:
    """Return the name of the set that a NEWSETELEM or DELSETELEM message is about."""
    return next(
        (string(value) for kind, value in attributes(body[len(HEAD) :]) if kind == _ELEM_LIST_SET), ""
    )


def read_element(encoded: memoryview) -> Element | None:
    """Decode an element of a dump; None if it has no key or is an interval's end."""
    key = end = timeout = remark = None
    for kind, payload in attributes(encoded):
        if kind == _ELEM_KEY:
            key = _value(payload)
        elif kind == _ELEM_KEY_END:
            end = _value(payload)
        elif kind == _ELEM_EXPIRATION:
            timeout = int.from_bytes(payload, "big") / 1000
        elif kind == _ELEM_USERDATA:
            remark = read_comment(payload)
        elif kind == _ELEM_FLAGS and int.from_bytes(payload, "big") & _INTERVAL_END:
            return None
    return None if key is None else Element(key, end, timeout, remark)


def encode_interval(first: bytes, last: bytes, timeout: float | None) -> bytes:
    """Encode the two elements that an interval is in a set of one field: its first key, and the end of it."""
    element = encode_key(first) if timeout is None else encode_element(Element(first, None, timeout))
    size = len(last)
    after = int.from_bytes(last, "big") + 1
    if after >> 8 * size:
        return element
    start = _STARTS.get(-size)
    if start is None:
        whole = nested(_LIST_ELEM, nested(_ELEM_KEY, attribute(_DATA_VALUE, last)), _ENDS)
        start = _STARTS[-size] = whole[:12]
    return element + start + after.to_bytes(size, "big") + _ENDS


def counters(body: memoryview, key_bytes: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Return (key, counter as in COUNTER, milliseconds to the end) of each element in a message of a dump.

    The milliseconds are 8 bytes in network byte order: most elements did not change and need no decoding.
    """
    payload = next(
        (value for kind, value in attributes(body[len(HEAD) :]) if kind == _ELEM_LIST_ELEMENTS), None
    )
    if payload is None:
        return iter(())
    layout = _LAYOUTS[key_bytes]
    if _uniform(payload, layout):
        return layout.iter_unpack(payload)
    return _parsed_counters(payload)


# What all elements of a set usually have in common: headers, key, the expression's name, counter, expiry.
_LAYOUTS: Final = {size: struct.Struct(f"=12x{size}s24x{COUNTER.size}s4x8s") for size in (16, 40)}


def _uniform(payload: memoryview, layout: struct.Struct) -> bool:
    """Tell whether all elements are laid out alike: by their number, their headers and the first of them."""
    count, rest = divmod(len(payload), layout.size)
    if rest or not count:
        return False
    header = struct.pack("=HH", layout.size, _LIST_ELEM)
    alike = all(
        bytes(payload[place :: layout.size]) == header[place : place + 1] * count for place in range(4)
    )
    first = payload[: layout.size]
    return alike and layout.unpack(first) == next(_parsed_counters(first), None)


def _parsed_counters(payload: memoryview) -> Iterator[tuple[bytes, bytes, bytes]]:
    for _, encoded in attributes(payload):
        key = counter = None
        left = b""
        for kind, value in attributes(encoded):
            if kind == _ELEM_KEY:
                key = _value(value)
            elif kind == _ELEM_EXPR:
                counter = _counter(value)
            elif kind == _ELEM_EXPIRATION:
                left = bytes(value)
        if key is not None and counter is not None:
            yield key, COUNTER.pack(counter[1], _BETWEEN, counter[0]), left


def counter_object(body: memoryview) -> tuple[int, int]:
    """Return packets and bytes of a named counter."""
    for kind, payload in attributes(body[len(HEAD) :]):
        if kind == OBJ_DATA:
            return _packets_and_bytes(payload)
    return 0, 0


def _counter(expression: memoryview) -> tuple[int, int] | None:
    parts = dict(attributes(expression))
    if string(parts.get(_EXPR_NAME, b"")) != "counter" or _EXPR_DATA not in parts:
        return None
    return _packets_and_bytes(parts[_EXPR_DATA])


def _packets_and_bytes(data: memoryview) -> tuple[int, int]:
    parts = dict(attributes(data))
    return (
        int.from_bytes(parts.get(_COUNTER_PACKETS, b""), "big"),
        int.from_bytes(parts.get(_COUNTER_BYTES, b""), "big"),
    )


def _value(data: memoryview) -> bytes | None:
    return next((bytes(value) for kind, value in attributes(data) if kind == _DATA_VALUE), None)


def kept(body: memoryview, kinds: Sequence[int] | frozenset[int]) -> bytes:
    """Return the attributes of a message that are of these kinds, as they were."""
    return b"".join(_raw(kind, payload) for kind, payload in attributes(body[len(HEAD) :]) if kind in kinds)


def _raw(kind: int, payload: memoryview) -> bytes:
    return attribute(kind, bytes(payload))

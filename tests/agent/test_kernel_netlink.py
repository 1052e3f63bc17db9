"""Netlink and nf_tables messages: encoded and decoded again, and hostile ones survived."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.kernel import nf_tables, nflog
from gateway_agent.kernel.netlink import attribute, attributes, messages, nested, string, text, u32, u64
from gateway_agent.kernel.nf_tables import COUNTER, DELSETELEM, HEAD, NEWSETELEM, Element

KINDS = st.integers(0, 0x3FFF)
KEYS = {4: 16, 6: 40}


def frame(kind: int, body: bytes, sequence: int = 0) -> bytes:
    padded = body + b"\0" * (-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + padded


@given(st.lists(st.tuples(KINDS, st.binary(max_size=40))))
def test_attributes_come_back(pairs: list[tuple[int, bytes]]) -> None:
    encoded = b"".join(attribute(kind, payload) for kind, payload in pairs)
    assert [(kind, bytes(payload)) for kind, payload in attributes(encoded)] == pairs


@given(st.lists(st.tuples(KINDS, st.binary(max_size=20)), min_size=1), st.data())
def test_cut_attributes_yield_those_before(pairs: list[tuple[int, bytes]], data: st.DataObject) -> None:
    encoded = b"".join(attribute(kind, payload) for kind, payload in pairs)
    cut = data.draw(st.integers(0, len(encoded)))
    found = [(kind, bytes(payload)) for kind, payload in attributes(encoded[:cut])]
    assert found == pairs[: len(found)]
    assert sum(4 + len(payload) for _, payload in found) <= cut


@given(st.binary(max_size=300))
def test_hostile_bytes_end(noise: bytes) -> None:
    """Whatever arrives: bounded, no exception, and nothing longer than what came."""
    assert sum(len(payload) for _, payload in attributes(noise)) <= len(noise)
    assert sum(len(message.body) for message in messages(noise)) <= len(noise)
    nflog.parse(noise)
    view = memoryview(noise)
    for encoded in nf_tables.listed(view):
        nf_tables.read_element(encoded)
    list(nf_tables.counters(view, 16))
    nf_tables.set_of(view)
    nf_tables.counter_object(view)
    nf_tables.read_comment(noise)


def test_length_zero_does_not_loop() -> None:
    assert list(attributes(b"\0\0\1\0" * 10)) == []
    assert list(messages(bytes(64))) == []


@given(st.lists(st.tuples(st.integers(17, 0xFFFF), st.binary(max_size=50))))
def test_messages_come_back(pairs: list[tuple[int, bytes]]) -> None:
    datagram = b"".join(frame(kind, body) for kind, body in pairs)
    assert [(message.kind, bytes(message.body)) for message in messages(datagram)] == pairs


@pytest.mark.parametrize("size", [4, 6, 8, 16, 20, 24, 40])
def test_key_is_encoded_as_the_long_way(size: int) -> None:
    key = bytes(range(size))
    assert nf_tables.encode_key(key) == nested(1, nested(1, attribute(1, key)))


ELEMENTS = st.builds(
    Element,
    key=st.binary(min_size=12, max_size=12),
    end=st.none() | st.binary(min_size=12, max_size=12),
    timeout=st.none() | st.floats(0.001, 1e6),
    comment=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=100),
)


@given(ELEMENTS)
def test_element_comes_back(element: Element) -> None:
    (_, encoded) = next(attributes(nf_tables.encode_element(element)))
    found = nf_tables.read_element(encoded)
    assert found is not None
    assert (found.key, found.end, found.comment) == (element.key, element.end, element.comment)


def test_a_comment_that_does_not_fit_is_left_out() -> None:
    (_, encoded) = next(attributes(nf_tables.encode_element(Element(bytes(12), None, 1.0, "x" * 200))))
    assert nf_tables.read_element(encoded).comment is None  # type: ignore[union-attr]


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_an_interval_is_its_first_key_and_what_follows_its_last(timeout: float | None) -> None:
    first, end = attributes(nf_tables.encode_interval(b"\1\2\3\4", b"\1\2\3\xff", timeout))
    element = nf_tables.read_element(first[1])
    assert element is not None
    assert element.key == b"\1\2\3\4"
    assert b"\1\2\4\0" in bytes(end[1])
    assert nf_tables.read_element(end[1]) is None


def test_nothing_follows_the_last_of_all_keys() -> None:
    (only,) = attributes(nf_tables.encode_interval(b"\xff\0\0\0", b"\xff\xff\xff\xff", None))
    assert nf_tables.read_element(only[1]) is not None


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=3000))
def test_long_lists_are_split_where_a_length_has_16_bits(keys: list[bytes]) -> None:
    encoded = [nf_tables.encode_key(key) for key in keys]
    requests = list(nf_tables.elements(NEWSETELEM, "spin", "sent4", encoded))
    assert all(len(request.body) <= 0xFFFF for request in requests)
    assert all(nf_tables.set_of(memoryview(request.body)) == "sent4" for request in requests)
    found = [
        nf_tables.read_element(element)
        for request in requests
        for element in nf_tables.listed(memoryview(request.body))
    ]
    assert [element.key for element in found if element] == keys


def counted(key: bytes, size: int, packets: int, *, expires: bool = True) -> bytes:
    """Return an element of a dynamic set as Linux 6.18 dumps it."""
    counter = u64(1, size) + u64(2, packets)
    expression = text(1, "counter") + nested(2, counter)
    parts = [nested(1, attribute(1, key)), nested(7, expression)]
    return nested(1, *parts, *([u64(5, 1000)] if expires else []))


COUNTS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("version", [4, 6])
@given(data=st.data())
def test_counters_are_read_alike_fast_and_slow(version: int, data: st.DataObject) -> None:
    """Uniform lists are read at fixed places, others attribute by attribute: the result is the same."""
    keys = st.binary(min_size=KEYS[version], max_size=KEYS[version])
    rows = data.draw(st.lists(st.tuples(keys, COUNTS, COUNTS, st.booleans()), max_size=8))
    uniform = data.draw(st.booleans())
    encoded = [counted(key, size, packets, expires=uniform or flag) for key, size, packets, flag in rows]
    # The kernel's headers carry no flag for nesting.
    body = HEAD + text(1, "spin") + text(2, "sent4") + nested(3, *encoded)
    found = [
        (key, COUNTER.unpack(counter))
        for key, counter, _ in nf_tables.counters(memoryview(body), KEYS[version])
    ]
    assert [(key, size, packets) for key, (size, _, packets) in found] == [row[:3] for row in rows]
    assert len({between for _, (_, between, _) in found}) <= 1


@given(st.lists(st.integers(0, 5), min_size=1), st.data())
def test_damaged_counters_never_crash(numbers: list[int], data: st.DataObject) -> None:
    encoded = b"".join(counted(bytes([n]) * 16, n, n) for n in numbers)
    body = bytearray(HEAD + text(2, "sent4") + nested(3, encoded))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for key, counter, left in nf_tables.counters(memoryview(bytes(body)), 16):
        assert isinstance(left, bytes)
        assert len(counter) == COUNTER.size
        assert isinstance(key, bytes)


def logged(prefix: bytes, packet: bytes, sequence: int, mac: bytes | None = None) -> bytes:
    parts = [attribute(1, bytes(4)), attribute(10, prefix + b"\0")]
    if mac is not None:
        parts.append(attribute(8, struct.pack(">HH8s", 6, 0, mac)))
    parts += [attribute(3, struct.pack(">QQ", 1577880000, 250000)), u32(12, sequence), attribute(9, packet)]
    return frame(4 << 8, bytes(4) + b"".join(parts))


@given(st.binary(max_size=100), st.integers(0, 2**32 - 1))
def test_logged_packets_come_back(packet: bytes, sequence: int) -> None:
    mac = bytes.fromhex("001788000001")
    datagram = logged(b"c", packet, sequence, mac) + logged(b"d", b"", sequence)
    (first, second), number = nflog.parse(datagram)
    assert (first.prefix, first.packet, first.mac, first.at) == (b"c", packet, mac, 1577880000.25)
    assert number == sequence
    assert (second.prefix, second.packet, second.mac) == (b"d", b"", None)


def test_string_without_end() -> None:
    assert string(b"spin") == "spin"
    assert string(b"sp\0in") == "sp"
    assert DELSETELEM == NEWSETELEM + 2

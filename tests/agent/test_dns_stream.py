"""DNS over TCP: messages in segments."""

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.decode.dns_stream import DnsStream, DnsStreams

MESSAGES = [b"first message", b"second", b"", b"third one, somewhat longer" * 20]
STREAM = b"".join(struct.pack("!H", len(message)) + message for message in MESSAGES)


def segments(size: int, start: int = 1000) -> list[tuple[int, bytes]]:
    return [((start + at) & 0xFFFFFFFF, STREAM[at : at + size]) for at in range(0, len(STREAM), size)]


def read(stream: DnsStream, parts: list[tuple[int, bytes]]) -> list[bytes]:
    return [message for sequence, payload in parts for message in stream.segment(sequence, payload)]


@given(size=st.integers(1, 700))
def test_segments_of_any_size(size: int) -> None:
    assert read(DnsStream(1000), segments(size)) == MESSAGES


@given(size=st.integers(60, 300), seed=st.integers())
def test_segments_out_of_order_and_repeated(size: int, seed: int) -> None:
    parts = segments(size) * 2
    random.Random(seed).shuffle(parts)
    assert read(DnsStream(1000), parts) == MESSAGES


def test_overlapping_segments() -> None:
    parts = [(1000, STREAM[:30]), (1010, STREAM[10:60]), (1000, STREAM[:20]), (1060, STREAM[60:])]
    assert read(DnsStream(1000), parts) == MESSAGES


def test_the_sequence_number_wraps() -> None:
    start = 0xFFFFFFF0
    assert read(DnsStream(start), segments(7, start)) == MESSAGES


def test_a_gap_ends_the_stream() -> None:
    stream = DnsStream(0)
    assert read(stream, [(100 + at, b"x") for at in range(40)]) == []
    assert read(stream, [(0, STREAM)]) == []


def test_a_message_that_is_too_long_ends_the_stream() -> None:
    stream = DnsStream(0)
    assert read(stream, [(at, b"\xff" * 1000) for at in range(0, 100_000, 1000)]) == []
    assert not stream._buffer


def test_a_cut_segment_ends_the_stream() -> None:
    stream = DnsStream(1000)
    assert list(stream.segment(1000, STREAM[:20], cut=True)) == MESSAGES[:1]
    assert read(stream, segments(700)) == []


def test_streams_are_bounded() -> None:
    streams = DnsStreams()
    for number in range(1000):
        streams.begin(number, 0)
    assert len(streams._streams) == 128
    assert streams.get(999) is not None
    assert streams.get(0) is None


@given(parts=st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=40)), max_size=60))
def test_any_segments(parts: list[tuple[int, bytes]]) -> None:
    stream = DnsStream(0)
    read(stream, parts)
    assert len(stream._ahead) <= 16
    assert len(stream._buffer) <= 16_384

"""Server names in client hellos: real ones, ones in pieces, and crafted ones."""

import itertools
import random
import ssl
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tls_hellos import extension, hello, names, real

from gateway_agent.decode.tls import Hellos, IncompleteError, TlsError, is_hello, server_name


@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_real_clients(version: ssl.TLSVersion | None) -> None:
    data = real("ws.Meethue.com", version=version)
    assert is_hello(data)
    assert server_name(data) == "ws.meethue.com"
    assert server_name(real(None, version=version)) is None


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (b"a.example", "a.example"),
        (b"a.example.", "a.example"),
        (b"WWW.Example.COM", "www.example.com"),
        (b"_x-1.a", "_x-1.a"),
        (b"printer", "printer"),
        (b"a b\x1b[31m.example", "a\\032b\\027[31m.example"),
        (b"\xc3\xa9.example", "\\195\\169.example"),
        (b"<script>.example", "<script>.example"),
        (b"192.0.2.1", None),
        (b"2001:db8::1", None),
    ],
)
def test_the_text_of_a_name(entry: bytes, name: str | None) -> None:
    assert server_name(hello(names(entry))) == name


@pytest.mark.parametrize("entry", [b".", b"a..b", b".a", b"a" * 64 + b".example", b"\xff" * 63 + b".\xff"])
def test_what_is_no_name_is_refused(entry: bytes) -> None:
    with pytest.raises(TlsError):
        server_name(hello(names(entry)))


def test_without_a_name_there_is_none() -> None:
    assert server_name(hello()) is None
    assert server_name(hello(bare=True)) is None
    assert server_name(hello(extension(43, b"\x02\x03\x04"))) is None


def test_an_encrypted_hello_has_no_name_wherever_it_says_so() -> None:
    sign = extension(0xFE0D, bytes(100))
    assert server_name(hello(names(b"outer.example"), sign)) is None
    assert server_name(hello(sign, names(b"outer.example"))) is None


@pytest.mark.parametrize(
    "data",
    [
        hello(names(b"a.example"), names(b"b.example")),
        hello(names(b"a.example", b"b.example")),
        hello(names(b"a.example", kind=1)),
        hello(names(b"")),
        hello(extension(0, b"")),
        hello(extension(0, b"\0\xff\0\0\x01a")),
        hello(session=bytes(33)),
        b"\x16\x03\x01\0\x05\x02\0\0\x01\0",  # a server's hello
        b"\x16\x03\x01\0\0" + hello(names(b"a.example")),  # an empty record
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\0\x04\x01\xff\xff\xff",  # 16 MB are announced
        b"\x16\x02\x01\0\x04\x01\0\0\0",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\0\x06\x01\0\0\x02\x03\x03",
    ],
)
def test_crafted_hellos_are_refused(data: bytes) -> None:
    with pytest.raises(TlsError) as refused:
        server_name(data)
    assert not isinstance(refused.value, IncompleteError)


@pytest.mark.parametrize("record", [1, 2, 5, 40, 16_384])
def test_a_hello_in_many_records(record: int) -> None:
    assert server_name(hello(names(b"a.example"), record=record)) == "a.example"


def test_a_beginning_is_incomplete_and_never_half_a_name() -> None:
    data = hello(extension(51, bytes(300)), names(b"a.example.com"), extension(0xFE0D, bytes(40)))
    for size in range(len(data)):
        with pytest.raises(IncompleteError):
            server_name(data[:size])
    assert server_name(data) is None


def segments(data: bytes, *cuts: int) -> list[tuple[int, bytes]]:
    """Return a stream in TCP segments whose numbers wrap around."""
    edges = [0, *cuts, len(data)]
    start = 0xFFFFFF00
    return [((start + begin) & 0xFFFFFFFF, data[begin:end]) for begin, end in itertools.pairwise(edges)]


def feed(hellos: Hellos, pieces: list[tuple[int, bytes]]) -> list[object]:
    """Return what each segment leads to."""
    found: list[object] = []
    for sequence, payload in pieces:
        try:
            found.append(hellos.segment("key", sequence, payload))
        except TlsError as error:
            found.append(type(error))
    return found


DATA = hello(extension(51, bytes(1200)), names(b"a.example"))


def test_pieces_are_put_together() -> None:
    one, two, three = segments(DATA, 300, 900)
    more = IncompleteError
    assert feed(Hellos(), [one, two, three]) == [more, more, "a.example"]
    assert feed(Hellos(), [one, three, two]) == [more, more, "a.example"]
    assert feed(Hellos(), [one, one, two, two, three]) == [more, more, more, more, "a.example"]
    overlapping = (three[0] - 100 & 0xFFFFFFFF, DATA[800:])
    assert feed(Hellos(), [one, two, overlapping]) == [more, more, "a.example"]
    assert feed(Hellos(), [two, three]) == [TlsError, TlsError]
    assert feed(Hellos(), [one, (two[0], b"something else" + bytes(2000))])[1] in (TlsError, None, more)


def test_pieces_are_bounded() -> None:
    hellos = Hellos()
    endless = hello(extension(21, bytes(16_000)))[:-1]
    found = feed(hellos, segments(endless, *range(6, 60)))
    assert found.index(TlsError) < 20
    for key in range(1000):
        with pytest.raises(IncompleteError):
            hellos.segment(key, 0, DATA[:100])
    assert len(hellos._streams) <= 128


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_name_or_the_one_error(data: bytes) -> None:
    for stream in (data, b"\x16\x03\x01" + struct.pack(">H", len(data)) + data if data else b""):
        try:
            name = server_name(stream)
        except TlsError:
            continue
        assert name is None or name.isascii()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_damage_gives_a_name_or_the_one_error(data: st.DataObject) -> None:
    damaged = bytearray(
        hello(extension(10, b"\0\x02\0\x17"), names(b"a.example"), extension(43, b"\x02\x03\x04"))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        name = server_name(bytes(damaged))
    except TlsError:
        return
    assert name is None or (name.isascii() and name.isprintable() and len(name) <= 253)


@example([(0, 0, 1297), (1128, 0, 178)])
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 1300), st.integers(0, 1300)), max_size=40)
)
def test_any_segments_give_a_name_to_show_or_none(
    pieces: list[tuple[int, int, int]],
) -> None:
    hellos = Hellos()
    misplaced = False
    for number, begin, end in pieces:
        sequence = begin if number % 3 else number
        misplaced |= sequence != begin
        try:
            name = hellos.segment("key", sequence, DATA[begin:end])
        except TlsError:
            continue
        # What stands where it does not belong makes another text, which can be shown all the same.
        assert name is None or (name.isprintable() if misplaced else name == "a.example")


def test_the_worst_is_quick() -> None:
    hellos = Hellos()
    dice = random.Random(3)
    worst = hello(extension(21, bytes(15_000)), record=1)
    began = time.perf_counter()
    for sequence, payload in segments(worst, *sorted(dice.sample(range(6, 60_000), 14))):
        try:
            hellos.segment("key", sequence, payload)
        except TlsError:
            continue
    assert time.perf_counter() - began < 0.5

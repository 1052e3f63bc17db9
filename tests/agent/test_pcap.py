"""Capture files in every form, and damaged ones."""

import io
import os
import struct
import tracemalloc
from pathlib import Path

import framing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_agent.decode.pcap import Capture, CaptureError, Record

FRAMES = [(1_577_880_000.25, b"first frame"), (1_577_880_001.5, b"second"), (1_577_880_001.75, b"")]
EXPECTED = [(at, framing.ETHERNET, frame, len(frame)) for at, frame in FRAMES]


def read(path: Path, content: bytes) -> tuple[list[Record], Capture]:
    path.write_bytes(content)
    with Capture(path) as capture:
        return list(capture), capture


def until_error(path: Path, content: bytes) -> tuple[list[Record], str]:
    path.write_bytes(content)
    records = []
    with Capture(path) as capture, pytest.raises(CaptureError) as caught:
        records.extend(capture)
    return records, str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap(path: Path, order: str, nanoseconds: bool) -> None:
    records, capture = read(path, framing.pcap(FRAMES, order=order, nanoseconds=nanoseconds))
    assert records == EXPECTED
    assert capture.torn is None


def test_nanoseconds_are_read_as_such(path: Path) -> None:
    records, _ = read(path, framing.pcap([(1.000_000_25, b"x")], nanoseconds=True))
    assert records[0][0] == pytest.approx(1.000_000_25, abs=1e-12)


def test_a_cut_packet_keeps_its_length_on_the_wire(path: Path) -> None:
    records, _ = read(path, framing.pcap([(1.0, b"long frame")], snap_length=4))
    assert records == [(1.0, 1, b"long", 10)]


def test_flags_beside_the_link_type_are_ignored(path: Path) -> None:
    content = bytearray(framing.pcap(FRAMES))
    content[20:24] = struct.pack("<I", 0x1400_0000 | framing.COOKED)
    assert {record[1] for record in read(path, bytes(content))[0]} == {framing.COOKED}


def test_a_capture_can_be_read_twice(path: Path) -> None:
    path.write_bytes(framing.section() + framing.interface() + framing.enhanced(2.0, b"x"))
    with Capture(path) as capture:
        assert list(capture) == list(capture) == [(2.0, 1, b"x", 1)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(path: Path, order: str) -> None:
    content = framing.section(order) + framing.interface(order=order)
    content += framing.block(0x0BAD, b"unknown block", order)
    for at, frame in FRAMES:
        content += framing.enhanced(at, frame, order=order)
    content += framing.block(5, bytes(12), order)  # interface statistics
    records, capture = read(path, content)
    assert records == EXPECTED
    assert capture.torn is None


def test_pcapng_sections_and_interfaces(path: Path) -> None:
    """Interfaces belong to their section; each section has its byte order."""
    content = framing.section() + framing.interface(framing.ETHERNET) + framing.interface(framing.RAW)
    content += framing.enhanced(1.0, b"a", number=1) + framing.enhanced(2.0, b"b", number=0)
    content += framing.section(">") + framing.interface(framing.COOKED, order=">")
    content += framing.enhanced(3.0, b"c", order=">")
    records, _ = read(path, content)
    assert [record[:3] for record in records] == [
        (1.0, framing.RAW, b"a"),
        (2.0, framing.ETHERNET, b"b"),
        (3.0, framing.COOKED, b"c"),
    ]


@pytest.mark.parametrize(("resolution", "ticks"), [(3, 1000), (6, 10**6), (9, 10**9), (0x8A, 1024), (0, 1)])
def test_pcapng_time_resolution(path: Path, resolution: int, ticks: int) -> None:
    content = framing.section() + framing.interface(resolution=resolution)
    records, _ = read(path, content + framing.enhanced(1_577_880_000.0, b"x", ticks=ticks))
    assert records[0][0] == 1_577_880_000.0


def test_pcapng_time_offset(path: Path) -> None:
    content = framing.section() + framing.interface(offset=1_577_880_000)
    assert read(path, content + framing.enhanced(5.5, b"x"))[0][0][0] == 1_577_880_005.5


def test_pcapng_simple_and_obsolete_packets(path: Path) -> None:
    """A simple packet has no time: that of the packet before it stands for it."""
    content = framing.section() + framing.interface(snap_length=3)
    content += framing.obsolete(7.0, b"old") + framing.simple(b"simple")
    assert read(path, content)[0] == [(7.0, 1, b"old", 3), (7.0, 1, b"sim", 6)]


def test_a_time_that_no_clock_shows_is_replaced(path: Path) -> None:
    content = framing.section() + framing.interface(resolution=0)
    content += framing.enhanced(9.0, b"x", ticks=1) + framing.enhanced(2.0**60, b"y", ticks=1)
    assert [record[0] for record in read(path, content)[0]] == [9.0, 9.0]


@pytest.mark.parametrize(
    "content", [framing.pcap([]), framing.section(), framing.section() + framing.interface()]
)
def test_no_packets(path: Path, content: bytes) -> None:
    records, capture = read(path, content)
    assert records == []
    assert capture.torn is None


@pytest.mark.parametrize(
    "content",
    [
        framing.pcap(FRAMES),
        framing.section() + framing.interface() + b"".join(framing.enhanced(*frame) for frame in FRAMES),
    ],
)
def test_a_torn_end_yields_what_was_good(path: Path, content: bytes) -> None:
    whole = [record for record, _ in zip(EXPECTED, FRAMES, strict=True)]
    for end in range(28, len(content)):
        try:
            records, capture = read(path, content[:end])
        except CaptureError as error:
            assert "the file ends within its header" in str(error)  # noqa: PT017
            continue
        assert records == whole[: len(records)]
        if capture.torn is None:
            assert end in _boundaries(content)
        else:
            assert str(path) in capture.torn


def _boundaries(content: bytes) -> set[int]:
    if content[:4] == b"\x0a\x0d\x0d\x0a":
        ends, place = set(), 0
        while place < len(content):
            place += struct.unpack_from("<I", content, place + 4)[0]
            ends.add(place)
        return ends
    ends, place = {24}, 24
    while place < len(content):
        place += 16 + struct.unpack_from("<I", content, place + 8)[0]
        ends.add(place)
    return ends


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x1f\x8b\x08\x00rest", "compressed"),
        (b"\xfd7zXZ\x00", "compressed"),
        (b"Hello, World!", "neither pcap nor pcapng"),
        (framing.pcap([])[:20], "the file ends within its header"),
        (b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 9, 0, 0, 0, 0, 1), "version 9"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "byte order"),
    ],
)
def test_no_capture(path: Path, content: bytes, reason: str) -> None:
    records, text = until_error(path, content)
    assert records == []
    assert reason in text
    assert str(path) in text
    assert "offset 0" in text


GOOD = framing.section() + framing.interface() + framing.enhanced(1.0, b"good")
SIZE = len(GOOD)


@pytest.mark.parametrize(
    ("good", "damage", "reason"),
    [
        (framing.pcap([(1.0, b"good")]), struct.pack("<IIII", 1, 0, 0xFFFFFFFF, 0), "4294967295 bytes"),
        (GOOD, struct.pack("<II", 6, 0xFFFFFFFC) + bytes(40), "4294967292 bytes"),
        (GOOD, struct.pack("<II", 6, 8) + bytes(40), "a block of 8 bytes"),
        (GOOD, struct.pack("<II", 6, 33) + bytes(40), "a block of 33 bytes"),
        (GOOD, framing.block(6, bytes(32))[:-4] + b"\1\0\0\0", "two lengths"),
        (GOOD, framing.block(6, struct.pack("<IIIII", 5, 0, 0, 0, 0)), "interface 5"),
        (GOOD, framing.block(6, struct.pack("<IIIII", 0, 0, 0, 999, 999)), "a packet of 999 bytes"),
        (GOOD, framing.block(6, bytes(4)), "too short"),
        (GOOD, framing.block(2, bytes(4)), "too short"),
        (GOOD, framing.block(3, b""), "too short"),
        (GOOD, framing.block(1, bytes(4)), "too short"),
        (framing.section(), framing.simple(b"x"), "interface 0"),
        (GOOD, framing.simple(bytes(300_000)), "a packet of 300000 bytes"),
    ],
)
def test_damage_is_told_with_its_place_after_what_was_good(
    path: Path, good: bytes, damage: bytes, reason: str
) -> None:
    records, text = until_error(path, good + damage)
    assert [record[2] for record in records] == ([b"good"] if good != framing.section() else [])
    assert reason in text
    assert f"offset {len(good)}:" in text


def test_too_many_interfaces(path: Path) -> None:
    _, text = until_error(path, framing.section() + framing.interface() * 5000)
    assert "too many interfaces" in text


def test_an_absurd_length_costs_no_memory(path: Path) -> None:
    tracemalloc.start()
    until_error(path, framing.section() + struct.pack("<II", 6, 0xFFFFFFF0) + bytes(64))
    until_error(path, framing.pcap([]) + struct.pack("<IIII", 1, 0, 0x7FFFFFFF, 0) + bytes(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        Capture(tmp_path / "none")


def test_a_file_that_cannot_be_read_to_its_end(path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    path.write_bytes(framing.pcap(FRAMES))
    with Capture(path) as capture:
        capture._file.close()
        capture._file = Broken()
        with pytest.raises(CaptureError, match="Input/output error"):
            list(capture)


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        os.write(descriptor, framing.pcap(FRAMES))
        with (
            Capture(pipe) as capture,
            pytest.raises(CaptureError, match="pipe: this cannot be read twice; save"),
        ):
            list(capture)
    finally:
        os.close(descriptor)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="directory"):
        Capture(tmp_path)


_SEEDS = [
    framing.pcap(FRAMES),
    framing.pcap(FRAMES, order=">", nanoseconds=True),
    GOOD + framing.obsolete(2.0, b"old") + framing.simple(b"simple") + framing.section(">"),
    framing.section() + framing.interface(resolution=9, offset=5) + framing.enhanced(1.0, b"good"),
]


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(_SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), max_size=6),
    end=st.integers(0, 400),
)
def test_any_damage_ends_in_a_capture_error(
    path: Path, seed: bytes, changes: list[tuple[int, bytes]], end: int
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[place : place + len(value)] = value
    path.write_bytes(bytes(content[:end]))
    try:
        with Capture(path) as capture:
            for at, _, frame, _ in capture:
                assert 0 <= at < 2**33
                assert len(frame) <= len(content)
    except CaptureError as error:
        assert str(path) in str(error)  # noqa: PT017

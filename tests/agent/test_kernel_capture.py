"""Captures from a real interface: what a device says is there, as tshark sees it at the same place."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from capture_lab import Record, records
from kernel_lab import LAN4, Device, Lab, needs_lab

from gateway_agent.capture.bpf import device_filter
from gateway_agent.capture.captures import Captures
from gateway_agent.capture.ring import Captured, Ring
from gateway_agent.capture.tap import open_tap
from gateway_agent.kernel.interfaces import find_lan
from gateway_agent.model import Mac
from gateway_agent.wire.commands import StartCapture
from gateway_agent.wire.messages import Message

pytestmark = needs_lab
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")

MAC = "00:17:88:00:00:01"
QUIET = "02:00:00:00:aa:01"
"""Nobody's: it says nothing but what a test says for it."""

ETHERNET = bytes.fromhex("02000000aa02") + bytes.fromhex(QUIET.replace(":", ""))


@dataclass
class Reader:
    """Takes what captures deliver, and can be slow."""

    file: bytearray = field(default_factory=bytearray)
    reports: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    pause: float = 0.0

    async def take(self, message: Message) -> bool:
        """Take a message."""
        if message.topic.startswith("capture/"):
            self.file += message.payload
            self.sizes.append(len(message.payload))
            if message.payload:
                await asyncio.sleep(self.pause)
        else:
            self.reports.append(json.loads(message.payload))
            if self.reports[-1]["state"] == "ended":
                assert self.sizes[-1] == 0
                self.ended.set()
        return True

    @property
    def last(self) -> dict[str, Any]:
        """The newest report."""
        return self.reports[-1]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built, built.gateway.entered():
        yield built


def captures(reader: Reader) -> Captures:
    """Return what captures here."""
    lan = find_lan()

    def tap(mac: Mac, headers_only: bool) -> Ring:
        return open_tap(lan, mac, headers_only=headers_only)

    return Captures(tap, lambda _: True, reader.take)


@contextlib.asynccontextmanager
async def capturing(reader: Reader, mac: str = MAC, **options: Any) -> AsyncIterator[Captures]:  # noqa: ANN401
    """Capture for the length of a block, and to the capture's end."""
    made = captures(reader)
    began = made.obey(StartCapture("c", mac, **{"duration": 60, **options}))
    assert began is not None
    assert json.loads(began.payload)["ok"]
    try:
        yield made
    finally:
        await made.close()


@contextlib.contextmanager
def tshark(lab: Lab, file: Path, expression: str) -> Iterator[None]:
    """Have tshark capture on the bridge for the length of a block."""
    command = ["ip", "netns", "exec", lab.gateway.name, "dumpcap", "-q", "-P", "-B", "64", "-i", "br-lan"]
    process = subprocess.Popen(
        [*command, "-f", expression, "-w", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + 20
        while not file.exists() or file.stat().st_size < 24:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.3)
        yield
        time.sleep(1)
    finally:
        process.terminate()
        process.wait(20)


def file_records(file: Path) -> list[Record]:
    """Return the packets of tshark's file, whichever unit its times have."""
    content = file.read_bytes()
    (magic,) = struct.unpack_from("<I", content)
    unit = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[magic]
    found = records(struct.pack("<I", 0xA1B23C4D) + content[4:])
    return [record._replace(at=record.at // 10**9 * 10**9 + record.at % 10**9 * unit) for record in found]


def talk(lab: Lab, size: int) -> None:
    """Have the first two devices exchange TCP, UDP and ping with the Internet over both IP versions."""
    server = lab.wan.socket(socket.AF_INET, socket.SOCK_STREAM, (lab.remote4, 8080))
    server.listen()
    for device in lab.devices[:2]:
        client = device.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect((lab.remote4, 8080))
        peer, _ = server.accept()
        peer.settimeout(5)
        for sender, receiver in ((client, peer), (peer, client)):
            sender.settimeout(5)
            remaining = size
            while remaining:
                sender.sendall(os.urandom(min(remaining, 30_000)))
                got = 0
                while got < min(remaining, 30_000):
                    got += len(receiver.recv(65_536))
                remaining -= got
        client.close()
        peer.close()
        device.run("ping", "-c", "1", lab.remote4)
        device.run("ping", "-c", "1", lab.remote6)
    server.close()


@needs_tshark
@pytest.mark.parametrize("offload", [False, True])
async def test_it_equals_what_tshark_sees_on_the_bridge(lab: Lab, tmp_path: Path, offload: bool) -> None:
    if offload:  # segments are joined on their way: packets of up to 64 KiB pass the bridge
        for namespace, name in ((lab.gateway, "lan0"), (lab.devices[0], "eth0"), (lab.wan, "eth0")):
            namespace.ip("link", "set", name, "gso_max_segs", "64")
    device, other = lab.devices[:2]
    reader, theirs = Reader(), tmp_path / "theirs.pcap"
    with tshark(lab, theirs, f"ether host {device.mac}"):
        async with capturing(reader):
            await asyncio.to_thread(talk, lab, 400_000)
    mine = records(bytes(reader.file))
    expected = file_records(theirs)
    assert len(mine) > 50
    assert max(record.length for record in mine) > (3_000 if offload else 1_000)
    ours, theirs_ = ([(record.frame, record.length) for record in each] for each in (mine, expected))
    begins = [begin for begin in range(len(theirs_)) if theirs_[begin : begin + len(ours)] == ours]
    assert begins, "tshark saw something else"
    begin = begins[0]
    assert all(abs(a.at - b.at) < 10**6 for a, b in zip(mine, expected[begin:], strict=False))
    macs = {record.frame[:6].hex(":") for record in mine} | {record.frame[6:12].hex(":") for record in mine}
    assert other.mac not in macs
    assert reader.last["packets"] == len(mine)
    assert reader.last["bytes"] == len(reader.file)
    assert (reader.last["dropped_kernel"], reader.last["dropped_agent"]) == (0, 0)
    assert reader.last["reason"] == "agent_stopped"
    file = tmp_path / "mine.pcap"
    file.write_bytes(reader.file)
    shown = await asyncio.to_thread(
        subprocess.run, ["tshark", "-r", file], capture_output=True, text=True, check=True
    )
    assert len(shown.stdout.splitlines()) == len(mine)
    assert not [line for line in shown.stderr.splitlines() if "root" not in line]


def sender(lab: Lab) -> Callable[[bytes], None]:
    """Return what puts frames of the first device on the wire."""
    device = lab.devices[0]
    tap = device.socket(socket.AF_PACKET, socket.SOCK_RAW)
    tap.bind(("eth0", 0))
    return tap.sendall


def drain(ring: Ring) -> list[Captured]:
    """Return what the ring has, after its last block is due."""
    time.sleep(0.3)
    found: list[Captured] = []
    while ring.waiting:
        found += ring.read()
    return found


def tcp(flags: int, options: bytes, payload: bytes) -> bytes:
    """Return a TCP segment."""
    return (
        struct.pack(">HHIIBBHHH", 40000, 443, 1, 2, (20 + len(options)) // 4 << 4, flags, 1000, 0, 0)
        + options
        + payload
    )


def ipv4(protocol: int, body: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
    """Return a frame of the device's with an IPv4 packet."""
    size = 20 + len(options) + len(body)
    header = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | (20 + len(options)) // 4,
        0,
        size,
        7,
        fragment,
        64,
        protocol,
        0,
        b"abcd",
        b"efgh",
    )
    return ETHERNET + b"\x08\x00" + header + options + body


def ipv6(protocol: int, body: bytes) -> bytes:
    """Return a frame of the device's with an IPv6 packet."""
    return (
        ETHERNET
        + b"\x86\xdd"
        + struct.pack(">IHBB", 6 << 28, len(body), protocol, 64)
        + bytes(range(32))
        + body
    )


SECRET = b"SECRET" * 20


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (ipv4(6, tcp(24, b"", SECRET)), 14 + 20 + 20),
        (ipv4(6, tcp(24, bytes(12), SECRET)), 14 + 20 + 32),
        (ipv4(6, tcp(24, bytes(40), SECRET), options=bytes(8)), 14 + 28 + 60),
        (ipv4(17, bytes(8) + SECRET), 14 + 20 + 8),
        (ipv4(1, bytes(8) + SECRET), 14 + 20 + 8),
        (ipv4(47, SECRET), 14 + 20),
        (ipv4(17, SECRET, fragment=100), 14 + 20),
        (ipv6(6, tcp(24, bytes(12), SECRET)), 14 + 40 + 32),
        (ipv6(17, bytes(8) + SECRET), 14 + 40 + 8),
        (ipv6(58, bytes(8) + SECRET), 14 + 40 + 8),
        (ipv6(44, SECRET), 14 + 40),
        (ETHERNET + b"\x88\xb5" + SECRET, 14),
        (ETHERNET + b"\x08\x06" + bytes(28), 14 + 28),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_headers_only_leaves_the_payload_where_it_is(lab: Lab, frame: bytes, kept: int) -> None:
    send = sender(lab)
    ring = Ring("lan0", device_filter(QUIET, headers_only=True))
    send(frame)
    (captured,) = drain(ring)
    ring.close()
    assert (captured.frame, captured.length) == (frame[:kept], len(frame))
    assert b"SECRET" not in captured.frame


def test_no_frame_escapes_however_it_is_made(lab: Lab) -> None:
    send = sender(lab)
    rings = [Ring("lan0", device_filter(QUIET, headers_only=only)) for only in (False, True)]
    dice = random.Random(5)
    frames = []
    for number in range(600):
        made = dice.choice(
            [ipv4(dice.choice([1, 6, 17, 50]), SECRET), ipv6(dice.choice([6, 17, 58]), SECRET)]
        )
        frame = bytearray(made[: dice.randrange(14, 80)])
        for _ in range(dice.randrange(3)):
            frame[dice.randrange(12, len(frame))] = dice.randrange(256)
        if frame[12:14] == b"\x81\x00" or frame[12:14] == b"\x88\xa8":
            continue  # a tag that the kernel takes off and the agent puts back
        frame[-1] = number % 256
        frames.append(bytes(frame))
        send(frames[-1])
    whole, headers = map(drain, rings)
    for ring in rings:
        ring.close()
    assert [captured.frame for captured in whole] == frames
    assert [captured.length for captured in headers] == [len(frame) for frame in frames]
    assert all(frame.startswith(captured.frame) for frame, captured in zip(frames, headers, strict=True))


def test_a_vlan_tag_is_where_it_was(lab: Lab) -> None:
    send = sender(lab)
    ring = Ring("lan0", device_filter(QUIET, headers_only=False))
    tagged = ETHERNET + struct.pack(">HH", 0x8100, 7) + ipv4(17, bytes(8) + SECRET)[12:]
    send(tagged)
    (captured,) = drain(ring)
    ring.close()
    assert captured.frame == tagged
    assert captured.length == len(tagged)


async def test_it_ends_by_itself_after_its_time(lab: Lab) -> None:
    reader = Reader()
    device: Device = lab.devices[0]
    async with capturing(reader, duration=1):
        await asyncio.to_thread(device.run, "ping", "-c", "3", "-i", "0.2", f"{LAN4}.1")
        await asyncio.wait_for(reader.ended.wait(), 10)
        before = len(reader.file)
        await asyncio.to_thread(device.run, "ping", "-c", "2", "-i", "0.2", f"{LAN4}.1")
    assert reader.last["reason"] == "duration"
    assert reader.last["elapsed"] == pytest.approx(1, abs=0.3)
    assert len(reader.file) == before == reader.last["bytes"]
    assert reader.last["packets"] == len(records(bytes(reader.file))) >= 6


async def test_it_ends_by_itself_at_its_size(lab: Lab) -> None:
    reader = Reader()
    async with capturing(reader, max_bytes=5_000):
        await asyncio.to_thread(talk, lab, 20_000)
        await asyncio.wait_for(reader.ended.wait(), 10)
    assert reader.last["reason"] == "size"
    assert 5_000 - 1_514 - 16 < len(reader.file) <= 5_000
    assert reader.last["packets"] == len(records(bytes(reader.file)))


async def test_it_ends_with_its_interface(lab: Lab) -> None:
    reader = Reader()
    async with capturing(reader):
        await asyncio.to_thread(lab.devices[0].run, "ping", "-c", "1", f"{LAN4}.1")
        await asyncio.to_thread(lab.gateway.ip, "link", "del", "br-lan")
        await asyncio.wait_for(reader.ended.wait(), 10)
    assert reader.last["reason"] == "interface_gone"
    assert reader.last["packets"] == len(records(bytes(reader.file))) >= 2


async def test_a_slow_reader_costs_packets_and_is_told_how_many(lab: Lab) -> None:
    reader = Reader(pause=0.2)
    send = sender(lab)
    frame = ETHERNET + b"\x88\xb5" + bytes(1400)
    count = 16_000  # 23 MB: more than the ring and the waiting chunks hold

    def flood() -> None:
        for _ in range(count):
            send(frame)

    async with capturing(reader, QUIET, max_bytes=10**8) as made:
        await asyncio.to_thread(flood)
        reader.pause = 0.0
        await made.close()
    mine = records(bytes(reader.file))
    assert reader.last["dropped_kernel"] > 0
    assert len(mine) + reader.last["dropped_kernel"] == count
    assert reader.last["dropped_agent"] == 0


def test_without_an_interface_there_is_no_capture(lab: Lab) -> None:
    assert lab.devices
    with pytest.raises(OSError, match="no interface with this name"):
        Ring("br-none", device_filter(QUIET, headers_only=False))

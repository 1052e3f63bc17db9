"""Server names in captures: where no lookup can be heard, rows have the names that TShark sees."""

import os
import shutil
import subprocess
from pathlib import Path

import framing
import pytest
from framing import ACK, DEVICE, PSH, ROUTER, SYN
from replaying import told
from tls_hellos import extension, hello, names

from gateway_agent.decode.packet import TCP, UDP, Decoder
from gateway_agent.decode.pcap import Capture, Record

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
LAN, NET = "192.168.8.20", "198.51.100.7"
AT = 1_577_880_000.0

Names = set[tuple[str, int, str]]
"""Remote address, port, name."""


def written(path: Path, records: list[Record]) -> Path:
    return framing.saved(path, framing.pcap([(at, frame, length) for at, _, frame, length in records]))


def without_dns(path: Path) -> list[Record]:
    """Return the frames of a capture but for those from and to port 53."""
    decoder, kept = Decoder(), []
    with Capture(path) as capture:
        for record in capture:
            packet = decoder.packet(record[1], record[2], record[3])
            ports = packet[5:7] if packet is not None and packet.protocol in (TCP, UDP) else ()
            if 53 not in ports:
                kept.append(record)
    return kept


def shark(path: Path) -> Names:
    """Return what TShark says."""
    command = ["tshark", "-n", "-r", str(path), "-Y", "tls.handshake.extensions_server_name", "-T", "fields"]
    for field in ("ip.dst", "tcp.dstport", "tls.handshake.extensions_server_name"):
        command += ["-e", field]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = (line.split("\t") for line in shown.splitlines())
    return {(remote, int(port), name) for remote, port, name in lines}


def rows(path: Path) -> Names:
    """Return what the rows with a server's name say."""
    return {
        (row["address"], row["port"], row["name"])
        for row in told(path).rows.values()
        if row["name_source"] == "tls"
    }


@pytest.mark.captures
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize(
    "file",
    [file for file in sorted(FOLDER.glob("*.pcap")) if "zeek" not in file.name],
    ids=lambda file: file.stem,
)
def test_without_dns_the_names_are_tshark_s(file: Path, tmp_path: Path) -> None:
    silent = written(tmp_path / "silent.pcap", without_dns(file))
    assert rows(silent) == shark(silent)


def connection(*payloads: bytes, port: int = 443, answer: bytes = b"\x16\x03\x03\0\x02\2\0") -> list[bytes]:
    """Return the frames of a connection in which the device says so much before the answer."""

    def frame(up: bool, flags: int, payload: bytes, sequence: int) -> bytes:
        ports = (40_000, port) if up else (port, 40_000)
        ends = (LAN, NET) if up else (NET, LAN)
        macs = (DEVICE, ROUTER) if up else (ROUTER, DEVICE)
        return framing.ethernet(
            *macs, framing.ip(*ends, 6, framing.tcp(*ports, flags, payload, sequence=sequence))
        )

    frames = [frame(True, SYN, b"", 100), frame(False, SYN | ACK, b"", 500), frame(True, ACK, b"", 101)]
    sequence = 101
    for payload in payloads:
        frames.append(frame(True, PSH | ACK, payload, sequence))
        sequence += len(payload)
    return [*frames, frame(False, PSH | ACK, answer, 501)]


def replayed(
    tmp_path: Path, frames: list[bytes], every: float = 0.01
) -> list[tuple[str | None, str | None, int]]:
    """Return the rows of a capture: name, its source, connections."""
    records = [(AT + number * every, 1, frame, len(frame)) for number, frame in enumerate(frames)]
    found = told(written(tmp_path / "made.pcap", records)).rows.values()
    return [(row["name"], row["name_source"], row["connections"]) for row in found]


WHOLE = hello(extension(51, bytes(1_800)), names(b"A.example"))


def test_the_whole_connection_has_the_name(tmp_path: Path) -> None:
    assert replayed(tmp_path, connection(WHOLE)) == [("a.example", "tls", 1)]
    assert replayed(tmp_path, connection(WHOLE, port=8883)) == [("a.example", "tls", 1)]


def test_in_pieces_repeated_and_out_of_order(tmp_path: Path) -> None:
    frames = connection(WHOLE[:700], WHOLE[700:1400], WHOLE[1400:])
    handshake, (one, two, three), rest = frames[:3], frames[3:6], frames[6:]
    for order in ([one, two, three], [one, three, two], [one, one, two, three], [one, three, three, two]):
        assert replayed(tmp_path, [*handshake, *order, *rest]) == [("a.example", "tls", 1)]


@pytest.mark.parametrize(
    "payloads",
    [
        (b"GET / HTTP/1.1\r\n\r\n", WHOLE),  # a hello is the first that a client says
        (WHOLE[:700], WHOLE[1400:]),
        (hello(names(b"outer.example"), extension(0xFE0D, b"")),),
        (hello(names(b"a.example"), names(b"b.example")),),
        (b"\x16\x03\x01",),
    ],
    ids=["http", "gap", "ech", "two", "three bytes"],
)
def test_what_has_no_name_stays_an_address(tmp_path: Path, payloads: tuple[bytes, ...]) -> None:
    assert replayed(tmp_path, connection(*payloads)) == [(None, None, 1)]


def test_a_server_that_says_hello_names_nobody(tmp_path: Path) -> None:
    assert replayed(tmp_path, connection(b"x", answer=WHOLE)) == [(None, None, 1)]

"""Frames of made-up TCP connections and DNS exchanges, built once and patched for each connection.

One connection is 10 packets and 1,148 bytes of IP: handshake, 200 bytes up, 412 bytes down, orderly close.
TCP and UDP checksums are left at zero: the benchmark's gateway has `nf_conntrack_checksum` off.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

UP, DOWN = True, False
_SYN_OPTIONS = bytes.fromhex("020405b40402080a000000010000000001030307")
_OPTIONS = bytes.fromhex("0101080a0000000100000001")
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_PORT_UP, _PORT_DOWN = 14 + 20, 14 + 22


@dataclass(frozen=True, slots=True)
class Wires:
    """Where the frames go: MAC addresses (6 bytes) and packed IPv4 addresses on both sides of the gateway."""

    device_mac: bytes
    gateway_lan_mac: bytes
    outside_mac: bytes
    gateway_wan_mac: bytes
    device: bytes
    gateway_wan: bytes


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack("!10H", header))
    while carry := total >> 16:
        total = (total & 0xFFFF) + carry
    return ~total & 0xFFFF


def _packet(wires: Wires, up: bool, remote: bytes, protocol: int, body: bytes) -> bytearray:
    source, target = (wires.device, remote) if up else (remote, wires.gateway_wan)
    macs = (wires.gateway_lan_mac + wires.device_mac) if up else (wires.gateway_wan_mac + wires.outside_mac)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0, source, target)
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return bytearray(macs + b"\x08\x00" + header + body)


def _segment(ports: tuple[int, int], numbers: tuple[int, int], flags: int, payload: bytes) -> bytes:
    options = _SYN_OPTIONS if flags & _SYN else _OPTIONS
    offset = (20 + len(options)) // 4 << 4
    return struct.pack("!HHIIBBHHH", *ports, *numbers, offset, flags, 0xFFFF, 0, 0) + options + payload


def connection(
    wires: Wires, remote: IPv4Address, port: int, hello: bytes = bytes(200)
) -> list[tuple[bool, bytearray]]:
    """Return the connection's frames in order as (up, frame); `hello` is what the device says."""
    page = bytes(412)
    said = 101 + len(hello)
    segments = [
        (UP, 100, 0, _SYN, b""),
        (DOWN, 500, 101, _SYN | _ACK, b""),
        (UP, 101, 501, _ACK, b""),
        (UP, 101, 501, _PSH | _ACK, hello),
        (DOWN, 501, said, _ACK, b""),
        (DOWN, 501, said, _PSH | _ACK, page),
        (UP, said, 913, _ACK, b""),
        (UP, said, 913, _FIN | _ACK, b""),
        (DOWN, 913, said + 1, _FIN | _ACK, b""),
        (UP, said + 1, 914, _ACK, b""),
    ]
    return [
        (
            up,
            _packet(
                wires,
                up,
                remote.packed,
                6,
                _segment((0, port) if up else (port, 0), (seq, ack), flags, payload),
            ),
        )
        for up, seq, ack, flags, payload in segments
    ]


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def dns_exchange(
    wires: Wires, resolver: IPv4Address, name: str, address: IPv4Address
) -> list[tuple[bool, bytearray]]:
    """Return a query for the name and its answer: a CNAME and one address, compressed as resolvers do."""
    question = _name(name) + struct.pack("!HH", 1, 1)
    target = _name("edge.cdn.example")
    canonical = struct.pack("!H", 0xC000 | 12 + len(question) + 12)
    answers = (
        b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(target)) + target
        + canonical + struct.pack("!HHIH", 1, 1, 60, 4) + address.packed
    )  # fmt: skip
    query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question
    answer = struct.pack("!6H", 7, 0x8180, 1, 2, 0, 0) + question + answers
    return [
        (UP, _packet(wires, UP, resolver.packed, 17, struct.pack("!4H", 0, 53, 8 + len(query), 0) + query)),
        (
            DOWN,
            _packet(wires, DOWN, resolver.packed, 17, struct.pack("!4H", 53, 0, 8 + len(answer), 0) + answer),
        ),
    ]


def set_client_port(frame: bytearray, up: bool, port: int) -> None:
    """Patch the device's port into a frame."""
    struct.pack_into("!H", frame, _PORT_UP if up else _PORT_DOWN, port)

"""Builds frames, messages and capture files byte by byte, for tests of what reads them."""

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

DEVICE = bytes.fromhex("001788000001")
OTHER = bytes.fromhex("001788000002")
ROUTER = bytes.fromhex("02aabbccdd01")
BROADCAST = b"\xff" * 6

ETHERNET, RAW, COOKED, COOKED2 = 1, 101, 113, 276
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

Packet = tuple[float, bytes]


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def ipv4(  # noqa: PLR0913
    source: str,
    destination: str,
    protocol: int,
    body: bytes,
    *,
    options: bytes = b"",
    identity: int = 0,
    fragment: int = 0,
    length: int | None = None,
) -> bytes:
    """Return a packet; `fragment` is flags and offset as they stand in the header."""
    size = 20 + len(options)
    total = size + len(body) if length is None else length
    return (
        struct.pack("!BBHHHBBH", 0x40 | size // 4, 0, total, identity, fragment, 64, protocol, 0)
        + address(source)
        + address(destination)
        + options
        + body
    )


def checked(packet: bytes) -> bytes:
    """Return an IPv4 packet with the right header checksum; any other as it is."""
    if packet[0] >> 4 != 4:
        return packet
    size = (packet[0] & 15) * 4
    header = packet[:10] + b"\0\0" + packet[12:size]
    total = sum(struct.unpack(f"!{size // 2}H", header))
    while carry := total >> 16:
        total = (total & 0xFFFF) + carry
    return header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:] + packet[size:]


def ipv6(source: str, destination: str, protocol: int, body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return struct.pack("!IHBB", 6 << 28, size, protocol, 64) + address(source) + address(destination) + body


def ip(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, body)


def tcp(  # noqa: PLR0913
    source: int,
    destination: int,
    flags: int,
    payload: bytes = b"",
    *,
    sequence: int = 0,
    acknowledge: int = 0,
    options: bytes = b"",
) -> bytes:
    offset = (20 + len(options)) // 4 << 4
    return (
        struct.pack("!HHIIBBHHH", source, destination, sequence, acknowledge, offset, flags, 65535, 0, 0)
        + options
        + payload
    )


def udp(source: int, destination: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = 8 + len(payload) if length is None else length
    return struct.pack("!HHHH", source, destination, size, 0) + payload


def ethernet(source: bytes, destination: bytes, packet: bytes, *, tags: Sequence[int] = ()) -> bytes:
    """Return a frame; each of `tags` is the ethertype of a VLAN tag."""
    vlan = b"".join(struct.pack("!HH", tag, 7) for tag in tags)
    return destination + source + vlan + struct.pack("!H", ethertype(packet)) + packet


def ethertype(packet: bytes) -> int:
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def cooked(source: bytes, packet: bytes) -> bytes:
    return struct.pack("!HHH8sH", 0, 1, len(source), source.ljust(8, b"\0"), ethertype(packet)) + packet


def cooked2(source: bytes, packet: bytes) -> bytes:
    return (
        struct.pack("!HHIHBB8s", ethertype(packet), 0, 2, 1, 0, len(source), source.ljust(8, b"\0")) + packet
    )


def arp(mac: bytes, source: str, target: str) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address(source) + bytes(6) + address(target)
    return BROADCAST + mac + b"\x08\x06" + body


def dns_name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in text.encode().split(b".") if label) + b"\0"


def dns_record(owner: bytes, kind: int, data: bytes, *, ttl: int = 300, network: int = 1) -> bytes:
    return owner + struct.pack("!HHIH", kind, network, ttl, len(data)) + data


QUESTION_NAME = b"\xc0\x0c"


def dns_answer(  # noqa: PLR0913
    name: str | bytes,
    records: Sequence[bytes] = (),
    *,
    kind: int = 1,
    flags: int = 0x8180,
    count: int | None = None,
    questions: int = 1,
) -> bytes:
    wire = dns_name(name) if isinstance(name, str) else name
    answers = len(records) if count is None else count
    header = struct.pack("!HHHHHH", 7, flags, questions, answers, 0, 0)
    return header + wire + struct.pack("!HH", kind, 1) + b"".join(records)


def dns_addresses(name: str, *addresses: str, ttl: int = 300) -> bytes:
    """Return an answer with these addresses."""
    packed = [address(text) for text in addresses]
    records = [dns_record(QUESTION_NAME, 1 if len(each) == 4 else 28, each, ttl=ttl) for each in packed]
    return dns_answer(name, records, kind=1 if not packed or len(packed[0]) == 4 else 28)


def dhcp(  # noqa: PLR0913
    operation: int,
    mac: bytes,
    options: Iterable[tuple[int, bytes]] = (),
    *,
    client: str = "0.0.0.0",
    your: str = "0.0.0.0",
    server_name: bytes = b"",
    file: bytes = b"",
) -> bytes:
    fixed = struct.pack("!BBBBIHH", operation, 1, 6, 0, 7, 0, 0) + address(client) + address(your) + bytes(8)
    fields = mac.ljust(16, b"\0") + server_name.ljust(64, b"\0") + file.ljust(128, b"\0")
    encoded = b"".join(bytes([code, len(value)]) + value for code, value in options)
    return fixed + fields + b"\x63\x82\x53\x63" + encoded + b"\xff"


NTP_REQUEST = b"\x23" + bytes(47)
NTP_REPLY = b"\x24" + bytes(47)


def pcap(
    frames: Iterable[tuple[float, bytes] | tuple[float, bytes, int]],
    *,
    link_type: int = ETHERNET,
    order: str = "<",
    nanoseconds: bool = False,
    snap_length: int = 262_144,
) -> bytes:
    """Return a pcap file of (time, frame) or (time, captured bytes, length on the wire)."""
    ticks = 10**9 if nanoseconds else 10**6
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)]
    for at, frame, *length in frames:
        fraction = round(at % 1 * ticks)
        captured = frame[:snap_length]
        wire = length[0] if length else len(frame)
        parts += [struct.pack(f"{order}IIII", int(at), fraction, len(captured), wire), captured]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link_type: int = ETHERNET,
    *,
    order: str = "<",
    resolution: int | None = None,
    offset: int | None = None,
    snap_length: int = 0,
) -> bytes:
    options = b""
    if resolution is not None:
        options += struct.pack(f"{order}HHBxxx", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(f"{order}HHq", 14, 8, offset)
    if options:
        options += bytes(4)
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snap_length) + options, order)


def enhanced(  # noqa: PLR0913
    at: float,
    frame: bytes,
    *,
    number: int = 0,
    ticks: int = 10**6,
    order: str = "<",
    length: int | None = None,
) -> bytes:
    moment = round(at * ticks)
    wire = len(frame) if length is None else length
    head = struct.pack(f"{order}IIIII", number, moment >> 32, moment & 0xFFFFFFFF, len(frame), wire)
    return block(6, head + frame, order)


def simple(frame: bytes, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", len(frame)) + frame, order)


def obsolete(at: float, frame: bytes, *, number: int = 0, order: str = "<") -> bytes:
    moment = round(at * 10**6)
    head = struct.pack(f"{order}HHIIII", number, 0, moment >> 32, moment & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path

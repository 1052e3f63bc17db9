"""Ethernet frames with correct lengths and checksums."""

import ipaddress
import struct

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_ARP = 0x0806
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total if total else (0 if any(data) else 0xFFFF)


def ethernet(source: str, target: str, payload: bytes, ethertype: int | None = None) -> bytes:
    """Build a frame; an IP payload says its own type."""
    return _mac(target) + _mac(source) + struct.pack(">H", ethertype or _ETHERTYPE[payload[0] >> 4]) + payload


def ip(  # noqa: PLR0913
    source: str, target: str, protocol: int, payload: bytes, *, identity: int = 0, hops: int = 64
) -> bytes:
    """Build an IPv4 or IPv6 packet."""
    here, there = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    if len(here) == 16:
        return struct.pack(">IHBB", 0x60000000, len(payload), protocol, hops) + here + there + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), identity, 0x4000, hops, protocol, 0)
    total = checksum(header + here + there)
    return header[:10] + struct.pack(">H", total) + here + there + payload


def udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """Build a UDP datagram in its packet; `ports` are the source's and the target's."""
    segment = struct.pack(">4H", *ports, 8 + len(payload), 0) + payload
    total = checksum(_pseudo(source, target, UDP, len(segment)) + segment) or 0xFFFF
    return ip(source, target, UDP, segment[:6] + struct.pack(">H", total) + segment[8:])


def tcp(  # noqa: PLR0913, PLR0917
    source: str,
    target: str,
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    payload: bytes = b"",
) -> bytes:
    """Build a TCP segment in its packet; `numbers` are sequence and acknowledgement."""
    options = struct.pack(">BBHBBBB", 2, 4, 1460, 1, 1, 4, 2) if flags & SYN else b""
    offset = (5 + len(options) // 4) << 4
    sequence, acknowledged = (number & 0xFFFFFFFF for number in numbers)
    header = struct.pack(
        ">HHIIBBHHH", *ports, sequence, acknowledged, offset, flags, 0 if flags & RST else 64240, 0, 0
    )
    segment = header + options + payload
    total = checksum(_pseudo(source, target, TCP, len(segment)) + segment)
    return ip(source, target, TCP, segment[:16] + struct.pack(">H", total) + segment[18:])


def prohibited(router: str, packet: bytes) -> bytes:
    """Build the ICMP error "administratively prohibited" of a router for a packet (RFC 792, RFC 4443)."""
    if packet[0] >> 4 == 6:
        source = str(ipaddress.ip_address(packet[8:24]))
        return icmpv6(router, source, 1, 1, bytes(4) + packet[:1200], hops=64)
    source = str(ipaddress.ip_address(packet[12:16]))
    message = struct.pack(">BBHI", 3, 13, 0, 0) + packet[:548]
    return ip(router, source, ICMP, message[:2] + struct.pack(">H", checksum(message)) + message[4:])


def icmpv6(source: str, target: str, kind: int, code: int, body: bytes, *, hops: int = 255) -> bytes:  # noqa: PLR0913
    """Build an ICMPv6 message in its packet."""
    message = struct.pack(">BBH", kind, code, 0) + body
    total = checksum(_pseudo(source, target, ICMPV6, len(message)) + message)
    return ip(source, target, ICMPV6, message[:2] + struct.pack(">H", total) + message[4:], hops=hops)


def router_advertisement(mac: str, router: str, prefix: str) -> bytes:
    """Build a router advertisement with one prefix for SLAAC (RFC 4861, section 4.2)."""
    network = ipaddress.IPv6Network(prefix)
    information = struct.pack(">BBBBIII", 3, 4, network.prefixlen, 0xC0, 86400, 14400, 0)
    body = (
        struct.pack(">BBHII", 64, 0, 1800, 0, 0)
        + information + network.network_address.packed
        + b"\x01\x01" + _mac(mac)
    )  # fmt: skip
    return icmpv6(router, ALL_NODES, 134, 0, body)


def arp(operation: int, source: tuple[str, str], target: tuple[str, str]) -> bytes:
    """Build an ARP frame; source and target are (MAC, address)."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    for mac, address in (source, target):
        body += (bytes(6) if mac == BROADCAST else _mac(mac)) + ipaddress.IPv4Address(address).packed
    return ethernet(source[0], target[0], body.ljust(46, b"\0"), _ARP)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _pseudo(source: str, target: str, protocol: int, length: int) -> bytes:
    here, there = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    return here + there + struct.pack(">II", protocol, length)

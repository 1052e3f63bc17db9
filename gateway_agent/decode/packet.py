"""Finds the IP packet in a captured frame: link layers, VLAN tags, IP options and extensions, fragments.

Runs once per packet of a capture, so it slices and unpacks, and builds one tuple. Lengths come from the IP
header, never from what was captured: the snap length of a capture changes no counter.
"""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway_agent.model import Address

ICMP, IGMP, TCP, UDP, ICMPV6 = 1, 2, 6, 17, 58
WITH_PORTS: Final = frozenset({TCP, UDP, 33, 132, 136})
"""Protocols whose header begins with two ports: also DCCP, SCTP, UDP-Lite."""
_USUAL: Final = frozenset({TCP, UDP})

_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_IP: Final = frozenset({_IPV4, _IPV6})
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_MAX_VLAN_TAGS = 8
_MAX_EXTENSIONS = 32
_MAX_FRAGMENTED = 4096

_ETHERNET_HEADER = struct.Struct("!6s6sH").unpack_from
_IPV4_HEADER = struct.Struct("!BxHHHxBxx4s4s").unpack_from
_IPV6_HEADER = struct.Struct("!IHBx16s16s").unpack_from
_TWO_SHORTS = struct.Struct("!HH").unpack_from
_FRAGMENT_HEADER = struct.Struct("!HI").unpack_from
_ARP_SENDER = struct.Struct("!HHBBH6s4s").unpack_from

# RFC 8200 section 4, RFC 4302; as the kernel's ipv6_find_hdr() skips them.
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS: Final = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60})
# A jumbogram (RFC 2675) or segmentation offload: the header tells no length.
_LONGER_THAN_TOLD: Final = frozenset({0, TCP})
_UNKNOWN: Final = (0, 0, 0)
_ECHO_REQUEST: Final = frozenset({(ICMP, 8), (ICMPV6, 128)})
_ECHO_REPLY: Final = frozenset({(ICMP, 0), (ICMPV6, 129)})


class Packet(NamedTuple):
    """One IP packet. A MAC address is empty where the link layer does not tell it.

    `length` is the IP total length, `size` what of it follows the IP headers. `transport` is the offset of
    the transport header in the frame; 0 where there is none (a later fragment). The id of an echo request,
    plus one, stands for its source port, that of a reply for its destination port; unknown ports are 0.
    """

    source_mac: bytes
    destination_mac: bytes
    source: Address
    destination: Address
    protocol: int
    source_port: int
    destination_port: int
    length: int
    transport: int
    size: int


class ArpSender(NamedTuple):
    """Who an ARP packet (RFC 826) says it is from."""

    mac: bytes
    address: Address


TO_HOST, OUTGOING = 0, 4
"""Types of frames in cooked captures (linux/if_packet.h)."""
_COOKED_TYPE: Final = {113: 1, 276: 10}

_Link = tuple[bytes, bytes, int, int]
"""Source MAC, destination MAC, ethertype, offset of what follows."""

_new = tuple.__new__


class Decoder:
    """Decodes frames; remembers, bounded, the ports of packets that came in fragments."""

    def __init__(self) -> None:
        self._fragmented: dict[tuple[Address, Address, int, int], tuple[int, int, int]] = {}

    def packet(self, link_type: int, frame: bytes, original_length: int) -> Packet | None:
        """Return the IP packet in a frame, or None where there is none or its headers were cut off."""
        read_link = _LINKS.get(link_type)
        if read_link is None:
            return None
        try:
            source_mac, destination_mac, ethertype, offset = read_link(frame)
            if ethertype == _IPV4:
                return self._ipv4(source_mac, destination_mac, frame, offset, original_length)
            if ethertype == _IPV6:
                return self._ipv6(source_mac, destination_mac, frame, offset, original_length)
        except (struct.error, IndexError):
            pass
        return None

    def _ipv4(
        self, source_mac: bytes, destination_mac: bytes, frame: bytes, offset: int, wire: int
    ) -> Packet | None:
        version, length, identity, fragment, protocol, source, destination = _IPV4_HEADER(frame, offset)
        header = (version & 15) << 2
        if version >> 4 != 4 or header < 20:
            return None
        if length < header:
            if length or wire < offset + header:
                return None
            length = wire - offset  # segmentation offload: the network card would have filled it in
        transport = offset + header
        if fragment & 0x3FFF:
            key = (source, destination, protocol, identity)
            if fragment & 0x1FFF:
                transport = 0
                ports = self._fragmented.get(key, _UNKNOWN)[1:]
            else:
                ports = self._first_fragment(key, protocol, frame, transport)
        elif protocol in _USUAL:
            ports = _TWO_SHORTS(frame, transport) if len(frame) >= transport + 4 else (0, 0)
        else:
            ports = _ports(protocol, frame, transport)
        rest = length - header
        return _new(
            Packet,
            (source_mac, destination_mac, source, destination, protocol, *ports, length, transport, rest),
        )

    def _ipv6(
        self, source_mac: bytes, destination_mac: bytes, frame: bytes, offset: int, wire: int
    ) -> Packet | None:
        version, size, protocol, source, destination = _IPV6_HEADER(frame, offset)
        if version >> 28 != 6:
            return None
        if not size and protocol in _LONGER_THAN_TOLD:
            size = max(wire - offset - 40, 0)
        transport = offset + 40
        identity = place = None
        if protocol in _EXTENSIONS:
            protocol, transport, identity, place = _skip_extensions(frame, protocol, transport)
        rest = max(size + 40 + offset - transport, 0)
        if identity is None:
            ports = _ports(protocol, frame, transport)
        elif place:
            transport = 0
            known = self._fragmented.get((source, destination, -1, identity), (protocol, 0, 0))
            protocol, ports = known[0], known[1:]
        else:
            ports = self._first_fragment((source, destination, -1, identity), protocol, frame, transport)
        return _new(
            Packet,
            (source_mac, destination_mac, source, destination, protocol, *ports, size + 40, transport, rest),
        )

    def _first_fragment(
        self, key: tuple[Address, Address, int, int], protocol: int, frame: bytes, transport: int
    ) -> tuple[int, int]:
        """Return the ports of a packet's first fragment, and remember them for the others."""
        ports = _ports(protocol, frame, transport)
        self._fragmented.pop(key, None)
        self._fragmented[key] = (protocol, *ports)
        if len(self._fragmented) > _MAX_FRAGMENTED:
            del self._fragmented[next(iter(self._fragmented))]
        return ports


def _skip_extensions(frame: bytes, protocol: int, place: int) -> tuple[int, int, int | None, int]:
    """Return protocol and offset behind the extension headers, and a fragment's identity and place.

    The identity is None where the packet is whole. What follows the header of a later fragment is no header.
    """
    identity: int | None = None
    for _ in range(_MAX_EXTENSIONS):
        if protocol not in _EXTENSIONS or len(frame) < place + 8:
            break
        following, size = frame[place], frame[place + 1]
        if protocol == _FRAGMENT:
            fragment, found = _FRAGMENT_HEADER(frame, place + 2)
            protocol, place = following, place + 8
            if fragment & 0xFFF9:
                identity = found
            if fragment >> 3:
                return protocol, place, identity, fragment >> 3
        elif protocol == _AUTHENTICATION:
            protocol, place = following, place + ((size + 2) << 2)
        else:
            protocol, place = following, place + ((size + 1) << 3)
    return protocol, place, identity, 0


def cooked_type(link_type: int, frame: bytes) -> int | None:
    """Return how a cooked capture's host met a frame (TO_HOST, OUTGOING, ...), None for other link types."""
    place = _COOKED_TYPE.get(link_type)
    return frame[place] if place is not None and len(frame) > place else None


def arp_sender(link_type: int, frame: bytes) -> ArpSender | None:
    """Return who sent an ARP packet over Ethernet or cooked Ethernet, or None where the frame is none."""
    read_link = _LINKS.get(link_type)
    if read_link is None:
        return None
    try:
        _, _, ethertype, offset = read_link(frame)
        if ethertype != _ARP:
            return None
        hardware, protocol, hardware_size, protocol_size, _, mac, address = _ARP_SENDER(frame, offset)
    except (struct.error, IndexError):
        return None
    if (hardware, protocol, hardware_size, protocol_size) != (1, _IPV4, 6, 4):
        return None
    return ArpSender(mac, address)


def _ports(protocol: int, frame: bytes, transport: int) -> tuple[int, int]:
    if len(frame) < transport + 4:
        return 0, 0
    if protocol in WITH_PORTS:
        source, destination = _TWO_SHORTS(frame, transport)
        return source, destination
    if protocol in {ICMP, ICMPV6} and len(frame) >= transport + 6:
        kind = (protocol, frame[transport])
        if kind in _ECHO_REQUEST:
            return int.from_bytes(frame[transport + 4 : transport + 6]) + 1, 0
        if kind in _ECHO_REPLY:
            return 0, int.from_bytes(frame[transport + 4 : transport + 6]) + 1
    return 0, 0


def _ethernet(frame: bytes) -> _Link:
    destination, source, ethertype = _ETHERNET_HEADER(frame)
    if ethertype in _IP:
        return source, destination, ethertype, 14
    return source, destination, *_encapsulated(frame, ethertype, 14)


def _encapsulated(frame: bytes, ethertype: int, offset: int) -> tuple[int, int]:
    """Skip VLAN and priority tags (IEEE 802.1Q, 802.1ad) and an LLC/SNAP header (RFC 1042)."""
    for _ in range(_MAX_VLAN_TAGS):
        if ethertype not in _VLAN:
            break
        ethertype = int.from_bytes(frame[offset + 2 : offset + 4])
        offset += 4
    if ethertype <= 1500 and frame[offset : offset + 6] == b"\xaa\xaa\x03\x00\x00\x00":
        return int.from_bytes(frame[offset + 6 : offset + 8]), offset + 8
    return ethertype, offset


def _cooked(frame: bytes) -> _Link:
    """Read LINKTYPE_LINUX_SLL: it tells the sender's address only."""
    size, address, ethertype = struct.unpack_from("!4xH8sH", frame)
    return _mac(address, size), b"", *_encapsulated(frame, ethertype, 16)


def _cooked2(frame: bytes) -> _Link:
    """Read LINKTYPE_LINUX_SLL2."""
    ethertype, size, address = struct.unpack_from("!H9xB8s", frame)
    return _mac(address, size), b"", *_encapsulated(frame, ethertype, 20)


def _mac(field: bytes, size: int) -> bytes:
    return field[:6] if size == 6 and any(field[:6]) else b""


def _raw(frame: bytes) -> _Link:
    return b"", b"", _IPV4 if frame[0] >> 4 == 4 else _IPV6, 0


def _loopback(frame: bytes) -> _Link:
    """Skip the address family of BSD's loopback: its byte order and values vary, the IP version does not."""
    return b"", b"", _IPV4 if frame[4] >> 4 == 4 else _IPV6, 4


_LINKS: Final[dict[int, Callable[[bytes], _Link]]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked2,
}
LINK_TYPES: Final = frozenset(_LINKS)
"""The link types that can be decoded."""

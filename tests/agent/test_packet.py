"""Frames of every link type, and what is in them."""

import struct

import framing
import pytest
from framing import DEVICE, ROUTER, address
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.decode.packet import (
    LINK_TYPES,
    OUTGOING,
    TO_HOST,
    ArpSender,
    Decoder,
    Packet,
    arp_sender,
    cooked_type,
)

A4, B4 = "192.168.8.20", "198.51.100.7"
A6, B6 = "2001:db8:8::20", "2001:db8:ffff::9"
SEGMENT = framing.tcp(40000, 443, framing.PSH, b"payload")


def decode(
    frame: bytes, link_type: int = framing.ETHERNET, original_length: int | None = None
) -> Packet | None:
    return Decoder().packet(link_type, frame, len(frame) if original_length is None else original_length)


def ports(packet: Packet | None) -> tuple[int, int, int]:
    assert packet is not None
    return packet.protocol, packet.source_port, packet.destination_port


@pytest.mark.parametrize(("source", "destination", "header"), [(A4, B4, 20), (A6, B6, 40)])
def test_ethernet(source: str, destination: str, header: int) -> None:
    frame = framing.ethernet(DEVICE, ROUTER, framing.ip(source, destination, 6, SEGMENT))
    expected = Packet(
        source_mac=DEVICE,
        destination_mac=ROUTER,
        source=address(source),
        destination=address(destination),
        protocol=6,
        source_port=40000,
        destination_port=443,
        length=header + len(SEGMENT),
        transport=14 + header,
        size=len(SEGMENT),
    )
    assert decode(frame) == expected
    assert decode(frame + b"padding") == expected, "the IP header tells the length"


@pytest.mark.parametrize("tags", [[0x8100], [0x88A8, 0x8100], [0x9100, 0x8100], [0x8100] * 5])
def test_vlan_tags(tags: list[int]) -> None:
    for source, destination in ((A4, B4), (A6, B6)):
        packet = framing.ip(source, destination, 6, SEGMENT)
        tagged, plain = (
            decode(framing.ethernet(DEVICE, ROUTER, packet, tags=tags)),
            decode(framing.ethernet(DEVICE, ROUTER, packet)),
        )
        assert tagged is not None
        assert plain is not None
        assert tagged[:8] == plain[:8]
        assert tagged.transport == plain.transport + 4 * len(tags)


def test_snap_encapsulation() -> None:
    packet = framing.ip(A4, B4, 6, SEGMENT)
    body = b"\xaa\xaa\x03\0\0\0\x08\0" + packet
    frame = ROUTER + DEVICE + struct.pack("!H", len(body)) + body
    assert ports(decode(frame)) == (6, 40000, 443)


@pytest.mark.parametrize(
    ("link_type", "before", "mac"),
    [
        (113, framing.cooked(DEVICE, b"\x45")[:-1], DEVICE),
        (113, framing.cooked(b"", b"\x45")[:-1], b""),
        (113, framing.cooked(bytes(6), b"\x45")[:-1], b""),
        (276, framing.cooked2(DEVICE, b"\x45")[:-1], DEVICE),
        (276, framing.cooked2(b"", b"\x45")[:-1], b""),
        (101, b"", b""),
        (12, b"", b""),
        (14, b"", b""),
        (228, b"", b""),
        (0, b"\x02\0\0\0", b""),
        (108, b"\0\0\0\x02", b""),
    ],
)
def test_other_link_types(link_type: int, before: bytes, mac: bytes) -> None:
    packet = decode(before + framing.ip(A4, B4, 6, SEGMENT), link_type)
    assert packet is not None
    assert (packet.source_mac, packet.destination_mac) == (mac, b"")
    assert packet.source == address(A4)
    assert ports(packet) == (6, 40000, 443)
    assert packet.transport == len(before) + 20


@pytest.mark.parametrize(
    ("link_type", "before"), [(101, b""), (229, b""), (0, b"\x1e\0\0\0"), (108, b"\0\0\0\x18")]
)
def test_ipv6_without_link_layer(link_type: int, before: bytes) -> None:
    assert ports(decode(before + framing.ip(A6, B6, 6, SEGMENT), link_type)) == (6, 40000, 443)


def test_unknown_link_type() -> None:
    assert 105 not in LINK_TYPES
    assert decode(framing.ethernet(DEVICE, ROUTER, framing.ip(A4, B4, 6, SEGMENT)), 105) is None


def test_ipv4_options() -> None:
    packet = decode(
        framing.ethernet(DEVICE, ROUTER, framing.ipv4(A4, B4, 6, SEGMENT, options=b"\x94\x04\0\0"))
    )
    assert ports(packet) == (6, 40000, 443)
    assert packet is not None
    assert (packet.length, packet.size) == (24 + len(SEGMENT), len(SEGMENT))


EXTENSIONS = {
    "hop by hop": (0, b"\x00\x00" + bytes(6)),
    "routing": (43, b"\x00\x01" + bytes(14)),
    "destination": (60, b"\x00\x02" + bytes(22)),
    "authentication": (51, b"\x00\x04" + bytes(22)),
    "whole fragment": (44, bytes(8)),
}


@pytest.mark.parametrize("names", [[name] for name in EXTENSIONS] + [list(EXTENSIONS), ["destination"] * 9])
def test_ipv6_extension_headers(names: list[str]) -> None:
    protocol, body = 6, SEGMENT
    for name in reversed(names):
        number, header = EXTENSIONS[name]
        body = bytes([protocol]) + header[1:] + body
        protocol = number
    packet = decode(framing.ethernet(DEVICE, ROUTER, framing.ipv6(A6, B6, protocol, body)))
    assert ports(packet) == (6, 40000, 443)
    assert packet is not None
    assert (packet.length, packet.size) == (40 + len(body), len(SEGMENT))


def test_a_chain_of_extension_headers_that_never_ends() -> None:
    body = b"\x3c\x00" + bytes(6)
    packet = decode(framing.ethernet(DEVICE, ROUTER, framing.ipv6(A6, B6, 60, body * 1000)))
    assert packet is not None
    assert packet.length == 8040


def fragments4(body: bytes, at: int, *, protocol: int = 17, identity: int = 5) -> list[bytes]:
    return [
        framing.ipv4(A4, B4, protocol, body[:at], identity=identity, fragment=0x2000),
        framing.ipv4(A4, B4, protocol, body[at:], identity=identity, fragment=at // 8),
    ]


def fragments6(body: bytes, at: int, *, protocol: int = 17, identity: int = 5) -> list[bytes]:
    return [
        framing.ipv6(A6, B6, 44, struct.pack("!BBHI", protocol, 0, 1, identity) + body[:at]),
        framing.ipv6(A6, B6, 44, struct.pack("!BBHI", protocol, 0, at, identity) + body[at:]),
    ]


@pytest.mark.parametrize("fragments", [fragments4, fragments6])
def test_later_fragments_have_the_ports_of_the_first(fragments: type[fragments4]) -> None:
    decoder = Decoder()
    first, later = fragments(framing.udp(5000, 53, bytes(32)), 16)
    one = decoder.packet(framing.RAW, first, len(first))
    two = decoder.packet(framing.RAW, later, len(later))
    assert ports(one) == ports(two) == (17, 5000, 53)
    assert one is not None
    assert two is not None
    assert one.transport > 0
    assert two.transport == 0, "what follows is no header"
    other = fragments(framing.udp(5000, 53, bytes(32)), 16, identity=6)[1]
    assert ports(decoder.packet(framing.RAW, other, len(other))) == (17, 0, 0), "another packet's"


def test_a_fragmented_packet_with_extension_headers_behind_the_fragment() -> None:
    decoder = Decoder()
    body = bytes([17]) + bytes(7) + framing.udp(5000, 53, bytes(32))
    first, later = fragments6(body, 24, protocol=60)
    assert ports(decoder.packet(framing.RAW, first, len(first))) == (17, 5000, 53)
    assert ports(decoder.packet(framing.RAW, later, len(later))) == (17, 5000, 53)


def test_the_table_of_fragments_is_bounded() -> None:
    decoder = Decoder()
    for number in range(10_000):
        identity = number & 0xFFFF
        frame = framing.ipv4(A4, B4, 17, framing.udp(number, 53, b""), identity=identity, fragment=0x2000)
        decoder.packet(framing.RAW, frame, len(frame))
    assert len(decoder._fragmented) == 4096


@pytest.mark.parametrize(("source", "destination", "header"), [(A4, B4, 20), (A6, B6, 40)])
@pytest.mark.parametrize("snap_length", [60, 68, 96])
def test_a_cut_frame_counts_in_full(source: str, destination: str, header: int, snap_length: int) -> None:
    frame = framing.ethernet(DEVICE, ROUTER, framing.ip(source, destination, 6, SEGMENT + bytes(1000)))
    packet = decode(frame[:snap_length], original_length=len(frame))
    assert ports(packet) == (6, 40000, 443)
    assert packet is not None
    assert packet.length == header + len(SEGMENT) + 1000


def test_headers_that_are_cut_off() -> None:
    frame = framing.ethernet(DEVICE, ROUTER, framing.ip(A4, B4, 6, SEGMENT))
    assert all(decode(frame[:size], original_length=len(frame)) is None for size in range(34))
    assert ports(decode(frame[:34], original_length=len(frame))) == (6, 0, 0)


@pytest.mark.parametrize(
    "packet",
    [
        framing.ipv4(A4, B4, 6, SEGMENT + bytes(60_000), length=0),
        framing.ipv6(A6, B6, 6, SEGMENT + bytes(60_000), length=0),
    ],
)
def test_segmentation_offload_leaves_the_length_to_the_frame(packet: bytes) -> None:
    frame = framing.ethernet(DEVICE, ROUTER, packet)
    decoded = decode(frame[:128], original_length=len(frame))
    assert decoded is not None
    assert decoded.length == len(packet)


def test_ipv6_without_any_payload() -> None:
    decoded = decode(framing.ethernet(DEVICE, ROUTER, framing.ipv6(A6, B6, 59, b"") + bytes(6)))
    assert decoded is not None
    assert (decoded.protocol, decoded.length) == (59, 40)


@pytest.mark.parametrize(
    "packet",
    [
        b"\x65" + framing.ip(A4, B4, 6, SEGMENT)[1:],
        b"\x44" + framing.ip(A4, B4, 6, SEGMENT)[1:],
        framing.ipv4(A4, B4, 6, SEGMENT, length=19),
    ],
)
def test_no_ip_packet(packet: bytes) -> None:
    assert decode(DEVICE + ROUTER + b"\x08\x00" + packet) is None


@pytest.mark.parametrize(("protocol", "request_type", "reply_type"), [(1, 8, 0), (58, 128, 129)])
def test_echo_request_and_reply_belong_together(protocol: int, request_type: int, reply_type: int) -> None:
    source, destination = (A4, B4) if protocol == 1 else (A6, B6)
    request = decode(
        framing.ip(source, destination, protocol, struct.pack("!BBHHH", request_type, 0, 0, 9, 1)), 101
    )
    reply = decode(
        framing.ip(destination, source, protocol, struct.pack("!BBHHH", reply_type, 0, 0, 9, 1)), 101
    )
    assert ports(request) == (protocol, 10, 0)
    assert ports(reply) == (protocol, 0, 10)


@pytest.mark.parametrize("protocol", [1, 2, 47, 50, 58, 255])
def test_protocols_without_ports(protocol: int) -> None:
    assert ports(decode(framing.ip(A4, B4, protocol, b"\x03\x03" + bytes(30)), 101)) == (protocol, 0, 0)


def test_types_of_cooked_frames() -> None:
    packet = framing.ip(A4, B4, 6, SEGMENT)
    assert cooked_type(113, b"\0\4" + framing.cooked(DEVICE, packet)[2:]) == OUTGOING
    assert cooked_type(276, framing.cooked2(DEVICE, packet)) == TO_HOST
    assert cooked_type(1, framing.ethernet(DEVICE, ROUTER, packet)) is None
    assert cooked_type(276, b"short") is None


def test_arp() -> None:
    assert arp_sender(1, framing.arp(DEVICE, A4, "192.168.8.1")) == ArpSender(DEVICE, address(A4))
    assert arp_sender(1, framing.arp(DEVICE, A4, "192.168.8.1")[:30]) is None
    assert arp_sender(1, framing.ethernet(DEVICE, ROUTER, framing.ip(A4, B4, 6, SEGMENT))) is None
    assert arp_sender(105, framing.arp(DEVICE, A4, "192.168.8.1")) is None
    not_ethernet = bytearray(framing.arp(DEVICE, A4, "192.168.8.1"))
    not_ethernet[15] = 6
    assert arp_sender(1, bytes(not_ethernet)) is None


@settings(max_examples=500, deadline=1000)
@given(
    link_type=st.sampled_from(sorted(LINK_TYPES)),
    frame=st.binary(max_size=120),
    length=st.integers(0, 2**32 - 1),
)
def test_any_bytes(link_type: int, frame: bytes, length: int) -> None:
    packet = decode(frame, link_type, length)
    if packet is not None:
        assert len(packet.source) == len(packet.destination) in (4, 16)
        assert packet.length >= 20
        assert packet.size >= 0
        assert packet.transport >= 0
    arp_sender(link_type, frame)


@settings(max_examples=500, deadline=1000)
@given(
    packet=st.sampled_from(
        [
            framing.ip(A4, B4, 6, SEGMENT),
            framing.ip(A6, B6, 6, SEGMENT),
            *fragments4(framing.udp(1, 2, bytes(32)), 16),
            *fragments6(framing.udp(1, 2, bytes(32)), 16),
            framing.ipv6(
                A6, B6, 0, b"\x2b\0" + bytes(6) + b"\x3c\0" + bytes(6) + b"\x06\0" + bytes(6) + SEGMENT
            ),
        ]
    ),
    changes=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=5),
    end=st.integers(0, 120),
)
def test_any_damage(packet: bytes, changes: list[tuple[int, int]], end: int) -> None:
    frame = bytearray(framing.ethernet(DEVICE, ROUTER, packet))
    for place, value in changes:
        if place < len(frame):
            frame[place] = value
    decoded = decode(bytes(frame[:end]), original_length=len(frame))
    assert decoded is None or decoded.size >= 0

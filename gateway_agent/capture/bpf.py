"""The classic BPF programs (linux/filter.h) that choose what is captured, and how much of it.

A load beyond a packet's end drops the packet, so every load is behind a look at the length: whatever a device
sends is captured.
"""

import struct
from typing import Final, NamedTuple

from gateway_agent.model import Mac

SNAPLEN: Final = 262_144

_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30
_LD_LEN, _LD_B_X, _LDX_IHL = 0x80, 0x50, 0xB1
_AND, _SHR, _ADD_X, _SUB_X, _ADD = 0x54, 0x74, 0x0C, 0x1C, 0x04
_JEQ, _JGE, _JGE_X, _JSET, _TXA, _LDX = 0x15, 0x35, 0x3D, 0x45, 0x87, 0x01
_RET, _RET_A = 0x06, 0x16

_ETHERNET: Final = 14
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_TCP_HEADER, _UDP_HEADER = 20, 8


class _Step(NamedTuple):
    """An instruction; jumps name the label that they go to, else they go on."""

    code: int
    k: int = 0
    true: str = ""
    false: str = ""
    label: str = ""


def device_filter(mac: Mac, *, headers_only: bool) -> bytes:
    """Return the program that takes frames from or to a MAC address: struct sock_filter, many times."""
    number = int.from_bytes(bytes.fromhex(mac.replace(":", "")))
    high, low = number >> 16, number & 0xFFFF
    steps = [
        _Step(_LD_W, 0),
        _Step(_JEQ, high, false="source"),
        _Step(_LD_H, 4),
        _Step(_JEQ, low, true="taken"),
        _Step(_LD_W, 6, label="source"),
        _Step(_JEQ, high, false="left"),
        _Step(_LD_H, 10),
        _Step(_JEQ, low, false="left"),
        *(_HEADERS if headers_only else [_Step(_RET, SNAPLEN, label="taken")]),
        _Step(_RET, 0, label="left"),
    ]
    return _assembled(steps)


_HEADERS: Final = [
    _Step(_LD_H, 12, label="taken"),
    _Step(_JEQ, _IPV4, true="ipv4"),
    _Step(_JEQ, _IPV6, true="ipv6"),
    _Step(_JEQ, _ARP, true="whole"),
    _Step(_RET, _ETHERNET),
    # IPv4: X becomes the header's length; a later fragment has no transport header.
    _Step(_LD_LEN, label="ipv4"),
    _Step(_JGE, _ETHERNET + _IPV4_HEADER, false="whole"),
    _Step(_LDX_IHL, _ETHERNET),
    _Step(_LD_H, _ETHERNET + 6),
    _Step(_JSET, 0x1FFF, true="network"),
    _Step(_LD_B, _ETHERNET + 9),
    _Step(_JEQ, _TCP, true="tcp"),
    _Step(_JEQ, _UDP, true="eight"),
    _Step(_JEQ, _ICMP, true="eight", false="network"),
    # IPv6 without extension headers.
    _Step(_LD_LEN, label="ipv6"),
    _Step(_JGE, _ETHERNET + _IPV6_HEADER, false="whole"),
    _Step(_LDX, _IPV6_HEADER),
    _Step(_LD_B, _ETHERNET + 6),
    _Step(_JEQ, _TCP, true="tcp"),
    _Step(_JEQ, _UDP, true="eight"),
    _Step(_JEQ, _ICMPV6, true="eight", false="network"),
    # TCP: with its options.
    _Step(_LD_LEN, label="tcp"),
    _Step(_JGE_X, false="eight"),
    _Step(_SUB_X),
    _Step(_JGE, _ETHERNET + _TCP_HEADER, false="eight"),
    _Step(_LD_B_X, _ETHERNET + 12),
    _Step(_AND, 0xF0),
    _Step(_SHR, 2),
    _Step(_ADD_X),
    _Step(_ADD, _ETHERNET),
    _Step(_RET_A),
    _Step(_TXA, label="eight"),
    _Step(_ADD, _ETHERNET + _UDP_HEADER),
    _Step(_RET_A),
    _Step(_TXA, label="network"),
    _Step(_ADD, _ETHERNET),
    _Step(_RET_A),
    _Step(_RET, SNAPLEN, label="whole"),
]


def _assembled(steps: list[_Step]) -> bytes:
    places = {step.label: place for place, step in enumerate(steps) if step.label}
    return b"".join(
        struct.pack(
            "=HBBI",
            step.code,
            places[step.true] - place - 1 if step.true else 0,
            places[step.false] - place - 1 if step.false else 0,
            step.k,
        )
        for place, step in enumerate(steps)
    )

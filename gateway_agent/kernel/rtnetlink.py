"""Links, addresses, routes and neighbours of this machine (include/uapi/linux/rtnetlink.h and others).

Read with our own netlink because importing pyroute2 takes 9 MB, a quarter of what the agent may use.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway_agent.kernel.netlink import Netlink, NetlinkError, attribute, attributes, messages, string
from gateway_agent.model import Address

RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE = 1, 3, 5, 7
RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE = 9, 11

_NEWLINK, _GETLINK = 16, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_NEWNEIGH, _GETNEIGH = 28, 30

_LINK = struct.Struct("=BxHiII")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER = 1, 3, 10
_ADDRESS = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_ROUTE = struct.Struct("=BBBBBBBBI")
_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 4, 5, 9, 18
_RTN_UNICAST: Final = 1
_NEXT_HOP = struct.Struct("=HBBi")
_NEIGHBOUR = struct.Struct("=BxHiHBB")
_NDA_DST, _NDA_LLADDR = 1, 2
_MAC_BYTES: Final = 6
_AF_INET, _AF_INET6 = 2, 10

_UP, _LOOPBACK = 0x1, 0x8
_ARPHRD_ETHER: Final = 1
NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80


class Link(NamedTuple):
    """A network interface. `ethernet`: up, with a MAC address, not loopback, not part of a bridge or bond."""

    interface: int
    name: str
    mac: bytes | None
    ethernet: bool


class InterfaceAddress(NamedTuple):
    """An address of an interface; `scope` as in rtnetlink.h: 0 global, 253 link, 254 host."""

    interface: int
    address: Address
    prefix_length: int
    scope: int


class NextHop(NamedTuple):
    """Where a default route leads: an interface, and a gateway's address if there is one."""

    interface: int
    gateway: Address | None


class LinkNeighbour(NamedTuple):
    """Who is behind an address on a link; `state` is one of the NUD_ bits."""

    interface: int
    address: Address
    mac: bytes
    state: int


def links(netlink: Netlink) -> Iterator[Link]:
    """Yield all interfaces."""
    for body in _dump(netlink, _GETLINK, _NEWLINK, _LINK.size):
        _, kind, index, flags, _ = _LINK.unpack_from(body)
        parts = dict(attributes(body[_LINK.size :]))
        mac = bytes(parts.get(_IFLA_ADDRESS, b""))
        usable = (
            kind == _ARPHRD_ETHER
            and bool(flags & _UP)
            and not flags & _LOOPBACK
            and _IFLA_MASTER not in parts
        )
        yield Link(
            index, string(parts.get(_IFLA_IFNAME, b"")), mac if len(mac) == _MAC_BYTES else None, usable
        )


def addresses(netlink: Netlink) -> Iterator[InterfaceAddress]:
    """Yield all addresses of this machine."""
    for body in _dump(netlink, _GETADDR, _NEWADDR, _ADDRESS.size):
        _, prefix_length, _, scope, index = _ADDRESS.unpack_from(body)
        parts = dict(attributes(body[_ADDRESS.size :]))
        address = bytes(parts.get(_IFA_LOCAL, parts.get(_IFA_ADDRESS, b"")))
        if len(address) in (4, 16):
            yield InterfaceAddress(index, address, prefix_length, scope)


def default_routes(netlink: Netlink) -> Iterator[NextHop]:
    """Yield the next hops of all default routes, of whatever routing table."""
    for body in _dump(netlink, _GETROUTE, _NEWROUTE, _ROUTE.size):
        fields = _ROUTE.unpack_from(body)
        destination_length, kind = fields[1], fields[7]
        if destination_length == 0 and kind == _RTN_UNICAST:
            yield from _next_hops(body[_ROUTE.size :])


def neighbours(netlink: Netlink) -> Iterator[LinkNeighbour]:
    """Yield the neighbours whose MAC address is known."""
    for body in _dump(netlink, _GETNEIGH, _NEWNEIGH, _NEIGHBOUR.size):
        found = _neighbour_in(body)
        if found is not None:
            yield found


def neighbour(netlink: Netlink, interface: int, address: Address) -> LinkNeighbour | None:
    """Ask for one neighbour (Linux 5.0); None where the kernel does not know its MAC address."""
    family = _AF_INET if len(address) == 4 else _AF_INET6  # noqa: PLR2004  # bytes of an IPv4 address
    head = _NEIGHBOUR.pack(family, 0, interface, 0, 0, 0)
    try:
        answers = netlink.request(_GETNEIGH, head + attribute(_NDA_DST, address))
    except NetlinkError:
        return None
    return _neighbour_in(answers[0].body) if answers else None


def neighbours_told(datagram: memoryview) -> Iterator[LinkNeighbour]:
    """Yield the neighbours in a datagram of RTNLGRP_NEIGH."""
    for message in messages(datagram):
        if message.kind == _NEWNEIGH and len(message.body) >= _NEIGHBOUR.size:
            found = _neighbour_in(message.body)
            if found is not None:
                yield found


def _neighbour_in(body: memoryview) -> LinkNeighbour | None:
    _, _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    parts = dict(attributes(body[_NEIGHBOUR.size :]))
    address, mac = bytes(parts.get(_NDA_DST, b"")), bytes(parts.get(_NDA_LLADDR, b""))
    known = len(address) in (4, 16) and len(mac) == _MAC_BYTES
    return LinkNeighbour(index, address, mac, state) if known else None


def _next_hops(data: memoryview) -> Iterator[NextHop]:
    parts = dict(attributes(data))
    if _RTA_OIF in parts and len(parts[_RTA_OIF]) == 4:  # noqa: PLR2004  # a u32
        yield NextHop(struct.unpack("=i", parts[_RTA_OIF])[0], _gateway(parts))
    hops = parts.get(_RTA_MULTIPATH, memoryview(b""))
    while len(hops) >= _NEXT_HOP.size:
        length, _, _, index = _NEXT_HOP.unpack_from(hops)
        if length < _NEXT_HOP.size or length > len(hops):
            return
        yield NextHop(index, _gateway(dict(attributes(hops[_NEXT_HOP.size : length]))))
        hops = hops[(length + 3) & ~3 :]


def _gateway(parts: dict[int, memoryview]) -> Address | None:
    """Return RTA_GATEWAY, or the address in RTA_VIA, which another address family comes before."""
    address = bytes(parts.get(_RTA_GATEWAY, parts.get(_RTA_VIA, memoryview(b""))[2:]))
    return address if len(address) in (4, 16) else None


def _dump(netlink: Netlink, request: int, answer: int, header_bytes: int) -> Iterator[memoryview]:
    body = b"\0" * (_LINK.size if request == _GETLINK else header_bytes)
    for datagram in netlink.dump(request, body):
        for message in messages(datagram):
            if message.kind == answer and len(message.body) >= header_bytes:
                yield message.body

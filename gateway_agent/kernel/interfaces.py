"""Which interfaces are the LAN, which networks are on it, and which addresses are the gateway's own."""

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.netlink import NETLINK_ROUTE, Netlink
from gateway_agent.model import Address, Mac

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCOPE_LINK: Final = 253
_GROUPS: Final = (
    rtnetlink.RTNLGRP_LINK,
    rtnetlink.RTNLGRP_IPV4_IFADDR,
    rtnetlink.RTNLGRP_IPV4_ROUTE,
    rtnetlink.RTNLGRP_IPV6_IFADDR,
    rtnetlink.RTNLGRP_IPV6_ROUTE,
)
_NO_HOME: Final = re.compile(
    r"docker|veth|br-[0-9a-f]{12}$|virbr|vnet|lxc|lxd|cni|flannel|podman|cali|kube|ifb|dummy|tap|tun|zt"
)
"""Interfaces of containers, virtual machines and tunnels, by the names that their makers give them."""


@dataclass(frozen=True, slots=True)
class Lan:
    """The home's side of the gateway. Without a default route nobody can tell, and `interfaces` is empty."""

    interfaces: tuple[str, ...] = ()
    indexes: frozenset[int] = frozenset()
    networks: tuple[Network, ...] = ()
    own_addresses: frozenset[Address] = frozenset()
    own_macs: frozenset[Mac] = frozenset()
    next_hops: frozenset[Address] = frozenset()


def find_lan(interfaces: Sequence[str] = (), networks: Sequence[Network] = ()) -> Lan:
    """Return the LAN as it is now; what is given is taken instead of what would be found."""
    netlink = Netlink(NETLINK_ROUTE)
    try:
        links = list(rtnetlink.links(netlink))
        addresses = list(rtnetlink.addresses(netlink))
        hops = list(rtnetlink.default_routes(netlink))
    finally:
        netlink.close()
    names = tuple(interfaces) or _found(links, addresses, hops)
    indexes = frozenset(link.interface for link in links if link.name in names)
    return Lan(
        interfaces=names,
        indexes=indexes,
        networks=tuple(networks) or _networks(indexes, addresses),
        own_addresses=frozenset(address.address for address in addresses),
        own_macs=frozenset(link.mac.hex(":") for link in links if link.mac and any(link.mac)),
        next_hops=frozenset(hop.gateway for hop in hops if hop.gateway is not None),
    )


def _found(
    links: Collection[rtnetlink.Link],
    addresses: Collection[rtnetlink.InterfaceAddress],
    hops: Collection[rtnetlink.NextHop],
) -> tuple[str, ...]:
    """Return the Ethernet interfaces with an address to route, which no default route leads to."""
    if not hops:
        return ()
    outside = {hop.interface for hop in hops}
    addressed = {address.interface for address in addresses if address.scope < _SCOPE_LINK}
    return tuple(
        sorted(
            link.name
            for link in links
            if link.ethernet
            and link.interface in addressed
            and link.interface not in outside
            and not _NO_HOME.match(link.name)
        )
    )


def _networks(
    indexes: Collection[int], addresses: Collection[rtnetlink.InterfaceAddress]
) -> tuple[Network, ...]:
    networks = {
        ipaddress.ip_network((address.address, address.prefix_length), strict=False)
        for address in addresses
        if address.interface in indexes and address.scope < _SCOPE_LINK
    }
    return tuple(sorted(networks, key=lambda network: (network.version, network)))


class LanWatch:
    """Tells that links, addresses or routes changed: wait for `fileno` to be readable, then ask `changed`."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_ROUTE, groups=_GROUPS)
        self._netlink.socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._netlink.fileno()

    def changed(self) -> bool:
        """Read all events and tell whether there were any; lost ones count too."""
        events = False
        while True:
            try:
                self._netlink.socket.recv(1 << 16)
            except BlockingIOError:
                return events
            except OSError:  # ENOBUFS: more happened than fits
                return True
            events = True

    def close(self) -> None:
        """Stop watching."""
        self._netlink.close()

"""Whose the addresses in a capture are: which are the LAN's, which MACs are devices, which are routers."""

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from gateway_agent.decode.packet import TO_HOST
from gateway_agent.model import Address, Mac

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_CACHED: Final = 65_536
_LINK_LOCAL: Final = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))
_BROADCAST: Final = b"\xff\xff\xff\xff"


def private_networks(version: int) -> list[Network]:
    """Return what a home's networks are taken from (RFC 1918, RFC 4193)."""
    texts = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") if version == 4 else ("fc00::/7",)
    return [ipaddress.ip_network(text) for text in texts]


def is_group(address: Address) -> bool:
    """Return whether an address is no single host's: multicast or limited broadcast."""
    if len(address) == 4:
        return address[0] & 0xF0 == 0xE0 or address == _BROADCAST
    return address[0] == 0xFF


def usable_macs(source: bytes, destination: bytes) -> tuple[bytes, bytes]:
    """Return a frame's MAC addresses; none from loopback or an anonymised capture: both are the same."""
    return (b"", b"") if source == destination else (source, destination)


def is_link_local(address: Address) -> bool:
    """Return whether an address is only used on its link (RFC 3927, RFC 4291)."""
    if len(address) == 4:
        return address[:2] == b"\xa9\xfe"
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


class Networks:
    """A set of networks, asked for packed addresses many times."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._of_size: dict[int, set[tuple[int, int]]] = {4: set(), 16: set()}
        for network in [*networks, *_LINK_LOCAL]:
            self._of_size[len(network.network_address.packed)].add(
                (int(network.network_address), int(network.netmask))
            )
        self._known: dict[Address, bool] = {}

    def __contains__(self, address: Address) -> bool:
        """Return whether an address is in one of the networks."""
        known = self._known.get(address)
        if known is None:
            number = int.from_bytes(address)
            known = any(number & mask == network for network, mask in self._of_size[len(address)])
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[address] = known
        return known


@dataclass(frozen=True, slots=True)
class Topology:
    """What a source of packets has to know of the LAN.

    `devices` and `routers` are MAC addresses in bytes; `owners` tells whose an address is. For packets
    without MAC addresses, `hosts` are the LAN's addresses that sent anything, `gateways` those that are no
    device. `on_router`: the capture was made on the router, on all its interfaces.
    """

    networks: Networks
    devices: Collection[bytes] = frozenset()
    routers: Collection[bytes] = frozenset()
    owners: Mapping[Address, bytes] = field(default_factory=dict)
    hosts: Collection[Address] = frozenset()
    gateways: Collection[Address] = frozenset()
    on_router: bool = False

    def is_local(self, address: Address) -> bool:
        """Return whether a remote address is not on the Internet."""
        return address in self.networks or is_group(address) or not any(address) or address in self.gateways

    def sender(self, mac: bytes, address: Address) -> Mac | None:
        """Return the device that sent a packet with this source; None for a router's or one from outside."""
        if mac:
            if mac[0] & 1 or mac in self.routers:
                return None
            if mac not in self.devices and address not in self.networks:
                return None
            return mac.hex(":")
        if not any(address) or address not in self.networks or address in self.gateways:
            return None
        return made_up_mac(address)

    def receiver(self, mac: bytes, address: Address, *, cooked: int | None = None) -> Mac | None:
        """Return the device that a packet with this destination reached; None for a group or a router.

        `cooked` is the type of a cooked frame, whose link layer tells the source's MAC address only. What
        comes to the router that captures, for a device, is captured again when it goes there.
        """
        if is_group(address) or (cooked == TO_HOST and self.on_router):
            return None
        if mac:
            if mac[0] & 1 or mac in self.routers:
                return None
            own = address in self.networks or self.owners.get(address) == mac
            return mac.hex(":") if own else None
        if cooked is not None:
            owner = self.owners.get(address)
            if owner is not None:
                return None if owner in self.routers else owner.hex(":")
        if address not in self.hosts or address in self.gateways:
            return None
        return made_up_mac(address)


def made_up_mac(address: Address) -> Mac:
    """Return a locally administered MAC address that stands for an address whose own is not known."""
    if len(address) == 4:
        return (b"\x02\x00" + address).hex(":")
    return (b"\x02" + blake2b(address, digest_size=5).digest()).hex(":")

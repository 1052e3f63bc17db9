"""A first look through a capture: which networks are the LAN, and which MAC addresses are routers.

A router's packets carry the addresses of others: by MAC address alone it would be the busiest device. It is
told by what it does: it forwards for devices, brings packets from outside, advertises itself (RFC 4861), or
DHCP names its address. What sends through a router itself is a device, whatever sources it makes up.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from gateway_agent.decode import dhcp, dns
from gateway_agent.decode.packet import (
    ICMPV6,
    LINK_TYPES,
    OUTGOING,
    UDP,
    Decoder,
    Packet,
    arp_sender,
    cooked_type,
)
from gateway_agent.decode.pcap import Record
from gateway_agent.model import Address
from gateway_agent.topology import (
    Network,
    Networks,
    Topology,
    is_group,
    is_link_local,
    private_networks,
    usable_macs,
)

_MAX_LINKS: Final = 65_536
_MAX_PREFIXES: Final = 256
_MAX_PREFIXES_OF_DEVICE: Final = 4
_ROUNDS: Final = 3

_ROUTER_ADVERTISEMENT, _NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT = 134, 135, 136
_ROUTER_FLAG: Final = 0x80
_PREFIX_INFORMATION, _PREFIX_INFORMATION_SIZE = 3, 32

_Link = tuple[bytes, bytes, Address, Address]
"""Source and destination MAC, source and destination address."""


class Survey:
    """Collects, in bounded memory, what a capture tells of its network; `topology` judges it."""

    def __init__(self, lan: Iterable[Network] = ()) -> None:
        self._lan = list(lan)
        self._links: set[_Link] = set()
        self._prefixes: set[Network] = set()
        self._advertisers: set[tuple[bytes, Address]] = set()
        self._named_routers: set[Address] = set()
        self._servers: set[Address] = set()
        self._arp: dict[Address, bytes] = {}
        self._own: set[bytes] = set()
        self._decoder = Decoder()
        self.packets = 0
        self.unknown_link_types: set[int] = set()

    def add(self, record: Record) -> None:
        """Take one packet of the capture."""
        _, link_type, frame, original_length = record
        packet = self._decoder.packet(link_type, frame, original_length)
        if packet is None:
            self._no_packet(link_type, frame)
            return
        self.packets += 1
        if not packet[1] and cooked_type(link_type, frame) == OUTGOING and len(self._own) < _MAX_PREFIXES:
            self._own.add(packet[0])
        protocol = packet[4]
        if protocol == UDP:
            if packet[5] in _SERVICES:
                self._service(packet, frame)
        elif protocol == ICMPV6 and packet.transport:
            self._neighbour_discovery(packet, frame)
        link = packet[:4]
        if link not in self._links and len(self._links) < _MAX_LINKS:
            self._links.add((*usable_macs(packet[0], packet[1]), packet[2], packet[3]))

    def topology(self) -> Topology | None:
        """Return what the capture says of its network; None where no address in it is the LAN's."""
        for _ in range(_ROUNDS):
            networks = Networks(self._networks())
            roles = _Roles(self._links, networks)
            routers = self._routers(roles, networks)
            learned = self._prefixes_of(roles, routers, networks)
            if not learned:
                break
            self._prefixes |= learned
        gateways = self._gateways(roles, networks)
        if not (roles.at_home | roles.reached) - routers and not roles.hosts - gateways:
            return None
        return Topology(
            networks=networks,
            devices=roles.at_home - routers,
            routers=routers,
            owners=self._owners(roles, routers),
            hosts=roles.hosts,
            gateways=gateways,
            on_router=self._on_router(roles),
        )

    def _networks(self) -> list[Network]:
        """Return the LAN's networks: the given ones, for a family without any private and learned ones."""
        networks = list(self._lan)
        for version in (4, 6):
            if not any(network.version == version for network in self._lan):
                networks += private_networks(version)
                networks += [prefix for prefix in self._prefixes if prefix.version == version]
        return networks

    def _no_packet(self, link_type: int, frame: bytes) -> None:
        if link_type not in LINK_TYPES:
            self.unknown_link_types.add(link_type)
            return
        sender = arp_sender(link_type, frame)
        if sender is not None and len(self._arp) < _MAX_LINKS:
            self._arp[sender.address] = sender.mac

    def _service(self, packet: Packet, frame: bytes) -> None:
        """Note a DNS or DHCP server, and what DHCP says of the network."""
        if len(self._servers) < _MAX_PREFIXES and not is_group(packet.source):
            self._servers.add(packet.source)
        if packet.source_port != dhcp.SERVER_PORT or not packet.transport:
            return
        try:
            message = dhcp.parse_dhcp(frame[packet.transport + 8 : packet.transport + packet.size])
        except dhcp.DhcpError:
            return
        if message.request:
            return
        if len(self._named_routers) < _MAX_PREFIXES:
            self._named_routers.update(message.routers)
        if message.network is not None:
            self._learn(*message.network)

    def _neighbour_discovery(self, packet: Packet, frame: bytes) -> None:
        """Learn from router and neighbour discovery (RFC 4861), which no router forwards."""
        body = frame[packet.transport : packet.transport + packet.size]
        if len(body) < 8:
            return
        if body[0] == _ROUTER_ADVERTISEMENT:
            self._advertiser(packet)
            for option in _options(body[16:]):
                if option[0] == _PREFIX_INFORMATION and len(option) == _PREFIX_INFORMATION_SIZE:
                    self._learn(option[16:32], option[2])
        elif body[0] in (_NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT) and len(body) >= 24:
            if body[0] == _NEIGHBOUR_ADVERTISEMENT and body[4] & _ROUTER_FLAG:
                self._advertiser(packet)
            self._learn(body[8:24], 64)

    def _advertiser(self, packet: Packet) -> None:
        if len(self._advertisers) < _MAX_PREFIXES:
            self._advertisers.add((packet.source_mac, packet.source))

    def _learn(self, address: Address, length: int) -> None:
        """Take a prefix that is on this link, if it is no more than a LAN's."""
        shortest = 16 if len(address) == 4 else 48
        if not shortest <= length <= len(address) * 8 or is_group(address) or not any(address):
            return
        if len(self._prefixes) < _MAX_PREFIXES:
            self._prefixes.add(ipaddress.ip_network((address, length), strict=False))

    def _routers(self, roles: "_Roles", networks: Networks) -> frozenset[bytes]:
        advertisers = {mac for mac, _ in self._advertisers}
        named = {mac for mac, _, source, _ in self._links if source in self._named_routers}
        named |= {self._arp[address] for address in self._named_routers & self._arp.keys()}
        routers = (roles.forwarding | roles.carrying | advertisers | named) - roles.routed
        if not routers - {b""} and not self._named_routers:
            routers |= {
                mac for mac, _, source, _ in self._links if source in self._answering(roles, networks)
            }
        if self._on_router(roles):
            routers |= self._own
        return frozenset(routers - {b""})

    def _on_router(self, roles: "_Roles") -> bool:
        """Return whether the host that captured brings packets from outside: its MACs are a router's."""
        return not self._own.isdisjoint(roles.carrying - {b""})

    def _gateways(self, roles: "_Roles", networks: Networks) -> frozenset[Address]:
        """Return the LAN addresses of routers, for packets without MAC addresses."""
        named = self._named_routers | {address for _, address in self._advertisers}
        return frozenset(named or self._answering(roles, networks))

    def _owners(self, roles: "_Roles", routers: frozenset[bytes]) -> dict[Address, bytes]:
        """Return the MAC address behind each address of the LAN; a device's goes before a router's."""
        links = [(source, mac) for mac, _, source, _ in self._links if mac and _single(source)]
        owners = {source: mac for source, mac in links if mac in routers}
        owners.update((source, mac) for source, mac in links if mac in roles.at_home and mac not in routers)
        return owners

    def _answering(self, roles: "_Roles", networks: Networks) -> set[Address]:
        """Return the LAN's DNS and DHCP servers without business on the Internet: a gateway's usual trait."""
        return {server for server in self._servers if server in networks and server not in roles.abroad}

    def _prefixes_of(self, roles: "_Roles", routers: frozenset[bytes], networks: Networks) -> set[Network]:
        """Return the IPv6 networks that devices use, which nothing announced during the capture."""
        found: dict[bytes, set[Network]] = {}
        for mac, _, source, _ in self._links:
            if len(source) == 16 and mac and source not in networks and _single(source):
                own = mac in roles.routed or (routers and mac in roles.at_home and mac not in routers)
                if own or source[8:] == _interface_identifier(mac):
                    found.setdefault(mac, set()).add(ipaddress.ip_network((source[:8] + bytes(8), 64)))
        prefixes: set[Network] = set()
        for networks_of in found.values():
            if len(networks_of) <= _MAX_PREFIXES_OF_DEVICE:
                prefixes |= networks_of
        return prefixes


class _Roles:
    """What each MAC address does, given which addresses are the LAN's.

    `at_home` send from a LAN address or from none yet, `reached` receive for one; `routed` send from one to
    the Internet, so they use a router; `forwarding` receive such packets; `carrying` bring some from outside.
    `abroad` are the LAN's addresses with traffic to the Internet, `hosts` those that send without a MAC.
    """

    def __init__(self, links: Iterable[_Link], networks: Networks) -> None:
        self.networks = networks
        self.at_home: set[bytes] = set()
        self.routed: set[bytes] = set()
        self.forwarding: set[bytes] = set()
        self.carrying: set[bytes] = set()
        self.abroad: set[Address] = set()
        self.hosts: set[Address] = set()
        self.reached: set[bytes] = set()
        for mac, next_mac, source, destination in links:
            inside, single = source in networks, _single(destination)
            next_is_host = bool(next_mac) and not next_mac[0] & 1
            if not mac and inside:
                self.hosts.add(source)
            if mac and (inside or not any(source)):
                self.at_home.add(mac)
            if next_is_host and destination in networks:
                self.reached.add(next_mac)
            if is_link_local(source) or is_link_local(destination):
                continue  # no router forwards it
            if destination in networks:
                if not inside and _single(source):
                    self.abroad.add(destination)
                    self.carrying.add(mac)
            elif inside and single:
                self.abroad.add(source)
                self.routed.add(mac)
                if next_is_host:
                    self.forwarding.add(next_mac)


_SERVICES: Final = frozenset({dns.PORT, dhcp.SERVER_PORT})


def _single(address: Address) -> bool:
    return any(address) and not is_group(address)


def _interface_identifier(mac: bytes) -> bytes:
    """Return the modified EUI-64 of a MAC address (RFC 4291, appendix A)."""
    return bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]


def _options(field: bytes) -> Iterable[bytes]:
    """Yield the options of a neighbour discovery message."""
    while len(field) >= 8 and field[1]:
        size = field[1] * 8
        yield field[:size]
        field = field[size:]

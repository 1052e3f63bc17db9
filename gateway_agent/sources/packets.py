"""Counts from the packets themselves: a capture's, where no kernel has counted."""

from collections.abc import Iterator
from typing import Final

from gateway_agent.decode import dhcp, dns, ntp
from gateway_agent.decode.dns_stream import DnsStreams
from gateway_agent.decode.packet import TCP, UDP, WITH_PORTS, Decoder, Packet, arp_sender, cooked_type
from gateway_agent.decode.tls import Hellos, IncompleteError, TlsError
from gateway_agent.model import (
    Address,
    FirstContact,
    Flow,
    HostName,
    Mac,
    Neighbour,
    Observe,
    ServerName,
    Traffic,
)
from gateway_agent.sources.connections import (
    FIN,
    PAYLOAD,
    RST,
    SYN,
    UDP_SINGLE,
    Connections,
    Path,
    Watch,
)
from gateway_agent.sources.rows import Row, Rows
from gateway_agent.topology import Topology, is_group, usable_macs

_MAX_ANNOUNCED: Final = 16_384
_UDP_HEADER: Final = 8


class PacketsSource:
    """Counts packets per device and flow, and observes names, neighbours and host names in them.

    A packet between two devices counts on both, for each in its own direction. What is sent to a group
    belongs to its sender. Who is a device, `topology` says.
    """

    name = "packets"

    def __init__(self, topology: Topology, observe: Observe) -> None:
        self._topology = topology
        self._observe = observe
        self._decoder = Decoder()
        self._rows = Rows()
        self._connections = Connections(self._rows)
        self._streams = DnsStreams()
        self._hellos = Hellos()
        self._announced: dict[Address, Mac] = {}

    def packet(  # noqa: C901, PLR0912 (once per packet: calls would cost more than lines)
        self, at: float, link_type: int, frame: bytes, original_length: int
    ) -> None:
        """Count one captured frame; `at` is its time, `original_length` its length on the wire."""
        packet = self._decoder.packet(link_type, frame, original_length)
        if packet is None:
            self._no_packet(at, link_type, frame)
            return
        flags = transport = 0
        is_tcp = packet[4] == TCP
        if is_tcp and packet[8] and len(frame) > packet[8] + 13:
            transport = packet[8]
            flags = frame[transport + 13]
        path = self._connections.paths.get(packet[:7])
        if path is None or at - path.connection.last > path.connection.idle:
            path = self._begin(packet, at, flags, cooked_type(link_type, frame))
        elif flags & SYN:
            path = self._syn(path, packet, at, flags, link_type, frame)
        if path is None:
            return
        connection = path.connection
        if at > connection.last:  # noqa: PLR1730 (a comparison costs less than a call)
            connection.last = at
        if not (path.forward or connection.replied):
            self._connections.reply(connection, at)
        row = path.sender
        if row is not None:
            traffic = row.traffic or self._rows.count(row, at)
            if at > traffic.last:
                traffic.last = at
            elif at < traffic.first:
                traffic.first = at
            traffic.sent_bytes += packet[7]
            traffic.sent_packets += 1
        row = path.receiver
        if row is not None:
            traffic = row.traffic or self._rows.count(row, at)
            if at > traffic.last:
                traffic.last = at
            elif at < traffic.first:
                traffic.first = at
            traffic.received_bytes += packet[7]
            traffic.received_packets += 1
        if is_tcp:
            if flags & (SYN | FIN | RST):
                self._control(path, packet, at, flags, frame)
            elif not connection.state & PAYLOAD and (
                not transport or packet[9] > frame[transport + 12] >> 4 << 2
            ):
                connection.established(PAYLOAD)  # or it cannot be told: then nobody calls it empty
        elif connection.replied and connection.idle == UDP_SINGLE:
            self._connections.datagram(connection, at)
        if path.watch is not None:
            path.watch(at, frame, packet, path)

    def read(self, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Yield the flows that changed since the last call; `now` decides what has waited long enough."""
        self._connections.advance(now)
        yield from self._rows.read()

    def finish(self) -> None:
        """Settle what was still open: no more packets come, and whoever waited for a reply got none."""
        self._connections.finish()

    def _begin(self, packet: Packet, at: float, flags: int, cooked: int | None) -> Path | None:
        """Find out whose counters a packet moves; None where neither side is a device."""
        topology = self._topology
        source_mac, destination_mac = usable_macs(packet.source_mac, packet.destination_mac)
        from_mac = topology.sender(source_mac, packet.source)
        to_mac = topology.receiver(destination_mac, packet.destination, cooked=cooked)
        if from_mac is None and to_mac is None:
            return None
        connection, forward = self._connections.of(packet, at, flags)
        port = connection.key[4] if packet.protocol in WITH_PORTS else 0
        sender = receiver = None
        if from_mac is not None:
            self._announce(from_mac, packet.source, at)
            sender = self._row(Flow(packet.source, packet.destination, packet.protocol, port, from_mac), at)
        if to_mac is not None:
            self._announce(to_mac, packet.destination, at)
            receiver = self._row(Flow(packet.destination, packet.source, packet.protocol, port, to_mac), at)
        path = Path(connection, forward=forward, sender=sender, receiver=receiver)
        path.watch = self._watch_for(packet, path)
        self._connections.add_path(packet[:7], path, at)
        waits = connection.counted and connection.opener is None and not connection.replied
        if waits and forward and sender is not None:
            to_group = bool(destination_mac) and destination_mac[0] & 1
            if not to_group and not is_group(packet.destination):
                self._connections.expect_reply(connection, sender)
        return path

    def _syn(  # noqa: PLR0913, PLR0917 (once per connection, with all that is known)
        self, path: Path, packet: Packet, at: float, flags: int, link_type: int, frame: bytes
    ) -> Path | None:
        """Return the path of a SYN: the same if it is sent again, a new connection's otherwise."""
        sequence = int.from_bytes(frame[packet.transport + 4 : packet.transport + 8])
        if not path.connection.superseded(flags, sequence, forward=path.forward):
            return path
        self._connections.forget(path.connection)
        return self._begin(packet, at, flags, cooked_type(link_type, frame))

    def _control(self, path: Path, packet: Packet, at: float, flags: int, frame: bytes) -> None:
        transport = packet.transport
        self._connections.control(
            path.connection,
            at,
            flags,
            int.from_bytes(frame[transport + 4 : transport + 8]),
            forward=path.forward,
            payload=packet.size > frame[transport + 12] >> 4 << 2,
        )

    def _row(self, flow: Flow, at: float) -> Row:
        row = self._rows.get(flow)
        if row is None:
            row = self._rows.add(flow, at, self._connections.rows_in_use)
            self._observe(FirstContact(flow, at))
        return row

    def _announce(self, mac: Mac, address: Address, at: float) -> None:
        if self._announced.get(address) == mac or not any(address):
            return
        if len(self._announced) >= _MAX_ANNOUNCED:
            self._announced.clear()
        self._announced[address] = mac
        self._observe(Neighbour(mac, address, at))

    def _no_packet(self, at: float, link_type: int, frame: bytes) -> None:
        """Learn a neighbour from ARP."""
        sender = arp_sender(link_type, frame)
        if sender is not None and any(sender.address):
            mac = self._topology.sender(sender.mac, sender.address)
            if mac is not None:
                self._announce(mac, sender.address, at)

    def _watch_for(self, packet: Packet, path: Path) -> Watch | None:
        """Return what reads the payload of a path's packets, if anything does."""
        protocol, source_port, destination_port = packet[4:7]
        if protocol == UDP:
            if source_port == dns.PORT and path.receiver is not None:
                return self._dns
            if destination_port == ntp.PORT and path.sender is not None:
                return self._ntp
            if (source_port, destination_port) == (dhcp.CLIENT_PORT, dhcp.SERVER_PORT):
                return self._dhcp
        elif protocol == TCP and source_port == dns.PORT and path.receiver is not None:
            return self._dns_segment
        elif protocol == TCP and path.forward and path.sender is not None:
            return self._hello
        return None

    def _dns(self, at: float, frame: bytes, packet: Packet, _: Path) -> None:
        if not packet.transport:
            return
        message = frame[packet.transport + _UDP_HEADER : packet.transport + packet.size]
        size = int.from_bytes(frame[packet.transport + 4 : packet.transport + 6]) - _UDP_HEADER
        self._answer(message, packet.destination, at, cut=len(message) < size)

    def _dns_segment(self, at: float, frame: bytes, packet: Packet, path: Path) -> None:
        transport = packet.transport
        if not transport or len(frame) < transport + 14:
            return
        sequence = int.from_bytes(frame[transport + 4 : transport + 8])
        if frame[transport + 13] & SYN:
            self._streams.begin(path, sequence + 1 & 0xFFFFFFFF)
            return
        stream = self._streams.get(path)
        if stream is None:
            stream = self._streams.begin(path, sequence)
        start, end = transport + (frame[transport + 12] >> 4 << 2), transport + packet.size
        for message in stream.segment(sequence, frame[start:end], cut=len(frame) < end):
            self._answer(message, packet.destination, at, cut=False)

    def _hello(self, at: float, frame: bytes, packet: Packet, path: Path) -> None:
        """Look for a TLS client's hello in the first payload of a connection."""
        transport = packet.transport
        if not transport or len(frame) < transport + 14 or path.sender is None:
            return
        start, end = transport + (frame[transport + 12] >> 4 << 2), transport + packet.size
        if start >= end:
            return
        sequence = int.from_bytes(frame[transport + 4 : transport + 8])
        try:
            name = self._hellos.segment(path, sequence, frame[start:end])
        except IncompleteError:
            return
        except TlsError:
            name = None
        path.watch = None
        if name is not None:
            flow = path.sender.flow
            self._observe(ServerName(flow.lan, flow.remote, flow.port, name, at))

    def _answer(self, message: bytes, lan: Address, at: float, *, cut: bool) -> None:
        try:
            answer = dns.parse_answer(message, lan, at, cut=cut)
        except dns.DnsError:
            return
        if answer is not None:
            self._observe(answer)

    def _ntp(self, at: float, frame: bytes, packet: Packet, path: Path) -> None:
        start = packet.transport + _UDP_HEADER
        if not packet.transport or path.sender is None or len(frame) <= start:
            return
        if ntp.is_client_request(frame[start], packet.size - _UDP_HEADER):
            self._rows.request(path.sender, at)

    def _dhcp(self, at: float, frame: bytes, packet: Packet, _: Path) -> None:
        if not packet.transport:
            return
        try:
            message = dhcp.parse_dhcp(frame[packet.transport + _UDP_HEADER : packet.transport + packet.size])
        except dhcp.DhcpError:
            return
        host_name, vendor_class = message.host_name, message.vendor_class
        if message.mac is not None and message.request and (host_name or vendor_class):
            self._observe(HostName(message.mac, host_name, vendor_class, at))

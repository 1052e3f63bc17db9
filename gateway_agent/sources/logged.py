"""Turns the packets that our table logs into observations."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway_agent.decode.dns import DnsError, parse_answer
from gateway_agent.decode.ntp import is_client_request
from gateway_agent.decode.packet import TCP, UDP, WITH_PORTS
from gateway_agent.decode.tls import Hellos, TlsError
from gateway_agent.kernel.nflog import Logged, Nflog
from gateway_agent.kernel.ruleset import CLOCK, CONTACT, DNS, HELLO, INBOUND_CONTACT
from gateway_agent.model import Answer, FirstContact, Flow, Neighbour, Observation, ServerName

_DNS, _CONTACT, _INBOUND, _CLOCK, _HELLO = (
    prefix.encode() for prefix in (DNS, CONTACT, INBOUND_CONTACT, CLOCK, HELLO)
)
_UDP_HEADER, _TCP_HEADER = 8, 20
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_PLAIN_IPV4, _UDP = b"\x45", b"\x11"
"""First byte of an IPv4 header without options, which nearly all are; the protocol's number in it."""

_WAKE_EVERY: Final = 0.1
_MAX_BACKLOG: Final = 20_000


@dataclass(frozen=True, slots=True)
class ClockRequest:
    """An NTP client asked for the time."""

    flow: Flow
    at: float


class LoggedPackets:
    """A watcher (listener.py) of the NFLOG group.

    In the listener's thread, `urgent` gets every answer and server name at once; then all waits in `backlog`,
    in order. `wake` is called 10 times a second at most, and not while the backlog is `awaited`: whoever
    takes it sets that to false before. A backlog that nobody takes is bounded: what is lost is counted.
    """

    def __init__(
        self, nflog: Nflog, urgent: Callable[[Answer | ServerName], None], wake: Callable[[], None]
    ) -> None:
        self.backlog: deque[Observation | ClockRequest] = deque()
        self.awaited = False
        self.dropped = 0
        self._nflog = nflog
        self._urgent = urgent
        self._wake = wake
        self._woken = 0.0
        self._busy = False
        self._hellos = Hellos()

    @property
    def pending(self) -> bool:
        """Whether there are logged packets that are not in the backlog yet; for other threads."""
        return self._nflog.readable() or self._busy

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._nflog.fileno()

    def due(self) -> float | None:
        """Return when the next wake-up is due, which came too soon after the last."""
        return self._woken + _WAKE_EVERY if self.backlog and not self.awaited else None

    def ready(self) -> None:
        """Read one datagram of logged packets."""
        self._busy = True
        try:
            self._take_datagram(time.time())
        finally:
            self._busy = False
        if self.backlog and not self.awaited:
            moment = time.monotonic()
            if moment >= self._woken + _WAKE_EVERY:
                self._woken = moment
                self.awaited = True
                self._wake()

    def _take_datagram(self, now: float) -> None:
        urgent, put = self._urgent, self._put
        for logged in self._nflog.read():
            prefix, packet, _, _ = logged
            if prefix != _DNS:
                self._contact(logged, now)
                continue
            try:
                answer = answer_in(packet, now)
            except DnsError:
                continue
            if answer is not None:
                urgent(answer)
                put(answer)

    def _contact(self, logged: Logged, now: float) -> None:
        flow = flow_of(logged.packet, inbound=logged.prefix == _INBOUND)
        if flow is None:
            return
        at = now if logged.at is None else logged.at
        if logged.prefix == _HELLO:
            self._hello(logged.packet, flow, at)
            return
        if logged.prefix == _CLOCK:
            if asks_for_time(logged.packet):
                self._put(ClockRequest(flow, at))
            return
        if logged.prefix == _CONTACT and logged.mac is not None:
            self._put(Neighbour(logged.mac.hex(":"), flow.lan, at))
        self._put(FirstContact(flow, at))

    def _hello(self, packet: bytes, flow: Flow, at: float) -> None:
        segment = segment_in(packet)
        if segment is None:
            return
        try:
            name = self._hellos.segment((flow, segment.source_port), segment.sequence, segment.payload)
        except TlsError:
            return
        if name is not None:
            server = ServerName(flow.lan, flow.remote, flow.port, name, at)
            self._urgent(server)
            self._put(server)

    def _put(self, observation: Observation | ClockRequest) -> None:
        if len(self.backlog) < _MAX_BACKLOG:
            self.backlog.append(observation)
        else:
            self.dropped += 1


def answer_in(packet: bytes, now: float) -> Answer | None:
    """Return the DNS answer in an IP packet, None if there is none; raises DnsError where it is malformed."""
    if packet[:1] == _PLAIN_IPV4 and packet[9:10] == _UDP:
        return parse_answer(packet[_IPV4_HEADER + _UDP_HEADER :], packet[16:20], now)
    found = _transport(packet)
    if found is None:
        return None
    protocol, place = found
    lan = packet[16:20] if packet[0] >> 4 == 4 else packet[24:40]  # noqa: PLR2004  # the IP version
    if protocol == UDP:
        return parse_answer(packet[place + _UDP_HEADER :], lan, now)
    if protocol != TCP or len(packet) < place + _TCP_HEADER:
        return None
    start = place + (packet[place + 12] >> 4) * 4
    size = int.from_bytes(packet[start : start + 2], "big")  # RFC 1035, section 4.2.2
    message = packet[start + 2 : start + 2 + size]
    return parse_answer(message, lan, now, cut=len(message) < size)


class Segment(NamedTuple):
    """What a TCP segment carries."""

    source_port: int
    sequence: int
    payload: bytes


def segment_in(packet: bytes) -> Segment | None:
    """Return the TCP segment in an IP packet."""
    found = _transport(packet)
    if found is None or found[0] != TCP or len(packet) < found[1] + _TCP_HEADER:
        return None
    place = found[1]
    port, sequence = int.from_bytes(packet[place : place + 2]), int.from_bytes(packet[place + 4 : place + 8])
    return Segment(port, sequence, packet[place + (packet[place + 12] >> 4) * 4 :])


def asks_for_time(packet: bytes) -> bool:
    """Return whether the UDP datagram in an IP packet is an NTP client's request."""
    found = _transport(packet)
    if found is None or len(packet) <= found[1] + _UDP_HEADER:
        return False
    start = found[1] + _UDP_HEADER
    return is_client_request(packet[start], int.from_bytes(packet[start - 4 : start - 2]) - _UDP_HEADER)


def flow_of(packet: bytes, *, inbound: bool) -> Flow | None:
    """Return the flow of an IP packet in the original direction; `inbound`: it goes to the LAN."""
    found = _transport(packet)
    if found is None:
        return None
    protocol, place = found
    if packet[0] >> 4 == 4:  # noqa: PLR2004  # the IP version
        source, destination = packet[12:16], packet[16:20]
    else:
        source, destination = packet[8:24], packet[24:40]
    port = int.from_bytes(packet[place + 2 : place + 4], "big") if protocol in WITH_PORTS else 0
    lan, remote = (destination, source) if inbound else (source, destination)
    return Flow(lan, remote, protocol, port)


def _transport(packet: bytes) -> tuple[int, int] | None:
    """Return protocol and offset of the transport header; extension headers (rare) are not followed."""
    if len(packet) >= _IPV4_HEADER and packet[0] >> 4 == 4:  # noqa: PLR2004
        return packet[9], (packet[0] & 15) * 4
    if len(packet) >= _IPV6_HEADER and packet[0] >> 4 == 6:  # noqa: PLR2004
        return packet[6], _IPV6_HEADER
    return None

"""The stage of a capture file: what the gateway's LAN interface would have seen, without any network.

Nothing is sent anywhere and no right is needed; every byte, sequence number and checksum is made here.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from tests.home import dhcp, dnsmessage, frames
from tests.home.actor import Actor, Event
from tests.home.behaviour import Behaviour, Contact
from tests.home.conversation import Conversation, Wire
from tests.home.home import GATEWAY4, GATEWAY_MAC, LAN6, Resident
from tests.home.internet import REQUEST, TCP_PORTS, TLS_PORTS, ntp_reply, ntp_request
from tests.home.pcapfile import PcapWriter
from tests.home.tlspair import TlsPair
from tests.home.virtualtime import run_for
from tests.home.zone import Family, Resolution, answers, resolve

GATEWAY_LINK_LOCAL = "fe80::a:bff:fe00:1"
_LAN_DELAY, _INTERNET_DELAY = 0.0006, 0.012
_RETRANSMISSIONS = (1.0, 2.0)
_FIRST_PORT, _LAST_PORT = 40000, 60999
_ADVERTISEMENT_PAUSE = 600.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without Internet, in seconds since the recording's start; for one device or domain, or all.

    "blocked": the gateway rejects the packets and still resolves names, as in the case study.
    "dead": nothing answers, and the resolver knows no name.
    """

    start: float
    end: float
    kind: Literal["blocked", "dead"]
    label: str | None = None
    domain: str | None = None

    def concerns(self, label: str, name: str) -> bool:
        """Say whether that device's contact with that name fails."""
        inside = self.domain is None or f".{name}".endswith(f".{self.domain}")
        return inside and self.label in (None, label)


@dataclass
class Recording:
    """The capture file in the making; `start` is the Unix time of its beginning."""

    writer: PcapWriter
    start: float
    outages: Sequence[Outage]
    random: random.Random

    def now(self) -> float:
        """Return the recorded time in Unix seconds."""
        return self.start + asyncio.get_running_loop().time()

    def frame(self, frame: bytes) -> None:
        """Record a frame that is seen now."""
        self.writer.write(self.now(), frame)

    def outage(self, label: str, name: str) -> Literal["blocked", "dead"] | None:
        """Return what is wrong just now between that device and that name."""
        elapsed = asyncio.get_running_loop().time()
        for each in self.outages:
            if each.start <= elapsed < each.end and each.concerns(label, name):
                return each.kind
        return None

    async def advertise(self) -> None:
        """Record the router's advertisements."""
        packet = frames.router_advertisement(GATEWAY_MAC, GATEWAY_LINK_LOCAL, LAN6)
        while True:
            self.frame(frames.ethernet(GATEWAY_MAC, frames.ALL_NODES_MAC, packet))
            await asyncio.sleep(_ADVERTISEMENT_PAUSE)


@dataclass
class RecordedLink:
    """An open TCP or TLS connection in the file."""

    conversation: Conversation
    stage: "RecordingStage"
    tls: TlsPair | None

    async def exchange(self, contact: Contact) -> bool:
        """Record one exchange, or what becomes of it without Internet."""
        request = REQUEST.pack(contact.upload, contact.download) + bytes(contact.upload)
        reply = bytes(contact.download)
        if self.tls:
            request, reply = self.tls.encrypt(request, reply)
        outage = self.stage.outage(contact.name)
        if outage == "blocked":
            await self.conversation.refused(request)
        elif outage == "dead":
            await self.conversation.unanswered(request, _RETRANSMISSIONS)
        else:
            await self.conversation.send(request)
            await self.conversation.receive(reply)
        return outage is None

    async def close(self) -> None:
        """Record the close of a connection that still works."""
        if not self.conversation.broken:
            await self.conversation.close()


@dataclass
class RecordingStage:
    """One device's part of a recording; its clock runs `speed` times as fast as the recorded time."""

    recording: Recording
    resident: Resident
    families: tuple[Family, ...]
    speed: float
    _next_port: int = _FIRST_PORT

    def now(self) -> float:
        """Return the recorded time."""
        return self.recording.now()

    def outage(self, name: str) -> Literal["blocked", "dead"] | None:
        """Return what is wrong just now between the device and that name."""
        return self.recording.outage(self.resident.label, name)

    def clock(self) -> float:
        """Return the device's own clock."""
        return asyncio.get_running_loop().time() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Let the device's own clock run."""
        await asyncio.sleep(seconds / self.speed)

    async def join(self, behaviour: Behaviour) -> None:
        """Record DHCP and the first ARP."""
        mac, address = self.resident.mac, self.resident.ipv4
        transaction = self.recording.random.getrandbits(32)
        lease = None
        for asked, given in ((dhcp.DISCOVER, dhcp.OFFER), (dhcp.REQUEST, dhcp.ACK)):
            question = dhcp.client_message(
                asked, transaction, mac, lease=lease,
                hostname=behaviour.hostname, vendor_class=behaviour.vendor_class,
            )  # fmt: skip
            answer = dhcp.server_message(given, transaction, mac, address, server=GATEWAY4)
            lease = dhcp.lease_of(answer)
            ports = dhcp.CLIENT_PORT, dhcp.SERVER_PORT
            packet = frames.udp("0.0.0.0", "255.255.255.255", ports, question)
            self.recording.frame(frames.ethernet(mac, frames.BROADCAST, packet))
            await asyncio.sleep(_LAN_DELAY)
            packet = frames.udp(GATEWAY4, "255.255.255.255", ports[::-1], answer)
            self.recording.frame(frames.ethernet(GATEWAY_MAC, frames.BROADCAST, packet))
            await asyncio.sleep(_LAN_DELAY)
        self.recording.frame(frames.arp(1, (mac, address), (frames.BROADCAST, GATEWAY4)))
        await asyncio.sleep(_LAN_DELAY)
        self.recording.frame(frames.arp(2, (GATEWAY_MAC, GATEWAY4), (mac, address)))

    async def contact(self, contact: Contact) -> bool:
        """Record one contact to the end."""
        if contact.kind in ("udp", "ntp"):
            return await self._datagram(contact)
        link = await self.open(contact)
        if link is None:
            return False
        wanted = contact.kind == "tls" or contact.upload or contact.download
        succeeded = await link.exchange(contact) if wanted else True
        await link.close()
        return succeeded

    async def open(self, contact: Contact) -> RecordedLink | None:
        """Record the look-up and the connection, or the attempt."""
        address = await self._find(contact.name)
        if address is None:
            return None
        conversation = self._conversation(address, contact.port)
        outage = self.outage(contact.name)
        if outage == "blocked":
            await conversation.connect_refused()
        elif outage == "dead" or not answers(address):
            await conversation.connect_unanswered(_RETRANSMISSIONS)
        elif contact.port not in TCP_PORTS + TLS_PORTS:
            await conversation.wire.travel()
            await conversation.connect_refused()
        else:
            await conversation.connect()
        if conversation.broken:
            return None
        tls = TlsPair(contact.name) if contact.kind == "tls" else None
        for from_client, flight in tls.handshake() if tls else ():
            await (conversation.send if from_client else conversation.receive)(flight)
        return RecordedLink(conversation, self, tls)

    def _conversation(self, remote: str, port: int) -> Conversation:
        numbers = self.recording.random
        return Conversation(
            Wire(self._send, self._receive, _INTERNET_DELAY),
            self._own_address(remote),
            remote,
            (self._port(), port),
            numbers.getrandbits(32),
            numbers.getrandbits(32),
        )

    def _own_address(self, remote: str) -> str:
        return self.resident.ipv6 if ":" in remote else self.resident.ipv4

    def _send(self, packet: bytes) -> None:
        self.recording.frame(frames.ethernet(self.resident.mac, GATEWAY_MAC, packet))

    def _receive(self, packet: bytes) -> None:
        self.recording.frame(frames.ethernet(GATEWAY_MAC, self.resident.mac, packet))

    def _port(self) -> int:
        self._next_port = self._next_port + 1 if self._next_port < _LAST_PORT else _FIRST_PORT
        return self._next_port

    async def _find(self, name: str) -> str | None:
        if name.replace(".", "").isdigit() or ":" in name:
            return name
        found = [await self._look_up(name, family) for family in self.families]
        return next((addresses[0] for addresses in found if addresses), None)

    async def _look_up(self, name: str, family: Family) -> tuple[str, ...]:
        identity, ports = self.recording.random.getrandbits(16), (self._port(), 53)
        here = self.resident.ipv4
        self._send(frames.udp(here, GATEWAY4, ports, dnsmessage.query(identity, name, family)))
        await asyncio.sleep(_INTERNET_DELAY)
        answer = resolve(name, family)
        if self.outage(name) == "dead":
            answer = Resolution(name, (), (), 0, exists=False)
        kind = dnsmessage.AAAA if family == 6 else dnsmessage.A
        message = dnsmessage.response(identity, answer, kind)
        self._receive(frames.udp(GATEWAY4, here, ports[::-1], message))
        await asyncio.sleep(_LAN_DELAY)
        return answer.addresses

    async def _datagram(self, contact: Contact) -> bool:
        remote = await self._find(contact.name)
        if remote is None:
            return False
        ntp = contact.kind == "ntp"
        request = ntp_request(self.now()) if ntp else bytes(contact.upload)
        here, ports = self._own_address(remote), (self._port(), contact.port)
        sent = frames.udp(here, remote, ports, request)
        self._send(sent)
        outage = self.outage(contact.name)
        if outage == "blocked":
            await asyncio.sleep(_LAN_DELAY)
            self._receive(frames.prohibited(self._gateway(remote), sent))
        if outage or not answers(remote):
            await self.sleep(contact.timeout)
            return False
        await asyncio.sleep(_INTERNET_DELAY)
        reply = ntp_reply(request, self.now()) if ntp else request
        self._receive(frames.udp(remote, here, ports[::-1], reply))
        return True

    @staticmethod
    def _gateway(remote: str) -> str:
        return "2001:db8:8::1" if ":" in remote else GATEWAY4


@dataclass(frozen=True, slots=True)
class Part:
    """A device in a recording, plugged in that many seconds after its start."""

    resident: Resident
    behaviour: Behaviour
    plugged_in: float = 0.0


def record(  # noqa: PLR0913
    file: BinaryIO,
    parts: Sequence[Part],
    *,
    start: float,
    seconds: float,
    speed: float = 1.0,
    outages: Sequence[Outage] = (),
    log: Callable[[Part, Event], None] = lambda _part, _event: None,
) -> None:
    """Write a capture of that many recorded seconds; the same arguments give the same traffic."""
    recording = Recording(PcapWriter(file), start, outages, random.Random(1))

    async def play(part: Part) -> None:
        await asyncio.sleep(part.plugged_in)
        stage = RecordingStage(recording, part.resident, part.behaviour.families, speed)
        await Actor(part.behaviour, stage, lambda event: log(part, event)).play()

    async def everything() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recording.advertise())
            for part in parts:
                tasks.create_task(play(part))

    run_for(seconds, everything())

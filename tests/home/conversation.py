"""A TCP connection as packets: handshake, data with acknowledgements, close; and how it fails."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.home import frames
from tests.home.frames import ACK, FIN, PSH, RST, SYN

MSS4, MSS6 = 1460, 1440
_SEGMENT_DELAY = 0.0002


@dataclass
class Wire:
    """How packets of one device reach the capture file: `send` takes the device's, `receive` the others'."""

    send: Callable[[bytes], None]
    receive: Callable[[bytes], None]
    delay: float

    async def travel(self) -> None:
        """Wait for a round trip to the other end."""
        await asyncio.sleep(self.delay)


@dataclass
class Conversation:
    """One connection from `device` to `remote`; the numbers are those that each end uses next."""

    wire: Wire
    device: str
    remote: str
    ports: tuple[int, int]
    ours: int
    theirs: int
    broken: bool = False

    @property
    def _mss(self) -> int:
        return MSS6 if ":" in self.remote else MSS4

    async def connect(self) -> None:
        """Record the three-way handshake."""
        self._send(SYN)
        await self.wire.travel()
        self._receive(SYN | ACK)
        await asyncio.sleep(_SEGMENT_DELAY)
        self._send(ACK)

    async def connect_refused(self) -> None:
        """Record a connection attempt that is reset."""
        self._send(SYN)
        await asyncio.sleep(_SEGMENT_DELAY)
        self.theirs = 0
        self._receive(RST | ACK)
        self.broken = True

    async def connect_unanswered(self, pauses: Iterable[float]) -> None:
        """Record a connection attempt and its repetitions."""
        first = self.ours
        self._send(SYN)
        for pause in pauses:
            await asyncio.sleep(pause)
            self.ours = first
            self._send(SYN)
        self.broken = True

    async def send(self, payload: bytes) -> None:
        """Record payload from the device."""
        await self._transfer(payload, self._send, self._receive)

    async def receive(self, payload: bytes) -> None:
        """Record payload from the remote end."""
        await self._transfer(payload, self._receive, self._send)

    async def refused(self, payload: bytes) -> None:
        """Record payload that is answered with a reset."""
        self._send(PSH | ACK, payload[: self._mss])
        await asyncio.sleep(_SEGMENT_DELAY)
        self._receive(RST | ACK)
        self.broken = True

    async def unanswered(self, payload: bytes, pauses: Iterable[float]) -> None:
        """Record payload that nobody acknowledges, and its repetitions."""
        first = self.ours
        for pause in (*pauses, 0.0):
            self.ours = first
            self._send(PSH | ACK, payload[: self._mss])
            await asyncio.sleep(pause)
        self.broken = True

    async def close(self) -> None:
        """Record the four-way close, begun by the device."""
        self._send(FIN | ACK)
        await self.wire.travel()
        self._receive(ACK)
        await asyncio.sleep(_SEGMENT_DELAY)
        self._receive(FIN | ACK)
        await asyncio.sleep(_SEGMENT_DELAY)
        self._send(ACK)

    async def _transfer(self, payload: bytes, talk: Callable[..., None], listen: Callable[..., None]) -> None:
        """Record segments in flights of ten, each flight acknowledged after a round trip."""
        segments = [payload[at : at + self._mss] for at in range(0, len(payload), self._mss)]
        for number, segment in enumerate(segments, 1):
            last = number == len(segments)
            talk(PSH | ACK if last else ACK, segment)
            await asyncio.sleep(_SEGMENT_DELAY)
            if last or number % 10 == 0:
                await self.wire.travel()
                listen(ACK)

    def _send(self, flags: int, payload: bytes = b"") -> None:
        numbers = (self.ours, self.theirs if flags & ACK else 0)
        self.wire.send(frames.tcp(self.device, self.remote, self.ports, numbers, flags, payload))
        self.ours += len(payload) + bool(flags & (SYN | FIN))

    def _receive(self, flags: int, payload: bytes = b"") -> None:
        numbers = (self.theirs, self.ours)
        self.wire.receive(frames.tcp(self.remote, self.device, self.ports[::-1], numbers, flags, payload))
        self.theirs += len(payload) + bool(flags & (SYN | FIN))

"""One running capture: from a tap to the broker, in order, never holding more than a few megabytes."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from gateway_agent.capture.pcap import HEADER, RECORD_BYTES, Chunk
from gateway_agent.capture.ring import RETIRE_SECONDS, Captured
from gateway_agent.wire.commands import StartCapture
from gateway_agent.wire.messages import Message

Deliver = Callable[[Message], Awaitable[bool]]
"""Publishes a message, in the order of the calls; false where the connection was lost before the broker
acknowledged it."""

_MAX_WAITING: Final = 16
"""Chunks that may wait for the broker: 2 MiB. Then the ring fills, and after it the kernel drops."""

_AT_ONCE: Final = 4
"""Chunks on their way at a time, so that a broker that is far away does not slow the capture."""

_CHUNK_SECONDS: Final = 1.0
_LAST_BLOCK_SECONDS: Final = 2.5 * RETIRE_SECONDS


class Tap(Protocol):
    """Where packets come from (ring.Ring)."""

    interface: str

    def fileno(self) -> int:
        """Return the descriptor to wait for."""

    def read(self) -> Iterable[Captured]:
        """Return some packets; they count as taken."""

    @property
    def waiting(self) -> bool:
        """Whether there is something to read."""

    @property
    def dropped(self) -> int:
        """How many packets were lost for want of room."""

    @property
    def broken(self) -> bool:
        """Whether no more will come."""

    def close(self) -> None:
        """Stop."""


class Recording:
    """Runs from `run` until its time is over, its file is full, its tap breaks, or `end` is called.

    `packets` and `size` (bytes of the file) are what the broker has acknowledged; `lost` are packets that
    were captured and not delivered, `dropped` those that the tap had no room for.
    """

    def __init__(self, request: StartCapture, tap: Tap, deliver: Deliver) -> None:
        self.request = request
        self.interface = tap.interface
        self.packets = self.size = self.lost = self.dropped = 0
        self.reason: str | None = None
        self._tap = tap
        self._deliver = deliver
        self._began, self._ended = time.time(), float("inf")
        self._over = asyncio.Event()
        self._chunk = Chunk()
        self._chunk.data += HEADER
        self._room = request.max_bytes - len(HEADER)
        self._waiting: deque[Chunk] = deque()
        self._news = asyncio.Event()
        self._complete = False
        self._free = asyncio.Semaphore(_AT_ONCE)

    @property
    def elapsed(self) -> float:
        """Seconds from its beginning to its end, or until now."""
        return min(time.time(), self._ended) - self._began

    def end(self, reason: str) -> None:
        """Take no packet that comes from now on; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._ended = time.time()
            self._over.set()

    async def run(self) -> None:
        """Capture and deliver the file."""
        loop = asyncio.get_running_loop()
        delivery = asyncio.create_task(self._deliver_all())
        timers = [
            loop.call_later(self.request.duration, self.end, "duration"),
            loop.call_soon(self._close_chunk),  # the file's header: who looks on sees that it begins
        ]
        self._listen()
        try:
            await self._over.wait()
            await asyncio.sleep(_LAST_BLOCK_SECONDS)  # the kernel may still hold what came before the end
            while self._tap.waiting and self.reason != "size":
                self._take_block()
        finally:
            loop.remove_reader(self._tap.fileno())
            for timer in timers:
                timer.cancel()
            self.dropped = self._tap.dropped
            self._tap.close()
            self._close_chunk()
            self._complete = True
            self._news.set()
            await delivery

    def count_dropped(self) -> None:
        """Look how many packets the tap had no room for."""
        if not self._complete:
            self.dropped = self._tap.dropped

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._tap.fileno(), self._take)

    def _take(self) -> None:
        """Take what the tap has, unless the broker is behind: then it is looked at again when it is not."""
        if self.reason is not None or len(self._waiting) >= _MAX_WAITING:
            asyncio.get_running_loop().remove_reader(self._tap.fileno())
        elif self._tap.waiting:
            self._take_block()
        elif self._tap.broken:
            self.end("interface_gone")

    def _take_block(self) -> None:
        for captured in self._tap.read():
            if captured.seconds + captured.nanoseconds / 1e9 > self._ended:
                continue
            need = RECORD_BYTES + len(captured.frame)
            if need > self._room:
                self.end("size")
                return
            if not self._chunk.has_room(captured.frame):
                self._close_chunk()
            if not self._chunk.data:
                asyncio.get_running_loop().call_later(_CHUNK_SECONDS, self._close_due, self._chunk)
            self._room -= need
            self._chunk.add(captured)

    def _close_due(self, chunk: Chunk) -> None:
        if chunk is self._chunk:
            self._close_chunk()

    def _close_chunk(self) -> None:
        if self._chunk.data:
            self._waiting.append(self._chunk)
            self._chunk = Chunk()
            self._news.set()

    async def _deliver_all(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while self._waiting or not self._complete:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            await self._free.acquire()
            task = asyncio.create_task(self._deliver_chunk(self._waiting.popleft()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            if self.reason is None and len(self._waiting) == _MAX_WAITING - 1:
                self._listen()
        if under_way:
            await asyncio.wait(under_way)

    async def _deliver_chunk(self, chunk: Chunk) -> None:
        delivered = self.reason != "connection_lost" and await self._deliver(
            Message(f"capture/{self.request.id}", bytes(chunk.data))
        )
        self._free.release()
        if delivered:
            self.packets += chunk.packets
            self.size += len(chunk.data)
        else:
            self.lost += chunk.packets
            self.end("connection_lost")

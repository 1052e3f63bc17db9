"""One capture: asks the gateway, writes what it streams, and says how it ended.

Nothing that goes wrong here may hurt the rest: a full disk, a broker that loses messages, a gateway that
goes away end the capture, with the reason.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..listener import Handler
from ..models import Mac
from ..wire import WireError
from .capture_files import Capture, CaptureFile
from .capture_wire import MAX_CHUNK_BYTES, Reply, command, parse_reply

_LOGGER = logging.getLogger(__name__)

REPLY_TIMEOUT = 5.0
# How long the gateway may be silent after the capture's time is over.
SILENCE = 30.0
# What waits for the disk is in memory.
MAX_UNWRITTEN = 32_000_000
# How long the last chunks may take after the gateway said that all were sent.
LAST_CHUNKS = 5.0

type Subscribe = Callable[[str, Handler], Awaitable[CALLBACK_TYPE]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]


class CaptureRefusedError(Exception):
    """The gateway does not capture; the text is its reason, empty where it did not answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    id: str
    mac: Mac
    device: str
    seconds: int
    max_bytes: int
    headers_only: bool


class CaptureRun:
    """A capture from its command to its file."""

    def __init__(
        self, hass: HomeAssistant, wanted: Wanted, file: CaptureFile, send: Send, changed: Callable[[], None]
    ) -> None:
        """Begin nothing yet."""
        self.wanted = wanted
        self.began = time.time()
        self.reply: Reply | None = None
        self._hass = hass
        self._file = file
        self._send = send
        self._changed = changed
        self._chunks: list[bytes] = []
        self._received = 0
        self._news = asyncio.Event()
        self._streamed = False
        self._gone: str | None = None
        self._withdrawn = False

    @property
    def file_name(self) -> str:
        """The name of the file that it has when it is over."""
        return self._file.path.name

    @property
    def progress(self) -> int:
        """How far it is, in percent of its duration or its size, whichever is further."""
        size = self.reply.bytes if self.reply else 0
        share = max((time.time() - self.began) / self.wanted.seconds, size / self.wanted.max_bytes)
        return min(100, round(100 * share))

    async def begin(self, subscribe: Subscribe) -> list[CALLBACK_TYPE]:
        """Ask for it; return how to end the subscriptions.

        Raises:
            CaptureRefusedError: the gateway refuses, or does not answer
        """
        wanted = self.wanted
        subscriptions = [
            await subscribe(f"reply/{wanted.id}", self._replied),
            await subscribe(f"capture/{wanted.id}", self._chunk),
        ]
        try:
            await self._ask()
        except BaseException:
            for unsubscribe in subscriptions:
                unsubscribe()
            raise
        self.began = time.time()
        return subscriptions

    async def _ask(self) -> None:
        wanted = self.wanted
        asked = command(
            wanted.id, wanted.mac, wanted.seconds, wanted.max_bytes, headers_only=wanted.headers_only
        )
        await self._send(asked)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                while self.reply is None:
                    await self._wait()
        except TimeoutError as err:
            raise CaptureRefusedError("") from err
        if not self.reply.ok:
            raise CaptureRefusedError(self.reply.error or "")

    @callback
    def _replied(self, _topic: str, payload: bytes, retained: bool) -> None:
        if not retained:
            self.reply = parse_reply(payload)
            self._changed()
            self._news.set()

    @callback
    def _chunk(self, _topic: str, payload: bytes, retained: bool) -> None:
        if retained or self._gone or self._streamed:
            return
        if not payload:
            self._streamed = True
        elif self._received > self.wanted.max_bytes + MAX_CHUNK_BYTES:
            self._gone = "too_much"
        elif sum(map(len, self._chunks)) < MAX_UNWRITTEN:
            self._received += len(payload)
            self._chunks.append(payload)
        # Else the disk is slower than the network: what is left out is missing in the file, and said.
        self._news.set()

    def leave(self, reason: str) -> None:
        """Have it end for a reason that is not the gateway's."""
        self._gone = self._gone or reason
        self._news.set()

    def withdraw(self) -> None:
        """Have it end, and nothing be kept."""
        self._withdrawn = True
        self.leave("stopped")

    async def stop(self) -> None:
        """Ask the gateway to end it."""
        await self._send({"id": f"s-{self.wanted.id}", "command": "stop_capture", "capture": self.wanted.id})

    async def _wait(self) -> None:
        await self._news.wait()
        self._news.clear()

    @property
    def _is_over(self) -> bool:
        ended = self.reply is not None and (self.reply.state == "ended" or not self.reply.ok)
        return bool(self._gone) or (ended and self._streamed)

    async def write(self) -> tuple[Capture | None, str]:
        """Write what comes until it is over; return what is kept (None: nothing), and why it ended."""
        try:
            reason = await self._follow()
            if self._file.packets and self.reply is not None and not self._withdrawn:
                capture = self._describe(self.reply, reason)
                await self._hass.async_add_executor_job(self._file.finish, capture)
                return capture, reason
            reason = reason if self._withdrawn else "nothing"
        except OSError as err:
            reason = "disk_full" if err.errno == errno.ENOSPC else "cannot_write"
            _LOGGER.warning("A capture could not be written: %s", err)
        except WireError as err:
            reason = "malformed"
            _LOGGER.warning("A capture is given up: %s", err)
        await self.discard()
        return None, reason

    async def _follow(self) -> str:
        deadline = time.monotonic() + self.wanted.seconds + SILENCE
        while True:
            chunks, self._chunks = self._chunks, []
            if chunks:
                await self._hass.async_add_executor_job(self._file.write, chunks)
                continue
            if self._is_over:
                return self._gone or (self.reply and self.reply.reason) or "ended"
            if self.reply is not None and self.reply.state == "ended":
                deadline = min(deadline, time.monotonic() + LAST_CHUNKS)
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._wait()
            except TimeoutError:
                return "silence"

    def _describe(self, reply: Reply, reason: str) -> Capture:
        return Capture(
            file=self.file_name,
            mac=self.wanted.mac,
            device=self.wanted.device,
            began=self.began,
            seconds=round(reply.elapsed or time.time() - self.began, 1),
            packets=self._file.packets,
            bytes=self._file.size,
            dropped=reply.dropped,
            missing=max(0, reply.bytes - self._file.size),
            headers_only=self.wanted.headers_only,
            complete=reply.state == "ended" and self._file.size == reply.bytes and not reply.dropped,
            reason=reason,
        )

    async def discard(self) -> None:
        """Remove what was written."""
        await self._hass.async_add_executor_job(self._file.discard)

"""When the source is read: every interval, and soon after a first contact if that is cheap."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

_EARLY: Final = 0.4
"""Seconds between a first contact and the reading that it causes; the contract promises one."""

_SHARE: Final = 20
"""Early readings may take one part in this many of the time, so a scan does not make the agent busy."""


class Readings:
    """Calls `read` every `interval` seconds of the monotonic clock, whatever the wall clock does."""

    def __init__(self, interval: float, read: Callable[[], Awaitable[None]]) -> None:
        self._interval = interval
        self._read = read
        self._early: float | None = None
        self._not_before = 0.0
        self._wake = asyncio.Event()

    def hasten(self, delay: float = _EARLY) -> None:
        """Read in `delay` seconds at the latest, or as soon as early readings have had their pause."""
        due = max(time.monotonic() + delay, self._not_before)
        if self._early is None or due < self._early:
            self._early = due
            self._wake.set()

    async def run(self) -> None:
        """Read until cancelled."""
        regular = time.monotonic() + self._interval
        while True:
            await self._wait(regular)
            began, used = time.monotonic(), time.process_time()
            self._early = None
            await self._read()
            self._not_before = began + (time.process_time() - used) * _SHARE
            if began >= regular:
                regular += self._interval * max(1, -(-(time.monotonic() - regular) // self._interval))

    async def _wait(self, regular: float) -> None:
        while (due := min(regular, self._early or regular)) > (now := time.monotonic()):
            self._wake.clear()
            try:
                async with asyncio.timeout(due - now):
                    await self._wake.wait()
            except TimeoutError:
                return

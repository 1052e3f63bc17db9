"""Ends tasks for certain."""

import asyncio
import time
from collections.abc import Collection
from typing import Any, Final

_AGAIN: Final = 0.2


async def end(tasks: Collection[asyncio.Task[Any]], within: float) -> None:
    """Cancel tasks and wait for them, but not longer than `within` seconds.

    Cancelled once is not enough: up to Python 3.11 asyncio.wait_for, which aiomqtt uses for each message,
    forgets the cancellation when what it waits for comes at the same moment.
    """
    latest = time.monotonic() + within
    pending = {task for task in tasks if not task.done()}
    while pending and time.monotonic() < latest:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN)

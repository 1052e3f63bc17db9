"""Messages that arrived and were not looked at yet: bounded, and of the policies only the newest."""

import asyncio
from collections import deque
from typing import Final

import aiomqtt

MOST: Final = 1_024
MOST_BYTES: Final = 1 << 20
"""Of payload, beside the policy."""


class _Backlog:
    """What asyncio.Queue keeps its items in."""

    def __init__(self) -> None:
        self._policy: aiomqtt.Message | None = None
        self._others: deque[aiomqtt.Message] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._others) + (self._policy is not None)

    def append(self, message: aiomqtt.Message) -> None:
        """Take a message; what a flood brings beyond MOST or MOST_BYTES is dropped."""
        if str(message.topic).endswith("/policy"):
            self._policy = message
        elif len(self._others) < MOST and self._bytes + _size(message) <= MOST_BYTES:
            self._bytes += _size(message)
            self._others.append(message)

    def popleft(self) -> aiomqtt.Message:
        """Return the policy, else the oldest message; IndexError when there is none."""
        if self._policy is None:
            oldest = self._others.popleft()
            self._bytes -= _size(oldest)
            return oldest
        policy, self._policy = self._policy, None
        return policy


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """A queue for aiomqtt's client that is never full; see _init in asyncio.queues."""

    def _init(self, maxsize: int) -> None:
        _ = maxsize
        self._queue = _Backlog()


def _size(message: aiomqtt.Message) -> int:
    return len(message.payload) if isinstance(message.payload, bytes) else 0

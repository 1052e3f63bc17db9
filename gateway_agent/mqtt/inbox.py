"""Messages that arrived and were not looked at yet: bounded, and of the policies only the newest."""

import asyncio
from collections import deque
from typing import Final

import aiomqtt

MOST: Final = 64


class _Backlog:
    """What asyncio.Queue keeps its items in."""

    def __init__(self) -> None:
        self._policy: aiomqtt.Message | None = None
        self._others: deque[aiomqtt.Message] = deque()

    def __len__(self) -> int:
        return len(self._others) + (self._policy is not None)

    def append(self, message: aiomqtt.Message) -> None:
        """Take a message; what a flood brings beyond MOST is dropped."""
        if str(message.topic).endswith("/policy"):
            self._policy = message
        elif len(self._others) < MOST:
            self._others.append(message)

    def popleft(self) -> aiomqtt.Message:
        """Return the policy, else the oldest message; IndexError when there is none."""
        if self._policy is None:
            return self._others.popleft()
        policy, self._policy = self._policy, None
        return policy


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """A queue for aiomqtt's client that is never full; see _init in asyncio.queues."""

    def _init(self, maxsize: int) -> None:
        _ = maxsize
        self._queue = _Backlog()

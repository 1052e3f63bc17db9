"""Publishes a replay: the connection has a thread of its own, so that the replay may sleep meanwhile."""

import asyncio
import contextlib
import secrets
import threading
from types import TracebackType
from typing import Final, Self

from gateway_agent.config import Config
from gateway_agent.mqtt.publisher import Publisher
from gateway_agent.wire.commands import CommandError, Snapshot, parse_command
from gateway_agent.wire.messages import Message, reply

_MAX_REPLIES: Final = 32
_CLOSE: Final = 5.0
_NO_CAPTURE: Final = "this is a replay of a capture: there is no interface to capture from"


class Broadcast:
    """A context in which `emit` publishes, waiting for the broker where it is away."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._snapshot = threading.Event()
        self._retained: dict[str, Message] = {}

    def __enter__(self) -> Self:
        """Begin to connect."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect in order."""
        self._loop.call_soon_threadsafe(self._connection.cancel)
        self._thread.join(_CLOSE)

    def emit(self, message: Message) -> None:
        """Publish a message; returns when the broker has it."""
        asyncio.run_coroutine_threadsafe(self._deliver(message), self._loop).result()
        if message.retain:
            self._retained[message.topic] = message

    def snapshot_wanted(self) -> bool:
        """Whether a reader asked for a snapshot since this was last asked."""
        wanted = self._snapshot.is_set()
        self._snapshot.clear()
        return wanted

    async def opened(self) -> None:
        """Say again what a broker should have retained; then what waits may go on."""
        await self._publisher.publish(list(self._retained.values()))
        self._connected.set()

    def received(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Take a reader's wish for a snapshot; a replay obeys no policy, so none is missed."""
        if topic == "command" and not retained and not self._replies.full():
            self._take_command(payload)
        return True

    def _take_command(self, payload: bytes) -> None:
        try:
            command = parse_command(payload)
        except CommandError as error:
            if error.id is not None:
                self._replies.put_nowait(reply(error.id, str(error)))
            return
        if not isinstance(command, Snapshot):
            self._replies.put_nowait(reply(command.id, _NO_CAPTURE))
            return
        self._snapshot.set()
        self._replies.put_nowait(reply(command.id))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._replies: asyncio.Queue[Message] = asyncio.Queue(_MAX_REPLIES)
        self._publisher = Publisher(self._config.mqtt, self._config.gateway, secrets.token_hex(8), self)
        self._connection = asyncio.ensure_future(asyncio.gather(self._publisher.run(), self._reply()))
        self._ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._connection

    async def _deliver(self, message: Message) -> None:
        while not await self._publisher.publish([message]):
            self._connected.clear()
            await self._connected.wait()

    async def _reply(self) -> None:
        while True:
            await self._deliver(await self._replies.get())

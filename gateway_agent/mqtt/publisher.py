"""Publishes over a connection to the broker that is opened anew whenever it breaks; queues nothing."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import aiomqtt

from gateway_agent.config import Broker
from gateway_agent.logs import fields
from gateway_agent.mqtt.connection import (
    PROTOCOLS,
    explain,
    explain_loss,
    may_be_too_new,
    new_client,
    reason_value,
)
from gateway_agent.mqtt.inbox import Inbox
from gateway_agent.wire.messages import OFFLINE, Message

_LOG = logging.getLogger(__name__)

TOPICS: Final = ("policy", "command", "info", "status")
"""What the agent listens to: requests, and what it says itself, because another agent might say it too."""

FIRST_DELAY: Final = 1.0
LAST_DELAY: Final = 60.0
_STEADY: Final = 10.0  # a connection that lasted this long did not fail at once
_REFUSED: Final = 0x80
_FLOOD_PAUSE: Final = 5.0


class Session(Protocol):
    """What is done with a connection."""

    async def opened(self) -> None:
        """Say what readers should know from the start."""

    def received(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Take a message at once, False: there is no room for it; the topic is relative to the root."""


class Publisher:
    """Publishes while there is a connection; `run` keeps one open."""

    def __init__(
        self, broker: Broker, gateway: str, epoch: str, session: Session, *, first_delay: float = FIRST_DELAY
    ) -> None:
        self._broker = broker
        self._root = f"{broker.prefix}/{gateway}"
        self._identifier = f"spin-{gateway}-{epoch[:8]}"
        self._session = session
        self._first_delay = first_delay
        self._client: aiomqtt.Client | None = None
        self._failure: asyncio.Future[None] = asyncio.Future()
        self._established = False
        self._flooded = asyncio.Event()
        self._told = ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None

    async def publish(self, messages: Iterable[Message]) -> bool:
        """Publish in order; False when there is no connection until the last one was acknowledged."""
        client, failure = self._client, self._failure
        if client is None or failure.done():
            return False
        try:
            for topic, payload, retain, qos in messages:
                await client.publish(f"{self._root}/{topic}", payload, qos, retain)
        except aiomqtt.MqttError as error:
            if not failure.done():
                failure.set_exception(error)
            return False
        return client is self._client

    async def run(self) -> None:
        """Connect, and again after each failure with growing pauses, until cancelled."""
        protocols = itertools.cycle(PROTOCOLS)
        protocol, delays = next(protocols), _delays(self._first_delay)
        while True:
            began, error = time.monotonic(), BaseException()
            self._established = False
            try:
                await self._connection(protocol)
            except* (aiomqtt.MqttError, OSError) as group:
                error = _first(group)
            if not self._established and may_be_too_new(error):
                protocol = next(protocols)
            if time.monotonic() - began > _STEADY:
                delays = _delays(self._first_delay)
            self._tell(explain_loss(error) if self._established else explain(error, self._broker))
            await asyncio.sleep(next(delays))

    async def _connection(self, protocol: aiomqtt.ProtocolVersion) -> None:
        will = aiomqtt.Will(f"{self._root}/status", OFFLINE, 1, retain=True)
        async with new_client(
            self._broker, self._identifier, protocol, will=will, queue_type=Inbox
        ) as client:
            _LOG.info("mqtt connected %s", fields(broker=self._broker.place, version=protocol.name))
            self._told = ""
            self._established = True
            self._failure = asyncio.Future()
            self._client = client
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client))
                    tasks.create_task(_outcome(self._failure))
                    tasks.create_task(self._ask_again(client))
                    await self._subscribe(client, TOPICS)
                    await self._session.opened()
            finally:
                self._client = None
                self._failure.cancel()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic = str(message.topic).removeprefix(f"{self._root}/")
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if not self._session.received(topic, payload, retained=bool(message.retain)):
                self._flooded.set()

    async def _ask_again(self, client: aiomqtt.Client) -> None:
        """Have the retained policy told again after a flood: the broker may have dropped it, too."""
        while True:
            await self._flooded.wait()
            await asyncio.sleep(_FLOOD_PAUSE)
            self._flooded.clear()
            await self._subscribe(client, TOPICS[:1])

    async def _subscribe(self, client: aiomqtt.Client, topics: Sequence[str]) -> None:
        codes = await client.subscribe([(f"{self._root}/{topic}", 1) for topic in topics])
        for topic, code in zip(topics, codes, strict=False):
            if reason_value(code) >= _REFUSED:
                remedy = f"allow the agent's user to read {self._root}/#"
                _LOG.warning("mqtt refused %s", fields(subscription=f"{self._root}/{topic}", remedy=remedy))

    def _tell(self, cause: str) -> None:
        """Log a cause once, until it changes or a connection came about."""
        if cause != self._told:
            self._told = cause
            _LOG.warning("mqtt not connected %s", fields(broker=self._broker.place, cause=cause))


async def _outcome(failure: asyncio.Future[None]) -> None:
    await failure


def _delays(first: float) -> Iterator[float]:
    """Yield pauses in seconds that double up to LAST_DELAY, each shortened or lengthened by up to a fifth."""
    delay = first
    while True:
        yield delay * random.uniform(0.8, 1.2)  # noqa: S311 (spreads reconnections, guards nothing)
        delay = min(delay * 2, LAST_DELAY)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

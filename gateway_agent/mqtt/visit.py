"""A short visit at the broker: to see whether it lets the agent in, and what it retains for this gateway."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiomqtt

from gateway_agent.config import Broker
from gateway_agent.mqtt.connection import PROTOCOLS, explain, explain_loss, may_be_too_new, new_client

_QUIET: Final = 1.0
_PATIENCE: Final = 4.0
_MOST: Final = 10.0


class VisitError(Exception):
    """The broker cannot be visited; the text names cause and remedy."""


@asynccontextmanager
async def visit(broker: Broker) -> AsyncIterator[aiomqtt.Client]:
    """Connect for the length of a block, with the newest protocol that the broker knows.

    Raises:
        VisitError: there is no connection, or it breaks.
    """
    client = None
    try:
        async with AsyncExitStack() as stack:
            client = await _connect(broker, stack)
            yield client
    except (aiomqtt.MqttError, OSError) as error:
        reason = explain(error, broker) if client is None else explain_loss(error)
        raise VisitError(f"{broker.place}: {reason}") from error


async def _connect(broker: Broker, stack: AsyncExitStack) -> aiomqtt.Client:
    identifier = f"spin-visit-{secrets.token_hex(4)}"
    newest, older = PROTOCOLS
    try:
        return await stack.enter_async_context(new_client(broker, identifier, newest, patience=_PATIENCE))
    except aiomqtt.MqttError as error:
        if not may_be_too_new(error):
            raise
    return await stack.enter_async_context(new_client(broker, identifier, older, patience=_PATIENCE))


async def retained(client: aiomqtt.Client, root: str) -> dict[str, bytes]:
    """Return the retained messages of a gateway, by their topics below `root`."""
    await client.subscribe(f"{root}/#", 1)
    found: dict[str, bytes] = {}
    end = asyncio.get_running_loop().time() + _MOST
    while asyncio.get_running_loop().time() < end:
        try:
            async with asyncio.timeout(_QUIET):
                message = await anext(aiter(client.messages))
        except TimeoutError:
            break
        if message.retain and isinstance(message.payload, bytes):
            found[str(message.topic).removeprefix(f"{root}/")] = message.payload
    return found


async def passes(client: aiomqtt.Client, topic: str) -> bool:
    """Whether the broker lets this user write and read a topic."""
    probe = secrets.token_hex(8).encode()
    await client.subscribe(topic, 1)
    await client.publish(topic, probe, 1)
    try:
        async with asyncio.timeout(3 * _QUIET):
            async for message in client.messages:
                if message.payload == probe:
                    return True
    except TimeoutError:
        pass
    return False


async def clear(client: aiomqtt.Client, root: str, topics: Iterable[str]) -> None:
    """Have the broker forget retained messages."""
    for topic in topics:
        await client.publish(f"{root}/{topic}", b"", 1, retain=True)

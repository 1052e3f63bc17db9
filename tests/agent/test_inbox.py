"""The inbox under a flood."""

import asyncio

import aiomqtt
import pytest

from gateway_agent.mqtt.inbox import MOST, MOST_BYTES, Inbox


def message(topic: str, payload: bytes) -> aiomqtt.Message:
    return aiomqtt.Message(topic, payload, 1, False, 0, None)


async def test_a_flood_of_commands_neither_grows_nor_drowns_the_policy() -> None:
    inbox = Inbox()
    for number in range(10_000):
        inbox.put_nowait(message("spin/home/command", str(number).encode()))
        inbox.put_nowait(message("spin/home/policy", str(number).encode()))
    assert inbox.qsize() == MOST + 1
    assert not inbox.full()
    assert (await inbox.get()).payload == b"9999"
    assert [(await inbox.get()).payload for _ in range(MOST)] == [str(n).encode() for n in range(MOST)]
    assert inbox.empty()


async def test_a_flood_of_large_messages_is_bounded_by_their_bytes() -> None:
    inbox = Inbox()
    for number in range(100):
        inbox.put_nowait(message("spin/home/command", bytes([number]) * (MOST_BYTES // 4)))
    assert [(await inbox.get()).payload[0] for _ in range(inbox.qsize())] == [0, 1, 2, 3]
    inbox.put_nowait(message("spin/home/command", b"room again"))
    assert (await inbox.get()).payload == b"room again"


async def test_it_is_waited_at() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(message("spin/home/info", b"x"))
    assert (await waiting).payload == b"x"
    with pytest.raises(asyncio.QueueEmpty):
        inbox.get_nowait()

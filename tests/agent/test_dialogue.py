"""What arrives from the broker, without one: floods, and what comes first."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable

import pytest

from gateway_agent.model import Mac
from gateway_agent.mqtt import dialogue
from gateway_agent.mqtt.dialogue import Dialogue
from gateway_agent.wire.commands import StartCapture, StopCapture
from gateway_agent.wire.messages import Message, reply

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


class Desk:
    """Notes in order what the dialogue has done; `work` lets a snapshot take time."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.noted = True
        self.work = asyncio.Event()
        self.work.set()
        self.dialogue = Dialogue(
            "epoch",
            say=self.say,
            greet=self.greet,
            snapshot=self.snapshot,
            receive_policy=self.policy,
            capture=self.capture,
        )

    async def say(self, messages: Iterable[Message]) -> bool:
        """Note the topics."""
        self.done += [message.topic for message in messages]
        return True

    async def greet(self) -> None:
        """Have nothing to say."""

    async def snapshot(self, device: Mac | None) -> bool:
        """Know one device."""
        await self.work.wait()
        self.done.append(f"snapshot {device}")
        return device in (None, MAC)

    async def policy(self, payload: bytes, _retained: bool) -> None:
        """Note it."""
        self.done.append(payload.decode())

    def capture(self, command: StartCapture | StopCapture) -> Message | None:
        """Note it."""
        self.done.append(f"capture {command.id}")
        return reply(command.id)

    def hear(self, topic: str, payload: object) -> None:
        """Receive a message."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.noted = self.dialogue.received(topic, data, retained=False)

    def ask(self, id_: str, device: Mac | None = MAC) -> None:
        """Receive a command."""
        self.hear("command", {"id": id_, "command": "snapshot", "device": device})

    async def until(self, entry: str) -> None:
        """Wait until it is done."""
        async with asyncio.timeout(10):
            while entry not in self.done:  # noqa: ASYNC110 (others change it)
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """Have a dialogue at work for the length of a block."""
    made = Desk()
    task = asyncio.create_task(made.dialogue.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_commands_that_ask_for_the_same_are_answered_together() -> None:
    async with desk() as made:
        for number in range(200):
            made.ask(str(number), OTHER if number == 100 else MAC)
        await made.until("reply/100")
    assert made.done == [
        f"snapshot {MAC}",
        *(f"reply/{number}" for number in range(200) if number != 100),
        f"snapshot {OTHER}",
        "reply/100",
    ]


async def test_a_flood_loses_the_newest_commands_and_no_policy(caplog: pytest.LogCaptureFixture) -> None:
    async with desk() as made:
        for number in range(3 * dialogue._MAX_COMMANDS):
            made.ask(str(number))
            assert made.noted == (number < dialogue._MAX_COMMANDS // 2)
            made.hear("command", {"id": f"bad-{number}"})
            made.hear("policy", str(number).encode())
        await made.until("reply/0")
        newest = f"reply/{dialogue._MAX_COMMANDS // 2 - 1}"
        await made.until(newest)
        assert made.done[0] == str(3 * dialogue._MAX_COMMANDS - 1)
        replies = [entry for entry in made.done if entry.startswith("reply/")]
        assert len(replies) == dialogue._MAX_COMMANDS
        made.ask("after")
        await made.until("reply/after")
    assert caplog.text.count("commands dropped") == 1
    assert caplog.text.count("command refused") == 1


async def test_a_policy_does_not_wait_for_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_SNAPSHOT_PAUSE", 60.0)
    async with desk() as made:
        made.ask("first", None)
        await made.until("reply/first")
        made.ask("second", None)
        await asyncio.sleep(0.1)  # now it rests
        made.hear("policy", b"policy")
        await made.until("policy")
        assert "reply/second" not in made.done


async def test_a_policy_that_arrives_during_a_snapshot_comes_before_the_next() -> None:
    async with desk() as made:
        made.work.clear()
        made.ask("one")
        made.ask("two", OTHER)
        await asyncio.sleep(0.05)
        made.hear("policy", b"policy")
        made.work.set()
        await made.until("reply/two")
    assert made.done == [f"snapshot {MAC}", "reply/one", "policy", f"snapshot {OTHER}", "reply/two"]


async def test_whole_snapshots_are_a_pause_apart_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_SNAPSHOT_PAUSE", 0.3)
    async with desk() as made:
        for number in range(5):
            made.ask(f"a{number}", None)
        await made.until("reply/a4")
        for number in range(5):
            made.ask(f"b{number}", None)
        await asyncio.sleep(0.1)
        assert "reply/b0" not in made.done
        await made.until("reply/b4")
    assert made.done.count("snapshot None") == 2


async def test_captures_are_begun_each_for_itself() -> None:
    async with desk() as made:
        made.ask("first")
        for id_ in ("a", "b"):
            made.hear("command", {"id": id_, "command": "capture", "device": MAC})
        made.hear("command", {"id": "c", "command": "stop_capture", "capture": "a"})
        await made.until("reply/c")
    assert made.done == [
        f"snapshot {MAC}",
        "reply/first",
        *(entry for id_ in "abc" for entry in (f"capture {id_}", f"reply/{id_}")),
    ]

"""Captures without an interface: what is delivered, in which pieces, and how each ends."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capture_lab import FakeTap, records

from gateway_agent import config
from gateway_agent.capture import recording
from gateway_agent.capture.captures import Captures
from gateway_agent.model import Mac
from gateway_agent.mqtt.broadcast import Broadcast
from gateway_agent.replay import CAPABILITIES
from gateway_agent.wire.commands import StartCapture, StopCapture
from gateway_agent.wire.messages import Message

MAC, OTHER, THIRD = (f"02:00:00:00:00:0{number}" for number in (1, 2, 3))
FRAME = bytes(range(64))


class Desk:
    """Takes messages while `connected`; begins captures with taps of its own."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.taps: dict[Mac, FakeTap] = {}
        self.connected = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.captures = Captures(self.tap, lambda mac: mac != "02:00:00:00:00:ff", self.deliver)

    def tap(self, mac: Mac, headers_only: bool) -> FakeTap:
        """Open a tap."""
        assert not headers_only
        self.taps[mac] = FakeTap()
        return self.taps[mac]

    async def deliver(self, message: Message) -> bool:
        """Take a message, unless there is no connection."""
        if not self.connected:
            return False
        self.heard.append(message)
        await self.gate.wait()
        return self.connected

    def begin(self, id_: str = "a", mac: str = MAC, **options: Any) -> Any:  # noqa: ANN401
        """Begin a capture and return the answer."""
        answer = self.captures.obey(StartCapture(id_, mac, **options))
        return None if answer is None else json.loads(answer.payload)

    def stop(self, capture: str) -> Any:  # noqa: ANN401
        """End a capture and return the answer."""
        answer = self.captures.obey(StopCapture("stop", capture))
        assert answer is not None
        assert answer.topic == "reply/stop"
        return json.loads(answer.payload)

    def chunks(self, id_: str = "a") -> list[bytes]:
        """Return the pieces of a file."""
        return [message.payload for message in self.heard if message.topic == f"capture/{id_}"]

    def reports(self, id_: str = "a") -> list[Any]:
        """Return the replies."""
        return [json.loads(message.payload) for message in self.heard if message.topic == f"reply/{id_}"]

    async def ended(self, id_: str = "a") -> Any:  # noqa: ANN401
        """Return the last reply when it is there."""
        await until(lambda: bool(self.reports(id_)) and self.reports(id_)[-1]["state"] == "ended")
        return self.reports(id_)[-1]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (others change it)
            await asyncio.sleep(0.01)


async def test_the_pieces_make_a_file() -> None:
    desk = Desk()
    began = desk.begin()
    assert began == {
        "ok": True,
        "state": "running",
        "interface": "br-lan",
        "elapsed": pytest.approx(0, abs=0.1),
        "packets": 0,
        "bytes": 0,
        "dropped_kernel": 0,
        "dropped_agent": 0,
    }
    dice = random.Random(7)
    frames = [dice.randbytes(dice.choice([60, 1514, 65_549])) for _ in range(60)]
    for start in range(0, 60, 20):
        desk.taps[MAC].feed(*frames[start : start + 20])
    await until(lambda: not desk.taps[MAC].waiting)
    assert desk.stop("a") == {"ok": True}
    last = await desk.ended()
    pieces = desk.chunks()
    assert [record.frame for record in records(b"".join(pieces))] == frames
    assert pieces[-1] == b""
    assert all(0 < len(piece) <= 128 * 1024 for piece in pieces[:-1])
    for piece in pieces[1:-1]:  # each is whole records
        assert records(pieces[0][:24] + piece)
    assert (last["packets"], last["bytes"]) == (60, len(b"".join(pieces)))
    assert (last["reason"], last["dropped_agent"]) == ("stopped", 0)
    assert desk.heard[-2:] == [Message("capture/a", b""), desk.heard[-1]]
    assert desk.taps[MAC].closed


async def test_who_looks_on_sees_packets_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_CHUNK_SECONDS", 0.1)
    desk = Desk()
    desk.begin()
    await until(lambda: len(desk.chunks()) == 1)
    assert len(desk.chunks()[0]) == 24
    desk.taps[MAC].feed(FRAME)
    await until(lambda: len(desk.chunks()) == 2)
    assert len(records(b"".join(desk.chunks()))) == 1
    await desk.captures.close()


async def test_it_ends_at_its_size_with_a_whole_record() -> None:
    desk = Desk()
    desk.begin(max_bytes=4_096)
    desk.taps[MAC].feed(*[FRAME] * 100)
    last = await desk.ended()
    assert last["reason"] == "size"
    assert last["packets"] == (4_096 - 24) // 80 == len(records(b"".join(desk.chunks())))


async def test_what_comes_after_the_end_is_not_in_the_file() -> None:
    desk = Desk()
    desk.begin()
    desk.taps[MAC].feed(FRAME)
    await until(lambda: not desk.taps[MAC].waiting)
    desk.stop("a")
    desk.taps[MAC].feed(FRAME, at=4_102_444_800.0)
    assert (await desk.ended())["packets"] == 1


async def test_a_lost_connection_ends_it_and_is_told_when_it_is_back() -> None:
    desk = Desk()
    desk.begin()
    desk.taps[MAC].feed(FRAME, FRAME)
    await until(lambda: not desk.taps[MAC].waiting)
    await until(lambda: len(desk.chunks()) == 1)
    desk.connected = False
    await until(lambda: desk.taps[MAC].closed)
    await asyncio.sleep(0.1)
    assert desk.chunks()[-1] != b""
    desk.connected = True
    await desk.captures.opened()
    last = await desk.ended()
    assert (last["reason"], last["packets"], last["bytes"], last["dropped_agent"]) == (
        "connection_lost",
        0,
        24,
        2,
    )
    assert desk.chunks()[-1] == b""


async def test_a_capture_does_not_go_on_over_a_gap() -> None:
    desk = Desk()
    desk.begin()
    await desk.captures.opened()  # a new connection, and nothing was to be said in between
    assert (await desk.ended())["reason"] == "connection_lost"


async def test_a_broker_that_is_behind_stops_the_reading_and_not_the_capture() -> None:
    desk = Desk()
    desk.begin(max_bytes=10**9)
    tap = desk.taps[MAC]
    desk.gate.clear()
    big = bytes(65_000)
    for _ in range(200):
        tap.feed(big)
    await asyncio.sleep(0.5)
    assert 150 < len(tap.blocks) < 170  # 20 pieces of two are on their way or wait
    tap.dropped = 7
    desk.gate.set()
    await until(lambda: not tap.blocks)
    desk.stop("a")
    last = await desk.ended()
    assert (last["packets"], last["dropped_kernel"], last["dropped_agent"]) == (200, 7, 0)


async def test_an_interface_that_is_gone_ends_it() -> None:
    desk = Desk()
    desk.begin()
    desk.taps[MAC].broken = True
    desk.taps[MAC].ring()
    assert (await desk.ended())["reason"] == "interface_gone"


async def test_the_agents_stop_ends_all() -> None:
    desk = Desk()
    desk.begin("a", MAC)
    desk.begin("b", OTHER)
    await desk.captures.close()
    assert [desk.reports(id_)[-1]["reason"] for id_ in "ab"] == ["agent_stopped", "agent_stopped"]


async def test_what_is_refused() -> None:
    desk = Desk()
    assert desk.stop("a") == {"ok": False, "error": "no such capture: a"}
    assert desk.begin("x", "02:00:00:00:00:ff") == {"ok": False, "error": "no such device: 02:00:00:00:00:ff"}
    assert desk.begin("a", MAC)["ok"]
    assert desk.begin("b", MAC) == {"ok": False, "error": f"already being captured: {MAC}"}
    assert desk.begin("a", MAC) is None  # the same command, delivered twice
    assert desk.begin("c", OTHER)["ok"]
    assert desk.begin("d", THIRD) == {"ok": False, "error": "2 captures are running, which is the most"}
    await desk.captures.close()
    assert desk.begin("a", MAC) is None  # also after its end
    assert desk.begin("d", THIRD)["ok"]
    await desk.captures.close()


async def test_without_a_tap_there_is_no_capture() -> None:
    desk = Desk()

    def no_tap(_mac: Mac, _headers_only: bool) -> FakeTap:
        raise OSError(12, "Cannot allocate memory")

    for captures, error in (
        (Captures(no_tap, lambda _: True, desk.deliver), "cannot capture: Cannot allocate memory"),
        (
            Captures(None, lambda _: True, desk.deliver),
            "this agent cannot capture: its source is no interface, or it has no right to (CAP_NET_RAW)",
        ),
    ):
        answer = captures.obey(StartCapture("a", MAC))
        assert answer is not None
        assert json.loads(answer.payload) == {"ok": False, "error": error}


async def test_a_replay_refuses_to_capture(tmp_path: Path) -> None:
    broadcast = Broadcast(config.parse("", tmp_path / "none.toml"))
    broadcast._replies = asyncio.Queue()
    broadcast.received(
        "command", json.dumps({"id": "a", "command": "capture", "device": MAC}).encode(), retained=False
    )
    answer = broadcast._replies.get_nowait()
    assert answer.topic == "reply/a"
    assert json.loads(answer.payload) == {
        "ok": False,
        "error": "this is a replay of a capture: there is no interface to capture from",
    }
    assert not broadcast.snapshot_wanted()
    assert "capture" not in CAPABILITIES

"""The publisher against a real broker that comes, goes, hangs and refuses."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiomqtt
import pytest
from broker_lab import Broker, Ear, free_port, needs_mosquitto

from gateway_agent import config
from gateway_agent.mqtt import connection, publisher
from gateway_agent.mqtt.publisher import Publisher
from gateway_agent.wire.messages import Message

EPOCH = "0123456789abcdef"
PATIENCE = 15


class Session:
    """Says hello, and notes what it hears."""

    def __init__(self) -> None:
        self.publisher: Publisher | None = None
        self.opened_times = 0
        self.up = asyncio.Event()
        self.heard: list[tuple[str, bytes, bool]] = []
        self.full_of: str | None = None

    async def opened(self) -> None:
        """Say hello."""
        assert self.publisher is not None
        await self.publisher.publish([Message("status", b"online", retain=True)])
        self.opened_times += 1
        self.up.set()

    def received(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Note it."""
        self.heard.append((topic, payload, retained))
        return topic != self.full_of


@contextlib.asynccontextmanager
async def publishing(settings: config.Broker) -> AsyncIterator[tuple[Publisher, Session]]:
    """Keep a connection open for the length of a block."""
    session = Session()
    made = session.publisher = Publisher(settings, "home", EPOCH, session, first_delay=0.1)
    task = asyncio.create_task(made.run())
    try:
        yield made, session
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def opened(session: Session, times: int = 1) -> None:
    async with asyncio.timeout(PATIENCE):
        while session.opened_times < times:
            session.up.clear()
            await session.up.wait()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (other threads and processes change it)
            await asyncio.sleep(0.05)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def here(broker: Broker, **keys: object) -> config.Broker:
    return config.Broker(host="127.0.0.1", port=broker.port, **keys)  # type: ignore[arg-type]


class Relay:
    """Stands between agent and broker; refuses newer protocols than `newest` (MQTT 3.1.1, 3.2.2.3)."""

    def __init__(self, broker: Broker, newest: int) -> None:
        self.port = free_port()
        self._broker = broker
        self._newest = newest
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def settings(self) -> config.Broker:
        """How to connect through it."""
        return config.Broker(host="127.0.0.1", port=self.port)

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes."""
        hello = await reader.read(4096)
        if hello[8] > self._newest:  # the protocol's level, behind its name
            writer.write(b"\x20\x02\x00\x01")
            writer.close()
            return
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self._broker.port)
        self._writers += [writer, to_broker]
        to_broker.write(hello)
        await asyncio.gather(pump(reader, to_broker), pump(from_broker, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def relaying(broker: Broker, newest: int = 5) -> AsyncIterator[Relay]:
    """Have a relay for the length of a block."""
    relay = Relay(broker, newest)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", relay.port)
    try:
        yield relay
    finally:
        server.close()
        relay.cut()


pytestmark = needs_mosquitto


async def test_what_is_said_arrives_as_it_is(broker: Broker) -> None:
    broker.start()
    async with publishing(here(broker)) as (said, session):
        await opened(session)
        with Ear(broker.port) as ear:
            assert await said.publish(
                [Message("reply/1", b'{"ok":true}'), Message("info", b"{}", retain=True)]
            )
            assert (await asyncio.to_thread(ear.wait, "reply/1")).payload == b'{"ok":true}'
            assert not (await asyncio.to_thread(ear.wait, "info")).retained
        with Ear(broker.port) as late:
            assert (await asyncio.to_thread(late.wait, "info")).retained


async def test_a_broker_that_is_down_at_start_is_waited_for(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with publishing(here(broker)) as (said, session):
        await asyncio.sleep(1)
        assert not said.connected
        assert not await said.publish([Message("info", b"lost")])
        complaints = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(complaints) == 1, "one line per cause, however often it was tried"
        assert "nobody listens there: start the broker" in complaints[0]
        broker.start()
        await opened(session)
        assert f"mqtt connected broker=127.0.0.1:{broker.port}" in caplog.text


async def test_nothing_is_queued_while_the_broker_is_away(broker: Broker) -> None:
    broker.start()
    async with publishing(here(broker)) as (said, session):
        await opened(session)
        broker.stop()
        await until(lambda: not said.connected)
        assert not await said.publish([Message("info", b"while away", retain=True)])
        broker.start()
        await opened(session, 2)
        with Ear(broker.port) as ear:
            await asyncio.to_thread(ear.wait, "status")
            assert ear.last("info") is None


async def test_a_cut_leaves_the_last_will_until_the_agent_is_back(broker: Broker) -> None:
    broker.start()
    with Ear(broker.port) as ear:
        async with relaying(broker) as relay, publishing(relay.settings) as (_, session):
            await opened(session)
            relay.cut()
            await asyncio.to_thread(ear.wait, "status", lambda heard: heard.payload == b"offline")
            so_far = len(ear.heard)
            await opened(session, 2)
            await asyncio.to_thread(ear.wait, "status", after=so_far)
        said = [heard.payload for heard in ear.heard if heard.topic == "status"]
        assert said == [b"online", b"offline", b"online"]


async def test_an_orderly_end_is_no_last_will(broker: Broker) -> None:
    broker.start()
    with Ear(broker.port) as ear:
        async with publishing(here(broker)) as (_, session):
            await opened(session)
        await asyncio.sleep(0.5)
        assert [heard.payload for heard in ear.heard] == [b"online"]


async def test_a_broker_that_hangs_is_left(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(
        publisher,
        "new_client",
        lambda *arguments, **keys: connection.new_client(*arguments, **keys, patience=1.0),
    )
    broker.start()
    async with publishing(here(broker)) as (said, session):
        await opened(session)
        broker.freeze()
        try:
            assert not await said.publish([Message("info", b"{}")])
            await until(lambda: not said.connected)
        finally:
            broker.thaw()
        await opened(session, 2)
    (complaint,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "the connection was lost: the broker no longer answers" in complaint
    assert "V311" not in caplog.text, "it knew the newer protocol"


async def test_requests_come_with_their_retain_flag(broker: Broker) -> None:
    broker.start()
    with Ear(broker.port) as ear:
        ear.publish("policy", b"kept", retain=True)
        async with publishing(here(broker)) as (_, session):
            await opened(session)
            ear.publish("command", b"now")
            await until(lambda: ("command", b"now", False) in session.heard)
            assert ("policy", b"kept", True) in session.heard


async def test_a_unix_socket_and_another_prefix(broker: Broker) -> None:
    broker.start()
    with Ear(broker.port, root="house/spin/home") as ear:
        settings = config.Broker(socket=broker.socket, prefix="house/spin")
        async with publishing(settings) as (_, session):
            await opened(session)
            await asyncio.to_thread(ear.wait, "status")


async def test_a_broker_that_knows_only_the_older_protocol(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker.start()
    async with relaying(broker, newest=4) as relay, publishing(relay.settings) as (_, session):
        await opened(session)
    assert "version=V311" in caplog.text


async def test_a_wrong_password_is_said_but_never_shown(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "passwords").write_text("")
    broker.configuration = (
        f"listener {broker.port} 127.0.0.1\nallow_anonymous false\npassword_file {tmp_path}/passwords\n"
    )
    broker.start()
    settings = here(broker, username="spin", password="do not show")  # noqa: S106
    async with publishing(settings) as (said, _):
        await asyncio.sleep(1)
        assert not said.connected
    assert caplog.text.count("the broker refuses the user: check mqtt.username and mqtt.password") == 1
    assert "do not show" not in caplog.text
    assert "do not show" not in repr(settings)


async def test_after_a_flood_the_policy_is_asked_for_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker drops what a reader does not take in time: a policy among it would be lost."""
    monkeypatch.setattr(publisher, "_FLOOD_PAUSE", 0.1)
    broker.start()
    with Ear(broker.port) as ear:
        ear.publish("policy", b"kept", retain=True)
        async with publishing(here(broker)) as (_, session):
            await opened(session)
            await until(lambda: ("policy", b"kept", True) in session.heard)
            ear.publish("command", b"taken")
            await until(lambda: ("command", b"taken", False) in session.heard)
            await asyncio.sleep(0.3)
            assert session.heard.count(("policy", b"kept", True)) == 1
            session.full_of = "command"
            ear.publish("command", b"dropped")
            await until(lambda: session.heard.count(("policy", b"kept", True)) == 2)


class Hanging:
    """A client of a connection that is gone: what is published comes to nothing, later."""

    def __init__(self) -> None:
        self.fails = asyncio.Event()

    async def publish(self, *_: object) -> None:
        """Wait, then fail."""
        await self.fails.wait()
        raise aiomqtt.MqttError("Operation timed out")


async def test_what_fails_late_does_not_end_the_next_connection() -> None:
    said = Publisher(config.Broker(), "home", EPOCH, Session())
    old = Hanging()
    said._client = old  # type: ignore[assignment]
    late = asyncio.create_task(said.publish([Message("info", b"{}")]))
    await asyncio.sleep(0)
    said._failure.cancel()
    said._client, said._failure = Hanging(), asyncio.Future()  # type: ignore[assignment]
    old.fails.set()
    assert not await late
    assert not said._failure.done()


async def test_nothing_is_begun_on_a_connection_that_has_failed() -> None:
    said = Publisher(config.Broker(), "home", EPOCH, Session())
    hanging = Hanging()
    said._client = hanging  # type: ignore[assignment]
    said._failure.set_exception(aiomqtt.MqttError("gone"))
    async with asyncio.timeout(1):
        assert not await said.publish([Message("info", b"{}")])
    assert said._failure.exception()


class Refusing:
    """A client whose broker grants the first subscription only."""

    async def subscribe(self, topics: list[tuple[str, int]]) -> list[int]:
        """Answer as in a SUBACK."""
        return [1, *[0x87] * (len(topics) - 1)]


async def test_a_subscription_that_is_refused_is_named(caplog: pytest.LogCaptureFixture) -> None:
    made = Publisher(config.Broker(), "home", EPOCH, Session())
    await made._subscribe(Refusing(), publisher.TOPICS)  # type: ignore[arg-type]
    refused = [record.getMessage() for record in caplog.records]
    assert [line.split()[2] for line in refused] == [
        f"subscription=spin/home/{topic}" for topic in publisher.TOPICS[1:]
    ]
    assert all("allow the agent's user to read spin/home/#" in line for line in refused)


def test_pauses_grow_to_a_minute() -> None:
    delays = publisher._delays(1.0)
    pauses = [next(delays) for _ in range(12)]
    assert all(0.8 * 2**n <= pause <= 1.2 * 2**n for n, pause in enumerate(pauses[:6]))
    assert all(48 <= pause <= 72 for pause in pauses[6:])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (config.Broker(host="broker.invalid"), "the name broker.invalid is unknown: check mqtt.host"),
        (config.Broker(socket=Path("/nonexistent/mqtt.sock")), "No such file"),
        (config.Broker(tls=config.Tls(ca=Path("/nonexistent/ca.crt"))), "/nonexistent/ca.crt: No such file"),
    ],
)
async def test_causes_are_told_with_their_remedy(
    settings: config.Broker, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with publishing(settings) as (said, _):
        await until(lambda: text in caplog.text)
        assert not said.connected

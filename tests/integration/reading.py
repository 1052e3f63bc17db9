"""A browser that reads the picture, for tests of the websocket commands."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket, WebSocketGenerator

from custom_components.spin.const import DOMAIN
from custom_components.spin.websocket.pictures import DATA_BOARDS

NEW, BLOCKED, FAILED, LEARNING, AUTOMATIC, TIMED, ALLOWED, QUIET, ATTENTION, PARTLY = (
    1 << bit for bit in range(10)
)
NTP: dict[str, Any] = {"protocol": "udp", "port": 123, "sent_bytes": 48}
LISTS = ("devices", "groups", "links", "hosts")


def device_id(hass: HomeAssistant, mac: str, gateway: str = "home") -> str:
    """Return the id of a device in the registry."""
    devices = dr.async_get(hass).async_get_devices(identifiers={(DOMAIN, f"{gateway}_{mac}")})
    return next(iter(devices)).id


def open_boards(hass: HomeAssistant) -> int:
    """Return how many boards somebody looks at."""
    return len(hass.data[DATA_BOARDS]._boards)


class Client:
    """A browser's connection."""

    def __init__(self, ws: MockHAClientWebSocket) -> None:
        self.ws = ws
        self._events: dict[int, list[dict[str, Any]]] = {}

    async def ask(self, kind: str, **request: Any) -> Any:
        """Return the answer to a command."""
        answer = await self._answer(await self.send(kind, **request))
        assert answer["success"], answer
        return answer["result"]

    async def error(self, kind: str, **request: Any) -> str:
        """Return the code of the error that a command is answered with."""
        answer = await self._answer(await self.send(kind, **request))
        assert not answer["success"], answer
        code: str = answer["error"]["code"]
        return code

    async def send(self, kind: str, **request: Any) -> int:
        """Send a command of SPIN; return its number."""
        message: dict[str, Any] = {"type": kind if "/" in kind else f"spin/{kind}", **request}
        await self.ws.send_json_auto_id(message)
        return int(message["id"])

    async def _answer(self, number: int) -> dict[str, Any]:
        while True:
            message = await self._receive()
            if message["type"] == "result" and message["id"] == number:
                return message

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = await self.ws.receive_json()
        if message["type"] == "event":
            self._events.setdefault(message["id"], []).append(message["event"])
        return message

    async def event(self, number: int) -> dict[str, Any]:
        """Return the next event of a subscription."""
        while not self._events.get(number):
            await self._receive()
        return self._events[number].pop(0)

    async def silence(self, number: int, seconds: float = 0.2) -> None:
        """Make sure that no event comes."""
        assert not self._events.get(number)
        message = None
        try:
            async with asyncio.timeout(seconds):
                message = await self.ws.receive_json()
        except TimeoutError:
            pass
        assert message is None

    async def look(self, **request: Any) -> Reader:
        """Open a picture; return it with its snapshot."""
        number = await self.send("subscribe", **{"window": "1h", **request})
        answer = await self._answer(number)
        assert answer["success"], answer
        reader = Reader(self, number)
        await reader.snapshot()
        return reader


class Reader:
    """A picture as the browser has it, kept current by deltas as docs/websocket.md says."""

    def __init__(self, client: Client, number: int) -> None:
        self.client = client
        self.number = number
        self.has: dict[str, Any] = {}

    async def event(self) -> dict[str, Any]:
        """Return the next event."""
        return await self.client.event(self.number)

    async def snapshot(self) -> dict[str, Any]:
        """Take the next event that is a snapshot."""
        while (event := await self.event())["type"] != "snapshot":
            pass
        self.has = event
        return event

    async def acknowledge(self) -> None:
        """Say that what came last is drawn."""
        assert await self.client.ask("ack", subscription=self.number, seq=self.has["seq"]) is None

    async def delta(self) -> dict[str, Any]:
        """Acknowledge, and take the next delta."""
        await self.acknowledge()
        while (event := await self.event())["type"] == "status":
            pass
        self.apply(event)
        return event

    def apply(self, delta: dict[str, Any]) -> None:
        """Apply a delta."""
        assert delta["type"] == "delta"
        assert delta["seq"] == self.has["seq"] + 1
        for name in LISTS:
            for index, *fields in delta.get(name, []):
                assert index <= len(self.has[name])
                self.has[name][index : index + 1] = [fields]
        self.has |= {key: delta[key] for key in ("seq", "at", "summary", "more") if key in delta}
        if "focus" in delta:
            self.has["focus"] |= delta["focus"]

    def devices(self) -> dict[str, list[Any]]:
        """Return the rows of devices by name."""
        return {each[1]: each for each in self.has["devices"]}

    def groups(self) -> dict[str, list[Any]]:
        """Return the rows of groups by name."""
        return {each[0]: each for each in self.has["groups"]}

    def links(self) -> dict[tuple[str, str], list[Any]]:
        """Return the rows of links by the names of device and group."""
        return {
            (self.has["devices"][device][1], self.has["groups"][group][0]): rest
            for device, group, *rest in self.has["links"]
        }

    def hosts(self) -> dict[str, list[Any]]:
        """Return the rows of hosts by name."""
        return {each[1]: each for each in self.has["hosts"]}


@pytest.fixture
def fast() -> Generator[None]:
    """Have rounds follow each other fast."""
    with (
        patch("custom_components.spin.websocket.board.PACE", 0.02),
        patch("custom_components.spin.websocket.board.SOON", 0.0),
        patch("custom_components.spin.websocket.subscription.PACE", 0.02),
    ):
        yield


@pytest.fixture
async def client(
    hass: HomeAssistant, fast: None, spin: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> AsyncGenerator[Client]:
    """Return a browser of an administrator."""
    client = Client(await hass_ws_client(hass))
    yield client
    await client.ws.close()
    async with asyncio.timeout(5):
        while open_boards(hass):
            await asyncio.sleep(0.01)


type Act = Callable[..., Awaitable[None]]


@pytest.fixture
def act(hass: HomeAssistant) -> Act:
    """Return how to call an action of SPIN."""

    async def call(action: str, mac: str = HUE, **data: Any) -> None:
        await hass.services.async_call(
            "spin", action, {"device_id": device_id(hass, mac), **data}, blocking=True
        )

    return call


async def two_devices(hass: HomeAssistant, gateway: Gateway) -> None:
    """Have a bridge and a camera talk."""
    gateway.device()
    gateway.flows(
        row(),
        row("diagnostics.meethue.com", address="198.51.100.8", sent_bytes=100, received_bytes=50),
        row("pool.ntp.org", **NTP, address="198.51.100.9", received_bytes=48),
    )
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(
        row("eu.camera.example", address="203.0.113.5", sent_bytes=1_000_000),
        row("ntp.meethue.com", **NTP, address="198.51.100.10", received_bytes=0),
        mac=CAMERA,
    )
    await hass.async_block_till_done()


async def end_learning(hass: HomeAssistant, mac: str = HUE) -> None:
    await hass.services.async_call(
        "spin", "skip_learning", {"device_id": device_id(hass, mac)}, blocking=True
    )

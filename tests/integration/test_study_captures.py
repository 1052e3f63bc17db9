"""Captures: from the command to the file, and all that can go wrong in between."""

import asyncio
import errno
import json
import random
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway, example, wire_messages
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.spin.const import DOMAIN
from custom_components.spin.study import capture_files, capture_run
from custom_components.spin.study.capture_files import Capture, CaptureFile
from custom_components.spin.study.capture_wire import FILE_HEADER, check_chunk, parse_reply
from custom_components.spin.wire import WireError

HEADER = FILE_HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def record(size: int = 60) -> bytes:
    return struct.pack("<IIII", 1577880000, 5, size, size) + bytes(size)


@pytest.fixture(autouse=True)
def folder(hass: HomeAssistant, tmp_path: Path) -> Iterator[Path]:
    """Have captures written to a folder of the test's own."""
    hass.config.config_dir = str(tmp_path)
    with patch.object(capture_run, "REPLY_TIMEOUT", 0.2):
        yield tmp_path / "spin" / "captures"


class Capturing:
    """A gateway that captures; `say` and `chunk` are what it sends of the capture that was asked for last."""

    def __init__(self, hass: HomeAssistant, broker: Broker, gateway: Gateway) -> None:
        self.hass, self.broker, self.gateway = hass, broker, gateway
        self.first: dict[str, Any] = {"ok": True, "state": "running"}
        self.refuses: str | None = None
        self._receive = broker.client.publish.side_effect
        broker.client.publish.side_effect = self._received

    def _received(self, topic: str, payload: Any, *args: Any, **kwargs: Any) -> Any:
        answer = self._receive(topic, payload, *args, **kwargs)
        command = json.loads(payload) if topic.endswith("/command") else {"command": None}
        if command["command"] == "capture" and self.first:
            refusal = {"ok": False, "error": "too many"} if command["device"] == self.refuses else {}
            self.hass.loop.call_soon(lambda: self.say(**self.first | refusal))
        return answer

    @property
    def commands(self) -> list[dict[str, Any]]:
        """What was asked of it, snapshots apart."""
        return [c for c in self.broker.sent("spin/home/command") if c["command"] != "snapshot"]

    @property
    def id(self) -> str:
        """The capture asked for last."""
        return [c for c in self.commands if c["command"] == "capture"][-1]["id"]

    def say(self, **fields: Any) -> None:
        """Reply to the command."""
        reply = {"ok": True, "state": "running", "interface": "br-lan", "elapsed": 1.0, "packets": 0,
                 "bytes": 0, "dropped_kernel": 0, "dropped_agent": 0, **fields}  # fmt: skip
        self.gateway.say(f"reply/{self.id}", reply, retain=False)

    def chunk(self, payload: bytes) -> None:
        """Stream a part of the file."""
        self.gateway.say(f"capture/{self.id}", payload, retain=False)

    def end(self, size: int, **fields: Any) -> None:
        """End the stream, and say so."""
        self.chunk(b"")
        self.say(**{"state": "ended", "reason": "duration", "bytes": size, "packets": 1, **fields})


@pytest.fixture
async def capturing(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> Capturing:
    """Return a gateway that can capture, with a device."""
    gateway.info(capabilities=[*example("info")["capabilities"], "capture"])
    gateway.device()
    await hass.async_block_till_done()
    return Capturing(hass, broker, gateway)


@pytest.fixture
def hue(hass: HomeAssistant, capturing: Capturing, spin: MockConfigEntry) -> str:
    """Return the device's id."""
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).id


async def start(hass: HomeAssistant, hue: str, **data: Any) -> str:
    answer = await hass.services.async_call(
        DOMAIN, "start_capture", {"device_id": hue, **data}, blocking=True, return_response=True
    )
    return answer["devices"][hue]["file"]


async def stop(hass: HomeAssistant, hue: str) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, "stop_capture", {"device_id": hue}, blocking=True, return_response=True
    )
    found = answer["devices"][hue]
    return {key: found[key] for key in ("changed", "file")}


async def settle(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    async with asyncio.timeout(5):
        while spin.runtime_data.study.captures.running:
            await asyncio.sleep(0.01)
    await hass.async_block_till_done()


async def test_capture(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry, folder: Path
) -> None:
    capturing.first = {}
    began = hass.async_create_task(start(hass, hue, duration="00:01:00", max_size=1, headers_only=True))
    await asyncio.sleep(0.02)
    capturing.gateway.device(sent_packets=9)  # what else happens meanwhile does not matter
    capturing.say()
    file = await began
    (command,) = capturing.commands
    assert {key: command[key] for key in command if key != "id"} == {
        "command": "capture", "device": HUE, "duration": 60, "max_bytes": 1_000_000, "headers_only": True,
    }  # fmt: skip
    assert not (folder / file).exists()
    capturing.chunk(HEADER + record())
    capturing.say(bytes=500_000, packets=1)
    await hass.async_block_till_done()
    assert hass.states.get("sensor.home_gateway_capture").state == "50"
    capturing.chunk(record(100) + record())
    size = len(HEADER) + 220 + 3 * 16
    capturing.end(size)
    await settle(hass, spin)
    assert (folder / file).read_bytes() == HEADER + record() + record(100) + record()
    assert (folder / file).stat().st_mode & 0o777 == 0o600
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.mac, listed.packets, listed.bytes, listed.complete) == (HUE, 3, size, True)
    assert listed.reason == "duration"
    assert hass.states.get("sensor.home_gateway_capture").state == "unknown"
    assert spin.runtime_data.study.captures.last == (listed, "duration")


async def test_stop(hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry) -> None:
    file = await start(hass, hue)
    with pytest.raises(ServiceValidationError) as caught:
        await start(hass, hue)
    assert caught.value.translation_key == "capture_runs"
    assert await stop(hass, hue) == {"changed": True, "file": file}
    assert capturing.commands[-1]["capture"] == capturing.id
    capturing.chunk(HEADER)
    capturing.end(24, reason="stopped")
    await settle(hass, spin)
    commands = len(capturing.commands)
    assert await stop(hass, hue) == {"changed": False, "file": None}
    assert len(capturing.commands) == commands


@pytest.fixture
async def both(hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry) -> dict[str, str]:
    """Have another device; return the MAC addresses of both by id, in the order in which they are taken."""
    capturing.gateway.device(CAMERA, hostname="camera")
    await hass.async_block_till_done()
    registry = dr.async_get(hass)
    camera = registry.async_get_device_by_identifier((DOMAIN, f"home_{CAMERA}"), spin.entry_id).id
    return dict(sorted([(hue, HUE), (camera, CAMERA)]))


async def start_both(hass: HomeAssistant, both: dict[str, str]) -> None:
    await hass.services.async_call(DOMAIN, "start_capture", {"device_id": list(both)}, blocking=True)


async def test_none_begins_when_one_of_two_is_refused(
    hass: HomeAssistant, capturing: Capturing, both: dict[str, str], spin: MockConfigEntry
) -> None:
    _, last = both
    await start(hass, last)
    commands = capturing.commands
    with pytest.raises(ServiceValidationError) as caught:
        await start_both(hass, both)
    assert caught.value.translation_key == "capture_runs"
    assert capturing.commands == commands
    assert list(spin.runtime_data.study.captures.running) == [both[last]]


async def test_nothing_is_kept_of_the_first_when_the_other_is_refused(
    hass: HomeAssistant, capturing: Capturing, both: dict[str, str], spin: MockConfigEntry, folder: Path
) -> None:
    _, capturing.refuses = both.values()
    begun = hass.async_create_task(start_both(hass, both))
    async with asyncio.timeout(5):
        while not (spin.runtime_data.study.captures.running and capturing.commands):
            await asyncio.sleep(0)
    capturing.chunk(HEADER + record())
    with pytest.raises(HomeAssistantError) as caught:
        await begun
    assert caught.value.translation_key == "capture_refused"
    await settle(hass, spin)
    assert [command["command"] for command in capturing.commands] == ["capture", "capture", "stop_capture"]
    assert files(folder) == []
    assert spin.runtime_data.study.captures.last == (None, "stopped")


async def test_both_are_stopped_though_one_does_not_run(
    hass: HomeAssistant, capturing: Capturing, both: dict[str, str], spin: MockConfigEntry
) -> None:
    _, last = both
    await start(hass, last)
    await hass.services.async_call(DOMAIN, "stop_capture", {"device_id": list(both)}, blocking=True)
    assert [command["command"] for command in capturing.commands] == ["capture", "stop_capture"]
    capturing.end(0)
    await settle(hass, spin)


@pytest.mark.parametrize(
    ("first", "key"),
    [({"ok": False, "error": "no such device: x"}, "capture_refused"), ({}, "capture_unanswered")],
)
async def test_refused_or_not_answered(
    hass: HomeAssistant, capturing: Capturing, hue: str, folder: Path, first: dict[str, Any], key: str
) -> None:
    capturing.first = first
    with pytest.raises(HomeAssistantError) as caught:
        await start(hass, hue)
    assert caught.value.translation_key == key
    assert files(folder) == []


async def test_a_gateway_that_cannot(
    hass: HomeAssistant, capturing: Capturing, hue: str, gateway: Gateway
) -> None:
    gateway.info()
    with pytest.raises(HomeAssistantError) as caught:
        await start(hass, hue)
    assert caught.value.translation_key == "cannot_capture"
    assert caught.value.translation_placeholders == {"gateway": example("info")["name"]}
    gateway.status("offline")
    with pytest.raises(HomeAssistantError) as caught:
        await start(hass, hue)
    assert caught.value.translation_key == "gateway_unavailable"


async def test_no_folder(hass: HomeAssistant, hue: str, folder: Path) -> None:
    folder.parent.write_text("in the way")
    with pytest.raises(HomeAssistantError) as caught:
        await start(hass, hue)
    assert caught.value.translation_key == "capture_disk"


@pytest.mark.parametrize(("code", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "cannot_write")])
async def test_disk_full(
    hass: HomeAssistant,
    capturing: Capturing,
    hue: str,
    spin: MockConfigEntry,
    folder: Path,
    code: int,
    reason: str,
) -> None:
    await start(hass, hue)
    with patch.object(CaptureFile, "write", side_effect=OSError(code, "no")):
        capturing.chunk(HEADER + record())
        await settle(hass, spin)
    assert spin.runtime_data.study.captures.last == (None, reason)
    assert capturing.commands[-1]["command"] == "stop_capture"
    assert files(folder) == []


@pytest.mark.parametrize("chunk", [b"\n\r\r\n", b"x" * 200, HEADER + record()[:-1], HEADER + b"short"])
async def test_what_is_no_pcap_is_given_up(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry, folder: Path, chunk: bytes
) -> None:
    await start(hass, hue)
    capturing.chunk(chunk)
    await settle(hass, spin)
    assert spin.runtime_data.study.captures.last == (None, "malformed")
    assert files(folder) == []


async def test_lost_chunks_are_said(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    await start(hass, hue)
    capturing.chunk(HEADER + record())
    capturing.end(5000, dropped_kernel=3, dropped_agent=4)
    await settle(hass, spin)
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.complete, listed.dropped, listed.missing) == (False, 7, 5000 - len(HEADER + record()))


async def test_a_disk_that_is_slower_than_the_network(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    await start(hass, hue)
    with patch.object(capture_run, "MAX_UNWRITTEN", 50):
        for chunk in (HEADER + record(), record(), record()):
            capturing.chunk(chunk)
        capturing.end(len(HEADER) + 3 * len(record()))
        await settle(hass, spin)
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.packets, listed.missing, listed.complete) == (1, 2 * len(record()), False)


async def test_the_end_of_the_stream_gets_lost(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    await start(hass, hue)
    capturing.chunk(HEADER + record())
    with patch.object(capture_run, "LAST_CHUNKS", 0.05):
        capturing.say(state="ended", reason="size", bytes=len(HEADER + record()))
        await settle(hass, spin)
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.complete, listed.reason) == (True, "silence")


async def test_nothing_is_heard_any_more(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    with patch.object(capture_run, "SILENCE", -0.9):
        await start(hass, hue, duration=1)
        capturing.chunk(HEADER + record())
        await settle(hass, spin)
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.complete, listed.reason) == (False, "silence")


@pytest.mark.parametrize("header", [b"", HEADER])
async def test_nothing_was_captured(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry, folder: Path, header: bytes
) -> None:
    await start(hass, hue)
    if header:
        capturing.chunk(header)
    capturing.end(len(header))
    await settle(hass, spin)
    assert spin.runtime_data.study.captures.last == (None, "nothing")
    assert files(folder) == []


async def test_more_than_was_asked_for(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    await start(hass, hue, max_size=0.01)
    chunk = record(100_000)
    capturing.chunk(HEADER + chunk)
    capturing.chunk(chunk)
    capturing.chunk(chunk)
    await settle(hass, spin)
    (listed,) = await spin.runtime_data.study.captures.listed()
    assert (listed.reason, listed.packets) == ("too_much", 2)


@pytest.mark.parametrize("how", ["offline", "epoch", "unload", "stop"])
async def test_the_gateway_is_lost(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry, how: str
) -> None:
    await start(hass, hue)
    captures = spin.runtime_data.study.captures
    capturing.chunk(HEADER + record())
    await hass.async_block_till_done()
    if how == "offline":
        capturing.gateway.status("offline")
    elif how == "epoch":
        capturing.gateway.info(epoch="another")
    elif how == "stop":
        hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    else:
        await hass.config_entries.async_unload(spin.entry_id)
    await asyncio.sleep(0.05)
    (listed,) = await captures.listed()
    reasons = {"stop": "home_assistant_stopped", "unload": "spin_stopped"}
    assert listed.reason == reasons.get(how, "gateway_lost")
    assert listed.complete is False


@pytest.mark.parametrize(
    "payload",
    [payload for name, _, payload in wire_messages("hostile") if name.startswith("reply-capture")],
)
async def test_hostile_replies_change_nothing(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry, payload: bytes
) -> None:
    await start(hass, hue)
    capturing.gateway.say(f"reply/{capturing.id}", payload, retain=False)
    capturing.gateway.say(f"reply/{capturing.id}", b"x" * 5000, retain=False)
    await hass.async_block_till_done()
    (run,) = spin.runtime_data.study.captures.running.values()
    assert run.reply.packets == 0
    capturing.chunk(HEADER)
    capturing.end(24)
    await settle(hass, spin)


async def test_only_administrators(
    hass: HomeAssistant, hue: str, hass_read_only_user: MockUser, capturing: Capturing
) -> None:
    for action in ("start_capture", "stop_capture"):
        with pytest.raises(Unauthorized):
            await hass.services.async_call(
                DOMAIN, action, {"device_id": hue}, blocking=True,
                context=Context(user_id=hass_read_only_user.id),
            )  # fmt: skip


def kept(folder: Path, name: str, began: float = 1.0, size: int = 24) -> None:
    file = CaptureFile(folder, name)
    file.write([HEADER])
    file.finish(Capture(name, HUE, "Hue <b>", began, 1.0, 0, size, 0, 0, False, True, "duration"))


async def test_download_and_list(
    hass: HomeAssistant,
    spin: MockConfigEntry,
    capturing: Capturing,
    hue: str,
    folder: Path,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
    hass_read_only_access_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    kept(folder, "one.pcap")
    url = "/api/spin/captures/one.pcap"
    client = await hass_client()
    answer = await client.get(url)
    assert answer.status == 200
    assert await answer.read() == HEADER
    assert answer.headers["Content-Disposition"] == 'attachment; filename="one.pcap"'
    for wrong in ("two.pcap", "..%2f..%2fsecrets.yaml", "one.json"):
        assert (await client.get(f"/api/spin/captures/{wrong}")).status in (400, 404)
    assert (await (await hass_client_no_auth()).get(url)).status == 401
    reader = await hass_client(hass_read_only_access_token)
    assert (await reader.get(url)).status == 403

    await start(hass, hue)
    socket = await hass_ws_client()
    await socket.send_json_auto_id({"type": "spin/captures"})
    result = (await socket.receive_json())["result"]
    assert [each["file"] for each in result["captures"]] == ["one.pcap"]
    assert [each["device_id"] for each in result["running"]] == [hue]
    capturing.chunk(HEADER)
    capturing.end(24)
    await settle(hass, spin)
    await socket.send_json_auto_id({"type": "spin/captures/delete", "file": "one.pcap"})
    assert (await socket.receive_json())["success"]
    await socket.send_json_auto_id({"type": "spin/captures/delete", "file": "one.pcap"})
    assert not (await socket.receive_json())["success"]


async def test_media_browser(
    hass: HomeAssistant,
    spin: MockConfigEntry,
    folder: Path,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
) -> None:
    assert await async_setup_component(hass, "media_source", {})
    await hass.async_block_till_done()
    kept(folder, "one.pcap")
    admin, reader = await hass_ws_client(), await hass_ws_client(hass, hass_read_only_access_token)

    async def ask(socket: Any, kind: str, item: str) -> dict[str, Any]:
        await socket.send_json_auto_id(
            {"type": f"media_source/{kind}_media", "media_content_id": f"media-source://spin{item}"}
        )
        answer: dict[str, Any] = await socket.receive_json()
        return answer

    (shown,) = (await ask(admin, "browse", ""))["result"]["children"]
    assert shown["title"].startswith("Hue <b>, 1969-12-31") or shown["title"].startswith("Hue <b>, 1970")
    assert (await ask(reader, "browse", ""))["result"]["children"] == []
    assert not (await ask(admin, "browse", "/one.pcap"))["success"]
    resolved = (await ask(admin, "resolve", "/one.pcap"))["result"]
    assert resolved["url"].startswith("/api/spin/captures/one.pcap")
    assert not (await ask(reader, "resolve", "/one.pcap"))["success"]
    assert not (await ask(admin, "resolve", "/two.pcap"))["success"]


def test_retention(folder: Path) -> None:
    for number in range(5):
        kept(folder, f"{number}.pcap", began=number, size=100)
    (folder / "broken.pcap").write_bytes(b"")
    with patch.object(capture_files, "MAX_FILES", 3):
        capture_files.retain(folder)
    assert [capture.file for capture in capture_files.listed(folder)] == ["4.pcap", "3.pcap", "2.pcap"]
    with patch.object(capture_files, "MAX_BYTES_IN_ALL", 250):
        capture_files.retain(folder)
    assert [capture.file for capture in capture_files.listed(folder)] == ["4.pcap", "3.pcap"]


def test_names_of_files_are_checked(folder: Path) -> None:
    with pytest.raises(ValueError, match="file name"):
        CaptureFile(folder, "../x.pcap")


def test_chunks() -> None:
    assert check_chunk(HEADER + record() + record(0), first=True) == 2
    assert check_chunk(record(), first=False) == 1
    for wrong in (
        HEADER,  # repeated
        struct.pack("<IIII", 0, 0, 300_000, 300_000),
        struct.pack("<IIII", 0, 0, 60, 20) + bytes(60),
        struct.pack("<IIII", 0, 10**9, 0, 0),
        bytes(131_073),
    ):
        with pytest.raises(WireError):
            check_chunk(wrong, first=False)


async def test_a_broker_that_does_not_confirm(
    hass: HomeAssistant, capturing: Capturing, hue: str, spin: MockConfigEntry
) -> None:
    with (
        patch("custom_components.spin.coordinator.SUBSCRIBE_TIMEOUT", 0.01),
        patch("homeassistant.components.mqtt.async_on_subscribe_done", return_value=lambda: None),
    ):
        await start(hass, hue)
    capturing.chunk(HEADER + record())
    capturing.end(len(HEADER + record()))
    await settle(hass, spin)
    assert len(await spin.runtime_data.study.captures.listed()) == 1


def test_no_chunk_does_more_than_be_refused() -> None:
    dice = random.Random(6)
    whole = HEADER + record() + record(200) + record(0)
    for _ in range(3000):
        chunk = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            if chunk:
                chunk[dice.randrange(len(chunk))] = dice.randrange(256)
        with suppress(WireError):
            assert 0 <= check_chunk(bytes(chunk), first=dice.random() < 0.8) <= 3
        with suppress(WireError):
            parse_reply(bytes(chunk))

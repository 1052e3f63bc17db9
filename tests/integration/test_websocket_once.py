"""The websocket commands that are answered once: gateways, table, timeline, details."""

import asyncio
import time
from typing import Any

import pytest
from gateway_double import CAMERA, HUE, START, Gateway, row
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from reading import (
    ALLOWED,
    BLOCKED,
    FAILED,
    LEARNING,
    NEW,
    PARTLY,
    QUIET,
    Act,
    Client,
    device_id,
    end_learning,
    two_devices,
)

from custom_components.spin.judgement.judged import Firmware
from custom_components.spin.rulings import Ruling


@pytest.fixture
async def home(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    """Have two devices talk."""
    await two_devices(hass, gateway)


def hosts(answer: dict[str, Any]) -> list[str]:
    return [each[2] for each in answer["rows"]]


async def test_gateways(hass: HomeAssistant, home: None, client: Client, gateway: Gateway) -> None:
    problem = {"code": "accounting_off", "text": f"nf_conntrack_acct is off\x1b[31m{'x' * 300}"}
    gateway.info(name="Home <i>gateway</i>", problems=[problem])
    await hass.async_block_till_done()
    answer = await client.ask("gateways")
    assert answer["version"] == "0.1.0"
    [one] = answer["gateways"]
    assert (one["id"], one["name"], one["state"]) == ("home", "Home <i>gateway</i>", "online")
    assert (one["source"], one["topic"]) == ("nftables", "spin/home")
    assert "block" in one["capabilities"]
    [shown] = one["problems"]
    assert shown["code"] == "accounting_off"
    assert shown["text"].isprintable()
    assert len(shown["text"]) <= 253


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ConfigEntryState.SETUP_RETRY, "loading"),
        (ConfigEntryState.SETUP_IN_PROGRESS, "loading"),
        (ConfigEntryState.SETUP_ERROR, "offline"),
    ],
)
async def test_gateways_that_are_not_loaded(
    hass: HomeAssistant, client: Client, spin: MockConfigEntry, state: ConfigEntryState, shown: str
) -> None:
    spin.mock_state(hass, state)
    [one] = (await client.ask("gateways"))["gateways"]
    assert (one["state"], one["version"], one["problems"], one["since"]) == (shown, None, [], None)
    spin.mock_state(hass, ConfigEntryState.LOADED)


async def test_table(hass: HomeAssistant, home: None, client: Client) -> None:
    answer = await client.ask("table", window="24h", sort="total")
    assert (answer["total"], len(answer["rows"])) == (5, 5)
    assert answer["devices"] == {device_id(hass, HUE): "Philips-hue", device_id(hass, CAMERA): "camera"}
    first = answer["rows"][0]
    assert first[:8] == [
        device_id(hass, CAMERA), "camera.example", "eu.camera.example", "tcp", 443, LEARNING, 1_000_000, 2210,
    ]  # fmt: skip
    assert first[10:] == [1, 0, 0, "dns"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"sort": "host", "descending": False}, "diagnostics.meethue.com"),
        ({"sort": "host"}, "ws.meethue.com"),
        ({"sort": "device", "descending": False}, "eu.camera.example"),
        ({"sort": "sent"}, "eu.camera.example"),
        ({"sort": "received", "descending": False}, "ntp.meethue.com"),
        ({"sort": "port", "descending": False}, "ntp.meethue.com"),
        ({"sort": "connections"}, "eu.camera.example"),
        ({"sort": "first"}, "eu.camera.example"),
        ({"sort": "status"}, "eu.camera.example"),
        ({"sort": "total", "offset": 1}, "ws.meethue.com"),
    ],
)
async def test_table_is_sorted(
    hass: HomeAssistant, home: None, client: Client, request_: dict[str, Any], expected: str
) -> None:
    answer = await client.ask("table", window="1h", limit=1, **request_)
    if request_["sort"] in {"first", "device", "status", "connections"}:
        # Several are equal: ties stand in the order of device and host.
        assert hosts(answer)
    else:
        assert hosts(answer) == [expected]
    assert answer["total"] == 5


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", 5),
        ("HUE", 4),
        ("  camera ", 2),
        ("198.51.100.1", 1),
        ("pool", 1),
        ("nobody", 0),
    ],
)
async def test_table_is_searched(
    hass: HomeAssistant, home: None, client: Client, search: str, expected: int
) -> None:
    assert (await client.ask("table", window="1h", search=search))["total"] == expected


async def test_table_is_filtered(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway, act: Act
) -> None:
    await act("block_destination", destination="ws.meethue.com")
    await act("allow_destination", destination="pool.ntp.org")
    assert hosts(await client.ask("table", window="1h", filter=["blocked"])) == ["ws.meethue.com"]
    assert hosts(await client.ask("table", window="1h", filter=["allowed"])) == ["pool.ntp.org"]
    assert (await client.ask("table", window="1h", filter=["new"]))["total"] == 0
    assert (await client.ask("table", window="1h", filter=["blocked", "allowed"]))["total"] == 2
    learning = await client.ask("table", window="1h", filter=["learning"])
    assert learning["total"] == 4
    bridge = device_id(hass, HUE)
    assert (await client.ask("table", window="1h", device=bridge))["total"] == 3
    assert (await client.ask("table", window="1h", destination="meethue.com"))["total"] == 3
    await act("block_device", CAMERA)
    assert (await client.ask("table", window="1h", filter=["blocked"]))["total"] == 3


async def test_table_bad_requests(client: Client) -> None:
    for request in ({"filter": ["x"]}, {"sort": "x"}, {"limit": 1001}, {"offset": -1}, {"search": "x" * 254}):
        assert await client.error("table", window="1h", **request) == "invalid_format"


async def test_tables_are_made_one_by_one(home: None, client: Client) -> None:
    numbers = [await client.send("table", window="1h") for _ in range(8)]
    answers = [await client._answer(number) for number in numbers]
    assert [answer["result"]["total"] for answer in answers] == [5] * 8


async def test_timeline(hass: HomeAssistant, home: None, client: Client, act: Act) -> None:
    bridge = device_id(hass, HUE)
    await act("block_destination", destination="meethue.com", duration={"hours": 1})
    answer = await client.ask("timeline", device=bridge)
    assert answer["more"] is False
    entries = answer["entries"]
    assert [entry["kind"] for entry in entries] == [
        "device_seen", "first_contact", "first_contact", "blocked",
    ]  # fmt: skip
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)
    contact = entries[1]
    assert (contact["host"], contact["group"]) == ("ws.meethue.com", "meethue.com")
    assert (contact["protocol"], contact["port"]) == ("tcp", 443)
    assert contact["at"] == pytest.approx(time.time(), abs=60)
    blocked = entries[3]
    assert (blocked["by"], blocked["group"]) == ("user", "meethue.com")
    assert blocked["until"] is not None
    older = await client.ask("timeline", device=bridge, before=entries[3]["id"], limit=1)
    assert (older["more"], older["entries"]) == (True, [entries[2]])
    newer = await client.ask("timeline", device=bridge, after=entries[1]["id"])
    assert newer["entries"] == entries[2:]


async def test_timeline_counts_repetitions(hass: HomeAssistant, home: None, client: Client) -> None:
    coordinator = hass.config_entries.async_entries("spin")[0].runtime_data
    journal = coordinator.devices[HUE].journal
    now = time.time()
    for second in range(3):
        journal.add("connection_failed", now + second, host="ws.meethue.com\x07", port=443)
    last = (await client.ask("timeline", device=device_id(hass, HUE)))["entries"][-1]
    assert last["host"] == "ws.meethue.com"
    assert (last["count"], last["last"]) == (3, pytest.approx(now + 2, abs=1))


async def test_details_of_a_group(hass: HomeAssistant, home: None, client: Client) -> None:
    bridge, camera = device_id(hass, HUE), device_id(hass, CAMERA)
    found = await client.ask("details", window="1h", device=bridge, group="meethue.com")
    assert (found["device"], found["device_name"], found["group"]) == (bridge, "Philips-hue", "meethue.com")
    assert "host" not in found
    assert (found["flags"], found["block"], found["name_source"]) == (LEARNING, None, "dns")
    assert found["window"] == found["total"]
    assert found["total"] == {
        "sent": 1248, "received": 2260, "connections": 2, "unanswered": 0, "empty": 0, "blocked": 0,
    }  # fmt: skip
    assert sorted(found["names"]) == ["diagnostics.meethue.com", "ws.meethue.com"]
    assert sorted(each[0] for each in found["hosts"]) == ["diagnostics.meethue.com", "ws.meethue.com"]
    assert [each[:6] for each in found["addresses"]] == [
        ["198.51.100.7", 1148, 2210, 1, 0, 0],
        ["198.51.100.8", 100, 50, 1, 0, 0],
    ]
    assert found["also"] == [[camera, "camera"]]
    assert found["shares"] == {"names": [], "devices": ["camera"]}
    assert found["evidence"] == [{"code": "while_learning"}]
    assert found["topic"] == f"spin/home/device/{HUE}/flows"
    assert [each["name"] for each in found["raw"]["destinations"]] == [
        "ws.meethue.com", "diagnostics.meethue.com",
    ]  # fmt: skip
    assert found["raw"]["destinations"][0]["sent_bytes"] == 1148


def of_host(host: str, group: str, **more: Any) -> dict[str, Any]:
    return {"window": "1h", "group": group, "host": host, "protocol": "tcp", "port": 443} | more


async def test_details_of_a_host(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway, act: Act
) -> None:
    bridge = device_id(hass, HUE)
    gateway.flows(
        row("cdn.example", address="198.51.100.7", sent_bytes=5),
        row("www.stranger.example", address="198.51.100.7", connections=2, empty=2, last=START + 9),
        row(None, address="203.0.113.99", port=53, unanswered=3, blocked=2, last=START + 9),
        seq=2,
        lookups={"www.stranger.example": START + 6},
    )
    await hass.async_block_till_done()
    found = await client.ask("details", device=bridge, **of_host("www.stranger.example", "stranger.example"))
    assert (found["host"], found["protocol"], found["port"]) == ("www.stranger.example", "tcp", 443)
    assert found["hosts"] == []
    assert found["looked_up"] is not None
    assert found["evidence"] == [
        {"code": "connectivity_check", "count": 2},
        {"code": "only_device"},
        {"code": "while_learning"},
    ]
    # Whoever blocks it blocks these, too.
    assert sorted(found["shares"]["names"]) == ["cdn.example", "ws.meethue.com"]
    found = await client.ask("details", device=bridge, **of_host("203.0.113.99", "203.0.113.99", port=53))
    assert [each["code"] for each in found["evidence"]] == [
        "dns_bypass", "refused", "no_name", "only_device", "while_learning",
    ]  # fmt: skip
    assert found["names"] == []
    unknown = of_host("x.example", "stranger.example")
    assert await client.error("details", device=bridge, **unknown) == "not_found"
    incomplete = {"window": "1h", "device": bridge, "group": "meethue.com", "host": "ws.meethue.com"}
    assert await client.error("details", **incomplete) == "invalid_format"


async def test_details_of_a_name_known_from_tls(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    gateway.flows(row("sni.example", name_source="tls", address="203.0.113.98"), seq=2)
    await hass.async_block_till_done()
    found = await client.ask("details", device=device_id(hass, HUE), **of_host("sni.example", "sni.example"))
    assert {"code": "tls_name"} in found["evidence"]
    assert found["name_source"] == "tls"


async def test_details_of_what_is_blocked(
    hass: HomeAssistant, home: None, client: Client, act: Act, hass_admin_user: MockUser
) -> None:
    bridge = device_id(hass, HUE)
    about = {"window": "1h", "device": bridge, "group": "meethue.com"}
    await act("block_destination", destination="ws.meethue.com")
    found = await client.ask("details", **about)
    assert found["flags"] & (BLOCKED | PARTLY) == PARTLY
    assert found["block"] is None
    found = await client.ask("details", device=bridge, **of_host("ws.meethue.com", "meethue.com"))
    assert found["flags"] & BLOCKED
    assert found["block"] | {"since": None} == {
        "by": "user", "user": None, "since": None, "until": None, "rule": "ws.meethue.com",
    }  # fmt: skip
    coordinator = hass.config_entries.async_entries("spin")[0].runtime_data
    coordinator.rulings.note(HUE, "ws.meethue.com", Ruling("user", hass_admin_user.id, since=1.0))
    found = await client.ask("details", device=bridge, **of_host("ws.meethue.com", "meethue.com"))
    assert (found["block"]["user"], found["block"]["since"]) == (hass_admin_user.name, 1.0)
    coordinator.rulings.note(HUE, "ws.meethue.com", Ruling("automatic"))
    found = await client.ask("details", device=bridge, **of_host("ws.meethue.com", "meethue.com"))
    assert found["block"]["by"] == "automatic"
    await act("block_device", duration={"hours": 1})
    found = await client.ask("details", **about)
    assert (found["block"]["by"], found["block"]["rule"]) == ("device", None)
    assert found["block"]["until"] == pytest.approx(time.time() + 3600, abs=60)
    assert found["flags"] & BLOCKED


async def test_details_of_a_rule_for_everyone(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    gateway.policy |= {"revision": 7, "everyone": [{"action": "block", "name": "meethue.com", "until": None}]}
    gateway.policy_state()
    await hass.async_block_till_done()
    found = await client.ask("details", window="1h", device=device_id(hass, HUE), group="meethue.com")
    assert found["flags"] & BLOCKED
    assert (found["block"]["by"], found["block"]["rule"]) == ("everyone", "meethue.com")


async def test_details_of_what_is_new(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    await end_learning(hass)
    gateway.flows(row("www.stranger.example", address="203.0.113.80"), seq=2)
    await hass.async_block_till_done()
    found = await client.ask("details", window="1h", device=device_id(hass, HUE), group="stranger.example")
    assert found["flags"] == NEW
    assert found["evidence"][-1] == {"code": "after_learning"}


async def test_details_without_a_message_since_the_start(
    hass: HomeAssistant, home: None, client: Client, spin: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_reload(spin.entry_id)
    await asyncio.sleep(0)
    found = await client.ask("details", window="5m", device=device_id(hass, HUE), group="meethue.com")
    assert found["raw"] is None
    assert found["total"]["sent"] == 1248
    assert not found["flags"] & (QUIET | ALLOWED)


async def test_details_of_time_servers(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    requests = [START + 6.0, START + 38.0, START + 70.0, START + 170.0]
    ntp = row("pool.ntp.org", protocol="udp", port=123, address="198.51.100.9", requests=requests)
    gateway.flows(ntp, seq=2)
    await hass.async_block_till_done()
    about = {"group": "ntp.org", "host": "pool.ntp.org", "protocol": "udp", "port": 123}
    found = await client.ask("details", window="1h", device=device_id(hass, HUE), **about)
    assert found["evidence"][0] == {"code": "time_sync", "interval": 54.7, "short": 0.667}


async def test_details_of_what_does_not_answer(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    gateway.flows(row(connections=4, unanswered=3, last=START + 9), seq=2)
    await hass.async_block_till_done()
    gateway.flows(row(connections=7, unanswered=6, last=START + 60), seq=12)
    await hass.async_block_till_done()
    reader = await client.look(device=device_id(hass, HUE))
    assert reader.hosts()["ws.meethue.com"][4] & FAILED
    assert reader.groups()["meethue.com"][1] & FAILED
    assert reader.devices()["Philips-hue"][3] & FAILED
    assert reader.has["summary"]["failed"] == 1
    assert hosts(await client.ask("table", window="1h", filter=["failed"])) == ["ws.meethue.com"]
    found = await client.ask(
        "details", device=device_id(hass, HUE), **of_host("ws.meethue.com", "meethue.com")
    )
    assert found["flags"] & FAILED
    assert found["evidence"][0] == {
        "code": "unanswered",
        "since": pytest.approx(time.time(), abs=90),
        "count": 6,
    }
    gateway.flows(row(connections=8, unanswered=6, received_bytes=9999, last=START + 70), seq=14)
    while reader.hosts()["ws.meethue.com"][4] & FAILED:
        await reader.delta()


async def test_details_after_an_update(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway, spin: MockConfigEntry
) -> None:
    device = spin.runtime_data.devices[HUE]
    device.judged.firmware = Firmware("1.66.0", "1.67.0", time.time() - 60)
    device.lookups["www.quiet.example"] = time.time()
    gateway.flows(
        row("www.quiet.example", address="203.0.113.97", connections=0, sent_bytes=0, received_bytes=0), seq=2
    )
    await hass.async_block_till_done()
    about = of_host("www.quiet.example", "quiet.example")
    found = await client.ask("details", device=device_id(hass, HUE), **about)
    assert found["evidence"][0] == {
        "code": "firmware_changed", "from": "1.66.0", "to": "1.67.0", "at": device.judged.firmware.at,
    }  # fmt: skip
    assert found["evidence"][1] == {"code": "lookup_only", "count": 1}


async def test_timeline_has_gaps_written_down(
    hass: HomeAssistant, home: None, client: Client, gateway: Gateway
) -> None:
    gateway.status("offline")
    gateway.status("online")
    await hass.async_block_till_done()
    answer = await client.ask("timeline", device=device_id(hass, HUE), limit=2)
    assert [entry["kind"] for entry in answer["entries"]] == ["gateway_lost", "gateway_back"]


async def test_details_of_a_probe(hass: HomeAssistant, home: None, client: Client, gateway: Gateway) -> None:
    gateway.flows(row("connectivitycheck.gstatic.com", address="203.0.113.96"), seq=2)
    await hass.async_block_till_done()
    about = of_host("connectivitycheck.gstatic.com", "gstatic.com")
    found = await client.ask("details", device=device_id(hass, HUE), **about)
    assert {"code": "connectivity_probe"} in found["evidence"]

"""The picture over the websocket: snapshots, deltas and their pace, asked by a real client."""

import json
import time
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway, flows, row
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
from reading import (
    ALLOWED,
    ATTENTION,
    AUTOMATIC,
    BLOCKED,
    LEARNING,
    NEW,
    PARTLY,
    QUIET,
    TIMED,
    Act,
    Client,
    device_id,
    end_learning,
    open_boards,
    two_devices,
)

from custom_components.spin.rulings import Ruling
from custom_components.spin.websocket import picture

CONTROLS = "".join(map(chr, (0, 7, 27, 0x202E, 0x2066, 0x200B)))


async def test_snapshot_of_the_home(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    has = reader.has
    assert (has["seq"], has["subscription"]) == (0, reader.number)
    assert (has["window"], has["version"]) == ("1h", "0.1.0")
    assert has["summary"] == {
        "devices": 2, "destinations": 3, "new": 0, "blocked": 0, "failed": 0, "learning": 2,
        "sent": 1148 + 100 + 48 + 1_000_000 + 48, "received": 2210 + 50 + 48 + 2210,
    }  # fmt: skip
    assert has["more"] == {"devices": 0, "groups": 0, "hosts": 0}
    assert (has["focus"], has["hosts"]) == (None, [])
    assert [gateway["state"] for gateway in has["gateways"]] == ["online"]
    # Ranked by bytes.
    assert [each[1] for each in has["devices"]] == ["camera", "Philips-hue"]
    assert list(reader.groups()) == ["camera.example", "meethue.com", "ntp.org"]
    bridge = reader.devices()["Philips-hue"]
    assert bridge[:1] + bridge[2:10] == [device_id(hass, HUE), 0, LEARNING, 1296, 2308, 2, 0, 0, 0]
    # Devices, and hosts of which both devices together have three.
    assert reader.groups()["meethue.com"] == ["meethue.com", 0, 1296, 2260, 2, 3, 0, 0, 0]
    assert reader.links()["Philips-hue", "meethue.com"] == [0, 1248, 2260, 2, 0, 0, 0]
    assert reader.links()["camera", "meethue.com"] == [0, 48, 0, 1, 0, 0, 0]
    assert ("camera", "ntp.org") not in reader.links()


async def test_focus_on_a_device(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(device=device_id(hass, HUE))
    has = reader.has
    assert has["links"] == []
    assert next(iter(reader.devices())) == "Philips-hue"
    assert "camera" in reader.devices()
    assert set(reader.hosts()) == {"ws.meethue.com", "diagnostics.meethue.com", "pool.ntp.org"}
    assert set(reader.groups()) == {"meethue.com", "ntp.org"}
    host = reader.hosts()["pool.ntp.org"]
    assert has["groups"][host[0]][0] == "ntp.org"
    assert host[1:7] == ["pool.ntp.org", "udp", 123, LEARNING, 48, 48]
    assert host[9:] == [1, 0, 0, "dns"]
    assert has["summary"]["devices"] == 1
    assert has["summary"]["destinations"] == 2
    focus = has["focus"]
    assert focus["kind"] == "device"
    assert focus["id"] == device_id(hass, HUE)
    assert (focus["name"], focus["hostname"]) == ("Philips-hue", "Philips-hue")
    assert focus["macs"] == [HUE]
    assert focus["block"] is None
    assert focus["learning"]["state"] == "learning"
    assert focus["learning"]["left"] > 0
    assert focus["switch"] == "switch.philips_hue_block"
    assert focus["topics"] == [f"spin/home/device/{HUE}"]
    assert focus["timeline"] == 3
    assert 40 <= len(focus["chart"]["sent"]) == len(focus["chart"]["received"]) <= 90


async def test_focus_on_a_destination(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(destination="meethue.com")
    assert next(iter(reader.groups())) == "meethue.com"
    assert set(reader.groups()) == {"meethue.com", "camera.example", "ntp.org"}
    assert set(reader.links()) == {("Philips-hue", "meethue.com"), ("camera", "meethue.com")}
    assert reader.has["summary"]["devices"] == 2
    assert reader.has["summary"]["sent"] == 1296
    focus = reader.has["focus"]
    assert (focus["kind"], focus["group"]) == ("destination", "meethue.com")
    assert sorted(focus["names"]) == ["diagnostics.meethue.com", "ntp.meethue.com", "ws.meethue.com"]
    assert focus["first"] < focus["last"]


async def test_a_destination_that_nobody_talks_to_is_empty(
    hass: HomeAssistant, client: Client, gateway: Gateway
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(destination="nobody.example")
    assert reader.groups()["nobody.example"][1:] == [QUIET, 0, 0, 0, 0, 0, 0, 0]
    assert reader.links() == {}
    assert reader.has["focus"]["names"] == []
    # And once somebody does, it is told.
    gateway.flows(row("www.nobody.example"), seq=2)
    await reader.delta()
    assert set(reader.links()) == {("Philips-hue", "nobody.example")}


async def test_deltas_change_rows_in_place(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    before = [row[0] for row in reader.has["devices"]]
    gateway.flows(row(sent_bytes=3_000_000, last=gateway_end(2)), seq=2)
    delta = await reader.delta()
    assert [row[1] for row in delta["devices"]] == [device_id(hass, HUE)]
    assert [row[1] for row in delta["groups"]] == ["meethue.com"]
    assert len(delta["links"]) == 1
    assert reader.links()["Philips-hue", "meethue.com"][1] == 3_000_100
    assert reader.has["summary"]["sent"] == 1_000_096 + 3_000_100
    # It is the largest now, and stays where it is.
    assert [row[0] for row in reader.has["devices"]] == before
    fresh = await client.look()
    assert [row[0] for row in fresh.has["devices"]] == before[::-1]


def gateway_end(seq: int) -> float:
    return float(flows(seq=seq)["end"])


async def test_new_rows_come_behind_the_others(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    await end_learning(hass)
    gateway.flows(row("www.stranger.example", address="203.0.113.80"), seq=2)
    while "stranger.example" not in reader.groups():
        await reader.delta()
    assert list(reader.groups())[-1] == "stranger.example"
    assert reader.groups()["stranger.example"][1] == NEW
    assert reader.links()["Philips-hue", "stranger.example"] == [NEW, 1148, 2210, 1, 1, 0, 0]
    assert reader.devices()["Philips-hue"][3] & NEW
    assert reader.devices()["Philips-hue"][7] == 1
    assert reader.has["summary"]["new"] == 1
    # What is new comes first in the next snapshot.
    fresh = await client.look()
    assert next(iter(fresh.groups())) == "stranger.example"
    assert next(iter(fresh.devices())) == "Philips-hue"


async def test_a_new_host_in_focus(hass: HomeAssistant, client: Client, gateway: Gateway, act: Act) -> None:
    await two_devices(hass, gateway)
    await end_learning(hass)
    reader = await client.look(device=device_id(hass, HUE), destinations=3)
    assert reader.has["focus"]["learning"] == {"state": "over", "left": None}
    gateway.flows(
        row("www.stranger.example", address="203.0.113.80"),
        row("x.stranger.example", address="203.0.113.81"),
        seq=2,
    )
    delta = await reader.delta()
    # Beyond the number of rows, because they are new.
    assert set(reader.hosts()) > {"www.stranger.example", "x.stranger.example"}
    assert reader.hosts()["www.stranger.example"][4] == NEW
    assert delta["focus"]["timeline"] > 3
    await act("allow_destination", destination="www.stranger.example")
    while reader.hosts()["www.stranger.example"][4] != ALLOWED:
        await reader.delta()
    assert reader.hosts()["x.stranger.example"][4] == NEW
    # Known ones without a row wait in `more`.
    gateway.flows(row("allowed.stranger.example", address="203.0.113.82"), seq=3)
    await act("accept_all")
    fresh = await client.look(device=device_id(hass, HUE), destinations=2)
    assert len(fresh.has["hosts"]) == 2
    assert fresh.has["more"]["hosts"] == 4


async def test_blocks_are_seen(hass: HomeAssistant, client: Client, gateway: Gateway, act: Act) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    await act("block_destination", destination="ws.meethue.com", duration={"hours": 1})
    while not reader.devices()["Philips-hue"][3] & PARTLY:
        await reader.delta()
    assert reader.links()["Philips-hue", "meethue.com"] == [PARTLY, 1248, 2260, 2, 0, 1, 0]
    assert reader.groups()["meethue.com"][1] == PARTLY
    assert reader.groups()["meethue.com"][7] == 1
    assert reader.has["summary"]["blocked"] == 1
    await act("block_destination", destination="meethue.com")
    while reader.links()["Philips-hue", "meethue.com"][0] != BLOCKED:
        await reader.delta()
    # The camera may still talk to it.
    assert reader.groups()["meethue.com"][1] == PARTLY
    await act("block_destination", CAMERA, destination="meethue.com")
    while reader.groups()["meethue.com"][1] != BLOCKED:
        await reader.delta()
    focused = await client.look(device=device_id(hass, HUE))
    assert focused.hosts()["ws.meethue.com"][4] & (BLOCKED | TIMED) == BLOCKED | TIMED
    assert focused.hosts()["pool.ntp.org"][4] == LEARNING
    await act("unblock_destination", destination=["meethue.com", "ws.meethue.com"])
    while focused.hosts()["ws.meethue.com"][4] != LEARNING:
        await focused.delta()


async def test_a_blocked_device(hass: HomeAssistant, client: Client, gateway: Gateway, act: Act) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    focused = await client.look(device=device_id(hass, HUE))
    await act("block_device", duration={"hours": 1})
    while not reader.devices()["Philips-hue"][3] & BLOCKED:
        await reader.delta()
    assert reader.devices()["Philips-hue"][3] & TIMED
    # No destination is to blame, so none of them ranks as blocked.
    assert reader.groups()["meethue.com"][1] == 0
    assert reader.has["summary"]["blocked"] == 1
    while not focused.has["focus"]["block"] or not focused.has["focus"]["block"]["by"]:
        await focused.delta()
    block = focused.has["focus"]["block"]
    assert block["until"] == pytest.approx(focused.has["at"] + 3600, abs=60)
    fresh = await client.look()
    assert fresh.links()["Philips-hue", "meethue.com"][0] == BLOCKED
    assert fresh.links()["camera", "meethue.com"][0] == 0


async def test_it_waits_for_the_reader(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    for seq in range(2, 30):
        gateway.flows(row(sent_bytes=1000 * seq, last=gateway_end(seq)), seq=seq)
    await client.silence(reader.number)
    # An acknowledgement of something else is none.
    await client.ask("ack", subscription=reader.number, seq=17)
    await client.silence(reader.number)
    delta = await reader.delta()
    # One delta, of which each row comes once.
    assert len(delta["devices"]) == len(delta["links"]) == len(delta["groups"]) == 1
    assert reader.links()["Philips-hue", "meethue.com"][1] == 29_100
    await reader.acknowledge()
    await client.silence(reader.number)


async def test_a_gateway_that_comes_and_goes(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    await reader.acknowledge()
    gateway.status("offline")
    event = await reader.event()
    while event["type"] != "status":
        reader.apply(event)
        event = await reader.event()
    assert [each["state"] for each in event["gateways"]] == ["offline"]
    assert event["gateways"][0]["since"] == pytest.approx(reader.has["at"], abs=10)
    gateway.status("online")
    while event["type"] != "status" or event["gateways"][0]["state"] != "online":
        event = await reader.event()


async def test_a_slow_reader_gets_one_status(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    gateway.status("offline")
    assert (await reader.event())["type"] == "status"
    for _ in range(5):
        gateway.status("online")
        gateway.status("offline")
        await client.silence(reader.number, 0.05)


async def test_a_reload_under_an_open_picture(
    hass: HomeAssistant, client: Client, gateway: Gateway, spin: MockConfigEntry, broker: Broker
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(device=device_id(hass, HUE))
    await reader.acknowledge()
    assert await hass.config_entries.async_unload(spin.entry_id)
    event = await reader.event()
    while event["type"] != "status" or event["gateways"][0]["state"] != "loading":
        event = await reader.event()
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    has = await reader.snapshot()
    assert has["seq"] > 0
    assert has["gateways"][0]["state"] == "online"
    assert set(reader.hosts()) == {"ws.meethue.com", "diagnostics.meethue.com", "pool.ntp.org"}
    gateway.flows(row("www.later.example", address="203.0.113.80"), seq=2)
    while "www.later.example" not in reader.hosts():
        await reader.delta()


async def test_a_gateway_that_is_removed(
    hass: HomeAssistant, client: Client, gateway: Gateway, spin: MockConfigEntry
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(device=device_id(hass, HUE))
    await reader.acknowledge()
    await hass.config_entries.async_remove(spin.entry_id)
    has = await reader.snapshot()
    assert (has["gateways"], has["devices"], has["hosts"], has["focus"]) == ([], [], [], None)
    assert (await client.ask("gateways"))["gateways"] == []


async def test_a_disabled_gateway_is_none(
    hass: HomeAssistant, client: Client, gateway: Gateway, spin: MockConfigEntry
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    await reader.acknowledge()
    await hass.config_entries.async_set_disabled_by(spin.entry_id, ConfigEntryDisabler.USER)
    assert (await reader.snapshot())["gateways"] == []


async def test_devices_come_and_go(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    reader = await client.look()
    assert reader.has["devices"] == []
    gateway.device()
    gateway.flows(row())
    while not reader.links():
        await reader.delta()
    assert set(reader.devices()) == {"Philips-hue"}
    entry = device_id(hass, HUE)
    dr.async_get(hass).async_update_device(entry, name_by_user=f"<b>Bridge</b>{CONTROLS}" + "x" * 100)
    while "Philips-hue" in reader.devices():
        await reader.delta()
    assert [len(name) for name in reader.devices()] == [len("<b>Bridge</b>") + 64 - len("<b>Bridge</b>") - 6]
    dr.async_get(hass).async_update_device(entry, disabled_by=dr.DeviceEntryDisabler.USER)
    await reader.acknowledge()
    assert (await reader.snapshot())["devices"] == []


async def test_a_device_in_focus_that_comes_later(
    hass: HomeAssistant, client: Client, gateway: Gateway
) -> None:
    await two_devices(hass, gateway)
    entry = device_id(hass, HUE)
    dr.async_get(hass).async_update_device(entry, disabled_by=dr.DeviceEntryDisabler.USER)
    reader = await client.look(device=entry)
    assert (reader.has["focus"], reader.has["hosts"]) == (None, [])
    await reader.acknowledge()
    dr.async_get(hass).async_update_device(entry, disabled_by=None)
    while (await reader.snapshot())["focus"] is None:
        await reader.acknowledge()
    assert len(reader.has["hosts"]) == 3


async def test_what_is_unknown_is_not_found(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    bridge = device_id(hass, HUE)
    assert await client.error("subscribe", window="1h", gateway="x") == "not_found"
    assert await client.error("subscribe", window="1h", device="x") == "not_found"
    assert await client.error("ack", subscription=4, seq=0) == "not_found"
    assert await client.error("timeline", device="x") == "not_found"
    assert await client.error("details", window="1h", device="x", group="meethue.com") == "not_found"
    assert await client.error("details", window="1h", device=bridge, group="x.example") == "not_found"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"window": "2h"},
        {"window": "1h", "devices": 0},
        {"window": "1h", "devices": 501},
        {"window": "1h", "destinations": "x"},
        {"window": "1h", "device": 7},
        {"window": "1h", "device": "x" * 254},
        {"window": "1h", "device": "x", "destination": "y"},
    ],
)
async def test_bad_requests(client: Client, request_: dict[str, Any]) -> None:
    assert await client.error("subscribe", **request_) == "invalid_format"


async def test_ends_with_the_subscription(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    other = await client.look(window="5m")
    assert open_boards(hass) == 2
    message = {"type": "unsubscribe_events", "subscription": reader.number}
    await client.ws.send_json_auto_id(message)
    assert (await client._answer(message["id"]))["success"]
    assert open_boards(hass) == 1
    assert await client.error("ack", subscription=reader.number, seq=0) == "not_found"
    await other.acknowledge()


async def test_a_connection_has_a_bounded_number_of_pictures(client: Client) -> None:
    for _ in range(32):
        await client.look()
    assert await client.error("subscribe", window="1h") == "too_many"


async def test_who_may_not_read_everything_reads_nothing(
    hass: HomeAssistant,
    client: Client,
    gateway: Gateway,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
    hass_read_only_user: Any,
) -> None:
    await two_devices(hass, gateway)
    visitor = Client(await hass_ws_client(hass, hass_read_only_access_token))
    # Who may read all entities may read the picture.
    reader = await visitor.look()
    assert len(reader.has["devices"]) == 2
    hass_read_only_user.groups = []
    hass_read_only_user.invalidate_cache()
    bridge = device_id(hass, HUE)
    for kind, request in {
        "gateways": {},
        "subscribe": {"window": "1h"},
        "table": {"window": "1h"},
        "timeline": {"device": bridge},
        "details": {"window": "1h", "device": bridge, "group": "meethue.com"},
    }.items():
        assert await visitor.error(kind, **request) == "unauthorized"
    await visitor.ws.close()


async def test_a_large_home_fits(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    """5,000 destinations with the longest names that there are: at most 40 kB."""
    macs = [f"00:17:88:00:01:{number:02x}" for number in range(10)]
    for number, mac in enumerate(macs):
        gateway.device(mac, hostname=f"{'d' * 60}{number:02}")
        for part in range(5):
            names = [f"{'x' * 60}.{'y' * 60}.{'z' * 40}-{part}-{each}.example" for each in range(100)]
            gateway.flows(
                *(row(name, address=f"198.51.{part}.{each}") for each, name in enumerate(names)),
                mac=mac,
                seq=part + 1,
            )
    await hass.async_block_till_done()
    for request in ({}, {"device": device_id(hass, macs[0])}, {"destination": "nobody.example"}):
        reader = await client.look(**request)
        assert len(json.dumps(reader.has, separators=(",", ":"), ensure_ascii=False)) <= picture.SNAPSHOT
        assert reader.has["devices"]
    everything = await client.look(devices=500, destinations=500)
    assert len(everything.has["groups"]) > 100
    assert everything.has["more"]["groups"] == 500 - len(everything.has["groups"])
    table = await client.ask("table", window="1h", limit=1000)
    assert (table["total"], len(table["rows"])) == (5000, 1000)


async def test_two_gateways(hass: HomeAssistant, client: Client, gateway: Gateway, broker: Broker) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    await reader.acknowledge()
    shed = Gateway(broker, "shed")
    shed.start()
    data = {"gateway": "shed", "prefix": "spin"}
    entry = MockConfigEntry(domain="spin", title="Shed", unique_id="shed", data=data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    has = await reader.snapshot()
    while len(has["gateways"]) < 2 or has["gateways"][1]["state"] != "online":
        await reader.acknowledge()
        has = await reader.snapshot()
    shed.device("00:17:88:00:02:01", hostname="mower")
    shed.flows(row("api.meethue.com", address="198.51.100.70"), mac="00:17:88:00:02:01")
    while ("mower", "meethue.com") not in reader.links():
        await reader.delta()
    assert reader.devices()["mower"][2] == 1
    assert reader.groups()["meethue.com"][4] == 3
    alone = await client.look(gateway=entry.entry_id)
    assert set(alone.devices()) == {"mower"}
    assert alone.devices()["mower"][2] == 0
    table = await client.ask("table", window="1h", gateway=entry.entry_id)
    assert table["total"] == 1
    await reader.acknowledge()
    await hass.config_entries.async_remove(entry.entry_id)
    while len((await reader.snapshot())["gateways"]) > 1:
        await reader.acknowledge()
    assert set(reader.devices()) == {"Philips-hue", "camera"}


async def test_rows_go_quiet_when_the_window_slides(
    hass: HomeAssistant, client: Client, gateway: Gateway
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(window="5m")
    focused = await client.look(window="5m", device=device_id(hass, HUE))
    assert reader.groups()["meethue.com"][2] == 1296
    later = time.time() + 900
    with patch("time.time", lambda: later):
        while not reader.groups()["meethue.com"][1] & QUIET or not reader.groups()["ntp.org"][1] & QUIET:
            await reader.delta()
        while not focused.hosts()["ws.meethue.com"][4] & QUIET:
            await focused.delta()
        fresh = await client.look(window="5m")
    # It stays in the picture that is open, without traffic, and is not in a new one.
    assert reader.groups()["meethue.com"][2:4] == [0, 0]
    assert reader.links()["Philips-hue", "meethue.com"][:3] == [QUIET, 0, 0]
    assert fresh.has["groups"] == []
    assert len(fresh.has["devices"]) == 2
    assert fresh.has["summary"]["destinations"] == 0


async def test_what_is_forgotten_stays_as_an_empty_row(
    hass: HomeAssistant, client: Client, gateway: Gateway, act: Act
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look()
    focused = await client.look(device=device_id(hass, HUE))
    at_it = await client.look(destination="ntp.org")
    await act("forget_destination", destination="ntp.org")
    while reader.groups()["ntp.org"][1] != QUIET:
        await reader.delta()
    assert reader.groups()["ntp.org"][1:] == [QUIET, 0, 0, 0, 0, 0, 0, 0]
    while focused.hosts()["pool.ntp.org"][4] != QUIET:
        await focused.delta()
    while at_it.has["summary"]["devices"]:
        await at_it.delta()
    assert at_it.has["focus"]["names"] == []


async def test_only_what_is_remarkable_goes_beyond_the_row_counts(
    hass: HomeAssistant, client: Client, gateway: Gateway
) -> None:
    await two_devices(hass, gateway)
    reader = await client.look(devices=1, destinations=1)
    assert reader.has["more"] == {"devices": 1, "groups": 2, "hosts": 0}
    assert list(reader.links()) == [("camera", "camera.example")]
    gateway.flows(row("www.usual.example", address="203.0.113.80"), seq=2)
    delta = await reader.delta()
    assert "devices" not in delta
    assert reader.has["more"]["groups"] == 3
    await end_learning(hass)
    gateway.flows(*(row(f"n{each}.example", address=f"203.0.113.{each}") for each in range(60)), seq=3)
    while len(reader.groups()) < 10:
        await reader.delta()
    assert set(reader.devices()) == {"camera", "Philips-hue"}
    # Fifty rows at most.
    assert len(reader.has["devices"]) + len(reader.has["groups"]) == 2 + picture.MAX_APPENDED
    assert reader.has["more"]["groups"] == 60 - len(reader.groups()) + 4


async def test_links_that_did_not_fit_come_when_they_are_remarkable(
    hass: HomeAssistant, client: Client, gateway: Gateway
) -> None:
    await two_devices(hass, gateway)
    for room in range(1500, 1000, -20):
        with patch.object(picture, "SNAPSHOT", room), patch.object(picture, "_SHARES", (0.9, 0.9)):
            reader = await client.look()
        if len(reader.has["links"]) < 4:
            break
    assert (len(reader.has["devices"]), len(reader.has["groups"])) == (2, 3)
    missing = {("Philips-hue", "ntp.org"), ("camera", "meethue.com")} - reader.links().keys()
    assert missing
    gateway.flows(row("pool.ntp.org", protocol="udp", port=123, address="198.51.100.9", sent_bytes=96), seq=2)
    await reader.delta()
    assert missing.isdisjoint(reader.links())
    rules = [{"action": "block", "name": name, "until": None} for name in ("org", "ntp.meethue.com")]
    gateway.policy |= {"revision": 7, "everyone": rules}
    gateway.policy_state()
    while missing - reader.links().keys():
        await reader.delta()


async def test_automatic_blocks_leave_it_to_the_user_to_judge(
    hass: HomeAssistant, client: Client, gateway: Gateway, spin: MockConfigEntry, act: Act
) -> None:
    await two_devices(hass, gateway)
    await end_learning(hass)
    gateway.flows(row("www.stranger.example", address="203.0.113.80"), seq=2)
    await act("block_destination", destination="stranger.example")
    await act("block_device", CAMERA)
    reader = await client.look(device=device_id(hass, HUE))
    # Who blocks has judged.
    assert reader.hosts()["www.stranger.example"][4] == BLOCKED
    coordinator = spin.runtime_data
    coordinator.rulings.note(HUE, "stranger.example", Ruling("automatic"))
    coordinator.rulings.note(CAMERA, None, Ruling("automatic"))
    for device in coordinator.devices.values():
        device.changed()
    while reader.hosts()["www.stranger.example"][4] != NEW | BLOCKED | AUTOMATIC:
        await reader.delta()
    while not reader.devices()["camera"][3] & AUTOMATIC:
        await reader.delta()


async def test_what_entities_say(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    entities = er.async_get(hass)
    attention = entities.async_get_or_create("binary_sensor", "spin", f"home_{HUE}_attention").entity_id
    reaction = entities.async_get_or_create("select", "spin", f"home_{HUE}_reaction").entity_id
    hass.states.async_set(attention, "on")
    hass.states.async_set(reaction, "default", {"options": ["default", "observe"]})
    reader = await client.look(device=device_id(hass, HUE))
    assert reader.devices()["Philips-hue"][3] & ATTENTION
    assert not reader.devices()["camera"][3] & ATTENTION
    assert reader.has["focus"]["reaction"] == {
        "entity_id": reaction, "value": "default", "options": ["default", "observe"], "default": "notify",
    }  # fmt: skip
    entities.async_update_entity(reaction, disabled_by=er.RegistryEntryDisabler.USER)
    reader = await client.look(device=device_id(hass, HUE))
    assert reader.has["focus"]["reaction"] is None


async def test_a_focus_is_told_of_itself(hass: HomeAssistant, client: Client, gateway: Gateway) -> None:
    await two_devices(hass, gateway)
    at_it = await client.look(destination="meethue.com", devices=1)
    assert list(at_it.links()) == [("camera", "meethue.com")]
    focused = await client.look(device=device_id(hass, HUE), destinations=1)
    assert focused.has["more"]["hosts"] == 2
    gateway.flows(
        row("diagnostics.meethue.com", address="198.51.100.8", sent_bytes=200),
        row("pool.ntp.org", protocol="udp", port=123, address="198.51.100.9", sent_bytes=96),
        row("www.usual.example", address="203.0.113.80", sent_bytes=5),
        seq=2,
    )
    while at_it.groups()["meethue.com"][2] == 1296:
        await at_it.delta()
    assert list(at_it.links()) == [("camera", "meethue.com")]
    while focused.has["more"]["hosts"] != 3:
        await focused.delta()
    assert list(focused.hosts()) == ["ws.meethue.com"]
    assert list(focused.groups()) == ["meethue.com"]

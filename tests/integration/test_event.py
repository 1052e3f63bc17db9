"""The event entity: what is told of a device, once and with its evidence."""

from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, START, Broker, Gateway, flows, row
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, snapshot_platform
from syrupy.assertion import SnapshotAssertion

from custom_components.spin.const import ACTIVITY_EVENTS, MAX_NEWS

ACTIVITY = "event.philips_hue_activity"
GATEWAY_ACTIVITY = "event.home_gateway_activity"
WITHOUT_LEARNING = {"learning": {"learning_days": 0}}


@pytest.fixture
def options() -> dict[str, Any]:
    return WITHOUT_LEARNING


@pytest.fixture
def told(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return the list of all events' attributes, which grows."""
    events: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()

    @callback
    def changed(event: Event[Any]) -> None:
        new = event.data["new_state"]
        if (
            new is None
            or new.domain != "event"
            or new.entity_id == GATEWAY_ACTIVITY
            or new.state in {STATE_UNKNOWN, STATE_UNAVAILABLE}
        ):
            return
        # The same time again is the last event, restored.
        if (new.entity_id, new.state) not in seen and new.attributes["event_type"] != "device_seen":
            seen.add((new.entity_id, new.state))
            events.append(dict(new.attributes))

    hass.bus.async_listen(EVENT_STATE_CHANGED, changed)
    return events


@pytest.fixture
async def device(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    await hass.async_block_till_done()


async def test_snapshot(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    with (
        patch("custom_components.spin.PLATFORMS", [Platform.EVENT]),
        patch("custom_components.spin.judgement.judgement.Judgement.device_admitted"),
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await broker.settled()
        gateway.device()
        await hass.async_block_till_done()
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.usefixtures("device")
async def test_the_evidence(hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]) -> None:
    gateway.flows(lookups={"ws.meethue.com": START - 3})
    gateway.flows(row(), seq=2)
    await hass.async_block_till_done()
    (event,) = told
    assert len(event.pop("id")) == 16
    assert len(event.pop("burst")) == 12
    assert event.pop("first_seen")
    message = (
        "Philips-hue talks to meethue.com for the first time. It is new: the device never talked to it while "
        "SPIN was learning. No other device of yours talks to it."
    )
    assert event == {
        "event_type": "new_destination",
        "event_types": ACTIVITY_EVENTS,
        "friendly_name": "Philips-hue Activity",
        "destination": "meethue.com",
        "name": "ws.meethue.com",
        "name_source": "dns",
        "address": "198.51.100.7",
        "protocol": "tcp",
        "port": 443,
        "service": "https",
        "first_lookup": "2020-01-01T11:59:57+00:00",
        "sent_bytes": 1148,
        "received_bytes": 2210,
        "connections": 1,
        "unanswered": 0,
        "blocked": 0,
        "connectivity_check": False,
        "connectivity_probe": False,
        "other_devices": "",
        "other_device_count": 0,
        "device": "Philips-hue",
        "message": message,
        "reasons": "after_learning,only_device",
        "action": "none",
        "burst_position": 1,
        "burst_summary": message,
    }


@pytest.mark.usefixtures("device")
async def test_once_for_each_destination(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row(), row("diag.meethue.com"), row("time1.google.com", protocol="udp", port=123))
    gateway.flows(row(), row("www2.meethue.com"), seq=2)
    gateway.flows(row(), row("ws.meethue.com", port=80), row(protocol="udp"), seq=3)
    gateway.flows(row(), row("ws.meethue.com", port=8883), seq=4)
    await hass.async_block_till_done()
    assert [(e["destination"], e["service"]) for e in told] == [
        ("meethue.com", "https"),
        ("google.com", "ntp"),
        ("meethue.com", "mqtts"),
    ]
    assert len({event["id"] for event in told}) == 3
    assert told[-1]["reasons"] == "new_service,after_learning,only_device"


@pytest.mark.usefixtures("device")
async def test_several_in_one_message_are_each_told(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(*[row(f"new{n}.org") for n in range(12)])
    await hass.async_block_till_done()
    assert len(told) == 12
    assert len({event["burst"] for event in told}) == 1
    assert [event["burst_position"] for event in told] == list(range(1, 13))
    assert told[-1]["burst_summary"] == (
        "Philips-hue talks to 12 destinations for the first time: new0.org, new1.org, new2.org and 9 more."
    )


@pytest.mark.usefixtures("device")
async def test_who_else_talks_to_it(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    for number in range(7):
        mac = f"00:17:88:00:01:{number:02x}"
        gateway.device(mac, hostname=f"lamp-{number}")
        gateway.flows(row(), mac=mac)
    gateway.flows(row())
    await hass.async_block_till_done()
    assert told[-1]["other_device_count"] == 7
    assert told[-1]["other_devices"] == "lamp-0, lamp-1, lamp-2, lamp-3, lamp-4"


@pytest.mark.usefixtures("device")
async def test_a_connectivity_check_is_recognised(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row("baidu.com", connections=2, empty=2), row("b.org", connections=2, empty=1))
    await hass.async_block_till_done()
    assert [event["connectivity_check"] for event in told] == [True, False]


@pytest.mark.usefixtures("device")
async def test_an_attempt_that_is_blocked_is_told(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row(None, address="2001:db8::9", port=8883, sent_packets=0, connections=0, blocked=3))
    await hass.async_block_till_done()
    assert [(e["destination"], e["blocked"]) for e in told] == [("2001:db8::9", 3)]


@pytest.mark.usefixtures("device")
async def test_never_for_what_was_retained(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry, told: list[dict[str, Any]]
) -> None:
    await hass.config_entries.async_unload(spin.entry_id)
    gateway.say(f"device/{HUE}/flows", flows(row()), retain=True)
    await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    assert told == []
    assert len(spin.runtime_data.devices[HUE].destinations) == 0


@pytest.mark.usefixtures("device")
async def test_never_again_after_a_restart(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row())
    await hass.async_block_till_done()
    told.clear()
    await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    gateway.flows(row(), snapshot=True)
    gateway.flows(row(), epoch="next")
    await hass.async_block_till_done()
    assert told == []


@pytest.mark.usefixtures("device")
async def test_what_began_while_home_assistant_was_away_is_told(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry, told: list[dict[str, Any]]
) -> None:
    await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    gateway.flows(row(), snapshot=True)
    await hass.async_block_till_done()
    assert [event["destination"] for event in told] == ["meethue.com"]


@pytest.mark.usefixtures("device")
async def test_an_epoch_that_is_over_is_not_told(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row(), epoch="a")
    gateway.flows(row(), epoch="b")
    told.clear()
    gateway.flows(row("late.org"), epoch="a", seq=2)
    await hass.async_block_till_done()
    assert told == []


@pytest.mark.usefixtures("device")
async def test_what_happens_at_once_with_a_new_device_is_told(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row(), row("b.org"), mac=CAMERA)
    await hass.async_block_till_done()
    assert [event["destination"] for event in told] == ["meethue.com", "b.org"]


@pytest.mark.usefixtures("device")
async def test_a_storm_is_cut_off_and_counted(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]], freezer: Any
) -> None:
    for seq in range(1, 11):
        gateway.flows(*[row(f"d{seq}x{n}.org") for n in range(50)], seq=seq)
    await hass.async_block_till_done()
    assert len(told) == MAX_NEWS + 1
    assert told[-1]["reasons"] == "too_much"
    freezer.tick(3601)
    gateway.flows(row("after.org"), seq=11)
    await hass.async_block_till_done()
    assert told[-2]["event_type"] == "events_suppressed"
    assert told[-2]["count"] == 500 - MAX_NEWS
    assert told[-1]["destination"] == "after.org"


@pytest.mark.parametrize("options", [{}])
@pytest.mark.usefixtures("device")
async def test_nothing_while_learning(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row())
    await hass.async_block_till_done()
    assert told == []
    spin.runtime_data.devices[HUE].learning.over = True
    gateway.flows(row(), row("new.org"), seq=2)
    await hass.async_block_till_done()
    assert [event["destination"] for event in told] == ["new.org"]


@pytest.mark.usefixtures("device")
async def test_the_gateway_goes_and_comes_back(
    hass: HomeAssistant, gateway: Gateway, told: list[dict[str, Any]]
) -> None:
    gateway.flows(row())
    gateway.status("offline")
    await hass.async_block_till_done()
    state = hass.states.get(ACTIVITY)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    gateway.status("online")
    await hass.async_block_till_done()
    assert len(told) == 1


@pytest.mark.usefixtures("device")
async def test_the_gateway_tells_of_all_devices(hass: HomeAssistant, gateway: Gateway) -> None:
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row(), mac=CAMERA)
    await hass.async_block_till_done()
    state, device = hass.states.get(GATEWAY_ACTIVITY), hass.states.get("event.camera_activity")
    assert state is not None
    assert device is not None
    entity = er.async_get(hass).async_get("event.camera_activity")
    assert entity is not None
    expected = dict(device.attributes) | {"device_id": entity.device_id}
    assert dict(state.attributes) == expected | {"friendly_name": "Home gateway Activity"}
    gateway.status("offline")
    await hass.async_block_till_done()
    state = hass.states.get(GATEWAY_ACTIVITY)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE

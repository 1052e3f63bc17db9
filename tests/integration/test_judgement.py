"""What is judged noteworthy, and what follows: through the running integration, message by message."""

from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, START, Broker, Gateway, flows, row
from homeassistant.components import persistent_notification
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Context, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.spin.destinations import ALLOWED, NEW
from custom_components.spin.device import Device
from custom_components.spin.policy import PolicyError

ATTENTION = "binary_sensor.philips_hue_needs_attention"
NOTIFY = "notify"


@pytest.fixture
def reaction() -> str:
    return "notify"


@pytest.fixture
def options(reaction: str) -> dict[str, Any]:
    return {
        "learning": {"learning_days": 0, "relearn_hours": 24},
        "reaction": {"reaction": reaction, "block_hours": 2},
    }


@pytest.fixture
def told(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return the list of all events' attributes, which grows."""
    events: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()

    @callback
    def changed(event: Event[Any]) -> None:
        new = event.data["new_state"]
        if new is None or new.domain != "event" or new.state in {STATE_UNKNOWN, STATE_UNAVAILABLE}:
            return
        if (new.entity_id, new.state) not in seen and not new.entity_id.startswith("event.home_gateway"):
            seen.add((new.entity_id, new.state))
            events.append(dict(new.attributes))

    hass.bus.async_listen(EVENT_STATE_CHANGED, changed)
    return events


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, told: list[Any]) -> Device:
    """Return the bridge, known to talk to its cloud."""
    gateway.device()
    with patch("custom_components.spin.judgement.judgement.Judgement.flows"):
        gateway.flows(row(), seq=1)
        await hass.async_block_till_done()
    told.clear()
    device: Device = spin.runtime_data.devices[HUE]
    device.destinations.accept_all()
    device.changed()
    return device


def kinds(told: list[dict[str, Any]]) -> list[str]:
    return [event["event_type"] for event in told]


def device_id_of(hass: HomeAssistant, spin: MockConfigEntry) -> str:
    device = dr.async_get(hass).async_get_device_by_identifier(("spin", f"home_{HUE}"), spin.entry_id)
    assert device is not None
    return device.id


def notices(hass: HomeAssistant) -> list[dict[str, Any]]:
    return list(persistent_notification._async_get_or_create_notifications(hass).values())  # type: ignore[arg-type]


async def settle(hass: HomeAssistant) -> None:
    await hass.async_block_till_done(wait_background_tasks=True)


# News


async def test_a_new_device_is_told(
    hass: HomeAssistant, gateway: Gateway, spin: Any, told: list[Any]
) -> None:
    gateway.device()
    await settle(hass)
    (event,) = told
    assert event["event_type"] == "device_seen"
    assert event["message"] == "Philips-hue is new in your home."
    assert (event["mac"], event["address"], event["hostname"]) == (HUE, "192.168.8.20", "Philips-hue")
    assert notices(hass) == []


async def test_a_burst_is_one_notice(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(*[row(f"d{n}.org") for n in range(12)], seq=2)
    await settle(hass)
    assert kinds(told) == ["new_destination"] * 12
    (notice,) = notices(hass)
    assert "12 destinations" in notice["message"]
    assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]


async def test_a_notice_goes_with_its_device(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, hue: Device, spin: MockConfigEntry
) -> None:
    gateway.device(CAMERA, hostname="Camera")
    await settle(hass)
    for mac in (HUE, CAMERA):
        gateway.flows(row("a.org"), mac=mac, seq=2)
    await settle(hass)
    assert len(notices(hass)) == 2
    await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    assert len(notices(hass)) == 2
    spin.runtime_data.roster.remove(CAMERA)
    await settle(hass)
    assert [notice["title"] for notice in notices(hass)] == ["Philips-hue"]
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.philips_hue_accept_all_destinations"}, blocking=True
    )
    assert notices(hass) == []


async def test_a_notice_goes_with_its_device_while_nothing_runs(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, hue: Device, spin: MockConfigEntry
) -> None:
    gateway.flows(row("a.org"), seq=2)
    gateway.say(f"device/{HUE}", b"")
    await settle(hass)
    spin.runtime_data.roster.forget(HUE)
    await hass.config_entries.async_unload(spin.entry_id)
    assert len(notices(hass)) == 1
    dr.async_get(hass).async_remove_device(device_id_of(hass, spin))
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    assert notices(hass) == []


async def test_the_notices_go_with_the_gateway(
    hass: HomeAssistant, gateway: Gateway, hue: Device, spin: MockConfigEntry
) -> None:
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    persistent_notification.async_create(hass, "of somebody else", notification_id="other")
    assert len(notices(hass)) == 2
    await hass.config_entries.async_remove(spin.entry_id)
    assert [notice["notification_id"] for notice in notices(hass)] == ["other"]


async def test_later_news_is_another_burst(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any], freezer: Any
) -> None:
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    freezer.tick(61)
    gateway.flows(row("b.org"), seq=3)
    await settle(hass)
    assert [event["burst_position"] for event in told] == [1, 1]
    assert len(notices(hass)) == 2


@pytest.mark.parametrize("reaction", ["observe"])
async def test_observing_makes_no_notice(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    assert kinds(told) == ["new_destination"]
    assert notices(hass) == []


async def test_accepting_ends_the_attention(hass: HomeAssistant, gateway: Gateway, hue: Device) -> None:
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.philips_hue_accept_all_destinations"}, blocking=True
    )
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]
    assert notices(hass) == []
    assert hue.journal.entries()[0][-1].kind == "accepted_all"


async def test_names_are_shown_as_they_are(hass: HomeAssistant, gateway: Gateway, hue: Device) -> None:
    gateway.flows(row("<b>x</b>[y](http://www.evil.org)`*_"), seq=2)
    await settle(hass)
    (notice,) = notices(hass)
    text = notice["message"].split("\n\n")[0]
    assert "<b" not in text.replace("\\<", "")
    assert "](" not in text.replace("\\]", "").replace("\\(", "")
    assert "www." not in text


async def test_words_are_in_the_language_of_the_server(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    await hass.config.async_update(language="nl")
    await settle(hass)
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    assert told[-1]["message"].startswith("Philips-hue praat voor het eerst met a.org.")


async def test_all_reasons_of_news(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row("a.org", name_source="tls"), mac=CAMERA)
    await settle(hass)
    told.clear()
    gateway.flows(
        row("a.org", name_source="tls"),
        row(None, address="192.0.2.77", received_bytes=0, unanswered=2, blocked=1),
        row("b.org", connections=2, empty=2),
        row(None, address="192.0.2.53", protocol="udp", port=53),
        seq=2,
    )
    await settle(hass)
    by_address = {event["address"] + (event.get("name") or ""): event for event in told[::-1]}
    assert by_address["198.51.100.7a.org"]["reasons"] == "tls_name,after_learning,other_devices"
    assert "Other devices of yours talk to it too: camera." in by_address["198.51.100.7a.org"]["message"]
    assert by_address["192.0.2.77"]["reasons"] == "no_name,unanswered,refused,after_learning,only_device"
    assert by_address["198.51.100.7b.org"]["reasons"] == "connectivity_check,after_learning,only_device"
    assert by_address["192.0.2.53"]["reasons"] == "dns_bypass,no_name,after_learning,only_device"
    assert kinds(told)[-1] == "dns_bypass"


async def test_replays_and_reorders_tell_nothing(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(row("a.org"), seq=3)
    await settle(hass)
    assert len(told) == 1
    for seq in (3, 2, 1, 3):
        gateway.flows(row("a.org"), row(), seq=seq)
    await settle(hass)
    assert len(told) == 1


# Outages


async def outage(hass: HomeAssistant, gateway: Gateway, *names: str, seq: int, unanswered: int) -> None:
    gateway.flows(*[row(name, unanswered=unanswered, connections=9) for name in names], seq=seq)
    await settle(hass)


async def test_an_outage_is_told_once_with_its_end(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    await outage(hass, gateway, "ws.meethue.com", seq=5, unanswered=1)
    assert told == []
    await outage(hass, gateway, "ws.meethue.com", seq=6, unanswered=2)
    await outage(hass, gateway, "ws.meethue.com", seq=7, unanswered=3)
    assert kinds(told) == ["connection_failed"]
    assert told[0]["name"] == "ws.meethue.com"
    assert told[0]["attempts"] == 2
    assert [host for host, _, _ in hue.judged.outages.out] == ["ws.meethue.com"]
    gateway.flows(row(unanswered=3, received_bytes=9999), seq=8)
    await settle(hass)
    assert kinds(told) == ["connection_failed", "connection_restored"]
    assert hue.judged.outages.out == {}
    entries = [entry for entry in hue.journal.entries()[0] if entry.kind.startswith("connection_")]
    assert [(entry.kind, entry.data["host"], entry.count) for entry in entries] == [
        ("connection_failed", "ws.meethue.com", 3),
        ("connection_restored", "ws.meethue.com", 3),
    ]
    assert notices(hass) == []


async def test_an_outage_is_not_told_again_after_a_restart(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    hue: Device,
    spin: MockConfigEntry,
    told: list[Any],
) -> None:
    await outage(hass, gateway, "ws.meethue.com", seq=6, unanswered=2)
    assert kinds(told) == ["connection_failed"]
    await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    told.clear()
    await outage(hass, gateway, "ws.meethue.com", seq=8, unanswered=5)
    assert told == []


async def test_what_answers_another_way_is_not_out(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    """IPv6 does not answer, IPv4 does: the device is content."""
    for seq in range(2, 8):
        gateway.flows(
            row(address="2001:db8::7", received_bytes=0, unanswered=seq, first=START + 5),
            row(received_bytes=2210 * seq),
            seq=seq,
        )
    await settle(hass)
    assert told == []


async def test_what_is_blocked_is_not_out(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    switch = {"entity_id": "switch.philips_hue_block"}
    await hass.services.async_call("switch", "turn_on", switch, blocking=True)
    await outage(hass, gateway, "ws.meethue.com", seq=6, unanswered=5)
    gateway.flows(row(unanswered=5, connections=9, blocked=4), seq=7)
    gateway.flows(row(unanswered=5, connections=9, blocked=9), seq=8)
    await settle(hass)
    assert kinds(told) == ["blocked_attempt"]
    (entry,) = [entry for entry in hue.journal.entries()[0] if entry.kind == "blocked_attempt"]
    assert entry.count == 9
    await hass.services.async_call("switch", "turn_off", switch, blocking=True)
    await hass.services.async_call("switch", "turn_on", switch, blocking=True)
    gateway.flows(row(unanswered=5, connections=9, blocked=10), seq=9)
    await settle(hass)
    assert kinds(told) == ["blocked_attempt"] * 2


async def test_a_block_ends_an_outage_in_silence(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    await outage(hass, gateway, "ws.meethue.com", seq=6, unanswered=2)
    await hass.services.async_call(
        "switch", "turn_on", {"entity_id": "switch.philips_hue_block"}, blocking=True
    )
    assert hue.judged.outages.out == {}
    assert kinds(told) == ["connection_failed"]


async def test_when_others_fail_too_that_is_said(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row(), mac=CAMERA)
    await outage(hass, gateway, "ws.meethue.com", seq=6, unanswered=2)
    gateway.flows(row(unanswered=2, connections=9), mac=CAMERA, seq=6)
    await settle(hass)
    assert told[-1]["reasons"] == "unanswered,others_fail"
    assert told[-1]["other_devices_failing"] == 1


async def test_what_never_worked_is_in_the_journal_only(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(row("a.org", received_bytes=0, unanswered=2), seq=6)
    await settle(hass)
    assert kinds(told) == ["new_destination"]
    assert hue.journal.entries()[0][-1].kind == "connection_failed"


# Attacks


def knocks(hosts: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        row(None, address=f"192.0.2.{n}", port=23, received_bytes=0, unanswered=1, **fields)
        for n in range(hosts)
    ]


async def test_a_scan_is_told_once(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(*knocks(12), seq=2)
    gateway.flows(*knocks(24), seq=3)
    gateway.flows(*knocks(48), seq=4)
    await settle(hass)
    (scan,) = [event for event in told if event["event_type"] == "scan_suspected"]
    assert scan["hosts"] == 24
    assert scan["reasons"] == "scan_hosts"
    assert "Within a minute it tried 24 addresses" in scan["message"]
    assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]
    assert any(entry.kind == "scan_suspected" for entry in hue.journal.entries()[0])


async def test_ports_of_one_host(hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]) -> None:
    gateway.flows(
        *[
            row(None, address="192.0.2.9", port=port, received_bytes=0, unanswered=1)
            for port in range(2000, 2060)
        ],
        seq=2,
    )
    await settle(hass)
    (scan,) = [event for event in told if event["event_type"] == "scan_suspected"]
    assert (scan["hosts"], scan["ports"], scan["reasons"]) == (1, 60, "scan_ports")


async def test_a_device_whose_cloud_is_down_scans_nothing(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    """Eleven addresses a minute, as a WeMo does; and thirty that worked before."""
    names = [f"n{n}.meethue.com" for n in range(30)]
    gateway.flows(*[row(name, address=f"198.51.100.{n}") for n, name in enumerate(names)], seq=2)
    await settle(hass)
    told.clear()
    message = flows(
        *[row(name, address=f"198.51.100.{n}", unanswered=1) for n, name in enumerate(names)],
        *knocks(11),
        seq=5,
    )
    message["fanout"] = {"hosts": 41, "ports": 1}
    gateway.say(f"device/{HUE}/flows", message, retain=False)
    await settle(hass)
    assert "scan_suspected" not in kinds(told)


async def test_a_flood(hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]) -> None:
    for seq in range(2, 8):
        gateway.flows(
            row(None, address="192.0.2.9", port=80, protocol="udp", sent_bytes=seq * 5_000_000),
            seq=seq,
            sent_packets=seq * 10_000,
        )
    await settle(hass)
    (flood,) = [event for event in told if event["event_type"] == "flood_suspected"]
    assert flood["packets_per_second"] == 2000
    assert flood["host"] == "192.0.2.9"
    assert flood["reasons"] == "flood,flood_target"


async def test_an_upload_is_no_flood(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    for seq in range(2, 8):
        gateway.flows(row(), seq=seq, sent_packets=seq * 10_000, received_packets=seq * 2000)
    await settle(hass)
    assert told == []


# Firmware


@pytest.fixture
async def linked(hass: HomeAssistant, hue: Device) -> dr.DeviceEntry:
    """Return the same device as another integration knows it."""
    other = MockConfigEntry(domain="hue")
    other.add_to_hass(hass)
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id,
        connections={(dr.CONNECTION_NETWORK_MAC, HUE)},
        identifiers={("hue", "1")},
        name="Philips-hue",
        sw_version="1.66",
    )


async def test_news_after_an_update_is_explained(
    hass: HomeAssistant,
    gateway: Gateway,
    hue: Device,
    linked: dr.DeviceEntry,
    spin: MockConfigEntry,
    told: list[Any],
) -> None:
    # Those 0 days of the options would end what is learned anew at once.
    spin.runtime_data.roster._options = spin.runtime_data.roster._options.__class__.read({})
    hue.learning.over = True
    dr.async_get(hass).async_update_device(linked.id, sw_version="1.67")
    await settle(hass)
    assert hue.learning.state == "learning"
    gateway.flows(*[row(f"d{n}.org") for n in range(12)], seq=2)
    await settle(hass)
    assert kinds(told) == ["behaviour_changed"] * 12
    assert (told[0]["firmware_from"], told[0]["firmware_to"]) == ("1.66", "1.67")
    assert told[0]["reasons"] == "firmware_changed,while_learning,only_device"
    assert len(notices(hass)) == 1
    changes = [entry.kind for entry in hue.journal.entries()[0]]
    assert "firmware_changed" in changes
    # Learning that the user wants is as quiet as ever.
    spin.runtime_data.roster.restart_learning(hue)
    gateway.flows(row("quiet.org"), seq=3)
    await settle(hass)
    assert len(told) == 12
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"learning": {"learning_days": 0, "relearn_hours": 0}}])
async def test_without_learning_anew_news_is_news(
    hass: HomeAssistant, gateway: Gateway, hue: Device, linked: dr.DeviceEntry, told: list[Any]
) -> None:
    dr.async_get(hass).async_update_device(linked.id, sw_version="1.67")
    gateway.flows(row("a.org"), row("b.org"), seq=2)
    await settle(hass)
    assert kinds(told) == ["new_destination", "behaviour_changed", "new_destination"]
    assert told[0]["reasons"] == "firmware_changed,after_learning,only_device"


async def test_an_update_that_is_noticed_late(
    hass: HomeAssistant, gateway: Gateway, hue: Device, linked: dr.DeviceEntry, told: list[Any]
) -> None:
    gateway.flows(row("a.org"), seq=2)
    await settle(hass)
    dr.async_get(hass).async_update_device(linked.id, sw_version="1.67")
    await settle(hass)
    assert kinds(told) == ["new_destination", "behaviour_changed"]
    assert told[-1]["message"].startswith("Philips-hue behaves differently, and it was just updated.")


async def test_an_update_entity_tells_too(
    hass: HomeAssistant, gateway: Gateway, hue: Device, linked: dr.DeviceEntry, spin: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    entity = registry.async_get_or_create(
        "update", "hue", "fw", device_id=linked.id, config_entry=hass.config_entries.async_entries("hue")[0]
    )
    for version in (None, "1", "1", None, "2"):
        hass.states.async_set(entity.entity_id, "off", {"installed_version": version})
        await settle(hass)
    firmware = hue.judged.firmware
    assert firmware is not None
    assert (firmware.former, firmware.version) == ("1", "2")
    # The registry says the same a moment later: that is the same update.
    dr.async_get(hass).async_update_device(linked.id, sw_version="2")
    await settle(hass)
    assert hue.judged.firmware is firmware
    hass.states.async_set("update.unknown", "off", {"installed_version": "9"})
    hass.states.async_remove(entity.entity_id)
    dr.async_get(hass).async_remove_device(linked.id)
    await settle(hass)


async def test_an_update_during_a_restart(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    hue: Device,
    linked: dr.DeviceEntry,
    spin: MockConfigEntry,
) -> None:
    await hass.config_entries.async_unload(spin.entry_id)
    registry = er.async_get(hass)
    dr.async_get(hass).async_update_device(linked.id, sw_version="1.67")
    entity = registry.async_get_or_create(
        "update", "hue", "fw", device_id=linked.id, config_entry=hass.config_entries.async_entries("hue")[0]
    )
    hass.states.async_set(entity.entity_id, "off", {"installed_version": "1.67"})
    await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    firmware = spin.runtime_data.devices[HUE].judged.firmware
    assert firmware is not None
    assert firmware.version == "1.67"


# Reactions


def rules(gateway: Gateway, mac: str = HUE) -> list[tuple[str, str]]:
    return [
        (rule["action"], rule.get("name") or rule["address"])
        for rule in gateway.policy["devices"].get(mac, {}).get("destinations", [])
    ]


def is_blocked(gateway: Gateway, mac: str = HUE) -> bool:
    return bool(gateway.policy["devices"].get(mac, {}).get("blocked"))


@pytest.mark.parametrize("reaction", ["block_destination", "block_both"])
async def test_what_is_new_is_blocked_and_undone_by_one_action(
    hass: HomeAssistant, gateway: Gateway, hue: Device, spin: MockConfigEntry, told: list[Any]
) -> None:
    gateway.flows(row("ads.tracker.org", address="203.0.113.9"), seq=2)
    await settle(hass)
    assert rules(gateway) == [("block", "tracker.org")]
    until = gateway.policy["devices"][HUE]["destinations"][0]["until"]
    assert until == pytest.approx(spin.runtime_data.gateway_time() + 7200, abs=30)
    (event,) = told
    assert event["action"] == "blocked_destination"
    assert event["reasons"] == "blocked_destination,block_ends,after_learning,only_device"
    assert "The block ends by itself after 2 hours." in event["message"]
    ruling = spin.runtime_data.rulings.of(HUE, "tracker.org")
    assert (ruling.by, ruling.reason) == ("automatic", "new_destination")
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]
    await hass.services.async_call(
        "spin", "undo_automatic_blocks", {"entity_id": "switch.philips_hue_block"}, blocking=True
    )
    await settle(hass)
    assert rules(gateway) == []
    assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]


@pytest.mark.parametrize("reaction", ["block_destination"])
async def test_what_has_no_proper_name_is_blocked_by_address(
    hass: HomeAssistant, gateway: Gateway, hue: Device
) -> None:
    gateway.flows(row("<b>", address="203.0.113.9"), row(None, address="203.0.113.10"), seq=2)
    await settle(hass)
    assert rules(gateway) == [("block", "203.0.113.9"), ("block", "203.0.113.10")]


@pytest.mark.parametrize("reaction", ["block_destination"])
async def test_what_is_known_is_spared(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(row("ws.meethue.com", port=8883), row("cdn.org"), seq=2)
    await settle(hass)
    assert rules(gateway) == []
    assert told[0]["reasons"].split(",")[0] == "not_blocked_known"
    assert told[1]["reasons"].split(",")[0] == "not_blocked_shared"
    assert "because ws.meethue.com is on the same address" in told[1]["message"]


@pytest.mark.parametrize("reaction", ["block_destination"])
async def test_a_storm_cannot_fill_the_policy(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    for seq in range(2, 6):
        gateway.flows(*[row(f"d{seq}x{n}.org", address="203.0.113.9") for n in range(50)], seq=seq)
        await settle(hass)
    assert 0 < len(rules(gateway)) <= 150
    assert kinds(told).count("new_destination") == 60


@pytest.mark.parametrize("reaction", ["block_device", "block_both"])
async def test_a_scanner_is_blocked(
    hass: HomeAssistant, gateway: Gateway, hue: Device, spin: MockConfigEntry, told: list[Any]
) -> None:
    gateway.flows(*knocks(24), seq=2)
    await settle(hass)
    assert is_blocked(gateway)
    event = next(event for event in told if event["event_type"] == "scan_suspected")
    assert event["action"] == "blocked_device"
    assert spin.runtime_data.rulings.of(HUE, None).by == "automatic"
    assert hass.states.get("switch.philips_hue_block").state == "on"  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"reaction": {"reaction": "block_both"}}])
async def test_never_while_learning(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.flows(*knocks(24), row("a.org"), seq=2)
    await settle(hass)
    assert not is_blocked(gateway)
    assert rules(gateway) == []
    (event,) = told
    assert event["reasons"] == "not_blocked_learning,scan_hosts"


@pytest.mark.parametrize("reaction", ["block_device"])
async def test_home_assistant_is_never_blocked(
    hass: HomeAssistant, gateway: Gateway, hue: Device, spin: MockConfigEntry, told: list[Any]
) -> None:
    spin.runtime_data.decisions._protected._own = frozenset({"192.168.8.20"})
    gateway.flows(*knocks(24), seq=2)
    await settle(hass)
    assert not is_blocked(gateway)
    event = next(event for event in told if event["event_type"] == "scan_suspected")
    assert event["action"] == "none"
    assert event["reasons"].startswith("block_failed")


@pytest.mark.parametrize("reaction", ["block_device"])
async def test_a_block_that_is_refused_is_said(
    hass: HomeAssistant, gateway: Gateway, hue: Device, told: list[Any]
) -> None:
    gateway.refuses = HUE
    gateway.flows(*knocks(24), seq=2)
    await settle(hass)
    event = next(event for event in told if event["event_type"] == "scan_suspected")
    assert event["action"] == "none"
    assert "The gateway refused the change: not a host name" in event["message"]


async def test_the_reaction_is_chosen_per_device(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, hue: Device, spin: MockConfigEntry
) -> None:
    select = "select.philips_hue_reaction"
    assert hass.states.get(select).state == "default"  # type: ignore[union-attr]
    await hass.services.async_call(
        "select", "select_option", {"entity_id": select, "option": "block_destination"}, blocking=True
    )
    assert hass.states.get(select).state == "block_destination"  # type: ignore[union-attr]
    await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    assert hass.states.get(select).state == "block_destination"  # type: ignore[union-attr]
    gateway.flows(row("a.org", address="203.0.113.9"), seq=2)
    await settle(hass)
    assert rules(gateway) == [("block", "a.org")]


@pytest.mark.parametrize("reaction", ["block_destination"])
async def test_a_device_goes_back_to_the_reaction_for_all(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, hue: Device, spin: MockConfigEntry
) -> None:
    select = "select.philips_hue_reaction"
    for option in ("observe", "default"):
        await hass.services.async_call(
            "select", "select_option", {"entity_id": select, "option": option}, blocking=True
        )
        await hass.config_entries.async_reload(spin.entry_id)
        await broker.settled()
        assert hass.states.get(select).state == option  # type: ignore[union-attr]
        gateway.flows(row(f"{option}.org", address=f"203.0.113.{len(option)}"), seq=2)
        await settle(hass)
    assert rules(gateway) == [("block", "default.org")]


# New devices


@pytest.mark.parametrize("options", [{"learning": {"new_devices": "notify"}}])
async def test_new_devices_are_judged_at_once(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, told: list[Any]
) -> None:
    gateway.device()
    gateway.flows(row())
    await settle(hass)
    assert kinds(told) == ["device_seen", "new_destination"]


@pytest.mark.parametrize("options", [{"learning": {"new_devices": "block"}}])
async def test_new_devices_are_blocked_until_accepted(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, told: list[Any]
) -> None:
    gateway.device()
    await settle(hass)
    assert is_blocked(gateway)
    assert told[0]["action"] == "blocked_device"
    assert len(notices(hass)) == 1
    assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.philips_hue_accept_all_destinations"}, blocking=True
    )
    await settle(hass)
    assert not is_blocked(gateway)
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"learning": {"new_devices": "block"}}])
async def test_the_switch_accepts_as_well(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    await settle(hass)
    await hass.services.async_call(
        "switch", "turn_off", {"entity_id": "switch.philips_hue_block"}, blocking=True
    )
    await settle(hass)
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"learning": {"new_devices": "block"}}])
async def test_accepted_but_the_gateway_refuses(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_admin_user: MockUser
) -> None:
    gateway.device()
    gateway.flows(row())
    await settle(hass)
    (device,) = spin.runtime_data.devices.values()
    (known,) = device.destinations
    known.verdict = NEW

    async def accept(domain: str, action: str, entity_id: str) -> None:
        await hass.services.async_call(
            domain,
            action,
            {"entity_id": entity_id},
            blocking=True,
            context=Context(user_id=hass_admin_user.id),
        )

    ways = (
        ("button", "press", "button.philips_hue_accept_all_destinations"),
        ("spin", "accept_all", "switch.philips_hue_block"),
        ("spin", "accept_all", "binary_sensor.home_gateway_connectivity"),
    )
    gateway.refuses = "revision"
    for way in ways:
        with pytest.raises(PolicyError, match="refuse"):
            await accept(*way)
        await settle(hass)
        assert is_blocked(gateway)
        assert hass.states.get(ATTENTION).state == "on"  # type: ignore[union-attr]
        assert known.verdict == NEW
        assert device.judged.awaits_acceptance
        assert len(notices(hass)) == 1
    gateway.refuses = None
    await accept(*ways[1])
    assert not is_blocked(gateway)
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]
    assert known.verdict == ALLOWED
    assert notices(hass) == []
    told = {entry.kind: entry.data for entry in device.journal.entries()[0]}
    assert told["device_unblocked"]["user"] == told["accepted_all"]["user"] == hass_admin_user.name


@pytest.mark.parametrize("options", [{"learning": {"new_devices": "block"}}])
async def test_accepted_where_nothing_can_be_blocked(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.info(capabilities=["names"])
    gateway.device()
    await settle(hass)
    (device,) = spin.runtime_data.devices.values()
    assert device.judged.awaits_acceptance
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.philips_hue_accept_all_destinations"}, blocking=True
    )
    assert not device.judged.awaits_acceptance


# Experiments and listeners


async def test_an_experiment_is_no_news(
    hass: HomeAssistant,
    gateway: Gateway,
    hue: Device,
    spin: MockConfigEntry,
    told: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spin.runtime_data.study, "experiment_of", lambda _mac: object())
    gateway.flows(row("a.org"), seq=2)
    gateway.flows(row("a.org"), row(unanswered=3, connections=9), seq=6)
    await settle(hass)
    assert told == []
    assert hass.states.get(ATTENTION).state == "off"  # type: ignore[union-attr]
    assert [entry.kind for entry in hue.journal.entries()[0]][-2:] == ["new_destination", "connection_failed"]

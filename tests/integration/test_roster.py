"""Which devices are shown, what they are called, and when they are removed."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from gateway_double import CAMERA, HUE, Broker, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.spin.const import DOMAIN

RANDOM = "da:a1:19:00:00:01"
DAY = 86400


def find(hass: HomeAssistant, mac: str = HUE) -> dr.DeviceEntry | None:
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{mac}"), entry.entry_id)


def vendor_device(hass: HomeAssistant, mac: str = HUE, **fields: Any) -> dr.DeviceEntry:
    """Register a device of another integration."""
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id,
        identifiers={("other", other.entry_id)},
        connections={(dr.CONNECTION_NETWORK_MAC, mac)},
        **fields,
    )


@pytest.mark.parametrize(
    ("hostname", "packets", "shown"), [(None, 0, False), (None, 4, False), (None, 5, True), ("lamp", 0, True)]
)
async def test_real_traffic_or_a_name(
    hass: HomeAssistant,
    gateway: Gateway,
    spin: MockConfigEntry,
    hostname: str | None,
    packets: int,
    shown: bool,
) -> None:
    gateway.device(hostname=hostname, sent_packets=packets)
    await hass.async_block_till_done()
    assert (find(hass) is not None) is shown


async def test_traffic_shows_a_device_once_it_is_known_who_it_is(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry
) -> None:
    gateway.flows(row(), sent_packets=100)
    assert find(hass) is None
    gateway.device(hostname=None, sent_packets=1)
    assert find(hass) is None
    gateway.flows(row(), seq=2, sent_packets=101)
    await hass.async_block_till_done()
    assert find(hass) is not None
    async_fire_time_changed(hass, fire_all=True)
    await hass.async_block_till_done()
    assert len(broker.sent("spin/home/command")) == 2


async def test_name_by_host_name(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    device = find(hass)
    assert device is not None
    assert (device.name, device.manufacturer) == ("Philips-hue", "Philips Lighting BV")
    assert device.connections == {(dr.CONNECTION_NETWORK_MAC, HUE)}
    gateway_device = dr.async_get(hass).async_get(device.via_device_id)
    assert gateway_device.identifiers == {(DOMAIN, "home")}
    gateway.device(hostname="hue-bridge")
    assert find(hass).name == "hue-bridge"


async def test_name_by_vendor(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device(hostname=None, sent_packets=10)
    assert find(hass).name == "Philips Lighting BV 00:00:01"


@pytest.mark.parametrize("options", [{"devices": {"random_macs": "enabled"}}])
async def test_name_without_anything(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, options: dict[str, Any]
) -> None:
    gateway.device(RANDOM, hostname=None, sent_packets=10)
    device = find(hass, RANDOM)
    assert device is not None
    assert (device.name, device.manufacturer) == ("Device 00:00:01", None)


async def test_name_by_a_linked_device(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    vendor_device(hass, name="Tracker")
    vendor = vendor_device(hass, name="Hue bridge", manufacturer="Signify", model="BSB002", sw_version="1.2")
    gateway.device()
    device = find(hass)
    assert device is not None
    assert (device.name, device.manufacturer, device.model, device.sw_version) == (
        "Hue bridge",
        "Signify",
        "BSB002",
        "1.2",
    )
    registry = dr.async_get(hass)
    registry.async_update_device(vendor.id, name_by_user="Bridge in the hall", sw_version="1.3")
    await hass.async_block_till_done()
    device = find(hass)
    assert device is not None
    assert (device.name, device.sw_version) == ("Bridge in the hall", "1.3")


async def test_a_linked_device_that_comes_later_or_goes(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    vendor = vendor_device(hass, name="Hue bridge")
    vendor_device(hass, mac="00:17:88:99:99:99", name="Something else")
    await hass.async_block_till_done()
    assert find(hass).name == "Hue bridge"
    dr.async_get(hass).async_remove_device(vendor.id)
    await hass.async_block_till_done()
    gateway.device()
    assert find(hass).name == "Philips-hue"


async def test_the_users_name_stands(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    dr.async_get(hass).async_update_device(find(hass).id, name_by_user="Lamps")
    gateway.device(hostname="other")
    assert find(hass).name_by_user == "Lamps"
    assert spin.runtime_data.registry.name(HUE) == "Lamps"
    assert spin.runtime_data.registry.name(CAMERA) == CAMERA
    assert spin.runtime_data.registry.device_id(CAMERA) == CAMERA


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, dr.DeviceEntryDisabler.INTEGRATION),
        ({"devices": {"random_macs": "enabled"}}, None),
    ],
)
async def test_random_macs(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, expected: dr.DeviceEntryDisabler | None
) -> None:
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    device = find(hass, RANDOM)
    assert device is not None
    assert device.disabled_by is expected
    entities = er.async_entries_for_device(er.async_get(hass), device.id, include_disabled_entities=True)
    assert all((entity.disabled_by is er.RegistryEntryDisabler.DEVICE) is bool(expected)
               for entity in entities if entity.unique_id.endswith(("_sent", "_block")))  # fmt: skip
    assert entities


async def test_what_the_user_disabled_stays_disabled(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    dr.async_get(hass).async_update_device(find(hass).id, disabled_by=dr.DeviceEntryDisabler.USER)
    gateway.device(hostname="other")
    assert find(hass).disabled_by is dr.DeviceEntryDisabler.USER


async def set_option(hass: HomeAssistant, broker: Broker, entry: MockConfigEntry, choice: str) -> None:
    hass.config_entries.async_update_entry(entry, options={"devices": {"random_macs": choice}})
    await hass.config_entries.async_reload(entry.entry_id)
    await broker.settled()


async def test_random_macs_after_a_change_of_mind(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry
) -> None:
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    await set_option(hass, broker, spin, "enabled")
    assert find(hass, RANDOM).disabled_by is None
    await set_option(hass, broker, spin, "ignore")
    assert find(hass, RANDOM) is None
    gateway.device(RANDOM, hostname="phone")
    assert find(hass, RANDOM) is None


def is_shown(hass: HomeAssistant, mac: str = RANDOM) -> bool:
    """Return whether a device and its switch are enabled; they must agree."""
    device = find(hass, mac)
    assert device is not None
    assert device.disabled_by in (None, dr.DeviceEntryDisabler.INTEGRATION)
    (switch,) = [
        entity
        for entity in er.async_entries_for_device(
            er.async_get(hass), device.id, include_disabled_entities=True
        )
        if entity.unique_id.endswith("_block")
    ]
    shown = hass.states.get(switch.entity_id) is not None
    assert (switch.disabled_by is None) is (device.disabled_by is None) is shown
    return shown


async def test_a_device_that_was_ignored_comes_back_as_the_options_say(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry
) -> None:
    async def set_to(choice: str) -> None:
        await set_option(hass, broker, spin, choice)
        gateway.device(RANDOM, hostname="phone")
        await hass.async_block_till_done()

    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    assert not is_shown(hass)
    await set_to("ignore")
    await set_to("enabled")
    assert is_shown(hass)
    await set_to("ignore")
    await set_to("disabled")
    assert not is_shown(hass)
    await set_to("ignore")
    await set_to("enabled")
    assert is_shown(hass)


async def test_what_the_user_disabled_comes_back_disabled(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry
) -> None:
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    dr.async_get(hass).async_update_device(find(hass, RANDOM).id, disabled_by=dr.DeviceEntryDisabler.USER)
    for choice in ("ignore", "enabled"):
        await set_option(hass, broker, spin, choice)
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    assert find(hass, RANDOM).disabled_by is dr.DeviceEntryDisabler.USER


@pytest.mark.parametrize("options", [{"devices": {"random_macs": "enabled"}}])
async def test_a_gateway_that_is_added_again_takes_its_devices_as_the_options_say(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, spin: MockConfigEntry
) -> None:
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    assert is_shown(hass)
    await hass.config_entries.async_remove(spin.entry_id)
    again = MockConfigEntry(domain=DOMAIN, unique_id="home", data=dict(spin.data))
    again.add_to_hass(hass)
    assert await hass.config_entries.async_setup(again.entry_id)
    await broker.settled()
    gateway.device(RANDOM, hostname="phone")
    await hass.async_block_till_done()
    assert not is_shown(hass)
    await hass.config_entries.async_unload(again.entry_id)


async def test_a_random_mac_that_another_integration_knows_is_a_device_like_any_other(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    vendor_device(hass, RANDOM, name="My phone")
    gateway.device(RANDOM, hostname="phone")
    assert find(hass, RANDOM).disabled_by is None


@pytest.mark.parametrize("options", [{"devices": {"max_devices": 3}}])
async def test_passers_by_take_no_room(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, options: dict[str, Any]
) -> None:
    for number in range(10):
        gateway.device(f"da:a1:19:00:00:{number:02x}", hostname="phone")
    for number in range(10):
        gateway.device(f"00:17:88:00:00:{number:02x}", hostname="lamp")
    await hass.async_block_till_done()
    assert len(spin.runtime_data.devices) == 6


@pytest.mark.parametrize("options", [{"devices": {"max_devices": 3, "random_macs": "enabled"}}])
async def test_passers_by_take_room_if_the_user_wants_them(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, options: dict[str, Any]
) -> None:
    for number in range(10):
        gateway.device(f"da:a1:19:00:00:{number:02x}", hostname="phone")
    gateway.device()
    await hass.async_block_till_done()
    assert len(spin.runtime_data.devices) == 3


async def hear(hass: HomeAssistant, freezer: FrozenDateTimeFactory, days: float) -> None:
    """Let days pass in which the gateway is heard, in steps of the coordinator's clock."""
    with patch("custom_components.spin.roster.TICK", timedelta(days=days)):
        freezer.tick(timedelta(days=days))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()


@pytest.mark.parametrize("options", [{"devices": {"remove_after_days": 30}}])
async def test_absence(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row())
    gateway.flows(row(), mac=CAMERA)
    await hear(hass, freezer, 20)
    gateway.flows(row(), mac=CAMERA, seq=2)
    await hear(hass, freezer, 11)
    assert find(hass) is None
    assert find(hass, CAMERA) is not None
    assert hass.states.get("switch.philips_hue_block") is None
    gateway.device()
    await hass.async_block_till_done()
    assert hass.states.get("switch.philips_hue_block") is not None


@pytest.mark.parametrize("options", [{"devices": {"remove_after_days": 30}}])
async def test_a_blocked_device_is_not_removed(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    gateway.policy = {"revision": 1, "devices": {HUE: {"blocked": True}}, "everyone": []}
    gateway.policy_state()
    await hear(hass, freezer, 40)
    assert find(hass) is not None


@pytest.mark.parametrize("options", [{"devices": {"remove_after_days": 0}}])
async def test_never_removed(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    await hear(hass, freezer, 400)
    assert find(hass) is not None


@pytest.mark.parametrize("options", [{"devices": {"remove_after_days": 30}}])
async def test_time_without_gateway_is_no_absence(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    spin: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    gateway.device()
    gateway.status("offline")
    await hear(hass, freezer, 400)
    assert find(hass) is not None
    gateway.status("online")
    freezer.tick(60)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert find(hass) is not None


async def test_the_learning_period_is_over_after_its_days(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    gateway.device()
    device = spin.runtime_data.devices[HUE]
    over = spin.runtime_data.roster.learning_is_over
    await hear(hass, freezer, 6.9)
    assert not over(device.learning)
    await hear(hass, freezer, 0.2)
    assert over(device.learning)


async def test_all_destinations_together_are_bounded(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    with patch("custom_components.spin.roster.MAX_DESTINATIONS", 100):
        gateway.device()
        gateway.device(CAMERA)
        gateway.flows(*[row(f"c{n}.org") for n in range(20)], mac=CAMERA)
        for seq in range(1, 6):
            gateway.flows(*[row(f"d{seq}x{n}.org") for n in range(50)], seq=seq)
    devices = spin.runtime_data.devices
    assert len(devices[CAMERA].destinations) == 20
    assert len(devices[HUE].destinations) + 20 <= 100

"""The switch that blocks a device."""

import asyncio
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway
from homeassistant.components.switch import DOMAIN as SWITCH
from homeassistant.const import (
    ATTR_ENTITY_ID,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    Platform,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

from custom_components.spin.const import DEVICES_PACE

BLOCK = "switch.philips_hue_block"


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
async def device(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device()
    await hass.async_block_till_done()


async def turn(hass: HomeAssistant, service: str, *entity_ids: str) -> None:
    target = {ATTR_ENTITY_ID: list(entity_ids or (BLOCK,))}
    await hass.services.async_call(SWITCH, service, target, blocking=True)


def state(hass: HomeAssistant, entity_id: str = BLOCK) -> str:
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


async def test_snapshot(
    hass: HomeAssistant,
    gateway: Gateway,
    entry: MockConfigEntry,
    broker: Broker,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    with patch("custom_components.spin.PLATFORMS", [Platform.SWITCH]):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await broker.settled()
        gateway.device()
        await hass.async_block_till_done()
        await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.usefixtures("device")
async def test_on_and_off(hass: HomeAssistant, gateway: Gateway, broker: Broker) -> None:
    assert state(hass) == STATE_OFF
    await turn(hass, SERVICE_TURN_ON)
    assert state(hass) == STATE_ON
    assert gateway.policy["devices"][HUE]["blocked"] is True
    topic, _, retained = broker.published[-1]
    assert (topic, retained) == ("spin/home/policy", True)
    await turn(hass, SERVICE_TURN_OFF)
    assert state(hass) == STATE_OFF
    assert gateway.policy["devices"] == {}


@pytest.mark.usefixtures("device")
async def test_it_shows_what_others_have_the_gateway_enforce(hass: HomeAssistant, gateway: Gateway) -> None:
    gateway.policy = {"revision": 7, "devices": {HUE: {"blocked": True}}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    assert state(hass) == STATE_ON
    gateway.enforces = False
    gateway.policy_state()
    await hass.async_block_till_done()
    assert state(hass) == STATE_OFF


@pytest.mark.usefixtures("device")
async def test_without_confirmation_it_shows_the_old_state(
    hass: HomeAssistant, gateway: Gateway, broker: Broker
) -> None:
    gateway.answers = False
    with pytest.raises(HomeAssistantError) as caught:
        await turn(hass, SERVICE_TURN_ON)
    assert caught.value.translation_key == "not_confirmed"
    assert state(hass) == STATE_OFF
    wanted, restored = broker.sent("spin/home/policy")
    assert wanted["devices"][HUE]["blocked"]
    assert restored == {"revision": wanted["revision"] + 1, "devices": {}, "everyone": []}


@pytest.mark.usefixtures("device")
async def test_a_refused_block_is_an_error(hass: HomeAssistant, gateway: Gateway) -> None:
    gateway.refuses = HUE
    with pytest.raises(HomeAssistantError, match="not a host name"):
        await turn(hass, SERVICE_TURN_ON)
    assert state(hass) == STATE_OFF


@pytest.mark.usefixtures("device")
async def test_many_at_once_become_one_policy(hass: HomeAssistant, gateway: Gateway, broker: Broker) -> None:
    macs = [f"00:17:88:00:01:{n:02x}" for n in range(20)]
    for mac in macs:
        gateway.device(mac, hostname=f"lamp-{mac[-2:]}")
    await hass.async_block_till_done()
    for _ in macs:
        async_fire_time_changed(hass, dt_util.utcnow() + DEVICES_PACE)
        await hass.async_block_till_done()
    lamps = [f"switch.lamp_{mac[-2:]}_block" for mac in macs]
    await turn(hass, SERVICE_TURN_ON, *lamps)
    assert {state(hass, lamp) for lamp in lamps} == {STATE_ON}
    assert len(broker.sent("spin/home/policy")) == 1
    assert set(gateway.policy["devices"]) == set(macs)


@pytest.mark.usefixtures("device")
async def test_toggles_in_quick_succession_all_arrive(hass: HomeAssistant, gateway: Gateway) -> None:
    await asyncio.gather(*(turn(hass, service) for service in (SERVICE_TURN_ON, SERVICE_TURN_OFF) * 5))
    assert state(hass) == STATE_OFF
    await asyncio.gather(*(turn(hass, service) for service in (SERVICE_TURN_OFF, SERVICE_TURN_ON) * 5))
    assert state(hass) == STATE_ON


@pytest.mark.usefixtures("device")
async def test_rules_of_others_stay(hass: HomeAssistant, gateway: Gateway) -> None:
    everyone = [{"action": "block", "name": "doubleclick.net", "until": None}]
    gateway.policy = {"revision": 7, "devices": {CAMERA: {"blocked": True}}, "everyone": everyone}
    gateway.policy_state()
    await hass.async_block_till_done()
    await turn(hass, SERVICE_TURN_ON)
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}
    assert gateway.policy["everyone"] == everyone


@pytest.mark.usefixtures("device")
async def test_a_gateway_that_only_observes(hass: HomeAssistant, gateway: Gateway) -> None:
    gateway.info(capabilities=["names"])
    gateway.policy_state()
    gateway.device(sent_packets=1)
    await hass.async_block_till_done()
    assert state(hass) == STATE_UNAVAILABLE


async def test_unknown_until_the_gateway_has_said_so(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, entry: MockConfigEntry
) -> None:
    broker.retained.pop("spin/home/policy/state")
    await hass.config_entries.async_setup(entry.entry_id)
    await broker.settled()
    gateway.device()
    await hass.async_block_till_done()
    assert state(hass) == STATE_UNKNOWN
    with pytest.raises(HomeAssistantError) as caught:
        await turn(hass, SERVICE_TURN_ON)
    assert caught.value.translation_key == "policy_unknown"


@pytest.mark.usefixtures("device")
async def test_turning_off_the_living_room_does_not_touch_it(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    await turn(hass, SERVICE_TURN_ON)
    area = ar.async_get(hass).async_create("Living room")
    device = dr.async_get(hass).async_get_device_by_identifier(("spin", f"home_{HUE}"), spin.entry_id)
    dr.async_get(hass).async_update_device(device.id, area_id=area.id)
    for target in ({"area_id": area.id}, {"device_id": device.id}):
        await hass.services.async_call("homeassistant", SERVICE_TURN_OFF, target, blocking=True)
        await hass.services.async_call(SWITCH, SERVICE_TURN_OFF, target, blocking=True)
    assert state(hass) == STATE_ON

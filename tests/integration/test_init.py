"""Setting up, unloading and removing a gateway."""

import logging
from datetime import timedelta
from unittest.mock import patch

import pytest
from gateway_double import HUE, Broker, Gateway, row
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spin.const import DOMAIN

SENT = "sensor.philips_hue_data_sent"


async def test_set_up_and_unloaded(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.flows(row())
    await hass.async_block_till_done()
    assert spin.state is ConfigEntryState.LOADED
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert spin.state is ConfigEntryState.NOT_LOADED
    gateway.flows(row(), seq=2, sent_bytes=5)
    await hass.async_block_till_done()


async def test_unloading_may_fail(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    with patch.object(hass.config_entries, "async_unload_platforms", return_value=False):
        assert not await hass.config_entries.async_unload(spin.entry_id)
    # Home Assistant does not unload it any more, so its timers are stopped here.
    await spin._async_process_on_unload(hass)


async def test_without_mqtt(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert await async_setup_component(hass, "mqtt", {})
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state in {ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR}


async def test_without_introduction(hass: HomeAssistant, broker: Broker, entry: MockConfigEntry) -> None:
    with patch("custom_components.spin.presence.INFO_TIMEOUT", 0.05):
        await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "no_info"


@pytest.mark.parametrize(("protocol", "issue"), [(2, "protocol_too_new"), (0, "protocol_too_old")])
async def test_another_protocol(
    hass: HomeAssistant, gateway: Gateway, entry: MockConfigEntry, protocol: int, issue: str
) -> None:
    gateway.info(protocol=protocol)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "unsupported_protocol"
    assert ir.async_get(hass).async_get_issue(DOMAIN, f"home_{issue}")
    await hass.config_entries.async_remove(entry.entry_id)
    assert not ir.async_get(hass).async_get_issue(DOMAIN, f"home_{issue}")


async def test_the_protocol_changes_while_running(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    gateway.info(protocol=2)
    await hass.async_block_till_done()
    assert hass.states.get(SENT).state == STATE_UNAVAILABLE
    assert ir.async_get(hass).async_get_issue(DOMAIN, "home_protocol_too_new")
    gateway.info()
    await hass.async_block_till_done()
    assert hass.states.get(SENT).state != STATE_UNAVAILABLE
    assert not ir.async_get(hass).async_get_issue(DOMAIN, "home_protocol_too_new")


async def test_the_gateway_goes_and_comes_back(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gateway.device()
    for text, available in (("offline", False), ("offline", False), ("online", True), ("online", True)):
        gateway.status(text)
        await hass.async_block_till_done()
        assert (hass.states.get(SENT).state != STATE_UNAVAILABLE) is available
        assert hass.states.get("binary_sensor.home_gateway_connectivity").state == (
            "on" if available else "off"
        )
    assert caplog.text.count("Gateway home is unavailable") == 1
    assert caplog.text.count("Gateway home is available again") == 1


async def test_the_broker_goes_and_comes_back(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    asked = len(broker.sent("spin/home/command"))
    broker.connection(connected=False)
    await hass.async_block_till_done()
    assert hass.states.get(SENT).state == STATE_UNAVAILABLE
    await spin.runtime_data._ask_snapshot()
    assert len(broker.sent("spin/home/command")) == asked
    broker.connection(connected=True)
    await broker.settled()
    assert hass.states.get(SENT).state != STATE_UNAVAILABLE
    assert hass.states.get("switch.philips_hue_block").state == "off"
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done()
    assert len(broker.sent("spin/home/command")) == asked + 1


async def test_the_broker_comes_back_without_memory(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    published = len(broker.published)
    broker.connection(connected=False)
    broker.retained.clear()
    broker.connection(connected=True)
    await broker.settled()
    assert hass.states.get(SENT).state == STATE_UNAVAILABLE
    assert not [topic for topic, _, _ in broker.published[published:] if topic.endswith("/policy")]
    gateway.start()
    await hass.async_block_till_done()
    assert hass.states.get(SENT).state != STATE_UNAVAILABLE


async def test_all_rows_are_asked_for(hass: HomeAssistant, broker: Broker, spin: MockConfigEntry) -> None:
    (command,) = broker.sent("spin/home/command")
    assert command["command"] == "snapshot"
    assert 1 <= len(command["id"]) <= 64


async def test_a_cleared_introduction_changes_nothing(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    for topic in ("info", "policy", "policy/state"):
        gateway.say(topic, b"")
    await hass.async_block_till_done()
    assert hass.states.get("binary_sensor.home_gateway_connectivity").state == "on"
    gateway.say("status", b"")
    await hass.async_block_till_done()
    assert hass.states.get("binary_sensor.home_gateway_connectivity").state == "off"
    assert "Dropped" not in caplog.text


async def delete(hass: HomeAssistant, hass_ws_client: WebSocketGenerator, device_id: str) -> bool:
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    response = await client.remove_device(device_id)
    return bool(response["success"])


async def test_only_a_device_that_is_gone_may_be_deleted(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id)
    assert not await delete(hass, hass_ws_client, device.id)
    gateway.say(f"device/{HUE}", b"")
    gateway.policy = {"revision": 1, "devices": {HUE: {"blocked": True}}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    assert not await delete(hass, hass_ws_client, device.id)
    gateway.policy = {"revision": 2, "devices": {}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    assert await delete(hass, hass_ws_client, device.id)
    await hass.async_block_till_done()
    assert hass.states.get(SENT) is None
    assert HUE not in spin.runtime_data.devices
    gateway.device()
    await hass.async_block_till_done()
    assert (
        registry.async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).name == "Philips-hue"
    )
    assert HUE in spin.runtime_data.devices


async def test_the_gateway_itself_cannot_be_deleted(
    hass: HomeAssistant, spin: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "home"), spin.entry_id)
    assert not await delete(hass, hass_ws_client, device.id)


async def test_removal_forgets(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_storage: dict[str, object]
) -> None:
    gateway.device()
    gateway.flows(row())
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(spin.entry_id)
    assert f"spin.{spin.entry_id}" in hass_storage
    await hass.config_entries.async_remove(spin.entry_id)
    assert f"spin.{spin.entry_id}" not in hass_storage
    assert not er.async_entries_for_config_entry(er.async_get(hass), spin.entry_id)

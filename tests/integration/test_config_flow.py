"""Finding gateways, and the user's preferences."""

import asyncio
import json
from collections.abc import Generator
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from gateway_double import GATEWAY, Broker, Gateway, example
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_MQTT,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.const import DOMAIN
from custom_components.spin.options import Options


@pytest.fixture(autouse=True)
def impatient() -> Generator[None]:
    with patch("custom_components.spin.config_flow.HEAR_TIMEOUT", 0.5):
        yield


@pytest.fixture
def setup_entry() -> Generator[AsyncMock]:
    with patch("custom_components.spin.async_setup_entry", return_value=True) as setup:
        yield setup


def discovery(payload: Any, topic: str = f"spin/{GATEWAY}/info") -> MqttServiceInfo:
    if not isinstance(payload, str | bytes):
        payload = json.dumps(payload)
    return MqttServiceInfo(topic, payload, 0, True, "spin/+/info", 0.0)


async def start(hass: HomeAssistant, source: str, data: Any = None) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": source}, data=data)


async def answer(hass: HomeAssistant, result: ConfigFlowResult, **user_input: Any) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


async def test_discovery(hass: HomeAssistant, setup_entry: AsyncMock) -> None:
    result = await start(hass, SOURCE_MQTT, discovery(example("info")))
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "discovery_confirm"
    assert result["description_placeholders"] == {"name": "Home gateway", "version": "0.1.0"}
    result = await answer(hass, result)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Home gateway"
    assert result["data"] == {"gateway": GATEWAY, "prefix": "spin"}
    assert result["result"].unique_id == GATEWAY
    assert len(setup_entry.mock_calls) == 1


async def test_discovery_through_the_broker(
    hass: HomeAssistant, broker: Broker, setup_entry: AsyncMock
) -> None:
    Gateway(broker).info(name="Router")
    async with asyncio.timeout(10):
        while not hass.config_entries.flow.async_progress_by_handler(DOMAIN):
            await asyncio.sleep(0.01)  # what the integration depends on is set up first
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": "Router"}


@pytest.mark.parametrize(
    ("payload", "topic", "reason"),
    [
        ("", "spin/home/info", "invalid_discovery_info"),
        ("{", "spin/home/info", "invalid_discovery_info"),
        (b"\xff", "spin/home/info", "invalid_discovery_info"),
        (example("info"), "spin/other/info", "invalid_discovery_info"),
        (example("info"), "spin/No Gateway/info", "invalid_discovery_info"),
        (example("info") | {"protocol": 2}, "spin/home/info", "unsupported_protocol"),
    ],
)
async def test_discovery_of_something_else(
    hass: HomeAssistant, payload: Any, topic: str, reason: str
) -> None:
    result = await start(hass, SOURCE_MQTT, discovery(payload, topic))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == reason


async def test_discovery_of_a_known_gateway(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    result = await start(hass, SOURCE_MQTT, discovery(example("info")))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_discovery_wakes_an_entry_that_gave_up(
    hass: HomeAssistant, entry: MockConfigEntry, broker: Broker, gateway: Gateway
) -> None:
    gateway.info(protocol=2)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    gateway.info()
    await hass.async_block_till_done(wait_background_tasks=True)
    await broker.settled()
    assert entry.state is ConfigEntryState.LOADED


async def test_user_chooses(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, setup_entry: AsyncMock
) -> None:
    Gateway(broker, "annex").info(name="", version="0.2.0")
    broker.retained["spin/broken/info"] = b"{}"
    result = await start(hass, SOURCE_USER)
    assert result["step_id"] == "gateway"
    (field,) = result["data_schema"].schema.values()
    assert field.config["options"] == [
        {"value": "annex", "label": "annex (annex, 0.2.0)"},
        {"value": "home", "label": "Home gateway (home, 0.1.0)"},
    ]
    result = await answer(hass, result, gateway="annex")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "annex"
    assert result["data"] == {"gateway": "annex", "prefix": "spin"}


async def test_user_is_offered_only_what_is_new(
    hass: HomeAssistant, gateway: Gateway, broker: Broker, entry: MockConfigEntry
) -> None:
    Gateway(broker, "annex").info()
    result = await start(hass, SOURCE_USER)
    (field,) = result["data_schema"].schema.values()
    assert [option["value"] for option in field.config["options"]] == ["annex"]


async def test_user_finds_none_then_another_prefix(
    hass: HomeAssistant, broker: Broker, setup_entry: AsyncMock
) -> None:
    broker.retained["site/7/home/info"] = json.dumps(example("info")).encode()
    result = await start(hass, SOURCE_USER)
    assert result["step_id"] == "user"
    assert result["errors"] == {"base": "no_gateway"}
    result = await answer(hass, result, prefix="site/+")
    assert result["errors"] == {"prefix": "invalid_prefix"}
    result = await answer(hass, result, prefix="/site/7/")
    assert result["step_id"] == "gateway"
    result = await answer(hass, result, gateway="home")
    assert result["data"] == {"gateway": "home", "prefix": "site/7"}


async def test_user_has_configured_all(hass: HomeAssistant, gateway: Gateway, entry: MockConfigEntry) -> None:
    result = await start(hass, SOURCE_USER)
    assert result["errors"] == {"base": "all_configured"}


async def test_user_may_add_an_ignored_gateway(
    hass: HomeAssistant, gateway: Gateway, setup_entry: AsyncMock
) -> None:
    MockConfigEntry(domain=DOMAIN, unique_id=GATEWAY, source=SOURCE_IGNORE).add_to_hass(hass)
    result = await answer(hass, await start(hass, SOURCE_USER), gateway=GATEWAY)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_gateway_configured_meanwhile(hass: HomeAssistant, gateway: Gateway) -> None:
    result = await start(hass, SOURCE_USER)
    MockConfigEntry(domain=DOMAIN, unique_id=GATEWAY).add_to_hass(hass)
    result = await answer(hass, result, gateway=GATEWAY)
    assert result["reason"] == "already_configured"


async def test_user_without_mqtt(hass: HomeAssistant) -> None:
    result = await start(hass, SOURCE_USER)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "mqtt_unavailable"


async def test_reconfigure(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry
) -> None:
    result = await spin.start_reconfigure_flow(hass)
    assert result["step_id"] == "reconfigure"
    result = await answer(hass, result, prefix="#")
    assert result["errors"] == {"prefix": "invalid_prefix"}
    result = await answer(hass, result, prefix="attic")
    assert result["errors"] == {"base": "no_gateway"}
    for topic in ("info", "status"):
        broker.retained[f"attic/home/{topic}"] = broker.retained[f"spin/home/{topic}"]
    result = await answer(hass, result, prefix="attic")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert spin.data == {"gateway": GATEWAY, "prefix": "attic"}
    assert spin.state is ConfigEntryState.LOADED


async def test_reconfigure_without_mqtt(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    result = await answer(hass, await entry.start_reconfigure_flow(hass), prefix="spin")
    assert result["reason"] == "mqtt_unavailable"


async def test_options(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    result = await hass.config_entries.options.async_init(spin.entry_id)
    assert result["type"] is FlowResultType.FORM
    chosen = {
        "devices": {
            "max_devices": 20.0,
            "random_macs": "ignore",
            "remove_after_days": 0.0,
        },
        "learning": {"learning_days": 14.0, "new_devices": "block", "relearn_hours": 48.0},
        "reaction": {"reaction": "block_both", "block_hours": 12.0},
        "voice": {"expose": True},
    }
    result = await hass.config_entries.options.async_configure(result["flow_id"], chosen)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert spin.options == chosen
    assert spin.state is ConfigEntryState.LOADED
    assert type(spin.options["devices"]["max_devices"]) is int
    assert Options.read(spin.options) == Options(
        20, "ignore", 0, 14, "block", 48, "block_both", 12, expose=True
    )

"""Diagnostics, and what must not be in them."""

import json
from types import MappingProxyType

from gateway_double import CAMERA, HUE, Gateway, row
from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.discovery_flow import DiscoveryKey
from homeassistant.helpers.json import ExtendedJSONEncoder
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

from custom_components.spin.const import DOMAIN
from custom_components.spin.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)

SECRETS = (HUE, CAMERA, "hue", "meethue", "198.51.100", "192.168.8", "baidu", "Home gateway", "kitchen")


async def test_of_the_gateway(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, snapshot: SnapshotAssertion
) -> None:
    gateway.info(problems=[{"code": "missing_right", "text": "of the kitchen lamp at 198.51.100.7"}])
    gateway.device(sent_bytes=5, sent_packets=1)
    gateway.device(CAMERA, hostname=None, sent_packets=9)
    gateway.flows(row(), row(None, port=8883), sent_bytes=2000)
    gateway.policy = {
        "revision": 3,
        "devices": {HUE: {"blocked": True, "destinations": [{"action": "block", "name": "baidu.com"}]}},
        "everyone": [{"action": "block", "address": "198.51.100.0/24"}],
    }
    gateway.policy_state()
    topic = DiscoveryKey(domain="mqtt", key="spin/kitchen/info", version=1)
    hass.config_entries.async_update_entry(spin, discovery_keys=MappingProxyType({"mqtt": (topic,)}))
    await hass.async_block_till_done()
    diagnostics = await async_get_config_entry_diagnostics(hass, spin)
    text = json.dumps(diagnostics, cls=ExtendedJSONEncoder)
    assert not [secret for secret in SECRETS if secret in text]
    assert diagnostics["entry"].pop("discovery_keys") == REDACTED
    assert diagnostics == snapshot(exclude=props("created_at", "modified_at", "entry_id", "clock_error"))


async def test_of_a_device(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, snapshot: SnapshotAssertion
) -> None:
    gateway.device()
    gateway.flows(row())
    await hass.async_block_till_done()
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id)
    diagnostics = await async_get_device_diagnostics(hass, spin, device)
    assert not [secret for secret in SECRETS if secret in json.dumps(diagnostics)]
    assert diagnostics == snapshot(exclude=props("clock_error"))
    itself = registry.async_get_device_by_identifier((DOMAIN, "home"), spin.entry_id)
    assert (await async_get_device_diagnostics(hass, spin, itself))["device"] is None


async def test_before_the_gateway_has_said_what_it_enforces(
    hass: HomeAssistant, spin: MockConfigEntry
) -> None:
    spin.runtime_data.policy.reset()
    diagnostics = await async_get_config_entry_diagnostics(hass, spin)
    assert diagnostics["policy"] is None

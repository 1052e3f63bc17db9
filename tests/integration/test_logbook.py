"""What is told stands in the logbook, as a sentence."""

from collections.abc import Callable
from typing import Any

import pytest
from gateway_double import Gateway, row
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.spin.const import BUS_EVENT_FINDING
from custom_components.spin.logbook import async_describe_events


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


async def test_a_line(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    described: dict[str, Callable[[Event], dict[str, str]]] = {}
    async_describe_events(hass, lambda _domain, event, describe: described.update({event: describe}))
    told = async_capture_events(hass, BUS_EVENT_FINDING)
    gateway.device()
    await hass.async_block_till_done()
    gateway.flows(row())
    await hass.async_block_till_done()
    lines = [described[BUS_EVENT_FINDING](event) for event in told]
    assert lines == [
        {"name": "Philips-hue", "message": "is new in your home.", "icon": "mdi:bell-alert-outline"},
        {
            "name": "Philips-hue",
            "message": "talks to meethue.com for the first time.",
            "icon": "mdi:bell-alert-outline",
            "entity_id": "event.philips_hue_activity",
        },
    ]
    entity = er.async_get(hass).async_get("event.philips_hue_activity")
    assert entity is not None
    assert {event.data["device_id"] for event in told} == {entity.device_id}

"""The examples in the documentation, run as real automations."""

import asyncio
import itertools
import json
import logging
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway_double import CAMERA, HUE, Broker, Gateway, row
from homeassistant.components.automation import DOMAIN as AUTOMATION
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.spin.const import ACTIVITY_EVENTS
from tests.home.documentation import names_configuration

TABLET = "00:17:88:00:00:03"
DOCUMENT = Path(__file__).parent.parent.parent / "docs/automations.md"


def examples() -> list[dict[str, Any]]:
    """Return the examples of the chapter on automations, in their order."""
    chapter = DOCUMENT.read_text().split("\n## Automations\n")[1].split("\n## ")[0]
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)]


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


@pytest.fixture
async def automations(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> AsyncGenerator[dict[str, Any]]:
    """Set the examples up in a home with the devices that they name; return the notifications."""
    for mac, name in ((HUE, "Hue bridge"), (CAMERA, "Camera"), (TABLET, "Tablet")):
        gateway.device(mac, hostname=name)
    await hass.async_block_till_done()
    configured = [
        {"id": str(number), "alias": f"example {number}", "triggers": [], **example}
        for number, example in enumerate(examples())
    ]
    for example in configured:
        example["alias"] = f"example {example['id']}"
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: configured})
    yield {"notifications": async_mock_service(hass, "notify", "notify")}
    await hass.services.async_call(AUTOMATION, "turn_off", {ATTR_ENTITY_ID: "all"}, blocking=True)


async def run(hass: HomeAssistant, number: int) -> None:
    entity_id = f"automation.example_{number}"
    state = hass.states.get(entity_id)
    assert state is not None
    assert state.state == "on", "the automation is not valid"
    await hass.services.async_call(AUTOMATION, "trigger", {ATTR_ENTITY_ID: entity_id}, blocking=True)
    await hass.async_block_till_done()


async def test_new_destination(hass: HomeAssistant, gateway: Gateway, automations: dict[str, Any]) -> None:
    gateway.flows(row(), mac=CAMERA)
    gateway.flows(row())
    await hass.async_block_till_done()
    told = [(call.data["title"], call.data["message"].split()) for call in automations["notifications"]]
    assert told == [
        ("Camera talks to meethue.com", ["ws.meethue.com,", "https."]),
        ("Hue bridge talks to meethue.com", ["ws.meethue.com,", "https.", "Also", "known", "of:", "Camera."]),
    ]


@pytest.mark.usefixtures("automations")
async def test_no_internet_at_night(hass: HomeAssistant, gateway: Gateway) -> None:
    await run(hass, 1)
    assert gateway.policy["devices"][TABLET]["blocked"]
    assert gateway.policy["devices"][TABLET]["until"]


@pytest.mark.usefixtures("automations")
async def test_window_for_an_update(hass: HomeAssistant, gateway: Gateway) -> None:
    gateway.policy = {"revision": 1, "devices": {CAMERA: {"blocked": True}}, "everyone": []}
    gateway.policy_state()
    running = hass.async_create_background_task(run(hass, 2), "example")
    while gateway.policy["devices"]:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=31))
    await running
    assert gateway.policy["devices"][CAMERA]["blocked"]


@pytest.mark.usefixtures("automations")
async def test_a_rule_for_everyone(hass: HomeAssistant, gateway: Gateway) -> None:
    await run(hass, 3)
    assert [rule["name"] for rule in gateway.policy["everyone"]] == ["doubleclick.net"]


async def test_most_sent(hass: HomeAssistant, gateway: Gateway, automations: dict[str, Any]) -> None:
    gateway.flows(row(sent_bytes=10), row("upload.example.org", sent_bytes=7_200_000), mac=CAMERA)
    await hass.async_block_till_done()
    automations["notifications"].clear()
    await run(hass, 4)
    assert [call.data["message"] for call in automations["notifications"]] == ["example.org: 7.2 MB sent"]


@pytest.mark.parametrize("expected_lingering_timers", [True])
async def test_names_on_a_dashboard(
    hass: HomeAssistant,
    gateway: Gateway,
    broker: Broker,
    spin: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (sensor,) = yaml.safe_load(names_configuration())["template"]
    assert await async_setup_component(hass, "template", {"template": [sensor]})
    ticks = itertools.count(1)

    async def names() -> list[str] | None:
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=10 * next(ticks)))
        await hass.async_block_till_done(wait_background_tasks=True)
        state = hass.states.get("sensor.who_talks_to_whom")
        assert state is not None
        devices = state.attributes.get("devices")
        return devices and [each["name"] for each in devices]

    assert await names() is None
    gateway.device()
    gateway.flows(row())
    await hass.async_block_till_done()
    assert await names() == ["Philips-hue"]
    await hass.config_entries.async_unload(spin.entry_id)
    assert await names() == ["Philips-hue"]
    assert await hass.config_entries.async_setup(spin.entry_id)
    await broker.settled()
    gateway.device(CAMERA, hostname="Camera")
    await hass.async_block_till_done()
    assert await names() == ["Philips-hue", "Camera"]
    await hass.config_entries.async_remove(spin.entry_id)
    assert await names() == ["Philips-hue", "Camera"]
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []


def texts() -> dict[str, Any]:
    spin = DOCUMENT.parent.parent / "custom_components/spin"
    loaded: dict[str, Any] = json.loads((spin / "translations/en.json").read_text())
    return loaded


def page(name: str) -> str:
    return (DOCUMENT.parent / f"{name}.md").read_text()


def test_every_action_is_documented() -> None:
    actions = page("actions")
    for name, action in texts()["services"].items():
        (line,) = (line for line in actions.splitlines() if line.startswith(f"| `spin.{name}` |"))
        for field in action.get("fields", {}):
            assert f"`{field}`" in line, (name, field)


def test_every_event_is_documented() -> None:
    alerts = page("alerts")
    for event in ACTIVITY_EVENTS:
        assert f"| `{event}` |" in alerts


def test_every_option_is_documented() -> None:
    chapter = page("home-assistant").split("\n## Options\n")[1].split("\n## ")[0]
    for part in texts()["options"]["step"]["init"]["sections"].values():
        for label in part["data"].values():
            assert f"| {label} |" in chapter


def test_every_entity_is_documented() -> None:
    entities = page("home-assistant").split("\n## Entities\n")[1].split("\n## ")[0]
    for platform in texts()["entity"].values():
        for entity in platform.values():
            assert entity["name"] in entities


def test_links_lead_somewhere() -> None:
    def anchors(text: str) -> set[str]:
        headings = (line.lstrip("#").strip().lower() for line in text.splitlines() if line.startswith("#"))
        return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}

    for name in ("home-assistant", "alerts", "actions", "automations", "voice"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
            if not target.startswith("http"):
                file, _, anchor = target.partition("#")
                linked = DOCUMENT.parent / (file or f"{name}.md")
                assert linked.exists(), target
                assert not anchor or anchor in anchors(linked.read_text()), target

"""The blueprints, each loaded by Home Assistant and run as a real automation."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from gateway_double import CAMERA, HUE, Gateway, row
from homeassistant.components import conversation
from homeassistant.components.automation import DOMAIN as AUTOMATION
from homeassistant.components.blueprint.models import DomainBlueprints
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

FOLDER = Path(__file__).parent.parent.parent / "blueprints/automation"
DOCUMENTS = Path(__file__).parent.parent.parent / "docs"
BLUEPRINTS = sorted(path.stem for path in (FOLDER / "spin").glob("*.yaml"))
DEVICES = ["event.hue_bridge_activity", "event.camera_activity"]
GATEWAY_ACTIVITY = "event.home_gateway_activity"
URL = "https://github.com/spin-home/spin-home-assistant/blob/main/blueprints/automation/spin"


@pytest.fixture(autouse=True)
async def blueprints(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Have Home Assistant load the blueprints from the repository; no automation outlives the test."""
    with patch.object(DomainBlueprints, "blueprint_folder", FOLDER):
        yield
    if AUTOMATION in hass.config.components:
        await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


@pytest.fixture
async def home(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> dict[str, str]:
    """Have a bridge and a camera; return the ids of all devices."""
    gateway.device(HUE, hostname="Hue bridge")
    gateway.device(CAMERA, hostname="Camera")
    await hass.async_block_till_done()
    return {
        key: dr.async_get(hass).async_get_device_by_identifier(("spin", name), spin.entry_id).id
        for key, name in {"hue": f"home_{HUE}", "camera": f"home_{CAMERA}", "gateway": "home"}.items()
    }


@pytest.fixture
async def phone(hass: HomeAssistant) -> str:
    """Return the id of a phone with the companion app."""
    entry = MockConfigEntry(
        domain="mobile_app",
        data={
            "app_data": {"push_token": "token", "push_url": "https://push.example"},
            "app_id": "app",
            "app_name": "App",
            "app_version": "1",
            "device_id": "phone-1",
            "device_name": "Phone",
            "manufacturer": "Maker",
            "model": "Model",
            "os_name": "OS",
            "os_version": "1",
            "secret": "0" * 64,
            "supports_encryption": False,
            "user_id": "1",
            "webhook_id": "webhook",
        },
    )
    entry.add_to_hass(hass)
    assert await async_setup_component(hass, "mobile_app", {})
    await hass.async_block_till_done()
    device = dr.async_get(hass).async_get_device_by_identifier(("mobile_app", "phone-1"), entry.entry_id)
    assert device is not None
    return device.id


@pytest.fixture
def notified(hass: HomeAssistant, phone: str) -> list[ServiceCall]:
    """Return what the phone is told."""
    return async_mock_service(hass, "notify", "mobile_app_phone")


async def automate(hass: HomeAssistant, blueprint: str, **inputs: Any) -> None:
    """Make an automation of a blueprint."""
    used = {"path": f"spin/{blueprint}.yaml", "input": inputs}
    config = {"id": "1", "alias": "made", "use_blueprint": used}
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: [config]})
    await hass.async_block_till_done()
    state = hass.states.get("automation.made")
    assert state is not None
    assert state.state == "on", "the automation is not valid"


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def press(hass: HomeAssistant, button: dict[str, str]) -> None:
    hass.bus.async_fire("mobile_app_notification_action", {"action": button["action"]})
    await hass.async_block_till_done()


@pytest.mark.parametrize("blueprint", BLUEPRINTS)
def test_it_can_be_imported(blueprint: str) -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!input", lambda loader, node: loader.construct_scalar(node))
    about = yaml.load((FOLDER / "spin" / f"{blueprint}.yaml").read_text(), Loader)["blueprint"]  # noqa: S506
    assert about["source_url"] == f"{URL}/{blueprint}.yaml"
    assert about["description"]
    documented = "".join(path.read_text() for path in DOCUMENTS.glob("*.md"))
    quoted = about["source_url"].replace(":", "%3A").replace("/", "%2F")
    assert f"https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url={quoted}" in documented


async def tell_me(hass: HomeAssistant, phone: str, activity: list[str] | str, **inputs: Any) -> None:
    inputs = {"settle": 0.1, "phone": phone, **inputs}
    await automate(hass, "notify_new_destination", activity={"entity_id": activity}, **inputs)


async def test_tell_me_what_is_new(
    hass: HomeAssistant,
    gateway: Gateway,
    home: dict[str, str],
    phone: str,
    notified: list[ServiceCall],
    spin: MockConfigEntry,
) -> None:
    await tell_me(hass, phone, DEVICES)
    gateway.flows(row())
    await until(lambda: notified)
    (told,) = notified
    assert told.data["title"] == "Hue bridge"
    assert "meethue.com" in told.data["message"]
    buttons = {button["title"]: button for button in told.data["data"]["actions"]}
    assert list(buttons) == ["Allow", "Block destination", "Block device"]

    await press(hass, buttons["Block destination"])
    assert gateway.policy["devices"][HUE]["destinations"] == [
        {"action": "block", "name": "meethue.com", "until": None}
    ]
    await press(hass, buttons["Allow"])
    assert [rule["action"] for rule in gateway.policy["devices"][HUE]["destinations"]] == ["allow"]
    assert [known.verdict for known in spin.runtime_data.devices[HUE].destinations] == ["allowed"]
    await press(hass, buttons["Block device"])
    assert gateway.policy["devices"][HUE]["blocked"]
    assert len(notified) == 1


@pytest.mark.parametrize("activity", [DEVICES, GATEWAY_ACTIVITY])
async def test_a_burst_is_one_notification(
    hass: HomeAssistant,
    gateway: Gateway,
    home: dict[str, str],
    phone: str,
    notified: list[ServiceCall],
    spin: MockConfigEntry,
    activity: list[str] | str,
) -> None:
    await tell_me(hass, phone, activity)
    heard: list[Any] = []
    hass.bus.async_listen(
        "state_changed",
        lambda event: heard.append(event) if event.data["entity_id"] == "event.hue_bridge_activity" else None,
    )
    gateway.flows(
        *(row(f"www.vendor{number}.example", address=f"198.51.100.{number}") for number in range(12))
    )
    await until(lambda: notified)
    await hass.async_block_till_done()
    assert len(heard) == 12
    (told,) = notified
    assert "12" in told.data["message"]
    buttons = {button["title"]: button for button in told.data["data"]["actions"]}
    assert list(buttons) == ["Allow all", "Block device"]
    await press(hass, buttons["Allow all"])
    assert {known.verdict for known in spin.runtime_data.devices[HUE].destinations} == {"allowed"}


async def test_the_gateway_stands_for_all_devices(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], phone: str, notified: list[ServiceCall]
) -> None:
    await tell_me(hass, phone, GATEWAY_ACTIVITY)
    gateway.flows(row(), mac=CAMERA)
    await until(lambda: notified)
    (told,) = notified
    assert told.data["title"] == "Camera"
    await press(hass, told.data["data"]["actions"][-1])
    assert gateway.policy["devices"][CAMERA]["blocked"]


async def test_hostile_names_are_no_markup(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], phone: str, notified: list[ServiceCall]
) -> None:
    await tell_me(hass, phone, GATEWAY_ACTIVITY)
    gateway.flows(row("<b>{{states()}}</b>"))
    await until(lambda: notified)
    assert "‹b›{{states()}}‹/b›" in notified[0].data["message"]  # noqa: RUF001 (harmless brackets are wanted)
    assert "<" not in notified[0].data["message"]
    await press(hass, notified[0].data["data"]["actions"][1])
    assert [call.data["message"] for call in notified[1:]] == [
        "That did not work. Look at SPIN in Home Assistant."
    ]


async def test_a_button_that_fails_says_so(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], phone: str, notified: list[ServiceCall]
) -> None:
    await tell_me(hass, phone, GATEWAY_ACTIVITY, failed_text="Sorry")
    gateway.answers = False
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        await press(hass, {"action": f"spin|block_device|{home['hue']}"})
    assert [call.data["message"] for call in notified] == ["Sorry"]
    await press(hass, {"action": "somebody else's"})
    assert len(notified) == 1


async def test_daily_digest(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], phone: str, notified: list[ServiceCall]
) -> None:
    await automate(hass, "daily_digest", gateway=[home["gateway"]], phone=phone, when_empty=True)
    await trigger(hass)
    gateway.flows(row(), *(row(f"www.vendor{number}.example") for number in range(6)))
    gateway.flows(row("time1.google.com"), mac=CAMERA)
    await trigger(hass)
    nothing, news = (call.data["message"] for call in notified)
    assert nothing == "No device talked to somebody new."
    hue, camera = news.splitlines()
    assert hue.startswith("Hue bridge: ")
    assert hue.endswith("(+2)")
    assert camera == "Camera: google.com"


async def trigger(hass: HomeAssistant, now: str | None = None) -> None:
    """Run the automation, as if at a local time."""
    at = datetime.fromisoformat(now).replace(tzinfo=dt_util.get_default_time_zone()) if now else dt_util.now()
    with patch("homeassistant.util.dt.now", return_value=at):
        await hass.services.async_call(AUTOMATION, "trigger", {"entity_id": "automation.made"}, blocking=True)


def seconds_left(gateway: Gateway) -> float:
    """Return for how long the bridge is blocked."""
    ends: float = gateway.policy["devices"][HUE]["until"]
    return ends - time.time()


@pytest.mark.parametrize(
    ("now", "hours"),
    [("2026-03-10 21:00:01", 10), ("2026-03-11 01:00:00", 6), ("2026-03-11 12:00:00", None)],
)
async def test_no_internet_at_night(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], now: str, hours: int | None
) -> None:
    await automate(hass, "block_at_night", devices={"device_id": home["hue"]})
    await trigger(hass, now)
    if hours is None:
        assert gateway.policy["devices"] == {}
    else:
        assert seconds_left(gateway) == pytest.approx(hours * 3600, abs=5)


async def test_nights_of_other_days(hass: HomeAssistant, gateway: Gateway, home: dict[str, str]) -> None:
    await automate(hass, "block_at_night", devices={"device_id": home["hue"]}, days=["2"])
    await trigger(hass, "2026-03-12 01:00:00")
    assert gateway.policy["devices"] == {}
    await trigger(hass, "2026-03-11 01:00:00")
    assert set(gateway.policy["devices"]) == {HUE}


async def test_a_night_that_begins(hass: HomeAssistant, gateway: Gateway, home: dict[str, str]) -> None:
    start = (dt_util.now() + timedelta(hours=1)).replace(microsecond=0)
    inputs = {"start": start.strftime("%H:%M:%S"), "end": (start + timedelta(hours=2)).strftime("%H:%M:%S")}
    await automate(hass, "block_at_night", devices={"device_id": home["hue"]}, **inputs)
    with patch("homeassistant.util.dt.now", return_value=start):
        async_fire_time_changed(hass, start + timedelta(seconds=1))
        await until(lambda: gateway.policy["devices"])
    assert seconds_left(gateway) == pytest.approx(7200, abs=60)


async def test_on_a_schedule(hass: HomeAssistant, gateway: Gateway, home: dict[str, str]) -> None:
    now = dt_util.now()
    day = now.strftime("%A").lower()
    slots = [{"from": "00:00:00", "to": "23:59:59"}] if now.hour or now.minute else []
    assert slots, "run at midnight"
    assert await async_setup_component(
        hass, "input_boolean", {"input_boolean": {"party": {"initial": False}}}
    )
    await automate(
        hass,
        "block_on_schedule",
        devices={"device_id": home["hue"]},
        schedule="schedule.quiet",
        override=["input_boolean.party"],
    )
    assert await async_setup_component(
        hass, "schedule", {"schedule": {"quiet": {"name": "Quiet", day: slots}}}
    )
    await hass.async_block_till_done()
    # As when the slot begins.
    state = hass.states.get("schedule.quiet")
    assert state is not None
    assert state.state == "on"
    hass.states.async_set("schedule.quiet", "off", state.attributes)
    hass.states.async_set("schedule.quiet", "on", state.attributes)
    await hass.async_block_till_done()
    ends = now.replace(hour=23, minute=59, second=59)
    assert seconds_left(gateway) == pytest.approx((ends - now).total_seconds(), abs=5)

    await hass.services.async_call("input_boolean", "turn_on", {"entity_id": "input_boolean.party"}, True)
    await hass.async_block_till_done()
    assert gateway.policy["devices"] == {}
    await hass.services.async_call("input_boolean", "turn_off", {"entity_id": "input_boolean.party"}, True)
    await hass.async_block_till_done()
    assert gateway.policy["devices"][HUE]["blocked"]
    await hass.services.async_call("schedule", "reload", blocking=True)


async def test_a_pause_of_the_internet(hass: HomeAssistant, gateway: Gateway, home: dict[str, str]) -> None:
    when = [{"trigger": "event", "event_type": "button"}]
    await automate(hass, "pause_internet", when=when, devices={"device_id": home["hue"]})
    hass.bus.async_fire("button")
    await hass.async_block_till_done()
    assert seconds_left(gateway) == pytest.approx(1800, abs=5)


async def test_a_pause_of_the_block(hass: HomeAssistant, gateway: Gateway, home: dict[str, str]) -> None:
    gateway.policy = {"revision": 1, "devices": {HUE: {"blocked": True}}, "everyone": []}
    gateway.policy_state()
    both = {"device_id": [home["hue"], home["camera"]]}
    when = [{"trigger": "event", "event_type": "button"}]
    await automate(hass, "pause_internet", when=when, devices=both, what="block")
    hass.bus.async_fire("button")
    await until(lambda: not gateway.policy["devices"])
    await asyncio.sleep(0.1)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=31))
    await until(lambda: gateway.policy["devices"])
    assert set(gateway.policy["devices"]) == {HUE}


@pytest.mark.parametrize(
    ("language", "block", "blocked", "unblock", "unblocked"),
    [
        ("en", "block the hue bridge", "Hue bridge is blocked", "Unblock Hue", "Hue bridge is unblocked"),
        (
            "nl",
            "Blokkeer de Hue bridge",
            "Hue bridge is geblokkeerd",
            "deblokkeer de hue bridge",
            "Hue bridge is gedeblokkeerd",
        ),
        (
            "en",
            "cut camera off the internet",
            "Camera is blocked",
            "let camera on the internet",
            "Camera is unblocked",
        ),
        (
            "nl",
            "haal de camera van het internet",
            "Camera is geblokkeerd",
            "laat camera op internet",
            "Camera is gedeblokkeerd",
        ),
    ],
)
@pytest.mark.usefixtures("home")
async def test_by_voice(
    hass: HomeAssistant,
    gateway: Gateway,
    language: str,
    block: str,
    blocked: str,
    unblock: str,
    unblocked: str,
) -> None:
    await speak(hass)
    assert await say(hass, block, language) == blocked
    assert [rules["blocked"] for rules in gateway.policy["devices"].values()] == [True]
    assert await say(hass, unblock, language) == unblocked
    assert gateway.policy["devices"] == {}


@pytest.mark.usefixtures("home")
async def test_voice_that_is_not_understood(hass: HomeAssistant, gateway: Gateway) -> None:
    await speak(hass)
    assert await say(hass, "block the toaster", "en") == "I know no device called the toaster"
    assert await say(hass, "blokkeer de broodrooster", "nl") == (
        "Ik ken geen apparaat met de naam de broodrooster"
    )
    gateway.answers = False
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        assert await say(hass, "block camera", "en") == "I could not block Camera"
        assert await say(hass, "blokkeer camera", "nl") == "Camera kon niet worden geblokkeerd"


async def speak(hass: HomeAssistant) -> None:
    for component in ("homeassistant", "conversation"):
        assert await async_setup_component(hass, component, {})
    await automate(hass, "voice_block")


async def say(hass: HomeAssistant, text: str, language: str) -> str:
    result = await conversation.async_converse(hass, text, None, Context(), language=language)
    speech: str = result.response.speech["plain"]["speech"]
    return speech


async def test_warn_when_it_talks_to_somebody(
    hass: HomeAssistant, gateway: Gateway, home: dict[str, str], phone: str, notified: list[ServiceCall]
) -> None:
    devices = {"device_id": home["gateway"]}
    await automate(hass, "warn_contact", devices=devices, text="meethue", phone=phone)

    async def minute() -> None:
        hass.async_create_task(
            hass.services.async_call(AUTOMATION, "trigger", {"entity_id": "automation.made"}, blocking=True)
        )
        await asyncio.sleep(0.2)

    gateway.flows(row("time1.google.com"))
    await minute()
    assert notified == []
    gateway.flows(row(), row("time1.google.com"), mac=CAMERA)
    gateway.flows(row())
    await minute()
    assert [call.data["message"] for call in notified] == ["Hue bridge: meethue.com\nCamera: meethue.com"]
    await minute()
    assert len(notified) == 1, "there is quiet after a warning"

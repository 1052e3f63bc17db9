"""The block switches by voice, with Home Assistant's own sentences."""

from typing import Any

import pytest
from gateway_double import CAMERA, HUE, Gateway
from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import (
    KNOWN_ASSISTANTS,
    async_expose_entity,
    async_should_expose,
)
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

SWITCH = "switch.hue_bridge_block"
EXPOSED = {"voice": {"expose": True}}


@pytest.fixture
def options() -> dict[str, Any]:
    return EXPOSED


@pytest.fixture
async def assist(hass: HomeAssistant) -> None:
    """Set up what voice assistants need, before the integration."""
    for component in ("homeassistant", "conversation", "intent"):
        assert await async_setup_component(hass, component, {})


@pytest.fixture
async def devices(hass: HomeAssistant, assist: None, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.device(HUE, hostname="Hue bridge")
    gateway.device(CAMERA, hostname="Camera")
    await hass.async_block_till_done()


def exposed(hass: HomeAssistant, entity_id: str = SWITCH) -> list[str]:
    return [assistant for assistant in KNOWN_ASSISTANTS if async_should_expose(hass, assistant, entity_id)]


def aliases(hass: HomeAssistant) -> list[str]:
    entry = er.async_get(hass).async_get(SWITCH)
    assert entry is not None
    return er.async_get_entity_aliases(hass, entry)


async def say(hass: HomeAssistant, text: str, language: str) -> str:
    result = await conversation.async_converse(hass, text, None, Context(), language=language)
    return result.response.response_type.value


async def set_option(hass: HomeAssistant, spin: MockConfigEntry, *, expose: bool) -> None:
    hass.config_entries.async_update_entry(spin, options={"voice": {"expose": expose}})
    await hass.config_entries.async_reload(spin.entry_id)
    await hass.async_block_till_done()


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("language", "on", "off"),
    [
        ("en", "turn on block hue bridge", "turn off block hue bridge"),
        ("en", "turn on hue bridge block", "switch the hue bridge block off"),
        ("nl", "zet block hue bridge aan", "zet block hue bridge uit"),
    ],
)
async def test_sentences(hass: HomeAssistant, gateway: Gateway, language: str, on: str, off: str) -> None:
    assert await say(hass, on, language) == "action_done"
    assert set(gateway.policy["devices"]) == {HUE}
    assert await say(hass, off, language) == "action_done"
    assert gateway.policy["devices"] == {}


@pytest.mark.usefixtures("assist")
async def test_a_dutch_home(hass: HomeAssistant, gateway: Gateway, entry: MockConfigEntry) -> None:
    hass.config.language = "nl"
    assert await hass.config_entries.async_setup(entry.entry_id)
    gateway.device(HUE, hostname="Hue bridge")
    await hass.async_block_till_done()
    assert await say(hass, "zet blokkeren hue bridge aan", "nl") == "action_done"
    assert set(gateway.policy["devices"]) == {HUE}


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("options", [{}])
async def test_without_the_option_they_are_not_to_be_spoken_to(hass: HomeAssistant, gateway: Gateway) -> None:
    assert exposed(hass) == []
    assert await say(hass, "turn on hue bridge block", "en") == "error"
    assert gateway.policy["devices"] == {}


@pytest.mark.usefixtures("devices")
async def test_the_option_gives_and_takes(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    assert exposed(hass) == list(KNOWN_ASSISTANTS)
    assert aliases(hass) == ["Hue bridge Block", "Block Hue bridge"]
    await set_option(hass, spin, expose=False)
    assert exposed(hass) == []
    assert aliases(hass) == ["Hue bridge Block"]


@pytest.mark.usefixtures("devices")
async def test_what_the_user_decides_of_one_switch_stays(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    async_expose_entity(hass, "conversation", SWITCH, should_expose=False)
    await set_option(hass, spin, expose=True)
    assert "conversation" not in exposed(hass)
    assert "conversation" in exposed(hass, "switch.camera_block")


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("options", [{}])
async def test_what_the_user_exposed_is_not_withdrawn(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    async_expose_entity(hass, "conversation", SWITCH, should_expose=True)
    await set_option(hass, spin, expose=False)
    assert exposed(hass) == ["conversation"]


@pytest.mark.usefixtures("devices")
async def test_a_new_name_is_followed(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier(("spin", f"home_{HUE}"), spin.entry_id)
    dr.async_get(hass).async_update_device(device.id, name_by_user="Lamps")
    await hass.async_block_till_done()
    assert aliases(hass) == ["Lamps Block", "Block Lamps"]
    assert await say(hass, "turn on block lamps", "en") == "action_done"
    assert set(gateway.policy["devices"]) == {HUE}

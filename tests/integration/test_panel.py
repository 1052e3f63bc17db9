"""The browser module and the panel: offered, cached, taken away."""

from hashlib import sha256
from typing import Any

from gateway_double import Broker
from homeassistant.components import frontend
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spin.panel import FILES, MODULE


def modules(hass: HomeAssistant) -> list[str]:
    return [url for url in hass.data[frontend.DATA_EXTRA_MODULE_URL].urls if url.startswith("/spin_files/")]


def panel(hass: HomeAssistant) -> Any:
    return hass.data[frontend.DATA_PANELS].get("spin")


async def test_the_module_is_served_and_may_be_cached(
    hass: HomeAssistant, spin: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    [url] = modules(hass)
    module = (FILES / MODULE).read_bytes()
    assert url == f"/spin_files/spin.js?v={sha256(module).hexdigest()[:8]}"
    response = await (await hass_client()).get(url)
    assert response.status == 200
    assert "javascript" in response.headers["Content-Type"]
    assert "max-age" in response.headers["Cache-Control"]
    assert await response.read() == module


async def test_the_panel_is_for_administrators(hass: HomeAssistant, spin: MockConfigEntry) -> None:
    shown = panel(hass)
    assert (shown.sidebar_title, shown.require_admin) == ("SPIN", True)
    custom = shown.config["_panel_custom"]
    assert (custom["name"], custom["embed_iframe"]) == ("spin-panel", False)
    # The same address as the card's: the browser has one module of it.
    assert [custom["module_url"]] == modules(hass)


async def test_the_panel_stays_while_a_gateway_is_reloaded(
    hass: HomeAssistant, spin: MockConfigEntry, broker: Broker
) -> None:
    changes = async_capture_events(hass, frontend.EVENT_PANELS_UPDATED)
    assert await hass.config_entries.async_reload(spin.entry_id)
    await broker.settled()
    assert panel(hass)
    assert changes == []


async def test_the_panel_goes_with_the_last_gateway(
    hass: HomeAssistant, spin: MockConfigEntry, broker: Broker
) -> None:
    await hass.config_entries.async_set_disabled_by(spin.entry_id, ConfigEntryDisabler.USER)
    await hass.async_block_till_done()
    assert panel(hass) is None
    assert modules(hass) == []
    await hass.config_entries.async_set_disabled_by(spin.entry_id, None)
    await broker.settled()
    assert panel(hass)
    assert len(modules(hass)) == 1
    await hass.config_entries.async_remove(spin.entry_id)
    assert panel(hass) is None
    assert modules(hass) == []

"""Offers the browser module (card, dashboard strategy, panel) to Home Assistant's frontend.

The module's address changes with its contents, so that a browser that has kept an old one loads the new one.
What it loads later has its contents' hash in the file's name.
"""

from hashlib import sha256
from pathlib import Path

from homeassistant.components import frontend, panel_custom
from homeassistant.components.http import StaticPathConfig  # type: ignore[attr-defined]
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

FILES = Path(__file__).parent / "frontend"
FILES_URL = "/spin_files"
MODULE = "spin.js"
DATA_MODULE: HassKey[str] = HassKey(f"{DOMAIN}_module")


def _fingerprint() -> str:
    return sha256((FILES / MODULE).read_bytes()).hexdigest()[:8]


async def async_setup_module(hass: HomeAssistant) -> None:
    """Have every page load the module, also while no gateway is set up yet: cards on it wait then."""
    await hass.http.async_register_static_paths([StaticPathConfig(FILES_URL, str(FILES), True)])
    version = await hass.async_add_executor_job(_fingerprint)
    hass.data[DATA_MODULE] = f"{FILES_URL}/{MODULE}?v={version}"
    frontend.add_extra_js_url(hass, hass.data[DATA_MODULE])


async def async_show_panel(hass: HomeAssistant) -> None:
    """Show the panel in the sidebar of administrators, unless it is there."""
    if frontend.async_panel_exists(hass, DOMAIN):
        return
    # It may have been taken away with the last gateway.
    frontend.add_extra_js_url(hass, hass.data[DATA_MODULE])
    await panel_custom.async_register_panel(
        hass,
        frontend_url_path=DOMAIN,
        webcomponent_name="spin-panel",
        sidebar_title="SPIN",
        sidebar_icon="mdi:transit-connection-variant",
        module_url=hass.data[DATA_MODULE],
        require_admin=True,
    )


@callback
def hide_panel(hass: HomeAssistant) -> None:
    """Take the panel away when there is no gateway in use any more, and have no page load the module.

    Not when one is merely reloaded: whoever looks at the panel then would find himself on another page.
    """
    if hass.config_entries.async_entries(DOMAIN, include_disabled=False, include_ignore=False):
        return
    frontend.async_remove_panel(hass, DOMAIN, warn_if_unknown=False)
    frontend.remove_extra_js_url(hass, hass.data[DATA_MODULE])

"""Registers all that the studies offer: actions, views, websocket commands."""

from homeassistant.core import HomeAssistant, callback

from .actions import async_setup_study_actions
from .views import async_setup_views
from .websocket import async_setup_study_commands


@callback
def async_setup_study(hass: HomeAssistant) -> None:
    """Register them."""
    async_setup_study_actions(hass)
    async_setup_views(hass)
    async_setup_study_commands(hass)

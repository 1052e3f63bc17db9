"""Registers all that the studies offer: actions, views, websocket commands."""

from homeassistant.core import HomeAssistant

from .actions import async_setup_study_actions
from .capture_files import tidy
from .captures import folder_of
from .views import async_setup_views
from .websocket import async_setup_study_commands


async def async_setup_study(hass: HomeAssistant) -> None:
    """Register them, and remove what an interrupted capture left."""
    async_setup_study_actions(hass)
    async_setup_views(hass)
    async_setup_study_commands(hass)
    await hass.async_add_executor_job(tidy, folder_of(hass))

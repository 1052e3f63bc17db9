"""What the card and the panel ask of the integration over Home Assistant's websocket connection.

The contract is docs/websocket.md. Nothing is changed here: that takes the actions and the entities.
"""

from homeassistant.components import websocket_api
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

from ..const import DOMAIN
from . import once, pictures
from .boards import Boards

__all__ = ["async_setup_websocket"]


async def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register the commands."""
    integration = await async_get_integration(hass, DOMAIN)
    hass.data[pictures.DATA_BOARDS] = Boards(hass, str(integration.version))
    for command in (
        once.gateways,
        once.table,
        once.timeline,
        once.details,
        pictures.subscribe,
        pictures.acknowledge,
    ):
        websocket_api.async_register_command(hass, command)

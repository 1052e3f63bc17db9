"""The commands `spin/subscribe` and `spin/ack`."""

import voluptuous as vol
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import websocket_command
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from .asking import COUNT, FOCUS, WINDOW, Message, for_readers
from .boards import Boards, TooManyError
from .desk import learn_users
from .gateways import entries_of
from .lookup import NotFoundError
from .wish import DESTINATIONS, DEVICES, MAX_ROWS, Wish

DATA_BOARDS: HassKey[Boards] = HassKey(f"{DOMAIN}_boards")

ERR_TOO_MANY = "too_many"

_ROWS = vol.All(int, vol.Range(min=1, max=MAX_ROWS))


@websocket_command(
    {
        vol.Required("type"): "spin/subscribe",
        vol.Required("window"): WINDOW,
        **FOCUS,
        vol.Optional("devices", default=DEVICES): _ROWS,
        vol.Optional("destinations", default=DESTINATIONS): _ROWS,
    }
)
@for_readers
async def subscribe(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Send a snapshot, then what changes in it."""
    gateway, device, destination = msg["gateway"], msg["device"], msg["destination"]
    if device is not None and destination is not None:
        raise vol.Invalid("at most one of device and destination")
    if gateway is not None and not entries_of(hass, gateway):
        raise NotFoundError(f"no gateway {gateway[:64]!r}")
    if device is not None and not _is_known(hass, device):
        raise NotFoundError(f"no device {device[:64]!r}")
    await learn_users(hass)
    wish = Wish(device, destination, msg["devices"], msg["destinations"])
    try:
        unsubscribe = hass.data[DATA_BOARDS].subscribe(connection, msg["id"], gateway, msg["window"], wish)
    except TooManyError:
        connection.send_error(msg["id"], ERR_TOO_MANY, "too many subscriptions")
        return
    connection.subscriptions[msg["id"]] = unsubscribe
    connection.send_result(msg["id"])


def _is_known(hass: HomeAssistant, device_id: str) -> bool:
    """Return whether a device is one of SPIN's, whether its gateway is loaded or not."""
    entry, _ = dr.async_get_device_and_config_entry_for_domain(hass, device_id, domain=DOMAIN)
    return entry is not None


@websocket_command(
    {
        vol.Required("type"): "spin/ack",
        vol.Required("subscription"): COUNT,
        vol.Required("seq"): COUNT,
    }
)
@callback
def acknowledge(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Take note that the reader has drawn what was sent last."""
    subscription = hass.data[DATA_BOARDS].find(connection, msg["subscription"])
    if subscription is None:
        connection.send_error(msg["id"], ERR_NOT_FOUND, "no such subscription")
        return
    subscription.acknowledge(msg["seq"])
    connection.send_result(msg["id"])

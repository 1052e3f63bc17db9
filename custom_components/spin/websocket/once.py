"""The commands that are answered once: `spin/gateways`, `spin/table`, `spin/timeline`, `spin/details`."""

import asyncio
import time

import voluptuous as vol
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.decorators import websocket_command
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..judgement.outages import Service
from . import table as tables
from . import timeline as timelines
from .asking import COUNT, FOCUS, WINDOW, WORD, WORD_OR_NONE, Message, for_readers
from .desk import desks, learn_users
from .details import About
from .details import details as known
from .flags import BY_NAME
from .gateways import gateway_rows
from .lookup import find

# One page of the table is made at a time: with thousands of destinations that takes a while.
DATA_TABLE_LOCK: HassKey[asyncio.Lock] = HassKey(f"{DOMAIN}_table_lock")


@websocket_command({vol.Required("type"): "spin/gateways"})
@for_readers
async def gateways(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Answer which gateways there are, and how they are."""
    integration = await async_get_integration(hass, DOMAIN)
    answer = {"version": str(integration.version), "gateways": gateway_rows(hass, None)}
    connection.send_result(msg["id"], answer)


@websocket_command(
    {
        vol.Required("type"): "spin/table",
        vol.Required("window"): WINDOW,
        **FOCUS,
        vol.Optional("filter", default=list): vol.All([vol.In(BY_NAME)], vol.Length(max=len(BY_NAME))),
        vol.Optional("search", default=""): vol.All(str, vol.Length(max=253)),
        vol.Optional("sort", default="last"): vol.In(tables.SORTS),
        vol.Optional("descending", default=True): bool,
        vol.Optional("offset", default=0): COUNT,
        vol.Optional("limit", default=100): vol.All(int, vol.Range(min=1, max=tables.MAX_LIMIT)),
    }
)
@for_readers
async def table(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Answer a page of the table."""
    wanted = 0
    for name in msg["filter"]:
        wanted |= BY_NAME[name]
    query = tables.Query(
        msg["window"], msg["destination"], wanted, msg["search"], msg["sort"], msg["descending"],
        msg["offset"], msg["limit"],
    )  # fmt: skip
    entries = [
        tables.Entry(device_id, desk.name(device), device, desk.standing(device))
        for desk in desks(hass, msg["gateway"])
        for device in desk.coordinator.devices.values()
        if (device_id := desk.device_id(device)) is not None and msg["device"] in {None, device_id}
    ]
    async with hass.data.setdefault(DATA_TABLE_LOCK, asyncio.Lock()):
        answer = await hass.async_add_executor_job(tables.page, entries, query, time.time())
    connection.send_result(msg["id"], answer)


@websocket_command(
    {
        vol.Required("type"): "spin/timeline",
        vol.Required("device"): WORD,
        vol.Optional("before", default=None): vol.Any(None, COUNT),
        vol.Optional("after", default=None): vol.Any(None, COUNT),
        vol.Optional("limit", default=100): vol.All(int, vol.Range(min=1, max=timelines.MAX_LIMIT)),
    }
)
@for_readers
async def timeline(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Answer what a device did, in order."""
    _, device = find(hass, msg["device"])
    answer = timelines.page(device.journal, msg["before"], msg["after"], msg["limit"])
    connection.send_result(msg["id"], answer)


@websocket_command(
    {
        vol.Required("type"): "spin/details",
        vol.Required("window"): WINDOW,
        vol.Required("device"): WORD,
        vol.Required("group"): WORD,
        vol.Optional("host", default=None): WORD_OR_NONE,
        vol.Optional("protocol", default=None): WORD_OR_NONE,
        vol.Optional("port", default=None): vol.Any(None, COUNT),
    }
)
@for_readers
async def details(hass: HomeAssistant, connection: ActiveConnection, msg: Message) -> None:
    """Answer the evidence on a device and a destination."""
    desk, device = find(hass, msg["device"])
    host, protocol, port = msg["host"], msg["protocol"], msg["port"]
    if host is not None and (protocol is None or port is None):
        raise vol.Invalid("a host is given with protocol and port")
    await learn_users(hass)
    about = About(msg["group"], None if host is None else Service(host, protocol, port))
    connection.send_result(msg["id"], known(desk, device, about, msg["window"], time.time()))

"""What is said of the device or the destination that the reader has put the focus on."""

from collections.abc import Iterable
from typing import Any

from homeassistant.const import Platform
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from ..const import DOMAIN
from ..naming import identifier
from . import text
from .block import block_of_device
from .board import Board
from .place import Place

MAX_NAMES = 50
MAX_ADDRESSES = 32


def of_device(place: Place, window: str, now: float) -> dict[str, Any]:
    """Return the focus on a device."""
    device, coordinator = place.device, place.desk.coordinator
    hass = coordinator.hass
    entry = dr.async_get(hass).async_get_device_by_identifier(
        identifier(coordinator.gateway, device.mac), coordinator.entry.entry_id
    )
    area = ar.async_get(hass).async_get_area(entry.area_id) if entry and entry.area_id else None
    start, step, sent, received = device.chart(window, now)
    return {
        "kind": "device",
        "id": place.device_id,
        "name": place.name,
        "manufacturer": _text(entry and entry.manufacturer),
        "model": _text(entry and entry.model),
        "firmware": _text(entry and entry.sw_version),
        "area": _text(area and area.name),
        "macs": list(device.macs),
        "addresses": list(device.addresses)[:MAX_ADDRESSES],
        "hostname": _text(device.hostname),
        "first": round(device.first_seen, 1),
        "last": round(device.last_seen, 1),
        "block": block_of_device(place.desk, device),
        "learning": {"state": device.learning.state, "left": _left(place)},
        "reaction": _reaction(place),
        "switch": _entity(place, Platform.SWITCH, "block"),
        "chart": {"start": start, "step": step, "sent": sent, "received": received},
        "timeline": device.journal.newest,
        "topics": [f"{place.desk.topic}/device/{mac}" for mac in device.macs],
    }


def of_destination(board: Board, group: str) -> dict[str, Any]:
    """Return the focus on a group."""
    destinations = [
        destination for place in board.tally.places(group) for destination in place.sheet.destinations(group)
    ]
    names = {host.name: None for destination in destinations for host in destination.each if host.named}
    return {
        "kind": "destination",
        "group": text.host(group),
        "names": [text.host(name) for name in list(names)[:MAX_NAMES]],
        "first": round(min((each.first for each in destinations), default=0.0), 1),
        "last": round(max((each.last for each in destinations), default=0.0), 1),
    }


def changed(before: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[str, Any]:
    """Return the keys that are new in a focus."""
    if before is None or now is None:
        return {}
    return {key: value for key, value in now.items() if before.get(key) != value}


def _text(value: object) -> str | None:
    return text.name(str(value)) if value else None


def _left(place: Place) -> float | None:
    left = place.desk.coordinator.roster.learning_left(place.device.learning)
    # To the minute: it is told anew when it has changed.
    return None if left is None else left // 60 * 60


def _entity(place: Place, platform: Platform, key: str) -> str | None:
    """Return the id of an entity of the device, None if there is none in use."""
    coordinator = place.desk.coordinator
    registry = er.async_get(coordinator.hass)
    unique_id = f"{coordinator.gateway}_{place.device.mac}_{key}"
    entity_id = registry.async_get_entity_id(platform, DOMAIN, unique_id)
    entry = registry.async_get(entity_id) if entity_id else None
    return entity_id if entry is not None and entry.disabled_by is None else None


def _reaction(place: Place) -> dict[str, Any] | None:
    entity_id = _entity(place, Platform.SELECT, "reaction")
    state = place.desk.coordinator.hass.states.get(entity_id) if entity_id else None
    if state is None:
        return None
    options: Iterable[str] = state.attributes.get("options", [])
    return {
        "entity_id": entity_id,
        "value": state.state,
        "options": list(options),
        "default": place.desk.coordinator.judgement.default_reaction,
    }

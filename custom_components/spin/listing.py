"""What a device is known to talk to, as response data."""

from datetime import datetime
from typing import Any

import voluptuous as vol
from homeassistant.core import ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType

from .destinations import VERDICTS, Destination
from .device import Device
from .evidence import iso
from .models import Mac, PolicyState
from .port_names import service_name
from .rules import BLOCK, decision
from .targets import meant, targets_to_read

BLOCKED = "blocked"
PARTLY_BLOCKED = "partly_blocked"

ATTR_STATE = "state"
ATTR_SINCE = "since"
ATTR_BEFORE = "before"
ATTR_TEXT = "text"

FIELDS: VolDictType = {
    vol.Optional(ATTR_STATE): vol.All(cv.ensure_list, [vol.In([*VERDICTS, BLOCKED, PARTLY_BLOCKED])]),
    vol.Optional(ATTR_SINCE): cv.datetime,
    vol.Optional(ATTR_BEFORE): cv.datetime,
    vol.Optional(ATTR_TEXT): cv.string,
}


async def get_destinations(call: ServiceCall) -> ServiceResponse:
    """Return what devices are known to talk to, as far as it passes the filters of the call."""
    devices: dict[str, Any] = {}
    for coordinator, device_id, device in meant(await targets_to_read(call)):
        rows = await call.hass.async_add_executor_job(destinations_of, device, coordinator.policy.state)
        devices[device_id] = {
            "name": coordinator.registry.name(device.mac),
            "mac": device.mac,
            "destinations": [row for row in rows if _passes(row, call.data)],
        }
    return {"devices": devices}


def _passes(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    last = datetime.fromisoformat(row["last_seen"])
    since, before, text = wanted.get(ATTR_SINCE), wanted.get(ATTR_BEFORE), wanted.get(ATTR_TEXT, "").lower()
    return (
        row["state"] in wanted.get(ATTR_STATE, (row["state"],))
        and (since is None or last >= since.astimezone())
        and (before is None or last < before.astimezone())
        and any(text in item for item in (row["destination"], *row["names"], *row["addresses"]))
    )


def destinations_of(device: Device, policy: PolicyState | None) -> list[dict[str, Any]]:
    """Return the destinations of a device, that of the latest contact first.

    That takes a while where there are many destinations and rules: not in the event loop.
    """
    latest_first = sorted(device.destinations, key=lambda destination: destination.last, reverse=True)
    return [_row(device.mac, destination, policy) for destination in latest_first]


def _row(mac: Mac, destination: Destination, policy: PolicyState | None) -> dict[str, Any]:
    group, protocol, port = destination.key
    counters = destination.counters
    names, addresses = list(destination.names), list(destination.addresses)
    decisions = _decisions(policy, mac, names, addresses)
    return {
        "destination": group,
        "names": names,
        "addresses": addresses,
        "protocol": protocol,
        "port": port,
        "service": service_name(protocol, port),
        "name_source": destination.name_source,
        "state": _state(decisions, destination.verdict),
        "first_seen": iso(destination.first),
        "last_seen": iso(destination.last),
        "sent_bytes": counters.sent_bytes,
        "received_bytes": counters.received_bytes,
        "connections": counters.connections,
        "unanswered": counters.unanswered,
        "blocked_packets": counters.blocked,
    }


def _decisions(
    policy: PolicyState | None, mac: Mac, names: list[str], addresses: list[str]
) -> set[str | None]:
    """Return all that the gateway enforces for the names, or for the addresses where there is no name."""
    if policy is None or not policy.enforced:
        return set()
    asked: list[str | None] = [*names] or [None]
    return {decision(policy.policy, mac, name, addresses) for name in asked}


def _state(decisions: set[str | None], verdict: str) -> str:
    if decisions == {BLOCK}:
        return BLOCKED
    return PARTLY_BLOCKED if BLOCK in decisions else verdict

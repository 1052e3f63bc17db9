"""What a device is known to talk to, as response data."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import voluptuous as vol
from homeassistant.core import ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType
from homeassistant.util import dt as dt_util

from .destinations import VERDICTS, Destination
from .device import Device
from .evidence import iso
from .models import Mac, PolicyState
from .port_names import service_name
from .rules import BLOCK, decision
from .targets import meant, targets_to_read

BLOCKED = "blocked"
PARTLY_BLOCKED = "partly_blocked"
STATES = (*VERDICTS, BLOCKED, PARTLY_BLOCKED)

ATTR_STATE = "state"
ATTR_SINCE = "since"
ATTR_BEFORE = "before"
ATTR_TEXT = "text"

FIELDS: VolDictType = {
    vol.Optional(ATTR_STATE): vol.All(cv.ensure_list, [vol.In(STATES)]),
    vol.Optional(ATTR_SINCE): cv.datetime,
    vol.Optional(ATTR_BEFORE): cv.datetime,
    vol.Optional(ATTR_TEXT): cv.string,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which destinations are asked for; times are Unix seconds of the last contact."""

    states: frozenset[str] = frozenset(STATES)
    since: float = 0.0
    before: float = float("inf")
    text: str = ""

    @classmethod
    def of(cls, call: ServiceCall) -> Self:
        """Return what a call asks for."""
        since, before = call.data.get(ATTR_SINCE), call.data.get(ATTR_BEFORE)
        return cls(
            frozenset(call.data.get(ATTR_STATE, STATES)),
            0.0 if since is None else _seconds(since),
            float("inf") if before is None else _seconds(before),
            call.data.get(ATTR_TEXT, "").lower(),
        )

    def includes(self, destination: Destination) -> bool:
        """Return whether it is asked for, whatever its state."""
        if not self.since <= destination.last < self.before:
            return False
        texts = (destination.key.group, *destination.names, *destination.addresses)
        return not self.text or any(self.text in text for text in texts)


def _seconds(at: datetime) -> float:
    """Return a time as Unix seconds; without a time zone it is that of Home Assistant."""
    return at.replace(tzinfo=at.tzinfo or dt_util.get_default_time_zone()).timestamp()


EVERYTHING = Wanted()


async def get_destinations(call: ServiceCall) -> ServiceResponse:
    """Return what devices are known to talk to, as far as the call asks for it."""
    wanted = Wanted.of(call)
    devices: dict[str, Any] = {}
    for coordinator, device_id, device in meant(await targets_to_read(call)):
        devices[device_id] = {
            "name": coordinator.registry.name(device.mac),
            "mac": device.mac,
            "destinations": await call.hass.async_add_executor_job(
                destinations_of, device, coordinator.policy.state, wanted
            ),
        }
    return {"devices": devices}


def destinations_of(
    device: Device, policy: PolicyState | None, wanted: Wanted = EVERYTHING
) -> list[dict[str, Any]]:
    """Return destinations of a device, that of the latest contact first.

    That takes a while where there are many destinations and rules: not in the event loop.
    """
    asked = (destination for destination in device.destinations if wanted.includes(destination))
    latest_first = sorted(asked, key=lambda destination: destination.last, reverse=True)
    rows = [_row(device.mac, destination, policy) for destination in latest_first]
    return [row for row in rows if row["state"] in wanted.states]


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

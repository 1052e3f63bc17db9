"""What is known of one device, gathered for the page that a person reads and for the panel."""

import time
from typing import TYPE_CHECKING, Any, Literal

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from ..listing import BLOCKED, PARTLY_BLOCKED, destinations_of
from ..models import Mac
from ..naming import identifier
from .connectivity import Check, check_kind
from .experiment import KINDS
from .profile import compare
from .record import Record

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

MAX_DESTINATIONS = 200
NEW = "new"
UNENCRYPTED_PORTS = frozenset({21, 23, 25, 80, 110, 143, 1883, 8080})

# By target, protocol and port.
type Uses = dict[tuple[str, str, int], set[Check | None]]
type Advice = Literal[
    "judge_new", "ask_time_less", "more_time_servers", "unencrypted", "unnamed", "try_without_internet",
    "block_or_restrict", "nothing",
]  # fmt: skip


async def report_of(coordinator: SpinCoordinator, mac: Mac) -> dict[str, Any]:
    """Return all that is known of a device. Times are Unix seconds, or ISO 8601 text in destinations."""
    hass, record = coordinator.hass, coordinator.study.record(mac)
    device = coordinator.devices[mac]
    rows = await hass.async_add_executor_job(destinations_of, device, coordinator.policy.state)
    uses = _uses(record)
    destinations = [_destination(row, uses) for row in rows[:MAX_DESTINATIONS]]
    time_sync = record.time_sync.summary()
    captures = [capture for capture in await coordinator.study.captures.listed() if capture.mac == mac]
    pair = record.periods.pair(None, None)
    return {
        "made": time.time(),
        "device": _identity(hass, coordinator, mac),
        "destinations": destinations,
        "left_out": max(0, len(rows) - MAX_DESTINATIONS),
        "unusual": _unusual(destinations),
        "time_sync": time_sync,
        "checks": _checks(record),
        "experiments": _experiments(record),
        "changes": None if pair is None else compare(*pair),
        "periods": [profile.summary() for profile in record.periods],
        "mud": None if record.mud is None else record.mud.as_dict(),
        "captures": [capture.as_dict() for capture in captures],
        "advice": _advice(destinations, record),
    }


def _identity(hass: HomeAssistant, coordinator: SpinCoordinator, mac: Mac) -> dict[str, Any]:
    device = coordinator.devices[mac]
    entry = dr.async_get(hass).async_get_device_by_identifier(
        identifier(coordinator.gateway, mac), coordinator.entry.entry_id
    )
    return {
        "name": coordinator.registry.name(mac),
        "mac": mac,
        "addresses": list(device.addresses),
        "hostname": device.hostname,
        "manufacturer": entry.manufacturer if entry else None,
        "model": entry.model if entry else None,
        "firmware": (entry.sw_version if entry else None)
        or coordinator.study.record(mac).periods.present.firmware,
        "first_seen": device.first_seen,
        "last_seen": device.last_seen,
        "blocked": coordinator.is_blocked(mac),
    }


def _uses(record: Record) -> Uses:
    """Return what names and addresses were seen to be used for, by their services."""
    uses: Uses = {}
    for profile in record.periods:
        for contact, seen in profile.contacts.items():
            service = contact.target, contact.protocol, contact.port
            uses.setdefault(service, set()).add(seen.check(contact))
    return uses


def _destination(row: dict[str, Any], uses: Uses) -> dict[str, Any]:
    """Return a row of the listing, with what it is for as far as that was seen."""
    kinds: set[Check | None] = set()
    for target in (*row["names"], *row["addresses"]):
        kinds |= uses.get((target, row["protocol"], row["port"]), set())
    for name in row["names"] or [None]:
        if check_kind(name, 0, 0):
            kinds.add("probe")
    return {**row, "connectivity_check": next(iter(kinds)) if len(kinds) == 1 else None}


def _unusual(destinations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what deserves a look: a code, the destination, and the number that shows it."""
    found: list[dict[str, Any]] = []
    for row in destinations:
        name = row["destination"]
        if row["state"] == NEW:
            found.append({"code": "new", "destination": name, "count": row["connections"]})
        if row["state"] in (BLOCKED, PARTLY_BLOCKED) and row["blocked_packets"]:
            found.append({"code": "blocked", "destination": name, "count": row["blocked_packets"]})
        if row["connections"] and row["unanswered"] == row["connections"]:
            found.append({"code": "unanswered", "destination": name, "count": row["unanswered"]})
        if row["connections"] and _is_unencrypted(row):
            found.append({"code": "unencrypted", "destination": name, "count": row["connections"]})
        if not row["names"]:
            found.append({"code": "unnamed", "destination": name, "count": row["connections"]})
    return found


def _is_unencrypted(row: dict[str, Any]) -> bool:
    """Return whether the port is one of a protocol without encryption; a check has nothing to hide."""
    is_plain = row["protocol"] == "tcp" and row["port"] in UNENCRYPTED_PORTS
    return is_plain and row["connectivity_check"] is None


def _checks(record: Record) -> list[dict[str, Any]]:
    found = {
        (contact.target, f"{contact.protocol}/{contact.port}", kind)
        for contact, kind in record.checks().items()
    }
    return [{"name": name, "service": service, "kind": kind} for name, service, kind in sorted(found)]


def _experiments(record: Record) -> list[dict[str, Any]]:
    """Return the newest experiment of each kind."""
    checks = record.checks()
    newest = {experiment.kind: experiment for experiment in record.experiments}
    return [newest[kind].result(checks) for kind in KINDS if kind in newest]


def _advice(destinations: list[dict[str, Any]], record: Record) -> list[Advice]:
    found: list[Advice] = []
    unusual = {each["code"] for each in _unusual(destinations)}
    if "new" in unusual:
        found.append("judge_new")
    if "unencrypted" in unusual:
        found.append("unencrypted")
    if "unnamed" in unusual:
        found.append("unnamed")
    time_advice = record.time_sync.advice()
    if "poll_too_short" in time_advice:
        found.append("ask_time_less")
    if "few_servers" in time_advice:
        found.append("more_time_servers")
    if not any(experiment.blocks for experiment in record.experiments):
        found.append("try_without_internet")
    if found and not (record.mud and record.mud.enforced):
        found.append("block_or_restrict")
    return found or ["nothing"]

"""What a device is known to talk to, as response data."""

from typing import Any

from .destinations import Destination
from .device import Device
from .evidence import iso
from .models import Mac, PolicyState
from .port_names import service_name
from .rules import BLOCK, decision

BLOCKED = "blocked"
PARTLY_BLOCKED = "partly_blocked"


def destinations_of(device: Device, policy: PolicyState | None) -> list[dict[str, Any]]:
    """Return the destinations of a device, that of the latest contact first."""
    latest_first = sorted(device.destinations, key=lambda destination: destination.last, reverse=True)
    return [_row(device.mac, destination, policy) for destination in latest_first]


def _row(mac: Mac, destination: Destination, policy: PolicyState | None) -> dict[str, Any]:
    group, protocol, port = destination.key
    counters = destination.counters
    return {
        "destination": group,
        "names": list(destination.names),
        "addresses": list(destination.addresses),
        "protocol": protocol,
        "port": port,
        "service": service_name(protocol, port),
        "name_source": destination.name_source,
        "state": state(mac, destination, policy),
        "first_seen": iso(destination.first),
        "last_seen": iso(destination.last),
        "sent_bytes": counters.sent_bytes,
        "received_bytes": counters.received_bytes,
        "connections": counters.connections,
        "unanswered": counters.unanswered,
        "blocked_packets": counters.blocked,
    }


def state(mac: Mac, destination: Destination, policy: PolicyState | None) -> str:
    """Return what holds for a destination: blocked, partly_blocked, allowed, new or learned."""
    if policy is None or not policy.enforced:
        return destination.verdict
    names: list[str | None] = [*destination.names] or [None]
    decisions = {decision(policy.policy, mac, name, destination.addresses) for name in names}
    if decisions == {BLOCK}:
        return BLOCKED
    return PARTLY_BLOCKED if BLOCK in decisions else destination.verdict

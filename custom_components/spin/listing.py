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

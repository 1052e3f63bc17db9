"""Why something is told: all that is known of it, in the attributes of the event."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .destinations import Destination
from .device import Device
from .models import Row
from .port_names import service_name

# Of the other devices that talk to a destination, so many are named.
MAX_NAMED_DEVICES = 5


def iso(at: float) -> str:
    """Return a time of the gateway's clock as ISO 8601 text."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def new_destination(
    gateway: str, device: Device, destination: Destination, row: Row, others: Sequence[str]
) -> dict[str, Any]:
    """Return the evidence of a first contact.

    Args:
        gateway: the gateway's id
        device: who made contact
        destination: with whom
        row: the traffic that shows it
        others: the names of the other devices that are known to talk to this destination
    """
    identity = "|".join(map(str, (gateway, device.mac, *destination.key, destination.first)))
    counters = row.counters
    looked_up = device.lookups.get(row.name) if row.name is not None else None
    return {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:16],
        "destination": destination.key.group,
        "name": row.name,
        "name_source": row.name_source,
        "address": row.address,
        "protocol": row.protocol,
        "port": row.port,
        "service": service_name(row.protocol, row.port),
        "first_seen": iso(row.first),
        "first_lookup": None if looked_up is None else iso(looked_up),
        "sent_bytes": counters.sent_bytes,
        "received_bytes": counters.received_bytes,
        "connections": counters.connections,
        "unanswered": counters.unanswered,
        "blocked": counters.blocked,
        "connectivity_check": counters.connections > 0 and counters.empty == counters.connections,
        "other_devices": ", ".join(others[:MAX_NAMED_DEVICES]),
        "other_device_count": len(others),
        "suppressed": device.take_suppressed(),
    }

"""Why something is told: all that is known of it, as data for the attributes of an event.

Texts and numbers only, no lists: what stands here ends up in the recorder.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .destinations import Grown
from .device import Device
from .port_names import service_name
from .study.connectivity import Check, check_kind

# Of the other devices that talk to a destination, so many are named.
MAX_NAMED_DEVICES = 5


def iso(at: float) -> str:
    """Return a time as ISO 8601 text."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def identity(*parts: object) -> str:
    """Return an id that is the same for the same event."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def contact(one: Grown) -> dict[str, Any]:
    """Return with whom the device had to do."""
    row = one.row
    return {
        "destination": one.destination.key.group,
        "name": row.name,
        "name_source": row.name_source,
        "address": row.address,
        "protocol": row.protocol,
        "port": row.port,
        "service": service_name(row.protocol, row.port),
    }


def new_destination(device: Device, one: Grown, others: Sequence[str]) -> dict[str, Any]:
    """Return the evidence of a first contact.

    Args:
        device: who made contact
        one: the traffic that shows it
        others: the names of the other devices that are known to talk to this destination
    """
    row = one.row
    counters = row.counters
    looked_up = device.lookups.get(row.name) if row.name is not None else None
    return {
        **contact(one),
        "first_seen": iso(one.host.first),
        "first_lookup": None if looked_up is None else iso(looked_up),
        "sent_bytes": counters.sent_bytes,
        "received_bytes": counters.received_bytes,
        "connections": counters.connections,
        "unanswered": counters.unanswered,
        "blocked": counters.blocked,
        "connectivity_check": check_of(one) == "empty",
        "connectivity_probe": check_of(one) == "probe",
        "other_devices": ", ".join(others[:MAX_NAMED_DEVICES]),
        "other_device_count": len(others),
    }


def check_of(one: Grown) -> Check | None:
    """Return how it only looked whether the Internet is there, None where it did more."""
    return check_kind(one.row.name, one.row.counters.connections, one.row.counters.empty)

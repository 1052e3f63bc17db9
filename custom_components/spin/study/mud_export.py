"""Writes what a device was seen to do as a MUD file (RFC 8520); names, not addresses (RFC 9726)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .contacts import Contact

MAX_ENTRIES = 256
_NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
# RFC 2606: nobody can be asked there. The file is what was observed, and no manufacturer vouches for it.
_URL = "https://observed.invalid/"
SYSTEM_INFO = "Observed by SPIN; not from the manufacturer"


def export(device: str, contacts: Iterable[Contact], now: float) -> dict[str, Any]:
    """Return a MUD file's content.

    Args:
        device: what becomes part of the file's URL: letters, digits and hyphens
        contacts: whom it may talk to; those without a name are left out (see `unnamed`)
        now: the time of the observation, Unix seconds
    """
    named = sorted({contact for contact in contacts if contact.named})[:MAX_ENTRIES]
    lists = {
        (family, direction): f"spin-{device}-{family}-{direction}"
        for family in ("ipv4", "ipv6")
        for direction in ("from", "to")
    }
    return {
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": f"{_URL}{device}.json",
            "last-update": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            "cache-validity": 48,
            "is-supported": True,
            "systeminfo": SYSTEM_INFO,
            "from-device-policy": _uses(lists, "from"),
            "to-device-policy": _uses(lists, "to"),
        },
        "ietf-access-control-list:acls": {
            "acl": [
                {
                    "name": name,
                    "type": f"{family}-acl-type",
                    "aces": {"ace": _aces(named, family, direction)},
                }
                for (family, direction), name in lists.items()
            ]
        },
    }


def unnamed(contacts: Iterable[Contact]) -> list[str]:
    """Return the addresses that a MUD file cannot have, because RFC 9726 wants names."""
    return sorted({contact.target for contact in contacts if not contact.named})


def _uses(lists: dict[tuple[str, str], str], direction: str) -> dict[str, Any]:
    used = [{"name": name} for (_, way), name in lists.items() if way == direction]
    return {"access-lists": {"access-list": used}}


def _aces(contacts: list[Contact], family: str, direction: str) -> list[dict[str, Any]]:
    other = {"ipv4": "icmpv6", "ipv6": "icmp"}[family]
    return [
        _ace(number, contact, family, direction)
        for number, contact in enumerate(contacts)
        if contact.protocol != other
    ]


def _ace(number: int, contact: Contact, family: str, direction: str) -> dict[str, Any]:
    side, end = ("dst", "destination") if direction == "from" else ("src", "source")
    match: dict[str, Any] = {f"ietf-acldns:{side}-dnsname": contact.target}
    matches: dict[str, Any] = {family: match}
    protocol = _NUMBERS.get(contact.protocol) or int(contact.protocol) if _is_known(contact) else None
    if protocol is not None:
        match["protocol"] = protocol
    if contact.protocol in ("tcp", "udp") and contact.port:
        matches[contact.protocol] = {f"{end}-port": {"operator": "eq", "port": contact.port}}
        if contact.protocol == "tcp":
            matches["tcp"]["ietf-mud:direction-initiated"] = "from-device"
    return {"name": f"{direction}-{number}", "matches": matches, "actions": {"forwarding": "accept"}}


def _is_known(contact: Contact) -> bool:
    return contact.protocol in _NUMBERS or contact.protocol.isdigit()

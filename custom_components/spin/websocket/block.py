"""Who blocks what: the rule that keeps a device from its destinations, and who made it."""

from typing import Any

from ..device import Device
from ..hosts import Host
from ..models import Rule
from ..rules import BLOCK
from ..rulings import About
from .desk import Desk

AUTOMATIC = "automatic"


def block_of_device(desk: Desk, device: Device) -> dict[str, Any] | None:
    """Return the block of a whole device."""
    book = desk.standing(device).book
    if not book.blocked:
        return None
    return _block(desk, "user", About(device.mac, None), book.until, None)


def block_of_hosts(desk: Desk, device: Device, hosts: tuple[Host, ...]) -> dict[str, Any] | None:
    """Return what keeps a device from all of these hosts: the rule for the first of them."""
    if (block := block_of_device(desk, device)) is not None:
        return block | {"by": "device"}
    standing = desk.standing(device)
    decisions = [each for host in hosts if (each := standing.decision(host)) and each.action == BLOCK]
    if not decisions or len(decisions) < len(hosts):
        return None
    decision = decisions[0]
    about = About(None if decision.everyone else device.mac, decision.rule.target)
    level = "everyone" if decision.everyone else "user"
    return _block(desk, level, about, decision.rule.until, decision.rule)


def _block(desk: Desk, level: str, about: About, until: float | None, rule: Rule | None) -> dict[str, Any]:
    ruling = desk.coordinator.rulings.of(*about)
    by = AUTOMATIC if ruling is not None and ruling.by == AUTOMATIC and level == "user" else level
    return {
        "by": by,
        "user": desk.user_name(ruling.user_id) if ruling else None,
        "since": ruling.since if ruling else None,
        "until": desk.local_time(until),
        "rule": rule.target if rule else None,
    }

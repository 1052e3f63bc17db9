"""What follows from a finding, as the user prefers it: nothing, a notice, or a block."""

from collections.abc import Iterable

import voluptuous as vol

from .. import checks
from ..const import (
    EVENT_FLOOD,
    EVENT_NEW_DESTINATION,
    EVENT_SCAN,
    REACTION_BLOCK_BOTH,
    REACTION_BLOCK_DESTINATION,
    REACTION_BLOCK_DEVICE,
)
from ..decisions import Decision
from ..destinations import NEW, Destination
from ..device import Device
from ..findings import Finding, Reason
from ..models import Rule
from ..rules import BLOCK

BLOCKS_NEW = {REACTION_BLOCK_DESTINATION, REACTION_BLOCK_BOTH}
BLOCKS_DEVICE = {REACTION_BLOCK_DEVICE, REACTION_BLOCK_BOTH}
# A device that makes up names cannot fill the gateway's policy.
MAX_AUTOMATIC_RULES = 100


def decide(
    finding: Finding, reaction: str, *, automatic: int, until: float | None
) -> tuple[Decision | None, Reason | None]:
    """Return what is to be blocked, or why nothing is although the user's preference says so.

    Args:
        finding: what happened
        reaction: what the user prefers
        automatic: how many automatic rules there are for this device
        until: when a block is to end, by the gateway's clock
    """
    device = finding.device
    if finding.kind in {EVENT_SCAN, EVENT_FLOOD} and reaction in BLOCKS_DEVICE:
        if not device.learning.over:
            return None, Reason("not_blocked_learning")
        return Decision("block", device.mac, until=until), None
    if finding.kind != EVENT_NEW_DESTINATION or reaction not in BLOCKS_NEW or finding.destination is None:
        return None, None
    if reason := _spared(device, finding.destination):
        return None, reason
    if automatic >= MAX_AUTOMATIC_RULES:
        return None, Reason("not_blocked_many")
    return Decision("block", device.mac, rule=rule_of(finding.destination), until=until), None


def rule_of(destination: Destination) -> Rule:
    """Return the rule that blocks a destination: its group, or its address where it has no proper name."""
    try:
        if destination.names:
            return Rule(BLOCK, name=checks.host_name(destination.key.group))
    except vol.Invalid:
        pass
    return Rule(BLOCK, address=destination.addresses[0])


def _spared(device: Device, destination: Destination) -> Reason | None:
    """Return why a block would hit what the device is known to talk to, None if it would not."""
    group = destination.key.group
    addresses = set(destination.addresses)
    sharing: list[str] = []
    for known in device.destinations:
        if known.key == destination.key or known.verdict == NEW:
            continue
        if known.key.group == group:
            return Reason("not_blocked_known", {"destination": group})
        if addresses & set(known.addresses):
            sharing += known.names or [known.key.group]
    return Reason("not_blocked_shared", {"names": _few(sharing)}) if sharing else None


def _few(names: Iterable[str]) -> str:
    return ", ".join(list(dict.fromkeys(names))[:3])

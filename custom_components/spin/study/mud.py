"""MUD files of a gateway's devices: written from what was seen, read and enforced as rules."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from homeassistant.util import slugify

from ..models import Mac, Rule
from ..rules import ALLOW, BLOCK, Change, set_rule, take_back, together
from ..rulings import USER, Ruling
from .contacts import Contact
from .mud_export import export, unnamed
from .mud_file import ANYTHING, Allowed

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

REASON = "mud"


def exported(coordinator: SpinCoordinator, mac: Mac) -> dict[str, Any]:
    """Return a device's MUD file, and the addresses that cannot be in it, as response data."""
    contacts = _seen(coordinator, mac)
    name = slugify(coordinator.registry.name(mac), separator="-")[:40] or "device"
    return {"mud": export(name, contacts, time.time()), "unnamed": unnamed(contacts)}


def _seen(coordinator: SpinCoordinator, mac: Mac) -> set[Contact]:
    """Return all contacts of a device, those before the studies began too."""
    found = {contact for profile in coordinator.study.record(mac).periods for contact in profile.contacts}
    for destination in coordinator.devices[mac].destinations:
        _, protocol, port = destination.key
        found |= {Contact(name, True, protocol, port) for name in destination.names}
    return found


def rules_of(allowed: Allowed) -> list[Rule]:
    """Return the rules that let a device talk to nobody else: what it is allowed outranks its blocks."""
    return [
        *(Rule(ALLOW, name=name) for name in allowed.names),
        *(Rule(ALLOW, address=network) for network in allowed.networks),
        *(Rule(BLOCK, address=network) for network in ANYTHING),
    ]


def known_rules(allowed: Allowed) -> list[Rule]:
    """Return what stands for the destinations that a file makes known."""
    return [rule for rule in rules_of(allowed) if rule.action == ALLOW]


async def enforce(coordinator: SpinCoordinator, mac: Mac, allowed: Allowed, user_id: str | None) -> Allowed:
    """Have the gateway block what is not in the file, and only that; return the file as it is enforced.

    Rules that there were before stand, whatever the file says.

    Raises:
        ServiceValidationError: the device must stay reachable
        PolicyError: the gateway does not enforce it
    """
    await coordinator.decisions.check_device(mac)
    former = coordinator.study.record(mac).mud
    lifted = together([_lift(coordinator, mac, former)] if former is not None and former.enforced else [])
    present = lifted(await coordinator.present_policy())
    ruled = {rule.target for rule in present.device(mac).destinations}
    rules = [rule for rule in rules_of(allowed) if rule.target not in ruled]
    added = [set_rule(each, rule) for each in coordinator.devices[mac].macs for rule in rules]
    await coordinator.change_policy(together([lifted, *added]))
    for rule in rules:
        coordinator.rulings.note(mac, rule.target, Ruling(USER, user_id, reason=REASON))
    kept = tuple(rule.target for rule in rules_of(allowed) if rule.target in ruled)
    return replace(allowed, enforced=True, kept=kept)


async def lift(coordinator: SpinCoordinator, mac: Mac, allowed: Allowed) -> None:
    """Take the rules of a file away, unless somebody has made another of them; raises PolicyError."""
    await coordinator.change_policy(_lift(coordinator, mac, allowed))


def _lift(coordinator: SpinCoordinator, mac: Mac, allowed: Allowed) -> Change:
    rules = [
        rule
        for rule in rules_of(allowed)
        if rule.target not in allowed.kept and _is_the_files(coordinator.rulings.of(mac, rule.target))
    ]
    return together([take_back(each, rule) for each in coordinator.devices[mac].macs for rule in rules])


def _is_the_files(ruling: Ruling | None) -> bool:
    return ruling is None or ruling.reason == REASON

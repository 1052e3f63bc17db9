"""What the actions `spin.*` that change something do, and what they answer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import voluptuous as vol
from homeassistant.core import ServiceCall, ServiceResponse
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util

from . import checks
from .const import DOMAIN
from .coordinator import SpinCoordinator
from .decisions import Decision, Kind, named
from .models import Mac, Rule
from .rules import BLOCK
from .rulings import USER, Ruling
from .sharing import shared_addresses
from .targets import (
    Target,
    Targets,
    calling_user,
    check_administrator,
    meant,
    targets_to_change,
    without_gateways,
)

ATTR_ALLOWED = "allowed"
ATTR_DESTINATION = "destination"
ATTR_DURATION = "duration"

# As people write it.
MAC = r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}"

# By the ids of the devices.
type Answers = dict[str, Any]


def _ruling(call: ServiceCall) -> Ruling:
    return Ruling(USER, call.context.user_id)


def _until(call: ServiceCall, coordinator: SpinCoordinator) -> float | None:
    """Return when what is asked for ends, by the gateway's clock."""
    duration: timedelta | None = call.data.get(ATTR_DURATION)
    return None if duration is None else coordinator.gateway_time() + duration.total_seconds()


def _end(coordinator: SpinCoordinator, mac: Mac | None, rule: Rule | None = None) -> str | None:
    """Return when the block in force ends by itself, by Home Assistant's clock."""
    if (state := coordinator.policy.state) is None:
        return None
    device = state.policy.device(mac or "")
    until = device.until
    if rule is not None:
        rules = device.destinations if mac else state.policy.everyone
        until = next((each.until for each in rules if each.target == rule.target), None)
    if until is None:
        return None
    left = timedelta(seconds=until - coordinator.gateway_time())
    return (dt_util.utcnow() + left).isoformat(timespec="seconds")


def rule_of(text: str) -> Rule:
    """Return a rule for a host name, or an address or network.

    Raises:
        ServiceValidationError: it is neither, or empty
    """
    text = text.strip().removesuffix(".")
    if not text:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="empty_destination")
    try:
        return Rule(BLOCK, address=checks.network(text))
    except vol.Invalid:
        pass
    try:
        name = checks.host_name(text.encode("idna").decode().lower())
    except UnicodeError, vol.Invalid:
        name = ""
    if not name or name.rpartition(".")[2].isdigit():
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="invalid_destination",
            translation_placeholders={"destination": text},
        )
    return Rule(BLOCK, name=name)


def _rules(call: ServiceCall) -> list[Rule]:
    return list(dict.fromkeys(rule_of(text) for text in call.data[ATTR_DESTINATION]))


async def _decide(
    call: ServiceCall, targets: Targets, kind: Kind, rules: Sequence[Rule | None] = (None,)
) -> Answers:
    """Have the decision enforced for all targets; return for each whether something has changed."""
    answers: Answers = {}
    for coordinator, each in targets.items():
        until = _until(call, coordinator)
        wanted = {target: [Decision(kind, target.mac, rule, until) for rule in rules] for target in each}
        together = [decision for decisions in wanted.values() for decision in decisions]
        changed = await coordinator.decisions.enforce(together, _ruling(call))
        for target, decisions in wanted.items():
            answers[target.device_id] = {
                "name": target.name,
                "changed": any(decision in changed for decision in decisions),
            }
    return answers


async def block_device(call: ServiceCall) -> ServiceResponse:
    """Cut devices off the Internet."""
    targets = without_gateways(await targets_to_change(call))
    answers = await _decide(call, targets, "block")
    for coordinator, each in targets.items():
        for target in each:
            answers[target.device_id]["until"] = _end(coordinator, target.mac)
    return {"devices": answers}


async def unblock_device(call: ServiceCall) -> ServiceResponse:
    """Let devices use the Internet again."""
    answers = await _decide(call, without_gateways(await targets_to_change(call)), "unblock")
    return {"devices": answers}


async def block_destination(call: ServiceCall) -> ServiceResponse:
    """Keep devices from destinations; answer who shares their addresses."""
    rules = _rules(call)
    targets = await targets_to_change(call)
    answers = await _decide(call, targets, "block", rules)
    for coordinator, each in targets.items():
        for target in each:
            answers[target.device_id]["destinations"] = [
                {
                    "destination": rule.target,
                    "until": _end(coordinator, target.mac, rule),
                    "shares": await _shares(coordinator, target, rule),
                }
                for rule in rules
            ]
    return {"devices": answers}


async def _shares(coordinator: SpinCoordinator, target: Target, rule: Rule) -> dict[str, list[str]]:
    devices = list(coordinator.devices.values())
    hit = [device for device in devices if target.mac in (None, device.mac)]
    others = [device for device in devices if device not in hit]
    names, sharing = await coordinator.hass.async_add_executor_job(shared_addresses, rule, hit, others)
    return {"names": names, "devices": [coordinator.registry.name(device.mac) for device in sharing]}


async def unblock_destination(call: ServiceCall) -> ServiceResponse:
    """Remove the rules for destinations, whether they block or allow."""
    return {"devices": await _decide(call, await targets_to_change(call), "unblock", _rules(call))}


async def allow_destination(call: ServiceCall) -> ServiceResponse:
    """Say that destinations are fine, or take that back."""
    rules = _rules(call)
    targets = await targets_to_change(call)
    allowed: bool = call.data[ATTR_ALLOWED]
    # A gateway that only observes needs no exception to what it does not block.
    blocking = {coordinator: each for coordinator, each in targets.items() if coordinator.can_block}
    answers = await _decide(call, blocking, "allow" if allowed else "disallow", rules)
    for coordinator, device_id, device in meant(targets):
        changed = sum(device.destinations.allow(rule, allowed=allowed) for rule in rules)
        if changed:
            coordinator.roster.keep(news=True)
            device.changed()
        answer = answers.setdefault(
            device_id, {"name": coordinator.registry.name(device.mac), "changed": False}
        )
        answer["changed"] = answer["changed"] or changed > 0
    return {"devices": answers}


async def forget_destination(call: ServiceCall) -> ServiceResponse:
    """Forget destinations: the next contact is the first one again. Rules stay."""
    rules = _rules(call)
    answers: Answers = {}
    user = await _user_name(call)
    for coordinator, device_id, device in meant(await targets_to_change(call)):
        forgotten = 0
        for rule in rules:
            about: dict[str, Any] = {"by": USER, "user": user, **named(device, rule.target)}
            if count := device.destinations.forget_meant(rule):
                device.journal.add("forgotten", dt_util.utcnow().timestamp(), **about)
                forgotten += count
        if forgotten:
            coordinator.roster.keep(news=True)
            device.changed()
        answers[device_id] = {"name": coordinator.registry.name(device.mac), "forgotten": forgotten}
    return {"devices": answers}


async def _user_name(call: ServiceCall) -> str | None:
    user = await calling_user(call)
    return user.name if user else None


async def accept_all(call: ServiceCall) -> ServiceResponse:
    """Say that all that is new is fine."""
    answers: Answers = {}
    for coordinator, each in (await targets_to_change(call)).items():
        chosen = list(meant({coordinator: each}))
        counts = await coordinator.accept_all([device for _, _, device in chosen], _ruling(call))
        for (_, device_id, device), accepted in zip(chosen, counts, strict=True):
            answers[device_id] = {"name": coordinator.registry.name(device.mac), "accepted": accepted}
    return {"devices": answers}


async def restart_learning(call: ServiceCall) -> ServiceResponse:
    """Have devices learn anew."""
    return await _learn(call, restart=True)


async def skip_learning(call: ServiceCall) -> ServiceResponse:
    """Have devices end their learning period now."""
    return await _learn(call, restart=False)


async def _learn(call: ServiceCall, *, restart: bool) -> ServiceResponse:
    answers: Answers = {}
    for coordinator, device_id, device in meant(await targets_to_change(call)):
        if restart:
            coordinator.roster.restart_learning(device)
        else:
            coordinator.roster.skip_learning(device)
        answers[device_id] = {
            "name": coordinator.registry.name(device.mac),
            "learning": device.learning.state,
            "seconds_left": coordinator.roster.learning_left(device.learning),
        }
    return {"devices": answers}


async def undo_automatic_blocks(call: ServiceCall) -> ServiceResponse:
    """Take back all that reactions have blocked."""
    answers: Answers = {}
    for coordinator, device_id, device in meant(await targets_to_change(call)):
        abouts = coordinator.rulings.automatic(device.mac)
        decisions = [
            Decision("unblock", device.mac, rule_of(about.target) if about.target else None)
            for about in abouts
        ]
        if decisions:
            await coordinator.decisions.enforce(decisions, _ruling(call))
        answers[device_id] = {
            "name": coordinator.registry.name(device.mac),
            "device": any(about.target is None for about in abouts),
            "destinations": [about.target for about in abouts if about.target],
        }
    return {"devices": answers}


async def join_devices(call: ServiceCall) -> ServiceResponse:
    """Make one device of several that are the same with different MAC addresses."""
    await check_administrator(call)
    first = call.data["into"]
    targets = without_gateways(await targets_to_change(call))
    (coordinator, each), *elsewhere = targets.items()
    into = next((target for target in each if target.device_id == first), None)
    if elsewhere or into is None or len(each) < 2:  # noqa: PLR2004 (it takes two to be joined)
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="not_joinable")
    macs = [target.mac for target in sorted(each, key=lambda target: target != into) if target.mac]
    device = await coordinator.join(macs)
    return {"name": into.name, "device_id": into.device_id, "macs": list(device.macs)}


async def split_device(call: ServiceCall) -> ServiceResponse:
    """Make a device of its own of a MAC address that was joined to another."""
    await check_administrator(call)
    mac = call.data["mac"].lower().replace("-", ":")
    for coordinator, _device_id, device in meant(without_gateways(await targets_to_change(call))):
        if mac in device.macs[1:]:
            split = await coordinator.split(device, mac)
            return {
                "device_id": coordinator.registry.device_id(split.mac),
                "name": coordinator.registry.name(split.mac),
                "mac": split.mac,
            }
    raise ServiceValidationError(
        translation_domain=DOMAIN, translation_key="not_joined", translation_placeholders={"mac": mac}
    )

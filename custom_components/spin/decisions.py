"""The one way in which rules are made and taken back: by a person's action, a switch or a reaction.

A decision is checked, enforced by the gateway, and only then written down: who made it, and in
the device's journal.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from homeassistant.core import HomeAssistant, callback

from .device import Device
from .models import Mac, Policy, Rule
from .policy import PolicyKeeper
from .protected import Protected
from .rules import BLOCK, Change, block_device, disallow, remove_rule, set_rule, together, unblock_device
from .rulings import AUTOMATIC, TIMER, About, Ruling, Rulings, standing

type Kind = Literal["block", "unblock", "allow", "disallow"]

JOURNAL_KINDS: Mapping[Kind, str] = {
    "block": "blocked",
    "unblock": "unblocked",
    "allow": "allowed",
    "disallow": "disallowed",
}
# What the gateway's clock may be behind ours when it says that a rule has ended.
ENDED_TOLERANCE = 5.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall hold for a device, or for everyone.

    Args:
        kind: what is done; `unblock` removes a rule, whether it blocks or allows, `disallow` one that allows
        mac: the device (the first of its MAC addresses); None: everyone
        rule: which name or address; None: the whole device
        until: when it ends by itself, by the gateway's clock
    """

    kind: Kind
    mac: Mac | None
    rule: Rule | None = None
    until: float | None = None

    @property
    def about(self) -> About:
        """What it is about."""
        return About(self.mac, self.rule.target if self.rule else None)

    def change(self, macs: Iterable[Mac | None]) -> Change:
        """Return the change of the policy, for all MAC addresses of the device."""
        return together([self._change(mac) for mac in macs])

    def _change(self, mac: Mac | None) -> Change:
        if self.rule is not None:
            if self.kind == "unblock":
                return remove_rule(mac, self.rule)
            if self.kind == "disallow":
                return disallow(mac, self.rule)
            return set_rule(mac, replace(self.rule, action=self.kind, until=self.until))
        if mac is None or self.kind in ("allow", "disallow"):
            raise ValueError("only a device is blocked and unblocked as a whole")
        return block_device(mac, until=self.until) if self.kind == "block" else unblock_device(mac)


class Home(Protocol):
    """What decisions need of a gateway and its devices."""

    devices: dict[Mac, Device]
    policy: PolicyKeeper
    rulings: Rulings

    async def present_policy(self) -> Policy:
        """Return what the gateway enforces, as soon as it has said that."""

    async def change_policy(self, change: Change) -> None:
        """Change the gateway's policy; returns when it is enforced."""

    def gateway_time(self) -> float:
        """Return the time by the gateway's clock."""


class Decisions:
    """Makes the decisions about the devices of one gateway hold."""

    def __init__(self, hass: HomeAssistant, home: Home) -> None:
        """Decide about the devices of a home, whose gateway's clock may be wrong."""
        self._hass = hass
        self._home = home
        self._protected = Protected(hass)
        self._under_way: list[tuple[Decision, Ruling]] = []

    async def prepare(self) -> None:
        """Find out what must stay reachable, so that the first block does not wait for that."""
        await self._protected.refresh()

    async def enforce(self, decisions: Sequence[Decision], ruling: Ruling) -> list[Decision]:
        """Have the gateway enforce decisions; returns when it does, with those that changed something.

        A reaction (`ruling.by` is automatic) leaves alone what somebody has decided before.

        Raises:
            ServiceValidationError: something that must stay reachable would be blocked
            PolicyError: the gateway does not enforce it; nothing has changed
        """
        before = await self._home.present_policy()
        if ruling.by == AUTOMATIC:
            ruled = self._standing(before)
            decisions = [decision for decision in decisions if decision.about not in ruled]
        await self.check(decisions)
        changes = {decision: self._change(decision) for decision in decisions}
        user = await self.name_of(ruling.user_id)
        under_way = [(decision, ruling) for decision in decisions]
        self._under_way += under_way
        try:
            await self._home.change_policy(together(list(changes.values())))
        finally:
            for each in under_way:
                self._under_way.remove(each)
        changed = [decision for decision, change in changes.items() if change(before) != before]
        for decision in decisions:
            self._note(decision, ruling, changed=decision in changed)
        for decision in changed:
            self._write_down(decision, by=ruling.by, user=user)
        return changed

    async def check_device(self, mac: Mac) -> None:
        """Refuse to cut a device off that must stay reachable; raises ServiceValidationError."""
        await self.check([Decision("block", mac)])

    async def check(self, decisions: Sequence[Decision]) -> None:
        """Refuse to block what must stay reachable; raises ServiceValidationError."""
        blocks = [decision for decision in decisions if decision.kind == "block"]
        if not blocks:
            return
        await self._protected.refresh()
        for decision in blocks:
            if decision.rule is not None:
                self._protected.check_rule(decision.rule)
            elif (device := self._home.devices.get(decision.mac or "")) is not None:
                self._protected.check_device(device.addresses)

    def _change(self, decision: Decision) -> Change:
        return decision.change(self._macs(decision.mac))

    def _macs(self, mac: Mac | None) -> Sequence[Mac | None]:
        device = self._home.devices.get(mac) if mac else None
        return (mac,) if device is None else device.macs

    def _standing(self, policy: Policy) -> set[About]:
        """Return what the policy is about, by the first MAC address of joined devices."""
        first = {mac: device.mac for device in self._home.devices.values() for mac in device.macs[1:]}
        return {About(first.get(mac or "", mac), target) for mac, target in standing(policy)}

    def _note(self, decision: Decision, ruling: Ruling, *, changed: bool) -> None:
        if decision.kind in ("unblock", "disallow"):
            return
        former = self._home.rulings.of(*decision.about)
        if changed or former is None or (former.by == AUTOMATIC and ruling.by != AUTOMATIC):
            self._home.rulings.note(*decision.about, ruling)

    def _write_down(self, decision: Decision, *, by: str, user: str | None) -> None:
        if (device := self._home.devices.get(decision.mac or "")) is None:
            return
        data: dict[str, Any] = {"by": by, "user": user}
        kind = JOURNAL_KINDS[decision.kind]
        if decision.rule is None:
            kind = f"device_{kind}"
        else:
            data |= named(device, decision.rule.target)
        if decision.until is not None:
            data["until"] = round(decision.until - self._home.gateway_time() + time.time())
        device.journal.add(kind, time.time(), **data)
        device.changed()

    async def name_of(self, user_id: str | None) -> str | None:
        """Return what a user is called, as far as they are known."""
        user = await self._hass.auth.async_get_user(user_id) if user_id else None
        return user.name if user else None

    @callback
    def followed(self, former: Policy | None, now: Policy) -> None:
        """Note whose rules are in force now; write down the blocks that have ended by themselves."""
        self._home.rulings.follow(self._standing(now))
        if former is None:
            return
        # Whoever looks at the new policy sees who made it.
        for decision, ruling in self._under_way:
            change = self._change(decision)
            if change(now) == now:
                self._note(decision, ruling, changed=change(former) != former)
        for about in standing(former) - standing(now):
            device = former.device(about.mac or "")
            if about.target is None:
                self._ended(about, device.until)
                continue
            rules = device.destinations if about.mac else former.everyone
            rule = next(rule for rule in rules if rule.target == about.target)
            if rule.action == BLOCK:
                self._ended(about, rule.until)

    def _ended(self, about: About, until: float | None) -> None:
        if (
            until is None
            or until > self._home.gateway_time() + ENDED_TOLERANCE
            or about.mac not in self._home.devices
        ):
            return
        rule = Rule(BLOCK, name=about.target) if about.target else None
        self._write_down(Decision("unblock", about.mac, rule), by=TIMER, user=None)


def named(device: Device, target: str) -> dict[str, str]:
    """Return how the journal names a target: as a group if the device knows it as one."""
    known = any(destination.key.group == target for destination in device.destinations)
    return {"group" if known else "host": target}

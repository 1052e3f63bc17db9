"""Judgement of one gateway's devices: what is found is written down, reacted to, and told, in this order."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from homeassistant.const import (
    ATTR_DEVICE_ID,
    ATTR_ENTITY_ID,
    ATTR_NAME,
    EVENT_CORE_CONFIG_UPDATE,
    Platform,
)
from homeassistant.core import Event, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .. import evidence
from ..const import (
    ATTR_MESSAGE,
    BUS_EVENT_FINDING,
    DOMAIN,
    EVENT_BEHAVIOUR_CHANGED,
    EVENT_DEVICE_SEEN,
    EVENT_NEW_DESTINATION,
    NEW_DEVICES_BLOCK,
    NEW_DEVICES_NOTIFY,
    REACTION_OBSERVE,
)
from ..decisions import Decision
from ..destinations import LEARNED, NEW, Grown, Key
from ..device import Device
from ..findings import Finding, Reason
from ..models import Flows, Mac, Row
from ..options import Options
from ..rules import BLOCK, decision
from ..rulings import AUTOMATIC, Ruling
from ..study.mud_file import Allowed
from . import words
from .firmware import FirmwareWatch
from .judge import Judge, Surroundings
from .judged import Firmware
from .notices import NOTICED, Notices
from .outages import Service
from .reactions import BLOCKS_NEW, decide

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

_LOGGER = logging.getLogger(__name__)

ACTION_NONE = "none"
ACTION_DESTINATION = "blocked_destination"
ACTION_DEVICE = "blocked_device"
MAX_MESSAGE = 1000


class Judgement:
    """Finds what is noteworthy, and sees to what follows."""

    def __init__(self, coordinator: SpinCoordinator) -> None:
        """Judge nothing yet."""
        self._home = coordinator
        self._hass = coordinator.hass
        self._options = Options.read(coordinator.entry.options)
        self._words = words.Words(self._hass)
        self._notices = Notices(self._hass, coordinator.gateway)
        self._watch = FirmwareWatch(self._hass, self._version_heard)
        self._judge = Judge(
            coordinator.gateway,
            Surroundings(
                is_blocked=self._is_blocked,
                others=self._others,
                failing=self._failing,
                blocks_new=lambda device: self.reaction(device) in BLOCKS_NEW,
            ),
        )

    async def prepare(self) -> None:
        """Load the words; to be awaited before there is anything to judge."""
        await words.async_load(self._hass)

    @callback
    def listen(self) -> None:
        """Listen to what other integrations say of the firmware of the devices."""
        on_unload = self._home.entry.async_on_unload
        for stop in self._watch.listen():
            on_unload(stop)
        on_unload(self._notices.listen())
        on_unload(self._hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._settings_changed))
        for device in list(self._home.devices.values()):
            self._look(device)

    async def _settings_changed(self, _event: Event[Any]) -> None:
        await self.prepare()

    def _look(self, device: Device) -> None:
        for mac in device.macs:
            self._watch.look(mac)

    def reaction(self, device: Device) -> str:
        """Return what the user prefers for a device."""
        return device.judged.reaction or self.default_reaction

    @property
    def default_reaction(self) -> str:
        """What the user prefers for devices that have no choice of their own."""
        return self._options.reaction

    @callback
    def choose_reaction(self, device: Device, reaction: str | None) -> None:
        """Take note of what the user prefers for a device; None: the same as for all."""
        device.judged.reaction = reaction
        self._home.roster.keep(news=True)
        device.changed()

    @callback
    def flows(self, device: Device, flows: Flows, grown: Sequence[Grown], now: float) -> None:
        """Judge a message on a device's traffic, with what is new in it."""
        findings = self._judge.flows(device, flows, grown, now, over=device.learning.over)
        if findings and self._home.study.experiment_of(device.mac) is not None:
            findings = [self._expected(finding) for finding in findings]
        elif findings and (mud := self._home.study.record(device.mac).mud) is not None:
            findings = [self._expected(each) if _is_in(mud, each) else each for each in findings]
        self._see_to(findings)

    def _expected(self, finding: Finding) -> Finding:
        """Return a finding that the user provoked or foresaw: it is in the journal only."""
        if finding.kind == EVENT_NEW_DESTINATION and finding.destination is not None:
            finding.destination.verdict = LEARNED
        return Finding(
            finding.kind,
            finding.device,
            finding.destination,
            finding.evidence,
            finding.reasons,
            finding.host,
            finding.journal,
            told=False,
            reacts=False,
        )

    @callback
    def device_admitted(self, device: Device) -> None:
        """See to a device that was never seen before, as the user prefers it."""
        preference = self._options.new_devices
        if preference == NEW_DEVICES_NOTIFY:
            self._home.roster.skip_learning(device)
        device.judged.awaits_acceptance = preference == NEW_DEVICES_BLOCK
        identity = evidence.identity(self._home.gateway, device.mac, EVENT_DEVICE_SEEN)
        data = {
            "id": identity,
            "mac": device.mac,
            "address": next(iter(device.addresses), None),
            "hostname": device.hostname,
        }
        self._see_to([Finding(EVENT_DEVICE_SEEN, device, None, data, ())])
        self._look(device)

    @callback
    def _version_heard(self, mac: Mac, source: str, version: str) -> None:
        if (device := self._home.roster.find(mac)) is None:
            return
        hours = self._options.relearn_hours
        reopens = bool(hours) and device.learning.over
        now = time.time()
        firmware, findings = self._judge.version(device, source, version, now, reopens=reopens)
        if firmware is None:
            return
        device.journal.add("firmware_changed", now, count=1, **_versions(firmware))
        self._see_to(findings)
        if reopens:
            self._home.roster.reopen_learning(device, hours, "firmware")
        self._home.roster.keep(news=True)

    @callback
    def policy_changed(self) -> None:
        """Forget what was told of blocks that are lifted, and the failures of what is blocked."""
        for device in self._home.devices.values():
            judged = device.judged
            for service in [each for each in judged.attempts if not self._blocks(device, each)]:
                del judged.attempts[service]
            judged.outages.forget_blocked(partial(self._blocks, device))
            if judged.awaits_acceptance and judged.was_blocked and not self._home.is_blocked(device.mac):
                judged.awaits_acceptance = False
            judged.was_blocked = self._home.is_blocked(device.mac)

    async def let_in(self, devices: Sequence[Device], ruling: Ruling) -> None:
        """Unblock those of the devices that wait for that; returns when it is enforced.

        Raises:
            PolicyError: it is not, and they still wait
        """
        waiting = [device for device in devices if device.judged.awaits_acceptance]
        # A gateway that only observes has not blocked them.
        if waiting and self._home.can_block:
            unblocks = [Decision("unblock", device.mac) for device in waiting]
            await self._home.decisions.enforce(unblocks, ruling)

    @callback
    def accepted(self, device: Device) -> None:
        """Take note that the user finds fine what there is of a device."""
        judged = device.judged
        judged.scan.unseen = judged.flood.unseen = judged.awaits_acceptance = False
        self._notices.dismiss(self._home.registry.device_id(device.mac))

    def needs_attention(self, device: Device) -> bool:
        """Return whether the user has something to decide about a device."""
        judged = device.judged
        if judged.scan.unseen or judged.flood.unseen or judged.awaits_acceptance:
            return True
        return any(
            host.verdict == NEW and not self._blocks(device, Service(host.name, *known.key[1:]))
            for known in device.destinations
            for host in known.each
        )

    def _is_blocked(self, device: Device, row: Row) -> bool:
        state = self._home.policy.state
        if state is None or not state.enforced:
            return False
        return decision(state.policy, device.mac, row.name, [row.address]) == BLOCK

    def _blocks(self, device: Device, service: Service) -> bool:
        state = self._home.policy.state
        if state is None or not state.enforced:
            return False
        is_address = ":" in service.host or service.host.replace(".", "").isdigit()
        name, addresses = (None, [service.host]) if is_address else (service.host, [])
        return decision(state.policy, device.mac, name, addresses) == BLOCK

    def _others(self, device: Device, key: Key) -> list[str]:
        return [
            self._home.registry.name(other.mac)
            for other in self._home.devices.values()
            if other is not device and key in other.destinations
        ]

    def _failing(self, device: Device) -> int:
        others = (other for other in self._home.devices.values() if other is not device)
        return sum(len(other.judged.outages) > 0 for other in others)

    def _see_to(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            finding.device.judged.unsettled |= finding.told
            if finding.journal is not None:
                finding.device.journal.add(finding.kind, time.time(), **finding.journal)
            wanted, spared = self._wanted(finding)
            if wanted is not None:
                self._home.entry.async_create_task(
                    self._hass, self._block_and_tell(finding, wanted), f"spin reaction to {finding.kind}"
                )
            elif finding.told:
                self._tell(finding, ACTION_NONE, [spared] if spared else [])

    def _wanted(self, finding: Finding) -> tuple[Decision | None, Reason | None]:
        if not finding.reacts:
            return None, None
        device = finding.device
        if finding.kind == EVENT_DEVICE_SEEN:
            blocked = device.judged.awaits_acceptance
            return (Decision("block", device.mac) if blocked else None), None
        hours = self._options.block_hours
        until = self._home.gateway_time() + hours * 3600 if hours else None
        automatic = len(self._home.rulings.automatic(device.mac))
        return decide(finding, self.reaction(device), automatic=automatic, until=until)

    async def _block_and_tell(self, finding: Finding, wanted: Decision) -> None:
        action = ACTION_DESTINATION if wanted.rule else ACTION_DEVICE
        try:
            await self._home.decisions.enforce([wanted], Ruling(AUTOMATIC, reason=finding.kind))
        except HomeAssistantError as err:
            action = ACTION_NONE
            follows = [Reason("block_failed", {"text": self._words.error(err)})]
            _LOGGER.info("A reaction could not block: %s", err)
        else:
            follows = [Reason(action)]
            if wanted.until is not None:
                follows.append(Reason("block_ends", {"hours": self._options.block_hours}))
        if finding.told:
            self._tell(finding, action, follows)
        finding.device.changed()

    @callback
    def _tell(self, finding: Finding, action: str, follows: Sequence[Reason]) -> None:
        device = finding.device
        name = self._home.registry.name(device.mac)
        reasons = [*follows, *finding.reasons]
        message = self._words.message(finding, name, reasons)[:MAX_MESSAGE]
        burst = device.judged.bursts.add(finding.kind, _label(finding) or name, time.time())
        summary = self._words.summary(finding, name, burst, message)[:MAX_MESSAGE]
        data: dict[str, Any] = {
            **finding.evidence,
            "device": name,
            "message": message,
            "reasons": ",".join(reason.code for reason in reasons),
            "action": action,
            "burst": burst.identity,
            "burst_position": burst.count,
            "burst_summary": summary,
        }
        self._home.announce(device, finding.kind, data)
        self._log(device, name, self._words.headline(finding, name))
        if self._is_noticed(finding):
            device_id = self._home.registry.device_id(device.mac)
            self._notices.show(device_id, burst.identity, name, summary, self._words.say("told_show_device"))

    def _log(self, device: Device, name: str, headline: str) -> None:
        """Have the logbook say it: the name stands before the message there."""
        unique_id = f"{self._home.gateway}_{device.mac}_activity"
        entity_id = er.async_get(self._hass).async_get_entity_id(Platform.EVENT, DOMAIN, unique_id)
        self._hass.bus.async_fire(
            BUS_EVENT_FINDING,
            {
                ATTR_ENTITY_ID: entity_id,
                ATTR_DEVICE_ID: self._home.registry.device_id(device.mac),
                ATTR_NAME: name,
                ATTR_MESSAGE: headline.removeprefix(name).strip(),
            },
        )

    def _is_noticed(self, finding: Finding) -> bool:
        if finding.kind == EVENT_DEVICE_SEEN:
            return finding.device.judged.awaits_acceptance
        return finding.kind in NOTICED and self.reaction(finding.device) != REACTION_OBSERVE


def _label(finding: Finding) -> str | None:
    """Return what a finding is called among others of its burst."""
    if finding.destination is not None and finding.kind in {EVENT_NEW_DESTINATION, EVENT_BEHAVIOUR_CHANGED}:
        return finding.destination.key.group
    return finding.host


def _versions(firmware: Firmware) -> dict[str, str]:
    return {"from": firmware.former, "to": firmware.version}


def _is_in(mud: Allowed, finding: Finding) -> bool:
    """Return whether a new destination is one that the imported MUD file names."""
    return (
        finding.kind == EVENT_NEW_DESTINATION
        and finding.destination is not None
        and mud.covers(finding.destination.names, finding.destination.addresses)
    )

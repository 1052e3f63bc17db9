"""Runs the experiments of a gateway's devices.

What is cut off is cut off until a time that the gateway's kernel keeps, so it ends by itself, whatever
becomes of Home Assistant. Here it is recorded, ended in order, and told.
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import voluptuous as vol
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.event import async_call_later

from .. import checks
from ..const import DOMAIN, EVENT_EXPERIMENT_FINISHED
from ..decisions import Decision
from ..judgement.words import Words
from ..models import Mac, Rule
from ..rules import BLOCK
from ..rulings import TIMER, USER, Ruling
from .experiment import Experiment, Kind, Outcome
from .record import Record

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

_LOGGER = logging.getLogger(__name__)

# What the device did last arrives with the next message of its traffic.
GRACE = 2.0
# A gateway that was not heard for a while has told all by then.
AFTER_RESTART = 15.0
REASON = "experiment"
EXPERIMENT_STARTED = "experiment_started"
MAX_TOLD = 10


class Experiments:
    """The experiments that go on, one for each device at most."""

    def __init__(self, coordinator: SpinCoordinator, record: Callable[[Mac], Record]) -> None:
        """Know of none."""
        self._coordinator = coordinator
        self._record = record
        self._timers: dict[Mac, CALLBACK_TYPE] = {}
        self._ending: set[Mac] = set()

    def running(self, mac: Mac) -> Experiment | None:
        """Return the experiment that goes on with a device."""
        return self._record(mac).running if mac in self._timers else None

    async def start(
        self, mac: Mac, kind: Kind, seconds: float, only: tuple[str, ...] = (), user_id: str | None = None
    ) -> Experiment:
        """Begin one.

        Raises:
            ServiceValidationError: one goes on already; or the device is cut off, or there is a rule for one
                of the destinations, which would end with the experiment; or it must stay reachable
            PolicyError: the gateway does not cut it off; nothing has changed
        """
        self._refuse(mac, kind, only)
        ends = time.time() + seconds
        # Until it begins, all but refused packets was before it.
        experiment = Experiment(uuid.uuid4().hex[:12], kind, ends, ends, only)
        record = self._record(mac)
        record.begin(experiment)
        if experiment.blocks:
            try:
                await self._coordinator.decisions.enforce(
                    self._cut(mac, experiment), Ruling(USER, user_id, reason=REASON)
                )
            except BaseException:
                record.experiments.remove(experiment)
                raise
        experiment.begin(time.time())
        self._coordinator.devices[mac].journal.add(EXPERIMENT_STARTED, time.time(), experiment=kind)
        self._set_timer(mac, max(0.0, experiment.ends - time.time()) + self._grace())
        await self._coordinator.study.save()
        self._coordinator.study.changed(mac)
        return experiment

    async def check(self, mac: Mac, kind: Kind, only: tuple[str, ...] = ()) -> None:
        """Refuse what cannot begin, as far as that is known beforehand; raises ServiceValidationError."""
        self._refuse(mac, kind, only)
        if kind != "normal":
            await self._coordinator.decisions.check([Decision("block", mac, rule) for rule in _rules(only)])

    def _refuse(self, mac: Mac, kind: Kind, only: tuple[str, ...]) -> None:
        if self._record(mac).running is not None:
            raise _refusal("experiment_runs")
        if kind != "normal" and self._coordinator.is_blocked(mac):
            raise _refusal("experiment_blocked")
        state = self._coordinator.policy.state
        rules = state.policy.device(mac).destinations if state else ()
        if kind != "normal" and any(rule.target in only for rule in rules):
            raise _refusal("experiment_rule")

    def _cut(self, mac: Mac, experiment: Experiment) -> list[Decision]:
        until = self._coordinator.gateway_time() + experiment.ends - time.time()
        return [Decision("block", mac, rule, until) for rule in _rules(experiment.only)]

    async def _restore(self, mac: Mac, experiment: Experiment) -> None:
        self._ending.add(mac)
        try:
            await self._coordinator.decisions.enforce(_ends(mac, experiment), Ruling(TIMER, reason=REASON))
        finally:
            self._ending.discard(mac)

    def _grace(self) -> float:
        info = self._coordinator.info
        return GRACE + (info.interval if info else 0.0)

    def _set_timer(self, mac: Mac, seconds: float) -> None:
        async def over(_now: datetime) -> None:
            await self._finish(mac, "completed")

        self._timers[mac] = async_call_later(self._coordinator.hass, seconds, over)

    async def stop(self, mac: Mac) -> bool:
        """End the experiment with a device before its time; return whether there was one.

        Raises:
            PolicyError: the gateway does not confirm; the experiment goes on
        """
        experiment = self.running(mac)
        if experiment is None:
            return False
        if experiment.blocks:
            # From now on the Internet may be back at any moment.
            planned, experiment.ends = experiment.ends, min(time.time(), experiment.ends)
            try:
                await self._restore(mac, experiment)
            except BaseException:
                experiment.ends = planned
                raise
        await self._finish(mac, "stopped")
        return True

    @callback
    def resume(self, records: dict[Mac, Record]) -> None:
        """Go on with what ran when Home Assistant stopped; what is over by now is ended in order."""
        for mac, record in records.items():
            if record.running is not None:
                left = max(0.0, record.running.ends - time.time()) + self._grace()
                self._set_timer(mac, max(left, AFTER_RESTART))

    @callback
    def close(self) -> None:
        """Leave the experiments to the kernel's clock, until Home Assistant is back."""
        for cancel in self._timers.values():
            cancel()
        self._timers.clear()

    @callback
    def gateway_changed(self) -> None:
        """End the experiments whose block somebody has taken away."""
        state = self._coordinator.policy.state
        if state is None or not state.enforced or not self._coordinator.available:
            return
        for mac in self._timers.keys() - self._ending:
            experiment = self._record(mac).running
            if experiment is None or not experiment.blocks or experiment.ends <= time.time():
                continue
            if all(end.change([mac])(state.policy) == state.policy for end in _ends(mac, experiment)):
                self._coordinator.hass.async_create_task(self._finish(mac, "interrupted"))

    @callback
    def forget(self, mac: Mac) -> None:
        """Forget a device that is gone."""
        if (cancel := self._timers.pop(mac, None)) is not None:
            cancel()

    async def _finish(self, mac: Mac, outcome: Outcome) -> None:
        cancel = self._timers.pop(mac, None)
        record = self._record(mac)
        experiment = record.running
        if cancel is None or experiment is None:
            return
        cancel()
        experiment.end(outcome, min(time.time(), experiment.ends))
        if experiment.blocks and outcome == "completed":
            try:
                await self._restore(mac, experiment)
            except HomeAssistantError as err:
                # The kernel has let go of it all the same: only the rule's remains are still listed.
                _LOGGER.info("The rule of an experiment that is over could not be tidied up: %s", err)
        self._tell(mac, record, experiment)
        await self._coordinator.study.save()
        self._coordinator.study.changed(mac)

    def _tell(self, mac: Mac, record: Record, experiment: Experiment) -> None:
        device = self._coordinator.devices.get(mac)
        if device is None:
            return
        device.journal.add(EVENT_EXPERIMENT_FINISHED, time.time(), experiment=experiment.kind)
        tried = list(dict.fromkeys(contact.target for contact, _ in experiment.in_order()))
        unusual = [contact.target for contact, attempt in experiment.in_order() if not attempt.usual]
        checks = record.checks()
        name = self._coordinator.registry.name(mac)
        message = Words(self._coordinator.hass).say(
            "told_experiment_finished", device=name, names=", ".join(tried[:MAX_TOLD]) or "-"
        )
        self._coordinator.announce(
            device,
            EVENT_EXPERIMENT_FINISHED,
            {
                "id": experiment.id,
                "device": name,
                "message": message,
                "reasons": "",
                "action": "none",
                "burst": experiment.id,
                "burst_position": 1,
                "burst_summary": message,
                "kind": experiment.kind,
                "outcome": experiment.outcome,
                "tried": ", ".join(tried[:MAX_TOLD]),
                "tried_count": len(tried),
                "unusual": ", ".join(dict.fromkeys(unusual[:MAX_TOLD])),
                "connectivity_checks": ", ".join(
                    contact.target
                    for contact, attempt in experiment.in_order()[:MAX_TOLD]
                    if attempt.check(contact) or contact in checks
                ),
            },
        )


def _rules(only: tuple[str, ...]) -> list[Rule | None]:
    return [_rule(target) for target in only] or [None]


def _rule(target: str) -> Rule:
    try:
        return Rule(BLOCK, address=checks.network(target))
    except vol.Invalid:
        return Rule(BLOCK, name=target)


def _ends(mac: Mac, experiment: Experiment) -> list[Decision]:
    return [Decision("unblock", mac, rule) for rule in _rules(experiment.only)]


def _refusal(key: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)

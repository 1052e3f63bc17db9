"""What is wanted, what is in force, and what is on disk: policies on their way to the firewall."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from gateway_agent.firewall.store import PolicyStore, StoreError
from gateway_agent.logs import fields
from gateway_agent.model import Address, Answer, Mac
from gateway_agent.wire.messages import Message, policy_state
from gateway_agent.wire.policy import Policy, PolicyError, Problem, Resolved, parse_policy

_LOG = logging.getLogger(__name__)

_RETRY: Final = 30.0
_SAVE_RESOLVED: Final = 60.0
_CLOCK_JUMP: Final = 2.0
_TAKEN: Final = "another policy has this revision: change what policy/state says and raise the revision"


class FirewallError(Exception):
    """The kernel refused the rules; those of before are still in force."""


class Firewall(Protocol):
    """What enforcement needs of the firewall."""

    lookups: Callable[[], Iterable[tuple[Mac, str, Address]]]
    """Asked for the (device, name, address) that were resolved before there was a rule about the name."""

    def apply(self, policy: Policy, now: float) -> list[Problem]:
        """Bring the rules into force in one transaction; raise FirewallError where the kernel refuses."""

    def answered(self, mac: Mac | None, answer: Answer) -> None:
        """Take the addresses of a name before the client can use them."""

    def learned(self, mac: Mac, address: Address) -> None:
        """Take another address of a device."""

    def resolved(self) -> Iterable[Resolved]:
        """Return the addresses of names that rules are about."""

    def restore(self, resolved: Iterable[Resolved]) -> None:
        """Take such addresses from before, before `apply`."""


class Enforcement:
    """Keeps the newest valid policy in force; `state` tells readers what is."""

    def __init__(self, firewall: Firewall | None, store: PolicyStore) -> None:
        self._firewall = firewall
        self._store = store
        self._wanted = Policy()
        self._policy = Policy()
        self._enforced = False
        self._refused: list[Problem] = []
        self._faults: list[Problem] = []
        self._unsaved = False
        self._saved: tuple[Policy, list[Resolved]] = Policy(), []
        self._saving = asyncio.Lock()
        self._saved_at = self._retry_at = float("-inf")
        self._offset: float | None = None
        self.changes = 0
        """Grows whenever `state` may have changed."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    def restore(self, now: float) -> None:
        """Bring the stored policy into force, before there is a broker."""
        if self._firewall is None:
            return
        policy, resolved = self._store.load()
        self._saved = policy or Policy(), resolved
        self._firewall.restore(entry for entry in resolved if entry.until > now)
        self._apply(policy or Policy(), now)
        if policy is not None:
            _LOG.info("policy restored %s", fields(revision=policy.revision, enforced=self._enforced))

    def receive(self, payload: bytes, now: float, *, retained: bool) -> None:
        """Take a policy; one that is not valid is refused whole. An empty message changes nothing."""
        if self._firewall is None or not payload:
            return
        try:
            policy = parse_policy(payload)
        except PolicyError as error:
            self._refuse(error)
            return
        if retained and policy.revision < self._wanted.revision:
            _LOG.warning(
                "policy ignored %s", fields(retained_revision=policy.revision, revision=self._wanted.revision)
            )
            return
        if policy.revision == self._wanted.revision and self._wanted not in (policy, Policy()):
            self._refuse(PolicyError(_TAKEN, policy.revision))
            return
        self._refused = []
        self.changes += 1
        if policy != self._wanted or not self._enforced:
            self._unsaved = True
            self._apply(policy, now)
            _LOG.info("policy received %s", fields(revision=policy.revision, enforced=self._enforced))

    def tick(self, now: float, monotonic: float) -> None:
        """End what has ended; try again what failed; set the kernel's timers anew when the clock was set."""
        offset = now - monotonic
        jumped = self._offset is not None and abs(offset - self._offset) > _CLOCK_JUMP
        self._offset = offset
        behind = not self._enforced or self._wanted.at(now) != self._policy
        if self._firewall is not None and (jumped or (behind and monotonic >= self._retry_at)):
            self._apply(self._wanted, now)

    def next_end(self) -> float | None:
        """Return the time at which the next timed rule ends."""
        return min(self._policy.ends(), default=None)

    def state(self) -> Message:
        """Return the message of what is in force."""
        if self._firewall is None:
            problems = [Problem("cannot_block", "This source only observes.")]
            return policy_state(Policy(), enforced=False, problems=problems)
        return policy_state(self._policy, enforced=self._enforced, problems=self.problems())

    def problems(self) -> list[Problem]:
        """Return what keeps the wanted policy from being in force."""
        lost = [Problem("policy_lost", self._store.lost)] if self._store.lost else []
        return [*self._refused, *self._faults, *lost]

    async def save(self) -> None:
        """Write what is wanted to disk, at once after a change; addresses of names once a minute.

        What is there already is not written again; what could not be written is tried again after a minute.
        """
        async with self._saving:
            now = time.monotonic()
            if self._firewall is None or not (self._unsaved or now - self._saved_at >= _SAVE_RESOLVED):
                return
            self._unsaved, self._saved_at = False, now
            content = self._wanted, list(self._firewall.resolved())
            if content != self._saved:
                await self._store_content(*content)

    async def _store_content(self, policy: Policy, resolved: list[Resolved]) -> None:
        fault = None
        try:
            await asyncio.to_thread(self._store.save, policy, resolved)
            self._saved = policy, resolved
        except StoreError as error:
            fault = Problem("not_stored", str(error))
            _LOG.error("policy not stored %s", fields(cause=error))
        others = [problem for problem in self._faults if problem.code != "not_stored"]
        faults = [*others, fault] if fault is not None else others
        if faults != self._faults:
            self._faults = faults
            self.changes += 1

    def _apply(self, policy: Policy, now: float) -> None:
        assert self._firewall is not None  # noqa: S101 (for the type checker)
        self._wanted = policy
        self.changes += 1
        current = policy.at(now)
        try:
            self._faults = self._firewall.apply(current, now)
        except FirewallError as error:
            text = f"revision {policy.revision}: {error}"
            self._faults = [Problem("not_enforced", text, {"revision": policy.revision})]
            self._enforced = self._enforced and self._policy != current
            self._retry_at = time.monotonic() + _RETRY
            _LOG.error("policy not enforced %s", fields(revision=policy.revision, cause=error))
            return
        self._policy, self._enforced = current, True

    def _refuse(self, error: PolicyError) -> None:
        self.changes += 1
        _LOG.warning("policy refused %s", fields(revision=error.revision, cause=error))
        text = f"revision {error.revision}: {error}" if error.revision is not None else str(error)
        extra = {"revision": error.revision} if error.revision is not None else {}
        self._refused = [Problem("policy_refused", text, extra)]

"""Changes the rules of a gateway.

The truth is the gateway's retained `policy/state`; no copy is kept. A change is applied to the
newest policy known, whoever wrote that, published with the next revision, and done once the
gateway enforces a policy that the change would not alter any more. Changes that come together
are published together.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN, MAX_POLICY_BYTES, POLICY_GATHER, POLICY_TIMEOUT
from .models import Policy, PolicyState
from .rules import Change, together
from .wire import policy_as_dict

ATTEMPTS = 3

type Waiting = tuple[Change, asyncio.Future[None]]


class PolicyError(HomeAssistantError):
    """The gateway does not enforce what was asked for; what it enforced before still holds."""

    def __init__(self, key: str, **placeholders: str) -> None:
        """Name the text in the translations' `exceptions`."""
        super().__init__(
            translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders or None
        )


class RefusedError(PolicyError):
    """The gateway found a fault in the policy."""


class PolicyKeeper:
    """What is known of one gateway's policy, and the only way to change it."""

    def __init__(self, publish: Callable[[str], Awaitable[None]]) -> None:
        """Use `publish` to write the topic `policy`."""
        self.state: PolicyState | None = None
        self._wanted: Policy | None = None
        self._publish = publish
        self._queue: list[Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def state_heard(self, state: PolicyState) -> None:
        """Take note of what the gateway enforces."""
        if self.state is not None and state.policy.revision < self.state.policy.revision:
            # The gateway was installed anew: what was wanted of the old one is void.
            self._wanted = None
        self.state = state
        self._news.set()

    def wanted_heard(self, policy: Policy) -> None:
        """Take note of what somebody, perhaps we, wants to be enforced."""
        if self._wanted is None or policy.revision >= self._wanted.revision:
            self._wanted = policy

    def reset(self) -> None:
        """Forget all: the broker tells it again when it is back."""
        self.state = self._wanted = None

    async def known(self) -> Policy:
        """Return what is in force; just after a start, wait until the gateway has said that.

        Raises:
            PolicyError: it does not
        """
        try:
            async with asyncio.timeout(POLICY_TIMEOUT):
                while self.state is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise PolicyError("policy_unknown") from None
        return self.state.policy

    async def change(self, change: Change) -> None:
        """Change the policy; returns when the gateway enforces it.

        Raises:
            PolicyError: it does not, and what it enforced before holds
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((change, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="spin policy")
        await future

    def close(self) -> None:
        """Give up what is under way."""
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        batch: list[Waiting] = []
        try:
            while self._queue:
                await asyncio.sleep(POLICY_GATHER)
                batch, self._queue = self._queue, []
                await self._settle(batch)
        finally:
            self._worker = None
            for _, future in [*batch, *self._queue]:
                if not future.done():
                    future.set_exception(PolicyError("interrupted"))
            self._queue.clear()

    async def _settle(self, batch: list[Waiting]) -> None:
        """Enforce the changes of a batch, and answer to each that waits for one."""
        try:
            await self._enforce(together([change for change, _ in batch]))
        except HomeAssistantError as err:
            if isinstance(err, RefusedError) and len(batch) > 1:
                # One of them is at fault, and the others are not to suffer for it.
                for one in batch:
                    await self._settle([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(err)
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    def _newest(self) -> Policy:
        if self.state is None:
            raise PolicyError("policy_unknown")
        enforced, wanted = self.state.policy, self._wanted
        if wanted is None or wanted.revision <= enforced.revision:
            return enforced
        return wanted if self._refusal(wanted.revision) is None else enforced

    def _refusal(self, revision: int) -> str | None:
        problems = self.state.problems if self.state else ()
        return next((p.text for p in problems if p.code == "policy_refused" and p.revision == revision), None)

    def _next_revision(self) -> int:
        known = [p.revision for p in (self._wanted, self.state and self.state.policy) if p]
        return max(known, default=0) + 1

    def _holds(self, change: Change) -> bool:
        return (
            self.state is not None and self.state.enforced and change(self.state.policy) == self.state.policy
        )

    async def _enforce(self, change: Change) -> None:
        for _ in range(ATTEMPTS):
            base = self._newest()
            if self.state is not None and base is self.state.policy and self._holds(change):
                return
            wanted = replace(change(base), revision=self._next_revision())
            await self._write(wanted)
            try:
                await self._answered(wanted.revision)
            except PolicyError:
                await self._take_back(wanted, base)
                raise
            if self._holds(change):
                return
            # Somebody else wrote at the same time: theirs is the newest now, ours comes on top.
        raise PolicyError("policy_contested")

    async def _take_back(self, wanted: Policy, former: Policy) -> None:
        """Want what was wanted before, unless somebody has written something newer since."""
        if self._wanted is not None and self._wanted.revision == wanted.revision:
            with suppress(HomeAssistantError):
                await self._write(replace(former, revision=self._next_revision()))

    async def _write(self, policy: Policy) -> None:
        payload = json.dumps(policy_as_dict(policy), separators=(",", ":"))
        if len(payload) > MAX_POLICY_BYTES:
            raise PolicyError("policy_too_large")
        await self._publish(payload)
        self.wanted_heard(policy)

    async def _answered(self, revision: int) -> None:
        """Wait until the gateway enforces at least this revision."""
        try:
            async with asyncio.timeout(POLICY_TIMEOUT):
                while not self._enforces(revision):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise self._unanswered(revision) from None

    def _enforces(self, revision: int) -> bool:
        if (reason := self._refusal(revision)) is not None:
            raise RefusedError("policy_refused", reason=reason)
        return self.state is not None and self.state.enforced and self.state.policy.revision >= revision

    def _unanswered(self, revision: int) -> PolicyError:
        state = self.state
        if state is not None and state.policy.revision >= revision:
            return PolicyError("not_enforced", reason="; ".join(p.text for p in state.problems) or "?")
        return PolicyError("not_confirmed", seconds=f"{POLICY_TIMEOUT:g}")

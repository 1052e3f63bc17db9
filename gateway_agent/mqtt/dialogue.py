"""What arrives from the broker: policies, commands, and signs of a second agent with the same id."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from gateway_agent.logs import fields
from gateway_agent.model import Mac
from gateway_agent.wire.commands import (
    Command,
    CommandError,
    Snapshot,
    StartCapture,
    StopCapture,
    parse_command,
)
from gateway_agent.wire.messages import OFFLINE, ONLINE, Message, reply, status
from gateway_agent.wire.policy import Problem
from gateway_agent.wire.strict_json import JsonError, decode

_LOG = logging.getLogger(__name__)

_MAX_COMMANDS: Final = 1_024
_SNAPSHOT_PAUSE: Final = 1.0
_STATUS_PAUSE: Final = 5.0
_ECHO_PATIENCE: Final = 10.0
_REMIND: Final = 600.0
_FOREIGN_FOR: Final = 2.5 * _REMIND


class Dialogue:
    """A session at the broker. What arrives is noted at once and worked off by `run`.

    Policies come first, and only the newest. Of commands the oldest come first; those beyond _MAX_COMMANDS
    are lost, and those that ask for the same are answered together.

    `greet` says everything, `snapshot` says all rows of one device or of all (False: no such device),
    `receive_policy` takes a policy and says what is in force then, `capture` begins or ends one.
    """

    def __init__(  # noqa: PLR0913 (what it does with what it hears)
        self,
        epoch: str,
        *,
        say: Callable[[Iterable[Message]], Awaitable[bool]],
        greet: Callable[[], Awaitable[None]],
        snapshot: Callable[[Mac | None], Awaitable[bool]],
        receive_policy: Callable[[bytes, bool], Awaitable[None]],
        capture: Callable[[StartCapture | StopCapture], Message | None],
    ) -> None:
        self._epoch = epoch
        self._say = say
        self._greet = greet
        self._snapshot = snapshot
        self._receive_policy = receive_policy
        self._capture = capture
        self._policy: tuple[bytes, bool] | None = None
        self._commands: deque[Command] = deque()
        self._refusals: deque[Message] = deque()
        self._flooded = False
        self._contradicted = False
        self._contradicted_at = self._snapshot_at = self._foreign_at = self._reminded_at = float("-inf")
        self._work = asyncio.Event()
        self._policy_came = asyncio.Event()
        self._echo = asyncio.Event()
        self.closing = False

    async def opened(self) -> None:
        """Say everything; then make sure that the broker passes it on."""
        self._echo.clear()
        await self._greet()
        try:
            async with asyncio.timeout(_ECHO_PATIENCE):
                await self._echo.wait()
        except TimeoutError:
            remedy = "allow the agent's user to read and write everything below its gateway's topic"
            _LOG.warning("mqtt messages do not arrive %s", fields(remedy=remedy))

    def received(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Note a message; False where a flood of commands leaves no room for it."""
        noted = True
        if topic == "policy":
            self._policy = payload, retained
            self._policy_came.set()
        elif topic == "command" and not retained:
            noted = self._heard_command(payload)
        elif topic == "info" and not retained:
            self._heard_info(payload)
        elif topic == "status" and not retained and payload == OFFLINE:
            # The last will of a connection that broke long ago, or of another agent.
            self._contradicted = True
        self._work.set()
        return noted

    async def run(self) -> None:
        """Work off what arrives, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self._take_policy()
            while self._commands or self._refusals:
                await self._obey_next()
                await self._take_policy()
            self._flooded = False
            if self._contradicted and not self.closing:
                await self._insist()

    def problems(self, now: float) -> list[Problem]:
        """Return whether another agent uses this gateway's id."""
        if now - self._foreign_at > _FOREIGN_FOR:
            return []
        text = (
            "Another agent publishes under this gateway id: give each its own `gateway` in its configuration."
        )
        return [Problem("duplicate_gateway", text)]

    def reminds(self, now: float) -> bool:
        """Whether to repeat `info`, so that two agents of one id go on noticing each other."""
        if now - self._foreign_at > _FOREIGN_FOR or now - self._reminded_at < _REMIND:
            return False
        self._reminded_at = now
        return True

    def _heard_info(self, payload: bytes) -> None:
        try:
            value = decode(payload)
        except JsonError:
            return
        epoch = value.get("epoch") if isinstance(value, dict) else None
        if epoch == self._epoch:
            self._echo.set()
        elif isinstance(epoch, str) and epoch:
            now = time.monotonic()
            if now - self._foreign_at > _FOREIGN_FOR:
                _LOG.error(
                    "duplicate gateway %s", fields(epoch=epoch, remedy="give each agent its own gateway id")
                )
            self._foreign_at = now

    async def _insist(self) -> None:
        pause = self._contradicted_at + _STATUS_PAUSE - time.monotonic()
        if pause > 0:
            asyncio.get_running_loop().call_later(pause, self._work.set)
            return
        self._contradicted, self._contradicted_at = False, time.monotonic()
        await self._say([status(ONLINE)])

    def _heard_command(self, payload: bytes) -> bool:
        """Note what it asks for, which is small, however large the message was."""
        if len(self._commands) + len(self._refusals) >= _MAX_COMMANDS:
            if not self._flooded:
                self._flooded = True
                _LOG.warning("commands dropped %s", fields(waiting=_MAX_COMMANDS))
            return False
        try:
            self._commands.append(parse_command(payload))
        except CommandError as error:
            if not self._refusals:
                _LOG.warning("command refused %s", fields(id=error.id, cause=error))
            if error.id is not None:
                self._refusals.append(reply(error.id, str(error)))
        return True

    async def _take_policy(self) -> None:
        self._policy_came.clear()
        if self._policy is not None:
            policy, self._policy = self._policy, None
            await self._receive_policy(*policy)

    async def _obey_next(self) -> None:
        refusals = [self._refusals.popleft() for _ in range(len(self._refusals))]
        await self._say(refusals)
        if not self._commands:
            return
        first = self._commands[0]
        if not isinstance(first, Snapshot):
            del self._commands[0]
            answer = self._capture(first)
            await self._say([answer] if answer else [])
            return
        if first.device is None:
            await self._rest(self._snapshot_at + _SNAPSHOT_PAUSE)
        command, alike = self._alike(first)
        known = await self._snapshot(command.device)
        if command.device is None:
            self._snapshot_at = time.monotonic()
        fault = None if known else f"no such device: {command.device}"
        await self._say([reply(id_, fault) for id_ in alike])

    def _alike(self, command: Snapshot) -> tuple[Snapshot, list[str]]:
        """Take a command and all that ask for the same; return it and all their ids."""
        alike, others = [], deque[Command]()
        for other in self._commands:
            if replace(other, id=command.id) == command:
                alike.append(other.id)
            else:
                others.append(other)
        self._commands = others
        return command, alike

    async def _rest(self, end: float) -> None:
        """Wait until a moment of the monotonic clock; policies do not."""
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._policy_came.wait()
            await self._take_policy()

"""The captures that readers asked for: begins, reports on and ends them."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway_agent.capture.recording import Deliver, Recording, Tap
from gateway_agent.logs import fields
from gateway_agent.model import Mac
from gateway_agent.tasks import end
from gateway_agent.wire.commands import StartCapture, StopCapture
from gateway_agent.wire.messages import CaptureReport, Message, capture_report, reply

_LOG = logging.getLogger(__name__)

MOST: Final = 2
"""Captures that can run at a time."""

_REPORT_EVERY: Final = 2.0
_REMEMBERED: Final = 16
_END: Final = 2.0
_UNABLE: Final = "this agent cannot capture: its source is no interface, or it has no right to (CAP_NET_RAW)"

OpenTap = Callable[[Mac, bool], Tap]
"""Opens a tap for a device, with the headers only or not; raises OSError."""


class Captures:
    """What `obey` is told is answered at once; then each capture goes on by itself.

    `knows` tells whether there is such a device, `deliver` publishes.
    """

    def __init__(self, open_tap: OpenTap | None, knows: Callable[[Mac], bool], deliver: Deliver) -> None:
        self._open_tap = open_tap
        self._knows = knows
        self._deliver = deliver
        self._running: dict[str, Recording] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: deque[str] = deque(maxlen=_REMEMBERED)
        self._untold: deque[list[Message]] = deque(maxlen=_REMEMBERED)

    def obey(self, command: StartCapture | StopCapture) -> Message | None:
        """Return the answer; none where a command came twice, as QoS 1 allows."""
        if isinstance(command, StopCapture):
            recording = self._running.get(command.capture)
            if recording is None:
                return reply(command.id, f"no such capture: {command.capture}")
            recording.end("stopped")
            return reply(command.id)
        if command.id in self._begun:
            return None
        if self._open_tap is None:
            return reply(command.id, _UNABLE)
        fault = self._fault(command)
        return reply(command.id, fault) if fault else self._begin(command, self._open_tap)

    async def opened(self) -> None:
        """End what a lost connection has torn, and tell the ends that could not be told."""
        for recording in self._running.values():
            recording.end("connection_lost")
        for _ in range(len(self._untold)):
            await self._tell_end(self._untold.popleft())

    async def close(self) -> None:
        """End all captures and tell it."""
        for recording in self._running.values():
            recording.end("agent_stopped")
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """End at once what `close` had no time to end."""
        await end(self._tasks, _END)

    def _fault(self, command: StartCapture) -> str | None:
        if not self._knows(command.device):
            return f"no such device: {command.device}"
        if any(other.request.device == command.device for other in self._running.values()):
            return f"already being captured: {command.device}"
        if len(self._running) >= MOST:
            return f"{MOST} captures are running, which is the most"
        return None

    def _begin(self, command: StartCapture, open_tap: OpenTap) -> Message:
        try:
            tap = open_tap(command.device, command.headers_only)
        except OSError as error:
            return reply(command.id, f"cannot capture: {error.strerror or error}")
        recording = Recording(command, tap, self._deliver)
        self._running[command.id] = recording
        self._begun.append(command.id)
        task = asyncio.create_task(self._run(recording))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        _LOG.info("capture began %s", fields(id=command.id, device=command.device, interface=tap.interface))
        return _report(recording)

    async def _run(self, recording: Recording) -> None:
        id_ = recording.request.id
        reporting = asyncio.create_task(self._report_on(recording))
        try:
            await recording.run()
        finally:
            reporting.cancel()
            del self._running[id_]
        _LOG.info(
            "capture ended %s",
            fields(
                id=id_,
                reason=recording.reason,
                packets=recording.packets,
                bytes=recording.size,
                dropped_kernel=recording.dropped,
                dropped_agent=recording.lost,
            ),
        )
        await self._tell_end([Message(f"capture/{id_}", b""), _report(recording, ended=True)])

    async def _report_on(self, recording: Recording) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY)
            recording.count_dropped()
            await self._deliver(_report(recording))

    async def _tell_end(self, messages: list[Message]) -> None:
        for message in messages:
            if not await self._deliver(message):
                self._untold.append(messages)
                return


def _report(recording: Recording, *, ended: bool = False) -> Message:
    return capture_report(
        recording.request.id,
        CaptureReport(
            recording.interface,
            round(recording.elapsed, 3),
            recording.packets,
            recording.size,
            recording.dropped,
            recording.lost,
        ),
        reason=recording.reason if ended else None,
    )

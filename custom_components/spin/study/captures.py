"""The captures of one gateway's devices: those that run, and the folder of those that are over."""

import asyncio
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import slugify

from ..const import CAPABILITY_CAPTURE, DOMAIN
from ..models import GatewayInfo, Mac
from . import capture_files
from .capture_files import Capture, CaptureFile
from .capture_run import CaptureRefusedError, CaptureRun, Wanted

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

CLOSE_TIMEOUT = 5.0


def folder_of(hass: HomeAssistant) -> Path:
    """Return where captures are kept."""
    return Path(hass.config.path("spin", "captures"))


class Captures:
    """Begins and ends captures, and knows how far they are."""

    def __init__(self, coordinator: SpinCoordinator) -> None:
        """Know of none."""
        self._coordinator = coordinator
        self._hass = coordinator.hass
        self._runs: dict[Mac, CaptureRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: set[CALLBACK_TYPE] = set()
        self._epoch: str | None = None
        # What became of the last one: its file, or the reason why there is none.
        self.last: tuple[Capture | None, str] | None = None

    @property
    def running(self) -> dict[Mac, CaptureRun]:
        """The captures that go on."""
        return dict(self._runs)

    @callback
    def listen(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Have the listener called when there is progress; returns how to end it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def _changed(self) -> None:
        for listener in list(self._listeners):
            listener()

    def check(self, mac: Mac) -> GatewayInfo:
        """Refuse what cannot begin; return how the gateway introduces itself.

        Raises:
            ServiceValidationError: one goes on already
            HomeAssistantError: the gateway cannot, or is away
        """
        coordinator = self._coordinator
        if mac in self._runs:
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="capture_runs")
        if not coordinator.available or coordinator.info is None:
            raise _refusal("gateway_unavailable", gateway=coordinator.name)
        if CAPABILITY_CAPTURE not in coordinator.info.capabilities:
            raise _refusal("cannot_capture", gateway=coordinator.name)
        return coordinator.info

    async def start(self, mac: Mac, seconds: int, max_bytes: int, *, headers_only: bool) -> str:
        """Begin a capture; return the name of the file that it will have.

        Raises:
            ServiceValidationError: one goes on already
            HomeAssistantError: the gateway cannot, does not answer, or the disk cannot be written
        """
        coordinator = self._coordinator
        info = self.check(mac)
        name = coordinator.registry.name(mac)
        wanted = Wanted(f"cap-{uuid.uuid4().hex[:12]}", mac, name, seconds, max_bytes, headers_only)
        stamp = time.strftime("%Y-%m-%d-%H%M%S", time.gmtime())
        file_name = f"{stamp}_{slugify(name)[:40] or 'device'}_{wanted.id[-6:]}.pcap"
        try:
            file = await self._hass.async_add_executor_job(CaptureFile, folder_of(self._hass), file_name)
        except OSError as err:
            raise _refusal("capture_disk", reason=str(err.strerror)) from err
        self._epoch = info.epoch
        run = self._runs[mac] = CaptureRun(self._hass, wanted, file, coordinator.send, self._changed)
        try:
            subscriptions = await run.begin(coordinator.subscribe)
        except BaseException as err:
            del self._runs[mac]
            await run.discard()
            if isinstance(err, CaptureRefusedError):
                if str(err):
                    raise _refusal("capture_refused", reason=str(err)) from err
                raise _refusal("capture_unanswered") from err
            raise
        task = self._hass.async_create_background_task(
            self._write(run, subscriptions), f"spin capture {wanted.id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed()
        return file_name

    async def _write(self, run: CaptureRun, subscriptions: list[CALLBACK_TYPE]) -> None:
        try:
            self.last = await run.write()
            await self._hass.async_add_executor_job(capture_files.retain, folder_of(self._hass))
            if run.reply is not None and run.reply.state != "ended":
                with suppress(HomeAssistantError):
                    await run.stop()
        finally:
            for unsubscribe in subscriptions:
                unsubscribe()
            self._runs.pop(run.wanted.mac, None)
            self._changed()

    async def stop(self, mac: Mac) -> str | None:
        """End a capture early; return the name of the file in which is kept what was captured.

        None where there is no capture.
        """
        run = self._runs.get(mac)
        if run is None:
            return None
        await run.stop()
        return run.file_name

    @callback
    def withdraw(self, mac: Mac) -> None:
        """End a capture of which nothing is to be kept."""
        if (run := self._runs.get(mac)) is not None:
            run.withdraw()

    @callback
    def gateway_changed(self) -> None:
        """End what the gateway does not know any more."""
        info = self._coordinator.info
        if not self._runs or (self._coordinator.available and info and info.epoch == self._epoch):
            return
        for run in self._runs.values():
            run.leave("gateway_lost")

    async def close(self, reason: str) -> None:
        """End all, and keep what there is."""
        for run in list(self._runs.values()):
            with suppress(HomeAssistantError):
                await run.stop()
            run.leave(reason)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT)

    async def listed(self) -> list[Capture]:
        """Return the captures that are over, the newest first."""
        return await self._hass.async_add_executor_job(capture_files.listed, folder_of(self._hass))


def _refusal(key: str, **placeholders: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders or None
    )

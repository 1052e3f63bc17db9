"""Saves with delay, and when Home Assistant stops."""

import asyncio
from collections.abc import Awaitable, Callable

from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback


class Saving:
    """One thing that is to be saved: one save at a time, and none twice."""

    def __init__(self, hass: HomeAssistant, save: Callable[[], Awaitable[None]]) -> None:
        """Save by this."""
        self._hass = hass
        self._save = save
        self._one_at_a_time = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._final: CALLBACK_TYPE | None = None

    @callback
    def later(self, delay: float) -> None:
        """Save within the delay, in seconds; an earlier date that is set already stands."""
        due = self._hass.loop.time() + delay
        if self._timer is not None and self._timer.when() <= due:
            return
        self._cancel()
        self._timer = self._hass.loop.call_at(due, self._is_due)
        self._final = self._hass.bus.async_listen_once(EVENT_HOMEASSISTANT_FINAL_WRITE, self._stopping)

    @callback
    def _is_due(self) -> None:
        self._hass.async_create_task(self.now(), "spin save")

    async def _stopping(self, _event: Event) -> None:
        self._final = None
        await self.now()

    async def now(self) -> None:
        """Save now; what was to be saved later is saved with it."""
        self._cancel()
        async with self._one_at_a_time:
            await self._save()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._final is not None:
            self._final()
            self._final = None

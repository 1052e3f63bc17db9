"""The studies of one gateway's devices: fed with their traffic, kept over restarts."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.event import async_track_time_interval

from ..const import DOMAIN
from ..destinations import Grown
from ..device import Device
from ..models import Flows, Mac
from .captures import Captures
from .experiment import Experiment
from .experiments import Experiments
from .periods import Periods
from .record import Record
from .store import StudyStore
from .versions import firmware_of

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator

TICK = timedelta(minutes=1)
# Over all devices and periods; then the oldest periods go.
MAX_CONTACTS_IN_ALL = 50_000

type Listener = Callable[[Mac], None]


class Study:
    """All studies of one gateway."""

    def __init__(self, coordinator: SpinCoordinator) -> None:
        """Know of nothing yet."""
        self._coordinator = coordinator
        self._records: dict[Mac, Record] = {}
        self._store = StudyStore(coordinator.hass, coordinator.entry.entry_id, lambda: self._records)
        self._listeners: set[Listener] = set()
        self.experiments = Experiments(coordinator, self.record)
        self.captures = Captures(coordinator)

    async def load(self) -> None:
        """Load what is known from before."""
        self._records.update(await self._store.load(self._names))

    def _names(self, mac: Mac) -> Iterator[str]:
        """Yield whom a device is known to talk to; from any thread."""
        if (device := self._coordinator.devices.get(mac)) is not None:
            yield from (host.name for destination in device.destinations for host in destination.each)

    @callback
    def listen(self) -> None:
        """Take part in all that the gateway says from now on."""
        on_unload = self._coordinator.entry.async_on_unload
        on_unload(self._coordinator.listen_flows(self._flows))
        on_unload(self._coordinator.listen_gateway(self.experiments.gateway_changed))
        on_unload(self._coordinator.listen_gateway(self.captures.gateway_changed))
        on_unload(async_track_time_interval(self._coordinator.hass, self._tick, TICK))
        on_unload(
            self._coordinator.hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._home_assistant_stops)
        )
        self._note_firmware()
        self.experiments.resume(self._records)

    async def close(self) -> None:
        """Save what is known; what the gateway does goes on."""
        self.experiments.close()
        await self.captures.close("spin_stopped")
        await self.save()

    async def _home_assistant_stops(self, _event: Event) -> None:
        await self.captures.close("home_assistant_stopped")

    async def save(self) -> None:
        """Save what is known now."""
        await self._store.save()

    def record(self, mac: Mac) -> Record:
        """Return what is kept of a device."""
        record = self._records.get(mac)
        if record is None:
            record = self._records[mac] = Record(Periods.beginning(time.time()))
        return record

    async def begin_period(self, mac: Mac, label: str | None) -> bool:
        """Have a device's profile begin anew, to be compared with what was before.

        Returns False where it has just begun, or has this label: then that goes on.
        """
        periods = self.record(mac).periods
        if periods.present.label == label and (label is not None or periods.present.is_empty):
            return False
        periods.begin(time.time(), label=label)
        await self.save()
        self.changed(mac)
        return True

    def check_join(self, first: Mac, others: Sequence[Mac]) -> None:
        """Refuse to join devices while that would cut a study short; raises ServiceValidationError."""
        for mac in (first, *others):
            self.check_split(mac)
            if mac in self.captures.running:
                raise self._refusal("join_capture", mac)
        for mac in others:
            mud = self.record(mac).mud
            if mud is not None and mud.enforced:
                raise self._refusal("join_mud", mac)

    def check_split(self, mac: Mac) -> None:
        """Refuse to split a device while an experiment goes on with it; raises ServiceValidationError."""
        if self.record(mac).running is not None:
            raise self._refusal("join_experiment", mac)

    def _refusal(self, key: str, mac: Mac) -> ServiceValidationError:
        return ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={"device": self._coordinator.registry.name(mac)},
        )

    async def join(self, first: Mac, others: Sequence[Mac]) -> None:
        """Have the first device keep what it can of what is kept of the others, which are part of it now."""
        for mac in others:
            if (record := self._records.pop(mac, None)) is not None:
                self.record(first).join(record)
            self.experiments.forget(mac)
        await self.save()
        self.changed(first)

    async def split(self, mac: Mac, other: Mac) -> None:
        """Have the profile that holds for a device be that of another too, which was part of it."""
        self.record(other).mud = self.record(mac).mud
        await self.save()

    def experiment_of(self, mac: Mac) -> Experiment | None:
        """Return the experiment that goes on with a device."""
        return self.experiments.running(mac)

    @callback
    def listen_changes(self, listener: Listener) -> CALLBACK_TYPE:
        """Have the listener called with a device when something began or ended; returns how to end it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def changed(self, mac: Mac) -> None:
        """Tell the listeners."""
        for listener in list(self._listeners):
            listener(mac)

    @callback
    def _flows(self, device: Device, flows: Flows, grown: Sequence[Grown]) -> None:
        shift = self._coordinator.gateway_time() - time.time()
        self.record(device.mac).take(flows, grown, time.time(), shift)
        self._store.save_later()

    @callback
    def _tick(self, _now: datetime) -> None:
        for mac in self._records.keys() - self._coordinator.devices.keys():
            del self._records[mac]
            self.experiments.forget(mac)
        if self._coordinator.available:
            for mac in self._coordinator.devices:
                self.record(mac).heard(TICK.total_seconds())
        self._note_firmware()
        self._hold_bound()

    def _note_firmware(self) -> None:
        for mac in list(self._coordinator.devices):
            if self.record(mac).periods.firmware_is(firmware_of(self._coordinator.hass, mac), time.time()):
                self.changed(mac)

    def _hold_bound(self) -> None:
        excess = sum(record.periods.size for record in self._records.values()) - MAX_CONTACTS_IN_ALL
        while excess > 0:
            longest = max(
                (record.periods for record in self._records.values()),
                key=lambda periods: (len(periods), periods.size),
            )
            excess -= longest.shrink() or longest.present.halve()

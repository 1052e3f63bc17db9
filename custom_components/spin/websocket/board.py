"""All devices of a home in one window, with the sums over groups: what several readers look at together.

Kept current while somebody looks. A round does a bounded amount of work, so that Home Assistant never
stands still for it; what is left waits for the next round.
"""

import time
from asyncio import TimerHandle
from collections.abc import Sequence
from typing import Any, Protocol

from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryChange
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from ..const import DOMAIN
from ..destinations import Grown
from ..device import Device
from ..models import Flows
from .desk import Desk
from .gateways import coordinator_of, entries_of, gateway_rows
from .place import Place
from .sheet import NOTHING, Sheet
from .tally import Tally

# Seconds between two rounds.
PACE = 1.0
# What happened that somebody may be waiting for is told sooner.
SOON = 0.05
# Seconds of work after which a round leaves the rest to the next one.
ROUND = 0.02


class Reader(Protocol):
    """Who looks at a board."""

    def note(self, device_id: str, group: str | None) -> None:
        """Take note that a device, or its link to a group, may be other than it was."""

    def round(self) -> None:
        """Take note that a round is over."""


class Board:
    """The devices of one gateway, or of all, in one window."""

    def __init__(self, hass: HomeAssistant, gateway: str | None, window: str) -> None:
        """Begin empty; `open` fills it."""
        self.hass = hass
        self.gateway = gateway
        self.window = window
        self.places: dict[str, Place] = {}
        self.tally = Tally()
        self.gateways: list[dict[str, Any]] = []
        # Counted up when rows are gone, so that readers need a new snapshot. 0: not all is there yet.
        self.edition = 0
        self.readers: dict[Reader, None] = {}
        self._editions = 0
        self._desks: list[Desk] = []
        self._pending: dict[str, None] = {}
        self._sliding: list[str] = []
        self._timer: TimerHandle | None = None
        self._stops: list[CALLBACK_TYPE] = []

    @callback
    def open(self) -> None:
        """Follow what happens from now on."""
        self._stops = [
            async_dispatcher_connect(self.hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed),
            self.hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._registry_changed),
        ]
        self._lay_out()

    @callback
    def close(self) -> None:
        """Follow nothing any more."""
        while self._stops:
            self._stops.pop()()
        self._clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @callback
    def join(self, reader: Reader) -> None:
        """Have a reader told from now on, the first time soon."""
        self.readers[reader] = None
        self._soon(0.0)

    @callback
    def leave(self, reader: Reader) -> None:
        """Tell a reader nothing any more."""
        self.readers.pop(reader, None)

    def _clear(self) -> None:
        for place in self.places.values():
            place.stop()
        for desk in self._desks:
            desk.close()
        self._desks = []
        self.tally = Tally()
        self.places.clear()
        self._pending.clear()

    @callback
    def _lay_out(self) -> None:
        """Begin anew with the gateways that are loaded."""
        self._clear()
        self.edition = 0
        for index, entry in enumerate(entries_of(self.hass, self.gateway)):
            coordinator = coordinator_of(entry)
            if coordinator is not None:
                self._desks.append(Desk(coordinator, index, self._gateway_changed, self._grown))
        self._soon(0.0)

    @callback
    def _entry_changed(self, _change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain != DOMAIN or self.gateway not in {None, entry.entry_id}:
            return
        entries = entries_of(self.hass, self.gateway)
        here = {desk.coordinator.entry.entry_id: desk.coordinator for desk in self._desks}
        loaded = {each.entry_id: coordinator_of(each) for each in entries if coordinator_of(each)}
        removed = here.keys() - {each.entry_id for each in entries}
        # While one is reloaded, what was known of it stays to be seen.
        if removed or here | loaded != here:
            self._lay_out()
        else:
            self._soon()

    @callback
    def _registry_changed(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        place = self.places.get(event.data["device_id"])
        if place is not None:
            place.name = place.desk.name(place.device)
            self._tell(place.device_id, None)

    def _look_for_devices(self) -> None:
        """Take in the devices that are there, and out those that are not."""
        there = {
            device_id: (desk, device)
            for desk in self._desks
            for device in desk.coordinator.devices.values()
            if (device_id := desk.device_id(device)) is not None
        }
        for place in list(self.places.values()):
            if there.pop(place.device_id, (None, None))[1] is not place.device:
                self._take_out(place)
        for device_id, (desk, device) in there.items():
            self._take_in(device_id, desk, device)

    def _take_in(self, device_id: str, desk: Desk, device: Device) -> None:
        @callback
        def changed() -> None:
            self._pending[device_id] = None

        sheet = Sheet(device, self.window)
        name = desk.name(device)
        self.places[device_id] = Place(
            device_id, name, desk.gateway, desk, device, sheet, device.listen(changed)
        )
        changed()

    def _take_out(self, place: Place) -> None:
        place.stop()
        for group, link in place.sheet.links.items():
            self.tally.move(place, group, link, NOTHING)
        del self.places[place.device_id]
        self._pending.pop(place.device_id, None)
        if self.edition:
            self._new_edition()

    def _new_edition(self) -> None:
        self._editions += 1
        self.edition = self._editions

    @callback
    def _grown(self, device: Device, _flows: Flows, grown: Sequence[Grown]) -> None:
        """Take note of what is new in a message on a device's traffic."""
        for place in self.places.values():
            if place.device is device:
                place.touched.update(each.destination.key for each in grown)

    @callback
    def _gateway_changed(self, desk: Desk) -> None:
        for place in self.places.values():
            if place.desk is desk and place.sheet.standing is not desk.standing(place.device):
                self._pending[place.device_id] = None
        self._soon()

    @callback
    def _soon(self, delay: float = SOON) -> None:
        """Have the next round earlier; many wishes do not put it off."""
        if self._timer is not None:
            if self._timer.when() <= self.hass.loop.time() + delay:
                return
            self._timer.cancel()
        self._timer = self.hass.loop.call_later(delay, self._round)

    @callback
    def _round(self) -> None:
        self._timer = self.hass.loop.call_later(PACE, self._round)
        self._look_for_devices()
        self._work()
        if not self.edition and self._pending:
            self._soon(0.0)
            return
        if not self.edition:
            self._new_edition()
        self.gateways = gateway_rows(self.hass, self.gateway)
        for reader in list(self.readers):
            reader.round()

    def _work(self) -> None:
        now = time.time()
        end = time.perf_counter() + ROUND
        while self._pending and time.perf_counter() < end:
            device_id = next(iter(self._pending))
            del self._pending[device_id]
            if (place := self.places.get(device_id)) is not None:
                self._refresh(place, now)
        if not self._sliding:
            self._sliding.extend(self.places)
        while self._sliding and time.perf_counter() < end:
            place = self.places.get(self._sliding.pop())
            if place is not None and place.sheet.is_due(now):
                self._refresh(place, now)

    def _refresh(self, place: Place, now: float) -> None:
        """Bring one device up to date."""
        touched, place.touched = place.touched, set()
        for change in place.sheet.refresh(place.desk.standing(place.device), now, touched):
            if change.before != change.after:
                self.tally.move(place, *change)
            self._tell(place.device_id, change.group)
        self._tell(place.device_id, None)

    def _tell(self, device_id: str, group: str | None) -> None:
        for reader in self.readers:
            reader.note(device_id, group)

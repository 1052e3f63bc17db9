"""All devices of a home in one window, with the sums over groups: what several readers look at together.

Kept current while somebody looks. A round does a bounded amount of work, so that Home Assistant never
stands still for it; what is left waits for the next round.
"""

import time
from asyncio import TimerHandle
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryChange
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from ..const import DOMAIN
from ..device import Device
from . import flags as flag
from .desk import Desk
from .gateways import coordinator_of, entries_of, gateway_rows
from .sheet import NOTHING, Link, Sheet
from .standing import Standing

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


class Sums(NamedTuple):
    """Links added up, those of a group or those of a device; from `links` on, how many of them are what."""

    sent: int = 0
    received: int = 0
    links: int = 0
    shown: int = 0
    active: int = 0
    new: int = 0
    cut: int = 0
    blocked: int = 0
    failed: int = 0

    @classmethod
    def of(cls, link: Link) -> Sums:
        """Count one link."""
        if not link.hosts:
            return cls()
        return cls(
            link.sent,
            link.received,
            1,
            int(link.is_shown),
            int(link.active > 0),
            int(link.new > 0),
            int(0 < link.blocked == link.hosts),
            int(link.blocked > 0),
            int(link.failed > 0),
        )

    def moved(self, before: Link, after: Link) -> Sums:
        """Return the sums when one link has changed."""
        return _moved(Sums, self, self.of(before), self.of(after))

    @property
    def flags(self) -> int:
        """The flags of a group."""
        found = flag.NEW if self.new else 0
        if self.blocked:
            found |= flag.BLOCKED if self.cut == self.links else flag.PARTLY
        if self.failed:
            found |= flag.FAILED
        return found if self.active else found | flag.QUIET


NO_SUMS = Sums()


def _moved[T: (Sums, Link)](kind: type[T], sums: T, before: T, after: T) -> T:
    """Return sums in which one part has changed."""
    return kind(*[a - b + c for a, b, c in zip(sums, before, after, strict=True)])


@dataclass(slots=True)
class Place:
    """A device on the board: whom it belongs to, what it is called, its sheet and the sums of that."""

    device_id: str
    name: str
    gateway: int
    desk: Desk
    device: Device
    sheet: Sheet
    stop: CALLBACK_TYPE
    sums: Sums = NO_SUMS
    hosts: Link = NOTHING

    @property
    def standing(self) -> Standing:
        """What the device's hosts were judged by last."""
        return self.sheet.standing or self.desk.standing(self.device)


class Board:
    """The devices of one gateway, or of all, in one window."""

    def __init__(self, hass: HomeAssistant, gateway: str | None, window: str) -> None:
        """Begin empty; `open` fills it."""
        self.hass = hass
        self.gateway = gateway
        self.window = window
        self.places: dict[str, Place] = {}
        self.groups: dict[str, Sums] = {}
        self.talkers: dict[str, dict[str, None]] = {}
        self.hosts = NOTHING
        # How many groups are in the picture.
        self.shown = 0
        self.gateways: list[dict[str, Any]] = []
        # Counted up when rows are gone, so that readers need a new snapshot. 0: not all is there yet.
        self.edition = 0
        self.readers: dict[Reader, None] = {}
        self._editions = 0
        self._host_counts: dict[str, int] = {}
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

    def host_count(self, group: str) -> int:
        """Count the hosts of a group, each once."""
        count = self._host_counts.get(group)
        if count is None:
            sheets = [self.places[talker].sheet for talker in self.talkers.get(group, ())]
            count = len({service for sheet in sheets for service in sheet.services(group)})
            self._host_counts[group] = count
        return count

    def _clear(self) -> None:
        for place in self.places.values():
            place.stop()
        for desk in self._desks:
            desk.close()
        self._desks = []
        self.hosts = NOTHING
        self.shown = 0
        for rows in (self.places, self.groups, self.talkers, self._pending, self._host_counts):
            rows.clear()

    @callback
    def _lay_out(self) -> None:
        """Begin anew with the gateways that are loaded."""
        self._clear()
        self.edition = 0
        for index, entry in enumerate(entries_of(self.hass, self.gateway)):
            coordinator = coordinator_of(entry)
            if coordinator is not None:
                self._desks.append(Desk(coordinator, index, self._gateway_changed))
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
            self._move(place, group, link, NOTHING)
        del self.places[place.device_id]
        self._pending.pop(place.device_id, None)
        self._new_edition()

    def _new_edition(self) -> None:
        self._editions += 1
        self.edition = self._editions

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
        for change in place.sheet.refresh(place.desk.standing(place.device), now):
            if change.before != change.after:
                self._move(place, *change)
            self._tell(place.device_id, change.group)
        self._tell(place.device_id, None)

    def _move(self, place: Place, group: str, before: Link, after: Link) -> None:
        """Have the sums follow a link that has changed."""
        if before.hosts != after.hosts:
            self._host_counts.pop(group, None)
        place.sums = place.sums.moved(before, after)
        place.hosts = _moved(Link, place.hosts, before, after)
        self.hosts = _moved(Link, self.hosts, before, after)
        talkers = self.talkers.setdefault(group, {})
        if after.hosts:
            talkers[place.device_id] = None
        else:
            talkers.pop(place.device_id, None)
        former = self.groups.get(group, NO_SUMS)
        sums = self.groups[group] = former.moved(before, after)
        self.shown += (sums.shown > 0) - (former.shown > 0)
        if not talkers:
            del self.groups[group], self.talkers[group]

    def _tell(self, device_id: str, group: str | None) -> None:
        for reader in self.readers:
            reader.note(device_id, group)

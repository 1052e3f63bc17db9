"""One device on the LAN: who it is, what it has done, what it is known to talk to."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

import orjson

from .chart import Chart, Ring
from .const import MAX_LOOKUPS_PER_DEVICE, MAX_PENDING_EVENTS
from .destinations import LEARNED, NEW, Destinations, Group, Grown
from .interface import Interface, Rates
from .journal import Journal
from .judgement.judged import Judged
from .learning import Learning
from .models import Counters, DeviceReport, Flows, Mac
from .remotes import Intern
from .windows import WINDOWS

type Listener = Callable[[], None]
type Announce = Callable[[str, dict[str, Any]], None]


class Device:
    """A device that Home Assistant shows. Times without a remark are of Home Assistant's clock."""

    def __init__(self, mac: Mac, destinations: Destinations, learning: Learning, now: float) -> None:
        """Begin with nothing known."""
        self.mac = mac
        self.interfaces = {mac: Interface(mac)}
        self.first_seen = self.last_seen = now
        self.destinations = destinations
        self.learning = learning
        self.journal = Journal()
        self.judged = Judged()
        self.crowded = False  # whether anything was forgotten for want of room
        self.lookups: dict[str, float] = {}
        # The last message on its traffic, for people who want to see it raw.
        self.last_message: Flows | None = None
        # Grows at the begin and at the end of each change, so that another thread can tell.
        self.edition = 0
        self._rings = {name: Ring(seconds) for name, seconds in WINDOWS.items()}
        self._listeners: set[Listener] = set()
        self._announce: Announce | None = None
        self._pending: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_PENDING_EVENTS)

    @property
    def macs(self) -> tuple[Mac, ...]:
        """The MAC addresses that the user says are of this device; the first is the one it began with."""
        return tuple(self.interfaces)

    @property
    def hostname(self) -> str | None:
        """The name that the device told over DHCP."""
        return next((each.hostname for each in self.interfaces.values() if each.hostname), None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The present IP addresses."""
        return tuple(address for each in self.interfaces.values() for address in each.addresses)

    @property
    def total(self) -> Counters:
        """The traffic with the Internet since Home Assistant knows the device."""
        totals = [each.totals.total for each in self.interfaces.values()]
        return totals[0] if len(totals) == 1 else Counters(*map(sum, zip(*totals, strict=True)))

    @property
    def rates(self) -> Rates | None:
        """The present rates; None before the first message."""
        rates = [each.rates for each in self.interfaces.values() if each.rates is not None]
        return Rates(sum(r.sent for r in rates), sum(r.received for r in rates)) if rates else None

    @property
    def reported(self) -> bool:
        """Whether the gateway knows the device at present."""
        return any(each.reported for each in self.interfaces.values())

    @property
    def caught_up(self) -> bool:
        """Whether the totals are not behind what was shown before a restart."""
        return all(each.caught_up for each in self.interfaces.values())

    def catch_up(self) -> None:
        """Take the totals for true as they are."""
        for each in self.interfaces.values():
            each.caught_up = True

    def gone(self, mac: Mac) -> None:
        """Take note that the gateway does not know a MAC address any more."""
        self.interfaces[mac].reported = False

    def report(self, report: DeviceReport, now: float) -> None:
        """Take identity and totals."""
        self.last_seen = max(self.last_seen, min(now, report.last_seen))
        self._draw(self.interfaces[report.mac].report(report), now)

    def flows(
        self, mac: Mac, flows: Flows, now: float, *, is_over: Callable[[Learning], bool]
    ) -> list[Grown]:
        """Take what one of the MAC addresses did; return what is new in it.

        Args:
            mac: which one
            flows: the message
            now: when it came
            is_over: tells whether the device's learning period is over
        """
        self.edition += 1
        try:
            return self._take(self.interfaces[mac], flows, now, is_over)
        finally:
            self.edition += 1

    def _take(
        self, interface: Interface, flows: Flows, now: float, is_over: Callable[[Learning], bool]
    ) -> list[Grown]:
        self._draw(interface.flows(flows), now)
        if flows.epoch != interface.totals.epoch:
            return []
        self._look_up(flows)
        if not flows.snapshot:
            self.last_message = flows
            self.last_seen = now
            self.learning.active(time.monotonic())
        over = self.settle(is_over, now)
        grown = self.destinations.take(interface.mac, flows, NEW if over else LEARNED, now)
        first = [each for each in grown if each.new]
        if first and not over:
            self.learning.learned()
            for each in first:
                self._note_contact(each, now)
        self.note_forgotten(now)
        return grown

    def note_forgotten(self, now: float) -> None:
        """Take note of what was forgotten for want of room."""
        if forgotten := self.destinations.take_forgotten():
            self.journal.add("forgotten", now, count=forgotten, by="automatic")
            self.crowded = True

    def settle(self, is_over: Callable[[Learning], bool], now: float) -> bool:
        """Return whether the learning period is over, and take note when it just ended."""
        was_over = self.learning.over
        over = is_over(self.learning)
        if over and not was_over:
            self.journal.add("learning_over", now, reason=self.learning.ended_by)
        return over

    def _note_contact(self, contact: Grown, now: float) -> None:
        key, name = contact.destination.key, contact.host.name
        self.journal.add(
            "first_contact", now, host=name, group=key.group, protocol=key.protocol, port=key.port
        )

    def _draw(self, new: Counters, now: float) -> None:
        if new.sent_bytes or new.received_bytes:
            for ring in self._rings.values():
                ring.add(now, new.sent_bytes, new.received_bytes)

    def chart(self, window: str, now: float) -> Chart:
        """Return the traffic of a window (`windows.WINDOWS`) that ends now."""
        return self._rings[window].chart(now)

    def _look_up(self, flows: Flows) -> None:
        for name, at in flows.lookups.items():
            self.lookups.setdefault(name, at)
            if len(self.lookups) > MAX_LOOKUPS_PER_DEVICE:
                del self.lookups[next(iter(self.lookups))]

    def announce(self, event: str, evidence: dict[str, Any]) -> None:
        """Hand an event to the entity, or keep it until there is one."""
        if self._announce is None:
            self._pending.append((event, evidence))
        else:
            self._announce(event, evidence)

    def on_event(self, announce: Announce) -> Listener:
        """Have events announced, beginning with those that waited; returns how to end it."""
        self._announce = announce
        while self._pending:
            announce(*self._pending.popleft())

        def stop() -> None:
            self._announce = None

        return stop

    def listen(self, listener: Listener) -> Listener:
        """Have the listener called when something changed; returns how to end it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def changed(self, *, traffic: bool = False) -> None:
        """Tell the listeners; `traffic`: what changed is counters only."""
        self.judged.unsettled |= not traffic
        for listener in list(self._listeners):
            listener()

    def join(self, other: Self) -> None:
        """Add all that is known of another device, which is this one with other MAC addresses."""
        self.edition += 1
        self.interfaces |= other.interfaces
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        self.destinations.join(other.destinations)
        self.journal.join(other.journal)
        for name, ring in other._rings.items():
            self._rings[name].join(ring)
        self.edition += 1

    def take_out(self, mac: Mac, learning: Learning) -> Self:
        """Return one of the MAC addresses as a device of its own.

        It keeps its totals and its destinations; what was done together, like the timeline, stays here.
        """
        self.edition += 1
        other = type(self)(mac, self.destinations.take_out(mac), learning, self.last_seen)
        other.interfaces = {mac: self.interfaces.pop(mac)}
        other.first_seen = self.first_seen
        self.edition += 1
        return other

    def as_json(self) -> Iterator[bytes]:
        """Yield what is stored, in pieces; may be called from another thread."""
        yield orjson.dumps(self._small_part())[:-1]
        yield b',"destinations":'
        yield from self.destinations.as_json()
        yield b',"journal":'
        yield self.journal.as_json()
        yield b"}"

    def _small_part(self) -> dict[str, Any]:
        return {
            "interfaces": {mac: each.as_dict() for mac, each in list(self.interfaces.items())},
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "learning": self.learning.as_dict(),
            "judged": self.judged.as_dict(),
            "rings": [ring.packed() for ring in self._rings.values()],
        }

    @classmethod
    def from_dict(cls, mac: Mac, group: Group, stored: dict[str, Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls(
            mac,
            Destinations.from_dict(group, stored["destinations"], intern),
            Learning.from_dict(stored["learning"]),
            float(stored["last_seen"]),
        )
        self.interfaces = {
            mac: Interface.from_dict(mac, interface) for mac, interface in stored["interfaces"].items()
        }
        if mac != self.macs[0]:
            raise ValueError(f"{mac} is not the first of {self.macs}")
        self.first_seen = float(stored["first_seen"])
        self.journal = Journal.from_list(stored["journal"], intern)
        if (judged := stored.get("judged")) is not None:
            self.judged = Judged.from_dict(judged)
        if stored["rings"] is not None:
            for ring, packed in zip(self._rings.values(), stored["rings"], strict=True):
                ring.unpack(packed)
        return self

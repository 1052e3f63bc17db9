"""One device on the LAN: who it is, what it has done, what it is known to talk to."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from .const import MAX_LOOKUPS_PER_DEVICE, MAX_NEWS, MAX_PENDING_EVENTS, NEWS_WINDOW
from .destinations import LEARNED, NEW, Destination, Destinations, Group
from .learning import Learning
from .models import Counters, DeviceReport, Flows, Mac, Row
from .totals import Totals

type Listener = Callable[[], None]
type Announce = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second in the interval reported last."""

    sent: float
    received: float


class Device:
    """A device that Home Assistant shows. Times without a remark are of Home Assistant's clock."""

    def __init__(self, mac: Mac, destinations: Destinations, learning: Learning, now: float) -> None:
        """Begin with nothing known."""
        self.mac = mac
        self.hostname: str | None = None
        self.addresses: tuple[str, ...] = ()
        self.first_seen = self.last_seen = now
        self.totals = Totals()
        self.destinations = destinations
        self.learning = learning
        self.rates: Rates | None = None
        self.reported = False
        # After a crash what was saved is behind what was shown, until the gateway is heard.
        self.caught_up = True
        self.lookups: dict[str, float] = {}
        self._last_flows: Flows | None = None
        self._news: deque[float] = deque()
        self._suppressed = 0
        self._listeners: set[Listener] = set()
        self._announce: Announce | None = None
        self._pending: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_PENDING_EVENTS)

    def report(self, report: DeviceReport, now: float) -> None:
        """Take identity and totals."""
        self.hostname = report.hostname or None
        self.addresses = report.addresses
        self.reported = True
        self.last_seen = max(self.last_seen, min(now, report.last_seen))
        self.totals.count(report.epoch, report.counters)

    def flows(
        self, flows: Flows, now: float, *, is_over: Callable[[Learning], bool]
    ) -> list[tuple[Destination, Row]]:
        """Take what the device did; return what is news, with the row that shows it.

        Nothing is news while the device's learning period is not over, as `is_over` tells.
        """
        self.destinations.grown = []
        new = self.totals.count(flows.epoch, flows.counters)
        self.caught_up = True
        if flows.epoch != self.totals.epoch:
            return []
        self._look_up(flows)
        if not flows.snapshot:
            self.last_seen = now
            self.learning.active(now)
            self._rate(flows, new)
        over = is_over(self.learning)
        found = self.destinations.take(flows.epoch, flows.rows, NEW if over else LEARNED)
        if found:
            self.learning.learned()
        return found if over else []

    def _look_up(self, flows: Flows) -> None:
        for name, at in flows.lookups.items():
            self.lookups.setdefault(name, at)
            if len(self.lookups) > MAX_LOOKUPS_PER_DEVICE:
                del self.lookups[next(iter(self.lookups))]

    def _rate(self, flows: Flows, new: Counters) -> None:
        last, self._last_flows = self._last_flows, flows
        if last is not None and last.epoch == flows.epoch:
            if flows.end <= last.end:
                return  # another part of the same interval, or one that was overtaken
            start = flows.start if flows.seq == last.seq + 1 else last.end
        else:
            start = flows.start
        seconds = max(flows.end - start, 1.0)
        self.rates = Rates(new.sent_bytes / seconds, new.received_bytes / seconds)

    def may_announce(self, now: float) -> bool:
        """Return whether one more piece of news is bearable; what is not is counted."""
        while self._news and now - self._news[0] >= NEWS_WINDOW.total_seconds():
            self._news.popleft()
        if len(self._news) >= MAX_NEWS:
            self._suppressed += 1
            return False
        self._news.append(now)
        return True

    def take_suppressed(self) -> int:
        """Return how much news was suppressed since this was asked last."""
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed

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

    def changed(self) -> None:
        """Tell the listeners."""
        for listener in list(self._listeners):
            listener()

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; may be called from another thread."""
        return {
            "hostname": self.hostname,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "totals": self.totals.as_dict(),
            "learning": self.learning.as_dict(),
            "destinations": self.destinations.as_dict(),
        }

    @classmethod
    def from_dict(cls, mac: Mac, group: Group, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls(
            mac,
            Destinations.from_dict(group, stored["destinations"]),
            Learning.from_dict(stored["learning"]),
            float(stored["last_seen"]),
        )
        self.first_seen = float(stored["first_seen"])
        self.hostname = stored["hostname"]
        self.totals = Totals.from_dict(stored["totals"])
        self.caught_up = False
        return self

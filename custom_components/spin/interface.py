"""One of a device's network interfaces: a MAC address, who it says it is, and what it has exchanged."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from .models import Counters, DeviceReport, Flows, Mac
from .totals import Totals


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second in the interval reported last."""

    sent: float
    received: float


class _Interval(NamedTuple):
    epoch: str
    seq: int
    end: float


class Interface:
    """What the gateway says of one MAC address."""

    def __init__(self, mac: Mac) -> None:
        """Begin with nothing known."""
        self.mac = mac
        self.hostname: str | None = None
        self.addresses: tuple[str, ...] = ()
        self.totals = Totals()
        self.rates: Rates | None = None
        self.reported = False
        # After a crash what was saved is behind what was shown, until the gateway is heard.
        self.caught_up = True
        self._last: _Interval | None = None

    def report(self, report: DeviceReport) -> Counters:
        """Take identity and totals; return what is new in them."""
        self.hostname = report.hostname or None
        self.addresses = report.addresses
        self.reported = True
        return self.totals.count(report.epoch, report.counters)

    def flows(self, flows: Flows) -> Counters:
        """Take totals and rates of a message; return what is new in the totals."""
        new = self.totals.count(flows.epoch, flows.counters)
        self.caught_up = True
        if flows.epoch == self.totals.epoch and not flows.snapshot:
            self._rate(flows, new)
        return new

    def _rate(self, flows: Flows, new: Counters) -> None:
        last, self._last = self._last, _Interval(flows.epoch, flows.seq, flows.end)
        if last is not None and last.epoch == flows.epoch:
            if flows.end <= last.end:
                return  # another part of the same interval, or one that was overtaken
            start = flows.start if flows.seq == last.seq + 1 else last.end
        else:
            start = flows.start
        seconds = max(flows.end - start, 1.0)
        self.rates = Rates(new.sent_bytes / seconds, new.received_bytes / seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"hostname": self.hostname, "totals": self.totals.as_dict()}

    @classmethod
    def from_dict(cls, mac: Mac, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls(mac)
        self.hostname = None if stored["hostname"] is None else str(stored["hostname"])
        self.totals = Totals.from_dict(stored["totals"])
        self.caught_up = False
        return self

"""A device that sends so much that it may be part of an attack.

Either it sends packets at a high rate to which hardly anything answers, or it opens connections
faster than any program for people does; for ten seconds, so that the start of a transfer is none.
"""

from dataclasses import dataclass

from ..models import Counters, Flows
from ..totals import growth

PACKETS = 1000.0
CONNECTIONS = 100.0
# An upload gets an acknowledgement for a few packets; a flood gets less than one for so many.
UNANSWERED_SHARE = 20
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rate:
    """What a device did per second, on average over the time for which it was loud."""

    packets: float = 0.0
    connections: float = 0.0
    seconds: float = 0.0

    @property
    def level(self) -> float:
        """How much of a flood that is: from 1 on it is one."""
        if self.seconds < SECONDS:
            return 0.0
        return max(self.packets / PACKETS, self.connections / CONNECTIONS)


class Pulse:
    """A device's packets and connections per second, from message to message."""

    __slots__ = ("_last", "_since")

    def __init__(self) -> None:
        """Begin without a message."""
        self._last: Flows | None = None
        self._since: tuple[float, Counters] | None = None

    def take(self, flows: Flows) -> Rate:
        """Take the counters of a message; messages that repeat or were overtaken count for nothing."""
        last = self._last
        if flows.snapshot or (last is not None and last.epoch == flows.epoch and flows.end <= last.end):
            return Rate()
        self._last = flows
        if last is None or last.epoch != flows.epoch:
            self._since = None
            return Rate()
        if not self._loud(last, flows):
            self._since = None
            return Rate()
        if self._since is None:
            self._since = (last.end, last.counters)
        begin, counters = self._since
        return self._rate(counters, flows.counters, flows.end - begin)

    def _loud(self, last: Flows, flows: Flows) -> bool:
        rate = self._rate(last.counters, flows.counters, flows.end - last.end)
        return rate.packets >= PACKETS or rate.connections >= CONNECTIONS

    @staticmethod
    def _rate(before: Counters, after: Counters, seconds: float) -> Rate:
        new = Counters(*growth(before, after))
        one_way = new.sent_packets >= UNANSWERED_SHARE * new.received_packets
        # A burst that is reported early is not yet a rate.
        seconds = max(seconds, 1.0)
        return Rate(new.sent_packets / seconds if one_way else 0.0, new.connections / seconds, seconds)

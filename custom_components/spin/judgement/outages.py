"""A service that worked for a device and does not answer any more, told once, and once when it is back.

The gateway counts a connection as unanswered after 10 seconds without a reply. A service is out
after two such attempts without any answer to an attempt of the same time: many devices try IPv6
and IPv4 together and are content with one. What is blocked is not out.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..destinations import Grown, Host
from ..models import Row

# The gateway tells of an unanswered connection so long after it began, and a bit later.
UNANSWERED_AFTER = 11.0
ATTEMPTS = 2
# What began within so many seconds is one story, told in its order; for so long it may wait for that.
TOGETHER = 30.0
PATIENCE = 10.0
MAX_FAILING = 256
MAX_ANSWERED = 1024


class Service(NamedTuple):
    """What fails or works: a full name (or an address without one), with protocol and port."""

    host: str
    protocol: str
    port: int

    @classmethod
    def of(cls, row: Row) -> Service:
        """Return the service of a row."""
        return cls(row.name or row.address, row.protocol, row.port)


@dataclass(slots=True)
class Failure:
    """Attempts at a service since it answered last, if it ever `worked`; `since` is Home Assistant's time."""

    since: float
    attempts: int = 0
    told: bool = False
    worked: bool = True
    # Since when it is certain, by the gateway's clock, and by what.
    due: float | None = None
    shown_by: Grown | None = None


class Turn(NamedTuple):
    """A service went out, or goes on to be out after so many attempts more, or is back."""

    shown_by: Grown
    failure: Failure
    restored: bool = False
    more: int = 0


class Outages:
    """The services of one device that do not answer."""

    __slots__ = ("_answered", "_failing")

    def __init__(self) -> None:
        """Begin with none."""
        self._failing: dict[Service, Failure] = {}
        self._answered: dict[Host, float] = {}

    def __len__(self) -> int:
        """Return how many services are out that worked before."""
        return sum(failure.told and failure.worked for failure in self._failing.values())

    @property
    def out(self) -> dict[Service, float]:
        """What is out, and since when."""
        return {service: failure.since for service, failure in self._failing.items() if failure.told}

    def take(
        self,
        grown: Iterable[Grown],
        interval: tuple[float, float],
        now: float,
        is_blocked: Callable[[Row], bool],
    ) -> list[Turn]:
        """Take the rows of a message, and return what went out or came back, in the order of that.

        Args:
            grown: the rows, with what is new in them
            interval: begin and end of the message's interval, by the gateway's clock
            now: the time by Home Assistant's clock
            is_blocked: whether the gateway keeps the device from the service of a row
        """
        start, end = interval
        self._forget_answers(start)
        turns: list[Turn] = []
        suspects: dict[Service, Grown] = {}
        for one in grown:
            if one.growth.received_bytes:
                self._answered.pop(one.host, None)
                self._answered[one.host] = end
                if self._failing:
                    self._answers(one, turns)
            if one.growth.unanswered:
                service = Service.of(one.row)
                suspects.setdefault(service, one)
                self._fails(service, one.growth.unanswered, now)
        while len(self._answered) > MAX_ANSWERED:
            del self._answered[next(iter(self._answered))]
        for service, one in suspects.items():
            failure = self._failing.get(service)
            if failure is not None and failure.told:
                turns.append(Turn(one, failure, more=one.growth.unanswered))
            elif failure is not None and self._is_out(failure, one, start, is_blocked):
                failure.shown_by = one
                failure.due = end if failure.due is None else failure.due
        turns += self._in_order(end)
        return turns

    def _in_order(self, end: float) -> Iterator[Turn]:
        """Tell what is out in the order in which it began: the later waits a bit for the earlier."""
        waiting: list[float] = []
        untold = [failure for failure in self._failing.values() if not failure.told]
        for failure in sorted(untold, key=lambda failure: failure.since):
            if failure.due is None or failure.shown_by is None:
                waiting.append(failure.since)
                continue
            earlier = any(failure.since - since < TOGETHER for since in waiting)
            if not earlier or not 0 <= end - failure.due < PATIENCE:
                failure.told = True
                yield Turn(failure.shown_by, failure)

    def _answers(self, one: Grown, turns: list[Turn]) -> None:
        failure = self._failing.pop(Service.of(one.row), None)
        if failure is not None and failure.told:
            turns.append(Turn(one, failure, restored=True))

    def _forget_answers(self, start: float) -> None:
        """Forget the answers that are too old to matter to an interval that begins then."""
        since = start - UNANSWERED_AFTER
        if self._answered and next(iter(self._answered.values())) < since:
            self._answered = {host: end for host, end in self._answered.items() if end >= since}

    def _fails(self, service: Service, attempts: int, now: float) -> None:
        failure = self._failing.get(service)
        if failure is None:
            failure = self._failing[service] = Failure(now)
            if len(self._failing) > MAX_FAILING:
                del self._failing[next(iter(self._failing))]
        failure.attempts += attempts

    def _is_out(
        self,
        failure: Failure,
        one: Grown,
        start: float,
        is_blocked: Callable[[Row], bool],
    ) -> bool:
        if is_blocked(one.row) or self._answered.get(one.host, 0.0) >= start - UNANSWERED_AFTER:
            failure.attempts = 0
            return False
        failure.worked = one.host.counters.received_bytes > 0
        # What never answered is no alarm, but worth a note if the device knew whom it wanted.
        return failure.attempts >= ATTEMPTS if failure.worked else one.host.named

    def forget_blocked(self, is_blocked: Callable[[Service], bool]) -> None:
        """Forget the failures of what is blocked by now: nobody waits for that to come back."""
        for service in [service for service in self._failing if is_blocked(service)]:
            del self._failing[service]

    def as_list(self) -> list[Any]:
        """Return what is stored: what was told, so that it is not told again."""
        return [
            [*service, failure.since, failure.attempts, failure.worked]
            for service, failure in list(self._failing.items())
            if failure.told
        ]

    def restore(self, stored: list[Any]) -> None:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        for host, protocol, port, since, attempts, worked in stored[:MAX_FAILING]:
            service = Service(str(host), str(protocol), int(port))
            self._failing[service] = Failure(float(since), int(attempts), told=True, worked=bool(worked))

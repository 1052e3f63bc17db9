"""What a device does when its Internet is gone, or for comparison while it is there.

The record of one experiment: whom the device tried to reach, in order, how often, and what came of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from ..destinations import Grown
from ..models import RowCounters
from .connectivity import Check, check_kind
from .contacts import Contact, contact_of

type Kind = Literal["normal", "cloud_lost", "started_without_internet"]
type Outcome = Literal["running", "completed", "stopped", "interrupted"]
type Answer = Literal["answered", "refused", "unanswered", "pending"]

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome.__value__)
MAX_ATTEMPTS = 128
MAX_LOOKUPS = 64


@dataclass(slots=True)
class Attempt:
    """All that a device tried with one contact. Times are of Home Assistant's clock.

    Args:
        first: of the first attempt; exact where the contact was new to the gateway, else to an interval
        last: of the last one
        counters: what was counted since the experiment began
        usual: whether ordinary operation had shown it before
    """

    first: float
    last: float
    usual: bool
    counters: RowCounters = field(default_factory=RowCounters)

    @property
    def count(self) -> int:
        """How often it tried: connections that passed, and packets that the gateway refused."""
        return self.counters.connections + self.counters.blocked

    @property
    def answer(self) -> Answer:
        """What came of it at best; pending while it may still be answered (10 s)."""
        if self.counters.received_bytes:
            return "answered"
        if self.counters.blocked:
            return "refused"
        return "unanswered" if self.counters.unanswered else "pending"

    def check(self, contact: Contact) -> Check | None:
        """Return what kind of connectivity check it is, as far as that was seen."""
        name = contact.target if contact.named else None
        return check_kind(name, self.counters.connections - self.counters.unanswered, self.counters.empty)

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [self.first, self.last, self.usual, list(self.counters)]

    @classmethod
    def from_list(cls, stored: Iterable[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        first, last, usual, counters = stored
        return cls(float(first), float(last), bool(usual), RowCounters(*map(int, counters)))


@dataclass(slots=True)
class Experiment:
    """One experiment with one device. `only` is what is cut off, () for the whole Internet."""

    id: str
    kind: Kind
    started: float
    ends: float
    only: tuple[str, ...] = ()
    ended: float | None = None
    outcome: Outcome = "running"
    omitted: int = 0
    attempts: dict[Contact, Attempt] = field(default_factory=dict)
    lookups: dict[str, float] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether anything is cut off."""
        return self.kind != "normal"

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.outcome == "running"

    def take(
        self,
        grown: Iterable[Grown],
        interval: tuple[float, float],
        shift: float,
        is_usual: Callable[[Contact], bool],
    ) -> None:
        """Take a message on the device's traffic.

        Args:
            grown: its rows with what is new in them
            interval: its begin and end, by the gateway's clock
            shift: what the gateway's clock is ahead of Home Assistant's
            is_usual: tells whether a contact is one of ordinary operation
        """
        start, end = interval
        is_over = end - shift > self.ends
        for _, _, row, new, _ in grown:
            if not (new.blocked or new.connections or new.sent_bytes):
                continue
            first = max(row.first, start) - shift
            counted = new
            if self.blocks and (is_over or first < self.started):
                if not new.blocked:
                    continue
                # What else the interval has may have been before the Internet was gone, or after it was back.
                counted = RowCounters(blocked=new.blocked)
            self._add(contact_of(row), counted, (max(first, self.started), row.last - shift), is_usual)

    def _add(
        self,
        contact: Contact,
        new: RowCounters,
        times: tuple[float, float],
        is_usual: Callable[[Contact], bool],
    ) -> None:
        first, last = times
        attempt = self.attempts.get(contact)
        if attempt is None:
            if len(self.attempts) >= MAX_ATTEMPTS:
                self.omitted += 1
                return
            attempt = self.attempts[contact] = Attempt(first, max(first, last), is_usual(contact))
        attempt.last = max(attempt.last, last)
        attempt.counters = RowCounters(*map(sum, zip(attempt.counters, new, strict=True)))

    def look_up(self, lookups: Mapping[str, float], shift: float) -> None:
        """Take the names that were looked up without traffic that followed."""
        for name, at in lookups.items():
            if at - shift >= self.started and len(self.lookups) < MAX_LOOKUPS:
                self.lookups.setdefault(name, at - shift)

    def begin(self, now: float) -> None:
        """Have it begin; what was refused by then was refused in it."""
        self.started = now
        for attempt in self.attempts.values():
            attempt.first = attempt.last = now

    def end(self, outcome: Outcome, now: float) -> None:
        """End it."""
        self.outcome, self.ended = outcome, now

    def in_order(self) -> list[tuple[Contact, Attempt]]:
        """Return the attempts in the order in which they began."""
        return sorted(self.attempts.items(), key=lambda item: (item[1].first, item[1].last))

    def result(self, known_checks: Mapping[Contact, Check]) -> dict[str, Any]:
        """Return it as response data; `known_checks` are connectivity checks seen at other times."""
        tried = {contact.target for contact in self.attempts}
        return {
            "id": self.id,
            "kind": self.kind,
            "only": list(self.only),
            "outcome": self.outcome,
            "started": self.started,
            "ends": self.ends,
            "ended": self.ended,
            "attempts": [
                {
                    "destination": contact.target,
                    "named": contact.named,
                    "protocol": contact.protocol,
                    "port": contact.port,
                    "first": attempt.first,
                    "after": round(attempt.first - self.started, 1),
                    "last": attempt.last,
                    "count": attempt.count,
                    "connections": attempt.counters.connections,
                    "refused_packets": attempt.counters.blocked,
                    "answer": attempt.answer,
                    "sent_bytes": attempt.counters.sent_bytes,
                    "received_bytes": attempt.counters.received_bytes,
                    "connectivity_check": attempt.check(contact) or known_checks.get(contact),
                    "usual": attempt.usual,
                }
                for contact, attempt in self.in_order()
            ],
            "looked_up_only": [name for name in self.lookups if name not in tried],
            "omitted": self.omitted,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; may be called from another thread."""
        return {
            "id": self.id,
            "kind": self.kind,
            "started": self.started,
            "ends": self.ends,
            "only": list(self.only),
            "ended": self.ended,
            "outcome": self.outcome,
            "omitted": self.omitted,
            "attempts": [[*contact, attempt.as_list()] for contact, attempt in list(self.attempts.items())],
            "lookups": dict(self.lookups),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        if stored["kind"] not in KINDS or stored["outcome"] not in OUTCOMES:
            raise ValueError(f"experiment {stored['kind']!r}, {stored['outcome']!r}")
        self = cls(
            str(stored["id"]),
            stored["kind"],
            float(stored["started"]),
            float(stored["ends"]),
            tuple(map(str, stored["only"])),
            None if stored["ended"] is None else float(stored["ended"]),
            stored["outcome"],
            int(stored["omitted"]),
        )
        for target, named, protocol, port, attempt in stored["attempts"]:
            contact = Contact(str(target), bool(named), str(protocol), int(port))
            self.attempts[contact] = Attempt.from_list(attempt)
        self.lookups = {str(name): float(at) for name, at in stored["lookups"].items()}
        return self

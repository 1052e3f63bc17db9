"""Holds what is told of one device together, and within bounds.

What comes within a minute of the one before belongs to one burst: a firmware update with twelve
new names is twelve events and one notification. Beyond a number in an hour the rest is counted
only, so that a hostile device cannot drown the others.
"""

import uuid
from dataclasses import dataclass, field

from ..const import NEWS_WINDOW

GAP = 60.0
# Of a burst, so many names are told in one sentence.
MAX_NAMED = 3


@dataclass(slots=True)
class Burst:
    """What was told of one kind in one go. Times are of Home Assistant's clock."""

    last: float
    identity: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str, now: float) -> None:
        """Count one more."""
        self.last = now
        self.count += 1
        if len(self.names) < MAX_NAMED and name not in self.names:
            self.names.append(name)


@dataclass(slots=True)
class Budget:
    """How much of one kind was told in the hour that began then."""

    begun: float
    told: int = 0


class Bursts:
    """The bursts of one device, one for each kind of finding, and how much of it is bearable."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._bursts: dict[str, Burst] = {}
        self._budgets: dict[str, Budget] = {}
        self.suppressed = 0

    def admit(self, kind: str, most: int, now: float) -> bool:
        """Return whether one more of this kind is bearable, of which `most` are in an hour."""
        budget = self._budgets.get(kind)
        if budget is None or not 0 <= now - budget.begun < NEWS_WINDOW.total_seconds():
            budget = self._budgets[kind] = Budget(now)
        budget.told += 1
        return budget.told <= most

    def take_suppressed(self) -> int:
        """Return how much news was suppressed since this was asked last."""
        suppressed, self.suppressed = self.suppressed, 0
        return suppressed

    def add(self, kind: str, name: str, now: float) -> Burst:
        """Return the burst that something of this kind belongs to, with it counted in."""
        burst = self._bursts.get(kind)
        if burst is None or not 0 <= now - burst.last < GAP:
            burst = self._bursts[kind] = Burst(now)
        burst.add(name, now)
        return burst

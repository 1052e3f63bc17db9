"""Totals that never decrease, out of counters that restart with every start of the agent.

The gateway's counters are cumulative within an epoch. Messages get lost, repeated and reordered,
so a total grows by what a counter is beyond the highest value seen of its epoch. What is kept of
an epoch is that highest value; a message of an earlier epoch that comes late thus counts once.
"""

from typing import Any, Self

from .const import MAX_EPOCHS_PER_DEVICE
from .models import Counters


def growth[T: (tuple[int, ...])](seen: T, now: T) -> list[int]:
    """Return what each counter is beyond what was seen of it, never negative."""
    return [max(0, new - old) for old, new in zip(seen, now, strict=True)]


class Totals:
    """A device's traffic since Home Assistant knows it."""

    def __init__(self, total: Counters = Counters(), epochs: dict[str, Counters] | None = None) -> None:  # noqa: B008
        """Begin at `total`, with the highest counters seen of each epoch, oldest epoch first."""
        self.total = total
        self._epochs = epochs or {}

    @property
    def epoch(self) -> str | None:
        """The epoch that began last, as far as it was heard."""
        return next(reversed(self._epochs), None)

    def count(self, epoch: str, counters: Counters) -> Counters:
        """Add what is new in these counters and return just that."""
        seen = self._epochs.get(epoch, Counters())
        new = Counters(*growth(seen, counters))
        if epoch not in self._epochs and len(self._epochs) >= MAX_EPOCHS_PER_DEVICE:
            del self._epochs[next(iter(self._epochs))]
        self._epochs[epoch] = Counters(*map(max, seen, counters, strict=True))
        self.total = Counters(*map(sum, zip(self.total, new, strict=True)))
        return new

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"total": list(self.total), "epochs": {k: list(v) for k, v in list(self._epochs.items())}}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        return cls(
            Counters(*map(int, stored["total"])),
            {str(epoch): Counters(*map(int, seen)) for epoch, seen in stored["epochs"].items()},
        )

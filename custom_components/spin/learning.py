"""The time in which everything that a device does is taken for normal.

It is over after a number of days during which the gateway was heard, or earlier, after 72 hours
of activity without a destination that was not known. Only differences of Home Assistant's own
clock count, each bounded: neither a wrong clock, an absent device nor a stopped Home Assistant
ends or prolongs it.
"""

from dataclasses import dataclass
from typing import Any, Self

from .const import MAX_ACTIVE_GAP, QUIET

DAY = 86_400.0


@dataclass(slots=True)
class Learning:
    """How far a device's learning period has come, in seconds."""

    began: float
    quiet: float = 0.0
    last_active: float | None = None
    over: bool = False

    def active(self, now: float) -> None:
        """Take note that the device does something at this time."""
        if self.last_active is not None and 0 < now - self.last_active <= MAX_ACTIVE_GAP.total_seconds():
            self.quiet += now - self.last_active
        self.last_active = now

    def learned(self) -> None:
        """Begin the quiet time anew: the device did something that was not known."""
        self.quiet = 0.0

    def is_over(self, heard: float, days: float) -> bool:
        """Return whether what is not known is news by now.

        Args:
            heard: for how long the gateway was heard in all, on the scale of `began`
            days: the length of the period
        """
        if not self.over:
            self.over = heard - self.began >= days * DAY or self.quiet >= QUIET.total_seconds()
        return self.over

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"began": self.began, "quiet": self.quiet, "over": self.over}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        return cls(float(stored["began"]), float(stored["quiet"]), over=bool(stored["over"]))

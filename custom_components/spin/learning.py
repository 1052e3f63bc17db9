"""The time in which everything that a device does is taken for normal.

It is over after a number of days during which the gateway was heard, or earlier, after 72 hours
of activity without a destination that was not known. Only differences of clocks that never jump
count, each bounded: neither a wrong clock, an absent device nor a stopped Home Assistant ends or
prolongs it.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

from .const import MAX_ACTIVE_GAP, QUIET

DAY = 86_400.0
HOUR = 3600.0

type State = Literal["learning", "over"]


@dataclass(slots=True)
class Learning:
    """How far a device's learning period has come, in seconds.

    Args:
        began: when, on the scale of `heard`: for how long the gateway was heard in all
        quiet: for how long the device was active since it did something that was not known
        over: whether it has ended
        length: how long it lasts, where that is not as usual
        ended_by: what ended it (time, quiet, user)
    """

    began: float
    quiet: float = 0.0
    last_active: float | None = None
    over: bool = False
    length: float | None = None
    ended_by: str | None = None

    @property
    def state(self) -> State:
        """How it stood when that was last asked."""
        return "over" if self.over else "learning"

    def active(self, uptime: float) -> None:
        """Take note that the device does something now, by a clock that never jumps (monotonic)."""
        if self.last_active is not None and 0 < uptime - self.last_active <= MAX_ACTIVE_GAP.total_seconds():
            self.quiet += uptime - self.last_active
        self.last_active = uptime

    def learned(self) -> None:
        """Begin the quiet time anew: the device did something that was not known."""
        self.quiet = 0.0

    def left(self, heard: float, days: float) -> float | None:
        """Return for how many seconds it lasts at most; None when it is over.

        Args:
            heard: for how long the gateway was heard in all, on the scale of `began`
            days: the usual length of the period
        """
        if self.over:
            return None
        left = self.began + (days * DAY if self.length is None else self.length) - heard
        if self.length is None:
            left = min(left, QUIET.total_seconds() - self.quiet)
        return max(0.0, left)

    def is_over(self, heard: float, days: float) -> bool:
        """Return whether what is not known is news by now; the arguments are those of `left`."""
        if self.left(heard, days) == 0:
            self.over = True
            by_quiet = self.length is None and self.quiet >= QUIET.total_seconds()
            self.ended_by = "quiet" if by_quiet else "time"
        return self.over

    def restart(self, heard: float) -> None:
        """Begin anew, for the usual length."""
        self.began, self.quiet, self.length = heard, 0.0, None
        self.over, self.ended_by = False, None

    def skip(self) -> None:
        """End it now, on the user's word."""
        self.over, self.ended_by = True, "user"

    def reopen(self, heard: float, hours: float) -> None:
        """Learn for some hours more, without regard to quiet; one that lasts longer anyway goes on."""
        if not self.over and self.length is None:
            return
        rest = 0.0 if self.over or self.length is None else self.began + self.length - heard
        self.restart(heard)
        self.length = max(rest, hours * HOUR)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "began": self.began,
            "quiet": self.quiet,
            "over": self.over,
            "length": self.length,
            "ended_by": self.ended_by,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        length = stored["length"]
        return cls(
            float(stored["began"]),
            float(stored["quiet"]),
            over=bool(stored["over"]),
            length=None if length is None else float(length),
            ended_by=stored["ended_by"],
        )

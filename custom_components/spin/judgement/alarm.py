"""An alarm that does not flutter: it rises once, and is ready again only after a long calm."""

from dataclasses import dataclass
from typing import Any, Self

# Calm is less than this share of what raises the alarm, for so many seconds.
CALM_SHARE = 0.5
CALM_SECONDS = 600.0


@dataclass(slots=True)
class Alarm:
    """Whether something is going on. Times are of the gateway's clock.

    Args:
        raised: whether it has risen, and is not ready again
        loud: when the level was high last
        unseen: whether it awaits the user's acknowledgement
    """

    raised: bool = False
    loud: float = 0.0
    unseen: bool = False

    def rises(self, share: float, now: float) -> bool:
        """Take the level, as a share of what raises the alarm; return whether it rises just now."""
        if self.raised and not 0 <= now - self.loud < CALM_SECONDS:
            self.raised = False
        if share >= CALM_SHARE:
            self.loud = now
        if self.raised or share < 1:
            return False
        self.raised = self.unseen = True
        return True

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [self.raised, self.loud, self.unseen]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        raised, loud, unseen = stored
        return cls(bool(raised), float(loud), bool(unseen))

"""The bit field of devices, groups, links and hosts (docs/websocket.md)."""

from typing import Final

NEW: Final = 1
BLOCKED: Final = 2
FAILED: Final = 4
LEARNING: Final = 8
AUTOMATIC: Final = 16
TIMED: Final = 32
ALLOWED: Final = 64
QUIET: Final = 128
ATTENTION: Final = 256
PARTLY: Final = 512

BY_NAME: Final = {"new": NEW, "blocked": BLOCKED, "failed": FAILED, "learning": LEARNING, "allowed": ALLOWED}

URGENT: Final = NEW | BLOCKED | FAILED | PARTLY


def urgency(flags: int) -> int:
    """Return how far up a row ranks: new, then blocked, then failed, then the others."""
    if flags & NEW:
        return 3
    if flags & (BLOCKED | PARTLY):
        return 2
    return 1 if flags & FAILED else 0

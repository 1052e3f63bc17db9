"""What a reader asks for, and how much of it there is in all."""

from dataclasses import dataclass

from .board import Board
from .sheet import total

DEVICES = 100
DESTINATIONS = 40
MAX_ROWS = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader asked for: the focus, if any, and how many rows it can show."""

    device: str | None = None
    destination: str | None = None
    devices: int = DEVICES
    destinations: int = DESTINATIONS


def summary_of(board: Board, wish: Wish) -> dict[str, int]:
    """Count the whole home, or what is in focus; a device that is blocked as a whole counts as one."""
    place = board.places.get(wish.device) if wish.device else None
    if place is not None:
        link, places, destinations = place.hosts, [place], place.sums.shown
    elif wish.destination is not None:
        places = board.tally.places(wish.destination)
        link = total(each.sheet.links[wish.destination] for each in places)
        destinations = int(bool(places))
    else:
        link, places, destinations = board.tally.hosts, list(board.places.values()), board.tally.shown
    return {
        "devices": len(places),
        "destinations": destinations,
        "new": link.new,
        "blocked": link.blocked + sum(each.standing.book.blocked for each in places),
        "failed": link.failed,
        "learning": sum(each.device.learning.state == "learning" for each in places),
        "sent": link.sent,
        "received": link.received,
    }

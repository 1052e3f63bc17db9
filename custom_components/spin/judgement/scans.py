"""A device that knocks at many doors.

Ordinary devices leave one host a minute without an answer; one whose cloud is unreachable 10 or 11;
one that scans 76, and nmap 997 ports of one host (measured on published captures). Hosts that have
answered before are not counted: when the Internet is down, a device's own services are no victims.
"""

from collections import Counter
from collections.abc import Iterable

from ..destinations import Grown
from ..models import Fanout

WINDOW = 60.0
HOSTS = 20
PORTS = 50
MAX_KNOCKS = 1024


class Knocks:
    """The addresses and ports that a device contacted within a minute without an answer."""

    __slots__ = ("_knocks",)

    def __init__(self) -> None:
        """Begin with none."""
        self._knocks: dict[tuple[str, int], float] = {}

    def take(self, grown: Iterable[Grown], fanout: Fanout, now: float) -> Fanout:
        """Count the rows of a message in; return how many hosts, and ports of one host, it has been by now.

        `fanout` is the gateway's own count of one interval, which has also what it has no rows for.
        """
        familiar = 0
        for one in grown:
            if not one.growth.unanswered:
                continue
            if one.host.counters.received_bytes:
                familiar += 1
                continue
            door = (one.row.address, one.row.port)
            self._knocks.pop(door, None)
            self._knocks[door] = now
            if len(self._knocks) > MAX_KNOCKS:
                del self._knocks[next(iter(self._knocks))]
        self._forget(now)
        ports = Counter(address for address, _ in self._knocks)
        return Fanout(
            max(len(ports), fanout.hosts - familiar),
            max(max(ports.values(), default=0), 0 if familiar else fanout.ports),
        )

    def _forget(self, now: float) -> None:
        self._knocks = {door: at for door, at in self._knocks.items() if 0 <= now - at < WINDOW}


def level(fanout: Fanout) -> float:
    """Return how much of a scan that is: from 1 on it is one."""
    return max(fanout.hosts / HOSTS, fanout.ports / PORTS)

"""How often a device asks which time servers for the time.

An interval is the time between two requests to the same server: the same name at the same address.
RFC 5905 (section 7.3) suggests a poll exponent of at least 6, which is 64 s; at its start a client may
send a burst of eight (section 13, IBURST). RFC 8633 (section 3.2) wants at least four servers.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean, median
from typing import Any, Literal, NamedTuple, Self

from ..models import Row

MINIMUM_POLL = 64.0
ENOUGH_SERVERS = 4
BURST_REQUESTS = 8
# RFC 5905 sends a burst two seconds apart; clients that wait for each answer take longer.
BURST_PAUSE = 16.0
# Requests that follow on each other again within this time are no start.
BURST_EVERY = 3600.0

MAX_SERVERS = 32
MAX_TIMES = 256

type Advice = Literal["poll_too_short", "few_servers"]


class Server(NamedTuple):
    """A time server as the device sees it."""

    name: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Figures:
    """How often a server, or several, were asked. Times in seconds; shares from 0 to 1.

    Args:
        requests: how many
        mean: of the intervals, None without any
        median: likewise
        intervals: how many there are
        short: how many of them are below 64 s
        burst: how many belong to a start-up burst
        short_settled: how many are below 64 s and belong to no such burst
    """

    requests: int
    intervals: int
    mean: float | None
    median: float | None
    short: int
    burst: int
    short_settled: int

    @property
    def share(self) -> float | None:
        """The share of the intervals below 64 s."""
        return self.short / self.intervals if self.intervals else None

    @property
    def settled_share(self) -> float | None:
        """The same without start-up bursts."""
        settled = self.intervals - self.burst
        return self.short_settled / settled if settled else None

    def as_dict(self) -> dict[str, Any]:
        """Return response data."""
        return {
            "requests": self.requests,
            "intervals": self.intervals,
            "mean": _rounded(self.mean, 1),
            "median": _rounded(self.median, 1),
            "below_64_s": self.short,
            "share_below_64_s": _rounded(self.share, 4),
            "burst_intervals": self.burst,
            "share_below_64_s_without_burst": _rounded(self.settled_share, 4),
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _in_burst(times: Sequence[float]) -> list[bool]:
    """Tell of each interval whether it belongs to the burst of a start.

    A burst follows a pause of more than 64 s, at most one an hour: else every pair of requests would be one.
    """
    flags: list[bool] = []
    started, left = -inf, 0
    for earlier, at in pairwise([-inf, *times]):
        if at - earlier > MINIMUM_POLL and at - started >= BURST_EVERY:
            started, left = at, BURST_REQUESTS - 1
            flags.append(False)
            continue
        inside = left > 0 and at - earlier <= BURST_PAUSE
        left = left - 1 if inside else 0
        flags.append(inside)
    return flags[1:]


def figures(series: Iterable[Sequence[float]]) -> Figures:
    """Return the figures of requests to one or several servers, each a series of ascending times."""
    requests, pauses, burst, short_settled = 0, [], 0, 0
    for times in series:
        requests += len(times)
        for (earlier, later), inside in zip(pairwise(times), _in_burst(times), strict=True):
            pauses.append(later - earlier)
            burst += inside
            short_settled += not inside and later - earlier < MINIMUM_POLL
    return Figures(
        requests,
        len(pauses),
        fmean(pauses) if pauses else None,
        median(pauses) if pauses else None,
        sum(pause < MINIMUM_POLL for pause in pauses),
        burst,
        short_settled,
    )


class TimeSync:
    """The newest requests of one device, at most 256 to each of 32 servers; times of the gateway's clock."""

    def __init__(self) -> None:
        """Begin with none."""
        self._times: dict[Server, array[float]] = {}

    def __bool__(self) -> bool:
        """Return whether it has asked for the time at all."""
        return bool(self._times)

    def take(self, rows: Iterable[Row]) -> int:
        """Take the requests in a message's rows; return how many were new.

        The same message again, or a snapshot that overlaps with others, adds nothing.
        """
        return sum(self._add(Server(row.name, row.address), row.requests) for row in rows if row.requests)

    def _add(self, server: Server, requests: Iterable[float]) -> int:
        times = self._times.pop(server, None)
        if times is None:
            times = array("d")
            while len(self._times) >= MAX_SERVERS:
                del self._times[next(iter(self._times))]
        self._times[server] = times
        before = len(times)
        added = 0
        for at in sorted(requests):
            place = bisect_left(times, at)
            if place < len(times) and times[place] == at:
                continue
            if place == 0 and before >= MAX_TIMES:
                continue  # older than all that are kept
            times.insert(place, at)
            added += 1
        del times[: max(0, len(times) - MAX_TIMES)]
        return added

    def total(self) -> Figures:
        """Return the figures of all servers together."""
        return figures(self._times.values())

    def by_name(self) -> Mapping[str, tuple[list[str], Figures]]:
        """Return addresses and figures of each server name; of the address, where there is no name."""
        grouped: dict[str, dict[Server, array[float]]] = {}
        for server, times in self._times.items():
            grouped.setdefault(server.name or server.address, {})[server] = times
        return {
            name: (sorted({server.address for server in servers}), figures(servers.values()))
            for name, servers in sorted(grouped.items())
        }

    def span(self) -> tuple[float, float] | None:
        """Return the times of the first and the last request that are known."""
        every = [at for times in self._times.values() if times for at in (times[0], times[-1])]
        return (min(every), max(every)) if every else None

    def advice(self) -> list[Advice]:
        """Return in what it differs from the advice of RFC 5905 and RFC 8633."""
        found: list[Advice] = []
        if self.total().short_settled:
            found.append("poll_too_short")
        if 0 < len(self._times) < ENOUGH_SERVERS:
            found.append("few_servers")
        return found

    def summary(self) -> dict[str, Any] | None:
        """Return all of it as response data; None where it never asked for the time."""
        span = self.span()
        if span is None:
            return None
        return {
            "servers": [
                {"server": name, "addresses": addresses, **found.as_dict()}
                for name, (addresses, found) in self.by_name().items()
            ],
            "total": self.total().as_dict(),
            "from": span[0],
            "to": span[1],
            "advice": self.advice(),
        }

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [[*server, [round(at, 3) for at in times]] for server, times in self._times.items()]

    @classmethod
    def from_list(cls, stored: Iterable[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        self = cls()
        for name, address, times in stored:
            self._add(Server(name and str(name), str(address)), map(float, times))
        return self

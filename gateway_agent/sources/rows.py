"""The counters of the packets source: what each flow did since it was last read."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from gateway_agent.model import MAX_REQUESTS, Flow, Traffic

_CHUNK: Final = 500
_MAX_ROWS: Final = 65_536


class Row:
    """One flow; `traffic` is None while nothing happened since the last reading, `last` is its time then."""

    __slots__ = ("flow", "last", "traffic")

    def __init__(self, flow: Flow, at: float) -> None:
        self.flow = flow
        self.last = at
        self.traffic: Traffic | None = None


class Rows:
    """All flows. Rows are forgotten only when nothing refers to them and their counts have been read."""

    def __init__(self) -> None:
        self._rows: dict[Flow, Row] = {}
        self._changed: list[tuple[Row, Traffic]] = []

    def get(self, flow: Flow) -> Row | None:
        """Return a flow's row, if it is known."""
        return self._rows.get(flow)

    def add(self, flow: Flow, at: float, in_use: Callable[[], Iterable[Row]]) -> Row:
        """Begin a row; where there are too many, forget those that are neither changed nor `in_use`."""
        if len(self._rows) >= _MAX_ROWS:
            kept = {row.flow: row for row in in_use()}
            kept.update((row.flow, row) for row, _ in self._changed)
            self._rows = kept
        row = self._rows[flow] = Row(flow, at)
        return row

    def count(self, row: Row, at: float) -> Traffic:
        """Return a row's counts since the last reading, begun at `at` if there are none."""
        traffic = row.traffic
        if traffic is None:
            traffic = row.traffic = Traffic(at, at)
            self._changed.append((row, traffic))
        return traffic

    def request(self, row: Row, at: float) -> None:
        """Note the time of an NTP request; only the newest are kept."""
        requests = self.count(row, at).requests
        requests.append(at)
        if len(requests) > 2 * MAX_REQUESTS:
            del requests[:MAX_REQUESTS]

    def read(self) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Yield what the flows did since the last reading, in chunks."""
        changed, self._changed = self._changed, []
        chunk: list[tuple[Flow, Traffic]] = []
        for row, traffic in changed:
            row.last, row.traffic = traffic.last, None
            chunk.append((row.flow, traffic))
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

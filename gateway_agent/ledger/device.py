"""What the ledger keeps of one device: its identity, its rows, its sums, its lookups and its fan-out."""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway_agent.ledger.names import Name
from gateway_agent.model import MAX_REQUESTS, Address, Answer, Flow, HostName, Mac, Traffic

MAX_ADDRESSES: Final = 32
MAX_LOOKUPS: Final = 128
MAX_FANOUT: Final = 2048
_EVICTION_BATCH: Final = 64

RowKey = tuple[Address, int, int, str | None]
"""Remote address, protocol, port, name."""


@dataclass(slots=True)
class Counters:
    """Sums over Internet traffic; they never decrease."""

    sent_bytes: int = 0
    received_bytes: int = 0
    sent_packets: int = 0
    received_packets: int = 0
    connections: int = 0
    unanswered: int = 0
    blocked: int = 0


@dataclass(slots=True)
class Row:
    """One destination: a remote address under one name, a protocol, a port. `first` marks this instance."""

    key: RowKey
    source: str | None
    local: bool
    first: float
    last: float
    told: bool = False
    sent_bytes: int = 0
    received_bytes: int = 0
    sent_packets: int = 0
    received_packets: int = 0
    connections: int = 0
    unanswered: int = 0
    blocked: int = 0
    empty: int = 0
    requests: list[float] = field(default_factory=list)

    def add(self, traffic: Traffic) -> None:
        """Add a difference; keep the newest requests where there are too many."""
        self.last = max(self.last, traffic.last)
        self.sent_bytes += traffic.sent_bytes
        self.received_bytes += traffic.received_bytes
        self.sent_packets += traffic.sent_packets
        self.received_packets += traffic.received_packets
        self.connections += traffic.connections
        self.unanswered += traffic.unanswered
        self.blocked += traffic.blocked
        self.empty += traffic.empty
        if traffic.requests:
            self.requests = [*self.requests, *traffic.requests][-MAX_REQUESTS:]


@dataclass(slots=True)
class Lookup:
    """A name that was looked up and to which no traffic has followed."""

    first: float
    last: float
    count: int = 0
    answered: bool = False
    changed: bool = True


@dataclass(slots=True)
class Omitted:
    """What the rows that were forgotten had counted; cumulative."""

    destinations: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


class Fanout:
    """Hosts and ports that were contacted without an answer since the last message, up to MAX_FANOUT."""

    __slots__ = ("_pairs", "_ports")

    def __init__(self) -> None:
        self._ports: dict[Address, set[int]] = {}
        self._pairs = 0

    def add(self, remote: Address, port: int) -> None:
        """Count a contact that got no answer."""
        ports = self._ports.get(remote)
        if (ports is not None and port in ports) or self._pairs >= MAX_FANOUT:
            return
        self._pairs += 1
        self._ports.setdefault(remote, set()).add(port)

    def take(self) -> tuple[int, int]:
        """Return distinct hosts and the most ports of one host, and begin anew."""
        if not self._ports:
            return 0, 0
        hosts, ports = len(self._ports), max(map(len, self._ports.values()))
        self._ports, self._pairs = {}, 0
        return hosts, ports


class Device:
    """One MAC address on the LAN. The ledger decides what fits; the device does the sums."""

    __slots__ = (
        "_evicted_until",
        "_names",
        "_oldest",
        "addresses",
        "changed",
        "counters",
        "fanout",
        "first_seen",
        "hostname",
        "identity_changed",
        "last_seen",
        "lookups",
        "mac",
        "omitted",
        "published",
        "rows",
        "seq",
        "sums_changed",
        "vendor_class",
    )

    def __init__(self, mac: Mac, at: float) -> None:
        self.mac = mac
        self.first_seen = self.last_seen = at
        self.addresses: dict[Address, float] = {}
        self.hostname: str | None = None
        self.vendor_class: str | None = None
        self.counters = Counters()
        self.omitted = Omitted()
        self.rows: dict[RowKey, Row] = {}
        self.lookups: dict[str, Lookup] = {}
        self.fanout = Fanout()
        self.seq = 0
        self.changed: dict[RowKey, Row] = {}
        self.identity_changed = True
        self.sums_changed = False
        self.published = float("-inf")
        self._names: dict[str, int] = {}
        self._oldest: deque[tuple[float, Row]] = deque()
        self._evicted_until = float("-inf")

    def new_row(self, flow: Flow, name: Name | None, local: bool, first: float) -> Row:
        """Begin a row; its `first` is later than anything of the rows that were forgotten."""
        key = (flow.remote, flow.protocol, flow.port, name.name if name else None)
        first = max(first, self._evicted_until + 0.001)
        row = Row(key, name.source if name else None, local, first, first)
        self.rows[key] = row
        if name is not None:
            self._use_name(name.name)
        return row

    def name_row(self, row: Row, name: Name) -> None:
        """Give a row that has no name, and that nobody was told of, its name; what it counted stays."""
        key = (*row.key[:3], name.name)
        if row.told or key in self.rows:
            return
        del self.rows[row.key]
        changed = self.changed.pop(row.key, None)
        row.key, row.source = key, name.source
        self.rows[key] = row
        if changed is not None:
            self.changed[key] = row
        self._use_name(name.name)

    def count(self, row: Row, traffic: Traffic) -> None:
        """Add a difference to a row and, for Internet traffic, to the sums."""
        row.add(traffic)
        self.changed[row.key] = row
        self.last_seen = max(self.last_seen, traffic.last)
        if traffic.unanswered:
            self.fanout.add(row.key[0], row.key[2])
        if row.local:
            return
        counters = self.counters
        counters.sent_bytes += traffic.sent_bytes
        counters.received_bytes += traffic.received_bytes
        counters.sent_packets += traffic.sent_packets
        counters.received_packets += traffic.received_packets
        counters.connections += traffic.connections
        counters.unanswered += traffic.unanswered
        counters.blocked += traffic.blocked

    def forget(self, row: Row) -> None:
        """Drop a row; what it counted of the Internet is added to what is omitted."""
        del self.rows[row.key]
        self.changed.pop(row.key, None)
        self._evicted_until = max(self._evicted_until, row.last, row.first)
        name = row.key[3]
        if name is not None:
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
        if not row.local:
            self.sums_changed = True
            self.omitted.destinations += 1
            self.omitted.sent_bytes += row.sent_bytes
            self.omitted.received_bytes += row.received_bytes

    def forget_oldest(self) -> None:
        """Drop the row that has been quiet for longest."""
        row = next_oldest(self._oldest, self.rows)
        if row is None:
            oldest = heapq.nsmallest(_EVICTION_BATCH, self.rows.values(), key=lambda row: row.last)
            self._oldest = deque((row.last, row) for row in oldest)
            row = next_oldest(self._oldest, self.rows)
        if row is not None:
            self.forget(row)

    def depart(self) -> None:
        """Drop everything but the sums, because the device may come back within the epoch."""
        for row in list(self.rows.values()):
            self.forget(row)
        self.addresses, self.lookups, self.fanout = {}, {}, Fanout()
        self._oldest.clear()
        self.identity_changed = True

    def looked_up(self, answer: Answer) -> None:
        """Remember a lookup unless it belongs to traffic that has a row."""
        self.last_seen = max(self.last_seen, answer.at)
        if answer.name in self._names:
            return
        lookup = self.lookups.pop(answer.name, None) or Lookup(answer.at, answer.at)
        lookup.count += 1
        lookup.last = max(lookup.last, answer.at)
        lookup.answered = lookup.answered or answer.answered
        lookup.changed = True
        self.lookups[answer.name] = lookup
        if len(self.lookups) > MAX_LOOKUPS:
            del self.lookups[next(iter(self.lookups))]

    def _use_name(self, name: str) -> None:
        self._names[name] = self._names.get(name, 0) + 1
        self.lookups.pop(name, None)

    def uses(self, address: Address, at: float) -> None:
        """Remember an address of the device; the one not seen for longest is forgotten."""
        self.last_seen = max(self.last_seen, at)
        if address not in self.addresses:
            self.identity_changed = True
        self.addresses[address] = at
        if len(self.addresses) > MAX_ADDRESSES:
            del self.addresses[min(self.addresses, key=self.addresses.__getitem__)]

    def calls_itself(self, host_name: HostName) -> None:
        """Take the DHCP host name and vendor class where there is one."""
        self.last_seen = max(self.last_seen, host_name.at)
        hostname = host_name.hostname or self.hostname
        vendor_class = host_name.vendor_class or self.vendor_class
        if (hostname, vendor_class) != (self.hostname, self.vendor_class):
            self.hostname, self.vendor_class = hostname, vendor_class
            self.identity_changed = True

    def loses(self, address: Address) -> None:
        """Forget an address that another device uses now."""
        if self.addresses.pop(address, None) is not None:
            self.identity_changed = True


def next_oldest(queue: deque[tuple[float, Row]], rows: dict[RowKey, Row]) -> Row | None:
    """Return the first row of the queue that still exists and has been quiet since it was put there."""
    while queue:
        last, row = queue.popleft()
        if row.last == last and rows.get(row.key) is row:
            return row
    return None

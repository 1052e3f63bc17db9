"""Follows connections through their packets, as the kernel does: opened, answered, empty, forgotten.

Times are the packets' own. Packets may come somewhat out of order, and a capture begins in the midst of
things: what was not seen to begin is followed, but not counted as opened.
"""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import nsmallest
from operator import attrgetter
from typing import Final

from gateway_agent.decode.packet import ICMP, ICMPV6, TCP, UDP, Packet
from gateway_agent.model import Address
from gateway_agent.sources.rows import Row, Rows

ANSWER_WITHIN: Final = 10.0
"""Seconds after which a connection without any reply counts as unanswered."""

# Seconds without a packet until a connection is forgotten: the defaults of nf_conntrack.
_TCP_OPENING, _TCP_OPEN, _TCP_CLOSING = 120.0, 432_000.0, 120.0
UDP_SINGLE, _UDP_STREAM = 30.0, 120.0
_ICMP_IDLE, _OTHER_IDLE = 30.0, 600.0
_STREAM_AFTER: Final = 2.0

_SETTLE: Final = 1.0
"""Seconds that a closed connection may still get payload that was captured out of order."""

_MAX_CONNECTIONS: Final = 16_384
_EVICTED_AT_ONCE: Final = 2_048
_MAX_PATHS: Final = 8
_SWEEP_EVERY: Final = 10.0

FIN, SYN, RST, ACK = 1, 2, 4, 16

# What was seen of a TCP connection.
_SYN_ACK, PAYLOAD, _FIN_OUT, _FIN_BACK, _RESET = 1, 2, 4, 8, 16
_BOTH_FIN = _FIN_OUT | _FIN_BACK
_CLOSED = _BOTH_FIN | _RESET

# Ports above 1023 from which an answer may come before any question was seen, or without one.
_SERVICE_PORTS: Final = frozenset({1900, 3702, 5353, 5355})
_REPLY_PORTS: Final = {67: 68, 547: 546}
_WELL_KNOWN: Final = 1024

PathKey = tuple[bytes, bytes, Address, Address, int, int, int]
_Key = tuple[int, Address, int, Address, int]


class Connection:
    """One connection; `key` has the protocol, the opener's address and port, then the responder's.

    `counted`: it was seen to begin. `pending`: a reply is waited for. `opener` is the row of the device that
    opened it, `rows` are those of all its devices.
    """

    __slots__ = (
        "counted",
        "empty",
        "idle",
        "initial_sequence",
        "key",
        "last",
        "opened",
        "opener",
        "paths",
        "pending",
        "replied",
        "rows",
        "state",
    )

    def __init__(self, key: _Key, at: float, *, counted: bool) -> None:
        self.key = key
        self.opened = self.last = at
        self.counted = counted
        self.idle = _IDLE.get(key[0], _OTHER_IDLE) if key[0] != TCP or counted else _TCP_OPEN
        self.pending = self.replied = self.empty = False
        self.state = 0
        self.initial_sequence: int | None = None
        self.opener: Row | None = None
        self.rows: list[Row] = []
        self.paths: list[PathKey] = []

    def superseded(self, flags: int, sequence: int, *, forward: bool) -> bool:
        """Return whether a SYN begins another connection between the same ports."""
        if not self.counted:
            return True
        if flags & ACK:
            return False
        return not forward or self.initial_sequence not in (None, sequence)

    def established(self, sign: int) -> None:
        """Note the responder's SYN, or payload: the connection may be quiet for long from now on."""
        self.state |= sign
        if not self.state & _CLOSED:
            self.idle = _TCP_OPEN


class Path:
    """One direction of a connection between two MAC addresses: whose counters its packets move."""

    __slots__ = ("connection", "forward", "receiver", "sender", "watch")

    def __init__(
        self, connection: Connection, *, forward: bool, sender: Row | None, receiver: Row | None
    ) -> None:
        self.connection = connection
        self.forward = forward
        self.sender = sender
        self.receiver = receiver
        self.watch: Watch | None = None


Watch = Callable[[float, bytes, Packet, Path], None]
"""Reads the payload of a path's packets: time, frame, packet, path."""


class Connections:
    """All connections that are followed; bounded, the ones quiet for longest are forgotten."""

    def __init__(self, rows: Rows) -> None:
        self.paths: dict[PathKey, Path] = {}
        self._rows = rows
        self._table: dict[_Key, Connection] = {}
        self._waiting: deque[tuple[float, Connection]] = deque()
        self._closing: deque[tuple[float, Connection]] = deque()
        self._clock = float("-inf")
        self._swept = float("-inf")

    def rows_in_use(self) -> Iterable[Row]:
        """Return the rows that connections refer to."""
        return (row for connection in self._table.values() for row in connection.rows)

    def of(self, packet: Packet, at: float, flags: int) -> tuple[Connection, bool]:
        """Return a packet's connection, begun if need be, and whether the packet is from its opener."""
        outward = (packet[4], packet[2], packet[5], packet[3], packet[6])
        inward = (packet[4], packet[3], packet[6], packet[2], packet[5])
        for key, forward in ((outward, True), (inward, False)):
            connection = self._table.get(key)
            if connection is None:
                continue
            begins_anew = flags & SYN and not connection.counted
            if at - connection.last <= connection.idle and not begins_anew:
                return connection, forward
            self.forget(connection)
        forward, counted = _begins(packet, flags)
        connection = Connection(outward if forward else inward, at, counted=counted)
        if len(self._table) >= _MAX_CONNECTIONS:
            self._evict()
        self._table[connection.key] = connection
        return connection, forward

    def add_path(self, key: PathKey, path: Path, at: float) -> None:
        """Let the packets of a direction count; a row that is new to the connection counts it as opened."""
        connection = path.connection
        for row in (path.sender, path.receiver):
            if row is not None and row not in connection.rows:
                connection.rows.append(row)
                del connection.rows[:-_MAX_PATHS]
                if connection.counted:
                    self._rows.count(row, at).connections += 1
        connection.paths.append(key)
        if len(connection.paths) > _MAX_PATHS:
            self.paths.pop(connection.paths.pop(0), None)
        self.paths[key] = path

    def expect_reply(self, connection: Connection, opener: Row) -> None:
        """Wait for the reply to a connection that a device opened."""
        connection.opener = opener
        connection.pending = True
        if len(self._waiting) > 2 * _MAX_CONNECTIONS:
            self._waiting = deque(waiting for waiting in self._waiting if waiting[1].pending)
        self._clock = max(self._clock, connection.opened)
        self._waiting.append((self._clock + ANSWER_WITHIN, connection))

    def reply(self, connection: Connection, at: float) -> None:
        """Note the first packet of the other side."""
        connection.replied = True
        if connection.pending:
            connection.pending = False
            if at - connection.opened > ANSWER_WITHIN:
                self._unanswered(connection)

    def datagram(self, connection: Connection, at: float) -> None:
        """Keep a UDP connection with replies for longer once it goes on, as the kernel does."""
        if connection.key[0] == UDP and at - connection.opened > _STREAM_AFTER:
            connection.idle = _UDP_STREAM

    def control(  # noqa: PLR0913 (what a segment's header says)
        self, connection: Connection, at: float, flags: int, sequence: int, *, forward: bool, payload: bool
    ) -> None:
        """Note a TCP segment with SYN, FIN or RST."""
        if payload:
            connection.established(PAYLOAD)
        if flags & SYN:
            if flags & ACK:
                connection.established(_SYN_ACK)
            elif connection.initial_sequence is None:
                connection.initial_sequence = sequence
        if not flags & (FIN | RST):
            return
        closed_before = self._is_closed(connection)
        connection.state |= _RESET if flags & RST else _FIN_OUT if forward else _FIN_BACK
        connection.idle = _TCP_CLOSING
        if self._is_closed(connection) and not closed_before:
            self._clock = max(self._clock, at)
            self._closing.append((self._clock + _SETTLE, connection))

    def advance(self, now: float) -> None:
        """Judge what time has decided: no reply, closed without payload, idle."""
        self._clock = max(self._clock, now)
        waiting, closing = self._waiting, self._closing
        while waiting and waiting[0][0] <= now:
            self._give_up_reply(waiting.popleft()[1])
        while closing and closing[0][0] <= now:
            self._judge_empty(closing.popleft()[1])
        if now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            for connection in list(self._table.values()):
                if now - connection.last > connection.idle:
                    self.forget(connection)

    def finish(self) -> None:
        """Judge everything: no more packets come."""
        for connection in list(self._table.values()):
            self.forget(connection)

    def forget(self, connection: Connection) -> None:
        """Judge a connection and drop it."""
        self._give_up_reply(connection)
        if connection.state & _CLOSED:
            self._judge_empty(connection)
        for key in connection.paths:
            self.paths.pop(key, None)
        if self._table.get(connection.key) is connection:
            del self._table[connection.key]

    def _evict(self) -> None:
        for connection in nsmallest(_EVICTED_AT_ONCE, self._table.values(), key=attrgetter("last")):
            self.forget(connection)

    def _give_up_reply(self, connection: Connection) -> None:
        if connection.pending:
            connection.pending = False
            self._unanswered(connection)

    def _unanswered(self, connection: Connection) -> None:
        row = connection.opener
        if row is not None:
            self._rows.count(row, row.last).unanswered += 1

    def _judge_empty(self, connection: Connection) -> None:
        if connection.state & (_SYN_ACK | PAYLOAD) == _SYN_ACK and not connection.empty:
            connection.empty = True
            for row in connection.rows:
                self._rows.count(row, row.last).empty += 1

    @staticmethod
    def _is_closed(connection: Connection) -> bool:
        return bool(connection.state & _RESET) or connection.state & _BOTH_FIN == _BOTH_FIN


_IDLE: Final = {TCP: _TCP_OPENING, UDP: UDP_SINGLE, ICMP: _ICMP_IDLE, ICMPV6: _ICMP_IDLE}


def _begins(packet: Packet, flags: int) -> tuple[bool, bool]:
    """Return whether a connection's first seen packet is from its opener, and whether it began it."""
    protocol, source, destination = packet.protocol, packet.source_port, packet.destination_port
    if protocol == TCP:
        if flags & SYN:
            return not flags & ACK, True
        return _towards_service(source, destination), False
    if protocol in (ICMP, ICMPV6):
        return not destination, bool(source or destination)
    if protocol == UDP:
        return not _from_service(source, destination), bool(packet.transport)
    return True, True


def _towards_service(source: int, destination: int) -> bool:
    """Guess which port is the service's: the well-known one, else the lower one."""
    if (source < _WELL_KNOWN) != (destination < _WELL_KNOWN):
        return destination < _WELL_KNOWN
    return destination <= source


def _from_service(source: int, destination: int) -> bool:
    """Return whether a datagram without a question before it looks like an answer."""
    if _REPLY_PORTS.get(source) == destination:
        return True
    if destination < _WELL_KNOWN or destination in _SERVICE_PORTS:
        return False
    return source < _WELL_KNOWN or source in _SERVICE_PORTS

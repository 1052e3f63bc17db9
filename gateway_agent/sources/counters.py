"""What the kernel's counters say now against what they said before: the differences that leave the source."""

import struct
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from gateway_agent.kernel.nf_tables import COUNTER
from gateway_agent.kernel.ruleset import COUNTED, COUNTED_SECONDS
from gateway_agent.model import Flow, Traffic

SENT, RECEIVED, OPENED, ANSWERED, EMPTY, BLOCKED = range(len(COUNTED))
UNANSWERED_AFTER: Final = 10.0
"""Seconds after which a connection without a reply counts as unanswered."""

_COUNTER_BYTES: Final = COUNTER.size
_UNPACK_FROM: Final = COUNTER.unpack_from
_TOLD: Final = struct.Struct("=QQ")  # unanswered as told; answers that came late
_CHANGED: Final = struct.Struct("=d")  # time of the last change
_TOLD_AT: Final = len(COUNTED) * _COUNTER_BYTES
_CHANGED_AT: Final = _TOLD_AT + _TOLD.size
RECORD_BYTES: Final = _CHANGED_AT + _CHANGED.size

Key = bytes


class Counters:
    """The last reading of every flow of one IP version, and the differences since `take` was last called.

    One record of RECORD_BYTES a flow: the counters as the kernel sent them, then the tail.
    """

    def __init__(self, address_bytes: int) -> None:
        self.key_bytes = 2 * address_bytes + 8
        self._address_bytes = address_bytes
        self._records: dict[Key, bytearray] = {}
        self._changes: dict[Key, Traffic] = {}
        self._waiting: dict[Key, list[tuple[float, int]]] = {}
        self._born: set[Key] = set()
        self._answered: set[Key] = set()

    def __len__(self) -> int:
        """Return how many flows are known."""
        return len(self._records)

    def __contains__(self, key: Key) -> bool:
        """Tell whether the flow was read before."""
        return key in self._records

    def flow(self, key: Key) -> Flow:
        """Return what the key means."""
        size = self._address_bytes
        port = int.from_bytes(key[2 * size + 4 : 2 * size + 6], "big")
        return Flow(key[:size], key[size : 2 * size], key[2 * size], port)

    def key(self, flow: Flow) -> Key:
        """Return the key of a flow."""
        return b"%b%b%c\0\0\0%b\0\0" % (flow.lan, flow.remote, flow.protocol, flow.port.to_bytes(2, "big"))

    def update(self, column: int, key: Key, counter: bytes, now: float, left: bytes = b"") -> None:
        """Take a reading: `counter` and what is `left` of its time as the kernel sends them.

        What is left tells when the last packet was counted; without it, that is now (nf_tables.counters).
        """
        record = self._records.get(key)
        place = column * _COUNTER_BYTES
        end = place + _COUNTER_BYTES
        if record is None:
            record = self._records[key] = bytearray(RECORD_BYTES)
            self._born.add(key)
        elif record[place:end] == counter:
            return
        old_bytes, _, old_packets = _UNPACK_FROM(record, place)
        new_bytes, _, new_packets = _UNPACK_FROM(counter)
        if new_packets < old_packets or new_bytes < old_bytes:
            old_bytes = old_packets = 0  # somebody reset it: it counts from zero again
            if column == OPENED:
                self._forget_waiting(key, record)
        record[place:end] = counter
        _CHANGED.pack_into(record, _CHANGED_AT, now)
        if column != ANSWERED:
            at = min(now - COUNTED_SECONDS + int.from_bytes(left) / 1000, now) if left else now
            self._count(column, self._change(key, at), new_packets - old_packets, new_bytes - old_bytes)
        if column == OPENED:
            self._wait_for_answers(key, now, new_packets)
        elif column == ANSWERED:
            told, late = _TOLD.unpack_from(record, _TOLD_AT)
            if told > late:
                self._answered.add(key)

    def settle(self, now: float, *, answers_seen: bool) -> None:
        """Count the connections that have waited for a reply for too long; after all updates of a reading.

        The answers must have been read before what was opened, so that none seems to come late.

        Where `answers_seen` is false (no conntrack accounting), a flow that received anything was answered.
        """
        for key in self._answered - self._waiting.keys():
            opened, answered, told, late = self._balance(key)
            late = max(late, min(answered + told - opened, told))
            _TOLD.pack_into(self._records[key], _TOLD_AT, told, late)
        self._answered.clear()
        for key, history in list(self._waiting.items()):
            record = self._records[key]
            opened, answered, told, late = self._balance(key)
            if answered >= opened and not told:
                del self._waiting[key]
                continue
            if not answers_seen and COUNTER.unpack_from(record, RECEIVED * _COUNTER_BYTES)[2]:
                answered = opened
            late = max(late, min(answered + told - opened, told))
            overdue = 0
            while history and history[0][0] <= now - UNANSWERED_AFTER:
                overdue = history.pop(0)[1] - answered + late - told
            if overdue > 0:
                told += overdue
                self._change(key, now).unanswered += overdue
            _TOLD.pack_into(record, _TOLD_AT, told, late)
            if not history or opened - answered + late - told <= 0:
                del self._waiting[key]

    def born(self) -> set[Key]:
        """Return the flows that were read for the first time since `take`."""
        return self._born

    def take(self, later: Collection[Key] = ()) -> Iterator[tuple[Key, Traffic]]:
        """Yield and forget the differences, except those of the flows that are to be told later."""
        self._born = set()
        for key in [key for key in self._changes if key not in later]:
            yield key, self._changes.pop(key)

    def change(self, key: Key, now: float) -> Traffic:
        """Return the difference of a flow, to add to it what does not come from a counter."""
        return self._change(key, now)

    def quiet(self, since: float) -> list[Key]:
        """Return the flows that did not change since that time, the longest quiet first."""
        found = [(changed, key) for key, changed in self._last_changes() if changed <= since]
        return [key for _, key in sorted(found)]

    def waits(self, key: Key) -> bool:
        """Whether a connection of the flow waits for its answer: once forgotten, it is never unanswered."""
        return key in self._waiting

    def columns(self, key: Key) -> list[int]:
        """Return the sets that have an element for this flow."""
        record = self._records[key]
        places = range(0, _TOLD_AT, _COUNTER_BYTES)
        return [column for column, place in enumerate(places) if any(record[place : place + _COUNTER_BYTES])]

    def forget(self, key: Key) -> None:
        """Drop a flow whose elements are gone from the kernel."""
        self._records.pop(key, None)
        self._waiting.pop(key, None)
        self._answered.discard(key)

    def clear(self) -> None:
        """Drop all readings, because the table is a new one; what was not taken yet stays."""
        self._records.clear()
        self._waiting.clear()
        self._answered.clear()

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield LAN address and remote address of every flow."""
        size = self._address_bytes
        for key in list(self._records):
            yield key[:size], key[size : 2 * size]

    def dump(self) -> bytes:
        """Return all readings, for `load`; what waits for an answer is not waited for any more."""
        self._stop_waiting()
        return b"".join(key + bytes(record) for key, record in self._records.items())

    def load(self, content: bytes) -> None:
        """Take readings of an earlier run; raises ValueError if they are no whole number of records."""
        step = self.key_bytes + RECORD_BYTES
        if len(content) % step:
            raise ValueError("a torn record")
        for place in range(0, len(content), step):
            middle = place + self.key_bytes
            self._records[content[place:middle]] = bytearray(content[middle : place + step])

    def skip(self) -> None:
        """Take what was read as what had been counted before, and tell none of it."""
        self._stop_waiting()
        self._changes.clear()
        self._born.clear()

    def _stop_waiting(self) -> None:
        """Take what waits for an answer as told, and tell it to nobody."""
        for key in self._waiting:
            opened, answered, told, late = self._balance(key)
            _TOLD.pack_into(self._records[key], _TOLD_AT, max(told, opened - answered + late), late)
        self._waiting.clear()

    def _balance(self, key: Key) -> tuple[int, int, int, int]:
        """Return connections opened, answered, told as unanswered, answered late."""
        record = self._records[key]
        opened = COUNTER.unpack_from(record, OPENED * _COUNTER_BYTES)[2]
        answered = COUNTER.unpack_from(record, ANSWERED * _COUNTER_BYTES)[2]
        told, late = _TOLD.unpack_from(record, _TOLD_AT)
        return opened, answered, told, late

    def _last_changes(self) -> Iterable[tuple[Key, float]]:
        return ((key, _CHANGED.unpack_from(record, _CHANGED_AT)[0]) for key, record in self._records.items())

    @staticmethod
    def _count(column: int, traffic: Traffic, packets: int, size: int) -> None:
        if column == SENT:
            traffic.sent_bytes += size
            traffic.sent_packets += packets
        elif column == RECEIVED:
            traffic.received_bytes += size
            traffic.received_packets += packets
        elif column == OPENED:
            traffic.connections += packets
        elif column == EMPTY:
            traffic.empty += packets
        elif column == BLOCKED:
            traffic.blocked += packets

    def _change(self, key: Key, at: float) -> Traffic:
        traffic = self._changes.get(key)
        if traffic is None:
            traffic = self._changes[key] = Traffic(at, at)
        elif at > traffic.last:
            traffic.last = at
        elif at < traffic.first:
            traffic.first = at
        return traffic

    def _wait_for_answers(self, key: Key, now: float, opened: int) -> None:
        history = self._waiting.get(key)
        if history is None:
            self._waiting[key] = [(now, opened)]  # a deque takes ten times the memory, and a scan has many
        else:
            history.append((now, opened))

    def _forget_waiting(self, key: Key, record: bytearray) -> None:
        self._waiting.pop(key, None)
        _TOLD.pack_into(record, _TOLD_AT, 0, 0)

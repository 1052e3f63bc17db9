"""The source that lets the kernel count: reads the sets of `table inet spin` and delivers differences.

Everything here happens in the event loop's thread, except for `urgent` (see `attach`).
"""

import asyncio
import contextlib
import errno
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway_agent.kernel import nf_tables
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.netlink import (
    NETLINK_NETFILTER,
    Message,
    Netlink,
    NetlinkError,
    messages,
)
from gateway_agent.kernel.nflog import PATIENT_SECONDS, Nflog
from gateway_agent.kernel.ruleset import COUNTED, NFLOG_GROUP, TABLE
from gateway_agent.kernel.table import Table, accounting
from gateway_agent.model import (
    MAX_REQUESTS,
    Answer,
    FirstContact,
    Flow,
    Neighbour,
    Observe,
    ServerName,
    Traffic,
)
from gateway_agent.sources import baseline, dismissal
from gateway_agent.sources.counters import ANSWERED, BLOCKED, EMPTY, OPENED, RECEIVED, SENT, Counters, Key
from gateway_agent.sources.logged import ClockRequest, LoggedPackets
from gateway_agent.topology import is_group

_LOG = logging.getLogger(__name__)

_TIDY_EVERY: Final = 60.0
_ORDER: Final = (SENT, RECEIVED, EMPTY, BLOCKED, ANSWERED, OPENED)
_CHUNK: Final = 500
_LONG_DATAGRAM: Final = 4_096
"""Bytes from which on reading a datagram takes long enough for something else to be worth a look."""

_DELIVERED_AT_ONCE: Final = 500
_CONTACT_SECONDS: Final = 0.5
"""How long a logged packet takes to be delivered, at the most: see nflog.py and logged.py."""

_FLUSHED_AFTER: Final = PATIENT_SECONDS + 0.05  # the kernel's timer comes a tick or two late
_DRAIN_SECONDS: Final = 0.005
_MAX_CONTACTS: Final = 4_096
_BASELINE: Final = "counters"


class NftablesSource:
    """Reads what `table` counted. Not safe for several threads; `observe` is called in the reading thread."""

    name = "nftables"

    def __init__(self, table: Table, observe: Observe, *, runtime: Path | None = None) -> None:
        self._table = table
        self._observe = observe
        self._baseline = runtime / _BASELINE if runtime else None
        self._netlink = Netlink(NETLINK_NETFILTER, receive_bytes=1 << 20)
        self._families = {"4": Counters(4), "6": Counters(16)}
        self._token = table.token
        self._answers_seen = accounting()
        self._pairs: set[bytes] = set()
        self._contacts: dict[Flow, float] = {}
        self._requests: dict[Flow, list[float]] = {}
        self._untold: dict[str, dict[Key, float]] = {"4": {}, "6": {}}
        self._tidied = 0.0
        self._nflog: Nflog | None = None
        self._logged: LoggedPackets | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_once = False
        self._begin()

    @property
    def capabilities(self) -> Sequence[str]:
        """What is counted beyond bytes and packets; without conntrack accounting, answers are not seen."""
        empty = ["empty"] if self._table.empty and self._answers_seen else []
        return ["names", "connections", *empty, "requests"]

    @property
    def lost(self) -> int:
        """Logged packets (names, first contacts) that were lost on the way here, or left out by a limit."""
        unlogged = self._table.counter("unlogged")[0]
        return (
            unlogged
            + (self._nflog.lost if self._nflog else 0)
            + (self._logged.dropped if self._logged else 0)
        )

    @property
    def overflow(self) -> int:
        """Bytes that no set had room for, and that no flow shows; of the table's whole life."""
        return self._table.counter("overflow")[1]

    def attach(
        self,
        listener: Listener,
        urgent: Callable[[Answer | ServerName], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Have answers and first contacts observed from now on, in `loop`, or else by `read` only.

        To be called before the listener starts. `urgent` gets each answer and server name in the listener's
        thread, before anything else happens: it must be thread-safe. Raises NflogError.
        """
        self._loop = loop
        self._nflog = Nflog(NFLOG_GROUP, at_once=self._at_once)
        self._logged = LoggedPackets(self._nflog, urgent, self._wake)
        listener.add(self._logged)

    def hurry(self, *, at_once: bool) -> None:
        """Have answers handed over at once, if there are rules about names, or those of 200 ms together.

        What may be refused by its server's name is looked at again.
        """
        if at_once and self._table.empty:
            with contextlib.suppress(OSError):  # the table is away, and comes back with empty sets
                self._table.commit([nf_tables.flush_set(TABLE, f"hello_rate{v}") for v in self._families])
        self._at_once = at_once
        if self._nflog is not None:
            self._nflog.hurry(at_once=at_once)

    async def drain(self) -> None:
        """Return when the answers that were logged before `hurry` have been observed."""
        if self._logged is None:
            return
        await asyncio.sleep(_FLUSHED_AFTER)
        while self._logged.pending:  # noqa: ASYNC110 (another thread empties it)
            await asyncio.sleep(_DRAIN_SECONDS)
        self.deliver(everything=True)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield LAN and remote address of all flows of the last ten minutes."""
        for counters in self._families.values():
            yield from counters.pairs()

    def read(self, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Yield the flows that changed; empty chunks mark good moments for a pause."""
        self.deliver(everything=True)
        for _ in self._read_counters(now):
            yield []
        self._read_learned(now)
        self.deliver(everything=True)
        self._add_requests(now)
        for version, counters in self._families.items():
            yield from self._changes(version, counters, now)

    def close(self, now: float) -> None:
        """Write down what was read, so that the next run goes on counting from there."""
        _ = now
        for version, keys in self._untold.items():  # the next run tells all of them
            for key in keys:
                self._families[version].forget(key)
        if self._baseline is not None:
            baseline.save(self._baseline, self._identity(), list(self._families.values()))
        if self._nflog is not None:
            self._nflog.close()
        self._netlink.close()

    def deliver(self, *, everything: bool = False) -> None:
        """Pass on what was logged, in order; called by the event loop, in slices."""
        if self._logged is None:
            return
        self._logged.awaited = False
        backlog = self._logged.backlog
        observe, take = self._observe, backlog.popleft
        for _ in range(len(backlog) if everything else min(len(backlog), _DELIVERED_AT_ONCE)):
            observation = take()
            if isinstance(observation, Answer):  # by far the most
                observe(observation)
            elif isinstance(observation, ClockRequest):
                self._note_request(observation)
            elif not isinstance(observation, FirstContact):
                observe(observation)
            elif self._is_news(observation.flow):
                self._note_contact(observation)
                observe(observation)
        if backlog and not self._logged.awaited:
            self._logged.awaited = True
            self._wake()

    def _wake(self) -> None:
        """Have the loop deliver; called in the listener's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                self._loop.call_soon_threadsafe(self.deliver)

    def _is_news(self, flow: Flow) -> bool:
        """Whether nobody was told of the flow: a reading may have met it before its first packet came."""
        version = "4" if len(flow.lan) == 4 else "6"  # noqa: PLR2004  # bytes of an address
        counters = self._families[version]
        key = counters.key(flow)
        return key not in counters or key in self._untold[version] or key in counters.born()

    def _note_contact(self, contact: FirstContact) -> None:
        if len(self._contacts) >= _MAX_CONTACTS:
            del self._contacts[next(iter(self._contacts))]
        self._contacts.setdefault(contact.flow, contact.at)

    def _note_request(self, request: ClockRequest) -> None:
        times = self._requests.get(request.flow)
        if times is None:
            if len(self._requests) >= _MAX_CONTACTS:
                del self._requests[next(iter(self._requests))]
            times = self._requests[request.flow] = []
        if len(times) < MAX_REQUESTS:
            times.append(request.at)

    def _read_counters(self, now: float) -> Iterator[None]:
        """Take what the kernel's sets say, and dismiss what they need not hold; pauses now and then."""
        self._follow_table()
        self._answers_seen = accounting()
        try:
            for version, counters in self._families.items():
                for column in _ORDER:
                    for message in self._elements(COUNTED[column] + version):
                        if message is None:
                            yield
                            continue
                        for key, counter, left in nf_tables.counters(message.body, counters.key_bytes):
                            counters.update(column, key, counter, now, left)
                counters.settle(now, answers_seen=self._answers_seen)
            self._tidy(now)
        except OSError as error:  # most likely the table is being put back; what it counts now comes later
            _LOG.info("reading_interrupted cause=%s", error.strerror)

    def _elements(self, name: str) -> Iterator[Message | None]:
        """Yield the messages about a set's elements, and None where a pause is possible."""
        for datagram in self._netlink.dump(nf_tables.GETSETELEM, nf_tables.element_dump(TABLE, name)):
            if self._table.token != self._token:
                raise NetlinkError(errno.ENOENT)
            for message in messages(datagram):
                if message.kind == nf_tables.NEWSETELEM:
                    yield message
            if len(datagram) >= _LONG_DATAGRAM:
                yield None

    def _read_learned(self, now: float) -> None:
        """Observe the pairs of MAC and IP address that the kernel saw for the first time."""
        found = set()
        with contextlib.suppress(NetlinkError):  # while the table is being put back
            for version in self._families:
                for message in self._elements(f"learned{version}"):
                    elements = map(nf_tables.read_element, nf_tables.listed(message.body) if message else ())
                    found |= {element.key for element in elements if element is not None}
        for key in found - self._pairs:
            self._observe(Neighbour(key[:6].hex(":"), key[8:], now))
        self._pairs = found

    def _changes(self, version: str, counters: Counters, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        chunk: list[tuple[Flow, Traffic]] = []
        later = self._untold[version] = self._without_contact(version, counters, now)
        for key, traffic in counters.take(later):
            flow = counters.flow(key)
            traffic.first = min(traffic.first, self._contacts.pop(flow, traffic.first))
            if is_group(flow.lan):
                continue  # a bridge that shows its frames to IP filters: no device has this address
            chunk.append((flow, traffic))
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _without_contact(self, version: str, counters: Counters, now: float) -> dict[Key, float]:
        """Return the new flows whose first packet was not delivered yet, and since when: they are told later.

        The name that a flow was looked up by was logged before that packet, so it is known by then. Packets
        that a limit left out are waited for as long as the logged ones take.
        """
        if self._logged is None:
            return {}
        waiting = {key: at for key, at in self._untold[version].items() if now - at < _CONTACT_SECONDS}
        waiting |= dict.fromkeys(counters.born(), now)
        return {key: at for key, at in waiting.items() if counters.flow(key) not in self._contacts}

    def _add_requests(self, now: float) -> None:
        for flow, times in self._requests.items():
            counters = self._families["4" if len(flow.lan) == 4 else "6"]  # noqa: PLR2004
            counters.change(counters.key(flow), now).requests.extend(times)
        self._requests.clear()

    def _follow_table(self) -> None:
        """Begin anew where the table is another one: its counters started at zero."""
        if self._table.token != self._token:
            for counters in self._families.values():
                counters.clear()
            self._token = self._table.token

    def _tidy(self, now: float) -> None:
        full = any(len(counters) > dismissal.MANY_FLOWS for counters in self._families.values())
        if full or now - self._tidied >= _TIDY_EVERY:
            self._tidied = now
            for version, counters in self._families.items():
                dismissal.dismiss(self._table, version, counters, now)

    def _begin(self) -> None:
        """Take the readings of the last run if it stopped in order and the table is the same, else of now."""
        families = list(self._families.values())
        if self._baseline is not None and baseline.load(self._baseline, self._identity(), families):
            return
        for _ in self._read_counters(time.time()):
            pass
        for counters in families:
            counters.skip()

    def _identity(self) -> baseline.Identity:
        return {"table": self._table.token, "handle": self._table.handle}

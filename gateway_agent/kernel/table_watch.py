"""Puts the table back at once when somebody else deletes or flushes it."""

import errno
import logging
import time
from collections import deque
from typing import Final

from gateway_agent.kernel import nf_tables
from gateway_agent.kernel.netlink import NETLINK_NETFILTER, Message, Netlink, attributes, messages, string
from gateway_agent.kernel.nf_tables import NFNLGRP_NFTABLES, NFPROTO_INET
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.ruleset import TABLE
from gateway_agent.kernel.table import Table

_LOG = logging.getLogger(__name__)

_RECEIVE_BYTES: Final = 1 << 22
_AT_MOST, _WITHIN = 30, 10.0
_REMEMBERED: Final = 60.0
_BUFFER_BYTES: Final = 1 << 18
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0
"""Seconds to the next attempt after one that failed: as when the table is taken away while it is put back."""


class TableWatch:
    """A watcher (listener.py) of what happens to nftables.

    It is put back 30 times within 10 s at most, so that two programs do not fight for the CPU: who causes
    that is named in `trouble`.
    """

    def __init__(self, table: Table) -> None:
        self.restored = 0
        self._table = table
        self._netlink = Netlink(NETLINK_NETFILTER, groups=(NFNLGRP_NFTABLES,), receive_bytes=_RECEIVE_BYTES)
        self._netlink.ignore(table.port)
        self._netlink.socket.setblocking(False)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._recent: deque[float] = deque(maxlen=_AT_MOST)
        self._resume: float | None = None
        self._pause = _FIRST_PAUSE
        self._fault: str | None = None
        self._contested = -_REMEMBERED
        self._culprit = "another program"

    @property
    def trouble(self) -> str | None:
        """Why the table is not, or not always, in force."""
        if self._fault is None and time.monotonic() - self._contested < _REMEMBERED:
            return f"{self._culprit} keeps removing table inet {TABLE}: blocks are not enforced all the time"
        return self._fault

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._netlink.fileno()

    def due(self) -> float | None:
        """Return when the table is to be put back after a pause."""
        return self._resume

    def close(self) -> None:
        """Stop watching."""
        self._netlink.close()

    def ready(self) -> None:
        """Read events; put the table back if they concern it and there is no pause."""
        concerned = self._read_events()
        now = time.monotonic()
        if self._resume is not None:
            if now < self._resume:
                return
            self._resume = None
            concerned = True
        if concerned:
            self._restore(now)

    def _restore(self, now: float) -> None:
        if len(self._recent) == _AT_MOST and now - self._recent[0] < _WITHIN:
            self._resume = self._recent[0] + _WITHIN
            self._contested = now
            _LOG.warning("table_contested by=%s pause=%.0f", self._culprit, self._resume - now)
            return
        self._recent.append(now)
        try:
            restored = self._table.restore()
        except TableError as error:
            if self._pause > _FIRST_PAUSE:  # it is no race: worth a line, and a person's attention
                self._fault = str(error)
                _LOG.error("table_not_restored cause=%s", error)
            self._resume = now + self._pause
            self._pause = min(self._pause * 4, _LONGEST_PAUSE)
            return
        self._fault, self._pause = None, _FIRST_PAUSE
        if restored:
            self.restored += 1
            milliseconds = (time.monotonic() - now) * 1000
            _LOG.warning("table_restored removed_by=%s milliseconds=%.1f", self._culprit, milliseconds)

    def _read_events(self) -> bool:
        """Read all there is; return whether it may concern our table."""
        concerned = False
        while True:
            try:
                received = self._netlink.socket.recv_into(self._buffer)
            except BlockingIOError:
                return concerned
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                concerned = True  # events were lost: ours may be among them
                continue
            for message in messages(memoryview(self._buffer)[:received]):
                if message.kind == nf_tables.NEWGEN:
                    self._note_culprit(message, concerned=concerned)
                else:
                    concerned = concerned or _about_our_table(message)

    def _note_culprit(self, message: Message, *, concerned: bool) -> None:
        parts = dict(attributes(message.body[len(nf_tables.HEAD) :]))
        name, number = parts.get(nf_tables.GEN_PROC_NAME), parts.get(nf_tables.GEN_PROC_PID)
        if concerned and name is not None and number is not None:
            self._culprit = f"{string(name)} (process {int.from_bytes(number, 'big')})"


def _about_our_table(message: Message) -> bool:
    """Tell whether an event names our table: in every message of nf_tables that is attribute 1."""
    if len(message.body) < len(nf_tables.HEAD) or message.body[0] != NFPROTO_INET:
        return False
    first = next(attributes(message.body[len(nf_tables.HEAD) :]), None)
    return first is not None and first[0] == 1 and string(first[1]) == TABLE

"""Deletes flows that are quiet for long or in excess from the kernel's sets; what they counted is not lost.

The kernel tells the final counters of what it deletes (NLM_F_ECHO), so a packet is counted either way.
"""

import contextlib
import errno
from typing import Final

from gateway_agent.kernel import nf_tables
from gateway_agent.kernel.netlink import NLM_F_ECHO, NetlinkError, Request
from gateway_agent.kernel.ruleset import COUNTED, MAX_ELEMENTS, TABLE
from gateway_agent.kernel.table import Table
from gateway_agent.sources.counters import Counters, Key

IDLE_AFTER: Final = 600.0
"""Seconds without a change after which a flow is dismissed."""

MANY_FLOWS: Final = 12_288
"""Flows of one IP version from which on the longest quiet go early: three quarters of a ledger."""

MOST_FLOWS: Final = MAX_ELEMENTS * 3 // 4
"""Likewise, from which on they go although a connection of theirs waits for its answer."""

_KEPT: Final = MANY_FLOWS * 2 // 3
_AT_ONCE: Final = 250
_PER_READING: Final = 8_192


def dismiss(table: Table, version: str, counters: Counters, now: float) -> None:
    """Dismiss what is due; the last differences are in `counters` afterwards. Raises NetlinkError."""
    due = counters.quiet(now - IDLE_AFTER)
    if len(counters) > MANY_FLOWS and len(counters) - _KEPT > len(due):
        due = _excess(counters, now)
    for start in range(0, min(len(due), _PER_READING), _AT_ONCE):
        _delete(table, version, counters, due[start : start + _AT_ONCE], now)


def _excess(counters: Counters, now: float) -> list[Key]:
    """Return what goes early; a connection without an answer stays until it is counted as unanswered."""
    quiet = counters.quiet(now - 0.001)
    settled = [key for key in quiet if not counters.waits(key)][: len(counters) - _KEPT]
    if len(counters) - len(settled) <= MOST_FLOWS:
        return settled
    waiting = [key for key in quiet if counters.waits(key)]
    return settled + waiting[: len(counters) - len(settled) - MOST_FLOWS]


def _delete(table: Table, version: str, counters: Counters, keys: list[Key], now: float) -> None:
    try:
        _delete_elements(table, version, counters, {key: counters.columns(key) for key in keys}, now)
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
        for key in keys:  # one of them is gone already, and the kernel deletes all or none
            for column in counters.columns(key):
                with contextlib.suppress(NetlinkError):
                    _delete_elements(table, version, counters, {key: [column]}, now)
    for key in keys:
        counters.forget(key)


def _delete_elements(
    table: Table, version: str, counters: Counters, columns: dict[Key, list[int]], now: float
) -> None:
    of_column: dict[int, list[bytes]] = {}
    for key, places in columns.items():
        encoded = nf_tables.encode_key(key)
        for column in places:
            of_column.setdefault(column, []).append(encoded)
    requests: list[Request] = []
    for column, encoded_keys in of_column.items():
        name = COUNTED[column] + version
        requests += nf_tables.elements(nf_tables.DELSETELEM, TABLE, name, encoded_keys, NLM_F_ECHO)
    for message in table.commit(requests):
        if message.kind == nf_tables.DELSETELEM:
            column = COUNTED.index(nf_tables.set_of(message.body)[:-1])
            for key, counter, left in nf_tables.counters(message.body, counters.key_bytes):
                counters.update(column, key, counter, now, left)

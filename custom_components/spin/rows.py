"""Reads the rows of a message on a device's traffic: the one place where a message is large."""

from operator import itemgetter
from typing import Any

import voluptuous as vol

from . import checks as check
from .const import MAX_REQUESTS
from .models import Row, RowCounters

_fields = itemgetter(*Row._fields[:-2], *RowCounters._fields)
_NONE: list[float] = []
# As `_make` of a named tuple, in half the time.
_named = tuple.__new__
_USUAL = frozenset({"dns", "tls", "tcp", "udp"})
_INTEGERS, _NUMBERS = frozenset({int}), frozenset({int, float})

_ROW = vol.Schema(
    {
        "name": check.or_null(check.dns_name),
        vol.Optional("name_source", default=None): check.or_null(check.word),
        "address": check.address,
        "protocol": check.word,
        "port": check.port,
        "local": check.flag,
        "first": check.unix_time,
        "last": check.unix_time,
        "sent_packets": check.count,
        vol.Optional("requests", default=list): vol.All([check.unix_time], vol.Length(max=MAX_REQUESTS)),
        **dict.fromkeys(RowCounters._fields, check.count),
    },
    required=True,
    extra=vol.REMOVE_EXTRA,
)


def row(value: Any) -> Row:  # noqa: ANN401
    """Check a row and return it; raises vol.Invalid.

    What is right is found out by few comparisons, and what is wrong with the other ones by the schema.
    """
    try:
        read = _quickly(value)
    except KeyError, TypeError, vol.Invalid:
        read = None
    return read or _thoroughly(value)


def _quickly(value: dict[str, Any]) -> Row | None:
    """Return an ordinary row that is right, and None for any other."""
    name, source, address, protocol, port, local, first, last, *counts = _fields(value)
    if (
        not _INTEGERS.issuperset(map(type, counts))
        or min(counts) < 0
        or max(counts) > check.MAX_COUNT
        or type(first) not in _NUMBERS
        or type(last) not in _NUMBERS
        or not 0 <= first <= check.MAX_TIME
        or not 0 <= last <= check.MAX_TIME
        or type(local) is not bool
        or value.get("requests", _NONE) != _NONE
    ):
        return None
    return _named(
        Row,
        (
            name if name is None else check.dns_name(name),
            source if source is None or source in _USUAL else check.word(source),
            check.address(address),
            protocol if protocol in _USUAL else check.word(protocol),
            check.port(port),
            local,
            float(first),
            float(last),
            counts[0],
            _named(RowCounters, counts[1:]),
            (),
        ),
    )


def _thoroughly(value: Any) -> Row:  # noqa: ANN401
    checked = _ROW(value)
    counters = RowCounters._make(checked[field] for field in RowCounters._fields)
    return Row._make([*[checked[field] for field in Row._fields[:-2]], counters, tuple(checked["requests"])])

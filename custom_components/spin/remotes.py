"""A row as the gateway reports it: one address of a host, as one of the device's MAC addresses reached it.

There are tens of thousands, so each is plain bytes: where it was reached (length of the IP address,
MAC address, IP address), a tag of the gateway's epoch, the row's instance (its `first`, of the
gateway's clock), when it was contacted first and last (of Home Assistant's clock), what was counted
in this instance, and, if anything was, in the instances before. The length tells the layout.
"""

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b
from operator import add, sub
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from .models import Mac, Row, RowCounters
from .windows import NOTHING

type Remote = bytes
type Intern = Callable[[str], str]

# JSON knows no larger number than that.
MOST = 2**63 - 1
_TAG_SIZE, _MAC_SIZE = 8, 6
_FAMILIES = {4: AF_INET, 16: AF_INET6}
# Most counters are small, and few rows had an earlier instance.
_LAYOUTS = {
    layout.size: layout
    for size in _FAMILIES
    for counts in ("6I", "6Q", "6I6q", "6Q6q")
    for layout in (struct.Struct(f"<{1 + _MAC_SIZE + size}s{_TAG_SIZE}s3d{counts}"),)
}
# As `_make` of a named tuple, in less time.
_named = tuple.__new__
_TIMES = struct.Struct("<2d")
_FIXED_SIZE, _NARROW_SIZE, _WIDE_SIZE = _TAG_SIZE + 24, 24, 48


def plus(one: RowCounters, other: RowCounters) -> RowCounters:
    """Add counters."""
    if other is NOTHING:
        return one
    return RowCounters._make(map(add, one, other))  # noqa: B912 both are counters


def capped(counters: RowCounters) -> RowCounters:
    """Return counters that can be stored; only made up ones are larger."""
    return counters if max(counters) <= MOST else RowCounters._make(min(count, MOST) for count in counters)


def restored_counters(stored: list[int]) -> RowCounters:
    """Restore counters; raises ValueError or TypeError when they are not what was stored."""
    if not stored:
        return NOTHING
    if len(stored) != len(NOTHING) or not all(type(count) is int for count in stored):
        raise ValueError(f"counters {stored!r}")
    return RowCounters._make(stored)


@lru_cache(maxsize=64)
def tag(epoch: str) -> bytes:
    """Return the 8 bytes that stand for an epoch: itself where it is that, as a gateway's is, or a digest."""
    try:
        if len(itself := bytes.fromhex(epoch)) == _TAG_SIZE and itself.hex() == epoch:
            return itself
    except ValueError:
        pass
    return blake2b(epoch.encode(), digest_size=_TAG_SIZE).digest()


def _mac_bytes(mac: Mac) -> bytes:
    packed = bytes.fromhex(mac.replace(":", ""))
    if len(packed) != _MAC_SIZE:
        raise ValueError(f"MAC address {mac!r}")
    return packed


@lru_cache(maxsize=512)
def _heads(mac: Mac) -> tuple[bytes, bytes]:
    """Return what the rows of a MAC address begin with: those of IPv4 and those of IPv6 addresses."""
    return b"\4" + _mac_bytes(mac), b"\x10" + _mac_bytes(mac)


def where(mac: Mac, address: str) -> bytes:
    """Return the begin of the row of an address; raises ValueError when it is none."""
    of_ipv4, of_ipv6 = _heads(mac)
    try:
        return (
            of_ipv6 + inet_pton(AF_INET6, address)
            if ":" in address
            else of_ipv4 + inet_pton(AF_INET, address)
        )
    except OSError as err:
        raise ValueError(f"address {address!r}") from err


def _packed(
    begin: bytes, epoch: bytes, times: Iterable[float], seen: tuple[int, ...], base: RowCounters = NOTHING
) -> Remote:
    size, counts = len(begin) + _FIXED_SIZE, seen
    if base != NOTHING:
        size, counts = size + _WIDE_SIZE, (*seen, *base)
    try:
        return _LAYOUTS[size + _NARROW_SIZE].pack(begin, epoch, *times, *counts)
    except struct.error:
        return _LAYOUTS[size + _WIDE_SIZE].pack(begin, epoch, *times, *counts)


def create(begin: bytes, epoch: bytes, row: Row, first: float, *, counted: bool) -> Remote:
    """Return a row with nothing counted.

    Args:
        begin: where it was reached
        epoch: tag of the gateway's epoch
        row: as it was reported
        first: when it was contacted first, by Home Assistant's clock
        counted: whether what the row has counted so far was counted in before and is to be left out
    """
    times = (row.first, first, first)
    if not counted:
        return _packed(begin, epoch, times, NOTHING)
    return _packed(begin, epoch, times, row.counters, _less(row.counters))


def _less(counters: RowCounters) -> RowCounters:
    return RowCounters._make(-min(count, MOST) for count in counters)


def grow(remote: Remote, epoch: bytes, row: Row, at: float) -> tuple[Remote, RowCounters]:
    """Count in what is new in the row, which was contacted at this time; return the row and what is new."""
    begin, own, instance, first, last, *counts = _LAYOUTS[len(remote)].unpack(remote)
    now = row.counters
    base = RowCounters._make(counts[6:]) if len(counts) > len(now) else NOTHING
    if own != epoch or row.first > instance:
        base = capped(plus(RowCounters._make(counts[:6]), base))
        instance = row.first
        new = now
    elif row.first < instance:
        return remote, NOTHING
    else:
        new = _named(RowCounters, map(sub, now, counts))  # noqa: B912 the base is left out
        if min(new) < 0:  # overtaken by a later message
            new = RowCounters._make(max(0, count) for count in new)
            now = plus(RowCounters._make(counts[:6]), new)
        if new == NOTHING:
            return remote, NOTHING
    return _packed(begin, epoch, (instance, first, max(at, last)), now, base), new


def is_of(remote: Remote, mac: Mac) -> bool:
    """Return whether a MAC address reached it."""
    return remote.startswith(_heads(mac))


def mac(remote: Remote) -> Mac:
    """Return the MAC address that reached it."""
    return remote[1 : 1 + _MAC_SIZE].hex(":")


def address(remote: Remote) -> str:
    """Return the IP address."""
    begin = 1 + _MAC_SIZE
    return inet_ntop(_FAMILIES[remote[0]], remote[begin : begin + remote[0]])


def where_of(remote: Remote) -> bytes:
    """Return where it was reached (`where`)."""
    return remote[: 1 + _MAC_SIZE + remote[0]]


def epoch_tag(remote: Remote) -> bytes:
    """Return the tag of the epoch in which it was counted last."""
    return remote[(begin := 1 + _MAC_SIZE + remote[0]) : begin + _TAG_SIZE]


def instance(remote: Remote) -> float:
    """Return the present instance of the row, by the gateway's clock."""
    found: float = _LAYOUTS[len(remote)].unpack(remote)[2]
    return found


def first(remote: Remote) -> float:
    """Return when it was contacted first."""
    return _times(remote)[0]


def last(remote: Remote) -> float:
    """Return when it was contacted last."""
    return _times(remote)[1]


def _times(remote: Remote) -> tuple[float, float]:
    return _TIMES.unpack_from(remote, 1 + _MAC_SIZE + remote[0] + _TAG_SIZE + 8)


def counters(remote: Remote) -> RowCounters:
    """Return all that was counted."""
    counts = _LAYOUTS[len(remote)].unpack(remote)[5:]
    return plus(RowCounters._make(counts[:6]), RowCounters._make(counts[6:]) if counts[6:] else NOTHING)


def as_list(remote: Remote) -> list[Any]:
    """Return what is stored."""
    _, own, *times_and_counts = _LAYOUTS[len(remote)].unpack(remote)
    times, counts = times_and_counts[:3], times_and_counts[3:]
    return [mac(remote), address(remote), own.hex(), *times, counts[:6], counts[6:]]


def from_list(stored: list[Any]) -> Remote:
    """Restore; raises ValueError, TypeError or struct.error when it is not what was stored."""
    of_mac, at, epoch, *times, seen, base = stored
    begin = where(of_mac, at)
    return _packed(begin, tag(epoch), times, restored_counters(seen), restored_counters(base))

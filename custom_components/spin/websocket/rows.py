"""The rows of the compact lists, in the order of docs/websocket.md."""

from typing import Any

from ..destination import Destination
from ..hosts import Host
from . import flags as flag
from . import text
from .board import Board
from .place import Place
from .sheet import NOTHING, Link
from .standing import Standing

type Row = list[Any]


def device_flags(place: Place) -> int:
    """Return the flags of a device."""
    sums, device = place.sums, place.device
    found = place.standing.device_flags
    if sums.new:
        found |= flag.NEW
    if sums.failed:
        found |= flag.FAILED
    if sums.blocked:
        found |= flag.PARTLY
    if not sums.active:
        found |= flag.QUIET
    if device.learning.state == "learning":
        found |= flag.LEARNING
    if place.desk.needs_attention(device):
        found |= flag.ATTENTION
    return found


def device_row(place: Place) -> Row:
    """Return a row of `devices`."""
    sums = place.sums
    return [
        place.device_id,
        place.name,
        place.gateway,
        device_flags(place),
        sums.sent,
        sums.received,
        sums.shown,
        sums.new,
        sums.blocked,
        sums.failed,
        round(place.device.last_seen, 1),
    ]


def group_row(board: Board, group: str) -> Row:
    """Return a row of `groups`."""
    sums = board.tally.sums(group)
    return [
        text.host(group),
        sums.flags,
        sums.sent,
        sums.received,
        sums.links,
        board.tally.host_count(group),
        sums.new,
        sums.blocked,
        sums.failed,
    ]


def link_row(device: int, group: int, place: Place | None, link: Link) -> Row:
    """Return a row of `links`; a blocked device reaches no group."""
    blocked = place is not None and place.standing.book.blocked
    return [
        device,
        group,
        link.flags | (flag.BLOCKED if blocked else 0),
        link.sent,
        link.received,
        link.hosts,
        link.new,
        link.blocked,
        link.failed,
    ]


def link_of(board: Board, device_id: str, group: str) -> Link:
    """Return what there is between a device and a group."""
    place = board.places.get(device_id)
    return NOTHING if place is None else place.sheet.links.get(group, NOTHING)


def flags_of(standing: Standing, destination: Destination, host: Host) -> int:
    """Return the flags of a host but for *quiet*; a blocked device reaches none."""
    return standing.flags(destination.key, host) | (flag.BLOCKED if standing.book.blocked else 0)


def fields_of(destination: Destination, host: Host, flags: int, window: str, now: float) -> Row:
    """Return the fields of `hosts` from `host` on."""
    traffic = host.window(window, now)
    return [
        text.host(host.name),
        destination.key.protocol,
        destination.key.port,
        flags if any(traffic) else flags | flag.QUIET,
        traffic.sent_bytes,
        traffic.received_bytes,
        round(host.first, 1),
        round(host.last, 1),
        traffic.connections,
        traffic.unanswered,
        traffic.blocked,
        host.name_source,
    ]


FLAGS, SENT, RECEIVED = 3, 4, 5


def is_shown(standing: Standing, fields: Row) -> bool:
    """Return whether a host is in the picture: there was traffic, or something is remarkable in itself."""
    urgent = flag.NEW | flag.FAILED | (0 if standing.book.blocked else flag.BLOCKED)
    return not fields[FLAGS] & flag.QUIET or bool(fields[FLAGS] & urgent)


def emptied(row: Row) -> Row:
    """Return a row of `hosts` of which nothing is known any more."""
    group, host, protocol, port, _, _, _, first, last, *_, source = row
    return [group, host, protocol, port, flag.QUIET, 0, 0, first, last, 0, 0, 0, source]

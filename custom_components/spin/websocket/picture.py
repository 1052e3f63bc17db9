"""The picture as one reader has it: a snapshot of what ranks highest, and what has changed in it since.

What a reader has stays where it is until the next snapshot. The work of a delta follows from what has
changed, not from how much there is.
"""

import heapq
import time
from typing import Any, NamedTuple

from ..judgement.outages import Service
from . import flags as flag
from . import focus as focused
from .board import Board
from .column import Column, size
from .place import Place
from .rows import (
    FLAGS,
    RECEIVED,
    SENT,
    Row,
    device_flags,
    device_row,
    emptied,
    fields_of,
    flags_of,
    group_row,
    is_shown,
    link_of,
    link_row,
)
from .wish import DESTINATIONS, DEVICES, Wish, summary_of

# Bytes of a snapshot with the default numbers of rows.
SNAPSHOT = 40_000
# Of the room, what the devices may take at most, and then the groups or hosts of what is left.
_SHARES = (0.45, 0.6)
# Rows that are appended beyond the row counts because something happened to them.
MAX_APPENDED = 50
MAX_LINKS = 4_000


class LinkKey(NamedTuple):
    """What tells links apart."""

    device_id: str
    group: str


def _rank(flags: int, sent: int, received: int) -> tuple[int, int]:
    """Return what rows are sorted by: what is remarkable, then by bytes."""
    return flag.urgency(flags), sent + received


class Picture:
    """What a reader has of one edition of a board."""

    def __init__(self, board: Board, wish: Wish) -> None:
        """Choose what to show; `snapshot` is what the reader gets first."""
        self.board = board
        self.wish = wish
        self.devices = Column[str]()
        self.groups = Column[str]()
        self.links = Column[LinkKey]()
        self.hosts = Column[Service]()
        self._waiting: dict[Service, None] = {}
        self._appended = 0
        self._links_cut = False
        self._now = time.time()
        self._focus = self._make_focus()
        self._summary = summary_of(board, wish)
        self._more: dict[str, int] = {}
        self._choose()
        self._more = self._make_more()

    @property
    def _place(self) -> Place | None:
        """The device in focus."""
        return self.board.places.get(self.wish.device) if self.wish.device else None

    @property
    def lacks_focus(self) -> bool:
        """Whether the device in focus was not there when the picture was made, and is now."""
        return self._focus is None and self._place is not None

    def snapshot(self) -> dict[str, Any]:
        """Return the snapshot's part that is of the picture."""
        return {
            "summary": self._summary,
            "devices": self.devices.rows,
            "groups": self.groups.rows,
            "links": self.links.rows,
            "hosts": self.hosts.rows,
            "more": self._more,
            "focus": self._focus,
        }

    # ---- the choice

    def _choose(self) -> None:
        wish = self.wish
        scale = max(1.0, wish.devices / DEVICES, wish.destinations / DESTINATIONS)
        room = int(SNAPSHOT * scale) - size([self.board.gateways, self._summary, self._focus]) - 500
        places = self.board.places
        ranked = heapq.nlargest(wish.devices, places, key=lambda each: self._rank_device(places[each]))
        room -= self.devices.fill(ranked, lambda each: device_row(places[each]), int(room * _SHARES[0]))
        if wish.device:
            self._choose_hosts(room)
        else:
            room -= self.groups.fill(
                self._ranked_groups(), lambda group: group_row(self.board, group), int(room * _SHARES[1])
            )
            self._choose_links(room)

    def _rank_device(self, place: Place) -> tuple[bool, int, int]:
        wish, sums = self.wish, place.sums
        first = place.device_id == wish.device or (
            wish.destination is not None and wish.destination in place.sheet.links
        )
        return first, *_rank(device_flags(place), sums.sent, sums.received)

    def _ranked_groups(self) -> list[str]:
        groups = self.board.tally.groups
        chosen = heapq.nlargest(
            self.wish.destinations,
            (group for group, sums in groups.items() if sums.shown or group == self.wish.destination),
            key=lambda group: (
                group == self.wish.destination,
                *_rank(groups[group].flags, groups[group].sent, groups[group].received),
            ),
        )
        if self.wish.destination is not None and self.wish.destination not in groups:
            chosen.insert(0, self.wish.destination)
        return chosen

    def _choose_links(self, room: int) -> None:
        groups = [self.wish.destination] if self.wish.destination is not None else list(self.groups)
        found = [
            (LinkKey(device_id, group), link)
            for group in groups
            if group in self.groups
            for device_id in self.board.tally.talkers.get(group, ())
            if device_id in self.devices
            if (link := link_of(self.board, device_id, group)).is_shown or self.wish.destination
        ]
        found.sort(key=lambda each: _rank(each[1].flags, *each[1][:2]), reverse=True)
        for key, _ in found[:MAX_LINKS]:
            row = self._link_row(key)
            room -= size(row)
            if room < 0:
                self._links_cut = True
                return
            self.links.put(key, row)

    def _choose_hosts(self, room: int) -> None:
        place = self._place
        if place is None:
            return
        found: list[tuple[str, Service, Row]] = []
        for group, link in place.sheet.links.items():
            if link.is_shown:
                found += self._hosts_of(place, group)
        found.sort(key=lambda each: _rank(each[2][FLAGS], each[2][SENT], each[2][RECEIVED]), reverse=True)
        for index, (group, service, fields) in enumerate(found):
            row = group_row(self.board, group)
            room -= size(fields) + (0 if group in self.groups else size(row))
            if room < 0 or index >= self.wish.destinations:
                self._waiting.update((each[1], None) for each in found[index:])
                return
            self.groups.put(group, row)
            self.hosts.put(service, [self.groups.index(group), *fields])

    def _hosts_of(self, place: Place, group: str) -> list[tuple[str, Service, Row]]:
        """Return the hosts of a group that are to be shown."""
        standing = place.standing
        found = []
        for destination in place.sheet.destinations(group):
            for host in destination.each:
                flags = flags_of(standing, destination, host)
                fields = fields_of(destination, host, flags, self.board.window, self._now)
                service = Service(host.name, destination.key.protocol, destination.key.port)
                if is_shown(standing, fields) or service in self.hosts:
                    found.append((group, service, fields))
        return found

    def _link_row(self, key: LinkKey) -> Row:
        place = self.board.places.get(key.device_id)
        link = link_of(self.board, *key)
        return link_row(self.devices.index(key.device_id), self.groups.index(key.group), place, link)

    # ---- the rest

    def _make_focus(self) -> dict[str, Any] | None:
        if self.wish.destination is not None:
            return focused.of_destination(self.board, self.wish.destination)
        place = self._place
        return focused.of_device(place, self.board.window, self._now) if place is not None else None

    def _make_more(self) -> dict[str, int]:
        board = self.board
        here = sum(1 for group in self.groups if board.tally.sums(group).shown)
        return {
            "devices": max(0, len(board.places) - len(self.devices)),
            "groups": 0 if self.wish.device else max(0, board.tally.shown - here),
            "hosts": len(self._waiting),
        }

    # ---- what has changed

    def delta(self, devices: set[str], links: set[LinkKey]) -> dict[str, Any]:
        """Return what has changed of these devices and links, with all that follows from it."""
        self._now = time.time()
        found: dict[str, list[Row | None]] = {"devices": [], "groups": [], "links": [], "hosts": []}
        for device_id in devices:
            self._update_device(device_id, found)
        if self.wish.device:
            for group in {group for device_id, group in links if device_id == self.wish.device}:
                self._update_hosts(group, found)
        for group in {key.group for key in links}:
            links = links | self._update_group(group, found)
        if not self.wish.device:
            for key in links:
                self._update_link(key, found)
        delta: dict[str, Any] = {name: [row for row in rows if row] for name, rows in found.items()}
        return {key: value for key, value in (delta | self._around()).items() if value}

    def _around(self) -> dict[str, Any]:
        """Return what is new in summary, more and focus."""
        summary, more, focus = summary_of(self.board, self.wish), self._make_more(), self._make_focus()
        changes = {
            "summary": summary if summary != self._summary else None,
            "more": more if more != self._more else None,
            "focus": focused.changed(self._focus, focus),
        }
        self._summary, self._more, self._focus = summary, more, focus
        return changes

    def _may_append(self, column: Column[Any], limit: int, flags: int) -> bool:
        """Return whether there is room for one more row, or something has happened to it."""
        if len(column) < limit:
            return True
        if not flags & flag.URGENT or self._appended >= MAX_APPENDED:
            return False
        self._appended += 1
        return True

    def _update_device(self, device_id: str, found: dict[str, list[Row | None]]) -> None:
        place = self.board.places[device_id]
        if device_id in self.devices or self._may_append(
            self.devices, self.wish.devices, device_flags(place)
        ):
            found["devices"].append(self.devices.put(device_id, device_row(place)))

    def _update_group(self, group: str, found: dict[str, list[Row | None]]) -> set[LinkKey]:
        """Return the links that are to be seen because the group is new in the picture."""
        sums = self.board.tally.sums(group)
        is_new = group not in self.groups
        if is_new and (
            self.wish.device
            or not sums.shown
            or not self._may_append(self.groups, self.wish.destinations, sums.flags)
        ):
            return set()
        found["groups"].append(self.groups.put(group, group_row(self.board, group)))
        return {LinkKey(talker, group) for talker in self.board.tally.talkers[group]} if is_new else set()

    def _update_link(self, key: LinkKey, found: dict[str, list[Row | None]]) -> None:
        if self.wish.destination not in {None, key.group}:
            return
        if key.device_id not in self.devices or key.group not in self.groups:
            return
        link = link_of(self.board, *key)
        if key not in self.links:
            # Links that did not fit into the snapshot do not come one by one either.
            limit = 0 if self._links_cut else MAX_LINKS
            if not link.is_shown or not self._may_append(self.links, limit, link.flags):
                return
        found["links"].append(self.links.put(key, self._link_row(key)))

    def _update_hosts(self, group: str, found: dict[str, list[Row | None]]) -> None:
        there = self._hosts_of(self.board.places[str(self.wish.device)], group)
        found["hosts"] += self._forget_hosts(group, {service for _, service, _ in there})
        for _, service, fields in there:
            if service not in self.hosts and not self._may_append(
                self.hosts, self.wish.destinations, fields[FLAGS]
            ):
                self._waiting[service] = None
                continue
            self._waiting.pop(service, None)
            if group not in self.groups:
                found["groups"].append(self.groups.put(group, group_row(self.board, group)))
            found["hosts"].append(self.hosts.put(service, [self.groups.index(group), *fields]))

    def _forget_hosts(self, group: str, there: set[Service]) -> list[Row | None]:
        """Return the rows of hosts that the device's memory has forgotten: they stay, without traffic."""
        if group not in self.groups:
            return []
        index = self.groups.index(group)
        gone = [each for each in self.hosts if self.hosts.row(each)[0] == index and each not in there]
        return [self.hosts.put(each, emptied(self.hosts.row(each))) for each in gone]

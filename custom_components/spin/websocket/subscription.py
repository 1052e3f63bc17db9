"""One reader's subscription: a snapshot, then deltas, each when the one before was acknowledged.

There is no queue: what changes meanwhile is a set of rows, and a delta is made when it is sent.
"""

import time
from typing import Any

from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.core import callback

from .board import PACE, Board
from .picture import LinkKey, Picture
from .wish import Wish


class Subscription:
    """What a reader has, and what it has not been told yet."""

    def __init__(
        self, connection: ActiveConnection, number: int, board: Board, wish: Wish, version: str
    ) -> None:
        """Tell this connection, under the number of its request."""
        self._connection = connection
        self._number = number
        self._board = board
        self._wish = wish
        self._version = version
        self._picture: Picture | None = None
        self._edition = 0
        self._seq = -1
        self._sent_at = float("-inf")
        self._awaits: int | None = None
        self._status_told = False
        self._gateways: list[dict[str, Any]] = []
        self._devices: set[str] = set()
        self._links: set[LinkKey] = set()

    @callback
    def note(self, device_id: str, group: str | None) -> None:
        """Take note that a device, or its link to a group, may be other than it was."""
        self._devices.add(device_id)
        if group is not None:
            self._links.add(LinkKey(device_id, group))

    @callback
    def acknowledge(self, seq: int) -> None:
        """Take note that the reader has drawn what was sent last."""
        if seq == self._awaits:
            self._awaits = None
            self._status_told = False

    @callback
    def round(self) -> None:
        """Send what there is to be told, if the reader is ready for it."""
        if time.monotonic() - self._sent_at < PACE * 0.9:
            return
        if self._awaits is None:
            picture = self._picture
            if picture is None or self._edition != self._board.edition or picture.lacks_focus:
                self._send_snapshot()
            elif self._devices or self._links:
                self._send_delta(picture)
        if self._gateways != self._board.gateways and not self._status_told:
            self._gateways = self._board.gateways
            # Of a reader that does not answer, one is enough.
            self._status_told = self._awaits is not None
            self._send({"type": "status", "gateways": self._gateways})

    def _send_snapshot(self) -> None:
        self._forget_changes()
        self._edition = self._board.edition
        self._gateways = self._board.gateways
        self._picture = Picture(self._board, self._wish)
        self._seq += 1
        self._awaits = self._seq
        head = {
            "type": "snapshot",
            "subscription": self._number,
            "seq": self._seq,
            "version": self._version,
            "at": round(time.time(), 3),
            "window": self._board.window,
            "gateways": self._gateways,
        }
        self._send(head | self._picture.snapshot())

    def _send_delta(self, picture: Picture) -> None:
        changes = picture.delta(self._devices, self._links)
        self._forget_changes()
        if not changes:
            return
        self._seq += 1
        self._awaits = self._seq
        self._send({"type": "delta", "seq": self._seq, "at": round(time.time(), 3)} | changes)

    def _forget_changes(self) -> None:
        self._devices = set()
        self._links = set()

    def _send(self, event: dict[str, Any]) -> None:
        self._sent_at = time.monotonic()
        self._connection.send_event(self._number, event)

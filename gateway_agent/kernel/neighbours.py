"""Who is behind an address on the LAN: the kernel's neighbours, and what packets showed."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.interfaces import Lan
from gateway_agent.kernel.netlink import NETLINK_ROUTE, Netlink
from gateway_agent.model import Address, Mac, Neighbour
from gateway_agent.topology import is_group

MAX_ADDRESSES: Final = 4_096
MAX_ADDRESSES_OF_MAC: Final = 64
_FRESH: Final = rtnetlink.NUD_REACHABLE | rtnetlink.NUD_DELAY | rtnetlink.NUD_PROBE | rtnetlink.NUD_PERMANENT
_QUESTIONS, _PER_SECONDS = 100, 0.2
"""Not more often do unknown addresses make us ask the kernel."""

_EVENT_BYTES: Final = 1 << 16


class Neighbours:
    """Knows MAC addresses by IP address. Safe for several threads: everything holds a lock of its own.

    Bounded: what was not confirmed for longest is forgotten, per MAC address and in all.
    """

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self._lock = threading.Lock()
        self._netlink = Netlink(NETLINK_ROUTE)
        self._macs: dict[Address, Mac] = {}
        self._addresses: dict[Mac, dict[Address, None]] = {}
        self._news: deque[Neighbour] = deque(maxlen=MAX_ADDRESSES)
        self._window = 0.0
        self._questions = 0

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def mac_of(self, address: Address) -> Mac | None:
        """Return whose an address is; asks the kernel about one that is not known, but not all the time."""
        mac = self._macs.get(address)
        if mac is None and not is_group(address):
            with self._lock:
                if self._may_ask():
                    for interface in self.lan.indexes:
                        self._consider(rtnetlink.neighbour(self._netlink, interface, address), time.time())
            mac = self._macs.get(address)
        return mac

    def known(self, address: Address) -> Mac | None:
        """Return whose an address is as far as we know, without asking the kernel."""
        return self._macs.get(address)

    def all(self) -> list[Neighbour]:
        """Return everybody we know."""
        now = time.time()
        with self._lock:
            return [Neighbour(mac, address, now) for address, mac in self._macs.items()]

    def addresses_of(self, mac: Mac) -> list[Address]:
        """Return the addresses of a device, the last confirmed one last."""
        with self._lock:
            return list(self._addresses.get(mac, ()))

    def learn(self, neighbour: Neighbour) -> None:
        """Take what a packet showed."""
        with self._lock:
            self._take(neighbour.mac, neighbour.address, neighbour.at)

    def told(self, entry: rtnetlink.LinkNeighbour) -> bool:
        """Take what the kernel told by itself; return whether that is new to us."""
        with self._lock:
            return self._consider(entry, time.time())

    def refresh(self) -> None:
        """Ask the kernel for everybody."""
        now = time.time()
        with self._lock:
            for entry in rtnetlink.neighbours(self._netlink):
                self._consider(entry, now)

    def news(self) -> list[Neighbour]:
        """Return who was new to us or has changed since this was last asked."""
        with self._lock:
            found = list(self._news)
            self._news.clear()
        return found

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now - self._window > _PER_SECONDS:
            self._window, self._questions = now, 0
        self._questions += 1
        return self._questions <= _QUESTIONS

    def _consider(self, entry: rtnetlink.LinkNeighbour | None, now: float) -> bool:
        """Take an entry of the kernel's; of one that it is not sure of, only what we do not know better."""
        if entry is None or entry.interface not in self.lan.indexes:
            return False
        stale = entry.state & rtnetlink.NUD_STALE and entry.address not in self._macs
        return bool(entry.state & _FRESH or stale) and self._take(entry.mac.hex(":"), entry.address, now)

    def _take(self, mac: Mac, address: Address, now: float) -> bool:
        if is_group(address) or not any(address):
            return False
        before = self._macs.pop(address, None)
        if before != mac:
            self._news.append(Neighbour(mac, address, now))
            if before is not None:
                self._forget(before, address)
        self._macs[address] = mac
        addresses = self._addresses.setdefault(mac, {})
        addresses.pop(address, None)
        addresses[address] = None
        if len(addresses) > MAX_ADDRESSES_OF_MAC:
            oldest = next(iter(addresses))
            del self._macs[oldest]
            self._forget(mac, oldest)
        elif len(self._macs) > MAX_ADDRESSES:
            oldest = next(iter(self._macs))
            self._forget(self._macs.pop(oldest), oldest)
        return before != mac

    def _forget(self, mac: Mac, address: Address) -> None:
        addresses = self._addresses.get(mac, {})
        addresses.pop(address, None)
        if not addresses:
            self._addresses.pop(mac, None)


class NeighbourWatch:
    """A watcher (listener.py): has the kernel tell at once whose an address is, and passes on what is new."""

    def __init__(self, neighbours: Neighbours, learned: Callable[[Mac, Address], None]) -> None:
        self._neighbours = neighbours
        self._learned = learned
        self._netlink = Netlink(NETLINK_ROUTE, groups=(rtnetlink.RTNLGRP_NEIGH,))
        self._netlink.socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._netlink.fileno()

    def due(self) -> float | None:
        """Have nothing to do by the clock."""
        return None

    def close(self) -> None:
        """Stop watching."""
        self._netlink.close()

    def ready(self) -> None:
        """Read one datagram; what is lost when too many come is found by asking."""
        with contextlib.suppress(OSError):
            datagram = self._netlink.socket.recv(_EVENT_BYTES)
            for entry in rtnetlink.neighbours_told(memoryview(datagram)):
                if self._neighbours.told(entry):
                    self._learned(entry.mac.hex(":"), entry.address)

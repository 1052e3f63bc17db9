"""Who is behind an address on the LAN: the kernel's neighbours, and what packets showed."""

import threading
import time
from typing import Final

from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.interfaces import Lan
from gateway_agent.kernel.netlink import NETLINK_ROUTE, Netlink
from gateway_agent.model import Address, Mac, Neighbour
from gateway_agent.topology import is_group

MAX_ADDRESSES: Final = 4_096
MAX_ADDRESSES_OF_MAC: Final = 64
_FRESH: Final = rtnetlink.NUD_REACHABLE | rtnetlink.NUD_DELAY | rtnetlink.NUD_PROBE | rtnetlink.NUD_PERMANENT
_REFRESH_SECONDS: Final = 0.2
"""Not more often does an unknown address make us ask the kernel."""


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
        self._asked = 0.0

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def mac_of(self, address: Address) -> Mac | None:
        """Return whose an address is; asks the kernel about one that is not known, but not all the time."""
        mac = self._macs.get(address)
        if mac is None and not is_group(address) and time.monotonic() - self._asked > _REFRESH_SECONDS:
            self.refresh()
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
            self._take(neighbour.mac, neighbour.address)

    def refresh(self) -> list[Neighbour]:
        """Ask the kernel, and return who is new to us or has changed."""
        now = time.time()
        news = []
        with self._lock:
            self._asked = time.monotonic()
            for entry in rtnetlink.neighbours(self._netlink):
                if entry.interface not in self.lan.indexes:
                    continue
                stale = entry.state & rtnetlink.NUD_STALE and entry.address not in self._macs
                if entry.state & _FRESH or stale:
                    mac = entry.mac.hex(":")
                    if self._macs.get(entry.address) != mac:
                        news.append(Neighbour(mac, entry.address, now))
                    self._take(mac, entry.address)
        return news

    def _take(self, mac: Mac, address: Address) -> None:
        if is_group(address) or not any(address):
            return
        before = self._macs.pop(address, mac)
        if before != mac:
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

    def _forget(self, mac: Mac, address: Address) -> None:
        addresses = self._addresses.get(mac, {})
        addresses.pop(address, None)
        if not addresses:
            self._addresses.pop(mac, None)

"""Which name a device looked up for an address: by its own newest lookup, never by another device's."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gateway_agent.model import Address, Answer, Mac

GRACE = 86_400.0
"""Seconds that a name outlives its TTL: connections that are still running keep it."""

_EVICTED_AT_ONCE = 64


class Name(NamedTuple):
    """A name and how it is known: `dns` or `tls`."""

    name: str
    source: str


class _Known(NamedTuple):
    name: Name
    until: float


class NameTable:
    """The names that each device looked up; bounded per device and in all, the oldest lookups go first."""

    def __init__(self, *, per_device: int = 4096, in_all: int = 65_536) -> None:
        self._per_device = per_device
        self._in_all = in_all
        self._devices: dict[Mac, dict[Address, _Known]] = {}
        self._order: dict[tuple[Mac, Address], None] = {}

    def __len__(self) -> int:
        """Return how many addresses have a name, over all devices."""
        return len(self._order)

    def learn(self, mac: Mac, answer: Answer) -> None:
        """Take the addresses of an answer to this device; the newest lookup of an address wins."""
        if not answer.addresses:
            return
        known = _Known(Name(answer.name, "dns"), answer.at + answer.ttl + GRACE)
        addresses = self._devices.setdefault(mac, {})
        for address in answer.addresses[: self._per_device]:
            addresses.pop(address, None)
            addresses[address] = known
            self._order.pop((mac, address), None)
            self._order[mac, address] = None
        if len(addresses) > self._per_device:
            self._forget_oldest_of(mac, addresses)
        if len(self._order) > self._in_all:
            self._forget_oldest()

    def name_of(self, mac: Mac, address: Address, now: float) -> Name | None:
        """Return the name that this device looked up last for the address, if its time is not over."""
        addresses = self._devices.get(mac)
        if addresses is None:
            return None
        known = addresses.get(address)
        if known is None or known.until < now:
            return None
        return known.name

    def lookups(self, now: float) -> Iterator[tuple[Mac, str, Address]]:
        """Yield (device, name, address) of all lookups whose time is not over."""
        for mac, addresses in list(self._devices.items()):
            for address, known in addresses.items():
                if known.until >= now:
                    yield mac, known.name.name, address

    def forget(self, mac: Mac) -> None:
        """Drop everything that this device looked up."""
        for address in self._devices.pop(mac, {}):
            del self._order[mac, address]

    def _forget_oldest_of(self, mac: Mac, addresses: dict[Address, _Known]) -> None:
        excess = len(addresses) - self._per_device
        for address in list(islice(addresses, excess + min(_EVICTED_AT_ONCE, self._per_device // 8))):
            del addresses[address]
            del self._order[mac, address]

    def _forget_oldest(self) -> None:
        excess = len(self._order) - self._in_all
        for mac, address in list(islice(self._order, excess + min(_EVICTED_AT_ONCE, self._in_all // 8))):
            del self._order[mac, address]
            addresses = self._devices[mac]
            del addresses[address]
            if not addresses:
                del self._devices[mac]

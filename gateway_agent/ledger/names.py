"""Which name a device has for an address: its own newest lookup's, never another device's.

Where it looked up nothing that could be heard, the name that it asked a TLS server for, for that port only.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from gateway_agent.model import Address, Answer, Mac, ServerName

GRACE = 86_400.0
"""Seconds that a name outlives its TTL: connections that are still running keep it."""

_EVICTED_AT_ONCE = 64
_SAME = 60.0
"""Seconds within which the same lookup again is no news: devices repeat themselves."""
_TCP = 6

_Key = bytes
"""A remote address; for the name of a TLS server, followed by the port in two bytes."""


Entry = tuple[Mac, str, str, str, float]
"""Device, key in hexadecimal digits, name, source, until when."""

_KEY_SIZES = (4, 4 + 2, 16, 16 + 2)
_SOURCES = ("dns", "tls")
_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_TEXT = re.compile("[ -~]{1,1024}")


class Name(NamedTuple):
    """A name and how it is known: `dns` or `tls`."""

    name: str
    source: str


class _Known(NamedTuple):
    name: Name
    until: float


_NOTHING: Mapping[_Key, _Known] = {}


class NameTable:
    """The names that each device uses; bounded per device and in all, the oldest go first."""

    def __init__(self, *, per_device: int = 4096, in_all: int = 65_536) -> None:
        self._per_device = per_device
        self._in_all = in_all
        self._devices: dict[Mac, dict[_Key, _Known]] = {}
        self._order: dict[tuple[Mac, _Key], None] = {}

    def __len__(self) -> int:
        """Return how many addresses have a name, over all devices."""
        return len(self._order)

    def learn(self, mac: Mac, answer: Answer) -> None:
        """Take the addresses of an answer to this device; the newest lookup of an address wins."""
        until = answer.at + answer.ttl + GRACE
        before = self._devices.get(mac, _NOTHING)
        for address in answer.addresses:
            known = before.get(address)
            if known is None or known.until < until - _SAME or known.name != (answer.name, "dns"):
                self._put(mac, answer.addresses[: self._per_device], _Known(Name(answer.name, "dns"), until))
                return

    def learn_server(self, mac: Mac, server: ServerName) -> Name | None:
        """Take the name of a TLS server; return it, or None where the device has looked one up."""
        looked_up = self._devices.get(mac, {}).get(server.remote)
        if looked_up is not None and looked_up.until >= server.at:
            return None
        name = Name(server.name, "tls")
        self._put(mac, (server.remote + server.port.to_bytes(2),), _Known(name, server.at + GRACE))
        return name

    def name_of(
        self, mac: Mac, address: Address, now: float, service: tuple[int, int] = (0, 0)
    ) -> Name | None:
        """Return the name that this device looked up last for the address, if its time is not over.

        `service` is protocol and port: without a lookup, the TLS server's name there.
        """
        addresses = self._devices.get(mac)
        if addresses is None:
            return None
        known = addresses.get(address)
        if (known is None or known.until < now) and service[0] == _TCP:
            known = addresses.get(address + service[1].to_bytes(2))
        return None if known is None or known.until < now else known.name

    def lookups(self, now: float) -> Iterator[tuple[Mac, str, Address]]:
        """Yield (device, name, address) of all lookups whose time is not over."""
        for mac, addresses in list(self._devices.items()):
            for address, known in addresses.items():
                if known.until >= now and known.name.source == "dns":
                    yield mac, known.name.name, address

    def forget(self, mac: Mac) -> None:
        """Drop everything that this device looked up."""
        for address in self._devices.pop(mac, {}):
            del self._order[mac, address]

    def clear(self) -> None:
        """Drop everything."""
        self._devices.clear()
        self._order.clear()

    def dump(self, now: float) -> Iterator[Entry]:
        """Yield what is known and not over, the oldest first, for `restore`."""
        for mac, key in self._order:
            (name, source), until = self._devices[mac][key]
            if until >= now:
                yield mac, key.hex(), name, source, until

    def restore(self, entries: object, now: float) -> None:
        """Learn what an earlier run has dumped; raises ValueError or TypeError where it has not."""
        if not isinstance(entries, list):
            raise TypeError("no list of names")
        for mac, key, name, source, until in entries:
            found = bytes.fromhex(key)
            if not (
                _MAC.fullmatch(mac)
                and len(found) in _KEY_SIZES
                and _TEXT.fullmatch(name)
                and source in _SOURCES
            ):
                raise ValueError(f"no name of a device: {mac!r} {key!r} {name!r} {source!r}")
            if until >= now:
                self._put(mac, (found,), _Known(Name(name, source), float(until)))

    def _put(self, mac: Mac, keys: Sequence[_Key], known: _Known) -> None:
        addresses = self._devices.setdefault(mac, {})
        for key in keys:
            addresses.pop(key, None)
            addresses[key] = known
            self._order.pop((mac, key), None)
            self._order[mac, key] = None
        if len(addresses) > self._per_device:
            self._forget_oldest_of(mac, addresses)
        if len(self._order) > self._in_all:
            self._forget_oldest()

    def _forget_oldest_of(self, mac: Mac, addresses: dict[_Key, _Known]) -> None:
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

"""The addresses that names of rules resolved to: for which device, and until when they count."""

from collections.abc import Iterator
from typing import Final

from gateway_agent.model import Address, Answer, Mac
from gateway_agent.wire.policy import Resolved

GRACE: Final = 86_400.0
"""Seconds that an address outlives the answer's TTL: clients keep using it."""

_LONGEST_TTL: Final = 7 * 86_400
_ADDRESSES_OF_DEVICE: Final = 2_048
_NAMES_OF_ADDRESS: Final = 16
_ADDRESSES: Final = 16_384


def lifetime(answer: Answer) -> float:
    """Return the time until which the addresses of an answer count."""
    return answer.at + min(answer.ttl, _LONGEST_TTL) + GRACE


class Resolutions:
    """Bounded per address, per device and in all: what was resolved longest ago is forgotten first."""

    def __init__(self) -> None:
        self._devices: dict[Mac, dict[Address, dict[str, float]]] = {}
        self._addresses = 0

    def __iter__(self) -> Iterator[Resolved]:
        """Yield all of them."""
        for mac, addresses in self._devices.items():
            for address, names in addresses.items():
                for name, until in names.items():
                    yield Resolved(mac, name, address, until)

    def add(self, mac: Mac, name: str, address: Address, until: float) -> None:
        """Take a resolution; of two for the same the later end counts."""
        addresses = self._devices.setdefault(mac, {})
        names = addresses.pop(address, None)
        self._addresses += names is None
        names = addresses[address] = names or {}
        names[name] = max(names.pop(name, 0.0), until)
        if len(names) > _NAMES_OF_ADDRESS:
            del names[next(iter(names))]
        if len(addresses) > _ADDRESSES_OF_DEVICE:
            self._forget_oldest(mac)
        elif self._addresses > _ADDRESSES:
            self._forget_oldest(max(self._devices, key=lambda owner: len(self._devices[owner])))

    def names(self, mac: Mac, address: Address) -> dict[str, float]:
        """Return the names that the device knows this address by, with their ends."""
        return self._devices.get(mac, {}).get(address, {})

    def expire(self, now: float) -> None:
        """Forget what has ended."""
        kept: dict[Mac, dict[Address, dict[str, float]]] = {}
        for entry in self:
            if entry.until > now:
                names = kept.setdefault(entry.mac, {}).setdefault(entry.address, {})
                names[entry.name] = entry.until
        self._devices = kept
        self._addresses = sum(map(len, kept.values()))

    def _forget_oldest(self, mac: Mac) -> None:
        addresses = self._devices[mac]
        del addresses[next(iter(addresses))]
        self._addresses -= 1

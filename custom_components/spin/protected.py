"""What must stay reachable, whoever asks: Home Assistant itself and the broker.

Without them nobody could take a block back. (The gateway itself needs no protection here: what is
addressed to it does not pass the chain in which it blocks.)
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address, ip_network

from homeassistant.components import mqtt, network
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.network import NoURLAvailableError, get_url
from yarl import URL

from .const import DOMAIN
from .models import Rule

REFRESH_AFTER = 600.0
RESOLVE_TIMEOUT = 2.0


class Protected:
    """The addresses and the name of what must stay reachable."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Know of nothing yet."""
        self._hass = hass
        self._own: frozenset[str] = frozenset()
        self._broker: frozenset[str] = frozenset()
        self._broker_name: str | None = None
        self._refreshed_at = float("-inf")
        self._looking = asyncio.Lock()

    async def refresh(self) -> None:
        """Look again if that was not done lately; a name that does not resolve keeps its addresses."""
        async with self._looking:
            if time.monotonic() - self._refreshed_at >= REFRESH_AFTER:
                await self._look()
                self._refreshed_at = time.monotonic()

    async def _look(self) -> None:
        own = set()
        for adapter in await network.async_get_adapters(self._hass):
            own |= {ip["address"] for ip in adapter["ipv4"]} | {ip["address"] for ip in adapter["ipv6"]}
        with suppress(NoURLAvailableError):  # in a container, it is known to others by another address
            host = URL(get_url(self._hass, allow_external=False, allow_cloud=False)).host or ""
            own |= {host} if _is_address(host) else set()
        self._own = _reachable(own)
        for entry in self._hass.config_entries.async_loaded_entries(mqtt.DOMAIN):
            host = str(entry.data.get(mqtt.CONF_BROKER, ""))
            if addresses := await addresses_of(self._hass, host):
                self._broker = _reachable(addresses)
            self._broker_name = None if _is_address(host) else host.lower().rstrip(".")

    def check_device(self, addresses: Iterable[str]) -> None:
        """Refuse to cut a device off that has one of the addresses.

        Raises:
            ServiceValidationError: it is Home Assistant's or the broker's
        """
        addresses = set(addresses)
        if addresses & self._own:
            raise _refusal("is_home_assistant")
        if addresses & self._broker:
            raise _refusal("is_broker")

    def check_rule(self, rule: Rule) -> None:
        """Refuse to block a name or a network that stands for one of the addresses.

        Raises:
            ServiceValidationError: it stands for Home Assistant or the broker
        """
        if rule.address is not None:
            if _covers(rule.address, self._own):
                raise _refusal("covers_home_assistant", rule.target)
            if _covers(rule.address, self._broker):
                raise _refusal("covers_broker", rule.target)
        elif self._broker_name and f".{self._broker_name}".endswith(f".{rule.name}"):
            raise _refusal("covers_broker", rule.target)


async def addresses_of(hass: HomeAssistant, host: str) -> set[str]:
    """Return the addresses of a host, none if they cannot be found out within a moment."""
    if not host or _is_address(host):
        return {host} if host else set()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            found = await hass.loop.getaddrinfo(host, None)
    except OSError, TimeoutError, UnicodeError:
        return set()
    return {str(address[0]) for *_, address in found}


def _refusal(key: str, destination: str | None = None) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"destination": destination} if destination else None,
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _reachable(addresses: Iterable[str]) -> frozenset[str]:
    """Leave out what no other device can have or reach."""
    found = (ip_address(address.partition("%")[0]) for address in addresses)
    return frozenset(str(address) for address in found if not (address.is_loopback or address.is_unspecified))


def _covers(address: str, addresses: Iterable[str]) -> bool:
    wanted = ip_network(address)
    return any(ip_address(one) in wanted for one in addresses)

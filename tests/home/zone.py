"""The made-up Internet's names: a function from question to addresses, shared by every stage.

Only documentation addresses (RFC 5737, RFC 3849) are used, whatever the name is called.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

Family = Literal[4, 6]

TTL = 60
FRESH_TTL = 5
# Where the Internet answers; nothing answers on the silent networks.
NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/25", "2001:db8:5::/48")
SILENT = ("203.0.113.128/26", "2001:db8:dead::/48")
_ANSWERING = tuple(ipaddress.ip_network(network) for network in NETWORKS)
RESOLVER = "192.0.2.53"

# name: its IPv4 addresses' last octets in 198.51.100.0/24; the same numbers stand in 2001:db8:5:1::/64.
_HOSTS = {
    "ws-frontend.eu.meethue.com": (7,),
    "discovery.meethue.com": (9,),
    "diagnostics.meethue.com": (10,),
    "www2.meethue.com": (11,),
    "www.philips.com": (20, 21),
    "philips.com": (20, 21),
    "fwupdate.philips.com": (22,),
    "google.com": (40, 41),
    "www.google.com": (40, 41),
    "baidu.com": (50, 51),
    "facebook.com": (60,),
    "qq.com": (70, 71),
    "upload.camera-cloud.example": (80, 81),
    "api.camera-cloud.example": (82,),
    "mqtt.plug-cloud.example": (90,),
    "pool.ntp.example": (95, 96, 97, 98),
    "shop.example": (110,),
    "news.example": (111, 112),
    "social.example": (113,),
    "video.example": (114, 115),
    "messages.example": (116,),
    # Two names on one address, as on a content network.
    "good.cdn.example": (120,),
    "bad.cdn.example": (120,),
}
_IPV4_ONLY = {"diagnostics.meethue.com", "qq.com"}
_ALIASES = {
    "ws.meethue.com": "ws-frontend.eu.meethue.com",
    "images.shop.example": "good.cdn.example",
    "tracker.shop.example": "bad.cdn.example",
}
_GOOGLE_TIME = re.compile(r"time([1-4])\.google\.com")
_FRESH = re.compile(r"n(\d{1,4})(?:-[a-z0-9]+)*\.fresh\.example")
_FRESH4 = (*(f"192.0.2.{last}" for last in range(64, 254)), *(f"203.0.113.{last}" for last in range(66, 126)))
_AT4 = re.compile(r"(\d+)-(\d+)-(\d+)-(\d+)(?:\.[a-z]+)?\.at\.example")
_AT6 = re.compile(r"([0-9a-f-]+)\.six\.at\.example")
_MANY = "many.example"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the made-up Internet says: `aliases` is the CNAME chain, `exists` is false for NXDOMAIN."""

    name: str
    aliases: tuple[str, ...]
    addresses: tuple[str, ...]
    ttl: int
    exists: bool


def resolve(name: str, family: Family) -> Resolution:
    """Answer a question of type A (family 4) or AAAA (6).

    Besides the table: `n17.fresh.example` (and `n17-anything.fresh.example`) has addresses of its own,
    `192-0-2-9.at.example` and `2001-db8-5--9.six.at.example` say theirs, `many.example` has 24.
    """
    aliases: tuple[str, ...] = ()
    target = name
    while target in _ALIASES:
        target = _ALIASES[target]
        aliases += (target,)
    addresses = _addresses(target)
    if addresses is None:
        return Resolution(name, aliases, (), TTL, exists=False)
    wanted = tuple(address for address in addresses if ipaddress.ip_address(address).version == family)
    return Resolution(name, aliases, wanted, FRESH_TTL if _FRESH.fullmatch(name) else TTL, exists=True)


def answers(address: str) -> bool:
    """Say whether there is anybody at that address."""
    return any(ipaddress.ip_address(address) in network for network in _ANSWERING)


def _addresses(name: str) -> tuple[str, ...] | None:  # noqa: PLR0911 (one return a pattern)
    """Return all addresses of a canonical name, or None where it does not exist."""
    if name in _HOSTS:
        return _table_entry(name)
    if name == _MANY:
        return _pair(*range(130, 154))
    if match := _GOOGLE_TIME.fullmatch(name):
        last = 34 + int(match[1])
        return (f"203.0.113.{last}", f"2001:db8:5:113::{last:x}")
    if match := _FRESH.fullmatch(name):
        number = int(match[1])
        return (_FRESH4[number % len(_FRESH4)], f"2001:db8:5:f::{number + 1:x}")
    if match := _AT4.fullmatch(name):
        return _literal(".".join(match.groups()))
    if match := _AT6.fullmatch(name):
        return _literal(match[1].replace("-", ":"))
    return None


def _table_entry(name: str) -> tuple[str, ...]:
    addresses = _pair(*_HOSTS[name])
    return tuple(each for each in addresses if "." in each) if name in _IPV4_ONLY else addresses


def _pair(*last: int) -> tuple[str, ...]:
    return (
        *(f"198.51.100.{number}" for number in last),
        *(f"2001:db8:5:1::{number:x}" for number in last),
    )


def _literal(text: str) -> tuple[str, ...] | None:
    try:
        return (str(ipaddress.ip_address(text)),)
    except ValueError:
        return None

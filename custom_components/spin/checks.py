"""Checks of single values in the gateway's messages: each returns the value or raises vol.Invalid."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton

import voluptuous as vol

from .const import GATEWAY_ID

# The last second of the year 9999, beyond which Python knows no date.
MAX_TIME = 253_402_300_799.0
MAX_COUNT = 2**64 - 1
MAX_PORT = 65_535
MAX_TEXT = 500
# The longest host name; whatever is longer is not looked at.
MAX_WORD = 253


def count(value: object) -> int:
    """Check a counter of 64 bits."""
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise vol.Invalid("expected an integer from 0 to 2^64 - 1")
    return value


def unix_time(value: object) -> float:
    """Check a time in Unix seconds."""
    if (type(value) is not float and type(value) is not int) or not 0 <= value <= MAX_TIME:
        raise vol.Invalid("expected a time in Unix seconds")
    return float(value)


def seconds(value: object) -> float:
    """Check a duration above 0."""
    if (duration := unix_time(value)) == 0:
        raise vol.Invalid("expected a number above 0")
    return duration


def port(value: object) -> int:
    """Check a port number; 0 where the protocol has none."""
    if type(value) is not int or not 0 <= value <= MAX_PORT:
        raise vol.Invalid("expected a port")
    return value


def flag(value: object) -> bool:
    """Check for true or false."""
    if type(value) is not bool:
        raise vol.Invalid("expected true or false")
    return value


def plain_text(value: str) -> str:
    """Return the text without what does not print, at most 500 characters."""
    value = value[:MAX_TEXT].strip()
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())


def text(value: object) -> str:
    """Check for text, and make it plain."""
    if type(value) is not str:
        raise vol.Invalid("expected text")
    return plain_text(value)


def _matching(pattern: str, what: str) -> Callable[[object], str]:
    matches = re.compile(pattern).fullmatch

    def check(value: object) -> str:
        if type(value) is not str or len(value) > MAX_WORD or matches(value) is None:
            raise vol.Invalid(f"expected {what}")
        return value

    return check


mac_address = _matching(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "a MAC address in lower case")
gateway_id = _matching(GATEWAY_ID.pattern, "a gateway id")
epoch = _matching(r"[A-Za-z0-9_-]{1,64}", "an epoch")
word = _matching(r"[a-z0-9_-]{1,32}", "a word in lower case")


def dns_name(value: object) -> str:
    """Check a name: ASCII characters that print, and no space."""
    if (
        type(value) is not str
        or not 0 < len(value) <= MAX_WORD
        or not (value.isascii() and value.isprintable())
        or " " in value
    ):
        raise vol.Invalid("expected a name")
    return value


host_name = _matching(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", "a host name")


def address(value: object) -> str:
    """Check an IPv4 or IPv6 address without a zone."""
    try:
        if type(value) is str and inet_pton(AF_INET6 if ":" in value else AF_INET, value):
            return value
    except OSError, ValueError:
        pass
    raise vol.Invalid("expected an IP address")


def network(value: object) -> str:
    """Check an address, or a network without host bits; a network of one address is that address."""
    if type(value) is not str:
        raise vol.Invalid("expected an IP address or network")
    try:
        parsed = ip_network(value)
    except ValueError as err:
        raise vol.Invalid("expected an IP address or network without host bits") from err
    if "%" in value:
        raise vol.Invalid("expected an address without a zone")
    return str(parsed.network_address if parsed.num_addresses == 1 else parsed)


def or_null[T](check: Callable[[object], T]) -> Callable[[object], T | None]:
    """Have a check accept null."""

    def check_or_null(value: object) -> T | None:
        return None if value is None else check(value)

    return check_or_null

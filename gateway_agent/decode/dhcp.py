"""Reads DHCP messages (RFC 2131, 2132) and dnsmasq's lease file: what devices call themselves.

Both are written by devices, in the end: everything is bounded, and text is made printable.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway_agent.model import Address, Mac

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68

_FIXED_SIZE: Final = 240
_COOKIE: Final = b"\x63\x82\x53\x63"
_REQUEST: Final = 1
_ETHERNET: Final = (1, 6)
_PAD, _MASK, _ROUTER, _HOST_NAME, _OVERLOAD, _VENDOR_CLASS, _END = 0, 1, 3, 12, 52, 60, 255
_SERVER_NAME, _FILE = slice(44, 108), slice(108, 236)
_MAX_TEXT: Final = 255

_MAX_LEASE_FILE: Final = 1 << 20
_MAX_LEASES: Final = 4096
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class DhcpError(ValueError):
    """A message that is no DHCP."""


class DhcpMessage(NamedTuple):
    """What is of use in a message: `mac` is the client's, `address` the one it has or is given."""

    request: bool
    mac: Mac | None
    address: Address | None
    options: dict[int, bytes]

    @property
    def host_name(self) -> str | None:
        """Option 12: what the client calls itself."""
        return printable(self.options.get(_HOST_NAME, b""))

    @property
    def vendor_class(self) -> str | None:
        """Option 60: which software the client is."""
        return printable(self.options.get(_VENDOR_CLASS, b""))

    @property
    def network(self) -> tuple[Address, int] | None:
        """Address and prefix length of the client's network, if a server tells its mask (option 1)."""
        mask = self.options.get(_MASK, b"")
        if self.address is None or len(mask) != 4:
            return None
        bits = f"{int.from_bytes(mask):032b}"
        return (self.address, bits.index("0")) if "01" not in bits and "0" in bits and "1" in bits else None

    @property
    def routers(self) -> list[Address]:
        """Option 3: the gateways of the network."""
        value = self.options.get(_ROUTER, b"")
        return [value[place : place + 4] for place in range(0, len(value) - 3, 4)]


class Lease(NamedTuple):
    """One line of dnsmasq's lease file."""

    mac: Mac
    address: Address
    host_name: str | None


def parse_dhcp(payload: bytes) -> DhcpMessage:
    """Return what a UDP payload says; options that were cut off are left out.

    Raises:
        DhcpError: no DHCP message.
    """
    if len(payload) < _FIXED_SIZE or payload[236:240] != _COOKIE:
        raise DhcpError("no DHCP message")
    options: dict[int, bytes] = {}
    _read_options(payload[_FIXED_SIZE:], options)
    overload = options.get(_OVERLOAD, b"\0")[:1]
    if overload in (b"\1", b"\3"):
        _read_options(payload[_FILE], options)
    if overload in (b"\2", b"\3"):
        _read_options(payload[_SERVER_NAME], options)
    request = payload[0] == _REQUEST
    address = payload[12:16] if request or not any(payload[16:20]) else payload[16:20]
    mac = payload[28:34]
    known = (payload[1], payload[2]) == _ETHERNET and any(mac) and not mac[0] & 1
    return DhcpMessage(request, mac.hex(":") if known else None, address if any(address) else None, options)


def _read_options(field: bytes, options: dict[int, bytes]) -> None:
    """Add a field's options; one in several pieces is put together (RFC 3396)."""
    place = 0
    while place < len(field) and field[place] != _END:
        code = field[place]
        if code == _PAD:
            place += 1
            continue
        if place + 2 > len(field) or place + 2 + field[place + 1] > len(field):
            return
        size = field[place + 1]
        options[code] = options.get(code, b"") + field[place + 2 : place + 2 + size]
        place += 2 + size


def printable(value: bytes) -> str | None:
    """Return text that can be shown anywhere, or None where nothing is left."""
    text = value.rstrip(b"\0").decode("utf-8", "replace")
    return (
        "".join(letter if letter.isprintable() else "\ufffd" for letter in text).strip()[:_MAX_TEXT] or None
    )


def read_leases(path: Path) -> list[Lease]:
    """Return the leases in dnsmasq's file; lines that are none are skipped. Raises OSError."""
    with path.open("rb") as file:
        return list(parse_leases(file.read(_MAX_LEASE_FILE)))


def parse_leases(data: bytes) -> Iterator[Lease]:
    """Yield the IPv4 leases of a lease file's text: expiry, MAC address, IP address, host name, client id."""
    leases = 0
    for line in data.splitlines():
        fields = line.split()
        if len(fields) < 4 or not fields[0].isdigit():
            continue
        mac = fields[1].decode("ascii", "replace").lower()
        try:
            address = ipaddress.IPv4Address(fields[2].decode("ascii", "replace")).packed
        except ValueError:
            continue
        if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
            continue
        yield Lease(mac, address, None if fields[3] == b"*" else printable(fields[3]))
        leases += 1
        if leases == _MAX_LEASES:
            return

"""DHCP messages (RFC 2131, RFC 2132) as a device and a server exchange them."""

import ipaddress
import struct
from dataclasses import dataclass

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
SERVER_PORT, CLIENT_PORT = 67, 68
_COOKIE = b"\x63\x82\x53\x63"
_SUBNET_MASK, _ROUTER, _RESOLVER, _HOST_NAME, _REQUESTED, _LEASE = 1, 3, 6, 12, 50, 51
_KIND, _SERVER, _PARAMETERS, _VENDOR_CLASS = 53, 54, 55, 60
_BROADCAST_FLAG = 0x8000


@dataclass(frozen=True, slots=True)
class Lease:
    """What a server offers or grants."""

    kind: int
    transaction: int
    address: str
    prefix: int
    server: str
    router: str


def client_message(  # noqa: PLR0913
    kind: int,
    transaction: int,
    mac: str,
    *,
    hostname: str | None,
    vendor_class: str | None,
    lease: Lease | None,
) -> bytes:
    """Build a DISCOVER, or the REQUEST for an offered lease."""
    options = [(_KIND, bytes([kind]))]
    if lease:
        options += [(_REQUESTED, _packed(lease.address)), (_SERVER, _packed(lease.server))]
    options.append((_PARAMETERS, bytes([_SUBNET_MASK, _ROUTER, _RESOLVER])))
    if hostname:
        options.append((_HOST_NAME, hostname.encode()))
    if vendor_class:
        options.append((_VENDOR_CLASS, vendor_class.encode()))
    return _header(1, transaction, mac, "0.0.0.0") + _options(options)


def server_message(  # noqa: PLR0913
    kind: int, transaction: int, mac: str, address: str, *, server: str, prefix: int = 24
) -> bytes:
    """Build an OFFER or ACK of a server that is router and resolver too."""
    mask = ipaddress.ip_network(f"{address}/{prefix}", strict=False).netmask.packed
    here = _packed(server)
    return _header(2, transaction, mac, address) + _options(
        [
            (_KIND, bytes([kind])),
            (_SERVER, here),
            (_LEASE, struct.pack(">I", 3600)),
            (_SUBNET_MASK, mask),
            (_ROUTER, here),
            (_RESOLVER, here),
        ]
    )


def lease_of(message: bytes) -> Lease:
    """Parse a server's message; raise ValueError, IndexError or KeyError when it is none."""
    if len(message) < 240 or message[0] != 2 or message[236:240] != _COOKIE:
        raise ValueError("not a DHCP server's message")
    options = {}
    rest = message[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return Lease(
        kind=options[_KIND][0],
        transaction=int.from_bytes(message[4:8], "big"),
        address=str(ipaddress.ip_address(message[16:20])),
        prefix=int.from_bytes(options[_SUBNET_MASK], "big").bit_count(),
        server=str(ipaddress.ip_address(options[_SERVER])),
        router=str(ipaddress.ip_address(options[_ROUTER][:4])),
    )


def _header(operation: int, transaction: int, mac: str, address: str) -> bytes:
    hardware = bytes.fromhex(mac.replace(":", ""))
    return (
        struct.pack(">4BIHH", operation, 1, 6, 0, transaction, 0, _BROADCAST_FLAG)
        + bytes(4) + _packed(address) + bytes(8) + hardware.ljust(16, b"\0") + bytes(192) + _COOKIE
    )  # fmt: skip


def _options(options: list[tuple[int, bytes]]) -> bytes:
    encoded = b"".join(bytes([code, len(value)]) + value for code, value in options) + b"\xff"
    return encoded.ljust(60, b"\0")


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed

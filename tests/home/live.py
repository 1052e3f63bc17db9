"""The stage of real sockets: a device inside its network namespace."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import subprocess
import time
from dataclasses import dataclass, field

from tests.home import dhcp, dnsmessage
from tests.home.behaviour import Behaviour, Contact
from tests.home.certificate import client_context
from tests.home.internet import REQUEST, ntp_request
from tests.home.zone import Family

INTERFACE = "eth0"
_SHORTEST_TIMEOUT = 1.0
_LOOKUP_TRIES = 2
_CHUNK = bytes(16384)


@dataclass
class Connection:
    """An open TCP or TLS connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    stage: "LiveStage"

    async def exchange(self, contact: Contact) -> bool:
        """Send the upload, take the download."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(self.stage.real(contact.timeout)):
                self.writer.write(REQUEST.pack(contact.upload, contact.download))
                for start in range(0, contact.upload, len(_CHUNK)):
                    self.writer.write(_CHUNK[: contact.upload - start])
                    await self.writer.drain()
                await self.reader.readexactly(contact.download)
                return True
        return False

    async def close(self) -> None:
        """Close it, whatever state it is in."""
        self.writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_SHORTEST_TIMEOUT):
                await self.writer.wait_closed()


@dataclass
class LiveStage:
    """Real sockets, with a clock that runs `speed` times as fast as the real one."""

    speed: float
    _resolver: str = ""
    _families: tuple[Family, ...] = ()
    _tls: ssl.SSLContext = field(default_factory=client_context)

    def now(self) -> float:
        """Return the real time."""
        return time.time()

    def clock(self) -> float:
        """Return the device's own clock."""
        return time.monotonic() * self.speed

    def real(self, seconds: float) -> float:
        """Return how long to wait for something that takes real time."""
        return max(seconds / self.speed, _SHORTEST_TIMEOUT)

    async def sleep(self, seconds: float) -> None:
        """Wait on the device's own clock."""
        await asyncio.sleep(seconds / self.speed)

    async def join(self, behaviour: Behaviour) -> None:
        """Plug in: link up, IPv4 address by DHCP; the kernel makes the IPv6 address."""
        self._families = behaviour.families
        _ip("address", "flush", "dev", INTERFACE, "scope", "global")
        _ip("link", "set", INTERFACE, "down")
        _ip("link", "set", INTERFACE, "up")
        lease = None
        while lease is None:
            lease = await asyncio.to_thread(_obtain, behaviour)
        _ip("address", "replace", f"{lease.address}/{lease.prefix}", "dev", INTERFACE)
        _ip("route", "replace", "default", "via", lease.router)
        self._resolver = lease.router

    async def contact(self, contact: Contact) -> bool:
        """Make one contact to the end."""
        if contact.kind in ("udp", "ntp"):
            address = await self._find(contact.name)
            return address is not None and await self._datagram(contact, address)
        connection = await self.open(contact)
        if connection is None:
            return False
        wanted = contact.kind == "tls" or contact.upload or contact.download
        succeeded = await connection.exchange(contact) if wanted else True
        await connection.close()
        return succeeded

    async def open(self, contact: Contact) -> Connection | None:
        """Look the name up and connect."""
        address = await self._find(contact.name)
        if not address:
            return None
        tls, name = (self._tls, contact.name) if contact.kind == "tls" else (None, None)
        with contextlib.suppress(OSError, ssl.SSLError):
            async with asyncio.timeout(self.real(contact.timeout)):
                reader, writer = await asyncio.open_connection(
                    address, contact.port, ssl=tls, server_hostname=name
                )
                return Connection(reader, writer, self)
        return None

    async def _find(self, name: str) -> str | None:
        """Return the address to use; names are looked up anew each time, all types at once."""
        if name.replace(".", "").isdigit() or ":" in name:
            return name
        found = await asyncio.gather(*(self._look_up(name, family) for family in self._families))
        return next((addresses[0] for addresses in found if addresses), None)

    async def _look_up(self, name: str, family: Family) -> tuple[str, ...]:
        for _ in range(_LOOKUP_TRIES):
            identity = random.getrandbits(16)
            message = await self._ask(self._resolver, 53, dnsmessage.query(identity, name, family), 5.0)
            if message is None:
                continue
            with contextlib.suppress(ValueError, IndexError, struct.error):
                reply = dnsmessage.reply_of(message)
                if reply.id == identity:
                    return reply.addresses
        return ()

    async def _datagram(self, contact: Contact, address: str) -> bool:
        payload = ntp_request(time.time()) if contact.kind == "ntp" else bytes(contact.upload)
        return await self._ask(address, contact.port, payload, contact.timeout) is not None

    async def _ask(self, address: str, port: int, payload: bytes, patience: float) -> bytes | None:
        """Send a datagram and return the answer, or None."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.connect((address, port))
                async with asyncio.timeout(self.real(patience)):
                    await loop.sock_sendall(client, payload)
                    return await loop.sock_recv(client, 65535)
        return None


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _obtain(behaviour: Behaviour) -> dhcp.Lease | None:
    """Go through DISCOVER, OFFER, REQUEST and ACK once."""
    transaction = random.getrandbits(32)
    lease: dhcp.Lease | None = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        client.bind(("", dhcp.CLIENT_PORT))
        client.settimeout(1.0)
        for asked, expected in ((dhcp.DISCOVER, dhcp.OFFER), (dhcp.REQUEST, dhcp.ACK)):
            message = dhcp.client_message(
                asked, transaction, behaviour.mac, lease=lease,
                hostname=behaviour.hostname, vendor_class=behaviour.vendor_class,
            )  # fmt: skip
            with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
                client.sendto(message, ("255.255.255.255", dhcp.SERVER_PORT))
                lease = dhcp.lease_of(client.recv(1500))
            if lease is None or lease.kind != expected or lease.transaction != transaction:
                return None
    return lease

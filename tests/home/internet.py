"""The made-up Internet's servers: DNS, NTP, UDP echo, and TCP and TLS that take and give any number of bytes.

A TCP client sends, as often as it likes, how many bytes it uploads and wants to download (two unsigned
64-bit numbers) and then the upload; the server answers with the download.

usage: python -m tests.home.internet FOLDER_FOR_THE_CERTIFICATE      (prints "ready" when it serves)
"""

import asyncio
import contextlib
import logging
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.home import dnsmessage
from tests.home.certificate import make_certificate, server_context
from tests.home.zone import Family, resolve

TCP_PORTS = (7, 80, 1883, 8080, 5201, 9000)
TLS_PORTS = (443, 8883)
UDP_ECHO_PORTS = (7, 443, 3478, 10001)
REQUEST = struct.Struct(">QQ")
NTP_EPOCH = 2208988800
_CHUNK = bytes(65536)
_IP_PKTINFO = 8
_UDP_LIMIT = 512
_EDNS_LIMIT = 1232

Respond = Callable[[bytes], bytes | None]


def answer_dns(message: bytes, limit: int = _UDP_LIMIT) -> bytes | None:
    """Answer an A or AAAA query from the zone; anything else exists but has no such record."""
    try:
        identity, name, kind = dnsmessage.question_of(message)
    except (ValueError, IndexError, struct.error):
        return None
    family: Family = 6 if kind == dnsmessage.AAAA else 4
    resolution = resolve(name, family)
    if kind not in (dnsmessage.A, dnsmessage.AAAA):
        resolution = type(resolution)(name, (), (), resolution.ttl, resolution.exists)
    has_edns = message[10:12] != b"\0\0"
    return dnsmessage.response(
        identity, resolution, kind, limit=max(limit, _EDNS_LIMIT) if has_edns else limit
    )


def answer_ntp(message: bytes) -> bytes | None:
    """Answer an NTP client request (RFC 5905) with the time of this machine."""
    if len(message) < 48 or message[0] & 7 != 3:
        return None
    return ntp_reply(message, time.time())


def ntp_reply(request: bytes, at: float) -> bytes:
    """Build a server's reply to an NTP request."""
    now = ntp_time(at)
    header = struct.pack(">BBbbII4s", 0x24, 1, request[2], -20, 0, 0, b"GOOG")
    return header + now + request[40:48] + now + now


def ntp_request(at: float) -> bytes:
    """Build a client's request (version 4, mode 3)."""
    return struct.pack(">BBbbII4s", 0x23, 0, 6, -20, 0, 0, b"") + bytes(24) + ntp_time(at)


def ntp_time(at: float) -> bytes:
    """Encode Unix seconds as an NTP timestamp."""
    return struct.pack(">II", (int(at) + NTP_EPOCH) & 0xFFFFFFFF, int(at % 1 * 2**32))


def serve_udp(port: int, respond: Respond) -> None:
    """Answer datagrams from the address that they were sent to, whichever of the Internet's it is."""
    loop = asyncio.get_running_loop()
    for family in (socket.AF_INET, socket.AF_INET6):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.setblocking(False)
        if family == socket.AF_INET:
            server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        server.bind(("", port))
        loop.add_reader(server, _datagrams, server, respond)


def _datagrams(server: socket.socket, respond: Respond) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            message, ancillary, _, peer = server.recvmsg(65535, 256)
            reply = respond(message)
            if reply is not None:
                with contextlib.suppress(OSError):
                    server.sendmsg([reply], ancillary, 0, peer)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one TCP or TLS connection until the client closes it."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            upload, download = REQUEST.unpack(await reader.readexactly(REQUEST.size))
            while upload:
                taken = await reader.read(min(upload, len(_CHUNK)))
                if not taken:
                    return
                upload -= len(taken)
            while download:
                writer.write(_CHUNK[:download])
                download -= min(download, len(_CHUNK))
                await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def resolver_over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer DNS queries over TCP."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = answer_dns(await reader.readexactly(length), limit=65535)
            if reply is None:
                break
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
    writer.close()


async def serve(folder: Path) -> None:
    """Serve until told to end."""
    tls = server_context(*make_certificate(folder))
    for port in TCP_PORTS:
        await asyncio.start_server(exchange, None, port)
    for port in TLS_PORTS:
        await asyncio.start_server(exchange, None, port, ssl=tls)
    await asyncio.start_server(resolver_over_tcp, None, 53)
    serve_udp(53, answer_dns)
    serve_udp(123, answer_ntp)
    for port in UDP_ECHO_PORTS:
        serve_udp(port, lambda message: message)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)  # noqa: T201
    await ended.wait()


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # broken connections are its daily bread
    asyncio.run(serve(Path(sys.argv[1])))

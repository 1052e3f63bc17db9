"""How long after a DNS answer a rule about its name is in force, seen from outside the agent."""

import contextlib
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator

from tests.home import dnsmessage
from tests.home.home import GATEWAY4
from tests.home.namespaces import Namespace
from tests.home.zone import Family

_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_NEWTABLE, _DELTABLE = 0xA00, 0xA02
_HEADER = struct.Struct("=IH10x")
_TIME = struct.Struct("@qq")
_PATIENCE = 3.0


def rule_latencies(
    device: Namespace, gateway: Namespace, names: Iterable[str], family: Family
) -> list[float]:
    """Look names up that rules are about, and return for each the seconds until its address is in the kernel.

    From the moment at which the device's kernel receives the answer, to the one at which this process has
    been told of the element that the gateway's nftables took: the time to be told is in it. Every name must
    have an address of its own. Raise TimeoutError where no rule comes.
    """
    with _events(gateway) as events, device.socket(kind=socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        client.settimeout(_PATIENCE)
        client.connect((GATEWAY4, 53))
        return [_latency(client, events, name, family) for name in names]


def table_absence(gateway: Namespace, name: str) -> float:
    """Flush the gateway's ruleset; return the seconds between a table's deletion and its being back."""
    wanted = f"{name}\0".encode()
    gone = None
    with _events(gateway) as events:
        flushing = gateway.start("nft", "flush", "ruleset")
        until = time.monotonic() + _PATIENCE
        while select.select([events], [], [], max(until - time.monotonic(), 0))[0]:
            datagram, now = events.recv(1 << 18), time.monotonic()
            kinds = [kind for kind, body in _messages(datagram) if wanted in body]
            if _DELTABLE in kinds:
                gone = now
            if _NEWTABLE in kinds and gone is not None:
                flushing.wait()
                return now - gone
    raise TimeoutError(f"table {name} is not back")


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each message (RFC 3549, section 2.3.2)."""
    place = 0
    while place + _HEADER.size <= len(datagram):
        length, kind = _HEADER.unpack_from(datagram, place)
        yield kind, datagram[place + _HEADER.size : place + length]
        place += (length + 3) & ~3


@contextlib.contextmanager
def _events(gateway: Namespace) -> Iterator[socket.socket]:
    """Yield a socket that tells what happens to the gateway's nftables."""
    with (
        gateway.entered(),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as events,
    ):
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 24)
        events.bind((0, 0))
        events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        yield events


def _latency(client: socket.socket, events: socket.socket, name: str, family: Family) -> float:
    client.send(dnsmessage.query(7, name, family))
    message, ancillary, _, _ = client.recvmsg(4096, 256)
    seconds, nanoseconds = next(_TIME.unpack(data) for _, kind, data in ancillary if kind == _SO_TIMESTAMPNS)
    address = ipaddress.ip_address(dnsmessage.reply_of(message).addresses[0]).packed
    until = time.monotonic() + _PATIENCE
    while select.select([events], [], [], max(until - time.monotonic(), 0))[0]:
        if address in events.recv(1 << 18):
            return time.time() - seconds - nanoseconds / 1e9
    raise TimeoutError(f"no rule for {name}")


def wake_up_delays(count: int) -> list[float]:
    """Return by how many seconds this machine wakes a sleeping process too late: what others cost us."""
    delays = []
    for _ in range(count):
        due = time.monotonic() + 0.002
        time.sleep(0.002)
        delays.append(time.monotonic() - due)
    return delays


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

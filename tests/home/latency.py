"""How long after a DNS answer a rule about its name is in force, seen from outside the agent."""

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterable

from tests.home import dnsmessage
from tests.home.home import GATEWAY4
from tests.home.namespaces import Namespace
from tests.home.zone import Family

_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_SO_TIMESTAMPNS = 35
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
    with (
        gateway.entered(),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as events,
        device.socket(kind=socket.SOCK_DGRAM) as client,
    ):
        events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        events.bind((0, 0))
        events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        client.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        client.settimeout(_PATIENCE)
        client.connect((GATEWAY4, 53))
        return [_latency(client, events, name, family) for name in names]


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


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

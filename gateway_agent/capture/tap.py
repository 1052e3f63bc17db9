"""Opens a tap on the LAN interface that a device is on."""

import errno
import socket
from typing import Final

from gateway_agent.capture.bpf import device_filter
from gateway_agent.capture.ring import Ring
from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.interfaces import Lan
from gateway_agent.kernel.netlink import NETLINK_ROUTE, Netlink
from gateway_agent.model import Mac

_NOBODY: Final = "no LAN interface is known to lead to this device"


def able() -> bool:
    """Whether this process may capture packets (CAP_NET_RAW)."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


def open_tap(lan: Lan, mac: Mac, *, headers_only: bool) -> Ring:
    """Return a tap for what a device sends and receives; raises OSError."""
    return Ring(_interface_of(mac, lan), device_filter(mac, headers_only=headers_only))


def _interface_of(mac: Mac, lan: Lan) -> str:
    if len(lan.interfaces) == 1:
        return lan.interfaces[0]
    netlink = Netlink(NETLINK_ROUTE)
    try:
        for neighbour in rtnetlink.neighbours(netlink):
            if neighbour.mac.hex(":") == mac and neighbour.interface in lan.indexes:
                return socket.if_indextoname(neighbour.interface)
    finally:
        netlink.close()
    raise OSError(errno.ENODEV, _NOBODY)

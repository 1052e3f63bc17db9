"""A gateway with two devices on its LAN and one host on the Internet, in network namespaces of their own.

Everything is made on entering and removed on leaving, also after a failure. Sockets stay in the namespace
in which they were made, so one process plays all parts: `with lab.wan.entered(): ...`.
"""

import contextlib
import ctypes
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

UNABLE: str | None = next(
    (
        reason
        for lacking, reason in (
            (os.geteuid() != 0, "needs root for network namespaces"),
            (shutil.which("nft") is None, "needs nft (script/setup as root installs it)"),
            (shutil.which("ip") is None, "needs ip (script/setup as root installs it)"),
        )
        if lacking
    ),
    None,
)
"""Why the lab cannot be built here."""

needs_lab = [pytest.mark.root, pytest.mark.skipif(UNABLE is not None, reason=UNABLE or "")]

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_COUNT = itertools.count()

LAN4, LAN6 = "192.168.77", "2001:db8:77:"
WAN4, WAN6 = "203.0.113", "2001:db8:ff:"


@dataclass(frozen=True)
class Namespace:
    """One network namespace, made and removed by the lab."""

    name: str

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have the calling thread make its sockets and start its processes in this namespace."""
        with (
            Path("/proc/thread-self/ns/net").open() as before,
            Path(f"/run/netns/{self.name}").open() as there,
        ):
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(before.fileno())

    def run(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        """Run a program in the namespace and return what it printed."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.stderr}")
        return done.stdout

    def ip(self, *arguments: str) -> None:
        """Run `ip` on the namespace."""
        subprocess.run(["ip", "-n", self.name, *arguments], check=True, timeout=60)

    def sysctl(self, key: str, value: int) -> None:
        """Set a sysctl below net of the namespace."""
        with self.entered():
            Path("/proc/sys/net", key).write_text(str(value))

    def socket(self, family: int, kind: int, bind: tuple[str, int] | None = None) -> socket.socket:
        """Make a socket in the namespace, with a timeout of 5 s."""
        with self.entered():
            made = socket.socket(family, kind)
        made.settimeout(5)
        if bind:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(bind)
        return made


def _setns(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Device(Namespace):
    """A host on the LAN."""

    mac: str
    ipv4: str
    ipv6: str


class Lab:
    """`gateway` routes between `devices` (bridge br-lan) and `wan` (interface wan0), IPv4 with NAT."""

    def __init__(self, devices: int = 2, *, accounting: bool = True) -> None:
        prefix = f"spin-{os.getpid()}-{next(_COUNT)}"
        self.gateway = Namespace(f"{prefix}-gw")
        self.wan = Namespace(f"{prefix}-wan")
        self.devices = [
            Device(f"{prefix}-d{n}", f"00:17:88:00:00:{n:02x}", f"{LAN4}.{10 + n}", f"{LAN6}:{10 + n:x}")
            for n in range(1, devices + 1)
        ]
        self.remote4, self.remote6 = f"{WAN4}.2", f"{WAN6}:2"
        self._accounting = accounting

    def __enter__(self) -> Self:
        """Build it."""
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        for namespace in (self.gateway, self.wan, *self.devices):
            subprocess.run(
                ["ip", "netns", "del", namespace.name], check=False, capture_output=True, timeout=60
            )

    def _build(self) -> None:
        for namespace in (self.gateway, self.wan, *self.devices):
            subprocess.run(["ip", "netns", "add", namespace.name], check=True, timeout=60)
            namespace.ip("link", "set", "lo", "up")
            namespace.sysctl("ipv6/conf/default/accept_dad", 0)
            namespace.sysctl("ipv6/conf/all/accept_dad", 0)
        self.gateway.sysctl("ipv4/ip_forward", 1)
        self.gateway.sysctl("ipv6/conf/all/forwarding", 1)
        self.gateway.sysctl("netfilter/nf_conntrack_acct", int(self._accounting))
        self.gateway.ip("link", "add", "br-lan", "type", "bridge")
        for number, device in enumerate(self.devices):
            self._cable(device, "eth0", f"lan{number}")
            self.gateway.ip("link", "set", f"lan{number}", "master", "br-lan")
            device.ip("link", "set", "eth0", "down")
            device.ip("link", "set", "eth0", "address", device.mac, "up")
            self._address(device, "eth0", f"{device.ipv4}/24", f"{device.ipv6}/64")
            device.ip("route", "add", "default", "via", f"{LAN4}.1")
            device.ip("-6", "route", "add", "default", "via", f"{LAN6}:1")
        self._address(self.gateway, "br-lan", f"{LAN4}.1/24", f"{LAN6}:1/64")
        self._cable(self.wan, "eth0", "wan0")
        self._address(self.gateway, "wan0", f"{WAN4}.1/24", f"{WAN6}:1/64")
        self._address(self.wan, "eth0", f"{self.remote4}/24", f"{self.remote6}/64")
        self.gateway.ip("route", "add", "default", "via", self.remote4)
        self.gateway.ip("-6", "route", "add", "default", "via", self.remote6)
        self.wan.ip("-6", "route", "add", f"{LAN6}:/64", "via", f"{WAN6}:1")
        self.gateway.run(
            "nft",
            "-f",
            "-",
            stdin="table ip nat { chain post { "
            "type nat hook postrouting priority srcnat; oifname wan0 masquerade; }; }",
        )

    def _cable(self, namespace: Namespace, inside: str, at_gateway: str) -> None:
        # One segment per packet: the counters then count what a wire would carry.
        self.gateway.ip(
            "link", "add", at_gateway, "gso_max_segs", "1", "type", "veth",
            "peer", "name", inside, "gso_max_segs", "1", "netns", namespace.name,
        )  # fmt: skip
        self.gateway.ip("link", "set", at_gateway, "up")
        namespace.ip("link", "set", inside, "up")

    def _address(self, namespace: Namespace, interface: str, *addresses: str) -> None:
        namespace.ip("link", "set", interface, "up")
        for address in addresses:
            namespace.ip("address", "add", address, "dev", interface)


def dns_answer(name: str, *addresses: bytes, ttl: int = 60) -> bytes:
    """Return a DNS response with A or AAAA records, as a resolver sends it."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", 1 if len(address) == 4 else 28, 1, ttl, len(address)) + address
        for address in addresses
    )
    kind = struct.pack(">HH", 28 if addresses and len(addresses[0]) == 16 else 1, 1)
    return struct.pack(">HHHHHH", 0xABCD, 0x8180, 1, len(addresses), 0, 0) + question + kind + records


class Wiretap:
    """Counts what passes an interface of the gateway, packet by packet: the truth to be told."""

    def __init__(self, namespace: Namespace, interface: str) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # nothing until it is bound
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self._socket.bind((interface, 3))
        self.packets: dict[tuple[bytes, bytes, int], int] = defaultdict(int)
        self.sizes: dict[tuple[bytes, bytes, int], int] = defaultdict(int)
        self.payload: dict[tuple[int, int], int] = defaultdict(int)
        """Bytes of TCP payload by source and destination port."""

    def drain(self) -> None:
        """Count what was captured until now."""
        time.sleep(0.05)
        while select.select([self._socket], [], [], 0)[0]:
            self._count(self._socket.recv(1 << 16))

    def _count(self, frame: bytes) -> None:
        if frame[12:14] == b"\x08\x00":
            key, size, place = (
                (frame[26:30], frame[30:34], frame[23]),
                int.from_bytes(frame[16:18], "big"),
                34,
            )
        elif frame[12:14] == b"\x86\xdd":
            key, place = (frame[22:38], frame[38:54], frame[20]), 54
            size = 40 + int.from_bytes(frame[18:20], "big")
        else:
            return
        self.packets[key] += 1
        self.sizes[key] += size
        if key[2] == socket.IPPROTO_TCP:
            ports = struct.unpack_from(">HH", frame, place)
            self.payload[ports] += size + 14 - place - (frame[place + 12] >> 4) * 4

    def between(self, lan: bytes, remote: bytes, protocol: int) -> tuple[int, int, int, int]:
        """Return sent packets and bytes, received packets and bytes."""
        out, back = (lan, remote, protocol), (remote, lan, protocol)
        return self.packets[out], self.sizes[out], self.packets[back], self.sizes[back]

    def payload_from(self, port: int) -> int:
        """Return the bytes of TCP payload from a port."""
        return sum(size for (source, _), size in self.payload.items() if source == port)

    def payload_to(self, port: int) -> int:
        """Return the bytes of TCP payload to a port."""
        return sum(size for (_, destination), size in self.payload.items() if destination == port)

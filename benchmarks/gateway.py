"""A gateway in a namespace between two silent sides, whose frames the benchmark sends itself."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path as FilePath

from benchmarks.frames import Path

DEVICE = IPv4Address("192.168.8.10")
GATEWAY_WAN = IPv4Address("198.51.100.1")
NEXT_HOP = "198.51.100.254"
LAN_INTERFACE, WAN_INTERFACE = "lan0", "wan0"
_DEVICE_MAC, _OUTSIDE_MAC = "02:00:00:00:01:0a", "02:00:00:00:02:fe"
_NAT = "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname wan0 masquerade; }; }"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Names of the namespaces, and the path that frames take through the one in the middle."""

    lan: str
    gateway: str
    wan: str
    path: Path


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command to its end and return its output; raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True, input=stdin).stdout


def inside(namespace: str, *command: str) -> list[str]:
    """Return the command line that runs a command in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def _mac(namespace: str, interface: str) -> bytes:
    text = run(*inside(namespace, "cat", f"/sys/class/net/{interface}/address"))
    return bytes.fromhex(text.strip().replace(":", ""))


def _settings(namespace: str) -> None:
    for key, value in {
        "net.ipv4.ip_forward": 1,
        "net.netfilter.nf_conntrack_acct": 1,
        "net.netfilter.nf_conntrack_events": 1,
        "net.netfilter.nf_conntrack_checksum": 0,
    }.items():
        run(*inside(namespace, "sysctl", "-qw", f"{key}={value}"))


def _build(names: dict[str, str]) -> None:
    for namespace in names.values():
        run("ip", "netns", "add", namespace)
        run(*inside(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))
        run("ip", "-n", namespace, "link", "set", "lo", "up")
    for side, interface in (("lan", LAN_INTERFACE), ("wan", WAN_INTERFACE)):
        here, there = names["gw"], names[side]
        run(
            "ip",
            "-n",
            here,
            "link",
            "add",
            interface,
            "type",
            "veth",
            "peer",
            "name",
            "peer0",
            "netns",
            there,
        )
        run("ip", "-n", here, "link", "set", interface, "up")
        run("ip", "-n", there, "link", "set", "peer0", "up")
    gateway = names["gw"]
    run("ip", "-n", gateway, "address", "add", "192.168.8.1/24", "dev", LAN_INTERFACE)
    run("ip", "-n", gateway, "address", "add", f"{GATEWAY_WAN}/24", "dev", WAN_INTERFACE)
    run("ip", "-n", gateway, "route", "add", "default", "via", NEXT_HOP)
    for address, mac, interface in (
        (str(DEVICE), _DEVICE_MAC, LAN_INTERFACE),
        (NEXT_HOP, _OUTSIDE_MAC, WAN_INTERFACE),
    ):
        run(
            "ip",
            "-n",
            gateway,
            "neighbour",
            "add",
            address,
            "lladdr",
            mac,
            "nud",
            "permanent",
            "dev",
            interface,
        )
    _settings(gateway)
    run(*inside(gateway, "nft", "-f", "-"), stdin=_NAT)


@contextlib.contextmanager
def benchmark_gateway() -> Iterator[Gateway]:
    """Build the three namespaces and remove them at the end, whatever happens."""
    names = {part: f"spinbench-{os.getpid()}-{part}" for part in ("lan", "gw", "wan")}
    try:
        _build(names)
        path = Path(
            device_mac=bytes.fromhex(_DEVICE_MAC.replace(":", "")),
            gateway_lan_mac=_mac(names["gw"], LAN_INTERFACE),
            outside_mac=bytes.fromhex(_OUTSIDE_MAC.replace(":", "")),
            gateway_wan_mac=_mac(names["gw"], WAN_INTERFACE),
            device=DEVICE.packed,
            gateway_wan=GATEWAY_WAN.packed,
        )
        yield Gateway(names["lan"], names["gw"], names["wan"], path)
    finally:
        for namespace in names.values():
            if FilePath("/run/netns", namespace).exists():
                run("ip", "netns", "delete", namespace)

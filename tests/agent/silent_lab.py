"""A gateway between two silent sides: the test sends the frames of both, and the kernel in between counts."""

import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import framing
import pytest
from framing import ACK, FIN, SYN
from kernel_lab import Lab

from gateway_agent.decode.packet import TCP
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.table import Table
from gateway_agent.model import Traffic
from gateway_agent.sources.nftables import NftablesSource

OUT, BACK = True, False


class Segment(NamedTuple):
    """A TCP segment of a connection: from the device or to it, what it says, its payload."""

    out: bool
    flags: int
    payload: bytes = b""


@dataclass
class Silent:
    """A gateway between two silent sides; `device` is an address that only the gateway believes in."""

    lab: Lab
    source: NftablesSource
    lan: socket.socket
    wan: socket.socket
    gateway_lan: bytes
    gateway_wan: bytes

    def device(self, *addresses: str) -> None:
        """Have the gateway know where the addresses are: behind the first device."""
        for address in addresses:
            prefix = 24 if ip_address(address).version == 4 else 64
            own = ip_address(address).packed[:-1] + b"\xfe"
            self.lab.gateway.run(
                "ip", "address", "replace", f"{ip_address(own)}/{prefix}", "dev", "br-lan", check=False
            )
            self.lab.gateway.run(
                "ip", "neigh", "replace", address, "lladdr", self.lab.devices[0].mac, "dev", "br-lan",
                "nud", "permanent",
            )  # fmt: skip

    def send(self, *, out: bool, packet: bytes) -> None:
        """Put an IP packet on the wire, from the device's side or from the Internet's."""
        packet = framing.checked(packet)
        if out:
            mac = bytes.fromhex(self.lab.devices[0].mac.replace(":", ""))
            self.lan.send(framing.ethernet(mac, self.gateway_lan, packet))
        else:
            self.wan.send(framing.ethernet(b"\x02\0\0\0\0\x77", self.gateway_wan, packet))

    def play(self, device: str, remote: str, ports: tuple[int, int], script: list[Segment]) -> None:
        """Send the segments of a connection, with the sequence numbers that they have."""
        numbers = {OUT: 1000, BACK: 5000}
        for out, flags, payload in script:
            source, destination = (device, remote) if out else (remote, device)
            first, second = ports if out else ports[::-1]
            acknowledged = numbers[not out] if flags & ACK else 0
            segment = framing.tcp(
                first, second, flags, payload, sequence=numbers[out], acknowledge=acknowledged
            )
            self.send(out=out, packet=framing.ip(source, destination, TCP, segment))
            numbers[out] += len(payload) + (1 if flags & SYN else 0) + (1 if flags & FIN else 0)

    def told(self) -> dict[tuple[str, str, int], list[Traffic]]:
        """Read the source and return what it tells of each LAN address, remote address and port."""
        found: dict[tuple[str, str, int], list[Traffic]] = defaultdict(list)
        for pause in (0.3, 0.6):  # what is logged takes its time, and new flows wait for it
            time.sleep(pause)
            for chunk in self.source.read(time.time()):
                for flow, traffic in chunk:
                    found[str(ip_address(flow.lan)), str(ip_address(flow.remote)), flow.port].append(traffic)
        return found

    def empties(self) -> Counter[tuple[str, str, int]]:
        """Read the source and return how many empty connections it tells."""
        counts = {key: sum(one.empty for one in traffic) for key, traffic in self.told().items()}
        return Counter({key: count for key, count in counts.items() if count})


@pytest.fixture(scope="module", name="lab")
def lab_fixture() -> Iterator[Lab]:
    with Lab(1) as built:
        yield built


@pytest.fixture(name="silent")
def silent_fixture(lab: Lab) -> Iterator[Silent]:
    gateway = lab.gateway
    gateway.run("nft", "flush", "ruleset")  # the lab's NAT
    gateway.run("ip", "neigh", "replace", lab.remote4, "lladdr", "02:00:00:00:00:77", "dev", "wan0")
    gateway.run("ip", "-6", "neigh", "replace", lab.remote6, "lladdr", "02:00:00:00:00:77", "dev", "wan0")
    with gateway.entered():
        table = Table()
        table.ensure(["br-lan"])
        source = NftablesSource(table, lambda _: None)
        listener = Listener()
        source.attach(listener, lambda _: None)
        listener.start()
        (Path("/proc/sys/net/netfilter") / "nf_conntrack_checksum").write_text("0")
        sockets = []
        for namespace in (lab.devices[0], lab.wan):
            made = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
            made.bind(("eth0", 0))
            sockets.append(made)
        macs = [
            bytes.fromhex(gateway.run("cat", f"/sys/class/net/{name}/address").strip().replace(":", ""))
            for name in ("br-lan", "wan0")
        ]
        yield Silent(lab, source, sockets[0], sockets[1], *macs)
        listener.stop()
        source.close(time.time())
        table.remove()
        table.close()
        for made in sockets:
            made.close()

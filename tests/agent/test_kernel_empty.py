"""No connection with data is called empty: real captures and made-up connections pass a real gateway.

Both ends are silent: the test sends the frames of both sides itself, without NAT, and the gateway's kernel
forwards and counts them.
"""

import json
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import framing
import pytest
from framing import ACK, FIN, PSH, RST, SYN
from kernel_lab import LAN4, LAN6, Lab, needs_lab

from gateway_agent.decode.packet import TCP, Decoder
from gateway_agent.decode.pcap import Capture
from gateway_agent.kernel.table import Table
from gateway_agent.sources.nftables import NftablesSource

pytestmark = needs_lab

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
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

    def empties(self) -> Counter[tuple[str, str, int]]:
        """Read the source and return how many empty connections it tells: LAN address, remote, port."""
        time.sleep(0.2)
        found: Counter[tuple[str, str, int]] = Counter()
        for chunk in self.source.read(time.time()):
            for flow, traffic in chunk:
                if traffic.empty:
                    key = (str(ip_address(flow.lan)), str(ip_address(flow.remote)), flow.port)
                    found[key] += traffic.empty
        return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(1) as built:
        yield built


@pytest.fixture
def silent(lab: Lab) -> Iterator[Silent]:
    gateway = lab.gateway
    gateway.run("nft", "flush", "ruleset")  # the lab's NAT
    gateway.run("ip", "neigh", "replace", lab.remote4, "lladdr", "02:00:00:00:00:77", "dev", "wan0")
    gateway.run("ip", "-6", "neigh", "replace", lab.remote6, "lladdr", "02:00:00:00:00:77", "dev", "wan0")
    with gateway.entered():
        table = Table()
        table.ensure(["br-lan"])
        source = NftablesSource(table, lambda _: None)
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
        source.close(time.time())
        table.remove()
        table.close()
        for made in sockets:
            made.close()


OPEN = [Segment(OUT, SYN), Segment(BACK, SYN | ACK), Segment(OUT, ACK)]
ASK, ANSWER = Segment(OUT, PSH | ACK, b"question"), Segment(BACK, PSH | ACK, b"answer")
END, ENDED = Segment(OUT, FIN | ACK), Segment(BACK, FIN | ACK)
KNOWLEDGE = Segment(OUT, ACK)

EMPTY = {
    "closed by the device": [*OPEN, END, ENDED, KNOWLEDGE],
    "closed by the remote": [*OPEN, ENDED, KNOWLEDGE, END, Segment(BACK, ACK)],
    "closed by the device, acknowledged first": [*OPEN, END, Segment(BACK, ACK), ENDED, KNOWLEDGE],
    "reset by the device": [*OPEN, Segment(OUT, RST | ACK)],
    "reset by the remote": [*OPEN, Segment(BACK, RST | ACK)],
    "closed and reset": [*OPEN, END, Segment(BACK, RST | ACK)],
}
NOT_EMPTY = {
    "asked": [*OPEN, ASK, END, ENDED, KNOWLEDGE],
    "answered": [*OPEN, ANSWER, END, ENDED, KNOWLEDGE],
    "one byte": [*OPEN, Segment(OUT, PSH | ACK, b"x"), Segment(OUT, RST | ACK)],
    "data with the end": [*OPEN, Segment(OUT, FIN | ACK, b"x"), ENDED, KNOWLEDGE],
    "data with the remote's end": [*OPEN, Segment(BACK, FIN | ACK, b"x"), END, Segment(BACK, ACK)],
    "data with the handshake": [Segment(OUT, SYN), Segment(BACK, SYN | ACK), ASK, END, ENDED],
    "asked after the remote ended": [*OPEN, ENDED, KNOWLEDGE, ASK, END, Segment(BACK, ACK)],
    "asked after the remote ended, reset": [*OPEN, ENDED, KNOWLEDGE, ASK, Segment(BACK, RST)],
    "answered after the device ended": [*OPEN, END, Segment(BACK, ACK), ANSWER, ENDED, KNOWLEDGE],
    "the remote's end twice, then asked": [*OPEN, ENDED, KNOWLEDGE, ENDED, KNOWLEDGE, ASK, END],
    "data with the first packet": [Segment(OUT, SYN, b"early"), *OPEN[1:], END, ENDED, KNOWLEDGE],
    "data with the second packet": [OPEN[0], Segment(BACK, SYN | ACK, b"early"), OPEN[2], END, ENDED],
    "data after many keepalives": [
        *OPEN,
        *[KNOWLEDGE, Segment(BACK, ACK)] * 12,
        ASK,
        END,
        ENDED,
        KNOWLEDGE,
    ],
    "data after many packets of one side": [*OPEN, *[Segment(BACK, ACK)] * 12, ANSWER, END, ENDED, KNOWLEDGE],
    "the same from the other side": [*OPEN, *[KNOWLEDGE] * 12, ASK, Segment(BACK, RST | ACK)],
    "never closed": OPEN,
    "half closed": [*OPEN, END, Segment(BACK, ACK)],
    "refused": [OPEN[0], Segment(BACK, RST | ACK)],
}


@pytest.mark.parametrize("version", [4, 6])
def test_each_way_to_end(silent: Silent, version: int) -> None:
    device, remote = (
        (f"{LAN4}.99", silent.lab.remote4) if version == 4 else (f"{LAN6}:99", silent.lab.remote6)
    )
    silent.device(device)
    names = [*EMPTY, *NOT_EMPTY]
    for number, name in enumerate(names):
        silent.play(device, remote, (40_000, 100 + number), {**EMPTY, **NOT_EMPTY}[name])
    told = silent.empties()
    found = {names[port - 100] for (_, _, port), count in told.items() if count == 1}
    assert found == set(EMPTY)
    assert set(told.values()) == {1}


def possible(script: list[Segment]) -> list[Segment]:
    """Leave out what nobody sends or takes: payload after the own end, anything after a reset."""
    kept: list[Segment] = []
    ended: set[bool] = set()
    for segment in script:
        if segment.payload and segment.out in ended:
            continue
        kept.append(segment)
        if segment.flags & RST:
            break
        if segment.flags & FIN:
            ended.add(segment.out)
    return kept


def test_any_connection_with_data_is_none(silent: Silent) -> None:
    device, remote = f"{LAN4}.99", silent.lab.remote4
    silent.device(device)
    dice = random.Random(11)
    steps = [
        ASK,
        ANSWER,
        END,
        ENDED,
        KNOWLEDGE,
        Segment(BACK, ACK),
        Segment(OUT, RST | ACK),
        Segment(BACK, RST | ACK),
    ]
    weights = [1, 1, 3, 3, 4, 4, 1, 1]
    empty: Counter[int] = Counter()
    for number in range(1500):
        script = possible(OPEN + dice.choices(steps, weights, k=dice.randrange(12)))
        port = 2_000 + number
        silent.play(device, remote, (30_000 + number, port), script)
        if not any(segment.payload for segment in script):
            empty[port] = 1
    told = silent.empties()
    assert len(told) > 300
    assert {port for _, _, port in told} <= set(empty)
    assert set(told.values()) == {1}


@pytest.mark.captures
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.pcap")), ids=lambda file: file.stem)
def test_real_captures(silent: Silent, file: Path) -> None:
    """Only TCP between private addresses and others crosses a gateway here."""
    decoder = Decoder()
    payload: dict[tuple[object, ...], int] = {}
    with Capture(file) as capture:
        for _, link_type, frame, length in capture:
            packet = decoder.packet(link_type, frame, length)
            if packet is None or packet.protocol != TCP or not packet.transport:
                continue
            source, destination = ip_address(packet.source), ip_address(packet.destination)
            if source.is_private == destination.is_private:
                continue
            out = source.is_private
            device = source if out else destination
            silent.device(str(device))
            silent.send(out=out, packet=frame[packet.transport - (20 if len(packet.source) == 4 else 40) :])
            ends = ((str(source), packet.source_port), (str(destination), packet.destination_port))
            key = ends if out else ends[::-1]
            size = packet.size - (frame[packet.transport + 12] >> 4) * 4
            payload[key] = payload.get(key, 0) + size
    allowed = Counter((lan, remote, port) for ((lan, _), (remote, port)), size in payload.items() if not size)
    told = silent.empties()
    assert told <= allowed
    oracle = json.loads((FOLDER / "oracle" / f"{file.name}.json").read_text())
    empty = oracle["tcp"]["established_zero_payload_closed"]["by"]
    assert told == {(each["src"], each["dst"], each["port"]): each["count"] for each in empty}

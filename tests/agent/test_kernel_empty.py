"""No connection with data is called empty: real captures and made-up connections pass a real gateway.

Both ends are silent: the test sends the frames of both sides itself, without NAT, and the gateway's kernel
forwards and counts them.
"""

import json
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from framing import ACK, FIN, PSH, RST, SYN
from kernel_lab import LAN4, LAN6, needs_lab
from silent_lab import BACK, OUT, Segment, Silent, lab_fixture, silent_fixture

from gateway_agent.decode.packet import ICMP, TCP, UDP, Decoder
from gateway_agent.decode.pcap import Capture

pytestmark = needs_lab
__all__ = ["lab_fixture", "silent_fixture"]

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
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


@dataclass
class Passed:
    """What of a capture crossed the gateway: payload bytes of each TCP connection from the LAN's side."""

    payload: dict[tuple[tuple[str, int], tuple[str, int]], int] = field(default_factory=dict)


def crosses(silent: Silent, file: Path) -> Passed:
    """Send what a capture has between private addresses and others: TCP, NTP, and ICMP errors."""
    decoder, passed = Decoder(), Passed()
    with Capture(file) as capture:
        for _, link_type, frame, length in capture:
            packet = decoder.packet(link_type, frame, length)
            if packet is None or not packet.transport:
                continue
            source, destination = ip_address(packet.source), ip_address(packet.destination)
            clock = packet.protocol == UDP and 123 in (packet.source_port, packet.destination_port)
            if source.is_private == destination.is_private or not (clock or packet.protocol in (TCP, ICMP)):
                continue
            out = source.is_private
            silent.device(str(source if out else destination))
            silent.send(out=out, packet=frame[packet.transport - (20 if len(packet.source) == 4 else 40) :])
            if packet.protocol == TCP:
                ends = ((str(source), packet.source_port), (str(destination), packet.destination_port))
                key = ends if out else (ends[1], ends[0])
                size = packet.size - (frame[packet.transport + 12] >> 4) * 4
                passed.payload[key] = passed.payload.get(key, 0) + size
    return passed


@pytest.mark.captures
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.pcap")), ids=lambda file: file.stem)
def test_real_captures(silent: Silent, file: Path) -> None:
    passed = crosses(silent, file)
    allowed = Counter(
        (lan, remote, port) for ((lan, _), (remote, port)), size in passed.payload.items() if not size
    )
    told = silent.told()
    empty = Counter({key: sum(one.empty for one in traffic) for key, traffic in told.items()})
    assert +empty <= allowed
    oracle = json.loads((FOLDER / "oracle" / f"{file.name}.json").read_text())
    expected = oracle["tcp"]["established_zero_payload_closed"]["by"]
    assert +empty == {(each["src"], each["dst"], each["port"]): each["count"] for each in expected}
    requests = {
        (lan, remote): sum(len(one.requests) for one in traffic)
        for (lan, remote, port), traffic in told.items()
        if port == 123
    }
    clocks = {
        (each["src"], each["dst"]): each["requests"]
        for each in oracle["ntp_client_requests"]["per_server"]
        if ip_address(each["src"]).is_private != ip_address(each["dst"]).is_private
    }
    assert {key: count for key, count in requests.items() if count} == clocks

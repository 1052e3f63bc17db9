"""What the packets source counts and observes, packet by packet."""

import itertools
import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import framing
import pytest
from framing import ACK, BROADCAST, DEVICE, FIN, OTHER, PSH, ROUTER, RST, SYN, address, mac_text
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.model import Answer, FirstContact, Flow, HostName, Neighbour, Observation, Traffic
from gateway_agent.sources.packets import PacketsSource
from gateway_agent.sources.survey import Survey

LAN4, LAN6 = "192.168.8.20", "2001:db8:8::20"
OTHER4 = "192.168.8.21"
GATEWAY4 = "192.168.8.1"
NET4, NET6 = "198.51.100.7", "2001:db8:ffff::9"
AT = 1_577_880_000.0


def up(packet: bytes) -> bytes:
    return framing.ethernet(DEVICE, ROUTER, packet)


def down(packet: bytes) -> bytes:
    return framing.ethernet(ROUTER, DEVICE, packet)


def out(
    flags: int, payload: bytes = b"", *, port: int = 40000, sequence: int = 100, service: int = 443
) -> bytes:
    return up(framing.ip(LAN4, NET4, 6, framing.tcp(port, service, flags, payload, sequence=sequence)))


def back(flags: int, payload: bytes = b"", *, port: int = 40000, service: int = 443) -> bytes:
    return down(framing.ip(NET4, LAN4, 6, framing.tcp(service, port, flags, payload)))


def ask(payload: bytes = b"?", *, port: int = 40000, service: int = 999, to: str = NET4) -> bytes:
    return up(framing.ip(LAN4, to, 17, framing.udp(port, service, payload)))


def tell(payload: bytes = b"!", *, port: int = 40000, service: int = 999) -> bytes:
    return down(framing.ip(NET4, LAN4, 17, framing.udp(service, port, payload)))


# A device sends through a router, and has an IPv6 address in a network that the router announces.
WHO_IS_WHO = [
    out(SYN, port=1),
    framing.ethernet(
        ROUTER,
        BROADCAST,
        framing.ipv6(
            "fe80::1",
            "ff02::1",
            58,
            bytes([134, 0, 0, 0]) + bytes(12) + b"\x03\x04\x40\xc0" + bytes(12) + address("2001:db8:8::"),
        ),
    ),
    framing.ethernet(OTHER, DEVICE, framing.ip(OTHER4, LAN4, 17, framing.udp(1, 2, b""))),
]


@dataclass
class Bench:
    """A source and what it said."""

    survey: Survey = field(default_factory=Survey)
    observations: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Let the source know who is who."""
        for frame in WHO_IS_WHO:
            self.survey.add((AT, 1, frame, len(frame)))
        topology = self.survey.topology()
        assert topology is not None
        self.source = PacketsSource(topology, self.observations.append)
        self.now = AT

    def send(self, *frames: bytes, at: float | None = None, every: float = 0.01) -> None:
        """Let frames be seen one after the other, from `at` or from now on."""
        for number, frame in enumerate(frames):
            self.now = self.now + every if at is None else at + number * every
            self.source.packet(self.now, 1, frame, len(frame))

    def read(self, now: float | None = None) -> dict[Flow, Traffic]:
        """Read the source."""
        chunks = list(self.source.read(self.now if now is None else now))
        assert all(0 < len(chunk) <= 500 for chunk in chunks)
        pairs = list(itertools.chain.from_iterable(chunks))
        assert len(dict(pairs)) == len(pairs), "each flow at most once"
        return dict(pairs)

    def finished(self) -> dict[Flow, Traffic]:
        """Read the source after the last packet."""
        self.source.finish()
        return self.read()

    def observed(self, kind: type[Observation]) -> list[Observation]:
        """Return the observations of one kind."""
        return [each for each in self.observations if isinstance(each, kind)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def flow(
    port: int = 443, protocol: int = 6, *, lan: str = LAN4, remote: str = NET4, mac: bytes = DEVICE
) -> Flow:
    return Flow(address(lan), address(remote), protocol, port, mac_text(mac))


def sums(traffic: Traffic) -> tuple[int, int, int, int]:
    return traffic.sent_packets, traffic.sent_bytes, traffic.received_packets, traffic.received_bytes


HANDSHAKE = (out(SYN), back(SYN | ACK), out(ACK))


def test_a_connection_is_one_flow_with_exact_times(bench: Bench) -> None:
    bench.send(*HANDSHAKE, out(PSH | ACK, b"hello"), back(PSH | ACK, b"hello, too"), at=AT, every=0.5)
    traffic = bench.read()
    assert list(traffic) == [flow()]
    assert sums(traffic[flow()]) == (3, 125, 2, 90)
    assert (traffic[flow()].first, traffic[flow()].last) == (AT, AT + 2.0)
    assert (traffic[flow()].connections, traffic[flow()].unanswered, traffic[flow()].empty) == (1, 0, 0)


def test_each_reading_tells_the_difference(bench: Bench) -> None:
    bench.send(*HANDSHAKE)
    assert bench.read()[flow()].connections == 1
    assert bench.read() == {}
    bench.send(out(PSH, b"hello"))
    traffic = bench.read()[flow()]
    assert sums(traffic) == (1, 45, 0, 0)
    assert traffic.connections == 0
    assert traffic.first == traffic.last == bench.now


def test_packets_out_of_order_still_give_first_and_last(bench: Bench) -> None:
    bench.send(out(SYN), at=AT + 1)
    bench.send(back(SYN | ACK), at=AT + 0.5)
    bench.send(out(ACK), at=AT + 0.8)
    traffic = bench.read()[flow()]
    assert (traffic.first, traffic.last) == (AT + 0.5, AT + 1)


def test_ipv6(bench: Bench) -> None:
    bench.send(
        up(framing.ip(LAN6, NET6, 6, framing.tcp(40000, 443, SYN))),
        down(framing.ip(NET6, LAN6, 6, framing.tcp(443, 40000, SYN | ACK))),
    )
    assert sums(bench.read()[flow(lan=LAN6, remote=NET6)]) == (1, 60, 1, 60)


def test_vlan_tags_change_nothing(bench: Bench) -> None:
    packet = framing.ip(LAN4, NET4, 6, framing.tcp(40000, 443, SYN))
    bench.send(framing.ethernet(DEVICE, ROUTER, packet, tags=[0x8100]))
    bench.send(framing.ethernet(ROUTER, DEVICE, framing.ip(NET4, LAN4, 6, framing.tcp(443, 40000, ACK))))
    assert sums(bench.read()[flow()]) == (1, 40, 1, 40)


def test_traffic_between_devices_counts_on_both(bench: Bench) -> None:
    bench.send(
        framing.ethernet(DEVICE, OTHER, framing.ip(LAN4, OTHER4, 6, framing.tcp(40000, 80, SYN))),
        framing.ethernet(OTHER, DEVICE, framing.ip(OTHER4, LAN4, 6, framing.tcp(80, 40000, SYN | ACK, b"x"))),
    )
    traffic = bench.read()
    mine = flow(80, lan=LAN4, remote=OTHER4)
    theirs = flow(80, lan=OTHER4, remote=LAN4, mac=OTHER)
    assert {each: sums(traffic[each]) for each in traffic} == {mine: (1, 40, 1, 41), theirs: (1, 41, 1, 40)}


def test_a_group_s_traffic_belongs_to_the_sender(bench: Bench) -> None:
    bench.send(
        framing.ethernet(
            DEVICE, BROADCAST, framing.ip(LAN4, "192.168.8.255", 17, framing.udp(5000, 6000, b"x"))
        ),
        framing.ethernet(
            DEVICE, BROADCAST, framing.ip("0.0.0.0", "255.255.255.255", 17, framing.udp(68, 67, b""))
        ),
        framing.ethernet(
            OTHER, b"\x01\0\x5e\0\0\xfb", framing.ip(OTHER4, "224.0.0.251", 17, framing.udp(5353, 5353, b""))
        ),
        framing.ethernet(
            ROUTER, BROADCAST, framing.ip(GATEWAY4, "255.255.255.255", 17, framing.udp(67, 68, b""))
        ),
    )
    assert {each: sums(traffic) for each, traffic in bench.read(AT + 60).items()} == {
        flow(6000, 17, remote="192.168.8.255"): (1, 29, 0, 0),
        flow(67, 17, lan="0.0.0.0", remote="255.255.255.255"): (1, 28, 0, 0),
        flow(5353, 17, lan=OTHER4, remote="224.0.0.251", mac=OTHER): (1, 28, 0, 0),
    }


def test_nobody_answers_to_a_group_and_nobody_is_expected_to(bench: Bench) -> None:
    bench.send(
        framing.ethernet(
            DEVICE, BROADCAST, framing.ip(LAN4, "192.168.8.255", 17, framing.udp(5000, 6000, b""))
        )
    )
    bench.send(up(framing.ip(LAN4, "239.255.255.250", 17, framing.udp(5000, 1900, b""))))
    assert all(traffic.unanswered == 0 for traffic in bench.finished().values())


def test_the_gateway_is_a_remote_and_no_device(bench: Bench) -> None:
    bench.send(
        up(framing.ip(LAN4, GATEWAY4, 17, framing.udp(5000, 53, b""))),
        down(framing.ip(GATEWAY4, LAN4, 17, framing.udp(53, 5000, b""))),
    )
    assert list(bench.read()) == [flow(53, 17, remote=GATEWAY4)]


def test_transit_is_nobody_s(bench: Bench) -> None:
    stranger = bytes.fromhex("020000000099")
    bench.send(framing.ethernet(stranger, ROUTER, framing.ip("203.0.113.1", NET4, 6, framing.tcp(1, 2, SYN))))
    assert bench.read() == {}


def test_an_address_that_moves_to_another_device(bench: Bench) -> None:
    bench.send(up(framing.ip(LAN4, NET4, 17, framing.udp(5000, 999, b"x"))))
    bench.send(framing.ethernet(OTHER, ROUTER, framing.ip(LAN4, NET4, 17, framing.udp(5000, 999, b"xy"))))
    assert {each.mac: sums(traffic)[1] for each, traffic in bench.read().items()} == {
        mac_text(DEVICE): 29,
        mac_text(OTHER): 30,
    }
    assert [each.mac for each in bench.observed(Neighbour)] == [mac_text(DEVICE), mac_text(OTHER)]


def test_sources_that_a_device_makes_up_are_its_own(bench: Bench) -> None:
    bench.send(up(framing.ip("203.0.113.77", NET4, 17, framing.udp(5000, 999, b"x"))))
    assert [(each.mac, each.lan) for each in bench.read()] == [(mac_text(DEVICE), address("203.0.113.77"))]


# The service's port.


@pytest.mark.parametrize(
    ("frames", "port"),
    [
        ([out(SYN, port=500, service=50000)], 50000),
        ([back(SYN | ACK, port=500, service=50000)], 50000),
        ([out(ACK, port=40000, service=443)], 443),
        ([back(ACK, port=40000, service=443)], 443),
        ([out(ACK, port=40000, service=8443)], 8443),
        ([back(ACK, port=40000, service=8443)], 8443),
        ([ask(port=50000, service=6000)], 6000),
        ([ask(port=6000, service=50000)], 50000),
        ([tell(port=40000, service=53)], 53),
        ([ask(port=1900, service=40000)], 1900),
        ([tell(port=1900, service=40000)], 1900),
        ([ask(port=68, service=67)], 67),
        ([tell(port=68, service=67)], 67),
    ],
)
def test_the_port_is_the_responder_s(bench: Bench, frames: list[bytes], port: int) -> None:
    bench.send(*frames)
    assert [each.port for each in bench.read()] == [port]


@pytest.mark.parametrize("protocol", [1, 2, 47, 50])
def test_protocols_without_ports(bench: Bench, protocol: int) -> None:
    bench.send(up(framing.ip(LAN4, NET4, protocol, b"\x08\0\0\0\x12\x34\x56\x78" + bytes(20))))
    assert [(each.protocol, each.port) for each in bench.read()] == [(protocol, 0)]


# Connections.


def count(bench: Bench, name: str, now: float | None = None) -> int:
    return sum(getattr(traffic, name) for traffic in bench.read(now).values())


def test_a_syn_sent_again_is_the_same_connection(bench: Bench) -> None:
    bench.send(out(SYN), out(SYN), out(SYN), back(SYN | ACK), every=1.0)
    assert count(bench, "connections") == 1


def test_a_new_syn_between_the_same_ports_is_a_new_connection(bench: Bench) -> None:
    bench.send(*HANDSHAKE, out(RST), out(SYN, sequence=5_000))
    assert count(bench, "connections") == 2


def test_a_connection_that_was_running_already_is_not_counted_until_it_begins_anew(bench: Bench) -> None:
    bench.send(out(ACK, b"x"), back(ACK))
    assert count(bench, "connections") == 0
    bench.send(out(FIN | ACK), back(FIN | ACK), out(SYN))
    assert count(bench, "connections") == 1


def test_connections_from_outside_count_too(bench: Bench) -> None:
    bench.send(back(SYN, port=22, service=50000))
    traffic = bench.read()
    assert traffic[flow(22)].connections == 1
    assert bench.finished() == {}, "that the device did not answer is not its failure"


def test_datagrams_are_one_connection_until_they_pause(bench: Bench) -> None:
    bench.send(ask(), tell(), ask(), tell())
    bench.send(ask(), tell(), at=bench.now + 29)
    bench.send(ask(), tell(), at=bench.now + 100)
    assert count(bench, "connections") == 1
    bench.send(ask(), tell(), at=bench.now + 130)
    assert count(bench, "connections") == 1


def test_datagrams_without_reply_are_forgotten_sooner(bench: Bench) -> None:
    bench.send(ask(), at=AT)
    bench.send(ask(), at=AT + 31)
    assert count(bench, "connections") == 2


@pytest.mark.parametrize("frames", [(tell(service=53), ask(service=53)), (back(SYN | ACK), out(SYN))])
def test_an_answer_that_is_captured_before_its_question(bench: Bench, frames: tuple[bytes, ...]) -> None:
    bench.send(*frames)
    (traffic,) = bench.finished().values()
    assert (traffic.connections, traffic.unanswered) == (1, 0)


def echo(kind: int, identity: int) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, identity, 1) + bytes(8)


def test_pings_are_connections_and_errors_are_none(bench: Bench) -> None:
    bench.send(
        up(framing.ip(LAN4, NET4, 1, echo(8, 0))),
        down(framing.ip(NET4, LAN4, 1, echo(0, 0))),
        up(framing.ip(LAN4, NET4, 1, echo(8, 2))),
        down(framing.ip(NET4, LAN4, 1, b"\x03\x03" + bytes(34))),
    )
    traffic = bench.finished()[flow(0, 1)]
    assert (traffic.connections, traffic.unanswered) == (2, 1)


@pytest.mark.parametrize("frame", [out(SYN), ask(), up(framing.ip(LAN4, NET4, 1, echo(8, 7)))])
def test_no_reply_in_ten_seconds(bench: Bench, frame: bytes) -> None:
    bench.send(frame, at=AT)
    assert count(bench, "unanswered", AT + 9.9) == 0
    assert count(bench, "unanswered", AT + 10.1) == 1
    assert count(bench, "unanswered", AT + 60) == 0


@pytest.mark.parametrize(
    ("ask_", "reply"), [(out(SYN), back(SYN | ACK)), (out(SYN), back(RST | ACK)), (ask(), tell())]
)
def test_a_reply_in_time(bench: Bench, ask_: bytes, reply: bytes) -> None:
    bench.send(ask_, at=AT)
    bench.send(reply, at=AT + 9)
    assert count(bench, "unanswered", AT + 60) == 0


def test_a_reply_that_is_too_late(bench: Bench) -> None:
    bench.send(ask(), at=AT)
    bench.send(tell(), at=AT + 11)
    assert count(bench, "unanswered") == 1


def test_a_syn_sent_again_does_not_prolong_the_wait(bench: Bench) -> None:
    bench.send(out(SYN), out(SYN), out(SYN), at=AT, every=4.0)
    assert count(bench, "unanswered", AT + 10.5) == 1


def test_a_capture_s_end_ends_the_wait(bench: Bench) -> None:
    bench.send(out(SYN), at=AT)
    assert [traffic.unanswered for traffic in bench.finished().values()] == [1]


def test_unanswered_comes_with_the_time_of_the_last_packet(bench: Bench) -> None:
    bench.send(out(SYN), at=AT)
    bench.read()
    traffic = bench.read(AT + 20)[flow()]
    assert (traffic.first, traffic.last, traffic.sent_packets) == (AT, AT, 0)


# Empty connections.


@pytest.mark.parametrize(
    "close",
    [
        (out(ACK), out(FIN | ACK), back(FIN | ACK), out(ACK)),
        (out(ACK), back(FIN | ACK), out(FIN | ACK)),
        (out(ACK), back(RST | ACK)),
        (out(RST),),
    ],
)
def test_set_up_and_closed_without_payload(bench: Bench, close: tuple[bytes, ...]) -> None:
    bench.send(out(SYN), back(SYN | ACK), *close)
    assert count(bench, "empty", bench.now + 5) == 1
    assert [traffic.empty for traffic in bench.finished().values()] == []


@pytest.mark.parametrize(
    "frames",
    [
        (*HANDSHAKE, out(PSH | ACK, b"x"), out(FIN | ACK), back(FIN | ACK)),
        (*HANDSHAKE, back(PSH | ACK, b"x"), out(RST)),
        (*HANDSHAKE, out(FIN | ACK, b"x"), back(FIN | ACK)),
        (out(SYN, b"fast open"), back(SYN | ACK), out(FIN), back(FIN)),
        (*HANDSHAKE, out(FIN | ACK), back(FIN | ACK), back(ACK, b"captured late")),
        (*HANDSHAKE, out(FIN | ACK), back(ACK, b"half closed"), back(FIN | ACK)),
        (out(FIN | ACK), back(SYN | ACK)),
        (out(SYN), back(RST | ACK)),
        HANDSHAKE,
        (out(FIN | ACK), back(FIN | ACK)),
    ],
)
def test_not_empty(bench: Bench, frames: tuple[bytes, ...]) -> None:
    bench.send(*frames)
    assert count(bench, "empty", bench.now + 5) == 0
    assert all(traffic.empty == 0 for traffic in bench.finished().values())


def test_closed_on_one_side_only_is_decided_when_it_is_forgotten(bench: Bench) -> None:
    bench.send(*HANDSHAKE, out(FIN | ACK))
    assert count(bench, "empty", bench.now + 5) == 0
    assert count(bench, "empty", bench.now + 200) == 1


def test_a_cut_frame_that_hides_its_payload_is_not_called_empty(bench: Bench) -> None:
    for frame in (*HANDSHAKE, out(PSH | ACK, bytes(100)), out(FIN | ACK), back(FIN | ACK)):
        bench.now += 0.01
        bench.source.packet(bench.now, 1, frame[: 34 + 12], len(frame))
    traffic = bench.finished()[flow()]
    assert (traffic.empty, traffic.sent_bytes) == (0, 40 * 4 + 100)


# NTP, DNS, DHCP, neighbours.


def test_requests_of_ntp_clients(bench: Bench) -> None:
    bench.send(ask(framing.NTP_REQUEST, port=123, service=123), at=AT)
    bench.send(tell(framing.NTP_REPLY, port=123, service=123), at=AT + 0.1)
    bench.send(ask(b"\x16" + bytes(47), port=123, service=123), at=AT + 1)
    quoted = framing.ip(LAN4, NET4, 17, framing.udp(123, 123, framing.NTP_REQUEST))
    bench.send(down(framing.ip(GATEWAY4, LAN4, 1, b"\x03\x01" + bytes(6) + quoted)), at=AT + 2)
    traffic = bench.read()
    assert traffic[flow(123, 17)].requests == [AT]
    assert traffic[flow(0, 1, remote=GATEWAY4)].requests == []


def test_the_requests_of_a_flood_are_bounded(bench: Bench) -> None:
    bench.send(*[ask(framing.NTP_REQUEST, service=123)] * 5000, at=AT)
    requests = bench.read()[flow(123, 17)].requests
    assert 1024 <= len(requests) <= 2048
    assert requests[-1] == pytest.approx(AT + 49.99)


def resolved(name: str, *found: str, port: int = 5000, resolver: str = GATEWAY4) -> bytes:
    message = framing.dns_addresses(name, *found)
    return down(framing.ip(resolver, LAN4, 17, framing.udp(53, port, message)))


def test_answers(bench: Bench) -> None:
    bench.send(resolved("ws.meethue.com", NET4), at=AT)
    assert bench.observed(Answer) == [
        Answer(address(LAN4), "ws.meethue.com", (address(NET4),), 300, True, AT)
    ]


def test_answers_over_tcp(bench: Bench) -> None:
    message = framing.dns_addresses("ws.meethue.com", NET4)
    stream = struct.pack("!H", len(message)) + message
    frames = [
        down(framing.ip(NET4, LAN4, 6, framing.tcp(53, 5000, flags, payload, sequence=sequence)))
        for flags, payload, sequence in [
            (SYN | ACK, b"", 999),
            (ACK, stream[20:], 1020),
            (ACK, stream[:20], 1000),
        ]
    ]
    bench.send(up(framing.ip(LAN4, NET4, 6, framing.tcp(5000, 53, SYN))), *frames)
    assert [answer.name for answer in bench.observed(Answer)] == ["ws.meethue.com"]


def test_answers_that_are_cut(bench: Bench) -> None:
    frame = resolved("ws.meethue.com", NET4, "198.51.100.8")
    bench.source.packet(AT, 1, frame[:-10], len(frame))
    assert [answer.addresses for answer in bench.observed(Answer)] == [(address(NET4),)]


def test_malformed_answers_and_multicast_dns_are_no_answers(bench: Bench) -> None:
    answer = framing.dns_addresses("printer.local", NET4)
    bench.send(
        down(framing.ip(GATEWAY4, LAN4, 17, framing.udp(53, 5000, b"garbage"))),
        up(framing.ip(LAN4, "224.0.0.251", 17, framing.udp(5353, 5353, answer))),
        down(framing.ip(GATEWAY4, LAN4, 17, framing.udp(5353, 5353, answer))),
        up(framing.ip(LAN4, GATEWAY4, 17, framing.udp(53, 5000, framing.dns_addresses("not.lan", NET4)))),
    )
    assert bench.observed(Answer) == []


def test_a_fragmented_answer(bench: Bench) -> None:
    body = framing.udp(
        53, 5000, framing.dns_addresses("ws.meethue.com", *[f"198.51.100.{n}" for n in range(99)])
    )
    bench.send(
        down(framing.ipv4(GATEWAY4, LAN4, 17, body[:800], identity=3, fragment=0x2000)),
        down(framing.ipv4(GATEWAY4, LAN4, 17, body[800:], identity=3, fragment=100)),
    )
    (answer,) = bench.observed(Answer)
    assert len(answer.addresses) == (800 - 8 - 12 - len(framing.dns_name("ws.meethue.com")) - 4) // 16
    assert sums(bench.read()[flow(53, 17, remote=GATEWAY4)]) == (0, 0, 2, 40 + len(body))


def test_fragments_and_cut_frames_hide_what_they_hide(bench: Bench) -> None:
    """Later fragments have no header to read, cut frames not all of theirs: both are counted."""
    body = {
        53: framing.udp(53, 5000, framing.dns_addresses("a.example", NET4)),
        123: framing.udp(5000, 123, framing.NTP_REQUEST),
        67: framing.udp(68, 67, framing.dhcp(1, DEVICE, [(12, b"hue")])),
    }
    for port, datagram in body.items():
        pair = (GATEWAY4, LAN4) if port == 53 else (LAN4, GATEWAY4)
        wrap = down if port == 53 else up
        first = wrap(framing.ipv4(*pair, 17, datagram[:16], identity=port, fragment=0x2000))
        bench.send(first, wrap(framing.ipv4(*pair, 17, datagram[16:], identity=port, fragment=2)))
    segment = down(framing.ip(GATEWAY4, LAN4, 6, framing.tcp(53, 5000, ACK, b"xy")))
    bench.source.packet(bench.now, 1, segment[:40], len(segment))
    traffic = bench.read()
    assert bench.observed(Answer) == bench.observed(HostName) == []
    assert all(each.requests == [] for each in traffic.values())
    assert sum(sum(sums(each)[::2]) for each in traffic.values()) == 7


def test_host_names(bench: Bench) -> None:
    request = framing.dhcp(1, DEVICE, [(12, b"Philips-hue"), (60, b"udhcp 1.19.4")])
    offer = framing.dhcp(2, DEVICE, [(12, b"from the server")])
    bench.send(
        framing.ethernet(
            DEVICE, BROADCAST, framing.ip("0.0.0.0", "255.255.255.255", 17, framing.udp(68, 67, request))
        ),
        down(framing.ip(GATEWAY4, LAN4, 17, framing.udp(67, 68, offer))),
        framing.ethernet(
            DEVICE, BROADCAST, framing.ip("0.0.0.0", "255.255.255.255", 17, framing.udp(68, 67, b"?"))
        ),
        at=AT,
    )
    assert bench.observed(HostName) == [HostName(mac_text(DEVICE), "Philips-hue", "udhcp 1.19.4", AT)]


def test_neighbours_are_told_once_and_before_their_traffic(bench: Bench) -> None:
    bench.send(
        framing.arp(DEVICE, LAN4, GATEWAY4),
        framing.arp(ROUTER, GATEWAY4, LAN4),
        framing.arp(DEVICE, "0.0.0.0", LAN4),
    )
    assert [(each.mac, each.address) for each in bench.observations] == [(mac_text(DEVICE), address(LAN4))]
    bench.send(out(SYN), back(SYN | ACK))
    assert [type(each) for each in bench.observations] == [Neighbour, FirstContact]


def test_first_contacts(bench: Bench) -> None:
    bench.send(out(SYN), out(SYN, port=40001), ask())
    assert [each.flow.port for each in bench.observed(FirstContact)] == [443, 999]


# Bounds.


def test_addresses_of_one_device_are_bounded(bench: Bench) -> None:
    for number in range(20_000):
        source = f"10.0.{number >> 8}.{number & 255}"
        bench.send(up(framing.ip(source, NET4, 17, framing.udp(1, 999, b""))), every=0.0001)
        if number % 8000 == 7999:
            bench.read()
    assert sizes(bench.source)["announced"] <= 16_384


def sizes(source: PacketsSource) -> dict[str, int]:
    connections = source._connections
    return {
        "rows": len(source._rows._rows),
        "connections": len(connections._table),
        "paths": len(connections.paths),
        "waiting": len(connections._waiting),
        "announced": len(source._announced),
    }


def host(number: int) -> str:
    return f"100.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def test_a_scan_of_hosts_is_bounded_and_exact(bench: Bench) -> None:
    """Memory is bounded; nothing is lost of what was sent, or of how many did not answer."""
    total: dict[str, int] = defaultdict(int)
    for number in range(100_000):
        frame = up(framing.ip(LAN4, host(number), 6, framing.tcp(40000, 23, SYN)))
        bench.send(frame, every=0.0001)
        if number % 8000 == 7999:
            add(total, bench.read().values())
    add(total, bench.finished().values())
    assert total == {"sent_bytes": 4_000_000, "connections": 100_000, "unanswered": 100_000}
    bounds = {"rows": 65_536, "connections": 16_384, "paths": 16_384, "waiting": 32_769, "announced": 16_384}
    assert all(value <= bounds[name] for name, value in sizes(bench.source).items())


def test_made_up_devices_are_bounded(bench: Bench) -> None:
    for number in range(40_000):
        mac = b"\x02" + struct.pack("!IB", number, 1)
        bench.send(
            framing.ethernet(mac, ROUTER, framing.ip(LAN4, NET4, 17, framing.udp(5000, 999, b""))), every=0
        )
        if number % 8000 == 7999:
            bench.read()
    assert sizes(bench.source)["paths"] <= 8
    assert sizes(bench.source)["rows"] <= 65_536


def add(total: dict[str, int], traffic: Iterable[Traffic]) -> None:
    for each in traffic:
        total["sent_bytes"] += each.sent_bytes
        total["connections"] += each.connections
        total["unanswered"] += each.unanswered


packets = st.sampled_from(
    [
        *HANDSHAKE,
        out(PSH, b"data"),
        back(PSH, b"data"),
        out(FIN | ACK),
        back(FIN | ACK),
        out(RST),
        out(SYN, sequence=9),
        ask(),
        tell(),
        ask(framing.NTP_REQUEST, service=123),
        resolved("a.example", NET4),
        framing.ethernet(DEVICE, OTHER, framing.ip(LAN4, OTHER4, 6, framing.tcp(1, 80, SYN))),
        framing.arp(DEVICE, LAN4, GATEWAY4),
    ]
)


@settings(max_examples=200, deadline=2000)
@given(
    steps=st.lists(
        st.tuples(packets, st.floats(-2.0, 60.0), st.booleans(), st.integers(20, 200)), max_size=40
    ),
    damage=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3),
)
def test_any_sequence_of_packets_is_counted_in_full(
    steps: list[tuple[bytes, float, bool, int]], damage: list[tuple[int, int]]
) -> None:
    bench = Bench()
    readings: list[Traffic] = []
    now = AT
    for number, (frame, pause, read, size) in enumerate(steps):
        now += pause
        changed = bytearray(frame)
        if number == len(steps) - 1:
            for place, value in damage:
                if place < len(changed):
                    changed[place] = value
        bench.source.packet(now, 1, bytes(changed[:size]), len(frame))
        if read:
            readings += bench.read(now).values()
    readings += bench.finished().values()
    whole = [frame for frame, *_, size in steps[:-1] if frame[12:14] == b"\x08\0" and size >= 34]
    between = sum(frame[6:12] == DEVICE and frame[:6] == OTHER for frame in whole)
    counted = sum(each.sent_packets + each.received_packets for each in readings)
    assert len(whole) + between <= counted <= len(whole) + between + 2
    for each in readings:
        assert each.first <= each.last
        assert each.connections >= 0
    assert sum(each.unanswered for each in readings) <= sum(each.connections for each in readings)
    assert sum(each.empty for each in readings) <= sum(each.connections for each in readings)

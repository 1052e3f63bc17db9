"""The nftables source on real traffic: exact to the byte, over restarts and under load."""

import errno
import os
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernel_lab import LAN4, LAN6, Device, Lab, Namespace, Wiretap, dns_answer, needs_lab

from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.nflog import Nflog, NflogError
from gateway_agent.kernel.ruleset import NFLOG_GROUP
from gateway_agent.kernel.table import Table, accounting
from gateway_agent.model import Answer, FirstContact, Flow, Neighbour, Observation, Traffic
from gateway_agent.sources import dismissal
from gateway_agent.sources.nftables import NftablesSource

pytestmark = needs_lab

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58


class Totals:
    """What a source told, added up."""

    def __init__(self, source: NftablesSource) -> None:
        self.source = source
        self.flows: dict[Flow, Traffic] = defaultdict(lambda: Traffic(0, 0))

    def read(self) -> None:
        """Add what is new."""
        for chunk in self.source.read(time.time()):
            for flow, traffic in chunk:
                total = self.flows[flow]
                for name in Traffic.__slots__:
                    if name not in ("first", "last"):
                        setattr(total, name, getattr(total, name) + getattr(traffic, name))

    def of(self, device: Device, remote: str, protocol: int, port: int) -> Traffic:
        """Return all that was told of one flow."""
        return self.flows[flow_of(device, remote, protocol, port)]


def flow_of(device: Device, remote: str, protocol: int, port: int) -> Flow:
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    lan = device.ipv6 if ":" in remote else device.ipv4
    return Flow(socket.inet_pton(family, lan), socket.inet_pton(family, remote), protocol, port)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built, built.gateway.entered():
        yield built


@pytest.fixture
def table(lab: Lab) -> Iterator[Table]:
    assert lab.gateway.name
    made = Table()
    made.ensure(["br-lan"])
    yield made
    made.close()


@pytest.fixture
def source(table: Table) -> Iterator[NftablesSource]:
    made = NftablesSource(table, lambda _: None)
    yield made
    made.close(time.time())


class Attached:
    """A source with its listener; `urgent` are the answers in the listener's thread, `observed` in order."""

    def __init__(self, table: Table, runtime: Path | None = None) -> None:
        self.observed: list[Observation] = []
        self.urgent: list[Answer] = []
        self.source = NftablesSource(table, self.observed.append, runtime=runtime)
        self.listener = Listener()
        self.source.attach(self.listener, self.urgent.append)
        self.listener.start()
        self.totals = Totals(self.source)

    def stop(self) -> None:
        """Stop in order."""
        self.listener.stop()
        self.source.close(time.time())

    def wait(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Deliver until it is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.001)
            self.source.deliver()


@pytest.fixture
def attached(table: Table) -> Iterator[Attached]:
    made = Attached(table)
    yield made
    made.stop()


def exchange(  # noqa: PLR0913
    device: Device, wan: Namespace, remote: str, port: int, *, asks: int, answers: int
) -> None:
    """Send and receive so many bytes over one TCP connection from the device."""
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    listener = wan.socket(family, socket.SOCK_STREAM, ("", port))
    listener.listen()
    client = device.socket(family, socket.SOCK_STREAM)
    with listener, client:
        client.connect((remote, port))
        server, _ = listener.accept()
        with server:
            server.settimeout(5)
            pump(client, server, asks)
            pump(server, client, answers)
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
        assert client.recv(1) == b""


def pump(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    left = size
    while left:
        chunk = min(left, 16384)
        sender.sendall(b"x" * chunk)
        got = 0
        while got < chunk:
            got += len(receiver.recv(1 << 16))
        left -= chunk


def settle() -> None:
    """Let the last packets of a connection, which nobody waits for, pass."""
    time.sleep(0.1)


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_is_exact_to_the_byte_both_ways(lab: Lab, source: NftablesSource, version: int) -> None:
    device, remote = lab.devices[0], lab.remote4 if version == 4 else lab.remote6
    tap, totals = Wiretap(lab.gateway, "lan0"), Totals(source)
    for asks, answers in ((1, 1), (1000, 100_000), (300_000, 7), (0, 5)):
        exchange(device, lab.wan, remote, 443, asks=asks, answers=answers)
        totals.read()
    settle()
    totals.read()
    tap.drain()
    flow = flow_of(device, remote, TCP, 443)
    told = totals.flows[flow]
    assert (told.sent_packets, told.sent_bytes, told.received_packets, told.received_bytes) == tap.between(
        flow.lan, flow.remote, flow.protocol
    )
    assert told.sent_bytes > 300_000
    assert told.received_bytes > 100_000
    assert (told.connections, told.empty, told.blocked) == (4, 0, 0)
    assert source.overflow == 0


@pytest.mark.parametrize("version", [4, 6])
def test_udp_and_echo_are_exact(lab: Lab, source: NftablesSource, version: int) -> None:
    device, remote = lab.devices[0], lab.remote4 if version == 4 else lab.remote6
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    tap, totals = Wiretap(lab.gateway, "lan0"), Totals(source)
    server = lab.wan.socket(family, socket.SOCK_DGRAM, ("", 5683))
    for number in range(20):
        with device.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"x" * number, (remote, 5683))
            _, peer = server.recvfrom(2000)
            server.sendto(b"y" * (1000 + number), peer)
            assert len(client.recv(2000)) == 1000 + number
    server.close()
    device.run("ping", "-c", "3", "-i", "0.01", "-s", "777", remote)
    totals.read()
    tap.drain()
    icmp = ICMP if version == 4 else ICMPV6
    for protocol, port, connections in ((UDP, 5683, 20), (icmp, 0, 1)):
        flow = flow_of(device, remote, protocol, port)
        told = totals.flows[flow]
        assert (
            told.sent_packets,
            told.sent_bytes,
            told.received_packets,
            told.received_bytes,
        ) == tap.between(flow.lan, flow.remote, flow.protocol)
        assert (told.connections, told.unanswered) == (connections, 0)


def test_a_connection_from_outside_belongs_to_the_device_s_port(lab: Lab, source: NftablesSource) -> None:
    device, totals = lab.devices[0], Totals(source)
    listener = device.socket(socket.AF_INET6, socket.SOCK_STREAM, ("", 8883))
    listener.listen()
    with lab.wan.socket(socket.AF_INET6, socket.SOCK_STREAM) as client, listener:
        client.connect((device.ipv6, 8883))
        server, _ = listener.accept()
        pump(client, server, 500)
        pump(server, client, 700)
        server.close()
    settle()
    totals.read()
    told = totals.of(device, lab.remote6, TCP, 8883)
    assert told.connections == 1
    assert told.received_bytes > 500
    assert told.sent_bytes > 700
    assert {flow.port for flow in totals.flows if flow.protocol == TCP} == {8883}


def test_traffic_between_two_lan_networks_counts_for_both(lab: Lab) -> None:
    """A second LAN interface: each device has the other as its remote."""
    table = Table()
    table.ensure(["br-lan", "wan0"])
    source = NftablesSource(table, lambda _: None)
    totals = Totals(source)
    exchange(lab.devices[0], lab.wan, lab.remote6, 80, asks=100, answers=1000)
    settle()
    totals.read()
    one = totals.of(lab.devices[0], lab.remote6, TCP, 80)
    remote, device = (socket.inet_pton(socket.AF_INET6, text) for text in (lab.remote6, lab.devices[0].ipv6))
    other = totals.flows[Flow(remote, device, TCP, 80)]
    assert one.sent_bytes == other.received_bytes > 100
    assert one.received_bytes == other.sent_bytes > 1000
    assert one.connections == other.connections == 1
    source.close(time.time())


def test_an_icmp_error_is_counted_and_is_no_answer(lab: Lab, source: NftablesSource) -> None:
    device, totals = lab.devices[0], Totals(source)
    with device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((lab.remote4, 9))
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(1)
    now = time.time()
    list(source.read(now - 11))
    for chunk in source.read(now):
        for flow, traffic in chunk:
            totals.flows[flow] = traffic
    assert totals.of(device, lab.remote4, UDP, 9).unanswered == 1


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("ending", ["fin", "reset by client", "reset by server"])
def test_empty_connections_are_those_without_a_byte(
    lab: Lab, source: NftablesSource, version: int, ending: str
) -> None:
    family, remote = (socket.AF_INET, lab.remote4) if version == 4 else (socket.AF_INET6, lab.remote6)
    device, totals = lab.devices[0], Totals(source)
    listener = lab.wan.socket(family, socket.SOCK_STREAM, ("", 443))
    listener.listen()

    def connection(asks: bytes = b"", answers: bytes = b"") -> None:
        client = device.socket(family, socket.SOCK_STREAM)
        client.connect((remote, 443))
        server, _ = listener.accept()
        server.sendall(answers)
        client.sendall(asks)
        if asks:
            server.recv(10)
        if answers:
            client.recv(10)
        if ending.startswith("reset"):
            resetting = client if ending == "reset by client" else server
            resetting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            resetting.close()
        client.close()
        server.close()

    for _ in range(3):
        connection()
    connection(asks=b"x")
    connection(answers=b"y")
    connection(asks=b"x", answers=b"y")
    settle()
    totals.read()
    listener.close()
    told = totals.of(device, remote, TCP, 443)
    assert (told.connections, told.empty) == (6, 3)


def test_a_refused_connection_is_not_empty(lab: Lab, source: NftablesSource) -> None:
    totals = Totals(source)
    with (
        lab.devices[0].socket(socket.AF_INET, socket.SOCK_STREAM) as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.connect((lab.remote4, 444))
    totals.read()
    told = totals.of(lab.devices[0], lab.remote4, TCP, 444)
    assert (told.connections, told.empty, told.unanswered) == (1, 0, 0)


def test_a_connection_without_reply_is_unanswered_after_ten_seconds(lab: Lab, source: NftablesSource) -> None:
    device = lab.devices[0]
    lab.wan.run(
        "nft",
        "-f",
        "-",
        stdin="table inet t { chain c { type filter hook input priority 0; tcp dport 81 drop; }; }",
    )
    with device.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        assert client.connect_ex((lab.remote4, 81)) == errno.EINPROGRESS
        settle()
        unanswered = 0
        now = time.time()
        for later in (0.0, 5.0, 9.0, 11.0, 30.0):
            for chunk in source.read(now + later):
                unanswered += sum(traffic.unanswered for flow, traffic in chunk if flow.port == 81)
            assert unanswered == (later > 10)


def test_counting_goes_on_while_the_agent_is_stopped(lab: Lab, table: Table, tmp_path: Path) -> None:
    """Four stops in order during a steady load: every byte is told exactly once."""
    device = lab.devices[0]
    sent = threading.Event()
    load = threading.Thread(target=udp_load, args=(device, lab.wan, lab.remote4, 4000, sent), daemon=True)
    told: list[Totals] = []
    for _ in range(5):
        source = NftablesSource(table, lambda _: None, runtime=tmp_path)
        told.append(Totals(source))
        if len(told) == 1:
            load.start()
        for _ in range(3):
            told[-1].read()
            time.sleep(0.05)
        if len(told) == 5:
            load.join()
            told[-1].read()
        source.close(time.time())
        time.sleep(0.1)
    assert sent.is_set()
    traffic = [totals.of(device, lab.remote4, UDP, 5000) for totals in told]
    assert sum(one.sent_packets for one in traffic) == 4000
    assert sum(one.sent_bytes for one in traffic) == 4000 * (28 + 100)
    assert sum(one.received_packets for one in traffic) == 4000
    assert sum(one.connections for one in traffic) == 1
    assert all(one.sent_packets for one in traffic[:-1])


def udp_load(device: Device, wan: Namespace, remote: str, count: int, done: threading.Event) -> None:
    server = wan.socket(socket.AF_INET, socket.SOCK_DGRAM, ("", 5000))
    with device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, server:
        for _ in range(count):
            client.sendto(b"x" * 100, (remote, 5000))
            _, peer = server.recvfrom(200)
            server.sendto(b"y", peer)
            client.recv(10)
            time.sleep(0.0003)
    done.set()


def test_after_a_crash_nothing_is_told_twice(lab: Lab, table: Table, tmp_path: Path) -> None:
    device = lab.devices[0]
    first = NftablesSource(table, lambda _: None, runtime=tmp_path)
    exchange(device, lab.wan, lab.remote4, 80, asks=1000, answers=1000)
    list(first.read(time.time()))
    first.close(time.time())
    second = NftablesSource(table, lambda _: None, runtime=tmp_path)
    exchange(device, lab.wan, lab.remote4, 80, asks=1000, answers=1000)
    list(second.read(time.time()))
    # No close: it crashed. The file of the first run must not be used again.
    third = NftablesSource(table, lambda _: None, runtime=tmp_path)
    totals = Totals(third)
    totals.read()
    assert totals.of(device, lab.remote4, TCP, 80).sent_bytes == 0
    exchange(device, lab.wan, lab.remote4, 80, asks=1000, answers=1000)
    settle()
    totals.read()
    told = totals.of(device, lab.remote4, TCP, 80)
    assert 1000 < told.sent_bytes < 2000
    assert told.connections == 1


def test_a_table_put_back_counts_from_zero(lab: Lab, table: Table, source: NftablesSource) -> None:
    device, totals = lab.devices[0], Totals(source)
    device.run("ping", "-c", "2", "-i", "0.01", lab.remote4)
    totals.read()
    lab.gateway.run("nft", "flush", "ruleset")
    totals.read()
    table.restore()
    for _ in range(2):
        device.run("ping", "-c", "3", "-i", "0.01", lab.remote6)
        totals.read()
    assert totals.of(device, lab.remote4, ICMP, 0).sent_packets == 2
    assert totals.of(device, lab.remote6, ICMPV6, 0).sent_packets == 6


def test_idle_flows_leave_the_kernel_and_lose_nothing(lab: Lab, table: Table, source: NftablesSource) -> None:
    device, totals = lab.devices[0], Totals(source)
    device.run("ping", "-c", "2", "-i", "0.01", lab.remote4)
    totals.read()
    device.run("ping", "-c", "1", lab.remote4)
    for _ in source.read(time.time() + dismissal.IDLE_AFTER - 100):
        pass
    assert lab.remote4 in lab.gateway.run("nft", "list", "set", "inet", "spin", "sent4")
    later = Totals(source)
    for chunk in source.read(time.time() + 2 * dismissal.IDLE_AFTER):
        for flow, traffic in chunk:
            later.flows[flow] = traffic
    for name in ("sent4", "received4", "opened4", "answered4"):
        assert lab.remote4 not in lab.gateway.run("nft", "list", "set", "inet", "spin", name)
    device.run("ping", "-c", "4", "-i", "0.01", lab.remote4)
    again = Totals(source)
    again.read()
    assert again.of(device, lab.remote4, ICMP, 0).sent_packets == 4
    assert table.intact()


def test_dismissal_under_load_loses_no_packet(
    lab: Lab, table: Table, source: NftablesSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything counts as idle and goes at every reading, while packets keep coming on the same flows."""
    monkeypatch.setattr(dismissal, "IDLE_AFTER", 0.0)
    monkeypatch.setattr("gateway_agent.sources.nftables._TIDY_EVERY", 0.0)
    device, totals = lab.devices[0], Totals(source)
    sinks = [lab.wan.socket(socket.AF_INET, socket.SOCK_DGRAM, ("", 5000 + n)) for n in range(20)]
    done = threading.Event()

    def load() -> None:
        with device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for number in range(30_000):
                client.sendto(b"x", (lab.remote4, 5000 + number % 20))
                if number % 100 == 0:
                    time.sleep(0.002)
        done.set()

    thread = threading.Thread(target=load)
    thread.start()
    rounds = 0
    while not done.is_set():
        totals.read()
        rounds += 1
    thread.join()
    totals.read()
    for sink in sinks:
        sink.close()
    told = [totals.of(device, lab.remote4, UDP, 5000 + n).sent_packets for n in range(20)]
    assert told == [1500] * 20
    assert rounds > 10
    assert table.counter("overflow") == (0, 0)


def test_a_scan_does_not_fill_the_kernel(
    lab: Lab, source: NftablesSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dismissal, "MANY_FLOWS", 1500)
    monkeypatch.setattr(dismissal, "MOST_FLOWS", 2000)
    monkeypatch.setattr(dismissal, "_KEPT", 1000)
    lab.wan.ip("route", "add", "blackhole", "198.18.0.0/15")
    totals = Totals(source)
    with lab.devices[0].socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(10_000):
            client.sendto(b"x", (f"198.18.{number >> 8}.{number & 255}", 53))
            if number % 1000 == 999:
                totals.read()
    time.sleep(0.01)
    totals.read()
    assert (
        sum(traffic.sent_packets for flow, traffic in totals.flows.items() if flow.protocol == UDP) == 10_000
    )
    assert len(source._families["4"]) <= 2500
    assert lab.gateway.run("nft", "list", "set", "inet", "spin", "sent4").count("198.18.") <= 2500


def test_what_a_scan_asked_is_unanswered_before_it_is_dismissed(
    lab: Lab, source: NftablesSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dismissal, "MANY_FLOWS", 600)
    monkeypatch.setattr(dismissal, "_KEPT", 400)
    lab.wan.ip("route", "add", "blackhole", "198.18.0.0/15")
    totals = Totals(source)
    with lab.devices[0].socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(2_000):
            client.sendto(b"x", (f"198.18.{number >> 8}.{number & 255}", 53))
            if number % 500 == 499:
                totals.read()
    time.sleep(0.01)
    totals.read()
    for chunk in source.read(time.time() + 11):
        for flow, traffic in chunk:
            totals.flows[flow].unanswered += traffic.unanswered
    scanned = [traffic for flow, traffic in totals.flows.items() if flow.protocol == UDP]
    assert [(one.connections, one.unanswered) for one in scanned] == [(1, 1)] * 2_000
    assert len(source._families["4"]) <= 600


def test_what_has_no_room_is_visible(lab: Lab, table: Table, source: NftablesSource) -> None:
    assert source.overflow == 0
    # 65,535 elements: what the kernel grants a set.
    filler = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} . 10.0.0.1 . 17 . 1" for n in range(65_535))
    script = "add element inet spin sent4 { " + ", ".join(filler) + " }"
    lab.gateway.run("nft", "-f", "-", stdin=script)
    lab.devices[0].run("ping", "-c", "1", "-s", "100", lab.remote4)
    assert source.overflow == 128
    assert table.counter("overflow") == (1, 128)


# Names, contacts, clocks


def ask(
    attached: Attached, lab: Lab, device: Device, name: str, *addresses: bytes, via: str = "gateway"
) -> None:
    """Have the device look a name up, at the gateway's resolver or at one on the Internet."""
    namespace, server = (lab.gateway, f"{LAN4}.1") if via == "gateway" else (lab.wan, lab.remote4)
    with (
        namespace.socket(socket.AF_INET, socket.SOCK_DGRAM, (server, 53)) as resolver,
        device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?" * 30, (server, 53))
        _, peer = resolver.recvfrom(100)
        resolver.sendto(dns_answer(name, *addresses), peer)
        assert client.recv(4096)
    attached.wait(lambda: any(answer.name == name for answer in attached.urgent))


@pytest.mark.parametrize("via", ["gateway", "internet"])
def test_answers_are_seen_on_their_way_to_the_device(lab: Lab, attached: Attached, via: str) -> None:
    device = lab.devices[0]
    before = time.time()
    ask(attached, lab, device, "ws.meethue.com", b"\xc6\x33\x64\x07", b"\xc6\x33\x64\x08", via=via)
    (answer,) = attached.urgent
    assert answer.lan == socket.inet_aton(device.ipv4)
    assert answer.addresses == (b"\xc6\x33\x64\x07", b"\xc6\x33\x64\x08")
    assert before <= answer.at <= time.time()
    attached.source.deliver()
    assert answer in attached.observed


def test_answers_over_ipv6_and_large_ones(lab: Lab, attached: Attached) -> None:
    device = lab.devices[0]
    addresses = [bytes.fromhex("20010db8") + number.to_bytes(12, "big") for number in range(120)]
    with (
        lab.gateway.socket(socket.AF_INET6, socket.SOCK_DGRAM, (f"{LAN6}:1", 53)) as resolver,
        device.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?" * 30, (f"{LAN6}:1", 53))
        _, peer = resolver.recvfrom(100)
        message = dns_answer("big.example.com", *addresses)
        assert len(message) > 3000
        resolver.sendto(message, peer)
        assert len(client.recv(4096)) == len(message)
    attached.wait(lambda: attached.urgent)
    assert attached.urgent[0].addresses == tuple(addresses)
    assert attached.urgent[0].lan == socket.inet_pton(socket.AF_INET6, device.ipv6)


def test_answers_over_tcp_are_seen(lab: Lab, attached: Attached) -> None:
    listener = lab.gateway.socket(socket.AF_INET, socket.SOCK_STREAM, (f"{LAN4}.1", 53))
    listener.listen()
    with lab.devices[0].socket(socket.AF_INET, socket.SOCK_STREAM) as client, listener:
        client.connect((f"{LAN4}.1", 53))
        server, _ = listener.accept()
        client.sendall(b"?" * 30)
        server.recv(100)
        message = dns_answer("tcp.example.com", b"\xc6\x33\x64\x09")
        server.sendall(len(message).to_bytes(2, "big") + message)
        assert client.recv(4096)
        server.close()
    attached.wait(lambda: attached.urgent)
    assert attached.urgent[0].name == "tcp.example.com"


def test_an_answer_that_nobody_asked_for_is_not_believed(lab: Lab, attached: Attached) -> None:
    with lab.wan.socket(socket.AF_INET6, socket.SOCK_DGRAM, ("", 53)) as spoofer:
        for port in range(4000, 4020):
            spoofer.sendto(dns_answer("bank.example.com", b"\xc6\x33\x64\x01"), (lab.devices[0].ipv6, port))
    ask(attached, lab, lab.devices[0], "asked.example.com", b"\xc6\x33\x64\x02")
    assert [answer.name for answer in attached.urgent] == ["asked.example.com"]


def test_malformed_answers_are_survived(lab: Lab, attached: Attached) -> None:
    device = lab.devices[0]
    with (
        lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
        device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        good = dns_answer("x.example.com", bytes(4))
        for size in range(len(good)):
            resolver.sendto(good[:size], peer)
            resolver.sendto(os.urandom(size), peer)
    ask(attached, lab, device, "good.example.com", b"\xc6\x33\x64\x02")
    assert attached.urgent[-1].name == "good.example.com"
    assert attached.listener._thread.is_alive()  # type: ignore[union-attr]


def test_first_contacts_tell_device_and_time_once(lab: Lab, attached: Attached) -> None:
    device = lab.devices[0]
    before = time.time()
    for _ in range(3):
        exchange(device, lab.wan, lab.remote4, 443, asks=1, answers=1)
    exchange(device, lab.wan, lab.remote6, 443, asks=1, answers=1)
    attached.wait(lambda: sum(isinstance(one, FirstContact) for one in attached.observed) == 2)
    contacts = [one for one in attached.observed if isinstance(one, FirstContact)]
    assert [contact.flow for contact in contacts] == [
        flow_of(device, remote, TCP, 443) for remote in (lab.remote4, lab.remote6)
    ]
    assert before <= contacts[0].at <= contacts[1].at <= time.time()
    neighbours = {(one.mac, one.address) for one in attached.observed if isinstance(one, Neighbour)}
    assert {(device.mac, socket.inet_aton(device.ipv4)), (device.mac, contacts[1].flow.lan)} <= neighbours
    attached.totals.read()
    told = attached.totals.of(device, lab.remote4, TCP, 443)
    assert told.connections == 3


@pytest.mark.parametrize("version", [4, 6])
def test_a_contact_that_a_reading_was_quicker_than_is_told_once(
    lab: Lab, attached: Attached, version: int
) -> None:
    """The kernel keeps a logged packet for up to 200 ms: what reads meanwhile has the flow already."""
    family, remote = (socket.AF_INET, lab.remote4) if version == 4 else (socket.AF_INET6, lab.remote6)
    device = lab.devices[0]
    flow = flow_of(device, remote, UDP, 4000)
    counters = attached.source._families[str(version)]
    with device.socket(family, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", (remote, 4000))
        attached.totals.read()
        assert counters.key(flow) in counters
        assert contacts_with(attached, flow) == 0
        attached.wait(lambda: contacts_with(attached, flow) == 1)
        attached.totals.read()
        client.sendto(b"x", (remote, 4000))
        time.sleep(0.3)
        attached.totals.read()
    assert contacts_with(attached, flow) == 1
    assert attached.totals.of(device, remote, UDP, 4000).sent_packets == 2


def contacts_with(attached: Attached, flow: Flow) -> int:
    return sum(isinstance(one, FirstContact) and one.flow == flow for one in attached.observed)


def test_a_flow_is_not_told_before_its_name(lab: Lab, attached: Attached) -> None:
    """However often is read: when traffic is told, the answer before it has been observed."""
    device = lab.devices[0]
    resolver = lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53))
    client = device.socket(socket.AF_INET, socket.SOCK_DGRAM)
    lab.wan.ip("route", "add", "blackhole", "198.18.0.0/15")
    named: set[bytes] = set()
    early = []

    def observe(observation: Observation) -> None:
        if isinstance(observation, Answer):
            named.update(observation.addresses)

    attached.source._observe = observe
    told = set()
    for number in range(100):
        address = bytes([198, 18, 1, number])
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        resolver.sendto(dns_answer(f"n{number}.example.com", address), peer)
        client.recv(4096)
        client.sendto(b"x", (socket.inet_ntoa(address), 443))
        for chunk in attached.source.read(time.time()):
            for flow, _ in chunk:
                if flow.port == 443:
                    told.add(flow.remote)
                    early += [flow] if flow.remote not in named else []
        time.sleep(0.02)
    time.sleep(0.5)
    for chunk in attached.source.read(time.time()):
        told.update(flow.remote for flow, _ in chunk if flow.port == 443)
    resolver.close()
    client.close()
    assert early == []
    assert len(told) == 100


@pytest.mark.parametrize("version", [4, 6])
def test_clock_requests_have_their_times(lab: Lab, attached: Attached, version: int) -> None:
    family, remote = (socket.AF_INET, lab.remote4) if version == 4 else (socket.AF_INET6, lab.remote6)
    device = lab.devices[0]
    request, other = b"\x23" + bytes(47), b"\x25" + bytes(47)  # client and broadcast mode
    sent = []
    server = lab.wan.socket(family, socket.SOCK_DGRAM, ("", 123))
    with device.socket(family, socket.SOCK_DGRAM, ("", 123)) as client, server:
        for _ in range(3):
            sent.append(time.time())
            client.sendto(request, (remote, 123))
            client.sendto(other, (remote, 123))
            time.sleep(0.05)
    attached.wait(lambda: requests_in(attached) == 3)
    attached.totals.read()
    told = attached.totals.of(device, remote, UDP, 123)
    assert len(told.requests) == 3
    assert all(0 <= seen - at < 0.04 for at, seen in zip(sent, told.requests, strict=True))
    assert told.sent_packets == 6


def test_floods_are_limited_in_the_kernel_and_what_is_lost_is_counted(lab: Lab, attached: Attached) -> None:
    device = lab.devices[0]
    lab.wan.ip("route", "add", "blackhole", "198.18.0.0/15")
    with device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(5_000):
            client.sendto(b"\x23" + bytes(47), (f"198.18.{number >> 8}.{number & 255}", 123))
    with (
        lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
        device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        message = dns_answer("flood.example.com", bytes(4))
        for _ in range(20_000):
            resolver.sendto(message, peer)
    time.sleep(0.5)
    attached.source.deliver(everything=True)
    contacts = sum(isinstance(one, FirstContact) for one in attached.observed)
    assert 100 <= contacts < 300
    assert 2500 <= len(attached.urgent) < 12_000
    assert attached.source.lost == 5_000 - contacts + 5_000 - requests_in(attached) + 20_000 - len(
        attached.urgent
    )


def requests_in(attached: Attached) -> int:
    return sum(map(len, attached.source._requests.values()))


def test_a_backlog_that_nobody_takes_is_bounded(lab: Lab, attached: Attached) -> None:
    assert attached.source._logged is not None
    attached.source._logged.backlog.extend([None] * 19_999)  # type: ignore[list-item]
    device = lab.devices[0]
    with (
        lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
        device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        for number in range(10):
            resolver.sendto(dns_answer(f"n{number}.example.com", bytes(4)), peer)
    end = time.monotonic() + 5
    while len(attached.urgent) < 10:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert len(attached.source._logged.backlog) == 20_000
    assert attached.source.lost == 9
    attached.source._logged.backlog.clear()


@pytest.mark.usefixtures("attached")
def test_two_listeners_to_one_group_are_told() -> None:
    with pytest.raises(NflogError, match="runs twice"):
        Nflog(NFLOG_GROUP)


def test_the_table_switches_conntrack_accounting_on() -> None:
    with Lab(accounting=False) as lab, lab.gateway.entered():
        assert not accounting()
        Table().ensure(["br-lan"])
        assert accounting()


def test_without_accounting_nothing_is_pretended(lab: Lab, table: Table) -> None:
    lab.gateway.sysctl("netfilter/nf_conntrack_acct", 0)
    source = NftablesSource(table, lambda _: None)
    totals = Totals(source)
    exchange(lab.devices[0], lab.wan, lab.remote4, 80, asks=10, answers=10)
    settle()
    totals.read()
    assert "empty" not in source.capabilities
    now = time.time()
    for chunk in source.read(now + 11):
        assert not any(traffic.unanswered for _, traffic in chunk)
    told = totals.of(lab.devices[0], lab.remote4, TCP, 80)
    assert (told.connections, told.unanswered, told.empty) == (1, 0, 0)
    assert told.sent_bytes > 10
    source.close(now)


def test_rows_tell_when_packets_came_not_when_they_were_read(attached: Attached, lab: Lab) -> None:
    hue = lab.devices[0]
    began = time.time()
    exchange(hue, lab.wan, lab.remote4, 443, asks=100, answers=100)
    ended = time.time()
    time.sleep(1.2)
    chunks = [chunk for later in (0.0, 1.0) for chunk in attached.source.read(time.time() + later)]
    told = [traffic for chunk in chunks for flow, traffic in chunk if flow.port == 443]
    assert sum(traffic.sent_packets for traffic in told) > 0
    assert began - 0.1 <= min(traffic.first for traffic in told) <= ended + 0.1
    assert max(traffic.last for traffic in told) <= ended + 0.5

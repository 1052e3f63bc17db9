"""The firewall on real traffic: what is blocked gets nothing through, and nothing else is touched."""

import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kernel_lab import LAN4, LAN6, Device, Lab, Wiretap, dns_answer, needs_lab

from gateway_agent.firewall.enforcement import FirewallError
from gateway_agent.firewall.firewall import Firewall
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.ruleset import LEVELS
from gateway_agent.kernel.table import Table
from gateway_agent.kernel.table_watch import TableWatch
from gateway_agent.model import Address, Answer, Mac, Traffic
from gateway_agent.sources.nftables import NftablesSource
from gateway_agent.wire.policy import DevicePolicy, Policy, Resolved, Rule

pytestmark = needs_lab


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def block(name: str, until: float | None = None) -> Rule:
    return Rule("block", name=name, until=until)


def allow(name: str, until: float | None = None) -> Rule:
    return Rule("allow", name=name, until=until)


def network(action: Any, text: str, until: float | None = None) -> Rule:  # noqa: ANN401
    return Rule(action, network=ipaddress.ip_network(text), until=until)


class Gateway:
    """A lab whose gateway runs all the kernel parts, without the rest of the agent."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hue, self.camera = lab.devices
        self.looked_up: list[tuple[Mac, str, Address]] = []
        self.answered_at: dict[str, float] = {}
        self.table = Table()
        self.table.ensure(["br-lan"])
        self.start()

    def start(self) -> None:
        """Begin as an agent does that finds what an earlier one left."""
        self.source = NftablesSource(self.table, lambda _: None)
        self.firewall = Firewall(self.table, self.addresses, mac_of=self.mac, flows=self.source.pairs)
        self.firewall.lookups = lambda: self.looked_up
        self.firewall.on_names = lambda wanted: self.source.hurry(at_once=wanted)
        self.watch = TableWatch(self.table)
        self.listener = Listener()
        self.source.attach(self.listener, self.answer)
        self.listener.add(self.watch)
        self.listener.start()

    def stop(self) -> None:
        """Stop reading and enforcing; the kernel goes on."""
        self.listener.stop()
        self.source.close(time.time())
        self.watch.close()

    def addresses(self, mac: Mac) -> list[Address]:
        """Tell the addresses of a device."""
        return [packed(text) for one in self.lab.devices if one.mac == mac for text in (one.ipv4, one.ipv6)]

    def mac(self, address: Address) -> Mac | None:
        """Tell whose an address is."""
        return next((one.mac for one in self.lab.devices if address in self.addresses(one.mac)), None)

    def answer(self, answer: Answer) -> None:
        """Do with an answer what the agent does first."""
        self.firewall.answered(self.mac(answer.lan), answer)
        self.answered_at[answer.name] = time.perf_counter()

    def apply(self, everyone: tuple[Rule, ...] = (), **devices: DevicePolicy) -> None:
        """Apply a policy for `hue` and `camera`."""
        macs = {getattr(self, name).mac: device for name, device in devices.items()}
        self.firewall.apply(Policy(1, macs, everyone), time.time())

    def look_up(self, device: Device, name: str, *addresses: str) -> None:
        """Have the device ask the gateway's resolver; return when the firewall has taken the answer."""
        with (
            self.lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
            device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.sendto(b"?", (f"{LAN4}.1", 53))
            _, peer = resolver.recvfrom(100)
            self.answered_at.pop(name, None)
            resolver.sendto(dns_answer(name, *map(packed, addresses)), peer)
            client.recv(4096)
        end = time.monotonic() + 5
        while name not in self.answered_at:
            assert time.monotonic() < end
            time.sleep(0.0002)

    def blocked(self) -> dict[tuple[bytes, bytes, int, int], int]:
        """Read the source and return the refused packets."""
        found: dict[tuple[bytes, bytes, int, int], int] = {}
        flows: list[tuple[Any, Traffic]] = []
        for later in (0.0, 1.0):
            flows += [entry for chunk in self.source.read(time.time() + later) for entry in chunk]
        for flow, traffic in flows:
            if traffic.blocked:
                key = (flow.lan, flow.remote, flow.protocol, flow.port)
                found[key] = found.get(key, 0) + traffic.blocked
        return found

    def chains(self) -> str:
        """Return the chains in front of the forward hook."""
        return self.lab.gateway.run("nft", "list", "chains")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Lab() as lab, lab.gateway.entered():
        made = Gateway(lab)
        yield made
        made.stop()


def port_of(end: socket.socket) -> int:
    port: int = end.getsockname()[1]
    return port


def reaches(device: Device, remote: str) -> bool:
    return "1 received" in device.run("ping", "-c", "1", "-W", "1", "-i", "0.2", remote, check=False)


class Stream:
    """A TCP connection from a device to a host on the Internet over which both keep sending."""

    def __init__(self, lab: Lab, device: Device, remote: str, port: int = 443) -> None:
        family = socket.AF_INET6 if ":" in remote else socket.AF_INET
        listener = lab.wan.socket(family, socket.SOCK_STREAM, ("", port))
        listener.listen()
        self.client = device.socket(family, socket.SOCK_STREAM)
        self.client.connect((remote, port))
        self.server, _ = listener.accept()
        listener.close()
        self.received = {"device": 0, "remote": 0}
        self._threads = [
            threading.Thread(target=self._send, args=(self.client,), daemon=True),
            threading.Thread(target=self._send, args=(self.server,), daemon=True),
            threading.Thread(target=self._receive, args=(self.client, "device"), daemon=True),
            threading.Thread(target=self._receive, args=(self.server, "remote"), daemon=True),
        ]
        for end in (self.client, self.server):
            end.settimeout(20)
        for thread in self._threads:
            thread.start()

    def _send(self, end: socket.socket) -> None:
        try:
            while True:
                end.sendall(b"x" * 4096)
                time.sleep(0.0005)
        except OSError:
            return

    def _receive(self, end: socket.socket, who: str) -> None:
        try:
            while data := end.recv(1 << 16):
                self.received[who] += len(data)
        except OSError:
            return

    def flows(self) -> bool:
        """Tell whether both receive."""
        before = dict(self.received)
        time.sleep(0.1)
        return all(self.received[who] > before[who] for who in before)

    def close(self) -> None:
        """End it."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def nothing_passes(lab: Lab, port: int) -> bool:
    """Tell whether no payload from or to the Internet's port leaves the gateway on the other side."""
    inside, outside = Wiretap(lab.gateway, "br-lan"), Wiretap(lab.gateway, "wan0")
    time.sleep(0.3)
    inside.drain()
    outside.drain()
    return inside.payload_from(port) == 0 and outside.payload_to(port) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_blocked_device_gets_nothing_through_from_when_apply_returns(
    gateway: Gateway, version: int
) -> None:
    """During bulk transfers both ways; its gateway, its LAN and the other device are not touched."""
    lab, hue, camera = gateway.lab, gateway.hue, gateway.camera
    remote = lab.remote4 if version == 4 else lab.remote6
    hues, cameras = Stream(lab, hue, remote, 443), Stream(lab, camera, remote, 444)
    assert hues.flows()
    assert cameras.flows()
    gateway.apply(hue=DevicePolicy(blocked=True))
    taps = [Wiretap(lab.gateway, "lan0"), Wiretap(lab.gateway, "wan0")]
    assert cameras.flows()
    time.sleep(0.5)
    for tap in taps:
        tap.drain()
    inside, outside = taps
    # The remote and the device may go on trying: nothing of it leaves the gateway on the other side.
    assert inside.payload[443, port_of(hues.client)] == 0
    assert outside.payload_to(443) == 0
    assert outside.payload_to(444) > 10_000
    assert not reaches(hue, remote)
    assert reaches(hue, f"{LAN4}.1")
    assert reaches(hue, f"{LAN6}:1")
    assert reaches(hue, camera.ipv4)
    gateway.look_up(hue, "ws.meethue.com", "198.51.100.7")  # its DNS
    assert cameras.flows()
    began = time.monotonic()
    gateway.apply()
    assert reaches(hue, remote)
    assert time.monotonic() - began < 5
    assert "gate" not in gateway.chains()
    hues.close()
    cameras.close()


def test_the_refused_are_told_at_once_and_counted_exactly(gateway: Gateway) -> None:
    lab, hue = gateway.lab, gateway.hue
    gateway.apply(hue=DevicePolicy(blocked=True))
    for number in range(5):
        with hue.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            began = time.monotonic()
            with pytest.raises(ConnectionRefusedError):
                client.connect((lab.remote4, 443 + number % 2))
            assert time.monotonic() - began < 2
    with hue.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.connect((lab.remote6, 5683))
        for _ in range(3):
            try:
                client.send(b"x")
            except PermissionError:  # the ICMP error of the packet before
                client.send(b"x")
            time.sleep(0.01)
    output = hue.run("ping", "-c", "1", "-W", "1", lab.remote4, check=False)
    assert "Packet filtered" in output or "prohibited" in output.lower()
    four, six = packed(hue.ipv4), packed(hue.ipv6)
    assert gateway.blocked() == {
        (four, packed(lab.remote4), 6, 443): 3,
        (four, packed(lab.remote4), 6, 444): 2,
        (four, packed(lab.remote4), 1, 0): 1,
        (six, packed(lab.remote6), 17, 5683): 3,
    }


def test_nothing_from_outside_reaches_a_blocked_device(gateway: Gateway) -> None:
    """Not even at an address that only the kernel has learned."""
    lab, hue = gateway.lab, gateway.hue
    other = f"{LAN6}:abcd"
    hue.ip("address", "add", f"{other}/64", "dev", "eth0", "preferred_lft", "0")
    sink = hue.socket(socket.AF_INET6, socket.SOCK_DGRAM, ("", 7000))
    sink.settimeout(0.2)
    probe = lab.wan.socket(socket.AF_INET6, socket.SOCK_DGRAM)

    def arrives(address: str) -> bool:
        probe.sendto(b"x", (address, 7000))
        try:
            return bool(sink.recv(10))
        except TimeoutError:
            return False

    assert arrives(hue.ipv6)
    assert arrives(other)
    gateway.apply(hue=DevicePolicy(blocked=True))
    assert not arrives(hue.ipv6)
    hue.run("ping", "-c", "1", "-W", "1", "-I", other, lab.remote6, check=False)
    assert not arrives(other)
    gateway.firewall.learned(hue.mac, packed(f"{LAN6}:dcba"))
    assert "dcba" in lab.gateway.run("nft", "list", "set", "inet", "spin", "cut_devices6")
    gateway.apply(camera=DevicePolicy(blocked=True))
    assert arrives(hue.ipv6)
    assert arrives(other)
    sink.close()
    probe.close()


def test_a_timed_block_ends_in_the_kernel_without_the_agent(gateway: Gateway) -> None:
    lab, hue = gateway.lab, gateway.hue
    until = time.time() + 1.5
    lab.wan.ip("address", "add", "203.0.113.77/24", "dev", "eth0")
    gateway.apply(
        hue=DevicePolicy(blocked=True, until=until),
        camera=DevicePolicy(
            destinations=(
                network("block", f"{lab.remote4}/32", until),
                network("block", "2001:db8:ff::/64", until),
            )
        ),
    )
    gateway.stop()
    for device in (hue, gateway.camera):
        assert not reaches(device, lab.remote4)
        assert not reaches(device, lab.remote6)
    assert reaches(gateway.camera, "203.0.113.77")
    time.sleep(max(until - time.time(), 0) + 0.1)
    for device in (hue, gateway.camera):
        assert reaches(device, lab.remote4)
        assert reaches(device, lab.remote6)
    gateway.start()


@pytest.mark.parametrize("remote", ["203.0.113.2", "2001:db8:ff::2"])
@pytest.mark.parametrize("whose", ["device", "everyone"])
def test_networks_and_addresses_are_blocked_with_exceptions(
    gateway: Gateway, remote: str, whose: str
) -> None:
    lab, hue, camera = gateway.lab, gateway.hue, gateway.camera
    wide = "203.0.113.0/24" if "." in remote else "2001:db8:ff::/48"
    host = remote + ("/32" if "." in remote else "/128")
    other = "203.0.113.99" if "." in remote else "2001:db8:ff::99"
    lab.wan.ip("address", "add", other + ("/24" if "." in remote else "/64"), "dev", "eth0")

    def applied(*rules: Rule, exceptions: tuple[Rule, ...] = ()) -> None:
        if whose == "device":
            gateway.apply(hue=DevicePolicy(destinations=(*rules, *exceptions)))
        else:
            gateway.apply(rules, hue=DevicePolicy(destinations=exceptions))

    applied(network("block", wide))
    assert not reaches(hue, remote)
    assert reaches(camera, remote) == (whose == "device")
    applied(network("block", wide), exceptions=(network("allow", host),))
    assert reaches(hue, remote)
    assert not reaches(hue, other)
    applied(network("block", host))
    assert not reaches(hue, remote)
    assert reaches(hue, other)
    applied()
    assert reaches(hue, remote)


def test_a_blocked_device_is_cut_whatever_is_allowed(gateway: Gateway) -> None:
    rule = network("allow", "0.0.0.0/0")
    gateway.apply((rule,), hue=DevicePolicy(blocked=True, destinations=(rule,)))
    assert not reaches(gateway.hue, gateway.lab.remote4)
    assert reaches(gateway.camera, gateway.lab.remote4)


def test_names_are_blocked_from_the_answer_on_for_who_asked(gateway: Gateway) -> None:
    lab, hue, camera = gateway.lab, gateway.hue, gateway.camera
    gateway.apply(hue=DevicePolicy(destinations=(block("example.com"), allow("ok.example.com"))))
    gateway.look_up(hue, "www.example.com", lab.remote4)
    assert not reaches(hue, lab.remote4)
    assert reaches(hue, lab.remote6)
    gateway.look_up(hue, "example.com", lab.remote6)
    assert not reaches(hue, lab.remote6)
    gateway.look_up(camera, "www.example.com", lab.remote4)
    assert reaches(camera, lab.remote4)
    lab.wan.ip("address", "add", "203.0.113.50/24", "dev", "eth0")
    gateway.look_up(hue, "ok.example.com", "203.0.113.50")
    assert reaches(hue, "203.0.113.50")
    gateway.look_up(hue, "notexample.com", "203.0.113.50")
    assert reaches(hue, "203.0.113.50")
    assert gateway.firewall.problems(time.time()) == []
    gateway.look_up(hue, "ok.example.com", lab.remote4)
    assert reaches(hue, lab.remote4)
    (problem,) = gateway.firewall.problems(time.time())
    assert problem.code == "shared_address"
    assert problem.extra == {"mac": hue.mac, "address": lab.remote4}
    assert "www.example.com" in problem.text


def test_a_device_s_exception_beats_everyone_s_block(gateway: Gateway) -> None:
    lab, hue, camera = gateway.lab, gateway.hue, gateway.camera
    gateway.apply((block("example.com"),), hue=DevicePolicy(destinations=(allow("example.com"),)))
    for device in (hue, camera):
        gateway.look_up(device, "example.com", lab.remote4, lab.remote4)
    assert reaches(hue, lab.remote4)
    assert not reaches(camera, lab.remote4)


def test_running_connections_to_a_newly_blocked_name_are_cut(gateway: Gateway) -> None:
    lab, hue = gateway.lab, gateway.hue
    gateway.looked_up = [(hue.mac, "ws.example.com", packed(remote)) for remote in (lab.remote4, lab.remote6)]
    streams = [Stream(lab, hue, remote) for remote in (lab.remote4, lab.remote6)]
    assert all(stream.flows() for stream in streams)
    gateway.apply(hue=DevicePolicy(destinations=(block("example.com"),)))
    assert nothing_passes(lab, 443)
    for stream in streams:
        stream.close()


def test_running_connections_into_a_newly_blocked_network_are_cut(gateway: Gateway) -> None:
    lab, hue = gateway.lab, gateway.hue
    stream = Stream(lab, hue, lab.remote6)
    assert stream.flows()
    list(gateway.source.read(time.time()))
    gateway.apply((network("block", "2001:db8:ff::/48"),))
    assert nothing_passes(lab, 443)
    stream.close()


def test_what_a_blocked_remote_opens_is_cut_from_its_first_packet_on(gateway: Gateway) -> None:
    """The first packet cannot be known: the firewall learns of it from the source."""
    lab, hue = gateway.lab, gateway.hue
    sink = hue.socket(socket.AF_INET6, socket.SOCK_DGRAM, ("", 7000))
    sink.settimeout(0.2)
    gateway.apply(hue=DevicePolicy(destinations=(network("block", f"{lab.remote6}/128"),)))
    with lab.wan.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        gateway.table.commit([])
        gateway.firewall.contacted(packed(hue.ipv6), packed(lab.remote6))
        probe.sendto(b"x", (hue.ipv6, 7000))
        with pytest.raises(TimeoutError):
            sink.recv(10)
        gateway.apply(camera=DevicePolicy(destinations=(network("block", f"{lab.remote6}/128"),)))
        probe.sendto(b"y", (hue.ipv6, 7000))
        assert sink.recv(10) == b"y"
    sink.close()


def test_a_passing_packet_opens_the_way_back(gateway: Gateway) -> None:
    """When a name's address is no longer blocked, or a block has ended, nothing stays cut off."""
    lab, hue = gateway.lab, gateway.hue
    until = time.time() + 0.6
    gateway.apply(hue=DevicePolicy(destinations=(block("example.com", until),)))
    gateway.look_up(hue, "example.com", lab.remote4)
    assert not reaches(hue, lab.remote4)
    assert lab.remote4 in lab.gateway.run("nft", "list", "set", "inet", "spin", "cut4")
    time.sleep(max(until - time.time(), 0) + 0.05)
    assert reaches(hue, lab.remote4)
    assert lab.remote4 not in lab.gateway.run("nft", "list", "set", "inet", "spin", "cut4")


def test_who_waits_as_long_as_any_real_path_takes_gets_nothing_through(gateway: Gateway) -> None:
    """100 fresh names with fresh addresses, IPv4 and IPv6; the first payload comes 10 ms after the answer.

    Where others use this machine so much that the agent does not get a turn for that long, it is tried again.
    """
    lab, hue = gateway.lab, gateway.hue
    assert 0 in (first_payloads(gateway, 0.01, attempt) for attempt in range(4))
    assert reaches(gateway.camera, lab.remote4)
    assert len(gateway.firewall.resolved()) % 100 == 0
    assert {entry.mac for entry in gateway.firewall.resolved()} == {hue.mac}


def test_what_gets_through_without_any_delay(gateway: Gateway) -> None:
    """Not promised to be nothing: the packet may overtake the answer's copy to the agent."""
    through = first_payloads(gateway, 0.0)
    assert through < 100


def first_payloads(gateway: Gateway, delay: float, attempt: int = 0) -> int:
    """Return how many of 100 payloads, one to each fresh address after its answer, reached the Internet."""
    lab, hue = gateway.lab, gateway.hue
    lab.wan.ip("route", "replace", "local", "198.18.0.0/15", "dev", "lo")
    lab.wan.ip("-6", "route", "replace", "local", "2001:db8:ff:1::/64", "dev", "lo")
    sink = lab.wan.socket(socket.AF_INET6, socket.SOCK_DGRAM, ("", 9000))
    sink.setblocking(False)
    gateway.apply(hue=DevicePolicy(destinations=(block("tracker.example"),)))
    resolver = lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53))
    client = hue.socket(socket.AF_INET, socket.SOCK_DGRAM)
    senders = {
        4: hue.socket(socket.AF_INET, socket.SOCK_DGRAM),
        6: hue.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    }
    for number in range(100):
        version = 4 if number % 2 else 6
        address = f"198.18.{attempt}.{number}" if version == 4 else f"2001:db8:ff:1::{attempt:x}:{number:x}"
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        resolver.sendto(dns_answer(f"n{attempt}-{number}.tracker.example", packed(address)), peer)
        client.recv(4096)
        time.sleep(delay)
        try:
            senders[version].sendto(b"payload", (address, 9000))
        except PermissionError:
            senders[version].sendto(b"payload", (address, 9000))
        time.sleep(0.002)
    time.sleep(0.05)
    through = 0
    try:
        while sink.recv(100):
            through += 1
    except BlockingIOError:
        pass
    for one in (sink, resolver, client, *senders.values()):
        one.close()
    return through


def test_the_rule_is_in_force_5_ms_after_the_answer(gateway: Gateway) -> None:
    """While the same process reads thousands of elements and writes JSON, far more often than it will."""
    lab = gateway.lab
    lab.wan.ip("route", "add", "blackhole", "198.18.0.0/15")
    with gateway.camera.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
        for number in range(4000):
            scanner.sendto(b"x", (f"198.18.{number >> 8}.{number & 255}", 5000))
    gateway.apply((block("tracker.example"),))
    stop = threading.Event()

    def busy() -> None:
        message = {str(number): [number] * 8 for number in range(1500)}  # about the longest
        while not stop.is_set():
            for _ in gateway.source.read(time.time()):
                pass
            json.dumps(message)
            time.sleep(0.02)

    load = threading.Thread(target=busy)
    load.start()
    resolver = lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53))
    client = gateway.hue.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(b"?", (f"{LAN4}.1", 53))
    _, peer = resolver.recvfrom(100)

    def ninety_ninth_percentile(numbers: range) -> float:
        milliseconds = []
        for number in numbers:
            name = f"n{number}.tracker.example"
            message = dns_answer(name, (0x0A000000 + number).to_bytes(4, "big"))
            began = time.perf_counter()
            resolver.sendto(message, peer)
            end = began + 5
            while name not in gateway.answered_at:
                assert time.perf_counter() < end
                time.sleep(0.0005)
            milliseconds.append((gateway.answered_at[name] - began) * 1000)
        return sorted(milliseconds)[len(milliseconds) * 99 // 100]

    # The best of three: others use this machine too.
    in_time = any(ninety_ninth_percentile(range(first, first + 500)) <= 5 for first in (0, 500, 1000))
    stop.set()
    load.join()
    resolver.close()
    client.close()
    assert in_time
    for number in (0, 499):
        element = f"{gateway.hue.mac} . 10.0.{number >> 8}.{number & 255}"
        assert element in lab.gateway.run("nft", "list", "set", "inet", "spin", "everyone_block4")


def test_an_address_whose_owner_becomes_known_later_is_blocked_then(gateway: Gateway) -> None:
    gateway.apply((block("example.com"),))
    answer = Answer(
        packed(gateway.hue.ipv4), "example.com", (packed(gateway.lab.remote4),), 60, True, time.time()
    )
    gateway.firewall.answered(None, answer)
    assert reaches(gateway.hue, gateway.lab.remote4)
    gateway.firewall.learned(gateway.hue.mac, answer.lan)
    assert not reaches(gateway.hue, gateway.lab.remote4)


def test_trying_on_keeps_an_address_blocked(gateway: Gateway) -> None:
    hue, remote = gateway.hue, packed(gateway.lab.remote4)
    now = time.time()
    gateway.firewall.restore([Resolved(hue.mac, "www.example.com", remote, now + 100)])
    gateway.apply((block("example.com"),))
    gateway.firewall.attempted(packed(hue.ipv4), remote, now)
    (entry,) = gateway.firewall.resolved()
    assert entry.until > now + 80_000
    listed = gateway.lab.gateway.run("nft", "list", "set", "inet", "spin", "everyone_block4")
    assert "timeout 23h59m" in listed or "timeout 1d" in listed


def test_what_was_resolved_outlives_the_agent(gateway: Gateway) -> None:
    """By what it wrote to disk, and after kill -9 by what the kernel still has."""
    lab, hue = gateway.lab, gateway.hue
    gateway.apply((block("example.com"),))
    gateway.look_up(hue, "www.example.com", lab.remote4)
    gateway.stop()
    assert not reaches(hue, lab.remote4)
    gateway.start()
    gateway.firewall.restore([])
    gateway.apply((block("example.com"),))
    assert not reaches(hue, lab.remote4)
    (entry,) = gateway.firewall.resolved()
    assert (entry.mac, entry.name, entry.address) == (hue.mac, "www.example.com", packed(lab.remote4))
    written = gateway.firewall.resolved()
    gateway.stop()
    lab.gateway.run("nft", "delete", "table", "inet", "spin")
    gateway.table.ensure(["br-lan"])
    gateway.start()
    gateway.firewall.restore(written)
    gateway.apply((block("example.com"),))
    assert not reaches(hue, lab.remote4)
    gateway.apply()
    assert reaches(hue, lab.remote4)


def test_an_earlier_run_s_block_holds_until_a_policy_is_applied(gateway: Gateway) -> None:
    gateway.apply(hue=DevicePolicy(blocked=True))
    gateway.stop()
    gateway.table.ensure(["br-lan"])
    gateway.start()
    assert not reaches(gateway.hue, gateway.lab.remote4)
    gateway.apply()
    assert reaches(gateway.hue, gateway.lab.remote4)
    assert "gate" not in gateway.chains()


@pytest.mark.parametrize("damage", ["flush ruleset", "flush table inet spin", "delete table inet spin"])
def test_blocks_are_back_after_a_flush(gateway: Gateway, damage: str) -> None:
    lab, hue = gateway.lab, gateway.hue
    gateway.apply((block("example.com"),), camera=DevicePolicy(blocked=True))
    gateway.look_up(hue, "example.com", lab.remote4)
    list(gateway.source.read(time.time()))
    nat = lab.gateway.run("nft", "list", "table", "ip", "nat")
    lab.gateway.run("nft", *damage.split())
    lab.gateway.run("nft", "-f", "-", stdin=f"table ip nat\ndelete table ip nat\n{nat}")
    time.sleep(0.1)
    assert gateway.table.intact()
    assert not reaches(gateway.camera, lab.remote4)
    assert not reaches(hue, lab.remote4)
    assert reaches(hue, lab.remote6)


def test_elements_taken_away_by_hand_are_put_back(gateway: Gateway) -> None:
    gateway.apply(hue=DevicePolicy(blocked=True))
    gateway.lab.gateway.run("nft", "flush", "set", "inet", "spin", "blocked_devices")
    time.sleep(0.1)
    assert not reaches(gateway.hue, gateway.lab.remote4)
    gateway.lab.gateway.run("nft", "-f", "-", stdin="flush chain inet spin gate\ndelete chain inet spin gate")
    time.sleep(0.1)
    assert not reaches(gateway.hue, gateway.lab.remote4)


def test_a_refused_policy_leaves_the_old_one_in_force(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.apply(hue=DevicePolicy(blocked=True))
    commit = gateway.table.commit

    def refusing(_requests: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gateway.table, "commit", refusing)
    with pytest.raises(FirewallError, match="No space left"):
        gateway.apply(camera=DevicePolicy(blocked=True))
    monkeypatch.setattr(gateway.table, "commit", commit)
    assert not reaches(gateway.hue, gateway.lab.remote4)
    assert reaches(gateway.camera, gateway.lab.remote4)
    gateway.apply(camera=DevicePolicy(blocked=True))
    assert reaches(gateway.hue, gateway.lab.remote4)
    assert not reaches(gateway.camera, gateway.lab.remote4)


def test_a_difference_that_does_not_fit_is_written_whole(gateway: Gateway) -> None:
    """An element that somebody took away cannot be deleted; the kernel still comes to hold what is wanted."""
    gateway.apply(hue=DevicePolicy(blocked=True), camera=DevicePolicy(blocked=True))
    with gateway.table.lock:  # the watch must wait
        gateway.lab.gateway.run("nft", "flush", "set", "inet", "spin", "blocked_devices")
        gateway.apply(camera=DevicePolicy(blocked=True))
    assert reaches(gateway.hue, gateway.lab.remote4)
    assert not reaches(gateway.camera, gateway.lab.remote4)


def test_the_same_policy_again_changes_nothing_in_the_kernel(gateway: Gateway) -> None:
    gateway.apply((block("example.com"), network("block", "10.0.0.0/8")), hue=DevicePolicy(blocked=True))
    gateway.look_up(gateway.hue, "example.com", "198.51.100.1")
    sent = []
    commit = gateway.table.commit
    gateway.table.commit = lambda requests: sent.extend(requests) or commit(requests)  # type: ignore[method-assign,func-returns-value]
    gateway.apply((block("example.com"), network("block", "10.0.0.0/8")), hue=DevicePolicy(blocked=True))
    assert [
        request for request in sent if request.kind != 0xA0C and b"hello_rate" not in request.body
    ] == []  # nothing but NEWSETELEM of what is cut, and that handshakes are read anew
    gateway.table.commit = commit  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", ["devices", "addresses", "names", "everyone's addresses"])
def test_ten_thousand_rules_in_one_transaction(gateway: Gateway, kind: str) -> None:
    hosts = [ipaddress.ip_network((0x0A000000 + number * 7, 32)) for number in range(10_000)]
    rules = tuple(Rule("block", network=host) for host in hosts)
    policies = {
        "devices": Policy(
            1, {f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}": DevicePolicy(blocked=True) for n in range(10_000)}
        ),
        "addresses": Policy(1, {gateway.hue.mac: DevicePolicy(destinations=rules)}),
        "names": Policy(1, {}, tuple(block(f"n{number}.example.com") for number in range(10_000))),
        "everyone's addresses": Policy(1, {}, rules),
    }
    milliseconds = [1000.0]
    while min(milliseconds) > 50 and len(milliseconds) < 20:  # a busy machine has slow moments
        gateway.firewall.apply(Policy(), time.time())
        began = time.perf_counter()
        gateway.firewall.apply(policies[kind], time.time())
        milliseconds.append((time.perf_counter() - began) * 1000)
    assert min(milliseconds) <= 500  # 50 ms on a quiet machine; here only that it is no matter of seconds
    if kind != "names":
        sets = {"devices": "blocked_devices", "addresses": "device_block4"}
        listed = gateway.table.elements(sets.get(kind, "everyone_block_hosts4"))
        assert len(listed) == 10_000
    began = time.perf_counter()
    gateway.lab.gateway.run("nft", "flush", "ruleset")
    end = time.monotonic() + 5
    while not gateway.watch.restored:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert gateway.table.intact()


def test_no_rules_no_gate(gateway: Gateway) -> None:
    gateway.apply()
    assert "gate" not in gateway.chains()
    gateway.apply((allow("example.com"),))
    assert "gate" in gateway.chains()
    gateway.apply()
    assert "gate" not in gateway.chains()
    outbound = gateway.lab.gateway.run("nft", "list", "chain", "inet", "spin", "outbound")
    assert "jump" not in outbound
    for level in LEVELS:
        assert f"chain {level} " in gateway.chains()


def test_a_hostile_device_cannot_fill_the_rules(gateway: Gateway) -> None:
    """10,000 addresses below a blocked name: the newest stay blocked, memory is bounded."""
    gateway.apply((block("evil.example"),))
    now = time.time()
    for number in range(10_000):
        address = (0x0B000000 + number).to_bytes(4, "big")
        answer = Answer(packed(gateway.hue.ipv4), f"n{number}.evil.example", (address,), 60, True, now)
        gateway.firewall.answered(gateway.hue.mac, answer)
    assert len(gateway.firewall.resolved()) == 2048
    gateway.apply((block("evil.example"),))
    elements = gateway.table.elements("everyone_block4")
    assert len(elements) == 2048
    assert (0x0B000000 + 9_999).to_bytes(4, "big") in {element.key[8:] for element in elements}

"""Server names out of real connections through the gateway: logged sparingly, read whole, blocked."""

import contextlib
import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from kernel_lab import LAN4, Device, Lab, dns_answer, needs_lab
from tls_hellos import extension, hello, names

from gateway_agent.firewall.firewall import Firewall
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.table import Table
from gateway_agent.ledger.ledger import Ledger
from gateway_agent.ledger.names import NameTable
from gateway_agent.model import Address, Answer, Mac, Observation, ServerName
from gateway_agent.sources.nftables import NftablesSource
from gateway_agent.wire.policy import DevicePolicy, Policy, Rule

pytestmark = needs_lab


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


class Gateway:
    """A lab whose gateway has all but the broker; `named` are the server names, in order."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.device = lab.devices[0]
        self.named: list[ServerName] = []
        self.table = Table()
        self.table.ensure(["br-lan"])
        network = ipaddress.ip_network(f"{LAN4}.0/24")
        self.ledger = Ledger(
            epoch="e",
            names=NameTable(),
            mac_of=self.mac,
            is_local=lambda one: ipaddress.ip_address(one) in network,
        )
        self.source = NftablesSource(self.table, self.observe)
        self.firewall = Firewall(
            self.table, lambda _: [packed(self.device.ipv4)], mac_of=self.mac, flows=self.source.pairs
        )
        self.firewall.on_names = lambda wanted: self.source.hurry(at_once=wanted)
        self.listener = Listener()
        self.source.attach(self.listener, self.urgent)
        self.listener.start()

    def close(self) -> None:
        """Stop."""
        self.listener.stop()
        self.source.close(time.time())
        self.table.close()

    def mac(self, address: Address) -> Mac | None:
        """Tell whose an address is."""
        known = {packed(one): self.device.mac for one in (self.device.ipv4, self.device.ipv6)}
        return known.get(address)

    def observe(self, observation: Observation) -> None:
        """Have the ledger take it."""
        if isinstance(observation, ServerName):
            self.named.append(observation)
        self.ledger.observe(observation)

    def urgent(self, name: Answer | ServerName) -> None:
        """Tell the firewall."""
        if isinstance(name, Answer):
            self.firewall.answered(self.device.mac, name)
        else:
            self.firewall.named(self.device.mac, name)

    def wait(self, condition: Callable[[], object], seconds: float = 5) -> None:
        """Deliver until it is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.005)
            self.source.deliver()

    def read(self) -> None:
        """Add to the ledger what the source tells."""
        for chunk in self.source.read(time.time()):
            for flow, traffic in chunk:
                self.ledger.add(flow, traffic)

    def rows(self) -> list[tuple[str | None, str | None, str, int, int]]:
        """Read the source and return what is told: name, its source, address, port, connections."""
        self.read()
        return [
            (row["name"], row["name_source"], row["address"], row["port"], row["connections"])
            for message in self.ledger.collect(0, time.time())
            if message.topic.endswith("/flows")
            for row in json.loads(message.payload)["destinations"]
        ]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Lab() as lab, lab.gateway.entered():
        made = Gateway(lab)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def connected(
    device: Device, lab: Lab, port: int = 443, remote: str | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a TCP connection."""
    remote = remote or lab.remote4
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with (
        lab.wan.socket(family, socket.SOCK_STREAM, ("", port)) as listener,
        device.socket(family, socket.SOCK_STREAM) as client,
    ):
        listener.listen()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect((remote, port))
        server, _ = listener.accept()
        server.settimeout(5)
        with server:
            yield client, server


HELLO = hello(names(b"Cloud.example"))


@pytest.mark.parametrize("port", [443, 8883])
@pytest.mark.parametrize("version", [4, 6])
def test_the_name_reaches_the_row(gateway: Gateway, version: int, port: int) -> None:
    lab = gateway.lab
    remote = lab.remote4 if version == 4 else lab.remote6
    with connected(gateway.device, lab, port, remote) as (client, server):
        client.sendall(HELLO)
        server.recv(4096)
        gateway.wait(lambda: gateway.named)
        assert gateway.rows() == [("cloud.example", "tls", remote, port, 1)]
    (name,) = gateway.named
    assert name[1:4] == (packed(remote), port, "cloud.example")
    assert name.at == pytest.approx(time.time(), abs=3)


def test_a_row_that_began_with_the_handshake_gets_the_name_too(gateway: Gateway) -> None:
    with connected(gateway.device, gateway.lab) as (client, server):
        gateway.wait(lambda: gateway.read() or gateway.ledger.rows)
        client.sendall(HELLO)
        server.recv(4096)
        gateway.wait(lambda: gateway.named)
        assert gateway.rows() == [("cloud.example", "tls", gateway.lab.remote4, 443, 1)]


def test_a_lookup_wins(gateway: Gateway) -> None:
    lab = gateway.lab
    with (
        lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
        gateway.device.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        resolver.sendto(dns_answer("asked.example", packed(lab.remote4)), peer)
        client.recv(4096)
    with connected(gateway.device, lab) as (sender, server):
        sender.sendall(HELLO)
        server.recv(4096)
        gateway.wait(lambda: gateway.named)
        rows = [row for row in gateway.rows() if row[3] == 443]
    assert rows == [("asked.example", "dns", lab.remote4, 443, 1)]


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_a_hello_in_pieces_is_read_whole(gateway: Gateway, pause: float) -> None:
    whole = hello(extension(51, bytes(2_500)), names(b"late.example"))
    with connected(gateway.device, gateway.lab) as (client, server):
        for start in range(0, len(whole), 900):
            client.sendall(whole[start : start + 900])
            server.recv(4096)
            time.sleep(pause)
        gateway.wait(lambda: gateway.named)
    assert [name.name for name in gateway.named] == ["late.example"]


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n",
        hello(names(b"outer.example"), extension(0xFE0D, bytes(64))),
        HELLO[:-1],
        b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff" + bytes(200),
        hello(names(b"a.example"), names(b"b.example")),
    ],
    ids=["http", "ech", "cut", "crafted", "two"],
)
def test_everything_else_stays_an_address(gateway: Gateway, said: bytes) -> None:
    lab = gateway.lab
    with connected(gateway.device, lab) as (client, server):
        client.sendall(said)
        server.recv(4096)
        time.sleep(0.5)
        assert gateway.rows() == [(None, None, lab.remote4, 443, 1)]
    assert gateway.named == []


def test_only_some_hellos_to_an_address_are_logged(gateway: Gateway) -> None:
    for _ in range(40):
        with connected(gateway.device, gateway.lab) as (client, server):
            client.sendall(HELLO)
            server.recv(4096)
    gateway.wait(lambda: gateway.named)
    time.sleep(0.5)
    gateway.source.deliver()
    assert len(gateway.named) == 4
    assert gateway.table.counter("unlogged")[0] == 0


def blocked(gateway: Gateway, client: socket.socket, server: socket.socket) -> bool:
    """Return whether nothing more gets through, either way."""
    for end in (client, server):
        with contextlib.suppress(OSError):
            end.sendall(b"more")
    for end in (client, server):
        end.settimeout(1)
        try:
            if end.recv(100):
                return False
        except OSError:
            continue
    return gateway.device.name != ""


@pytest.mark.parametrize("wide", [False, True])
def test_a_blocked_name_is_cut_from_its_hello_on(gateway: Gateway, wide: bool) -> None:
    rule = Rule("block", name="example" if wide else "cloud.example")
    mac = gateway.device.mac
    policy = Policy(1, {}, (rule,)) if wide else Policy(1, {mac: DevicePolicy(destinations=(rule,))}, ())
    gateway.firewall.apply(policy, time.time())
    with connected(gateway.device, gateway.lab) as (client, server):
        client.sendall(HELLO)
        gateway.wait(lambda: gateway.named)
        with contextlib.suppress(OSError):
            server.recv(4096)
        assert blocked(gateway, client, server)
    with pytest.raises(OSError):  # noqa: PT011 (refused in whichever way)
        gateway.device.socket(socket.AF_INET, socket.SOCK_STREAM).connect((gateway.lab.remote4, 443))


def test_an_address_that_is_used_all_the_time_is_looked_at_again_for_a_new_rule(gateway: Gateway) -> None:
    for _ in range(8):
        with connected(gateway.device, gateway.lab) as (client, server):
            client.sendall(HELLO)
            server.recv(4096)
    gateway.wait(lambda: len(gateway.named) == 4)
    rule = Rule("block", name="cloud.example")
    gateway.firewall.apply(Policy(1, {}, (rule,)), time.time())
    with connected(gateway.device, gateway.lab) as (client, server):
        client.sendall(HELLO)
        gateway.wait(lambda: len(gateway.named) == 5)
        with contextlib.suppress(OSError):
            server.recv(4096)
        assert blocked(gateway, client, server)


def test_another_name_and_an_exception_pass(gateway: Gateway) -> None:
    rules = (Rule("block", name="example"), Rule("block", name="evil.test"))
    exception = DevicePolicy(destinations=(Rule("allow", name="cloud.example"),))
    gateway.firewall.apply(Policy(1, {gateway.device.mac: exception}, rules), time.time())
    with connected(gateway.device, gateway.lab) as (client, server):
        client.sendall(HELLO)
        gateway.wait(lambda: gateway.named)
        assert server.recv(4096) == HELLO
        client.sendall(b"more")
        assert server.recv(4096) == b"more"


def test_a_device_cannot_allow_itself_an_address_by_a_name(gateway: Gateway) -> None:
    allow = DevicePolicy(destinations=(Rule("allow", name="cloud.example"),))
    everything = Rule("block", network=ipaddress.ip_network("0.0.0.0/0"))
    with connected(gateway.device, gateway.lab) as (client, server):
        client.sendall(HELLO)
        server.recv(4096)
        gateway.wait(lambda: gateway.named)
        gateway.firewall.apply(Policy(1, {gateway.device.mac: allow}, (everything,)), time.time())
        assert blocked(gateway, client, server)

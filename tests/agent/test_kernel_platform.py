"""The gateway as the agent's platform: LAN and neighbours are found, changes noticed, faults named."""

import asyncio
import ipaddress
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from kernel_lab import LAN4, LAN6, WAN4, Device, Lab, dns_answer, needs_lab

from gateway_agent import config as configuration
from gateway_agent.config import Config, LanOverride
from gateway_agent.firewall.elements import pair_key
from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.interfaces import find_lan
from gateway_agent.kernel.neighbours import Neighbours
from gateway_agent.kernel.nflog import PATIENT_SECONDS
from gateway_agent.kernel_platform import KernelPlatform
from gateway_agent.model import Answer, FirstContact, Neighbour, Observation
from gateway_agent.platform import PlatformError
from gateway_agent.wire.policy import DevicePolicy, Policy, Rule

pytestmark = needs_lab


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built, built.gateway.entered():
        yield built


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(
        configuration.parse("", tmp_path / "none.toml"), state_directory=tmp_path, runtime_directory=tmp_path
    )


def test_the_lan_is_what_no_default_route_leads_to(lab: Lab) -> None:
    lan = find_lan()
    assert lan.interfaces == ("br-lan",)
    assert [str(network) for network in lan.networks] == [f"{LAN4}.0/24", f"{LAN6}:/64"]
    assert {
        packed(f"{LAN4}.1"),
        packed(f"{LAN6}:1"),
        packed(f"{WAN4}.1"),
        packed("127.0.0.1"),
    } <= lan.own_addresses
    assert lan.next_hops == {packed(lab.remote4), packed(lab.remote6)}
    assert (
        len(lan.own_macs) == 3 + 1 - 1
    )  # wan0 and the bridge's ports, one of which lends the bridge its own


def test_containers_and_tunnels_are_no_lan(lab: Lab) -> None:
    gateway = lab.gateway
    for number, name in enumerate(("docker0", "br-0123456789ab", "virbr0", "br-iot")):
        gateway.ip("link", "add", name, "type", "bridge")
        gateway.ip("address", "add", f"10.9.{number}.1/24", "dev", name)
        gateway.ip("link", "set", name, "up")
    gateway.ip("link", "add", "br-idle", "type", "bridge")
    gateway.ip("link", "set", "br-idle", "up")
    assert find_lan().interfaces == ("br-iot", "br-lan")
    gateway.ip("link", "set", "br-iot", "down")
    assert find_lan().interfaces == ("br-lan",)
    assert find_lan(["br-iot"]).networks == (ipaddress.ip_network("10.9.3.0/24"),)
    given_networks = (ipaddress.ip_network("10.0.0.0/8"),)
    assert find_lan(["br-iot"], given_networks).networks == given_networks


def test_every_next_hop_of_a_default_route_is_outside(lab: Lab) -> None:
    gateway = lab.gateway
    gateway.ip("link", "add", "lte0", "type", "bridge")
    gateway.ip("address", "add", "10.8.0.2/24", "dev", "lte0")
    gateway.ip("link", "set", "lte0", "up")
    assert find_lan().interfaces == ("br-lan", "lte0")
    gateway.ip("route", "del", "default")
    gateway.ip(
        *("route", "add", "default", "nexthop", "via", lab.remote4, "dev", "wan0"),
        *("nexthop", "via", "10.8.0.1", "dev", "lte0"),
    )
    lan = find_lan()
    assert lan.interfaces == ("br-lan",)
    assert packed("10.8.0.1") in lan.next_hops
    gateway.ip("route", "del", "default")
    gateway.ip("route", "add", "default", "via", "10.8.0.1", "table", "100")
    assert "lte0" not in find_lan().interfaces


def test_the_kernel_is_asked(lab: Lab) -> None:
    device = lab.devices[0]
    device.run("ping", "-c", "1", f"{LAN4}.1")
    lab.gateway.run("ping", "-c", "1", lab.remote4)
    neighbours = Neighbours(find_lan())
    assert neighbours.mac_of(packed(device.ipv4)) == device.mac
    assert neighbours.mac_of(packed(lab.remote4)) is None  # not on the LAN
    neighbours.close()


def test_unknown_addresses_do_not_make_the_kernel_busy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.gateway.name
    asked = []
    original = rtnetlink.neighbour
    monkeypatch.setattr(rtnetlink, "neighbour", lambda *which: asked.append(1) or original(*which))
    neighbours = Neighbours(find_lan())
    for number in range(1000):
        assert neighbours.mac_of((0x0A000000 + number).to_bytes(4, "big")) is None
    assert 0 < len(asked) <= 500
    neighbours.close()


class Running:
    """A platform that delivers into the running loop."""

    def __init__(self, config: Config) -> None:
        self.observed: list[Observation] = []
        self.platform = KernelPlatform(config, self.observed.append)

    def __enter__(self) -> Self:
        """Begin."""
        self.platform.attach()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop in order."""
        self.platform.close(time.time())

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait while the loop runs."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 (it is the kernel that is waited for)
                await asyncio.sleep(0.005)

    def of(self, kind: type) -> list[Observation]:
        """Return the observations of one kind."""
        return [one for one in self.observed if isinstance(one, kind)]


async def test_names_contacts_and_blocks_meet(lab: Lab, config: Config) -> None:
    hue = lab.devices[0]
    hue.run("ping", "-c", "1", f"{LAN4}.1")
    with Running(config) as running:
        platform, firewall = running.platform, running.platform.firewall
        assert firewall is not None
        assert platform.capabilities == ["block", "names", "connections", "empty", "requests", "capture"]
        assert platform.problems(time.time()) == []
        assert Neighbour(hue.mac, packed(hue.ipv4), 0) in [
            replace(one, at=0) for one in running.of(Neighbour) if isinstance(one, Neighbour)
        ]
        firewall.apply(Policy(1, {}, (Rule("block", name="example.com"),)), time.time())
        with (
            lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
            hue.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.sendto(b"?", (f"{LAN4}.1", 53))
            _, peer = resolver.recvfrom(100)
            resolver.sendto(dns_answer("www.example.com", packed(lab.remote4)), peer)
            client.recv(1000)
        await running.until(lambda: running.of(Answer))
        hue.run("ping", "-c", "2", "-i", "0.2", "-W", "1", lab.remote4, check=False)
        hue.run("ping", "-c", "1", lab.remote6)
        await running.until(lambda: running.of(FirstContact))
        told = {}
        for later in (0.0, 1.0):
            for chunk in platform.source.read(time.time() + later):
                told.update({flow.remote: traffic for flow, traffic in chunk})
        assert told[packed(lab.remote4)].blocked == 2
        assert told[packed(lab.remote6)].sent_packets == 1
        assert platform.mac_of(packed(hue.ipv6)) == hue.mac


BLOCK = Policy(1, {}, (Rule("block", name="example.com"),))


def look_up(lab: Lab, device: Device, name: str, address: str, source: str = "") -> None:
    """Have the device ask the gateway's resolver; return when it has the answer."""
    with (
        lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM, (f"{LAN4}.1", 53)) as resolver,
        device.socket(socket.AF_INET, socket.SOCK_DGRAM, (source or device.ipv4, 0)) as client,
    ):
        client.sendto(b"?", (f"{LAN4}.1", 53))
        _, peer = resolver.recvfrom(100)
        resolver.sendto(dns_answer(name, packed(address)), peer)
        client.recv(1000)


def refused(running: Running, device: Device, address: str) -> bool:
    """Whether the kernel holds the pair that blocks the address for the device."""
    key = pair_key(device.mac, packed(address))
    return key in {element.key for element in running.platform._table.elements("everyone_block4")}


async def test_the_first_lookup_of_a_device_nobody_knew_is_under_the_rule(lab: Lab, config: Config) -> None:
    hue = lab.devices[0]
    lab.gateway.ip("neigh", "flush", "dev", "br-lan")
    with Running(config) as running:
        platform, firewall = running.platform, running.platform.firewall
        assert firewall is not None
        firewall.apply(BLOCK, time.time())
        assert platform.mac_of(packed(f"{LAN4}.200")) is None  # the kernel was asked just now
        look_up(lab, hue, "a.example.com", "203.0.113.50")
        await running.until(lambda: refused(running, hue, "203.0.113.50"))


async def test_an_answer_that_goes_out_before_its_reader_is_known(lab: Lab, config: Config) -> None:
    """The device never asked who the gateway is, so the gateway asks who the device is, with the answer."""
    hue = lab.devices[0]
    link = json.loads(lab.gateway.run("ip", "-j", "link", "show", "br-lan"))[0]["address"]
    hue.ip("address", "add", f"{LAN4}.99/24", "dev", "eth0")
    hue.ip("neigh", "replace", f"{LAN4}.1", "lladdr", link, "nud", "permanent", "dev", "eth0")
    with Running(config) as running:
        firewall = running.platform.firewall
        assert firewall is not None
        firewall.apply(BLOCK, time.time())
        assert running.platform.mac_of(packed(f"{LAN4}.99")) is None
        look_up(lab, hue, "a.example.com", "203.0.113.50", f"{LAN4}.99")
        await running.until(lambda: refused(running, hue, "203.0.113.50"))
        await running.until(
            lambda: (
                any(
                    isinstance(one, Neighbour) and one.address == packed(f"{LAN4}.99")
                    for one in running.observed
                )
                or running.platform.refresh(time.time())
            )
        )


async def test_what_was_resolved_just_before_the_first_name_rule_is_settled(lab: Lab, config: Config) -> None:
    hue = lab.devices[0]
    hue.run("ping", "-c", "1", f"{LAN4}.1")
    with Running(config) as running:
        platform, firewall = running.platform, running.platform.firewall
        assert firewall is not None
        firewall.lookups = lambda: [
            (hue.mac, one.name, address)
            for one in running.observed
            if isinstance(one, Answer)
            for address in one.addresses
        ]
        for number in range(5):
            look_up(lab, hue, f"n{number}.example.com", f"203.0.113.{50 + number}")
            firewall.apply(BLOCK, time.time())
            await platform.settle()
            assert refused(running, hue, f"203.0.113.{50 + number}")
            firewall.apply(Policy(2), time.time())


async def test_answers_come_at_once_after_a_start_with_stored_rules(lab: Lab, config: Config) -> None:
    hue = lab.devices[0]
    hue.run("ping", "-c", "1", f"{LAN4}.1")
    made = Running(config)
    assert made.platform.firewall is not None
    made.platform.firewall.apply(BLOCK, time.time())
    quickest = 9.0
    with made as running:
        for number in range(5):
            look_up(lab, hue, f"n{number}.example.com", f"203.0.113.{50 + number}")
            began = time.monotonic()
            await running.until(lambda number=number: refused(running, hue, f"203.0.113.{50 + number}"))
            quickest = min(quickest, time.monotonic() - began)
    assert quickest < PATIENT_SECONDS / 2


async def test_what_is_local_and_what_is_ours(lab: Lab, config: Config) -> None:
    with Running(config) as running:
        platform = running.platform
        local = (
            f"{LAN4}.7",
            f"{LAN6}:99",
            "224.0.0.251",
            "ff02::fb",
            "255.255.255.255",
            f"{WAN4}.1",
            "fe80::1",
            "::",
        )
        assert all(platform.is_local(packed(address)) for address in local)
        assert not any(
            platform.is_local(packed(address)) for address in (lab.remote4, lab.remote6, "10.1.1.1")
        )
        own = lab.gateway.run("cat", "/sys/class/net/br-lan/address").strip()
        assert platform.is_own(own)
        assert not platform.is_own(lab.devices[0].mac)


async def test_a_lan_that_changes_is_noticed(lab: Lab, config: Config) -> None:
    gateway = lab.gateway
    with Running(config) as running:
        gateway.ip("link", "add", "br-iot", "type", "bridge")
        gateway.ip("address", "add", "10.9.9.1/24", "dev", "br-iot")
        gateway.ip("link", "set", "br-iot", "up")
        await running.until(lambda: "br-iot" in gateway.run("nft", "list", "set", "inet", "spin", "lan"))
        assert running.platform.is_local(packed("10.9.9.77"))
        gateway.ip("address", "add", "10.9.10.1/24", "dev", "br-iot")
        await running.until(lambda: running.platform.is_local(packed("10.9.10.77")))
        # The line to the Internet is down: that makes wan0 no LAN, nor the LAN something else.
        gateway.ip("route", "del", "default")
        gateway.ip("-6", "route", "del", "default")
        await asyncio.sleep(0.1)
        assert running.platform.problems(time.time()) == []
        gateway.ip("link", "del", "br-iot")
        gateway.ip("route", "add", "default", "via", lab.remote4)
        await running.until(lambda: "br-iot" not in gateway.run("nft", "list", "set", "inet", "spin", "lan"))
        assert "br-lan" in gateway.run("nft", "list", "set", "inet", "spin", "lan")


async def test_blocks_hold_before_the_lan_is_known(lab: Lab, config: Config) -> None:
    """At boot the Internet comes up late: until then nobody can tell the LAN, but MACs are cut off."""
    hue = lab.devices[0]
    lab.gateway.ip("route", "del", "default")
    lab.gateway.ip("-6", "route", "del", "default")
    with Running(config) as running:
        (problem,) = running.platform.problems(time.time())
        assert problem.code == "no_lan"
        assert running.platform.firewall is not None
        running.platform.firewall.apply(Policy(1, {hue.mac: DevicePolicy(blocked=True)}), time.time())
        assert "1 received" not in hue.run("ping", "-c", "1", "-W", "1", lab.remote4, check=False)
        lab.gateway.ip("route", "add", "default", "via", lab.remote4)
        await running.until(lambda: not running.platform.problems(time.time()))
        assert "1 received" not in hue.run("ping", "-c", "1", "-W", "1", lab.remote4, check=False)
        assert "1 received" in hue.run("ping", "-c", "1", "-W", "1", lab.devices[1].ipv4, check=False)


async def test_faults_are_named_with_a_remedy(lab: Lab, config: Config) -> None:
    with Running(config) as running:
        lab.gateway.sysctl("netfilter/nf_conntrack_acct", 0)
        filler = ", ".join(f"10.0.{n >> 8}.{n & 255} . 10.0.0.1 . 17 . 1" for n in range(65_535))
        lab.gateway.run("nft", "-f", "-", stdin=f"add element inet spin sent4 {{ {filler} }}")
        lab.devices[0].run("ping", "-c", "1", lab.remote4)
        problems = {problem.code: problem.text for problem in running.platform.problems(time.time())}
        assert "sysctl -w" in problems["accounting_off"]
        assert problems["overflow"].startswith("84 bytes")


async def test_two_agents_on_one_gateway_are_told(lab: Lab, config: Config) -> None:
    assert lab.gateway.name
    with Running(config):
        second = Running(config)
        with pytest.raises(PlatformError, match="runs twice"):
            second.platform.attach()
        second.platform.close(time.time())


async def test_a_stop_and_a_start_lose_nothing(lab: Lab, config: Config) -> None:
    hue = lab.devices[0]
    sent = 0
    for _ in range(3):
        with Running(config) as running:
            hue.run("ping", "-c", "2", "-i", "0.01", lab.remote4)
            for later in (0.0, 1.0):
                for chunk in running.platform.source.read(time.time() + later):
                    sent += sum(one.sent_packets for flow, one in chunk if flow.remote == packed(lab.remote4))
        hue.run("ping", "-c", "1", lab.remote4)
    assert sent == 8


def test_without_the_right_the_remedy_is_named(lab: Lab) -> None:
    code = (
        "import ctypes\n"
        "from pathlib import Path\n"
        "from gateway_agent import config\n"
        "from gateway_agent.kernel_platform import KernelPlatform\n"
        "from gateway_agent.platform import PlatformError\n"
        "header = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
        "ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())\n"
        "try: KernelPlatform(config.parse('', Path('none.toml')), print)\n"
        "except PlatformError as error: print(error)\n"
    )
    assert "CAP_NET_ADMIN" in lab.gateway.run(sys.executable, "-c", code)


async def test_an_override_is_taken_as_it_is(lab: Lab, config: Config) -> None:
    override = LanOverride(("br-lan", "wlan7"), (ipaddress.ip_network("10.0.0.0/8"),))
    with Running(replace(config, lan=override)) as running:
        assert "wlan7" in lab.gateway.run("nft", "list", "set", "inet", "spin", "lan")
        assert running.platform.is_local(packed("10.1.2.3"))
        assert not running.platform.is_local(packed(f"{LAN4}.7"))

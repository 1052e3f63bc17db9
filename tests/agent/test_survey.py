"""Who is who in a capture: LAN, devices, routers."""

import ipaddress
import struct

import framing
import pytest
from framing import BROADCAST, DEVICE, OTHER, ROUTER, SYN, address, mac_text
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.decode.packet import LINK_TYPES, OUTGOING, TO_HOST
from gateway_agent.sources.survey import Survey
from gateway_agent.topology import Networks, Topology, is_group, made_up_mac

LAN4, OTHER4, GATEWAY4, NET4 = "192.168.8.20", "192.168.8.21", "192.168.8.1", "198.51.100.7"
LAN6, GATEWAY6, NET6 = "2001:db8:8::20", "2001:db8:8::1", "2001:db8:ffff::9"
LINK6 = "fe80::217:88ff:fe00:1"


def survey(*frames: bytes, lan: tuple[str, ...] = (), link_type: int = framing.ETHERNET) -> Topology | None:
    result = Survey([ipaddress.ip_network(text) for text in lan])
    for frame in frames:
        result.add((1.0, link_type, frame, len(frame)))
    return result.topology()


def found(*frames: bytes, lan: tuple[str, ...] = (), link_type: int = framing.ETHERNET) -> Topology:
    topology = survey(*frames, lan=lan, link_type=link_type)
    assert topology is not None
    return topology


def syn(source: str, destination: str) -> bytes:
    return framing.ip(source, destination, 6, framing.tcp(40000, 443, SYN))


def sent(source: str = LAN4, destination: str = NET4, *, mac: bytes = DEVICE, to: bytes = ROUTER) -> bytes:
    return framing.ethernet(mac, to, syn(source, destination))


def discovery(kind: int, body: bytes, source: str, *, mac: bytes, destination: str = "ff02::1") -> bytes:
    return framing.ethernet(
        mac, BROADCAST, framing.ipv6(source, destination, 58, bytes([kind, 0, 0, 0]) + body)
    )


def advertisement(prefix: str, length: int = 64) -> bytes:
    option = b"\x03\x04" + bytes([length, 0xC0]) + bytes(12) + address(prefix)
    return discovery(134, bytes(12) + b"\x01\x01" + bytes(6) + option, "fe80::1", mac=ROUTER)


def roles(topology: Topology) -> tuple[set[bytes], set[bytes]]:
    return set(topology.devices), set(topology.routers)


@pytest.mark.parametrize(
    "frames",
    [
        [sent()],
        [sent(NET4, LAN4, mac=ROUTER, to=DEVICE), sent(LAN4, OTHER4, to=OTHER)],
        [sent(LAN4, NET4), sent(GATEWAY4, LAN4, mac=ROUTER, to=DEVICE)],
        [sent(LAN4, OTHER4, to=OTHER), advertisement("2001:db8:8::")],
    ],
)
def test_a_router_forwards_or_brings_or_advertises(frames: list[bytes]) -> None:
    devices, routers = roles(found(*frames))
    assert DEVICE in devices
    assert routers == {ROUTER}
    assert ROUTER not in devices


def test_a_router_by_the_flag_of_its_neighbour_advertisement() -> None:
    body = b"\xc0\0\0\0" + address("fe80::1")
    frames = [discovery(136, body, "fe80::1", mac=ROUTER), sent(LAN4, OTHER4, to=OTHER)]
    assert set(found(*frames).routers) == {ROUTER}


def dhcp_offer(router: str, mac: bytes = ROUTER, *, mask: str = "255.255.255.0", your: str = LAN4) -> bytes:
    options = [(53, b"\2"), (1, address(mask)), (3, address(router))]
    message = framing.dhcp(2, DEVICE, options, your=your)
    return framing.ethernet(mac, DEVICE, framing.ip(GATEWAY4, your, 17, framing.udp(67, 68, message)))


def test_a_router_that_dhcp_names() -> None:
    assert set(found(dhcp_offer(GATEWAY4), sent(LAN4, OTHER4, to=OTHER)).routers) == {ROUTER}


def test_a_dhcp_server_that_names_another_router_is_a_device() -> None:
    topology = found(dhcp_offer("192.168.8.254", OTHER), framing.arp(ROUTER, "192.168.8.254", LAN4))
    assert roles(topology) == ({OTHER}, {ROUTER})


def dns_reply(source: str = GATEWAY4, mac: bytes = ROUTER) -> bytes:
    message = framing.dns_addresses("a.example", NET4)
    return framing.ethernet(mac, DEVICE, framing.ip(source, LAN4, 17, framing.udp(53, 5000, message)))


def test_a_resolver_is_taken_for_the_gateway_where_no_better_sign_is() -> None:
    assert roles(found(dns_reply(), sent(LAN4, OTHER4, to=OTHER))) == ({DEVICE}, {ROUTER})


def test_a_resolver_beside_the_gateway_is_a_device() -> None:
    assert roles(found(dns_reply(OTHER4, OTHER), sent())) == ({DEVICE, OTHER}, {ROUTER})


def test_who_sends_through_a_router_is_a_device_whatever_it_makes_up() -> None:
    frames = [sent(), sent("203.0.113.5", OTHER4, to=OTHER), sent(OTHER4, LAN4, mac=OTHER, to=DEVICE)]
    frames += [sent(f"203.0.113.{number}", NET4) for number in range(200)]
    assert roles(found(*frames)) == ({DEVICE, OTHER}, {ROUTER})


def test_only_public_addresses() -> None:
    frames = [sent("203.0.113.5", NET4), sent(NET4, "203.0.113.5", mac=ROUTER, to=DEVICE)]
    assert survey(*frames) is None
    assert roles(found(*frames, lan=("203.0.113.0/24",))) == ({DEVICE}, {ROUTER})


def test_a_public_lan_that_dhcp_announces() -> None:
    frames = [sent("203.0.113.5", NET4), dhcp_offer("203.0.113.1", your="203.0.113.5")]
    topology = found(*frames)
    assert DEVICE in topology.devices
    assert address("203.0.113.99") in topology.networks
    assert address(NET4) not in topology.networks


def test_given_networks_replace_the_private_ones() -> None:
    topology = found(sent(), lan=("192.168.8.0/24",))
    assert address("10.0.0.1") not in topology.networks
    assert not topology.is_local(address("10.0.0.1"))
    assert topology.is_local(address("fd00::1")), "of the other family the private ones count still"


# IPv6 addresses that anybody may use.


def test_an_announced_prefix() -> None:
    topology = found(advertisement("2001:db8:8::"), sent(LAN6, NET6))
    assert roles(topology) == ({DEVICE}, {ROUTER})
    assert topology.is_local(address("2001:db8:8::99"))
    assert not topology.is_local(address(NET6))


def test_a_prefix_that_is_too_wide_to_be_a_lan() -> None:
    assert not found(advertisement("2001::", 16), sent()).is_local(address(NET6))


def test_a_neighbour_that_is_looked_for() -> None:
    """A neighbour solicitation is never forwarded: its target is on this link."""
    frames = [discovery(135, bytes(4) + address(LAN6), "fe80::1", mac=ROUTER), sent(LAN6, NET6)]
    assert roles(found(*frames)) == ({DEVICE}, {ROUTER})


def test_a_global_address_of_a_device_known_by_ipv4() -> None:
    frames = [sent(), sent(LAN6, NET6), sent(NET6, LAN6, mac=ROUTER, to=DEVICE)]
    topology = found(*frames)
    assert roles(topology) == ({DEVICE}, {ROUTER})
    assert topology.is_local(address(LAN6))
    assert not topology.is_local(address(NET6))


def test_a_global_address_made_from_the_mac_address() -> None:
    own = "2001:db8:8::217:88ff:fe00:1"
    frames = [sent(own, NET6), sent(NET6, own, mac=ROUTER, to=DEVICE)]
    assert roles(found(*frames)) == ({DEVICE}, {ROUTER})


def test_made_up_ipv6_sources_make_no_lan() -> None:
    frames = [sent()] + [sent(f"2001:db8:{number:x}::1", NET6) for number in range(100, 200)]
    assert not found(*frames).is_local(address("2001:db8:64::1"))


def test_link_local_traffic_makes_nobody_a_router() -> None:
    """Before the prefix is known, a global address beside a link-local one looks like the Internet."""
    frames = [
        sent(LAN6, "fe80::1"),
        sent("fe80::1", LAN6, mac=ROUTER, to=DEVICE),
        sent(LINK6, "fe80::1"),
        sent(),
    ]
    assert roles(found(*frames)) == ({DEVICE}, {ROUTER})


# Without MAC addresses.


def test_raw_packets() -> None:
    frames = [syn(LAN4, NET4), syn(NET4, LAN4), syn(LAN4, OTHER4)]
    topology = found(*frames, link_type=framing.RAW)
    assert set(topology.hosts) == {address(LAN4)}
    assert topology.sender(b"", address(LAN4)) == made_up_mac(address(LAN4)) == "02:00:c0:a8:08:14"
    assert topology.receiver(b"", address(LAN4)) == "02:00:c0:a8:08:14"
    assert topology.receiver(b"", address(OTHER4)) is None, "nobody is known to be there"
    assert topology.sender(b"", address(NET4)) is None
    assert topology.sender(b"", bytes(4)) is None


@pytest.mark.parametrize(
    "sign",
    [
        framing.ip(GATEWAY4, LAN4, 17, framing.udp(53, 5000, framing.dns_addresses("a.example", NET4))),
        dhcp_offer(GATEWAY4)[14:],
    ],
)
def test_raw_packets_of_the_gateway(sign: bytes) -> None:
    topology = found(sign, syn(LAN4, NET4), syn(GATEWAY4, LAN4), link_type=framing.RAW)
    assert topology.sender(b"", address(GATEWAY4)) is None
    assert topology.sender(b"", address(LAN4)) is not None


@pytest.mark.parametrize("mac", [bytes(6), DEVICE])
def test_frames_whose_mac_addresses_were_wiped_out(mac: bytes) -> None:
    frames = [sent(LAN4, NET4, mac=mac, to=mac), sent(NET4, LAN4, mac=mac, to=mac)]
    topology = found(*frames)
    assert roles(topology) == (set(), set())
    assert set(topology.hosts) == {address(LAN4)}


def test_a_device_that_names_itself_router_of_its_own_network() -> None:
    offer = dhcp_offer("192.168.4.1", OTHER, your="192.168.4.2")
    own = sent("192.168.4.1", "192.168.4.2", mac=OTHER, to=DEVICE)
    assert roles(found(offer, own, sent(OTHER4, NET4, mac=OTHER)))[1] == {ROUTER}


def test_a_packet_for_another_does_not_belong_to_whom_it_reaches() -> None:
    topology = found(sent(), sent(LAN4, "8.8.8.8", to=OTHER), sent(OTHER4, NET4, mac=OTHER))
    assert topology.receiver(OTHER, address("8.8.8.8")) is None


def test_raw_ipv6_packets() -> None:
    topology = found(syn(LAN6, NET6), link_type=framing.RAW, lan=("2001:db8:8::/64",))
    mac = topology.sender(b"", address(LAN6))
    assert mac is not None
    assert mac.startswith("02:")
    assert mac == made_up_mac(address(LAN6)) != made_up_mac(address(GATEWAY6))


def test_cooked_packets_tell_the_sender_only() -> None:
    frames = [
        framing.cooked(DEVICE, syn(LAN4, NET4)),
        framing.cooked(ROUTER, syn(NET4, LAN4)),
        framing.cooked(ROUTER, syn(GATEWAY4, LAN4)),
    ]
    topology = found(*frames, link_type=framing.COOKED)
    assert roles(topology) == ({DEVICE}, {ROUTER})
    assert topology.receiver(b"", address(LAN4), cooked=OUTGOING) == mac_text(DEVICE)
    assert topology.receiver(b"", address(GATEWAY4), cooked=OUTGOING) is None
    assert topology.receiver(b"", address("224.0.0.251"), cooked=OUTGOING) is None


def captured_on_the_router(source: str, destination: str, inside: bytes, outside: bytes) -> list[bytes]:
    """Return a forwarded packet as `tcpdump -i any` sees it: coming in, and going out."""
    packet = syn(source, destination)
    return [framing.cooked(inside, packet), b"\0\4" + framing.cooked(outside, packet)[2:]]


WAN, PROVIDER = bytes.fromhex("02aabbccdd02"), bytes.fromhex("020000000001")


def test_a_capture_on_all_interfaces_of_the_router() -> None:
    """The router's own traffic upstream does not make it a device, though its address there is private."""
    frames = [
        *captured_on_the_router(LAN6, NET6, DEVICE, WAN),
        *captured_on_the_router(NET6, LAN6, PROVIDER, ROUTER),
        framing.cooked(DEVICE, syn(LAN4, NET4)),
        b"\0\4" + framing.cooked(WAN, syn("192.168.178.2", NET4))[2:],
        framing.cooked(PROVIDER, syn(NET4, "192.168.178.2")),
    ]
    topology = found(*frames, link_type=framing.COOKED, lan=("192.168.0.0/16", "2001:db8:8::/64"))
    assert roles(topology) == ({DEVICE}, {ROUTER, WAN, PROVIDER})
    assert topology.receiver(b"", address(LAN6), cooked=TO_HOST) is None, (
        "it is captured again on its way out"
    )
    assert topology.receiver(b"", address(LAN6), cooked=OUTGOING) == mac_text(DEVICE)


def test_a_cooked_capture_on_a_device() -> None:
    frames = [b"\0\4" + framing.cooked(DEVICE, syn(LAN4, NET4))[2:], framing.cooked(ROUTER, syn(NET4, LAN4))]
    topology = found(*frames, link_type=framing.COOKED)
    assert roles(topology) == ({DEVICE}, {ROUTER})
    assert topology.receiver(b"", address(LAN4), cooked=TO_HOST) == mac_text(DEVICE)


def test_a_device_that_only_receives() -> None:
    topology = found(sent(NET4, LAN4, mac=ROUTER, to=DEVICE))
    assert topology.receiver(DEVICE, address(LAN4)) == mac_text(DEVICE)
    assert topology.sender(ROUTER, address(NET4)) is None


def test_a_client_without_address() -> None:
    frame = framing.ethernet(
        DEVICE,
        BROADCAST,
        framing.ip("0.0.0.0", "255.255.255.255", 17, framing.udp(68, 67, framing.dhcp(1, DEVICE))),
    )
    assert found(frame).sender(DEVICE, bytes(4)) == mac_text(DEVICE)


# What is local.


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("192.168.1.1", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("169.254.1.1", True),
        ("0.0.0.0", True),
        ("255.255.255.255", True),
        ("239.255.255.250", True),
        ("8.8.8.8", False),
        ("fe80::1", True),
        ("fd12::1", True),
        ("ff02::fb", True),
        ("::", True),
        ("2606:4700::1", False),
    ],
)
def test_local_addresses(text: str, local: bool) -> None:
    assert found(sent()).is_local(address(text)) is local


def test_groups() -> None:
    assert [is_group(address(text)) for text in ("224.0.0.1", "255.255.255.255", "ff02::1")] == [True] * 3
    assert [is_group(address(text)) for text in ("223.0.0.1", "240.0.0.1", "fe80::1")] == [False] * 3


def test_networks_remember_a_bounded_number_of_addresses() -> None:
    networks = Networks([ipaddress.ip_network("10.0.0.0/8")])
    assert sum(struct.pack("!I", 0x0A000000 + number) in networks for number in range(70_000)) == 70_000
    assert len(networks._known) <= 65_536


def test_a_survey_is_bounded() -> None:
    result = Survey()
    for number in range(100_000):
        frame = sent(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NET4)
        result.add((1.0, 1, frame, len(frame)))
        mac = b"\x02" + struct.pack("!IB", number, 0)
        frame = framing.arp(mac, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", GATEWAY4)
        result.add((1.0, 1, frame, len(frame)))
    assert len(result._links) <= 65_536
    assert len(result._arp) <= 65_536
    assert result.topology() is not None


@settings(max_examples=300, deadline=2000)
@given(
    link_type=st.sampled_from([*sorted(LINK_TYPES), 105]),
    frames=st.lists(st.binary(max_size=120), max_size=10),
    seeds=st.lists(
        st.tuples(
            st.sampled_from(
                [advertisement("2001:db8:8::"), dhcp_offer(GATEWAY4), dns_reply(), sent(LAN6, NET6)]
            ),
            st.integers(0, 400),
            st.integers(0, 255),
            st.integers(14, 400),
        ),
        max_size=8,
    ),
)
def test_any_frames(link_type: int, frames: list[bytes], seeds: list[tuple[bytes, int, int, int]]) -> None:
    for seed, place, value, end in seeds:
        changed = bytearray(seed)
        if place < len(changed):
            changed[place] = value
        frames.append(bytes(changed[:end]))
    survey(*frames, link_type=link_type)

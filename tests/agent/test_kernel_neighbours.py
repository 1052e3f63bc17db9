"""Neighbours, routes and the listening thread, without a lab."""

import ipaddress
import socket
import time

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.kernel import rtnetlink
from gateway_agent.kernel.interfaces import Lan
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.neighbours import MAX_ADDRESSES, MAX_ADDRESSES_OF_MAC, Neighbours
from gateway_agent.kernel.netlink import NETLINK_ROUTE, Netlink, attribute
from gateway_agent.model import Neighbour

HUE = "00:17:88:00:00:01"


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def test_the_newest_owner_counts() -> None:
    neighbours = Neighbours(Lan())
    neighbours.learn(Neighbour(HUE, b"\1\2\3\4", 1.0))
    neighbours.learn(Neighbour(HUE, b"\1\2\3\5", 1.0))
    neighbours.learn(Neighbour("02:00:00:00:00:01", b"\1\2\3\4", 2.0))
    assert neighbours.known(b"\1\2\3\4") == "02:00:00:00:00:01"
    assert neighbours.addresses_of(HUE) == [b"\1\2\3\5"]
    neighbours.learn(Neighbour("02:00:00:00:00:01", b"\1\2\3\5", 2.0))
    assert neighbours.addresses_of(HUE) == []
    neighbours.close()


def test_groups_and_no_address_are_nobody() -> None:
    neighbours = Neighbours(Lan())
    for address in ("224.0.0.1", "255.255.255.255", "ff02::1", "0.0.0.0", "::"):
        neighbours.learn(Neighbour(HUE, packed(address), 1.0))
        assert neighbours.mac_of(packed(address)) is None
    assert neighbours.all() == []
    neighbours.close()


def test_made_up_addresses_are_bounded() -> None:
    neighbours = Neighbours(Lan())
    for number in range(10_000):
        neighbours.learn(Neighbour(HUE, number.to_bytes(4, "big"), 1.0))
    assert len(neighbours.addresses_of(HUE)) == MAX_ADDRESSES_OF_MAC
    assert neighbours.known((9_999).to_bytes(4, "big")) == HUE
    for number in range(10_000):
        mac = (0x020000000000 + number).to_bytes(6, "big").hex(":")
        neighbours.learn(Neighbour(mac, (0x0A000000 + number).to_bytes(4, "big"), 1.0))
    assert len(neighbours.all()) == MAX_ADDRESSES
    assert sum(len(neighbours.addresses_of(one.mac)) for one in neighbours.all()) == MAX_ADDRESSES
    neighbours.close()


@given(st.binary(max_size=80))
def test_hostile_route_attributes_end(noise: bytes) -> None:
    list(rtnetlink._next_hops(memoryview(attribute(9, noise))))
    list(rtnetlink._next_hops(memoryview(noise)))


def test_netlink_routes_need_no_right() -> None:
    netlink = Netlink(NETLINK_ROUTE)
    names = [link.name for link in rtnetlink.links(netlink)]
    netlink.close()
    assert "lo" in names


def test_a_failing_watcher_does_not_stop_the_others() -> None:
    class Watcher:
        def __init__(self, *, failing: bool) -> None:
            self.here, self.there = socket.socketpair()
            self.failing = failing
            self.served = 0

        def fileno(self) -> int:
            return self.here.fileno()

        def due(self) -> float | None:
            return None if self.served else 0.0

        def ready(self) -> None:
            self.served += 1
            if self.failing:
                raise ValueError("broken")

    watchers = [Watcher(failing=True), Watcher(failing=False)]
    listener = Listener()
    for watcher in watchers:
        listener.add(watcher)
    listener.start()
    end = time.monotonic() + 5
    while not all(watcher.served for watcher in watchers):
        assert time.monotonic() < end
        time.sleep(0.01)
    listener.stop()
    for watcher in watchers:
        watcher.here.close()
        watcher.there.close()

"""A block of a device, from the policy on the broker to the packets that no longer pass."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Loop
from tests.home.home import GATEWAY4, GATEWAY6
from tests.home.household import CAMERA, HUE
from tests.home.namespaces import Namespace
from tests.home.traffic import Background, Bulk, look_up, reaches

pytestmark = pytest.mark.root

HUE_PLACES = ("198.51.100.7", "2001:db8:5:1::7")
CAMERA_PLACES = ("198.51.100.80", "2001:db8:5:1::80")
BLOCKED = {HUE.mac: {"blocked": True, "until": None, "destinations": []}}

# What came through, counted where it arrives. A reset or an ICMP error is the gateway's own refusal.
_ARRIVED_OUTSIDE = """
table inet arrived {
  counter passing {}
  chain input { type filter hook input priority raw;
    ip daddr 198.51.100.7 counter name passing
    ip6 daddr 2001:db8:5:1::7 counter name passing
  }
}
"""
_ARRIVED_INSIDE = """
table inet arrived {
  counter passing {}
  chain input { type filter hook input priority raw;
    tcp flags & rst == rst accept
    ip saddr 198.51.100.7 counter name passing
    ip6 saddr 2001:db8:5:1::7 counter name passing
  }
}
"""


def arrived(place: Namespace) -> int:
    listing = place.run("nft", "list", "counter", "inet", "arrived", "passing").split()
    return int(listing[listing.index("packets") + 1])


@pytest.fixture
def counting(loop: Loop) -> Iterator[Loop]:
    """The loop, with counters on both sides of the blocked device's traffic."""
    loop.home.internet.run("nft", "-f", "-", text=_ARRIVED_OUTSIDE)
    loop.hue.run("nft", "-f", "-", text=_ARRIVED_INSIDE)
    return loop


def test_nothing_passes_once_the_state_says_so(counting: Loop) -> None:
    loop = counting
    transfers = [Bulk(loop.hue, place) for place in HUE_PLACES]
    others = [Bulk(loop.camera, place) for place in CAMERA_PLACES]
    try:
        time.sleep(2)
        assert all(bulk.sent > 1_000_000 and bulk.received > 1_000_000 for bulk in transfers)

        loop.enforce(1, devices=BLOCKED)
        before = arrived(loop.home.internet), arrived(loop.hue)
        others_before = [(bulk.sent, bulk.received) for bulk in others]
        time.sleep(2)
        assert (arrived(loop.home.internet), arrived(loop.hue)) == before
        for bulk, (sent, received) in zip(others, others_before, strict=True):
            assert bulk.sent > sent
            assert bulk.received > received

        assert look_up(loop.hue, "ws.meethue.com", 4) == ("198.51.100.7",)
        loop.hue.run("ping", "-c1", "-W1", GATEWAY4)
        loop.hue.run("ping", "-c1", "-W1", GATEWAY6)
        loop.hue.run("ping", "-c1", "-W1", CAMERA.ipv4)
        assert not any(reaches(loop.hue, place) for place in HUE_PLACES)
        assert (arrived(loop.home.internet), arrived(loop.hue)) == before

        loop.reader.wait(lambda: loop.reader.total(HUE.mac, "blocked") > 0, "blocked attempts are told")
        wanted = time.monotonic()
        loop.enforce(2)
        assert all(reaches(loop.hue, place) for place in HUE_PLACES)
        assert time.monotonic() - wanted < 1
    finally:
        for bulk in (*transfers, *others):
            bulk.close()


def test_block_survives_a_crash_and_a_restart_without_broker(counting: Loop) -> None:
    loop = counting
    loop.enforce(1, devices=BLOCKED)
    before = arrived(loop.home.internet)

    def knock() -> None:
        for place in HUE_PLACES:
            assert not reaches(loop.hue, place, patience=0.2)

    with Background(knock, pause=0.05) as knocking:
        loop.agent.kill()
        time.sleep(1)
        loop.broker.stop()
        loop.agent.start()
        time.sleep(3)
        assert loop.agent.pid
    assert knocking.count > 3
    assert arrived(loop.home.internet) == before
    assert all(reaches(loop.camera, place) for place in CAMERA_PLACES)

    loop.broker.start()
    loop.reader.wait(lambda: loop.reader.retained.get("status") == "online", "the agent is back", 40)
    loop.enforce(2)
    assert all(reaches(loop.hue, place) for place in HUE_PLACES)


def test_block_survives_a_flushed_ruleset(counting: Loop) -> None:
    """Over IPv6: the gateway's NAT for IPv4 is flushed too."""
    loop = counting
    loop.enforce(1, devices=BLOCKED)
    for _ in range(5):
        loop.home.gateway.run("nft", "flush", "ruleset")
        time.sleep(0.3)
        before = arrived(loop.home.internet)
        assert not reaches(loop.hue, HUE_PLACES[1])
        assert arrived(loop.home.internet) == before
    assert reaches(loop.camera, CAMERA_PLACES[1])


def test_block_ends_in_the_kernel_without_the_agent(loop: Loop) -> None:
    until = time.time() + 4
    loop.enforce(1, devices={HUE.mac: {"blocked": True, "until": until, "destinations": []}})
    loop.agent.kill()
    assert not reaches(loop.hue, HUE_PLACES[0])
    time.sleep(max(0, until + 1 - time.time()))
    assert all(reaches(loop.hue, place) for place in HUE_PLACES)


def test_nothing_is_left_after_uninstall(loop: Loop) -> None:
    loop.enforce(1, devices=BLOCKED)
    loop.agent.stop()
    loop.agent.command("uninstall")
    assert "spin" not in loop.home.gateway.run("nft", "list", "tables")
    assert all(reaches(loop.hue, place) for place in HUE_PLACES)

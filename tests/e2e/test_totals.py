"""What the agent publishes equals, to the byte, what the device's own kernel sent and received."""

import time
from collections.abc import Callable

import pytest

from tests.e2e.conftest import Loop
from tests.home.home import Meter
from tests.home.household import CAMERA, HUE
from tests.home.traffic import Background, echo, look_up, transfer

pytestmark = pytest.mark.root

CONNECTIONS = 40
UPLOAD, DOWNLOAD = 3000, 20_000
PLACES = ("198.51.100.7", "2001:db8:5:1::7", "198.51.100.10", "2001:db8:5:1::10")


def settled(loop: Loop, label: str, mac: str) -> Callable[[], bool]:
    """Return a check whether the agent's totals have reached what the device itself measured."""

    def check() -> bool:
        return counted(loop, mac) == loop.home.meter(label)

    return check


def counted(loop: Loop, mac: str) -> Meter:
    return Meter(
        *(
            loop.reader.total(mac, counter)
            for counter in ("sent_bytes", "sent_packets", "received_bytes", "received_packets")
        )
    )


def assert_equal_in_the_end(loop: Loop, label: str, mac: str, patience: float = 15) -> None:
    """Give the last messages time to come, then compare."""
    end = time.monotonic() + patience
    while counted(loop, mac) != loop.home.meter(label) and time.monotonic() < end:
        time.sleep(0.2)
    assert counted(loop, mac) == loop.home.meter(label)


def exchange_everything(loop: Loop) -> None:
    """Make connections of known size over IPv4 and IPv6, and some UDP and ICMP."""
    for number in range(CONNECTIONS):
        transfer(loop.hue, PLACES[number % 4], UPLOAD, DOWNLOAD)
        echo(loop.hue, PLACES[number % 4], 200 + number)
    for place in PLACES[:2]:
        loop.hue.run("ping", "-c", "2", "-i", "0.2", place)


def test_totals_are_exact_over_ipv4_and_ipv6(loop: Loop) -> None:
    exchange_everything(loop)
    assert_equal_in_the_end(loop, "hue", HUE.mac)
    meter = loop.home.meter("hue")
    assert meter.sent_bytes > CONNECTIONS * UPLOAD
    assert meter.received_bytes > CONNECTIONS * DOWNLOAD
    rows = [row for row in loop.reader.rows[HUE.mac].values() if not row["local"]]
    for counter, measured in (("sent_bytes", meter.sent_bytes), ("received_bytes", meter.received_bytes)):
        assert sum(row[counter] for row in rows) == measured
    tcp = {row["address"]: row for row in rows if row["protocol"] == "tcp"}
    assert {address: row["connections"] for address, row in tcp.items()} == dict.fromkeys(
        PLACES, CONNECTIONS // 4
    )
    assert {row["protocol"] for row in rows} == {"tcp", "udp", "icmp", "icmpv6"}
    assert counted(loop, CAMERA.mac) == Meter(0, 0, 0, 0)


def load(loop: Loop) -> Background:
    """Return traffic that goes on while something is restarted."""
    places = iter(PLACES * 1000)

    def step() -> None:
        place = next(places)
        transfer(loop.hue, place, UPLOAD, DOWNLOAD)
        echo(loop.hue, place, 500)

    return Background(step, pause=0.01)


def test_totals_stay_exact_across_an_agent_s_restart(loop: Loop) -> None:
    with load(loop) as traffic:
        time.sleep(2)
        loop.agent.stop()
        time.sleep(2)
        loop.agent.start()
        loop.wait_online()
        time.sleep(2)
    assert traffic.failure is None
    assert traffic.count > 100
    assert len({message["epoch"] for message in loop.reader.flows[HUE.mac]}) == 2
    assert_equal_in_the_end(loop, "hue", HUE.mac)


def test_what_a_device_has_looked_up_is_known_after_an_agent_s_restart(loop: Loop) -> None:
    look_up(loop.hue, "ws.meethue.com", 4)
    transfer(loop.hue, "198.51.100.7", UPLOAD, DOWNLOAD)
    loop.reader.wait(lambda: "ws.meethue.com" in loop.reader.names(HUE.mac), "the name is told")
    loop.agent.stop()
    loop.agent.start()
    loop.wait_online()
    epoch = loop.reader.retained["info"]["epoch"]
    transfer(loop.hue, "198.51.100.7", UPLOAD, DOWNLOAD)

    def told() -> set[str | None]:
        messages = [message for message in loop.reader.flows[HUE.mac] if message["epoch"] == epoch]
        rows = [row for message in messages for row in message["destinations"]]
        return {row["name"] for row in rows if row["address"] == "198.51.100.7"}

    loop.reader.wait(told, "it is told after the restart")
    assert told() == {"ws.meethue.com"}


def test_totals_stay_exact_across_a_broker_s_restart(loop: Loop) -> None:
    with load(loop) as traffic:
        time.sleep(2)
        loop.broker.stop()
        time.sleep(3)
        loop.broker.start()
        time.sleep(2)
    assert traffic.failure is None
    assert traffic.count > 100
    assert_equal_in_the_end(loop, "hue", HUE.mac, patience=30)
    assert len({message["epoch"] for message in loop.reader.flows[HUE.mac]}) == 1

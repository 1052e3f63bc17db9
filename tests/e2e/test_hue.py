"""The three scenarios of the case study, seen through the real agent: the article's order of names."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Loop
from tests.home.household import HUE
from tests.home.hue import TIME_SERVERS

pytestmark = pytest.mark.root

SPEED = 10
BLOCKED = {HUE.mac: {"blocked": True, "until": None, "destinations": []}}
CHECKS = ["www2.meethue.com", "www.philips.com", "google.com", "baidu.com"]


class Bridge:
    """The running bridge: what it did itself, from its log."""

    def __init__(self, loop: Loop, log: Path) -> None:
        self.loop, self.log = loop, log
        self.loop.home.start_device("hue", "hue", "--speed", str(SPEED), log=log)

    def events(self) -> list[dict[str, Any]]:
        """Return its contacts so far."""
        return [
            json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]

    def wait(self, ready: Callable[[list[dict[str, Any]]], bool], what: str, patience: float) -> None:
        """Wait until its contacts are like that."""
        end = time.monotonic() + patience
        while not ready(self.events()):
            assert time.monotonic() < end, f"{what}: {self.events()[-5:]}"
            time.sleep(0.1)


@pytest.fixture
def bridge(loop: Loop, tmp_path: Path) -> Bridge:
    """A bridge that starts now."""
    return Bridge(loop, tmp_path / "hue.log")


def troubled(loop: Loop) -> list[str]:
    """Return the names in the order in which the agent first told of a refused packet for them."""
    told: dict[str, float] = {}
    for message in loop.reader.flows[HUE.mac]:
        for row in message["destinations"]:
            if row["name"] and row["blocked"]:
                told.setdefault(row["name"], max(row["first"], message["start"]))
    return sorted(told, key=lambda name: told[name])


def known(loop: Loop) -> set[str]:
    return {
        row["name"] for row in loop.reader.rows[HUE.mac].values() if row["name"] and row["received_packets"]
    }


def described(loop: Loop) -> dict[str, Any] | None:
    device: dict[str, Any] = loop.reader.retained.get(f"device/{HUE.mac}") or {}
    return device if HUE.ipv4 in device.get("addresses", []) and device["hostname"] else None


def test_start_up_and_normal_operation(bridge: Bridge) -> None:
    loop = bridge.loop
    expected = {"ws.meethue.com", "diagnostics.meethue.com", "fwupdate.philips.com", *TIME_SERVERS}
    loop.reader.wait(lambda: expected <= known(loop), f"all of {expected} are named", 20)
    assert known(loop) == expected
    device = loop.reader.wait(lambda: described(loop), "the device is told with name and address", 20)
    assert device["hostname"] == "Philips-hue"
    requests = [
        at
        for message in loop.reader.flows[HUE.mac]
        for row in message["destinations"]
        if row["port"] == 123
        for at in row["requests"]
    ]
    assert len(requests) >= len(TIME_SERVERS)


def test_sudden_loss_of_the_cloud(bridge: Bridge) -> None:
    loop = bridge.loop
    bridge.wait(
        lambda events: any(event["activity"] == "firmware" for event in events), "start-up is over", 20
    )
    loop.enforce(1, devices=BLOCKED)
    bridge.wait(
        lambda events: any(event["name"] == "baidu.com" for event in events), "it asks everywhere", 60
    )
    loop.reader.wait(lambda: "baidu.com" in troubled(loop), "the last check is told", 10)
    order = troubled(loop)
    assert order[0] == "ws.meethue.com"
    assert set(order[1:5]) == set(TIME_SERVERS)
    assert order[5] == "diagnostics.meethue.com"
    assert order[6:10] == CHECKS


def test_start_without_internet(loop: Loop, tmp_path: Path) -> None:
    loop.enforce(1, devices=BLOCKED)
    bridge = Bridge(loop, tmp_path / "hue.log")
    bridge.wait(
        lambda events: any(event["name"] == "baidu.com" for event in events), "it asks everywhere", 60
    )
    loop.reader.wait(lambda: "baidu.com" in troubled(loop), "the last check is told", 10)
    order = troubled(loop)
    assert order[0] == "ws.meethue.com"
    assert set(order[:-4]) >= {*TIME_SERVERS, "diagnostics.meethue.com"}
    assert order[-4:] == CHECKS
    assert known(loop) == set()


def test_a_check_that_answers_ends_the_round(loop: Loop, tmp_path: Path) -> None:
    """Only the maker's cloud is blocked, by name: philips.com answers, nobody else is asked."""
    rule = {"action": "block", "name": "meethue.com"}
    loop.enforce(1, devices={HUE.mac: {"blocked": False, "until": None, "destinations": [rule]}})
    bridge = Bridge(loop, tmp_path / "hue.log")
    bridge.wait(lambda events: any(event["name"] == "www.philips.com" for event in events), "it checks", 60)
    loop.reader.wait(lambda: "www.philips.com" in loop.reader.names(HUE.mac), "the check is told", 10)
    row = next(row for row in loop.reader.rows[HUE.mac].values() if row["name"] == "www.philips.com")
    assert row["connections"] >= 1
    assert not {"google.com", "baidu.com"} & set(loop.reader.names(HUE.mac))

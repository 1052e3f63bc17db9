"""Time sync: the figures of the case study, those of real captures, and what nobody can spoil."""

import json
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from custom_components.spin.models import Row, RowCounters
from custom_components.spin.study.time_sync import (
    MAX_SERVERS,
    MAX_TIMES,
    Server,
    TimeSync,
    figures,
)
from custom_components.spin.wire import parse_flows
from tests.home.household import HUE
from tests.home.hue import TIME_SERVERS, hue_bridge
from tests.home.recording import Part, record
from tests.home.replayed import flows_of

START = 1577880000.0
# Captures with, below `oracle`, what TShark says of each.
FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))


def ntp_requests(capture: Path) -> dict[str, Any]:
    oracle: dict[str, Any] = json.loads((FOLDER / "oracle" / f"{capture.name}.json").read_text())
    return oracle["ntp_client_requests"]


ASKING = [path for path in sorted(FOLDER.glob("*.pcap")) if ntp_requests(path)["total"]["requests"]]


def row(*requests: float, name: str | None = "time1.google.com", address: str = "198.51.100.41") -> Row:
    counters = RowCounters()
    return Row(name, name and "dns", address, "udp", 123, False, START, START, 1, counters, requests)


def test_figures_of_the_case_study(tmp_path: Path) -> None:
    capture = tmp_path / "night.pcap"
    with capture.open("wb") as file:
        record(file, [Part(HUE, hue_bridge(), plugged_in=560)], start=START, seconds=3.5 * 3600)
    sync = TimeSync()
    for _, payload in flows_of(capture, HUE.mac):
        flows = parse_flows(payload)
        sync.take(flows.rows)
        sync.take(flows.rows)  # the broker repeats itself
    by_name = sync.by_name()
    assert list(by_name) == list(TIME_SERVERS)
    assert all(89 <= found.requests <= 92 for _, found in by_name.values())
    total = sync.total()
    assert total.mean == pytest.approx(133, abs=0.5)
    assert total.share == pytest.approx(0.28, abs=0.005)
    assert total.settled_share == pytest.approx(0.28, abs=0.005)
    assert sync.advice() == ["poll_too_short"]


@pytest.mark.skipif(not ASKING, reason=f"no captures in {FOLDER}; SPIN_CAPTURES names another folder")
@pytest.mark.parametrize("path", ASKING, ids=lambda path: path.stem)
def test_figures_of_real_captures(path: Path) -> None:
    oracle = ntp_requests(path)
    syncs: dict[str, TimeSync] = defaultdict(TimeSync)
    for device, payload in flows_of(path, lan=()):
        syncs[device].take(parse_flows(payload).rows)
    found = {
        (server.address, round(len(times)))
        for sync in syncs.values()
        for server, times in sync._times.items()
    }
    assert found == {(each["dst"], each["requests"]) for each in oracle["per_server"]}
    total = figures(times for sync in syncs.values() for times in sync._times.values())
    expected = oracle["total"]
    assert (total.requests, total.intervals, total.short) == (
        expected["requests"],
        expected["intervals"],
        expected["under_64s"],
    )
    assert total.mean == (expected["mean"] and pytest.approx(expected["mean"], abs=0.01))
    share = expected["share_under_64s"]
    assert total.share == (pytest.approx(share, abs=1e-3) if share else share)


def test_a_start_up_burst_is_left_out_of_the_share() -> None:
    burst = [START + 2 * number for number in range(8)]
    settled = [START + 100 + 64.5 * number for number in range(20)]
    found = figures([[*burst, *settled]])
    assert (found.requests, found.intervals, found.burst) == (28, 27, 7)
    assert found.short == 7
    assert found.share == pytest.approx(7 / 27)
    assert found.settled_share == 0


def test_what_always_comes_in_pairs_is_no_start() -> None:
    times = [at for number in range(30) for at in (START + 200 * number, START + 200 * number + 10)]
    found = figures([times])
    assert found.burst == 2  # one an hour
    assert found.settled_share == pytest.approx(28 / 57)


def test_more_than_eight_are_no_burst() -> None:
    assert figures([[START + 2 * number for number in range(20)]]).burst == 7


def test_without_intervals_there_are_no_figures() -> None:
    assert figures([]).share is None
    only = figures([[START]])
    assert (only.requests, only.mean, only.median, only.share, only.settled_share) == (
        1,
        None,
        None,
        None,
        None,
    )
    assert not TimeSync()
    assert TimeSync().summary() is None
    assert TimeSync().advice() == []


def test_intervals_are_those_to_the_same_address_of_a_pool() -> None:
    sync = TimeSync()
    sync.take([row(START, START + 1000, name="pool.ntp.org", address="198.51.100.1")])
    sync.take([row(START + 10, START + 1010, name="pool.ntp.org", address="198.51.100.2")])
    ((addresses, found),) = sync.by_name().values()
    assert addresses == ["198.51.100.1", "198.51.100.2"]
    assert (found.requests, found.intervals, found.mean, found.short) == (4, 2, 1000, 0)
    assert sync.advice() == ["few_servers"]


def test_without_a_name_it_is_the_address() -> None:
    sync = TimeSync()
    assert sync.take([row(START, name=None), row()]) == 1
    assert list(sync.by_name()) == ["198.51.100.41"]


def test_order_and_repetition_do_not_matter() -> None:
    times = [START + 70 * number for number in range(50)]
    shuffled = times * 2
    random.Random(1).shuffle(shuffled)
    sync = TimeSync()
    assert sum(sync.take([row(at)]) for at in shuffled) == 50
    assert sync.total() == figures([times])


def test_bounds() -> None:
    sync = TimeSync()
    for number in range(1000):
        sync.take(
            [row(*(START + 64 * number + step for step in range(64)), name=f"host{number % 80}.example")]
        )
    assert len(sync._times) == MAX_SERVERS
    assert all(len(times) <= MAX_TIMES for times in sync._times.values())
    full = TimeSync()
    full.take([row(*(START + 100 + at for at in range(MAX_TIMES)))])
    assert full.take([row(START)]) == 0
    assert full.span() == (START + 100, START + 100 + MAX_TIMES - 1)


def test_stored_and_restored() -> None:
    sync = TimeSync()
    sync.take([row(START, START + 133.125), row(START + 5, name=None, address="2001:db8::1")])
    restored = TimeSync.from_list(json.loads(json.dumps(sync.as_list())))
    assert restored.summary() == sync.summary()
    assert restored._times.keys() == {
        Server("time1.google.com", "198.51.100.41"),
        Server(None, "2001:db8::1"),
    }

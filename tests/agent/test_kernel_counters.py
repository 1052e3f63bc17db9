"""Differences between readings: exact whatever is missing, repeated, reset or read again."""

import struct
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.kernel.nf_tables import COUNTER
from gateway_agent.kernel.ruleset import COUNTED_SECONDS
from gateway_agent.model import Flow
from gateway_agent.sources import baseline
from gateway_agent.sources.counters import ANSWERED, BLOCKED, EMPTY, OPENED, RECEIVED, SENT, Counters

FLOW = Flow(b"\xc0\xa8\x4d\x0b", b"\xcb\x00\x71\x02", 6, 443)
BETWEEN = struct.pack("=HH", 12, 2)


def counter(packets: int, size: int = 0) -> bytes:
    return COUNTER.pack(size, BETWEEN, packets)


def totals(counters: Counters) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for _, traffic in counters.take():
        for name in ("sent_bytes", "sent_packets", "received_bytes", "received_packets"):
            assert getattr(traffic, name) >= 0
            sums[name] += getattr(traffic, name)
        sums["connections"] += traffic.connections
        sums["unanswered"] += traffic.unanswered
        sums["empty"] += traffic.empty
        sums["blocked"] += traffic.blocked
    return sums


@given(
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
)
def test_a_key_is_a_flow(address: bytes, protocol: int, port: int) -> None:
    counters = Counters(len(address))
    flow = Flow(address, address[::-1], protocol, port)
    key = counters.key(flow)
    assert len(key) == counters.key_bytes
    assert counters.flow(key) == flow


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 5), st.integers(0, 3), st.integers(1, 1500)),
        st.tuples(st.just("read"), st.integers(0, 63), st.just(0), st.just(0)),
        st.tuples(st.just("take"), st.just(0), st.just(0), st.just(0)),
    )
)


@given(STEPS)
def test_differences_add_up_to_what_was_counted(steps: list[tuple[str, int, int, int]]) -> None:
    """A model kernel: elements count up, and any set may be missing from any reading but the last."""
    counters = Counters(4)
    keys = [counters.key(FLOW._replace(port=port)) for port in range(4)]
    kernel: dict[tuple[int, int], tuple[int, int]] = {}
    told: dict[str, int] = defaultdict(int)

    def read(missing: int) -> None:
        for (column, number), (packets, size) in kernel.items():
            if not missing >> column & 1:
                counters.update(column, keys[number], counter(packets, size), 1.0)

    def take() -> None:
        for name, value in totals(counters).items():
            told[name] += value

    for action, column, number, size in steps:
        if action == "count":
            packets, before = kernel.get((column, number), (0, 0))
            kernel[column, number] = packets + 1, before + size
        elif action == "read":
            read(column)
        else:
            take()
    read(0)
    take()
    counted = [
        [sum(values) for values in zip((0, 0), *of(kernel, column), strict=True)] for column in range(6)
    ]
    assert [told["sent_packets"], told["sent_bytes"]] == counted[SENT]
    assert [told["received_packets"], told["received_bytes"]] == counted[RECEIVED]
    assert [told["connections"], told["empty"], told["blocked"]] == [
        counted[column][0] for column in (OPENED, EMPTY, BLOCKED)
    ]


def of(kernel: dict[tuple[int, int], tuple[int, int]], column: int) -> list[tuple[int, int]]:
    return [values for (found, _), values in kernel.items() if found == column]


def test_a_counter_that_goes_backwards_was_reset() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(SENT, key, counter(10, 1000), 1.0)
    counters.update(SENT, key, counter(3, 300), 2.0)
    assert totals(counters)["sent_bytes"] == 1300


def test_a_connection_without_a_reply_is_unanswered_once() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(OPENED, key, counter(3), 100.0)
    counters.update(ANSWERED, key, counter(1), 100.0)
    counters.settle(100.0, answers_seen=True)
    assert totals(counters)["unanswered"] == 0
    counters.settle(109.9, answers_seen=True)
    assert totals(counters)["unanswered"] == 0
    counters.settle(110.0, answers_seen=True)
    assert totals(counters)["unanswered"] == 2
    counters.settle(130.0, answers_seen=True)
    assert totals(counters)["unanswered"] == 0


def test_a_late_answer_does_not_hide_the_next_failure() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(OPENED, key, counter(1), 100.0)
    counters.settle(111.0, answers_seen=True)
    assert totals(counters)["unanswered"] == 1
    counters.update(ANSWERED, key, counter(1), 112.0)
    counters.settle(112.0, answers_seen=True)
    counters.update(OPENED, key, counter(2), 113.0)
    counters.settle(113.0, answers_seen=True)
    counters.settle(124.0, answers_seen=True)
    assert totals(counters)["unanswered"] == 1


def test_an_answer_that_is_read_before_its_connection_is_not_late() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(ANSWERED, key, counter(3), 100.0)
    counters.update(OPENED, key, counter(2), 100.0)
    counters.settle(100.0, answers_seen=True)
    counters.update(OPENED, key, counter(3), 105.0)
    for now in (105.0, 111.0, 116.0):
        counters.settle(now, answers_seen=True)
    assert totals(counters)["unanswered"] == 0


def test_without_accounting_whatever_received_was_answered() -> None:
    counters = Counters(4)
    answered, silent = counters.key(FLOW), counters.key(FLOW._replace(port=80))
    for key in (answered, silent):
        counters.update(OPENED, key, counter(1), 100.0)
    counters.update(RECEIVED, answered, counter(1, 60), 100.0)
    counters.settle(100.0, answers_seen=False)
    counters.settle(111.0, answers_seen=False)
    assert {key: traffic.unanswered for key, traffic in counters.take()} == {answered: 0, silent: 1}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=40))
def test_unanswered_never_exceeds_what_was_opened(steps: list[tuple[int, int]]) -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    opened = answered = told = 0
    now = 0.0
    for opening, answering in steps:
        now += 4.0
        opened += opening
        answered = min(opened, answered + answering)
        counters.update(OPENED, key, counter(opened), now)
        if answered:
            counters.update(ANSWERED, key, counter(answered), now)
        counters.settle(now, answers_seen=True)
        told += totals(counters)["unanswered"]
        assert told <= opened
    for _ in range(4):
        now += 4.0
        counters.settle(now, answers_seen=True)
        told += totals(counters)["unanswered"]
    assert told >= opened - answered


def test_what_is_told_later_is_told_whole() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(SENT, key, counter(1, 100), 1.0)
    assert counters.born() == {key}
    assert list(counters.take({key})) == []
    counters.update(SENT, key, counter(3, 300), 2.0)
    assert counters.born() == set()
    assert totals(counters)["sent_bytes"] == 300


def test_the_longest_quiet_come_first() -> None:
    counters = Counters(4)
    keys = [counters.key(FLOW._replace(port=port)) for port in (1, 2, 3)]
    for at, key in zip((30.0, 10.0, 20.0), keys, strict=True):
        counters.update(SENT, key, counter(1, 100), at)
    assert counters.quiet(20.0) == [keys[1], keys[2]]
    assert counters.columns(keys[0]) == [SENT]
    counters.forget(keys[1])
    assert keys[1] not in counters
    assert len(counters) == 2
    assert list(counters.pairs()) == [(FLOW.lan, FLOW.remote)] * 2


def test_readings_go_on_after_a_stop(tmp_path: Path) -> None:
    identity: baseline.Identity = {"table": "abcd", "handle": 3}
    path = tmp_path / "run" / "counters"
    before = [Counters(4), Counters(16)]
    key = before[0].key(FLOW)
    before[0].update(SENT, key, counter(5, 500), 1.0)
    before[0].update(OPENED, key, counter(2), 1.0)
    baseline.save(path, identity, before)

    after = [Counters(4), Counters(16)]
    assert baseline.load(path, identity, after)
    assert not path.exists()
    after[0].update(SENT, key, counter(9, 900), 2.0)
    after[0].update(OPENED, key, counter(2), 2.0)
    sums = totals(after[0])
    assert (sums["sent_bytes"], sums["connections"]) == (400, 0)
    assert not baseline.load(path, identity, after)


@pytest.mark.parametrize("late", [0, 1])
def test_what_waited_at_a_stop_is_unanswered_in_no_run(late: int) -> None:
    """`unanswered` is a part of `connections`, which a new run counts from zero."""
    before, after = Counters(4), Counters(4)
    key = before.key(FLOW)
    if late:  # one that was unanswered, and answered after all
        before.update(OPENED, key, counter(1), 80.0)
        before.settle(95.0, answers_seen=True)
        before.update(ANSWERED, key, counter(1), 96.0)
        before.settle(96.0, answers_seen=True)
    before.update(OPENED, key, counter(late + 2), 100.0)
    before.settle(100.0, answers_seen=True)
    assert totals(before)["unanswered"] == late
    after.load(before.dump())
    after.settle(111.0, answers_seen=True)
    assert totals(after)["unanswered"] == 0
    after.update(OPENED, key, counter(late + 3), 112.0)
    for now in (112.0, 123.0, 140.0):
        after.settle(now, answers_seen=True)
    sums = totals(after)
    assert (sums["connections"], sums["unanswered"]) == (1, 1)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=20),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=20),
)
def test_unanswered_never_exceeds_what_a_run_opened(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    opened = answered = 0
    now = 0.0
    for run in (before, after):
        unanswered = connections = 0
        for opening, answering in run if run is before else [*run, *[(0, 0)] * 4]:
            now += 4.0
            opened += opening
            answered = min(opened, answered + answering)
            counters.update(OPENED, key, counter(opened), now)
            counters.update(ANSWERED, key, counter(answered), now)
            counters.settle(now, answers_seen=True)
            sums = totals(counters)
            connections += sums["connections"]
            unanswered += sums["unanswered"]
            assert unanswered <= connections
        content, counters = counters.dump(), Counters(4)
        counters.load(content)


def test_readings_of_another_table_are_left(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    counters = Counters(4)
    counters.update(SENT, counters.key(FLOW), counter(5, 500), 1.0)
    baseline.save(path, {"table": "abcd", "handle": 3}, [counters])
    again = Counters(4)
    assert not baseline.load(path, {"table": "abcd", "handle": 4}, [again])
    assert len(again) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b'{"table": "a", "sizes": [7]}\n1234567',
        b'{"table":"a","sizes":"x"}\n',
        b"\xff",
    ],
)
def test_a_torn_file_costs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "counters"
    path.write_bytes(content)
    counters = Counters(4)
    assert not baseline.load(path, {"table": "a"}, [counters])
    assert len(counters) == 0
    assert not path.exists()


@given(st.binary(max_size=400))
def test_any_file_is_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("run") / "counters"
    path.write_bytes(content)
    baseline.load(path, {"table": "a"}, [Counters(4), Counters(16)])
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    baseline.save(tmp_path / "file" / "counters", {}, [Counters(4)])


def test_a_new_run_without_readings_begins_with_what_is_there() -> None:
    counters = Counters(4)
    key = counters.key(FLOW)
    counters.update(OPENED, key, counter(5), 1.0)
    counters.skip()
    assert list(counters.take()) == []
    counters.update(OPENED, key, counter(6), 2.0)
    counters.settle(2.0, answers_seen=True)
    counters.settle(13.0, answers_seen=True)
    sums = totals(counters)
    assert (sums["connections"], sums["unanswered"]) == (1, 1)


def test_first_and_last_are_the_times_of_packets_where_the_kernel_tells() -> None:
    """What is left of an element's time says when its last packet came; the reading may be seconds later."""
    counters = Counters(4)
    key = counters.key(FLOW)
    for column, seconds_ago in ((SENT, 2), (RECEIVED, 1), (OPENED, 4)):
        left = ((COUNTED_SECONDS - seconds_ago) * 1000).to_bytes(8, "big")
        counters.update(column, key, counter(1, 100), 1000.0, left)
    ((_, traffic),) = counters.take()
    assert (traffic.first, traffic.last) == (996.0, 999.0)
    counters.update(SENT, key, counter(2, 200), 1005.0, (2**40).to_bytes(8, "big"))
    ((_, traffic),) = counters.take()
    assert (traffic.first, traffic.last) == (1005.0, 1005.0), "never in the future"

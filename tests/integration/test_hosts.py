"""A host's traffic over time is the same whether it is kept or told by its only address."""

import json

from gateway_double import HUE, START
from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin import remotes, windows
from custom_components.spin.hosts import LEARNED, Host
from custom_components.spin.models import Row, RowCounters

ADDRESSES = ("198.51.100.7", "2001:db8::7")
TAG = remotes.tag("5f3a9c01d2e4b687")
# Seconds since the contact before, address, bytes, and whether it is stored and restored then.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 20, 59, 61, 4000, 90_000]),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([0, 1, 2**33]),
        st.booleans(),
    ),
    max_size=12,
)


def again(host: Host) -> Host:
    return Host.from_list(json.loads(json.dumps(host.as_list())), str)


@given(STEPS)
def test_a_history_that_is_not_kept_is_told_all_the_same(steps: list[tuple[int, int, int, bool]]) -> None:
    host = Host("a.example", LEARNED, START, named=True)
    now, expected, counted = START, b"", [RowCounters(), RowCounters()]
    for seconds, place, sent, stored in steps:
        now += seconds
        counted[place] = counted[place]._replace(
            sent_bytes=counted[place].sent_bytes + sent, connections=counted[place].connections + 1
        )
        row = Row("a.example", "dns", ADDRESSES[place], "tcp", 443, False, START, now, 1, counted[place])
        where = remotes.where(HUE, row.address)
        new = host.grow(where, TAG, row, now)
        if new is None:
            host.add(remotes.create(where, TAG, row, now, counted=False))
            new = host.grow(where, TAG, row, now)
        assert new == RowCounters(sent_bytes=sent, connections=1)
        host.draw(now, new, now)
        expected = windows.add(expected, now, new, now)
        if stored:
            host = again(host)
        assert host.history == expected
    assert host.counters.connections == len(steps)
    host.drop(set(host.remotes))
    assert host.history == expected
    assert again(host).history == expected


def test_what_was_contacted_in_one_minute_only_keeps_no_history() -> None:
    host = Host("a.example", LEARNED, START, named=True)
    where = remotes.where(HUE, ADDRESSES[0])
    row = Row("a.example", "dns", ADDRESSES[0], "tcp", 443, False, START, START, 1, RowCounters(5, 0, 1))
    host.add(remotes.create(where, TAG, row, START, counted=False))
    host.draw(START, host.grow(where, TAG, row, START) or RowCounters(), START)
    assert host._history == b""
    assert host.window("5m", START).sent_bytes == 5
    assert again(host)._history == b""

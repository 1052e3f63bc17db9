"""Rows in memory: every layout counts and restores alike."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin import remotes
from custom_components.spin.models import Row, RowCounters

MAC = "00:17:88:24:76:01"
EPOCH, LATER = "5f3a9c01d2e4b687", "an_epoch-of another kind"
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NOTHING = RowCounters()
COUNTS = st.one_of(st.integers(0, 9), st.sampled_from([2**32 - 1, 2**32, 2**63, 2**64 - 1]))
COUNTERS = st.builds(RowCounters, *[COUNTS] * 6)


def row(address: str, counters: RowCounters, first: float = 10.0) -> Row:
    return Row("a.example", "dns", address, "tcp", 443, False, first, first + 1, 1, counters)


def created(address: str, counters: RowCounters = NOTHING, *, counted: bool = False) -> bytes:
    begin = remotes.where(MAC, address)
    return remotes.create(begin, remotes.tag(EPOCH), row(address, counters), 100.0, counted=counted)


@given(ADDRESSES, COUNTERS, st.booleans())
def test_what_is_stored_is_restored(address: str, counters: RowCounters, counted: bool) -> None:
    remote, _ = remotes.grow(
        created(address, counters, counted=counted), remotes.tag(EPOCH), row(address, counters), 105.0
    )
    assert remotes.from_list(remotes.as_list(remote)) == remote
    assert remotes.mac(remote) == MAC
    assert remotes.is_of(remote, MAC)
    assert not remotes.is_of(remote, "00:17:88:24:76:02")
    assert remotes.where(MAC, remotes.address(remote)) == remotes.where(MAC, address)
    assert remote.startswith(remotes.where(MAC, address))
    assert (remotes.instance(remote), remotes.first(remote), remotes.last(remote)) == (
        10.0,
        100.0,
        100.0 if counted or not any(counters) else 105.0,
    )


@given(ADDRESSES, COUNTERS, COUNTERS, COUNTERS)
def test_it_grows_by_what_is_new(
    address: str, one: RowCounters, other: RowCounters, third: RowCounters
) -> None:
    remote, new = remotes.grow(created(address), remotes.tag(EPOCH), row(address, one), 105.0)
    assert new == one
    remote, again = remotes.grow(remote, remotes.tag(EPOCH), row(address, one), 106.0)
    assert not any(again)
    # A later epoch counts from zero, whatever was counted in the one before.
    remote, new = remotes.grow(remote, remotes.tag(LATER), row(address, other, 20.0), 107.0)
    assert new == other
    assert remotes.epoch_tag(remote) == remotes.tag(LATER)
    capped = remotes.capped(one)
    assert remotes.counters(remote) == RowCounters(*(a + b for a, b in zip(capped, other, strict=True)))
    # An instance that is past counts nothing, one that is new everything.
    same, new = remotes.grow(remote, remotes.tag(LATER), row(address, third, 19.0), 108.0)
    assert (same, any(new)) == (remote, False)
    _, new = remotes.grow(remote, remotes.tag(LATER), row(address, third, 21.0), 109.0)
    assert new == third


@given(COUNTERS)
def test_what_was_counted_in_before_is_left_out(counters: RowCounters) -> None:
    remote = created("198.51.100.7", counters, counted=True)
    known = [max(0, count - remotes.MOST) for count in counters]
    assert list(remotes.counters(remote)) == known
    more = RowCounters(*(min(count + 1, 2**64 - 1) for count in counters))
    _, new = remotes.grow(remote, remotes.tag(EPOCH), row("198.51.100.7", more), 105.0)
    assert new == tuple(a - b for a, b in zip(more, counters, strict=True))


def test_a_message_that_was_overtaken_counts_what_it_is_ahead() -> None:
    remote, _ = remotes.grow(
        created("::1"), remotes.tag(EPOCH), row("::1", RowCounters(9, 9, 2, 0, 0, 0)), 105.0
    )
    remote, new = remotes.grow(remote, remotes.tag(EPOCH), row("::1", RowCounters(5, 10, 1, 0, 0, 0)), 104.0)
    assert new == RowCounters(0, 1, 0, 0, 0, 0)
    assert remotes.counters(remote) == RowCounters(9, 10, 2, 0, 0, 0)
    assert remotes.last(remote) == 105.0


def test_addresses_that_begin_alike_are_told_apart() -> None:
    assert not created("c633:6407::1").startswith(remotes.where(MAC, "198.51.100.7"))
    assert not created("::ffff:198.51.100.7").startswith(remotes.where(MAC, "198.51.100.7"))


def test_tags_of_epochs() -> None:
    assert remotes.tag(EPOCH).hex() == EPOCH
    others = ["5f3a", EPOCH.upper(), "", LATER, EPOCH + "00"]
    assert len({remotes.tag(epoch) for epoch in [EPOCH, *others]}) == 1 + len(others)
    for epoch in others:
        assert remotes.tag(remotes.tag(epoch).hex()) == remotes.tag(epoch)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "00:17:88"), (0, "x"), (0, None), (1, "1.2.3"), (1, ""), (1, "fe80::1%eth0"), (2, 7), (3, None),
        (3, "1"), (4, []), (6, [1]), (6, [1, 2, 3, 4, 5, -6]), (6, [2**64] * 6), (6, [1.0] * 6),
        (7, [2**63] * 6), (7, ["1"] * 6), (6, 5),
    ],
)  # fmt: skip
def test_what_was_never_stored_is_refused(place: int, value: Any) -> None:
    stored = remotes.as_list(created("198.51.100.7"))
    stored[place] = value
    with pytest.raises((ValueError, TypeError, AttributeError, struct.error)):
        remotes.from_list(stored)


def test_few_or_many_parts_are_refused() -> None:
    stored = remotes.as_list(created("198.51.100.7"))
    for wrong in (stored[:-1], [*stored, 1]):
        with pytest.raises((ValueError, TypeError, struct.error)):
            remotes.from_list(wrong)

"""Totals out of counters that restart, get lost, repeated and reordered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin.const import MAX_EPOCHS_PER_DEVICE
from custom_components.spin.models import Counters
from custom_components.spin.totals import Totals


def sent(bytes_: int) -> Counters:
    return Counters(sent_bytes=bytes_)


def test_only_what_is_new_counts() -> None:
    totals = Totals()
    assert totals.count("a", sent(100)).sent_bytes == 100
    assert totals.count("a", sent(150)).sent_bytes == 50
    assert totals.count("a", sent(150)).sent_bytes == 0
    assert totals.total.sent_bytes == 150


def test_a_new_epoch_counts_from_zero() -> None:
    totals = Totals()
    totals.count("a", sent(100))
    assert totals.count("b", sent(30)).sent_bytes == 30
    assert totals.total.sent_bytes == 130
    assert totals.epoch == "b"


def test_a_late_message_of_an_earlier_epoch_counts_once() -> None:
    totals = Totals()
    totals.count("a", sent(100))
    totals.count("b", sent(30))
    totals.count("a", sent(90))
    totals.count("a", sent(110))
    assert totals.total.sent_bytes == 140
    assert totals.epoch == "b"


def test_stored_and_restored() -> None:
    totals = Totals()
    totals.count("a", sent(100))
    totals.count("b", sent(30))
    totals = Totals.from_dict(totals.as_dict())
    totals.count("a", sent(100))
    totals.count("b", sent(31))
    assert totals.total.sent_bytes == 131


def test_epochs_are_bounded() -> None:
    totals = Totals()
    for number in range(100):
        totals.count(str(number), sent(1))
    assert totals.total.sent_bytes == 100
    assert len(totals.as_dict()["epochs"]) == MAX_EPOCHS_PER_DEVICE


@pytest.mark.parametrize("stored", [{}, {"total": [1], "epochs": 3}, {"total": ["x"], "epochs": {}}])
def test_what_was_not_stored_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        Totals.from_dict(stored)


@given(
    st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=6), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_order_and_repetition(epochs: list[list[int]], random: object) -> None:
    """Whatever arrives of cumulative counters, the total is the sum of each epoch's highest."""
    messages = [(str(number), value) for number, epoch in enumerate(epochs) for value in sorted(epoch)] * 2
    random.shuffle(messages)  # type: ignore[attr-defined]
    totals, before = Totals(), 0
    for epoch, value in messages:
        totals.count(epoch, sent(value))
        assert totals.total.sent_bytes >= before
        before = totals.total.sent_bytes
    assert before == sum(max(epoch) for epoch in epochs)

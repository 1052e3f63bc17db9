"""Rows are read quickly where they are ordinary, and thoroughly where they are not."""

from typing import Any

import pytest
import voluptuous as vol
from gateway_double import row
from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin import rows
from custom_components.spin.rows import row as read

ODD = st.sampled_from(
    [None, True, -1, 0, 0.5, 2**64 - 1, 2**64, 2.0**70, float("inf"), float("nan"), "", "tcp", "a b", "::1",
     "192.0.2.1%eth0", "1.2.3", [], [1.0], ["x"], {}, "x" * 300, "TCP"]
)  # fmt: skip


def outcome(function: Any, value: Any) -> Any:
    try:
        return function(value)
    except vol.Invalid:
        return "refused"


@given(
    st.dictionaries(st.sampled_from([*row(), "unknown"]), ODD, max_size=3),
    st.sets(st.sampled_from([*row()]), max_size=1),
)
def test_both_ways_agree(changed: dict[str, Any], left_out: set[str]) -> None:
    value = {key: item for key, item in (row() | changed).items() if key not in left_out}
    assert repr(outcome(read, value)) == repr(outcome(rows._thoroughly, value))


@pytest.mark.parametrize("value", [None, [], "row", 5, {}])
def test_what_is_no_row_is_refused(value: Any) -> None:
    with pytest.raises(vol.Invalid):
        read(value)


def test_an_ordinary_row() -> None:
    found = read(row(sent_bytes=7))
    assert (found.name, found.address, found.counters.sent_bytes) == ("ws.meethue.com", "198.51.100.7", 7)
    assert found == rows._thoroughly(row(sent_bytes=7))


def test_requests() -> None:
    assert read(row(requests=[1.0, 2])).requests == (1.0, 2.0)

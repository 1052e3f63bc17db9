"""Traffic over time."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_components.spin import windows
from custom_components.spin.chart import Ring
from custom_components.spin.models import RowCounters
from custom_components.spin.windows import DAY, HOUR, KEPT_DAYS, MINUTE, WINDOWS, Day

NOW = 1_577_923_200.0  # noon, 2 January 2020
GRIDS = {"5m": MINUTE, "1h": 5 * MINUTE, "24h": 2 * HOUR, "7d": 12 * HOUR}
# A month of a message each 5 s holds no more than that.
MOST_SAMPLES = 90


def counted(sent: int = 1, received: int = 0, connections: int = 0) -> RowCounters:
    return RowCounters(sent, received, connections)


def history(*events: tuple[float, int]) -> bytes:
    built = b""
    for at, sent in events:
        built = windows.add(built, at, counted(sent), at)
    return built


def test_nothing() -> None:
    assert windows.window(b"", 300, NOW) == RowCounters()
    assert windows.days(b"") == {}
    assert windows.join(b"", b"") == b""


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_begins_on_its_grid(name: str) -> None:
    seconds, grid = WINDOWS[name], GRIDS[name]
    for age in range(0, seconds + 2 * grid, grid // 4):
        found = windows.window(history((NOW - age, 7)), seconds, NOW).sent_bytes
        if age <= seconds:
            assert found == 7, age
        if age > seconds + grid:
            assert found == 0, age


def test_all_counters_are_kept() -> None:
    one, most = RowCounters(1, 2, 3, 4, 5, 6), RowCounters(2**63, 2**40, 2**31, 70_000, 2**20, 99_999)
    built = windows.add(b"", NOW, one, NOW)
    built = windows.add(built, NOW, most, NOW)
    assert windows.window(built, HOUR, NOW) == RowCounters(*map(sum, zip(one, most, strict=True)))
    built = windows.add(built, NOW + 3600, one, NOW + 3600)
    assert windows.window(built, DAY, NOW + 3600) == RowCounters(*map(sum, zip(one, most, one, strict=True)))


def test_what_does_not_fit_is_the_most_that_does() -> None:
    huge = RowCounters(2**64 - 1, 2**64 - 1, 2**64 - 1)
    built = windows.add(windows.add(b"", NOW, huge, NOW), NOW, huge, NOW)
    assert windows.window(built, HOUR, NOW)[:4] == (2**64 - 1, 2**64 - 1, 2**32 - 1, 0)


def test_days_are_utc_and_the_last_thirty() -> None:
    built = history(*((NOW - age * DAY, 100 + age) for age in range(40, -1, -1)))
    found = windows.days(built)
    today = date(2020, 1, 2).toordinal()
    assert found[today] == Day(100, 0, 0)
    assert found[today - 29] == Day(129, 0, 0)
    # Forgotten when the history is tidied, which is every 16 samples.
    assert min(found) >= today - KEPT_DAYS - 16


def test_a_busy_month_is_bounded() -> None:
    built, at, total = b"", NOW, 0
    while at < NOW + 31 * DAY:
        built = windows.add(built, at, counted(5), at)
        total += 5
        at += 977.0
    assert len(list(windows.samples(built))) <= MOST_SAMPLES
    assert len(built) < 2_000
    month = sum(day.sent for day in windows.days(built).values())
    assert total * 29 / 31 <= month <= total


@pytest.mark.parametrize("jump", [-1.0, -3600.0, -40 * DAY, -1.5e9])
def test_a_clock_that_was_ahead(jump: float) -> None:
    built = history((NOW, 5))
    built = windows.add(built, NOW + jump, counted(7), NOW + jump)
    assert windows.window(built, 300, NOW + jump).sent_bytes == 12


def test_what_is_told_late_is_counted() -> None:
    built = windows.add(history((NOW, 5)), NOW - 600, counted(7), NOW)
    assert windows.window(built, HOUR, NOW).sent_bytes == 12


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 9 * DAY), st.integers(0, 2**34), st.integers(0, 70_000)),
        max_size=60,
    )
)
def test_each_window_has_what_lies_in_it(events: list[tuple[float, int, int]]) -> None:
    """Against a plain list of all that happened."""
    built, at, log = b"", NOW, []
    for gap, sent, connections in events:
        at += gap / 40
        built = windows.add(built, at, counted(sent, 1, connections), at)
        log.append((at, sent, connections))
    for name, seconds in WINDOWS.items():
        found = windows.window(built, seconds, at)
        sure = [event for event in log if event[0] >= at - seconds]
        perhaps = [event for event in log if event[0] >= at - seconds - GRIDS[name]]
        assert sum(event[1] for event in sure) <= found.sent_bytes <= sum(event[1] for event in perhaps)
        assert sum(event[2] for event in sure) <= found.connections <= sum(event[2] for event in perhaps)
    by_day: dict[int, int] = {}
    for when, sent, _ in log:
        day = date(1970, 1, 1).toordinal() + int(when // DAY)
        by_day[day] = by_day.get(day, 0) + sent
    assert {day: traffic.sent for day, traffic in windows.days(built).items()} == by_day


@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_are_a_history_or_refused(stored: bytes) -> None:
    try:
        built = windows.checked(stored)
    except ValueError:
        return
    windows.window(built, HOUR, NOW)
    windows.days(built)
    windows.add(built, NOW, counted(), NOW)


def test_joined() -> None:
    one, other = history((NOW - 60, 1), (NOW, 2)), history((NOW - 90_000, 30), (NOW, 40))
    built = windows.join(one, other)
    assert windows.window(built, 300, NOW).sent_bytes == 43
    assert windows.window(built, 7 * DAY, NOW).sent_bytes == 73


@pytest.mark.parametrize(("name", "steps"), [("5m", 60), ("1h", 60), ("24h", 72), ("7d", 56)])
def test_a_chart_covers_the_window(name: str, steps: int) -> None:
    ring = Ring(WINDOWS[name])
    ring.add(NOW, 10, 20)
    ring.add(NOW + 1, 1, 2)
    ring.add(NOW + WINDOWS[name] / 2, 5, 6)
    later = NOW + WINDOWS[name] / 2
    chart = ring.chart(later)
    assert len(chart.sent) == len(chart.received) == steps
    assert chart.step * steps == WINDOWS[name]
    assert chart.start <= later - WINDOWS[name] + chart.step
    assert (sum(chart.sent), chart.sent[-1], sum(chart.received)) == (16, 5, 28)
    assert sum(ring.chart(NOW + 2 * WINDOWS[name]).sent) == 0
    assert sum(ring.chart(NOW - 2 * WINDOWS[name]).sent) == 0


def test_a_chart_goes_round() -> None:
    ring = Ring(300)
    for second in range(1000):
        ring.add(NOW + second, 1, 0)
    chart = ring.chart(NOW + 999)
    assert chart.sent == [5] * 60


def test_a_chart_after_a_clock_that_was_ahead() -> None:
    ring = Ring(300)
    ring.add(NOW, 1, 0)
    ring.add(NOW + 1e9, 5, 0)
    ring.add(NOW + 10, 2, 0)
    assert sum(ring.chart(NOW + 10).sent) == 2


def test_charts_join_and_are_stored() -> None:
    one, other = Ring(300), Ring(300)
    one.add(NOW, 1, 2)
    other.add(NOW, 10, 20)
    other.add(NOW + 60, 100, 200)
    one.join(other)
    assert sum(one.chart(NOW + 60).sent) == 111
    restored = Ring(300)
    restored.unpack(one.packed())
    assert restored.chart(NOW + 60) == one.chart(NOW + 60)
    with pytest.raises(ValueError, match="steps"):
        Ring(3600 * 24).unpack(one.packed())

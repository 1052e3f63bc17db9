"""When the learning period is over."""

from custom_components.spin.learning import DAY, Learning

HOUR = 3600.0


def active_for(learning: Learning, hours: float, *, since: float = 1e9) -> float:
    """Have the device do something every ten minutes; return when it stopped."""
    now = since
    while now < since + hours * HOUR:
        learning.active(now)
        now += 600
    learning.active(now)
    return now


def test_days_in_which_the_gateway_was_heard_end_it() -> None:
    learning = Learning(began=1000.0)
    assert not learning.is_over(1000.0 + 7 * DAY - 1, 7)
    assert learning.is_over(1000.0 + 7 * DAY, 7)


def test_it_stays_over() -> None:
    learning = Learning(began=0.0)
    assert learning.is_over(7 * DAY, 7)
    assert learning.is_over(7 * DAY, 30)


def test_without_learning_all_is_news() -> None:
    assert Learning(began=500.0).is_over(500.0, 0)


def test_quiet_activity_ends_it() -> None:
    learning = Learning(began=0.0)
    active_for(learning, 71)
    assert not learning.is_over(3 * DAY, 7)
    learning = Learning(began=0.0)
    active_for(learning, 72)
    assert learning.is_over(3 * DAY, 7)


def test_anything_new_begins_the_quiet_time_anew() -> None:
    learning = Learning(began=0.0)
    stopped = active_for(learning, 71)
    learning.learned()
    active_for(learning, 71, since=stopped)
    assert not learning.is_over(6 * DAY, 7)


def test_absence_is_not_quiet() -> None:
    learning = Learning(began=0.0)
    learning.active(0.0)
    learning.active(100 * DAY)
    assert learning.quiet == 0


def test_a_clock_that_jumps_does_not_matter() -> None:
    learning = Learning(began=0.0)
    for now in (1e9, 0.0, 4e9, 1e9, 1e9 + 60):
        learning.active(now)
    assert learning.quiet == 60


def test_the_time_left_is_that_of_what_comes_first() -> None:
    learning = Learning(began=1000.0)
    assert learning.left(1000.0, 7) == 72 * HOUR
    assert learning.left(1000.0, 2) == 2 * DAY
    active_for(learning, 10)
    assert learning.left(1000.0, 7) == 62 * HOUR
    assert learning.left(1000.0 + 6.5 * DAY, 7) == 0.5 * DAY
    assert learning.state == "learning"
    learning.is_over(1000.0 + 7 * DAY, 7)
    assert (learning.state, learning.left(0.0, 7), learning.ended_by) == ("over", None, "time")


def test_what_ended_it() -> None:
    quiet, skipped = Learning(began=0.0), Learning(began=0.0)
    active_for(quiet, 72)
    assert quiet.is_over(3 * DAY, 7)
    skipped.skip()
    assert (quiet.ended_by, skipped.ended_by) == ("quiet", "user")
    assert skipped.is_over(0.0, 7)


def test_restarted() -> None:
    learning = Learning(began=0.0, quiet=99.0, over=True, ended_by="time")
    learning.restart(20 * DAY)
    assert learning.left(20 * DAY, 2) == 2 * DAY
    assert not learning.is_over(22 * DAY - 1, 2)
    assert learning.is_over(22 * DAY, 2)


def test_reopened_for_some_hours_it_ends_by_itself_whether_quiet_or_not() -> None:
    learning = Learning(began=0.0, quiet=73 * HOUR, over=True, ended_by="quiet")
    learning.reopen(20 * DAY, 24)
    assert learning.left(20 * DAY, 7) == DAY
    active_for(learning, 80)
    assert not learning.is_over(21 * DAY - 1, 7)
    assert learning.is_over(21 * DAY, 7)
    assert learning.ended_by == "time"


def test_reopening_shortens_nothing() -> None:
    learning = Learning(began=0.0)
    learning.reopen(DAY, 24)
    assert learning.left(DAY, 7) == 72 * HOUR
    learning = Learning(began=0.0, over=True)
    learning.reopen(0.0, 24)
    learning.reopen(HOUR, 2)
    assert learning.left(HOUR, 7) == 23 * HOUR
    learning.reopen(23 * HOUR, 24)
    assert learning.left(23 * HOUR, 7) == DAY


def test_stored_and_restored() -> None:
    learning = Learning(began=5.0, quiet=7.0, over=True, length=3.0, ended_by="quiet")
    assert Learning.from_dict(learning.as_dict()) == learning

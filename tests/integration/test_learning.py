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


def test_stored_and_restored() -> None:
    learning = Learning(began=5.0, quiet=7.0, over=True)
    assert Learning.from_dict(learning.as_dict()) == learning

"""How often a value is written."""

import pytest

from custom_components.spin.pace import Pace

PACE = Pace(gap=10.0, regular=600.0)


@pytest.mark.parametrize(
    ("written", "value", "age", "expected"),
    [
        (None, 5, 0.0, 0.0),
        (0, 5, 0.0, 0.0),
        (5, None, 0.0, 0.0),
        (100, 150, 0.0, 600.0),
        (100, 150, 599.0, 1.0),
        (100, 150, 601.0, 0.0),
        (100, 1000, 4.0, 6.0),
        (100, 1000, 10.0, 0.0),
        ("0.1", "0.2", 100.0, 500.0),
    ],
)
def test_wait(written: object, value: object, age: float, expected: float) -> None:
    assert PACE.wait(written, value, age) == expected

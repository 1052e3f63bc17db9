"""How often a value that changes all the time is written to the state machine, and so recorded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The first value is written at once, one grown tenfold after `gap` seconds, others after `regular`.

    So a device that has just begun is followed from second to second, and one that has
    transferred a lot already costs a few rows an hour.
    """

    gap: float
    regular: float

    def wait(self, written: object, value: object, age: float) -> float:
        """Return in how many seconds the value may be written, 0 for now.

        Args:
            written: the value written last
            value: the value to be written
            age: for how many seconds the value written last stands
        """
        if not written or value is None:
            return 0.0
        return max(0.0, (self.gap if _grown_tenfold(written, value) else self.regular) - age)


def _grown_tenfold(written: object, value: object) -> bool:
    if isinstance(written, int | float) and isinstance(value, int | float):
        return value >= 10 * written
    return False


SLOW = Pace(gap=10.0, regular=600.0)
MINUTES = Pace(gap=60.0, regular=60.0)
FAST = Pace(gap=10.0, regular=10.0)

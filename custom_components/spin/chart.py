"""A device's traffic in equal steps, for each window that is drawn; the oldest makes room for the newest."""

from array import array
from base64 import b64decode, b64encode
from typing import Any, NamedTuple, Self

from .windows import DAY, HOUR, MINUTE

_MOST = 2**64 - 1


class Chart(NamedTuple):
    """Bytes in equal steps of so many seconds, of which the first begins at `start`."""

    start: int
    step: int
    sent: list[int]
    received: list[int]


# Steps, in seconds, in which each window is drawn.
_CHART_STEPS = {5 * MINUTE: 5, HOUR: MINUTE, DAY: 20 * MINUTE, 7 * DAY: 3 * HOUR}


class Ring:
    """The newest steps of a chart."""

    __slots__ = ("_newest", "_received", "_sent", "_step")

    def __init__(self, window: int) -> None:
        """Begin with nothing, for a window of so many seconds."""
        self._step = _CHART_STEPS[window]
        self._newest = 0
        self._sent = array("Q", bytes(8 * (window // self._step)))
        self._received = self._sent[:]

    def add(self, now: float, sent: int, received: int) -> None:
        """Count something in."""
        step, size = int(now) // self._step, len(self._sent)
        if step != self._newest:
            # Also when the clock was put back: what lay ahead of it is not true.
            first, last = sorted((step, self._newest))
            emptied = range(first + 1, last + 1) if last - first < size else range(size)
            for at in emptied:
                self._sent[at % size] = self._received[at % size] = 0
            self._newest = step
        self._sent[step % size] = min(_MOST, self._sent[step % size] + sent)
        self._received[step % size] = min(_MOST, self._received[step % size] + received)

    def chart(self, now: float) -> Chart:
        """Return the steps up to now."""
        last, size = int(now) // self._step, len(self._sent)
        steps = range(last - size + 1, last + 1)
        kept = range(self._newest - size + 1, self._newest + 1)
        return Chart(
            steps.start * self._step,
            self._step,
            *(
                [ring[at % size] if at in kept else 0 for at in steps]
                for ring in (self._sent, self._received)
            ),
        )

    def join(self, other: Self) -> None:
        """Add what another one counted."""
        self.add(max(self._newest, other._newest) * self._step, 0, 0)
        theirs, size = other.chart(self._newest * self._step), len(self._sent)
        for at, counts in enumerate(
            zip(theirs.sent, theirs.received, strict=True), theirs.start // self._step
        ):
            self._sent[at % size] += counts[0]
            self._received[at % size] += counts[1]

    def packed(self) -> list[Any]:
        """Return what is stored."""
        rings = (b64encode(ring.tobytes()).decode() for ring in (self._sent, self._received))
        return [self._newest, *rings]

    def unpack(self, stored: list[Any]) -> None:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        newest, *rings = stored
        self._newest = int(newest)
        for ring, text in zip((self._sent, self._received), rings, strict=True):
            restored = array("Q", b64decode(text))
            if len(restored) != len(ring):
                raise ValueError(f"chart of {len(restored)} steps")
            ring[:] = restored

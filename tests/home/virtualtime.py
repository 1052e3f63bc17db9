"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in a moment."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, override


class _JumpingSelector(selectors.SelectSelector):
    """Adds the time that it should have waited to `now`."""

    now = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        return self._virtual.now


def run_for(seconds: float, activity: Coroutine[Any, Any, None]) -> None:
    """Run an activity on a clock of its own, which starts at 0, for that long."""

    async def bounded() -> None:
        try:
            async with asyncio.timeout(seconds):
                await activity
        except TimeoutError:
            pass

    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        runner.run(bounded())

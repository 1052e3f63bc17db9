"""Ending tasks that do not want to."""

import asyncio
import time

from gateway_agent.tasks import end


async def test_a_task_that_forgets_a_cancellation_ends_too() -> None:
    async def forgetful() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    await end([task], 5)
    assert task.cancelled()


async def test_a_stubborn_task_is_not_waited_for() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    began = time.monotonic()
    await end([task], 0.5)
    assert 0.4 < time.monotonic() - began < 2
    assert not task.done()
    released.set()
    await task


async def test_ended_tasks_are_left_alone() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "result"))
    await task
    await end([task], 5)
    assert task.result() == "result"

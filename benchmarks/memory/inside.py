"""Measures, inside a Home Assistant without entities, what a message costs and how the store behaves."""

import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

from benchmarks.memory.household import GATEWAY, Message, Sender, encode, introduction
from benchmarks.memory.live import DESTINATIONS, DEVICES
from custom_components.spin import naming
from custom_components.spin.const import CONF_GATEWAY, CONF_PREFIX, DOMAIN
from custom_components.spin.coordinator import SpinCoordinator
from custom_components.spin.destinations import load_grouping
from custom_components.spin.wire import parse_info

_ROWS, _ROUNDS, _PROBE = 200, 60, 0.001


@dataclass(frozen=True)
class Inside:
    """Times in seconds: of the processor for a message, else of the clock; the size in MB."""

    message: float
    load: float
    load_blocks: float
    save: float
    save_blocks: float
    idle_blocks: float
    size: float


def _take(coordinator: SpinCoordinator, message: Message) -> float:
    topic, payload, _ = message
    below, encoded = topic.split("/", 2)[2], encode(payload)
    began = time.thread_time()
    if below.endswith("/flows"):
        coordinator._flows_received(below, encoded, False)  # noqa: SLF001
    else:
        coordinator._device_received(below, encoded, False)  # noqa: SLF001
    return time.thread_time() - began


def _size(path: str) -> int:
    return Path(path).stat().st_size


async def _timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return how long it takes, and how long the event loop was kept waiting at most meanwhile."""
    longest, done = 0.0, False

    async def probe() -> None:
        nonlocal longest
        while not done:
            began = time.perf_counter()
            await asyncio.sleep(_PROBE)
            longest = max(longest, time.perf_counter() - began - _PROBE)

    probing = asyncio.create_task(probe())
    await asyncio.sleep(0.05)
    longest = 0.0
    began = time.perf_counter()
    await work()
    took = time.perf_counter() - began
    done = True
    await probing
    return took, longest


@contextlib.asynccontextmanager
async def _home_assistant() -> AsyncIterator[HomeAssistant]:
    with tempfile.TemporaryDirectory(prefix="spin-benchmark-") as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            (Path(folder) / ".storage").mkdir()
            await naming.async_load()
            yield hass
            await hass.async_stop(force=True)


async def _measure() -> Inside:
    async with _home_assistant() as hass:
        data = {CONF_GATEWAY: GATEWAY, CONF_PREFIX: "spin"}
        entry = MockConfigEntry(domain=DOMAIN, data=data)
        entry.add_to_hass(hass)
        group = load_grouping()
        coordinator = SpinCoordinator(hass, entry, group)
        coordinator.study.listen()
        _, introduced, _ = next(introduction(time.time()))
        coordinator.registry.write_gateway(parse_info(encode(introduced), GATEWAY))
        senders = [Sender(number, DESTINATIONS) for number in range(DEVICES)]
        for sender in senders:
            _take(coordinator, sender.identity(time.time()))
            for message in sender.everything(time.time()):
                _take(coordinator, message)
        chance = random.Random(1)
        times = [
            _take(coordinator, senders[number % DEVICES].some(_ROWS, chance, time.time()))
            for number in range(_ROUNDS)
        ]
        save, save_blocks = await _timed(coordinator.roster.save)
        size = _size(hass.config.path(".storage", f"{DOMAIN}.{entry.entry_id}"))
        _, idle_blocks = await _timed(lambda: asyncio.sleep(1))
        again = SpinCoordinator(hass, entry, group)
        load, load_blocks = await _timed(again.roster.load)
        known = sum(len(device.destinations) for device in again.devices.values())
        if known != DEVICES * DESTINATIONS:
            raise RuntimeError(f"{known} destinations were loaded")
        return Inside(statistics.median(times), load, load_blocks, save, save_blocks, idle_blocks, size / 1e6)


def measure() -> Inside:
    """Measure."""
    return asyncio.run(_measure())

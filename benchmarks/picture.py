"""Prints what the picture costs Home Assistant at 50 devices x 500 destinations and 10 readers at once.

usage: .venv/bin/python -m benchmarks.picture
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import json_bytes
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components.spin  # noqa: F401
from custom_components.spin.const import DOMAIN
from custom_components.spin.destinations import Destinations
from custom_components.spin.device import Device
from custom_components.spin.learning import Learning
from custom_components.spin.models import (
    Counters,
    Fanout,
    Flows,
    GatewayInfo,
    Policy,
    PolicyState,
    Row,
    RowCounters,
)
from custom_components.spin.naming import identifier
from custom_components.spin.websocket import board as boards
from custom_components.spin.websocket.board import Board
from custom_components.spin.websocket.subscription import Subscription
from custom_components.spin.websocket.wish import Wish

DEVICES, DESTINATIONS, READERS = 50, 500, 10
# A gateway reports every 5 seconds: so many devices in each second, with so many rows.
REPORTS, ROWS = 10, 20
SECONDS = 60
EPOCH = "5f3a9c01d2e4b687"
BOUND_DELTA_MS, BOUND_SNAPSHOT, BOUND_ROUND_MS = 2.0, 40_000, 50.0


def mac(number: int) -> str:
    """Return a device's MAC address."""
    return f"00:17:88:00:00:{number:02x}"


def row(device: int, number: int, at: float, count: int) -> Row:
    """Return a row: half of the destinations are the device's own, the others many devices'."""
    own = number % 2
    name = f"host{number % 3}.service-{number}-{device if own else 0}.example.com"
    counters = RowCounters(1_000 * count, 5_000 * count, count, 0, 0, 0)
    address = f"198.51.{number % 250}.{device}"
    return Row(name, "dns", address, "tcp", 443, False, at - 3000, at, 10 * count, counters)


def flows(rows: tuple[Row, ...], at: float, seq: int) -> Flows:
    """Return a message of these rows."""
    counters = Counters(sent_bytes=seq * 10_000, received_bytes=seq * 50_000, sent_packets=seq * 100)
    return Flows(EPOCH, seq, at - 5, at, False, counters, rows, {}, Fanout(0, 0))


def device_with_destinations(number: int, now: float) -> Device:
    """Return a device that knows its destinations, and was active with half of them in the last hour."""
    device = Device(
        mac(number), Destinations(lambda name: name.partition(".")[2]), Learning(0.0, over=True), now
    )
    for step in range(4):
        at = now - 2400 + 600 * step
        rows = tuple(row(number, each, at, step + 1) for each in range(DESTINATIONS) if not step or each % 2)
        device.flows(mac(number), flows(rows, at, step + 1), at, is_over=lambda learning: learning.over)
    return device


def coordinator_of(hass: HomeAssistant, entry: MockConfigEntry, devices: list[Device]) -> SimpleNamespace:
    """Return what the board asks of a coordinator."""
    info = GatewayInfo("home", "Home", "0.1.0", EPOCH, 0.0, 5.0, "nftables", frozenset({"block"}), {}, ())
    ids = {device.mac: identifier("home", device.mac) for device in devices}
    registry = dr.async_get(hass)
    listeners: list[Callable[[Device, Flows], None]] = []
    find = registry.async_get_device_by_identifier
    return SimpleNamespace(
        hass=hass,
        entry=entry,
        gateway="home",
        devices={device.mac: device for device in devices},
        registry=SimpleNamespace(name=lambda which: find(ids[which], entry.entry_id).name),
        policy=SimpleNamespace(state=PolicyState(Policy(0, {}), True, ())),
        rulings=SimpleNamespace(automatic=lambda _mac: [], of=lambda _mac, _target: None),
        roster=SimpleNamespace(learning_left=lambda _learning: None),
        listen_gateway=lambda _listener: lambda: None,
        listen_flows=lambda listener: listeners.append(listener) or listeners.clear,
        listeners=listeners,
        info=info,
        available=True,
        since=0.0,
        problems=[],
        gateway_time=time.time,
    )


@dataclass
class Connection:
    """A browser that acknowledges at once; counts what it is sent, as the bytes that Home Assistant makes."""

    sent: list[tuple[str, int]] = field(default_factory=list)

    def send_event(self, number: int, event: dict[str, Any]) -> None:
        """Take an event."""
        self.sent.append((event["type"], len(json_bytes({"id": number, "type": "event", "event": event}))))


def wishes(board: Board) -> Iterator[Wish]:
    """Return what the readers look at: most at the home, one at a device, one at a destination."""
    yield Wish(device=next(iter(board.places)))
    yield Wish(destination=next(iter(board.tally.groups)))
    for _ in range(READERS - 2):
        yield Wish()


def timed(call: Callable[[], object]) -> float:
    """Return how many milliseconds of the processor a call takes: others may use the machine, too."""
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1000


async def measure(hass: HomeAssistant, window: str) -> None:
    """Measure one window, and print it."""
    now = time.time()
    entry = MockConfigEntry(domain=DOMAIN, data={"gateway": "home", "prefix": "spin"}, title="Home")
    entry.add_to_hass(hass)
    entry.mock_state(hass, ConfigEntryState.LOADED)
    devices = [device_with_destinations(number, now) for number in range(DEVICES)]
    for number, device in enumerate(devices):
        dr.async_get(hass).async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={identifier("home", device.mac)},
            name=f"Device number {number}",
        )
    entry.runtime_data = coordinator_of(hass, entry, devices)
    # What is remembered of a home is old: it is not what the collector looks through first.
    gc.collect()
    gc.freeze()
    board = Board(hass, None, window)
    board.open()
    rounds = []
    while not board.edition:
        rounds.append(timed(board._round))  # noqa: SLF001
    print(f"{window}: filling the board: {sum(rounds):.0f} ms in {len(rounds)} rounds")
    print(f"{window}: longest round: {max(rounds):.1f} ms of {BOUND_ROUND_MS:.0f}")

    connections, readers = [], []
    for number, wish in enumerate(wishes(board)):
        connection = Connection()
        reader = Subscription(connection, number, board, wish, "0.1.0")  # type: ignore[arg-type]
        board.join(reader)
        connections.append(connection)
        readers.append(reader)
    snapshots = timed(board._round)  # noqa: SLF001
    print(f"{window}: a snapshot: {snapshots / READERS:.1f} ms")
    sizes = [size for connection in connections for kind, size in connection.sent if kind == "snapshot"]
    print(f"{window}: largest snapshot: {max(sizes)} bytes of {BOUND_SNAPSHOT}")

    costs = []
    for second in range(SECONDS):
        at = now + second
        for index in range(REPORTS):
            number = (second * REPORTS + index) % DEVICES
            rows = tuple(
                row(number, (second + each * 7) % DESTINATIONS, at, 10 + second) for each in range(ROWS)
            )
            device = devices[number]
            message = flows(rows, at, 10 + second)
            grown = device.flows(device.mac, message, at, is_over=lambda learning: learning.over)
            device.changed(traffic=True)
            for listener in entry.runtime_data.listeners:
                listener(device, message, grown)
        for reader in readers:
            reader.acknowledge(second)
        costs.append(timed(board._round))  # noqa: SLF001
    deltas = [size for connection in connections for kind, size in connection.sent if kind == "delta"]
    if len(deltas) != SECONDS * READERS:
        raise SystemExit(f"{window}: {len(deltas)} deltas")
    median, slow = statistics.median(costs) / READERS, statistics.quantiles(costs, n=20)[-1] / READERS
    print(f"{window}: delta per reader: median {median:.2f} ms of {BOUND_DELTA_MS}, p95 {slow:.2f} ms")
    behind = len(board._pending)  # noqa: SLF001
    print(
        f"{window}: delta: median {statistics.median(deltas):.0f} bytes; devices not looked at yet: {behind}"
    )
    board.close()
    await hass.config_entries.async_remove(entry.entry_id)
    if median > BOUND_DELTA_MS or max(sizes) > BOUND_SNAPSHOT:
        raise SystemExit(f"{window}: over the bound")


async def run() -> None:
    """Measure all windows."""
    async with async_test_home_assistant() as hass:
        # Pace is for readers; here each round follows at once.
        with (
            patch.object(boards, "PACE", 3600.0),
            patch("custom_components.spin.websocket.subscription.PACE", 0.0),
            patch.object(Board, "_soon"),
        ):
            for window in ("5m", "1h", "24h", "7d"):
                await measure(hass, window)
        await hass.async_stop(force=True)


def main() -> None:
    """Run."""
    asyncio.run(run())


if __name__ == "__main__":
    main()

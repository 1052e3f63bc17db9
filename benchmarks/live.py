"""What the live agent costs under load, beside softflowd on the same traffic."""

import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from benchmarks.agents import Running
from benchmarks.frames import connection, dns_exchange
from benchmarks.gateway import Gateway
from benchmarks.load import both_sides, send
from benchmarks.process import cpu_seconds, resident_megabytes

RATES = (500, 1000, 2000)
_DESTINATIONS = 200
_SETTLE_SECONDS = 6.0  # more than an interval: what the load caused is read and published
_RESOLVER = IPv4Address("192.0.2.53")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-seconds of both processes over one load."""

    agent: float
    softflowd: float


def _names(gateway: Gateway) -> list[list[tuple[bool, bytearray]]]:
    return [
        dns_exchange(gateway.path, _RESOLVER, f"service{number}.example{number % 40}.com", _remote(number))
        for number in range(_DESTINATIONS)
    ]


def _remote(number: int) -> IPv4Address:
    return IPv4Address("203.0.113.1") + number


def _measured(running: Running, load: list[tuple[object, int, float]], gateway: Gateway) -> Cost:
    agent, softflowd = cpu_seconds(running.agent), cpu_seconds(running.softflowd)
    with both_sides(gateway) as sides:
        for exchanges, count, rate in load:
            send(sides, exchanges, count=count, rate=rate)  # type: ignore[arg-type]
    time.sleep(_SETTLE_SECONDS)
    return Cost(cpu_seconds(running.agent) - agent, cpu_seconds(running.softflowd) - softflowd)


def connections(gateway: Gateway, running: Running, rate: int, count: int) -> Cost:
    """Return the cost of `count` connections at `rate` a second to 200 named services."""
    exchanges = [connection(gateway.path, _remote(number), 443) for number in range(_DESTINATIONS)]
    return _measured(running, [(_names(gateway), _DESTINATIONS, 200), (exchanges, count, rate)], gateway)


def answers(gateway: Gateway, running: Running, count: int) -> Cost:
    """Return the cost of `count` DNS answers at 2,000 a second."""
    return _measured(running, [(_names(gateway), count, 2000)], gateway)


def memory(running: Running) -> float:
    """Return the agent's resident memory in MB."""
    return resident_megabytes(running.agent)

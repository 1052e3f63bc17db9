"""What the live agent costs under load, beside softflowd on the same traffic."""

import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from benchmarks.frames import connection, dns_exchange
from benchmarks.load import Exchange, Load, both_sides, send
from benchmarks.process import cpu_seconds
from benchmarks.site import INTERVAL, Site
from tests.home.household import HUE

_DESTINATIONS = 200
_RESOLVER = IPv4Address("198.18.255.53")
_ANSWER_RATE = 2000
_FIRST_RATE = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-seconds of both processes over one load."""

    agent: float
    softflowd: float


def get_to_know(site: Site) -> None:
    """Have each of the 200 services looked up and contacted once."""
    exchanges = [connection(site.wires, _remote(number), 443) for number in range(_DESTINATIONS)]
    with both_sides(site) as sides:
        for load in (_lookups(site), exchanges):
            send(sides, Load(load, range(_DESTINATIONS), _FIRST_RATE))
    time.sleep(INTERVAL + 2)


def connections(site: Site, rate: int, count: int) -> Cost:
    """Return the cost of `count` connections at `rate` a second to 200 services that are known by name.

    Raises:
        RuntimeError: the agent did not count exactly these.
    """
    before = site.reader.total(HUE.mac, "connections")
    exchanges = [connection(site.wires, _remote(number), 443) for number in range(_DESTINATIONS)]
    cost = _measured(site, Load(exchanges, range(before, before + count), rate))
    counted = site.reader.total(HUE.mac, "connections") - before
    if counted != count:
        raise RuntimeError(f"{counted} connections were counted, not {count}")
    return cost


def answers(site: Site, count: int) -> Cost:
    """Return the cost of `count` DNS answers at 2,000 a second."""
    return _measured(site, Load(_lookups(site), range(count), _ANSWER_RATE))


def _lookups(site: Site) -> list[Exchange]:
    return [
        dns_exchange(site.wires, _RESOLVER, f"service{number}.example{number % 40}.com", _remote(number))
        for number in range(_DESTINATIONS)
    ]


def _remote(number: int) -> IPv4Address:
    return IPv4Address("198.18.0.1") + number


def _measured(site: Site, load: Load) -> Cost:
    agent, softflowd = cpu_seconds(site.agent.pid), cpu_seconds(site.softflowd.pid)
    with both_sides(site) as sides:
        send(sides, load)
    time.sleep(INTERVAL + 2)  # what the load caused is read and published
    return Cost(cpu_seconds(site.agent.pid) - agent, cpu_seconds(site.softflowd.pid) - softflowd)

"""Measures what the agent costs on this machine: `sudo .venv/bin/python -m benchmarks [--connections N]`.

Takes about four minutes and prints a table: what was measured, the bound, softflowd on the same traffic.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import live
from benchmarks.process import resident_megabytes
from benchmarks.replays import packets_a_second
from benchmarks.site import Site, site
from tests.home.fresh import FreshContacts
from tests.home.household import CAMERA
from tests.home.latency import percentile, rule_latencies, table_absence, wake_up_delays
from tests.home.namespaces import namespaces
from tests.home.python import AGENT_PYTHON, ROOT

RATES = (500, 1000, 2000)
_ANSWERS = 20_000
_LOOKUPS = 300
_CONTACTS = 100
_FLUSHES = 20
_FAMILIES = (4, 6)
_QUIET, _QUIET_TRIES = 0.0005, 60


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `bound` is what is promised, with its sign."""

    what: str
    measured: str
    bound: str = ""
    softflowd: str = ""


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--connections", type=int, default=40_000, help="for each rate (default 40,000)")
    options = parser.parse_args()
    rows = []
    for row in measure(options.connections):
        print(f"  {row.what}: {row.measured}", file=sys.stderr, flush=True)
        rows.append(row)
    head = Row("what", "measured", "bound", "softflowd")
    for row in (head, *rows):
        print(f"| {row.what:58} | {row.measured:>9} | {row.bound:>9} | {row.softflowd:>9} |")
        if row is head:
            print(f"|{'-' * 60}|{'-' * 10}:|{'-' * 10}:|{'-' * 10}:|")


def measure(count: int) -> Iterator[Row]:
    """Yield the rows as they are measured."""
    with site() as built:
        yield _quiet()
        yield _flushes(built, "few connections known", "<= 50")
    with site() as built:
        yield from _loads(built, count)
        yield from _names(built)
        yield Row("RSS after all of this, MB", f"{resident_megabytes(built.agent.pid):.1f}", "<= 40")
        yield _flushes(built, "the load's connections known")
        yield Row("packets/s of a replay on one core", f"{packets_a_second(built.wires):,.0f}", ">= 100,000")
    yield _quiet()
    with namespaces("rules") as made:
        command = ("env", f"PYTHONPATH={ROOT}", AGENT_PYTHON, "-m", "benchmarks.rules")
        for kind, milliseconds in json.loads(made["rules"].run(*command, timeout=120)).items():
            yield Row(f"10,000 rules at once, best of 9, {kind}, ms", f"{milliseconds:.1f}", "<= 50")


def _quiet() -> Row:
    """Wait a while for a moment at which others leave this machine alone; say how it is then."""
    for _ in range(_QUIET_TRIES):
        late = percentile(wake_up_delays(200), 0.99)
        if late <= _QUIET:
            break
    return Row("(this machine wakes a process too late by, ms, p99)", f"{late * 1000:.2f}")


def _flushes(built: Site, known: str, bound: str = "") -> Row:
    """Measure how long the table is away; the kernel walks through all connections that it knows."""
    absences = [_flush(built) for _ in range(_FLUSHES)]
    return Row(f"table back, {known}, ms, worst of {_FLUSHES}", f"{max(absences) * 1000:.1f}", bound)


def _flush(built: Site) -> float:
    time.sleep(0.4)  # the agent gives in to who flushes more often than 30 times in 10 s
    return table_absence(built.home.gateway, "spin")


def _loads(built: Site, count: int) -> Iterator[Row]:
    live.get_to_know(built)
    for rate in RATES:
        cost, scale = live.connections(built, rate, count), 100_000 / count
        what = f"CPU-s per 100,000 connections at {rate}/s"
        yield Row(what, f"{cost.agent * scale:.3f}", "<= 0.33", f"{cost.softflowd * scale:.3f}")
    cost, scale = live.answers(built, _ANSWERS), 10_000 / _ANSWERS
    yield Row("CPU-s per 10,000 DNS answers at 2,000/s", f"{cost.agent * scale:.3f}", "<= 0.10")


def _names(built: Site) -> Iterator[Row]:
    """Measure rules about names, with another device than that of the load."""
    device = built.home.devices["camera"]
    fresh = FreshContacts(built.home)
    rule = {"action": "block", "name": "fresh.example"}
    built.enforce(1, {CAMERA.mac: {"destinations": [rule]}})
    names = [f"n{number}.fresh.example" for number in range(1000, 1000 + _LOOKUPS)]
    yield _quiet()
    latencies = rule_latencies(device, built.home.gateway, names, 6)
    for share in (0.5, 0.99):
        bound = "<= 5" if share > 0.5 else ""  # noqa: PLR2004
        what = f"from a DNS answer to its rule in force, ms, p{share * 100:.0f}"
        yield Row(what, f"{percentile(latencies, share) * 1000:.2f}", bound)
    for family in _FAMILIES:
        passed = fresh.attempt(device, family, range(_CONTACTS), 0.01)
        what = f"payloads of {_CONTACTS} to fresh addresses 10 ms after the answer, IPv{family}"
        yield Row(what, str(passed.payload), "0")
    for family in _FAMILIES:
        passed = fresh.attempt(device, family, range(_CONTACTS, 2 * _CONTACTS), 0)
        yield Row(f"the same without delay, IPv{family}: handshakes", str(passed.handshakes))
        yield Row(f"the same without delay, IPv{family}: payloads", str(passed.payload))


if __name__ == "__main__":
    main()

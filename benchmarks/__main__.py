"""Prints what the agent costs on this machine: `sudo .venv/bin/python -m benchmarks [--connections N]`."""

import argparse

from benchmarks import live
from benchmarks.agents import agents
from benchmarks.gateway import benchmark_gateway


def main() -> None:
    """Run the live measurements in namespaces and print a table; takes about three minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--connections", type=int, default=50_000, help="for each rate (default 50,000)")
    parser.add_argument("--answers", type=int, default=20_000, help="DNS answers (default 20,000)")
    options = parser.parse_args()
    print(f"{'load':46} {'agent':>10} {'softflowd':>10}")
    for rate in live.RATES:
        with benchmark_gateway() as gateway, agents(gateway) as running:
            cost = live.connections(gateway, running, rate, options.connections)
            scale = 100_000 / options.connections
            label = f"CPU-s per 100,000 connections at {rate}/s"
            print(f"{label:46} {cost.agent * scale:10.3f} {cost.softflowd * scale:10.3f}", flush=True)
            memory = live.memory(running)
    with benchmark_gateway() as gateway, agents(gateway) as running:
        cost = live.answers(gateway, running, options.answers)
        scale = 10_000 / options.answers
        label = "CPU-s per 10,000 DNS answers at 2,000/s"
        print(f"{label:46} {cost.agent * scale:10.3f} {cost.softflowd * scale:10.3f}")
    print(f"{'RSS of the agent after the load, MB':46} {memory:10.1f}")


if __name__ == "__main__":
    main()

"""Prints what the integration costs: `.venv/bin/python -m benchmarks.memory [--seconds N] [--rows N]`."""

import argparse

from benchmarks.memory import live


def main() -> None:
    """Measure and print a table; takes about four minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90, help="of live load (default 90)")
    parser.add_argument("--rows", type=int, default=20, help="rows of a message under load (default 20)")
    options = parser.parse_args()
    cost = live.measure(options.rows, options.seconds)
    what = f"{live.DEVICES} devices x {live.DESTINATIONS} destinations"
    print(f"{'':58} {'measured':>10} {'bound':>10}")
    print(f"{f'RSS added, {what}, MB':58} {cost.memory:10.1f} {40:10}")
    print(f"{'  of it before the first destination, MB':58} {cost.memory_without_destinations:10.1f}")
    print(f"{f'share of one core, {options.rows} rows each 5 s, %':58} {cost.processor * 100:10.2f} {3:10}")


if __name__ == "__main__":
    main()

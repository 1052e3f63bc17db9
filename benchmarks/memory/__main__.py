"""Prints what the integration costs: `.venv/bin/python -m benchmarks.memory [--seconds N] [--rows N]`."""

import argparse

from benchmarks.memory import inside, live


def main() -> None:
    """Measure and print a table; takes about five minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90, help="of live load (default 90)")
    parser.add_argument("--rows", type=int, default=20, help="rows of a message under load (default 20)")
    options = parser.parse_args()
    within = inside.measure()
    print(f"{'':58} {'measured':>10} {'bound':>10}")
    print(f"{'message of a device, 200 rows, median, ms':58} {within.message * 1e3:10.2f} {2:10}")
    print(f"{'loading 25,000 destinations, s':58} {within.load:10.2f} {1:10}")
    print(f"{'  event loop kept waiting at most, ms':58} {within.load_blocks * 1e3:10.1f}")
    print(f"{'saving them, s':58} {within.save:10.2f}")
    print(f"{'  event loop kept waiting at most, ms':58} {within.save_blocks * 1e3:10.1f} {20:10}")
    print(f"{'  and without any work, ms':58} {within.idle_blocks * 1e3:10.1f}")
    print(f"{'  size on disk, MB':58} {within.size:10.1f}", flush=True)
    cost = live.measure(options.rows, options.seconds)
    what = f"{live.DEVICES} devices x {live.DESTINATIONS} destinations"
    print(f"{f'RSS added, {what}, MB':58} {cost.memory:10.1f} {40:10}")
    print(f"{'  of it before the first destination, MB':58} {cost.memory_without_destinations:10.1f}")
    print(f"{'  after a restart of Home Assistant, MB':58} {cost.memory_after_restart:10.1f}")
    print(f"{f'share of one core, {options.rows} rows each 5 s, %':58} {cost.processor * 100:10.2f} {3:10}")


if __name__ == "__main__":
    main()

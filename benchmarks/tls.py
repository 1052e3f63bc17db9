"""What the names of TLS servers cost: `sudo .venv/bin/python -m benchmarks.tls [--seconds 40]`.

The same connections twice to 200 addresses that nobody looked up: with payload that is no hello, and with the
hello of a real TLS client, a name for each address.
"""

import argparse
import ssl
import time
from ipaddress import IPv4Address

from benchmarks.frames import connection
from benchmarks.load import Load, both_sides, send
from benchmarks.process import cpu_seconds
from benchmarks.site import INTERVAL, Site, site
from tests.agent.tls_hellos import real
from tests.home.household import HUE

_DESTINATIONS = 200
_PORTS = {"no hello": 8000, "a hello": 8443}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls", description=__doc__)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--rate", type=int, default=1000, help="connections a second (default 1000)")
    options = parser.parse_args()
    seconds, rate = options.seconds, options.rate
    with site() as built:
        for first, (label, port) in enumerate(_PORTS.items()):
            _cost(built, port, range(first * 1000, first * 1000 + 1000), rate)  # rows and names begin
            start = 10_000 + first * seconds * rate
            cost = _cost(built, port, range(start, start + seconds * rate), rate)
            print(f"CPU-s per 100,000 connections at {rate}/s, {label}: {cost:.3f}", flush=True)
        rows = built.reader.rows[HUE.mac].values()
        named = {
            row["name"] for row in rows if row["port"] == _PORTS["a hello"] and row["name_source"] == "tls"
        }
        print(f"servers with a name: {len(named)} of {_DESTINATIONS}")


def _cost(built: Site, port: int, serials: range, rate: int) -> float:
    exchanges = []
    for number in range(_DESTINATIONS):
        hello = (
            real(f"service{number}.example", version=ssl.TLSVersion.TLSv1_2)
            if port == _PORTS["a hello"]
            else bytes(230)
        )
        exchanges.append(connection(built.wires, IPv4Address("198.18.4.1") + number, port, hello))
    before = cpu_seconds(built.agent.pid)
    with both_sides(built) as sides:
        send(sides, Load(exchanges, serials, rate))
    time.sleep(INTERVAL + 2)
    return (cpu_seconds(built.agent.pid) - before) * 100_000 / len(serials)


if __name__ == "__main__":
    main()

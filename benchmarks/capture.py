"""What a capture loses and costs: `sudo .venv/bin/python -m benchmarks.capture [--seconds 60]`.

A device sends 50 Mbit/s through the gateway for a minute, in single packets and in joined segments, while the
agent captures it and mosquitto passes the file on to a reader.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import cpu_seconds, resident_megabytes
from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home.agent import Agent
from tests.home.home import Home, home
from tests.home.household import HUE
from tests.home.namespaces import stop
from tests.home.reader import Reader, reading

_SERVER = "203.0.113.253"
_PORT = "5202"
_BEFORE_AND_AFTER = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a capture; `passed` are the packets that the device's interface counted meanwhile."""

    report: dict[str, Any]
    file_bytes: int
    passed: int
    cpu: float
    resident: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--megabits", type=int, default=50)
    options = parser.parse_args()
    print(f"{options.megabits} Mbit/s for {options.seconds} s: packets, and what they cost")
    titles = ("passed", "captured", "dropped by kernel", "by agent", "file MB", "CPU-s", "RSS MB")
    print(f"{'':16}" + "".join(f"{title:>{len(title) + 3}}" for title in titles))
    for label, segments in (("single packets", 1), ("joined segments", 64)):
        result = _measured(segments, options.megabits, options.seconds)
        report = result.report
        values = (
            result.passed,
            report["packets"],
            report["dropped_kernel"],
            report["dropped_agent"],
            round(result.file_bytes / 1e6, 1),
            round(result.cpu, 2),
            round(result.resident, 1),
        )
        print(
            f"{label:16}"
            + "".join(f"{value:>{len(title) + 3}}" for title, value in zip(titles, values, strict=True)),
            flush=True,
        )
        if result.file_bytes != report["bytes"]:
            print(f"incomplete: the agent sent {report['bytes']} bytes")


def _measured(segments: int, megabits: int, seconds: int) -> Result:
    with (
        tempfile.TemporaryDirectory(prefix="spin-bench-") as folder,
        home(HUE) as house,
        brokers.running(brokers.mosquitto(Path(folder))) as broker,
        reading(broker) as reader,
        agents.running(Agent(house, broker, Path(folder), interval=5)) as agent,
    ):
        reader.wait(lambda: agent.pid and reader.retained.get("status") == "online", "the agent is online")
        for namespace, name in (
            (house.devices[HUE.label], "eth0"),
            (house.gateway, f"lan-{HUE.label}"),
            (house.gateway, "wan"),
            (house.internet, "uplink"),
        ):
            namespace.run("ip", "link", "set", name, "gso_max_segs", str(segments))
        house.configure_statically(HUE.label)
        house.devices[HUE.label].run("ping", "-c", "1", _SERVER)
        reader.wait(lambda: reader.retained.get(f"device/{HUE.mac}"), "the device is known")
        return _captured(house, agent, reader, megabits, seconds)


def _captured(house: Home, agent: Agent, reader: Reader, megabits: int, seconds: int) -> Result:
    server = house.internet.start("iperf3", "-s", "-1", "-p", _PORT)
    try:
        time.sleep(_BEFORE_AND_AFTER)
        cpu = cpu_seconds(agent.pid)
        command = {"id": "bench", "command": "capture", "device": HUE.mac, "max_bytes": 10**9}
        reader.publish("command", command)
        reader.wait(lambda: reader.retained.get("reply/bench"), "the capture begins")
        before = _packets(house)
        load = ("iperf3", "-c", _SERVER, "-p", _PORT, "-b", f"{megabits}M", "-t", str(seconds))
        house.devices[HUE.label].run(*load, timeout=seconds + 30)
        time.sleep(_BEFORE_AND_AFTER)
        passed = _packets(house) - before
        resident = resident_megabytes(agent.pid)
        reader.publish("command", {"id": "stop", "command": "stop_capture", "capture": "bench"})
        reader.wait(lambda: reader.retained["reply/bench"]["state"] == "ended", "the capture ends")
        cost = cpu_seconds(agent.pid) - cpu
        file_bytes = sum(map(len, reader.captures["bench"]))
        return Result(reader.retained["reply/bench"], file_bytes, passed, cost, resident)
    finally:
        stop(server)


def _packets(house: Home) -> int:
    with house.devices[HUE.label].entered():
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    (counts,) = (line.split(":")[1].split() for line in lines if line.strip().startswith("eth0:"))
    received, sent = counts[1], counts[9]
    return int(received) + int(sent)


if __name__ == "__main__":
    main()

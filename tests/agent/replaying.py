"""Replays a capture through the command line and sums up what it said."""

import ipaddress
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_agent.replay import json_line, replay

Counts = tuple[int, int, int, int]
"""Sent packets and bytes, received packets and bytes."""

Row = dict[str, Any]


@dataclass
class Replayed:
    """All messages of a replay, and the newest state of every row."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[tuple[object, ...], Row] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    omitted: dict[str, dict[str, int]] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    lookups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    stderr: str = ""
    status: int = 0

    def take(self, message: dict[str, Any]) -> None:
        """Take one line."""
        self.messages.append(message)
        parts = message["topic"].split("/")[2:]
        if parts[0] != "device":
            return
        mac, payload = parts[1], message["payload"]
        if len(parts) == 2:
            self.devices[mac] = payload
            return
        self.counters[mac], self.omitted[mac] = payload["counters"], payload["omitted"]
        for row in payload["destinations"]:
            key = (mac, row["name"], row["address"], row["protocol"], row["port"], row["first"])
            self.rows[key] = row | {"mac": mac}
            self.requests[mac, row["address"]] += row["requests"]
        for lookup in payload["lookups"]:
            self.lookups[mac, lookup["name"]] = lookup

    def payloads(self, suffix: str) -> list[Any]:
        """Return the payloads of the topics that end so."""
        return [message["payload"] for message in self.messages if message["topic"].endswith(suffix)]

    def by_address(self) -> dict[tuple[str, str], Counts]:
        """Return the counts per device and remote address."""
        return self._sum(lambda row: (row["mac"], row["address"]))

    def by_service(self) -> dict[tuple[str, str, str, int], Counts]:
        """Return the counts per device, remote address, protocol and port."""
        return self._sum(lambda row: (row["mac"], row["address"], row["protocol"], row["port"]))

    def names(self) -> dict[str, set[str | None]]:
        """Return the names under which each remote address has traffic."""
        found: dict[str, set[str | None]] = defaultdict(set)
        for row in self.rows.values():
            found[row["address"]].add(row["name"])
        return dict(found)

    def total(self, counter: str, protocol: str | None = None) -> dict[tuple[str, str, int], int]:
        """Return where a counter is not 0: per device, remote address and port."""
        sums: dict[tuple[str, str, int], int] = defaultdict(int)
        for row in self.rows.values():
            if row[counter] and protocol in (None, row["protocol"]):
                sums[row["mac"], row["address"], row["port"]] += row[counter]
        return dict(sums)

    def _sum(self, key: Any) -> dict[Any, Counts]:  # noqa: ANN401
        sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for row in self.rows.values():
            total = sums[key(row)]
            for index, name in enumerate(
                ("sent_packets", "sent_bytes", "received_packets", "received_bytes")
            ):
                total[index] += row[name]
        return {each: (total[0], total[1], total[2], total[3]) for each, total in sums.items()}


def replayed(path: Path, *options: str, check: bool = True) -> Replayed:
    """Run `replay --jsonl --speed 0` on a file."""
    command = [
        sys.executable,
        "-m",
        "gateway_agent",
        "replay",
        str(path),
        "--jsonl",
        "--speed",
        "0",
        *options,
    ]
    process = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert not check or process.returncode == 0, process.stderr
    result = Replayed(stderr=process.stderr, status=process.returncode)
    for line in process.stdout.splitlines():
        result.take(json.loads(line))
    return result


def told(path: Path, *lan: str) -> Replayed:
    """Replay a file within this process."""
    result = Replayed()
    networks = [ipaddress.ip_network(text) for text in lan]
    replay(path, emit=lambda message: result.take(json.loads(json_line(message, "spin/home"))), lan=networks)
    return result

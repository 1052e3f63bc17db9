"""Messages of a large household, as a gateway publishes them: 50 devices, each with 500 destinations."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

GATEWAY = "benchmark"
ROOT = f"spin/{GATEWAY}"
EPOCH = "5f3a9c01d2e4b687"
_COUNTERS = ("sent_bytes", "received_bytes", "sent_packets", "received_packets", "connections",
             "unanswered", "blocked")  # fmt: skip
_PER_PART = 250

Message = tuple[str, dict[str, Any] | str, bool]


def _counters(times: int) -> dict[str, int]:
    traffic = {"sent_bytes": 1_200, "received_bytes": 9_000, "sent_packets": 12, "received_packets": 11}
    return dict.fromkeys(_COUNTERS, 0) | {name: each * times for name, each in traffic.items()}


@dataclass
class Sender:
    """A device; `contacts` counts how often it talked to each of its destinations."""

    number: int
    destinations: int
    seq: int = 0
    contacts: list[int] = field(default_factory=list)
    since: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        """Begin with one contact each."""
        self.contacts = [1] * self.destinations

    @property
    def mac(self) -> str:
        """The MAC address."""
        return f"00:17:88:00:{self.number >> 8:02x}:{self.number & 255:02x}"

    def _row(self, number: int, now: float) -> dict[str, Any]:
        times = self.contacts[number]
        first = self.since - 600 + number
        return {
            "name": f"api-{number}.service-{self.number}-{number}.com", "name_source": "dns",
            "address": f"2001:db8:{self.number:x}::{number:x}",
            "protocol": "tcp", "port": 443, "local": False, "first": first, "last": now,
            **_counters(times), "connections": times, "empty": 0, "requests": [],
        }  # fmt: skip

    def flows(self, numbers: Sequence[int], now: float, *, snapshot: bool = False) -> dict[str, Any]:
        """Return a message on these destinations."""
        self.seq += 1
        return {
            "epoch": EPOCH, "seq": self.seq, "start": now - 5, "end": now,
            "snapshot": snapshot, "more": False,
            "counters": _counters(sum(self.contacts)),
            "destinations": [self._row(number, now) for number in numbers],
            "lookups": [], "fanout": {"hosts": 0, "ports": 0},
            "omitted": {"destinations": 0, "sent_bytes": 0, "received_bytes": 0},
        }  # fmt: skip

    def everything(self, now: float) -> Iterator[Message]:
        """Yield all destinations, in parts, as a gateway does when Home Assistant asks for a snapshot."""
        for begin in range(0, self.destinations, _PER_PART):
            numbers = range(begin, min(begin + _PER_PART, self.destinations))
            yield f"{ROOT}/device/{self.mac}/flows", self.flows(numbers, now, snapshot=True), False

    def some(self, count: int, chance: random.Random, now: float) -> Message:
        """Return a message on `count` destinations with more traffic."""
        numbers = chance.sample(range(self.destinations), count)
        for number in numbers:
            self.contacts[number] += 1
        return f"{ROOT}/device/{self.mac}/flows", self.flows(numbers, now), False

    def identity(self, now: float) -> Message:
        """Return who it is."""
        return (
            f"{ROOT}/device/{self.mac}",
            {
                "mac": self.mac, "addresses": [f"192.168.8.{self.number + 1}"],
                "hostname": f"device-{self.number}", "vendor_class": None, "first_seen": now - 600,
                "last_seen": now, "epoch": EPOCH, "counters": _counters(sum(self.contacts)),
            },
            True,
        )  # fmt: skip


def introduction(now: float) -> Iterator[Message]:
    """Yield what a gateway says first."""
    yield (
        f"{ROOT}/info",
        {
            "protocol": 1, "gateway": GATEWAY, "name": "Benchmark", "version": "1", "epoch": EPOCH,
            "started": now - 600, "interval": 5, "source": "nftables",
            "capabilities": ["block", "names", "connections"], "limits": {}, "problems": [],
        },
        True,
    )  # fmt: skip
    yield f"{ROOT}/status", "online", True
    yield f"{ROOT}/policy/state", {"revision": 0, "devices": {}, "enforced": True, "problems": []}, True


def encode(payload: dict[str, Any] | str) -> bytes:
    """Return the payload as it is published."""
    return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()

"""What the gateway says, as plain data (wire contract, version 1).

MAC addresses are lower case with colons, times are Unix seconds (UTC) of the gateway's clock,
bytes are IP total length, and counters are cumulative since `epoch`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

type Mac = str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the gateway cannot do, in a word for programs and in words for people."""

    code: str
    text: str
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayInfo:
    """Who the gateway is and what it can do (topic `info`)."""

    gateway: str
    name: str
    version: str
    epoch: str
    started: float
    interval: float
    source: str
    capabilities: frozenset[str]
    limits: Mapping[str, int]
    problems: tuple[Problem, ...]


class Counters(NamedTuple):
    """A device's traffic with the Internet, cumulative."""

    sent_bytes: int = 0
    received_bytes: int = 0
    sent_packets: int = 0
    received_packets: int = 0
    connections: int = 0
    unanswered: int = 0
    blocked: int = 0

    @property
    def packets(self) -> int:
        """Both directions together."""
        return self.sent_packets + self.received_packets


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """Identity and totals of one device (topic `device/<mac>`)."""

    mac: Mac
    addresses: tuple[str, ...]
    hostname: str | None
    vendor_class: str | None
    first_seen: float
    last_seen: float
    epoch: str
    counters: Counters


class RowCounters(NamedTuple):
    """What is counted per destination, cumulative."""

    sent_bytes: int = 0
    received_bytes: int = 0
    connections: int = 0
    unanswered: int = 0
    blocked: int = 0
    empty: int = 0


class Row(NamedTuple):
    """One remote address and service of a device. `first` marks the instance: it counts from there."""

    name: str | None
    name_source: str | None
    address: str
    protocol: str
    port: int
    local: bool
    first: float
    last: float
    sent_packets: int
    counters: RowCounters
    # Times of NTP client requests that no message had before.
    requests: tuple[float, ...] = ()


class Fanout(NamedTuple):
    """Whom a device contacted in one interval without an answer: hosts, and ports of one host."""

    hosts: int = 0
    ports: int = 0


@dataclass(frozen=True, slots=True)
class Flows:
    """What a device did in one interval (topic `device/<mac>/flows`)."""

    epoch: str
    seq: int
    start: float
    end: float
    snapshot: bool
    counters: Counters
    rows: tuple[Row, ...]
    lookups: Mapping[str, float]
    fanout: Fanout


@dataclass(frozen=True, slots=True)
class Rule:
    """Blocks or allows a name (with what is below it) or an address or network."""

    action: str
    name: str | None = None
    address: str | None = None
    until: float | None = None

    @property
    def target(self) -> str:
        """The name or the address."""
        return self.name or self.address or ""


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """What holds for one device."""

    blocked: bool = False
    until: float | None = None
    destinations: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one gateway (topic `policy`). Devices without any rule are not in it."""

    revision: int
    devices: Mapping[Mac, DevicePolicy]
    everyone: tuple[Rule, ...] = ()

    def device(self, mac: Mac) -> DevicePolicy:
        """Return what holds for this device."""
        return self.devices.get(mac, DevicePolicy())


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The rules that the gateway enforces (topic `policy/state`)."""

    policy: Policy
    enforced: bool
    problems: tuple[Problem, ...]

"""Plain data that passes between the stages of the agent.

Addresses are packed network-order bytes (4 for IPv4, 16 for IPv6) until they are published;
a MAC address is lower-case text with colons; times are Unix seconds (UTC); bytes are IP total
length, as the kernel counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

Address = bytes
Mac = str

MAX_REQUESTS: Final = 1024
"""Of the times of NTP requests so many are kept where they wait, the newest."""


class Flow(NamedTuple):
    """What the sources count by: one LAN address, one remote address, one service.

    `protocol` is the IANA protocol number; `port` is the responder's port, 0 where the
    protocol has none. `mac` is the device's where the source saw it on the packets themselves: it alone
    tells whose the unspecified address is (a DHCP client's); without it the neighbours know the device.
    """

    lan: Address
    remote: Address
    protocol: int
    port: int
    mac: Mac | None = None


@dataclass(slots=True)
class Traffic:
    """What one flow did since its source was last read; every count is a difference, never negative.

    `connections` counts connections opened by either side, `unanswered` those that got no reply
    in time, `empty` TCP connections that were set up and closed without payload, `blocked` packets
    of the device that the firewall refused. `requests` are the times of NTP client requests.
    """

    first: float
    last: float
    sent_bytes: int = 0
    sent_packets: int = 0
    received_bytes: int = 0
    received_packets: int = 0
    connections: int = 0
    unanswered: int = 0
    empty: int = 0
    blocked: int = 0
    requests: list[float] = field(default_factory=list)


class Answer(NamedTuple):
    """A DNS answer on its way to a LAN address (RFC 1035, section 4).

    `name` is the name that was asked for, lower case, printable, without the final dot; `addresses`
    are those that it resolved to through its CNAME chain; `ttl` is the chain's shortest, in seconds.
    `answered` is false for an error response or one without any record.
    """

    lan: Address
    name: str
    addresses: tuple[Address, ...]
    ttl: int
    answered: bool
    at: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A MAC address was seen to use an address on the LAN."""

    mac: Mac
    address: Address
    at: float


@dataclass(frozen=True, slots=True)
class HostName:
    """What a DHCP client calls itself (RFC 2132, option 12) and its vendor class (option 60)."""

    mac: Mac
    hostname: str | None
    vendor_class: str | None
    at: float


@dataclass(frozen=True, slots=True)
class FirstContact:
    """A flow that the source did not know yet has begun: worth an early reading."""

    flow: Flow
    at: float


class ServerName(NamedTuple):
    """A TLS client on the LAN named the server that it wants at a remote address and TCP port.

    `name` has the form of an Answer's.
    """

    lan: Address
    remote: Address
    port: int
    name: str
    at: float


Observation = Answer | Neighbour | HostName | FirstContact | ServerName
Observe = Callable[[Observation], None]


class Source(Protocol):
    """Delivers what the flows did since the last call, in chunks that the caller may pause between.

    Observations (answers, neighbours, host names, first contacts) go to the `Observe` callable that
    the source was made with, at once and before any traffic that they precede.
    """

    name: str

    def read(self, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Yield the flows that changed; each at most once a call."""
        ...

"""What a device does, as plain data: whom it contacts, when, and what it does when that fails.

Times are seconds on the device's own clock, which a stage may let run faster than the real one.
"""

from dataclasses import dataclass
from typing import Literal

from tests.home.zone import Family


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact with a service: look the name up, connect, exchange that much payload, close.

    A `tcp` contact without payload is a handshake that is closed at once. `name` may be an address.
    """

    name: str
    port: int
    kind: Literal["tcp", "tls", "udp", "ntp"]
    upload: int = 0
    download: int = 0
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Activity:
    """Rounds of contacts, made in order, each when the one before is done (`together`: all without waiting).

    The first round is `first` seconds after start, the pauses to the next ones come from `every` in turn,
    at most `rounds` rounds. `hold` keeps the connection of its only contact open: a round is then one
    exchange on it, and a broken connection is opened anew after `retry` seconds.
    `until_one_answers` ends a round at the first contact that succeeds.
    With `when_failing`, rounds happen only while that other activity has been failing for `failing_for`.
    """

    name: str
    contacts: tuple[Contact, ...]
    every: tuple[float, ...]
    first: float = 0.0
    rounds: int | None = None
    gap: float = 0.5
    together: bool = False
    hold: bool = False
    retry: float = 10.0
    until_one_answers: bool = False
    when_failing: str | None = None
    failing_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A device model: who it is on the LAN, which IP versions it uses (best first) and what it does."""

    model: str
    mac: str
    hostname: str | None
    vendor_class: str | None
    families: tuple[Family, ...]
    activities: tuple[Activity, ...]

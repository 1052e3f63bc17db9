"""What judgement remembers of one device over restarts, so that nothing is told twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..const import REACTIONS
from .alarm import Alarm
from .bursts import Bursts
from .floods import Pulse
from .outages import Outages, Service
from .scans import Knocks

MAX_VERSIONS = 8
MAX_ATTEMPTS_TOLD = 64


@dataclass(slots=True)
class Firmware:
    """The last change of the firmware, by Home Assistant's clock."""

    former: str
    version: str
    at: float
    told: bool = False
    # Learning was over, and was opened again because of this change.
    reopened: bool = False

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [self.former, self.version, self.at, self.told, self.reopened]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        former, version, at, told, reopened = stored
        return cls(str(former), str(version), float(at), bool(told), bool(reopened))


@dataclass(slots=True)
class Judged:
    """Judgement's own memory of a device; what is not stored begins anew after a restart."""

    # What the user chose for this device; None follows the options.
    reaction: str | None = None
    # A new device that is blocked until the user accepts it.
    awaits_acceptance: bool = False
    # Whether the device was blocked when that was looked at last.
    was_blocked: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    firmware: Firmware | None = None
    scan: Alarm = field(default_factory=Alarm)
    flood: Alarm = field(default_factory=Alarm)
    dns_bypass: bool = False
    outages: Outages = field(default_factory=Outages)
    # Blocked services whose first attempt was told.
    attempts: dict[Service, None] = field(default_factory=dict)
    knocks: Knocks = field(default_factory=Knocks)
    pulse: Pulse = field(default_factory=Pulse)
    bursts: Bursts = field(default_factory=Bursts)
    # Whether something happened that may need the user's attention, or end that.
    unsettled: bool = True
    # When there was news last, by Home Assistant's clock.
    news_at: float = 0.0

    def version_heard(self, source: str, version: str) -> str | None:
        """Take the version that a source says, and return the former one if it has changed."""
        former = self.versions.get(source)
        self.versions[source] = version
        if len(self.versions) > MAX_VERSIONS:
            del self.versions[next(iter(self.versions))]
        return former if former != version else None

    def first_attempt(self, service: Service) -> bool:
        """Return whether an attempt at something blocked is the first since it is blocked."""
        if service in self.attempts or len(self.attempts) >= MAX_ATTEMPTS_TOLD:
            return False
        self.attempts[service] = None
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; may be called from another thread."""
        return {
            "reaction": self.reaction,
            "awaits_acceptance": self.awaits_acceptance,
            "was_blocked": self.was_blocked,
            "versions": dict(self.versions),
            "firmware": self.firmware and self.firmware.as_list(),
            "scan": self.scan.as_list(),
            "flood": self.flood.as_list(),
            "dns_bypass": self.dns_bypass,
            "outages": self.outages.as_list(),
            "attempts": [list(service) for service in list(self.attempts)],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        firmware = stored["firmware"]
        self = cls(
            reaction=stored["reaction"] if stored["reaction"] in REACTIONS else None,
            awaits_acceptance=bool(stored["awaits_acceptance"]),
            was_blocked=bool(stored["was_blocked"]),
            versions={str(source): str(version) for source, version in stored["versions"].items()},
            firmware=None if firmware is None else Firmware.from_list(firmware),
            scan=Alarm.from_list(stored["scan"]),
            flood=Alarm.from_list(stored["flood"]),
            dns_bypass=bool(stored["dns_bypass"]),
            attempts={Service(str(h), str(p), int(n)): None for h, p, n in stored["attempts"]},
        )
        self.outages.restore(stored["outages"])
        return self

"""What a device did in a period, for instance while it had one firmware, and what differs between two.

What was seen without Internet, in an experiment, is kept apart: the names that a device falls back on
say as much of its firmware as those that it uses every day, but only where it was tried.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import orjson

from ..destinations import Grown
from ..remotes import Intern
from .contact_book import ContactBook
from .contacts import Contact
from .seen import Seen, whole_seconds

DAY = 86_400.0
HOUR = 3_600.0

type Caveat = Literal["unequal_exposure", "unequal_trouble", "short_exposure", "truncated"]

# Exposures that differ by more than this factor are called unequal.
UNEQUAL = 2.0
SHORT = DAY


@dataclass(slots=True)
class Profile:
    """One period of a device; `heard` and `trouble`: seconds in which it could be seen, was cut off."""

    number: int
    began: float
    label: str | None = None
    firmware: str | None = None
    ended: float | None = None
    heard: float = 0.0
    trouble: float = 0.0
    requests: int = 0
    omitted: int = 0
    contacts: ContactBook = field(default_factory=ContactBook)

    def take(self, grown: Iterable[Grown], now: float, *, trouble: bool) -> None:
        """Add what a message has that is new."""
        at = whole_seconds(now)
        for each in grown:
            if any(each.growth) and not self.contacts.take(each, at, trouble=trouble):
                self.omitted += 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen in it yet."""
        return not (self.heard or self.contacts or self.omitted)

    @property
    def days(self) -> float:
        """How long the device could be seen, in days."""
        return self.heard / DAY

    def halve(self) -> int:
        """Forget half of the contacts, those longest ago first; return how many."""
        forgotten = self.contacts.halve()
        self.omitted += forgotten
        return forgotten

    def per_day(self, amount: float) -> float | None:
        """Return an amount for each day of exposure, None where that is too short to tell."""
        return amount / self.days if self.heard >= HOUR else None

    def summary(self) -> dict[str, Any]:
        """Return the period as response data."""
        counters = [seen.counters for _, seen in self.contacts.items()]
        sent = sum(each.sent_bytes for each in counters)
        received = sum(each.received_bytes for each in counters)
        return {
            "period": self.number,
            "label": self.label,
            "firmware": self.firmware,
            "began": self.began,
            "ended": self.ended,
            "exposure_hours": round(self.heard / HOUR, 2),
            "without_internet_hours": round(self.trouble / HOUR, 2),
            "names": len({contact.target for contact in self.contacts if contact.named}),
            "sent_bytes_per_day": _whole(self.per_day(sent)),
            "received_bytes_per_day": _whole(self.per_day(received)),
            "time_requests_per_day": _whole(self.per_day(self.requests)),
            "omitted": self.omitted,
        }

    def as_json(self) -> Iterator[bytes]:
        """Yield what is stored, in pieces; may be called from another thread."""
        small = {
            "number": self.number,
            "began": self.began,
            "label": self.label,
            "firmware": self.firmware,
            "ended": self.ended,
            "heard": self.heard,
            "trouble": self.trouble,
            "requests": self.requests,
            "omitted": self.omitted,
        }
        yield orjson.dumps(small)[:-1] + b',"contacts":['
        for number, (contact, seen) in enumerate(self.contacts.items()):
            yield b"," * (number > 0) + orjson.dumps([*contact, seen.as_list()])
        yield b"]}"

    @classmethod
    def from_dict(cls, stored: dict[str, Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        self = cls(
            int(stored["number"]),
            float(stored["began"]),
            stored["label"],
            stored["firmware"],
            None if stored["ended"] is None else float(stored["ended"]),
            float(stored["heard"]),
            float(stored["trouble"]),
            int(stored["requests"]),
            int(stored["omitted"]),
        )
        for target, named, protocol, port, seen in stored["contacts"]:
            contact = Contact(intern(str(target)), bool(named), str(protocol), int(port))
            self.contacts.put(contact, Seen.from_list(seen))
        return self


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _names(profile: Profile) -> dict[str, list[tuple[Contact, Seen]]]:
    """Return the contacts of each name; what has no name counts only for its ports."""
    names: dict[str, list[tuple[Contact, Seen]]] = {}
    for contact, seen in profile.contacts.items():
        if contact.named:
            names.setdefault(contact.target, []).append((contact, seen))
    return names


def _described(name: str, found: list[tuple[Contact, Seen]]) -> dict[str, Any]:
    checks = {seen.check(contact) for contact, seen in found}
    return {
        "name": name,
        "services": sorted({f"{contact.protocol}/{contact.port}" for contact, _ in found}),
        "only_without_internet": not any(seen.usual for _, seen in found),
        "connectivity_check": next(iter(checks)) if len(checks) == 1 else None,
    }


def _services(profile: Profile) -> set[str]:
    return {f"{contact.protocol}/{contact.port}" for contact in profile.contacts}


def _warnings(before: Profile, after: Profile) -> list[Caveat]:
    found: list[Caveat] = []
    low, high = sorted((before.heard, after.heard))
    if high > low * UNEQUAL:
        found.append("unequal_exposure")
    if bool(before.trouble) != bool(after.trouble):
        found.append("unequal_trouble")
    if low < SHORT:
        found.append("short_exposure")
    if before.omitted or after.omitted:
        found.append("truncated")
    return found


def compare(before: Profile, after: Profile) -> dict[str, Any]:
    """Return what differs between two periods of a device, as response data."""
    old, new = _names(before), _names(after)
    return {
        "before": before.summary(),
        "after": after.summary(),
        "names_gone": [_described(name, old[name]) for name in sorted(old.keys() - new.keys())],
        "names_new": [_described(name, new[name]) for name in sorted(new.keys() - old.keys())],
        "names_kept": sorted(old.keys() & new.keys()),
        "services_gone": sorted(_services(before) - _services(after)),
        "services_new": sorted(_services(after) - _services(before)),
        "warnings": _warnings(before, after),
    }

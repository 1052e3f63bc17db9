"""What a device did in a period, for instance while it had one firmware, and what differs between two.

What was seen without Internet, in an experiment, is kept apart: the names that a device falls back on
say as much of its firmware as those that it uses every day, but only where it was tried.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct, error
from typing import Any, Literal, Self

from ..models import Growth, RowCounters
from .connectivity import Check, check_kind
from .contacts import Contact, contact_of

DAY = 86_400.0
HOUR = 3_600.0
MAX_CONTACTS = 512

type Caveat = Literal["unequal_exposure", "unequal_trouble", "short_exposure", "truncated"]

# Exposures that differ by more than this factor are called unequal.
UNEQUAL = 2.0
SHORT = DAY


class Seen(bytes):
    """What a device did with one contact in a period; times of Home Assistant's clock.

    There may be tens of thousands, so it is packed: first and last time, counters, usual, in trouble.
    """

    __slots__ = ()

    _layout = Struct("<2d2Q4I2?")
    _most = (2**64 - 1, 2**64 - 1, *[2**32 - 1] * 4)

    @classmethod
    def _of(cls, first: float, last: float, counters: Iterable[int], *flags: bool) -> Self:
        return cls(cls._layout.pack(first, last, *map(min, counters, cls._most, strict=True), *flags))

    @classmethod
    def nothing(cls, now: float) -> Self:
        """Begin with nothing counted."""
        return cls._of(now, now, RowCounters(), False, False)

    @property
    def last(self) -> float:
        """When it was seen last."""
        last: float = self._layout.unpack(self)[1]
        return last

    @property
    def counters(self) -> RowCounters:
        """What was counted."""
        return RowCounters._make(self._layout.unpack(self)[2:-2])

    @property
    def usual(self) -> bool:
        """Whether it was seen in ordinary operation."""
        return self[-2] > 0

    @property
    def in_trouble(self) -> bool:
        """Whether it was seen without Internet."""
        return self[-1] > 0

    def plus(self, new: RowCounters, now: float, *, trouble: bool) -> Self:
        """Return it with what is new."""
        first, _, *counters, usual, in_trouble = self._layout.unpack(self)
        total = map(int.__add__, counters, new)  # noqa: B912 both are counters
        return self._of(first, now, total, usual or not trouble, in_trouble or trouble)

    def check(self, contact: Contact) -> Check | None:
        """Return what kind of connectivity check this is."""
        name = contact.target if contact.named else None
        counters = self.counters
        return check_kind(name, counters.connections - counters.unanswered, counters.empty)

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        first, last, *counters, usual, in_trouble = self._layout.unpack(self)
        return [first, last, counters, usual, in_trouble]

    @classmethod
    def from_list(cls, stored: Iterable[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        first, last, counters, usual, in_trouble = stored
        try:
            return cls._of(float(first), float(last), map(int, counters), bool(usual), bool(in_trouble))
        except error as err:
            raise ValueError(f"counters {counters!r}") from err


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
    contacts: dict[Contact, Seen] = field(default_factory=dict)

    def take(self, grown: Iterable[Growth], now: float, *, trouble: bool) -> None:
        """Add what a message has that is new."""
        for row, new in grown:
            if not any(new):
                continue
            contact = contact_of(row)
            seen = self.contacts.get(contact)
            if seen is None:
                if len(self.contacts) >= MAX_CONTACTS:
                    self.omitted += 1
                    continue
                seen = Seen.nothing(now)
            self.contacts[contact] = seen.plus(new, now, trouble=trouble)

    @property
    def days(self) -> float:
        """How long the device could be seen, in days."""
        return self.heard / DAY

    def halve(self) -> int:
        """Forget half of the contacts, those longest ago first; return how many."""
        stale = sorted(self.contacts, key=lambda contact: self.contacts[contact].last)
        stale = stale[: (len(stale) + 1) // 2]
        for contact in stale:
            del self.contacts[contact]
        self.omitted += len(stale)
        return len(stale)

    def usual(self) -> set[Contact]:
        """Return the contacts of ordinary operation."""
        return {contact for contact, seen in self.contacts.items() if seen.usual}

    def per_day(self, amount: float) -> float | None:
        """Return an amount for each day of exposure, None where that is too short to tell."""
        return amount / self.days if self.heard >= HOUR else None

    def summary(self) -> dict[str, Any]:
        """Return the period as response data."""
        sent = sum(seen.counters.sent_bytes for seen in self.contacts.values())
        received = sum(seen.counters.received_bytes for seen in self.contacts.values())
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

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; may be called from another thread."""
        return {
            "number": self.number,
            "began": self.began,
            "label": self.label,
            "firmware": self.firmware,
            "ended": self.ended,
            "heard": self.heard,
            "trouble": self.trouble,
            "requests": self.requests,
            "omitted": self.omitted,
            "contacts": [[*contact, seen.as_list()] for contact, seen in list(self.contacts.items())],
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
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
            contact = Contact(str(target), bool(named), str(protocol), int(port))
            self.contacts[contact] = Seen.from_list(seen)
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

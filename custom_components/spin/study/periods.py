"""The periods of one device: the present one and some that are over."""

from collections.abc import Iterable, Iterator
from typing import Self

from ..destinations import Grown
from .contacts import Contact
from .profile import Profile

MAX_PERIODS = 6
MAX_LABEL = 80


class Periods:
    """Profiles of a device, oldest first; the last is the present. Times of Home Assistant's clock."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        """Begin with at least one."""
        self._profiles = list(profiles)
        if not self._profiles:
            raise ValueError("no period")

    @classmethod
    def beginning(cls, now: float) -> Self:
        """Return the periods of a device that nothing is known of."""
        return cls([Profile(1, now)])

    def __iter__(self) -> Iterator[Profile]:
        """Go through them, the oldest first."""
        return iter(self._profiles)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._profiles)

    @property
    def present(self) -> Profile:
        """The one that is not over."""
        return self._profiles[-1]

    def begin(self, now: float, *, label: str | None = None, firmware: str | None = None) -> Profile:
        """End the present period and begin another; the oldest is forgotten when there are too many."""
        self.present.ended = now
        profile = Profile(
            self.present.number + 1, now, label and label[:MAX_LABEL], firmware or self.present.firmware
        )
        self._profiles.append(profile)
        del self._profiles[:-MAX_PERIODS]
        return profile

    def firmware_is(self, firmware: str | None, now: float) -> Profile | None:
        """Take note of the firmware; return the period that it begins, None where it is no change."""
        if firmware is None or firmware == self.present.firmware:
            return None
        if self.present.firmware is None:
            self.present.firmware = firmware[:MAX_LABEL]
            return None
        return self.begin(now, firmware=firmware[:MAX_LABEL])

    def take(self, grown: Iterable[Grown], requests: int, now: float, *, trouble: bool) -> None:
        """Add to the present period."""
        self.present.take(grown, now, trouble=trouble)
        self.present.requests += requests

    def is_usual(self, contact: Contact) -> bool:
        """Return whether a contact is one of ordinary operation, in any period."""
        found = (profile.contacts.get(contact) for profile in self._profiles)
        return any(seen is not None and seen.usual for seen in found)

    def find(self, which: str) -> Profile | None:
        """Return a period by its number, its label or its firmware; of several the newest."""
        for profile in reversed(self._profiles):
            if which in (str(profile.number), profile.label, profile.firmware):
                return profile
        return None

    def pair(self, before: str | None, after: str | None) -> tuple[Profile, Profile] | None:
        """Return two periods to compare: by default the present one and the one before; None without them."""
        new = self.present if after is None else self.find(after)
        if before is not None:
            old = self.find(before)
        else:
            place = self._profiles.index(new) if new in self._profiles else 0
            old = self._profiles[place - 1] if place else None
        return None if old is None or new is None else (old, new)

    def titles(self) -> list[str]:
        """Return by what each can be found."""
        return [profile.label or profile.firmware or str(profile.number) for profile in self._profiles]

    def shrink(self) -> int:
        """Forget the oldest period that is over; return how many contacts it had."""
        if len(self._profiles) == 1:
            return 0
        return len(self._profiles.pop(0).contacts)

    @property
    def size(self) -> int:
        """How many contacts all periods have together."""
        return sum(len(profile.contacts) for profile in self._profiles)

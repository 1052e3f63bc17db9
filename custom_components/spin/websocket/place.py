"""A device's place on a board, and links added up."""

from dataclasses import dataclass, field
from typing import NamedTuple

from homeassistant.core import CALLBACK_TYPE

from ..destination import Key
from ..device import Device
from . import flags as flag
from .desk import Desk
from .sheet import NOTHING, Link, Sheet
from .standing import Standing


class Sums(NamedTuple):
    """Links added up, those of a group or those of a device; from `links` on, how many of them are what."""

    sent: int = 0
    received: int = 0
    links: int = 0
    shown: int = 0
    active: int = 0
    new: int = 0
    cut: int = 0
    blocked: int = 0
    failed: int = 0

    @classmethod
    def of(cls, link: Link) -> Sums:
        """Count one link."""
        if not link.hosts:
            return cls()
        return cls(
            link.sent,
            link.received,
            1,
            int(link.is_shown),
            int(link.active > 0),
            int(link.new > 0),
            int(0 < link.blocked == link.hosts),
            int(link.blocked > 0),
            int(link.failed > 0),
        )

    def moved(self, before: Link, after: Link) -> Sums:
        """Return the sums when one link has changed."""
        return moved(Sums, self, self.of(before), self.of(after))

    @property
    def flags(self) -> int:
        """The flags of a group."""
        found = flag.NEW if self.new else 0
        if self.blocked:
            found |= flag.BLOCKED if self.cut == self.links else flag.PARTLY
        if self.failed:
            found |= flag.FAILED
        return found if self.active else found | flag.QUIET


NO_SUMS = Sums()


def moved[T: (Sums, Link)](kind: type[T], sums: T, before: T, after: T) -> T:
    """Return sums in which one part has changed."""
    return kind(*[a - b + c for a, b, c in zip(sums, before, after, strict=True)])


@dataclass(slots=True)
class Place:
    """A device on the board: whom it belongs to, what it is called, its sheet and the sums of that."""

    device_id: str
    name: str
    gateway: int
    desk: Desk
    device: Device
    sheet: Sheet
    stop: CALLBACK_TYPE
    # With whom there was traffic since the sheet was refreshed.
    touched: set[Key] = field(default_factory=set)
    sums: Sums = NO_SUMS
    hosts: Link = NOTHING

    @property
    def standing(self) -> Standing:
        """What the device's hosts were judged by last."""
        return self.sheet.standing or self.desk.standing(self.device)

"""Who made which rule, and when.

The rules themselves are the gateway's; kept here is what it does not know of them. A ruling lives
as long as its rule.
"""

import logging
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .models import Mac, Policy

_LOGGER = logging.getLogger(__name__)

VERSION = 1
SAVE_DELAY = 2.0
# More than rules fit into a policy.
MAX_RULINGS = 4_096
MAX_REASON = 200

type By = Literal["user", "automatic", "timer"]
USER: By = "user"
AUTOMATIC: By = "automatic"
TIMER: By = "timer"
BY = (USER, AUTOMATIC, TIMER)


class About(NamedTuple):
    """What a ruling is about: a device (None: everyone) and a name or address (None: the whole device)."""

    mac: Mac | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who made a rule. Times are Unix seconds of Home Assistant's clock.

    Args:
        by: a person or their automation (`user`), or a reaction (`automatic`)
        user_id: the person, where that is known
        since: when
        reason: the event type that a reaction answered
    """

    by: By
    user_id: str | None = None
    since: float = field(default_factory=time.time)
    reason: str | None = None

    def as_list(self) -> list[Any]:
        """Return what is stored."""
        return [self.by, self.user_id, self.since, self.reason]

    @classmethod
    def from_list(cls, stored: Iterable[Any]) -> Self:
        """Restore; raises ValueError or TypeError when it is not what was stored."""
        by, user_id, since, reason = stored
        if by not in BY:
            raise ValueError(f"made by {by!r}")
        return cls(by, user_id and str(user_id), float(since), reason and str(reason)[:MAX_REASON])


def standing(policy: Policy) -> set[About]:
    """Return all that a policy has a rule about."""
    found = {About(mac, None) for mac, device in policy.devices.items() if device.blocked}
    found |= {
        About(mac, rule.target) for mac, device in policy.devices.items() for rule in device.destinations
    }
    return found | {About(None, rule.target) for rule in policy.everyone}


class Rulings:
    """The rulings of one gateway, over restarts."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Know of none yet."""
        self._store = _store(hass, entry_id)
        self._made: dict[About, Ruling] = {}

    def note(self, mac: Mac | None, target: str | None, ruling: Ruling) -> None:
        """Take note of who made a rule that is enforced by now."""
        about = About(mac, target)
        self._made.pop(about, None)
        self._made[about] = ruling
        if len(self._made) > MAX_RULINGS:
            del self._made[next(iter(self._made))]
        self._save_later()

    def of(self, mac: Mac | None, target: str | None) -> Ruling | None:
        """Return who made a rule; None where it was made elsewhere."""
        return self._made.get(About(mac, target))

    def join(self, first: Mac, others: Collection[Mac]) -> None:
        """Have what is known about several MAC addresses be about the first; what that has itself stays."""
        for about in [about for about in self._made if about.mac in others]:
            self._made.setdefault(About(first, about.target), self._made.pop(about))
        self._save_later()

    def automatic(self, mac: Mac | None) -> list[About]:
        """Return the rules about a device that a reaction made, the oldest first."""
        return [about for about, made in self._made.items() if about.mac == mac and made.by == AUTOMATIC]

    @callback
    def follow(self, left: Collection[About]) -> None:
        """Forget the rulings whose rules are not among those that are left."""
        gone = [about for about in self._made if about not in left]
        for about in gone:
            del self._made[about]
        if gone:
            self._save_later()

    async def load(self) -> None:
        """Load what is known from before; what cannot be read is forgotten, and said."""
        stored = await self._store.async_load()
        try:
            made = {
                About(mac, target): Ruling.from_list(rest) for mac, target, *rest in (stored or {})["made"]
            }
        except KeyError, TypeError, ValueError:
            if stored is not None:
                _LOGGER.warning("What is stored of who made which rule cannot be read; it begins anew")
            return
        self._made.update(made)

    async def save(self) -> None:
        """Save what is known."""
        await self._store.async_save(self._contents())

    def _save_later(self) -> None:
        self._store.async_delay_save(self._contents, SAVE_DELAY)

    def _contents(self) -> dict[str, Any]:
        return {"made": [[*about, *ruling.as_list()] for about, ruling in list(self._made.items())]}


def _store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, VERSION, f"{DOMAIN}.{entry_id}.rulings", atomic_writes=True)


async def remove_rulings(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what is stored of a gateway's rulings."""
    await _store(hass, entry_id).async_remove()

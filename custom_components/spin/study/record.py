"""All that the studies keep of one device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from ..destinations import Grown
from ..models import Flows
from ..remotes import Intern
from .connectivity import Check
from .contacts import Contact
from .experiment import Experiment
from .mud_file import Allowed
from .periods import Periods
from .profile import Profile
from .time_sync import TimeSync

MAX_EXPERIMENTS = 6


@dataclass(slots=True)
class Record:
    """Time sync, periods, experiments (oldest first) and the MUD file that was imported."""

    periods: Periods
    time_sync: TimeSync = field(default_factory=TimeSync)
    experiments: list[Experiment] = field(default_factory=list)
    mud: Allowed | None = None

    @property
    def running(self) -> Experiment | None:
        """The experiment that goes on."""
        newest = self.experiments[-1] if self.experiments else None
        return newest if newest is not None and newest.is_running else None

    def take(self, flows: Flows, grown: Sequence[Grown], now: float, shift: float) -> None:
        """Take a message; `shift` is what the gateway's clock is ahead."""
        experiment = self.running
        trouble = experiment is not None and experiment.blocks
        if experiment is not None:
            experiment.take(grown, (flows.start, flows.end), shift, self.periods.is_usual)
            experiment.look_up(flows.lookups, shift)
        self.periods.take(grown, self.time_sync.take(flows.rows), now, trouble=trouble)

    def begin(self, experiment: Experiment) -> None:
        """Begin an experiment; the oldest one is forgotten when there are too many."""
        self.experiments.append(experiment)
        del self.experiments[:-MAX_EXPERIMENTS]

    def join(self, other: Self) -> None:
        """Take over what was kept of the same device under another MAC address.

        Periods and time sync stay those of this one: what two did in other times cannot be told apart then.
        """
        over = [experiment for experiment in other.experiments if not experiment.is_running]
        self.experiments = sorted([*self.experiments, *over], key=lambda experiment: experiment.started)
        del self.experiments[:-MAX_EXPERIMENTS]
        self.mud = self.mud or other.mud

    def checks(self) -> dict[Contact, Check]:
        """Return the contacts that were seen to be connectivity checks, in any period."""
        return {
            contact: check
            for profile in self.periods
            for contact, seen in profile.contacts.items()
            if (check := seen.check(contact)) is not None
        }

    def heard(self, seconds: float) -> None:
        """Take note that the device could be seen for some more seconds."""
        present: Profile = self.periods.present
        present.heard += seconds
        if self.running is not None and self.running.blocks:
            present.trouble += seconds

    def as_json(self) -> Iterator[bytes]:
        """Yield what is stored, in pieces; may be called from another thread."""
        small = {
            "time_sync": self.time_sync.as_list(),
            "experiments": [experiment.as_dict() for experiment in list(self.experiments)],
            "mud": None if self.mud is None else self.mud.as_dict(),
        }
        yield orjson.dumps(small)[:-1] + b',"periods":['
        for number, profile in enumerate(list(self.periods)):
            yield b"," * (number > 0)
            yield from profile.as_json()
        yield b"]}"

    @classmethod
    def from_dict(cls, stored: dict[str, Any], intern: Intern) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        return cls(
            Periods(Profile.from_dict(profile, intern) for profile in stored["periods"]),
            TimeSync.from_list(stored["time_sync"]),
            [Experiment.from_dict(experiment) for experiment in stored["experiments"]],
            None if stored["mud"] is None else Allowed.from_dict(stored["mud"]),
        )

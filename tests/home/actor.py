"""Plays a behaviour on a stage: real sockets in a namespace, or a capture file in the making."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.home.behaviour import Activity, Behaviour, Contact


class Link(Protocol):
    """A connection that is held open."""

    async def exchange(self, contact: Contact) -> bool:
        """Send and receive the contact's payload once; false when the connection broke."""

    async def close(self) -> None:
        """Close it."""


class Stage(Protocol):
    """Where a behaviour is played."""

    def now(self) -> float:
        """Return the time in Unix seconds, as log lines give it."""

    def clock(self) -> float:
        """Return the device's own clock in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the device's own clock."""

    async def join(self, behaviour: Behaviour) -> None:
        """Join the LAN: addresses and resolver."""

    async def contact(self, contact: Contact) -> bool:
        """Make one contact; false when it failed."""

    async def open(self, contact: Contact) -> Link | None:
        """Open the contact's connection, or return None when that failed."""


@dataclass(frozen=True, slots=True)
class Event:
    """One contact that a device made."""

    at: float
    activity: str
    name: str
    succeeded: bool


@dataclass
class Actor:
    """One device on its stage; every contact is told to `log`."""

    behaviour: Behaviour
    stage: Stage
    log: Callable[[Event], None]
    _failing_since: dict[str, float] = field(default_factory=dict)

    async def play(self) -> None:
        """Join the LAN and do everything at once, until cancelled or all rounds are done."""
        await self.stage.join(self.behaviour)
        async with asyncio.TaskGroup() as tasks:
            for activity in self.behaviour.activities:
                tasks.create_task(self._hold(activity) if activity.hold else self._repeat(activity))

    async def _repeat(self, activity: Activity) -> None:
        await self.stage.sleep(activity.first)
        pauses = itertools.cycle(activity.every)
        for number in itertools.count(1):
            await self._until_wanted(activity)
            started = self.stage.clock()
            await self._round(activity)
            if number == activity.rounds:
                return
            await self.stage.sleep(max(0.0, started + next(pauses) - self.stage.clock()))

    async def _round(self, activity: Activity) -> None:
        if activity.together:
            await self._round_together(activity)
            return
        for contact in activity.contacts:
            succeeded = await self.stage.contact(contact)
            self._tell(activity, contact, succeeded)
            if succeeded and activity.until_one_answers:
                return
            await self.stage.sleep(activity.gap)

    async def _round_together(self, activity: Activity) -> None:
        async def make(contact: Contact) -> None:
            self._tell(activity, contact, await self.stage.contact(contact))

        async with asyncio.TaskGroup() as tasks:
            for contact in activity.contacts:
                tasks.create_task(make(contact))
                await self.stage.sleep(activity.gap)

    async def _hold(self, activity: Activity) -> None:
        (contact,) = activity.contacts
        await self.stage.sleep(activity.first)
        while True:
            link = await self.stage.open(contact)
            while link and await link.exchange(contact):
                self._tell(activity, contact, succeeded=True)
                await self.stage.sleep(activity.every[0])
            self._tell(activity, contact, succeeded=False)
            if link:
                await link.close()
            await self.stage.sleep(activity.retry)

    async def _until_wanted(self, activity: Activity) -> None:
        while not self._wanted(activity):
            await self.stage.sleep(1.0)

    def _wanted(self, activity: Activity) -> bool:
        if activity.when_failing is None:
            return True
        since = self._failing_since.get(activity.when_failing)
        return since is not None and self.stage.clock() - since >= activity.failing_for

    def _tell(self, activity: Activity, contact: Contact, succeeded: bool) -> None:
        if succeeded:
            self._failing_since.pop(activity.name, None)
        else:
            self._failing_since.setdefault(activity.name, self.stage.clock())
        self.log(Event(self.stage.now(), activity.name, contact.name, succeeded))

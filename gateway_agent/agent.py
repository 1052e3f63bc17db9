"""The live agent: what is observed goes to firewall, names and ledger; what changed goes to the broker."""

import asyncio
import gc
import logging
import secrets
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from gateway_agent import __version__
from gateway_agent.capture.captures import Captures
from gateway_agent.config import Config
from gateway_agent.firewall.enforcement import Enforcement
from gateway_agent.firewall.store import PolicyStore
from gateway_agent.leases import LeaseFile
from gateway_agent.ledger import names_file
from gateway_agent.ledger.ledger import Ledger
from gateway_agent.ledger.names import NameTable
from gateway_agent.logs import fields
from gateway_agent.model import Answer, FirstContact, HostName, Mac, Neighbour, Observation
from gateway_agent.mqtt.dialogue import Dialogue
from gateway_agent.mqtt.publisher import Publisher
from gateway_agent.platform import MakePlatform
from gateway_agent.sources.readings import Readings
from gateway_agent.tasks import end
from gateway_agent.wire.messages import OFFLINE, ONLINE, Info, Message, info, status
from gateway_agent.wire.policy import Problem

_LOG = logging.getLogger(__name__)

_FLUSH: Final = 5.0
"""Seconds that a stop may take to tell the last figures."""

_END: Final = 2.0
"""Seconds that each step of an end may take, where the broker does not answer."""


class Agent:
    """Runs until SIGTERM or SIGINT, or until `stop` is called."""

    def __init__(self, config: Config, make_platform: MakePlatform) -> None:
        self._config = config
        self._epoch = secrets.token_hex(8)
        self._started = self._told_until = time.time()
        self._platform = make_platform(config, self._observe)
        platform = self._platform
        names = self._names = NameTable()
        self._names_file = config.runtime_directory / "names"
        names_file.load(self._names_file, names, self._started)
        if platform.firewall is not None:
            platform.firewall.lookups = lambda: names.lookups(time.time())
        self._ledger = Ledger(
            epoch=self._epoch,
            names=names,
            limits=config.limits,
            mac_of=platform.mac_of,
            is_local=platform.is_local,
            ignored=platform.is_own,
            hold=config.interval,
        )
        self._leases = LeaseFile(config.lease_file)
        store = PolicyStore(config.state_directory / "policy.json")
        self._enforcement = Enforcement(platform.firewall, store)
        self._readings = Readings(config.interval, self._read)
        self._captures = Captures(platform.open_tap, self._ledger.knows, self._deliver)
        self._dialogue = Dialogue(
            self._epoch,
            say=self._say,
            greet=self._greet,
            snapshot=self._snapshot,
            receive_policy=self._receive_policy,
            capture=self._captures.obey,
        )
        self._publisher = Publisher(config.mqtt, config.gateway, self._epoch, self._dialogue)
        self._speaking = asyncio.Lock()
        self._counting = asyncio.Lock()
        self._told_whole = True
        self._stop = asyncio.Event()
        self._told_problems: list[Problem] = []
        self._told_state = -1

    async def run(self) -> None:
        """Enforce what is on disk; observe, publish and obey until stopped; tell the last figures."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        _LOG.info(
            "started %s",
            fields(version=__version__, gateway=self._config.gateway, source=self._platform.source.name),
        )
        self._enforcement.restore(time.time())
        try:
            self._platform.attach()
            _spare_what_stays()
            await self._work()
        finally:
            self._platform.close(time.time())
            names_file.save(self._names_file, self._names, time.time())
        _LOG.info("stopped")

    def stop(self) -> None:
        """Let `run` end in order."""
        self._stop.set()

    async def _work(self) -> None:
        publisher = asyncio.create_task(self._publisher.run())
        others = [asyncio.create_task(self._readings.run()), asyncio.create_task(self._dialogue.run())]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([stopped, publisher, *others], return_when=asyncio.FIRST_COMPLETED)
            self._dialogue.closing = True
            await end(others, _END)
            await self._flush()
        finally:
            await self._captures.cancel()
            await end([stopped, publisher, *others], _END)
        for task in (publisher, *others):
            if task.done() and not task.cancelled():
                task.result()

    async def _flush(self) -> None:
        last_words = asyncio.create_task(self._last_words())
        await asyncio.wait([last_words], timeout=_FLUSH)
        if not (last_words.done() and last_words.result()):
            await end([last_words], _END)
            _LOG.warning("last figures not told %s", fields(broker=self._config.mqtt.place))
        await self._enforcement.save()

    async def _last_words(self) -> bool:
        await self._captures.close()
        await self._count(time.time())
        told = await self._tell(snapshot=not self._told_whole, final=True)
        return await self._say([status(OFFLINE)]) and told

    def _observe(self, observation: Observation) -> None:
        """Take an observation; the platform has told its firewall of answers before."""
        if isinstance(observation, Answer):
            self._ledger.answered(self._platform.mac_of(observation.lan), observation)
        elif isinstance(observation, FirstContact):
            self._readings.hasten()
        else:
            self._ledger.observe(observation)
            firewall = self._platform.firewall
            if isinstance(observation, Neighbour) and firewall is not None:
                firewall.learned(observation.mac, observation.address)

    async def _read(self) -> None:
        now = time.time()
        self._platform.refresh(now)
        await self._count(now)
        self._name_hosts()
        self._enforcement.tick(now, time.monotonic())
        if self._publisher.connected:
            await self._tell()
            await self._tell_changes()
        await self._enforcement.save()
        next_end = self._enforcement.next_end()
        if next_end is not None and next_end - now < self._config.interval:
            self._readings.hasten(max(next_end - now, 0.1))

    async def _count(self, now: float) -> None:
        add = self._ledger.add
        async with self._counting:
            for chunk in self._platform.source.read(now):
                for flow, traffic in chunk:
                    add(flow, traffic)
                await asyncio.sleep(0)  # a DNS answer must not wait for the whole reading

    def _name_hosts(self) -> None:
        for lease in self._leases.leases():
            if lease.host_name is not None and self._ledger.knows(lease.mac):
                self._ledger.host_name(HostName(lease.mac, lease.host_name, None, 0.0))

    async def _say(self, messages: Iterable[Message]) -> bool:
        async with self._speaking:
            return await self._publisher.publish(messages)

    async def _deliver(self, message: Message) -> bool:
        """Say something of a capture: between the other messages, for it has an order of its own."""
        return await self._publisher.publish([message])

    async def _tell(self, *, snapshot: bool = False, only: Mac | None = None, final: bool = False) -> bool:
        """Say what changed since this was last done, or everything; what was interrupted is made up for."""
        start, now = self._told_until, time.time()
        if only is None:
            self._told_until = now
        self._told_whole = False
        news = self._ledger.collect(min(start, now), now, snapshot=snapshot, only=only, final=final)
        self._told_whole = await self._say(news)
        return self._told_whole

    async def _tell_changes(self) -> None:
        if self._problems() != self._told_problems or self._dialogue.reminds(time.monotonic()):
            await self._say([self._info()])
        if self._enforcement.changes != self._told_state:
            await self._say([await self._state()])

    async def _greet(self) -> None:
        await self._say([self._info(), status(ONLINE), await self._state()])
        await self._tell(snapshot=True)
        await self._captures.opened()

    async def _snapshot(self, device: Mac | None) -> bool:
        if device is not None and not self._ledger.knows(device):
            return False
        await self._count(time.time())
        await self._tell(snapshot=True, only=device)
        return True

    async def _receive_policy(self, payload: bytes, retained: bool) -> None:
        now = time.time()
        self._enforcement.receive(payload, now, retained=retained)
        await self._enforcement.save()
        await self._say([await self._state()])
        self._readings.hasten()  # which arranges for the next end of a timed rule

    def _problems(self) -> list[Problem]:
        now = time.time()
        return [
            *self._platform.problems(now),
            *self._ledger.problems(now),
            *self._dialogue.problems(time.monotonic()),
        ]

    def _info(self) -> Message:
        self._told_problems = self._problems()
        return info(
            Info(
                gateway=self._config.gateway,
                name=self._config.name,
                version=__version__,
                epoch=self._epoch,
                started=self._started,
                interval=self._config.interval,
                source=self._platform.source.name,
                capabilities=self._platform.capabilities,
                limits=asdict(self._config.limits),
                problems=self._told_problems,
            )
        )

    async def _state(self) -> Message:
        await self._platform.settle()
        self._told_state = self._enforcement.changes
        return self._enforcement.state()


def _spare_what_stays() -> None:
    """Let garbage collection pass over what was imported: while it looks, no DNS answer is read."""
    gc.collect()
    gc.freeze()

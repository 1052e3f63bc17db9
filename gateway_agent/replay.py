"""Tells what a capture file shows, as the live agent would have told it: all times are the capture's.

The file is read twice: first for who is who (`survey`), then for the counts.
"""

import json
import logging
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from gateway_agent import __version__
from gateway_agent.decode.packet import LINK_TYPES
from gateway_agent.decode.pcap import Capture, CaptureError
from gateway_agent.ledger.ledger import Ledger
from gateway_agent.ledger.names import NameTable
from gateway_agent.logs import fields
from gateway_agent.model import Answer, FirstContact, Observation, ServerName
from gateway_agent.sources.packets import PacketsSource
from gateway_agent.sources.survey import Survey
from gateway_agent.topology import Network, Topology
from gateway_agent.wire.messages import OFFLINE, ONLINE, Info, Message, info, status

_LOG = logging.getLogger(__name__)

INTERVAL: Final = 5.0
CAPABILITIES: Final = ("connections", "empty", "names", "requests")

_EARLY: Final = 0.9
"""Seconds between a first contact and the reading that it causes; the contract promises one."""

_QUIET: Final = 200.0
"""Seconds after a packet in which time alone may still change something; a longer gap is skipped."""

_MAX_UNREAD: Final = 8_192
"""Flows that are new since the last reading, after which the ledger takes what there is."""

Emit = Callable[[Message], None]


class ReplayError(Exception):
    """A capture that cannot be replayed, with the reason and the remedy."""


def replay(  # noqa: PLR0913 (the command's options)
    path: Path,
    *,
    emit: Emit,
    gateway: str = "replay",
    lan: Sequence[Network] = (),
    speed: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    snapshot_wanted: Callable[[], bool] = lambda: False,
) -> None:
    """Emit the messages of a capture; `speed` 1 takes as long as the capture did, 0 as long as it needs.

    A true `snapshot_wanted` makes the next messages tell everything.

    `lan` are the home's networks; without any of an address family, private and announced ones are taken.

    Raises:
        CaptureError: the file cannot be read, or not to its end; what came before was emitted.
        ReplayError: the file has no packet, no link type that is understood, or no address of the LAN.
    """
    with Capture(path) as capture:
        topology = _survey(capture, lan)
        playback = _Playback(
            gateway, path.name, topology, emit=emit, pace=_Pace(speed, sleep), snapshot_wanted=snapshot_wanted
        )
        try:
            for record in capture:
                playback.packet(*record)
        finally:
            playback.end()
        if capture.torn is not None:
            _LOG.warning("capture torn %s", fields(cause=capture.torn))


def json_line(message: Message, root: str) -> str:
    """Return a message as one line of JSON: whole topic, payload (text, for a status), retain, qos."""
    text = message.payload.decode()
    payload = text if text.startswith("{") else json.dumps(text)
    return (
        f'{{"topic":{json.dumps(f"{root}/{message.topic}")},"payload":{payload},'
        f'"retain":{"true" if message.retain else "false"},"qos":{message.qos}}}'
    )


def _survey(capture: Capture, lan: Sequence[Network]) -> Topology:
    survey = Survey(lan)
    damage: CaptureError | None = None
    try:
        for record in capture:
            survey.add(record)
    except CaptureError as error:
        damage = error  # told once what comes before it was replayed
    if not survey.packets:
        if damage is not None:
            raise damage
        raise ReplayError(f"{capture.path}: {_no_packets(survey)}")
    topology = survey.topology()
    if topology is None:
        raise ReplayError(
            f"{capture.path}: no packet is from or to an address of the LAN; "
            "say which networks are the home's with --lan, as in --lan 198.51.100.0/24"
        )
    return topology


def _no_packets(survey: Survey) -> str:
    if not survey.unknown_link_types:
        return "there is no IP packet in it"
    found = ", ".join(map(str, sorted(survey.unknown_link_types)))
    known = ", ".join(map(str, sorted(LINK_TYPES)))
    return f"its link type {found} is not understood, only {known}"


class _Pace:
    """Waits until a time of the capture has come; never, at speed 0."""

    def __init__(self, speed: float, sleep: Callable[[float], None]) -> None:
        self.active = speed > 0
        self._speed = speed
        self._sleep = sleep
        self._began: tuple[float, float] | None = None

    def until(self, at: float) -> None:
        """Wait for a time of the capture."""
        if not self.active:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = (now, at)
        began, first = self._began
        left = began + (at - first) / self._speed - now
        if left > 0:
            self._sleep(left)


class _Playback:
    """Source, names and ledger in the time of a capture; it begins with the first packet."""

    def __init__(  # noqa: PLR0913 (what a replay is told)
        self,
        gateway: str,
        name: str,
        topology: Topology,
        *,
        emit: Emit,
        pace: _Pace,
        snapshot_wanted: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._name = name
        self._emit = emit
        self._pace = pace
        self._snapshot_wanted = snapshot_wanted
        self._epoch = secrets.token_hex(8)
        self._source = PacketsSource(topology, self._observe)
        routers = {mac.hex(":") for mac in topology.routers}
        self._ledger = Ledger(
            epoch=self._epoch,
            names=NameTable(),
            is_local=topology.is_local,
            ignored=routers.__contains__,
            hold=INTERVAL,
        )
        self._last = -math.inf
        self._told = 0.0
        self._regular = -math.inf
        self._early = math.inf
        self._due = -math.inf
        self._unread = 0

    def packet(self, at: float, link_type: int, frame: bytes, original_length: int) -> None:
        """Take the capture's next packet."""
        if at >= self._due:
            self._advance(at)
        if self._pace.active:
            self._pace.until(at)
        if at > self._last:  # noqa: PLR1730 (a comparison costs less than a call)
            self._last = at
        self._source.packet(at, link_type, frame, original_length)

    def end(self) -> None:
        """Tell the last figures of every device."""
        if self._last == -math.inf:
            return
        self._source.finish()
        self._count(self._last)
        self._tell(self._last, final=True)
        self._emit(status(OFFLINE))

    def _observe(self, observation: Observation) -> None:
        if isinstance(observation, ServerName) or (isinstance(observation, Answer) and observation.addresses):
            self._count(observation.at)  # what came before it goes under the names of before
        if not isinstance(observation, FirstContact):
            self._ledger.observe(observation)
            return
        self._early = min(self._early, observation.at + _EARLY)
        self._due = min(self._due, self._early)
        self._unread += 1
        if self._unread >= _MAX_UNREAD:
            self._due = -math.inf

    def _advance(self, at: float) -> None:
        """Do what is due before a packet at that time."""
        if self._regular == -math.inf:
            self._begin(at)
        if self._unread >= _MAX_UNREAD:
            self._count(self._last)
        while (due := min(self._regular, self._early)) <= at:
            self._pace.until(due)
            self._count(due)
            self._tell(due)
            if due >= self._regular:
                self._regular += INTERVAL
            if self._regular - self._last > _QUIET:
                self._regular += max(0.0, (at - self._regular) // INTERVAL * INTERVAL)
        self._due = due

    def _begin(self, at: float) -> None:
        self._told, self._regular = at, at + INTERVAL
        values = Info(
            gateway=self._gateway,
            name=self._name,
            version=__version__,
            epoch=self._epoch,
            started=at,
            interval=INTERVAL,
            source=self._source.name,
            capabilities=CAPABILITIES,
            limits=asdict(self._ledger.limits),
            problems=(),
        )
        self._emit(info(values))
        self._emit(status(ONLINE))

    def _count(self, now: float) -> None:
        """Add what the flows did to the ledger."""
        self._unread = 0
        for chunk in self._source.read(now):
            for flow, traffic in chunk:
                self._ledger.add(flow, traffic)

    def _tell(self, now: float, *, final: bool = False) -> None:
        self._early = math.inf
        end = max(now, self._told)
        snapshot = final or self._snapshot_wanted()
        for message in self._ledger.collect(self._told, end, snapshot=snapshot, final=final):
            self._emit(message)
        self._told = end

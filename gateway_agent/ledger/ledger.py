"""Adds up what the devices do: per device, per destination, in bounded memory, with exact sums."""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from gateway_agent.ledger.device import Device, Row
from gateway_agent.ledger.flows import device_message, flows_messages
from gateway_agent.ledger.names import NameTable
from gateway_agent.ledger.unclaimed import Unclaimed
from gateway_agent.model import (
    Address,
    Answer,
    Flow,
    HostName,
    Mac,
    Neighbour,
    Observation,
    ServerName,
    Traffic,
)
from gateway_agent.wire.messages import Message, gone
from gateway_agent.wire.policy import Problem

DEVICE_QUIET: Final = 3600.0
"""Seconds without a sign of life after which a device may make room for another."""

_IDLE_QUIET: Final = 60.0  # likewise for a device without any traffic
_DEVICE_PERIOD: Final = 60.0
_MAX_OWNERS: Final = 16_384
_MAX_DEPARTED: Final = 2048
_MAX_GONE: Final = 4096
_REFUSED_FOR: Final = 3600.0
_RETRY_ROOM: Final = 10.0
_EVICTION_BATCH: Final = 256
_TCP: Final = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the ledger's memory."""

    devices: int = 256
    destinations_per_device: int = 1024
    destinations: int = 16_384


class Ledger:
    """Per device and destination: what was seen since `epoch`, and what of it was not told yet.

    `mac_of` says whose a LAN address is (by default whom the last Neighbour observation named), `is_local`
    whether a remote address is not on the Internet, `ignored` whether a MAC is the gateway's own. A lookup
    is told when no traffic followed it for `hold` seconds.
    """

    def __init__(  # noqa: PLR0913 (what it is told of its surroundings)
        self,
        *,
        epoch: str,
        names: NameTable,
        is_local: Callable[[Address], bool],
        limits: Limits = Limits(),
        mac_of: Callable[[Address], Mac | None] | None = None,
        ignored: Callable[[Mac], bool] = lambda _: False,
        hold: float = 5.0,
    ) -> None:
        self.epoch = epoch
        self.limits = limits
        self._names = names
        self._is_local = is_local
        self._owners: dict[Address, Mac] = {}
        self._mac_of = mac_of or self._owners.get
        self._ignored = ignored
        self._hold = hold
        self._devices: dict[Mac, Device] = {}
        self._departed: dict[Mac, Device] = {}
        self._gone: dict[Mac, None] = {}
        self._rows = 0
        self._oldest: deque[tuple[float, Device, Row]] = deque()
        self._unclaimed = Unclaimed()
        self._no_room_until = float("-inf")
        self._refused_at = float("-inf")
        self.new_destination = False
        """Whether a row began since the last `collect`."""

    @property
    def rows(self) -> int:
        """How many destinations are known."""
        return self._rows

    @property
    def devices(self) -> int:
        """How many devices are known."""
        return len(self._devices)

    def knows(self, mac: Mac) -> bool:
        """Whether a device is known."""
        return mac in self._devices

    def add(self, flow: Flow, traffic: Traffic) -> None:
        """Add what a flow did since its source was last read."""
        mac = flow.mac or self._mac_of(flow.lan)
        if mac is None:
            if any(flow.lan):  # else it has no address yet, and asks the LAN for one
                self._unclaimed.hold_traffic(flow, traffic)
            return
        device = self._devices.get(mac) or self._admit(mac, traffic.last)
        if device is None:
            return
        name = self._names.name_of(mac, flow.remote, traffic.last, (flow.protocol, flow.port))
        row = device.rows.get((flow.remote, flow.protocol, flow.port, name.name if name else None))
        if row is None:
            self._make_room(device)
            row = device.new_row(flow, name, self._is_local(flow.remote), traffic.first)
            self._rows += 1
            self.new_destination = True
        device.count(row, traffic)

    def observe(self, observation: Observation) -> None:
        """Take an answer (names and lookups), a server's name, a neighbour or a host name."""
        if isinstance(observation, Answer):
            self.answered(self._mac_of(observation.lan), observation)
        elif isinstance(observation, ServerName):
            self.server_named(self._mac_of(observation.lan), observation)
        elif isinstance(observation, Neighbour):
            self.neighbour(observation)
        elif isinstance(observation, HostName):
            self.host_name(observation)

    def answered(self, mac: Mac | None, answer: Answer) -> None:
        """Take an answer to a device's lookup; that of an unknown address is held until it is known."""
        if mac is None:
            self._unclaimed.hold_answer(answer)
        elif not self._ignored(mac):
            self._names.learn(mac, answer)
            device = self._devices.get(mac) or self._admit(mac, answer.at)
            if device is not None:
                device.looked_up(answer)

    def server_named(self, mac: Mac | None, server: ServerName) -> None:
        """Take the name that a device asked a TLS server for; its row has begun with the handshake."""
        if mac is None or self._ignored(mac):
            return
        name = self._names.learn_server(mac, server)
        device = self._devices.get(mac)
        row = device.rows.get((server.remote, _TCP, server.port, None)) if device else None
        if name is not None and device is not None and row is not None:
            device.name_row(row, name)

    def neighbour(self, neighbour: Neighbour) -> None:
        """Note whose an address is, and count what waited for it."""
        mac, address = neighbour.mac, neighbour.address
        self._own(address, mac)
        device = self._devices.get(mac) or self._admit(mac, neighbour.at)
        if device is not None and any(address):
            device.uses(address, neighbour.at)
        answers, flows = self._unclaimed.claim(address)
        for answer in answers:
            self.answered(mac, answer)
        for flow, traffic in flows:
            self.add(flow, traffic)

    def host_name(self, host_name: HostName) -> None:
        """Note what a DHCP client calls itself."""
        device = self._devices.get(host_name.mac) or self._admit(host_name.mac, host_name.at)
        if device is not None:
            device.calls_itself(host_name)

    def collect(
        self,
        start: float,
        end: float,
        *,
        snapshot: bool = False,
        only: Mac | None = None,
        final: bool = False,
    ) -> Iterator[Message]:
        """Yield the messages of what changed from `start` to `end`, or with `snapshot` of everything.

        What is yielded counts as sent. `final` holds no lookup back and tells every device's sums.
        """
        self._unclaimed.expire(end)
        if only is None:
            self.new_destination = False
            departed, self._gone = self._gone, {}
            yield from (gone(mac) for mac in departed if mac not in self._devices)
        settled = end if final else end - self._hold
        for device in list(self._devices.values()):
            if only is not None and device.mac != only:
                continue
            if self._device_due(device, end, everything=snapshot or final):
                device.published, device.identity_changed = end, False
                yield device_message(device, self.epoch)
            yield from flows_messages(device, self.epoch, start, end, snapshot=snapshot, settled=settled)

    def problems(self, now: float) -> list[Problem]:
        """Return what a reader should know about the ledger's limits."""
        problems = []
        if now - self._refused_at < _REFUSED_FOR:
            text = f"{self.limits.devices} devices are known; traffic of further ones is not counted."
            problems.append(Problem("device_limit", text))
        if self._unclaimed.bytes_given_up:
            text = (
                f"Not counted: {self._unclaimed.bytes_given_up} bytes of LAN addresses without MAC address."
            )
            problems.append(Problem("unclaimed", text))
        return problems

    def _own(self, address: Address, mac: Mac) -> None:
        before = self._owners.pop(address, None)
        self._owners[address] = mac
        if before is not None and before != mac and before in self._devices:
            self._devices[before].loses(address)
        if len(self._owners) > _MAX_OWNERS:
            del self._owners[next(iter(self._owners))]

    def _admit(self, mac: Mac, at: float) -> Device | None:
        if self._ignored(mac):
            return None
        if len(self._devices) >= self.limits.devices and not self._dismiss_quiet(at):
            self._refused_at = at
            return None
        device = self._departed.pop(mac, None) or Device(mac, at)
        self._devices[mac] = device
        return device

    def _dismiss_quiet(self, now: float) -> bool:
        """Let the device that has been quiet for longest go, if it has been so for long enough."""
        if now < self._no_room_until:
            return False
        device = min(self._devices.values(), key=lambda device: (bool(device.rows), device.last_seen))
        if device.last_seen > now - (DEVICE_QUIET if device.rows else _IDLE_QUIET):
            self._no_room_until = now + _RETRY_ROOM
            return False
        self._rows -= len(device.rows)
        device.depart()
        del self._devices[device.mac]
        self._names.forget(device.mac)
        if device.seq:  # its sums go on if it comes back: they never decrease within an epoch
            self._departed[device.mac] = device
            if len(self._departed) > _MAX_DEPARTED:
                del self._departed[next(iter(self._departed))]
        self._gone[device.mac] = None
        if len(self._gone) > _MAX_GONE:
            del self._gone[next(iter(self._gone))]
        return True

    def _make_room(self, device: Device) -> None:
        if len(device.rows) >= self.limits.destinations_per_device:
            device.forget_oldest()
        elif self._rows >= self.limits.destinations:
            self._forget_oldest()
        else:
            return
        self._rows -= 1

    def _forget_oldest(self) -> None:
        for _ in range(2):
            while self._oldest:
                last, device, row = self._oldest.popleft()
                if row.last == last and device.rows.get(row.key) is row:
                    device.forget(row)
                    return
            rows = (
                (row.last, device, row) for device in self._devices.values() for row in device.rows.values()
            )
            self._oldest.extend(heapq.nsmallest(_EVICTION_BATCH, rows, key=itemgetter(0)))

    @staticmethod
    def _device_due(device: Device, now: float, *, everything: bool) -> bool:
        if everything or device.identity_changed:
            return True
        return device.last_seen > device.published and now - device.published >= _DEVICE_PERIOD

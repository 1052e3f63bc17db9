"""One gateway: what it says, which devices it has, whether it can be relied upon."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import async_call_later, async_track_time_interval

from .const import (
    CAPABILITY_BLOCK,
    CATCH_UP,
    CONF_GATEWAY,
    CONF_PREFIX,
    MAX_CLOCK_ERROR,
    MAX_DEVICES_SEEN,
    QOS,
    SNAPSHOT_COOLDOWN,
    SUBSCRIBE_TIMEOUT,
    TICK,
)
from .decisions import Decisions
from .destinations import Group, Grown
from .device import Device
from .issues import Issues
from .judgement.judgement import Judgement
from .listener import Handler, Listener
from .models import Counters, DeviceReport, Flows, GatewayInfo, Mac, Policy, Problem
from .policy import PolicyError, PolicyKeeper
from .presence import Presence
from .registry import Registry
from .roster import Roster
from .rules import Change, share_rules
from .rulings import Ruling, Rulings
from .study.study import Study
from .wire import parse_device, parse_flows, parse_mac, parse_policy, parse_policy_state

_LOGGER = logging.getLogger(__name__)

type SpinConfigEntry = ConfigEntry[SpinCoordinator]
type FlowsListener = Callable[[Device, Flows, Sequence[Grown]], None]
type AnnouncementListener = Callable[[Device, str, dict[str, Any]], None]


class SpinCoordinator:
    """All that the entities, actions and diagnostics of one gateway share."""

    def __init__(self, hass: HomeAssistant, entry: SpinConfigEntry, group: Group) -> None:
        """Listen to nothing yet."""
        self.hass = hass
        self.entry = entry
        self.gateway: str = entry.data[CONF_GATEWAY]
        self.seen: dict[Mac, DeviceReport] = {}
        self.clock_error = 0.0
        self.registry = Registry(hass, entry, self.gateway)
        self.issues = Issues(hass, self.gateway)
        self.roster = Roster(hass, entry, self.registry, self.issues, group)
        self.devices = self.roster.devices
        self.policy = PolicyKeeper(self._publish_policy)
        self.rulings = Rulings(hass, entry.entry_id)
        self.decisions = Decisions(hass, self)
        self.study = Study(self)
        self.judgement = Judgement(self)
        self._presence = Presence(hass, self.gateway, self.issues, self._presence_changed)
        self._root = f"{entry.data[CONF_PREFIX]}/{self.gateway}"
        self._listener = Listener(hass, self._root)
        self._was_available = False
        self._was_lost = False
        self._catching_up = False
        self._listeners: set[CALLBACK_TYPE] = set()
        self._flows_listeners: set[FlowsListener] = set()
        self._announcement_listeners: set[AnnouncementListener] = set()
        self._snapshot = Debouncer(
            hass, _LOGGER, cooldown=SNAPSHOT_COOLDOWN, immediate=True, function=self._ask_snapshot
        )

    async def prepare(self) -> None:
        """Load what is known, and wait until the gateway has introduced itself.

        Raises:
            ConfigEntryNotReady: it has not
            ConfigEntryError: it speaks another version of the protocol
        """
        await self.roster.load()
        await self.rulings.load()
        await self.study.load()
        await self.judgement.prepare()
        for unsubscribe in await self._presence.follow(self._listener):
            self.entry.async_on_unload(unsubscribe)
        await self._presence.introduced()
        self.roster.register()

    async def listen(self) -> None:
        """Listen to all that the gateway says of its devices; to be called once there are entities."""
        on_unload = self.entry.async_on_unload
        on_unload(self.roster.stop_introducing)
        on_unload(await self._listener.subscribe("policy", self._policy_received))
        on_unload(await self._listener.subscribe("policy/state", self._policy_state_received))
        on_unload(await self._listener.subscribe("device/+", self._device_received))
        on_unload(await self._listener.subscribe("device/+/flows", self._flows_received))
        on_unload(
            mqtt.async_on_subscribe_done(
                self.hass, f"{self._root}/device/+/flows", QOS, self._snapshot.async_schedule_call
            )
        )
        on_unload(async_track_time_interval(self.hass, self._tick, TICK))
        on_unload(self.hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._device_registry_updated))
        on_unload(self._snapshot.async_shutdown)
        self.entry.async_create_background_task(self.hass, self.decisions.prepare(), "spin protected")
        self.study.listen()
        self.judgement.listen()

    async def close(self) -> None:
        """Save what is known."""
        self.policy.close()
        self.issues.close_all()
        await self.roster.save()
        await self.rulings.save()
        await self.study.close()

    @property
    def available(self) -> bool:
        """Whether what is shown of the gateway is current, and it can be told to do something."""
        return self._presence.available

    @property
    def since(self) -> float:
        """Since when the gateway is available, or is not."""
        return self._presence.since

    @property
    def info(self) -> GatewayInfo | None:
        """How the gateway introduces itself."""
        return self._presence.info

    @property
    def name(self) -> str:
        """What the gateway calls itself."""
        return (self.info and self.info.name) or self.gateway

    @property
    def can_block(self) -> bool:
        """Whether the gateway can block at all."""
        return self.info is not None and CAPABILITY_BLOCK in self.info.capabilities

    @property
    def problems(self) -> list[Problem]:
        """What is not in order with the gateway, each code once."""
        problems = list(self.info.problems) if self.info else []
        if self.policy.state is not None:
            problems += self.policy.state.problems
        if self.info is not None and not self.can_block:
            problems.append(
                Problem("cannot_block", f"source {self.info.source}, without the capability to block")
            )
        if self._presence.is_duplicated:
            problems.append(Problem("duplicate_gateway", "two epochs of info take turns"))
        return list({problem.code: problem for problem in reversed(problems)}.values())[::-1]

    @callback
    def _presence_changed(self) -> None:
        if not self._presence.connected:
            # All that counts is retained and comes again, if it still holds.
            self.policy.reset()
        if self.info is not None:
            self.registry.write_gateway(self.info)
        if self.available and not self._catching_up:
            self._catching_up = True
            self.entry.async_on_unload(async_call_later(self.hass, CATCH_UP, self._catch_up_is_over))
        self._changed()
        if self.available != self._was_available:
            self._was_available = self.available
            self._write_down_presence()
            self._devices_changed()

    def _write_down_presence(self) -> None:
        """Write down in the journals that nothing is seen from now on, or is again."""
        if self.hass.is_stopping or (self.available and not self._was_lost):
            return
        self._was_lost = not self.available
        kind = "gateway_lost" if self._was_lost else "gateway_back"
        for device in self.devices.values():
            device.journal.add(kind, time.time())

    def _devices_changed(self) -> None:
        for device in list(self.devices.values()):
            device.changed()

    @callback
    def _catch_up_is_over(self, _now: datetime) -> None:
        for device in self.devices.values():
            device.catch_up()
        self._devices_changed()

    @callback
    def listen_gateway(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Have the listener called when something of the gateway changed; returns how to end it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def listen_flows(self, listener: FlowsListener) -> CALLBACK_TYPE:
        """Have the listener called with a device, each message on its traffic and what is new in it.

        Returns how to end it.
        """
        self._flows_listeners.add(listener)
        return lambda: self._flows_listeners.discard(listener)

    @callback
    def _changed(self) -> None:
        self.issues.show_problems(self.problems)
        for listener in list(self._listeners):
            listener()

    @callback
    def _policy_received(self, _topic: str, payload: bytes, _retained: bool) -> None:
        if payload:
            self.policy.wanted_heard(parse_policy(payload))

    @callback
    def _policy_state_received(self, _topic: str, payload: bytes, _retained: bool) -> None:
        if not payload:
            return
        former, state = self.policy.state, parse_policy_state(payload)
        self.policy.state_heard(state)
        if state.enforced:
            self.decisions.followed(former.policy if former else None, state.policy)
            self.judgement.policy_changed()
        self._changed()
        self._devices_changed()

    @callback
    def _device_received(self, topic: str, payload: bytes, _retained: bool) -> None:
        mac = parse_mac(topic.removeprefix("device/"))
        report = parse_device(payload, mac)
        if report is None:
            self.seen.pop(mac, None)
            if (device := self.roster.find(mac)) is not None:
                device.gone(mac)
            self._changed()
            return
        self._note_seen(report)
        device = self._device(mac, report.counters)
        if device is None:
            return
        device.report(report, time.time())
        self.registry.write(device)
        self.roster.keep(news=False)
        device.changed()

    @callback
    def _flows_received(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:
            return  # somebody's copy of an old one: the agent never retains them
        mac = parse_mac(topic.removeprefix("device/").removesuffix("/flows"))
        flows = parse_flows(payload)
        device = self._device(mac, flows.counters)
        if device is None:
            return
        now = time.time()
        if not flows.snapshot:
            self.clock_error = flows.end - now
        grown = device.flows(mac, flows, now, is_over=self.roster.learning_is_over)
        self.judgement.flows(device, flows, grown, now)
        self.roster.keep(news=any(each.new for each in grown))
        device.changed(traffic=True)
        for listener in list(self._flows_listeners):
            listener(device, flows, grown)

    def _device(self, mac: Mac, counters: Counters) -> Device | None:
        """Return the device, or a new one if it is time to show it: not before it is known who it is."""
        device = self.roster.find(mac)
        if device is not None or mac not in self.seen:
            return device
        device = self.roster.admit(self.seen[mac], counters)
        if device is not None:
            self.judgement.device_admitted(device)
            self.roster.introduce(device)
            # What it did before is not known yet.
            self._snapshot.async_schedule_call()
        return device

    @callback
    def listen_announcements(self, listener: AnnouncementListener) -> CALLBACK_TYPE:
        """Have the listener called with all that is told of the devices; returns how to end it."""
        self._announcement_listeners.add(listener)
        return lambda: self._announcement_listeners.discard(listener)

    @callback
    def announce(self, device: Device, event: str, data: dict[str, Any]) -> None:
        """Have the event entities of the device and of the gateway tell something."""
        device.announce(event, data)
        for listener in list(self._announcement_listeners):
            listener(device, event, data)

    def _note_seen(self, report: DeviceReport) -> None:
        known = report.mac in self.seen
        if known or len(self.seen) < MAX_DEVICES_SEEN:
            self.seen[report.mac] = report
        if not known:
            self._changed()

    @callback
    def _device_registry_updated(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        """Take over what another integration says of a device with the same MAC address."""
        if event.data["action"] == "remove":
            return
        entry = dr.async_get(self.hass).async_get(event.data["device_id"])
        if not isinstance(entry, dr.DeviceEntry) or entry.config_entry_id == self.entry.entry_id:
            return
        for kind, value in entry.connections:
            if kind == dr.CONNECTION_NETWORK_MAC and (device := self.roster.find(value)) is not None:
                self.registry.write(device)

    @callback
    def _tick(self, _now: datetime) -> None:
        if self.available:
            self.roster.tick(self.is_blocked)

    def may_be_removed(self, mac: Mac) -> bool:
        """Return whether the gateway neither reports the device nor holds a block of it."""
        device = self.devices.get(mac)
        return device is None or not (device.reported or self.is_blocked(mac))

    def is_blocked(self, mac: Mac) -> bool:
        """Return whether the gateway enforces a block of the device."""
        state = self.policy.state
        return state is not None and state.enforced and state.policy.device(mac).blocked

    async def present_policy(self) -> Policy:
        """Return what the gateway enforces, as soon as it has said that.

        Raises:
            PolicyError: it does not, or it cannot block
        """
        if not self.available:
            raise PolicyError("gateway_unavailable", gateway=self.name)
        if not self.can_block:
            raise PolicyError("cannot_block", gateway=self.name)
        return await self.policy.known()

    async def change_policy(self, change: Change) -> None:
        """Change the gateway's policy; returns when it is enforced.

        Raises:
            PolicyError: it is not
        """
        await self.present_policy()
        await self.policy.change(change)

    async def accept_all(self, devices: Sequence[Device], ruling: Ruling) -> list[int]:
        """Take note that the user allows all that is new for devices; return how many that were for each.

        Raises:
            PolicyError: one that waits to be let in is still blocked, and nothing has changed
        """
        await self.judgement.let_in(devices, ruling)
        user = await self.decisions.name_of(ruling.user_id)
        return [self._accept_all(device, by=ruling.by, user=user) for device in devices]

    @callback
    def _accept_all(self, device: Device, *, by: str, user: str | None) -> int:
        accepted = device.destinations.accept_all()
        if accepted:
            device.journal.add("accepted_all", time.time(), by=by, user=user)
        self.judgement.accepted(device)
        self.roster.keep(news=True)
        device.changed()
        return accepted

    async def join(self, macs: Sequence[Mac]) -> Device:
        """Make one device of several; what the gateway blocks for one of them it then blocks for all.

        Raises:
            ServiceValidationError: what is studied of one of them would be lost
            PolicyError: the gateway does not, and nothing is joined
        """
        first, *others = macs
        self.study.check_join(first, others)
        devices = [self.devices[mac] for mac in macs]
        change = share_rules([mac for device in devices for mac in device.macs])
        if self.can_block and change(policy := await self.present_policy()) != policy:
            await self.change_policy(change)
        self.rulings.join(first, others)
        joined = self.roster.join(macs)
        await self.study.join(first, others)
        return joined

    async def split(self, device: Device, mac: Mac) -> Device:
        """Make a device of its own of one MAC address of a joined device; what the gateway blocks stays.

        Raises:
            ServiceValidationError: an experiment with the device is running
        """
        self.study.check_split(device.mac)
        split = self.roster.split(mac)
        await self.study.split(device.mac, mac)
        return split

    def gateway_time(self) -> float:
        """Return the time by the gateway's clock, which may be wrong."""
        error = self.clock_error
        return time.time() + (error if abs(error) > MAX_CLOCK_ERROR else 0.0)

    async def _publish_policy(self, payload: str) -> None:
        await mqtt.async_publish(self.hass, f"{self._root}/policy", payload, QOS, retain=True)

    async def _ask_snapshot(self) -> None:
        if self._presence.connected:
            await self.send({"id": uuid.uuid4().hex, "command": "snapshot"})

    async def send(self, command: dict[str, Any]) -> None:
        """Ask the gateway for something; its answer comes on `reply/<id>`."""
        await mqtt.async_publish(self.hass, f"{self._root}/command", json.dumps(command), QOS)

    async def subscribe(self, topic: str, handler: Handler) -> CALLBACK_TYPE:
        """Listen to a topic of the gateway (see Listener); returns how to end it, when the broker knows."""
        unsubscribe = await self._listener.subscribe(topic, handler)
        known = asyncio.Event()
        stop = mqtt.async_on_subscribe_done(self.hass, f"{self._root}/{topic}", QOS, known.set)
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT):
                await known.wait()
        except TimeoutError:
            _LOGGER.debug("The broker has not confirmed a subscription to %s", topic)
        finally:
            stop()
        return unsubscribe

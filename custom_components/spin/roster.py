"""The devices of a gateway that Home Assistant shows: who gets in, who is removed, what is kept of them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .const import (
    ABSENCE_GRACE,
    MAX_DESTINATIONS,
    MAX_DESTINATIONS_PER_DEVICE,
    MIN_PACKETS,
    RANDOM_DISABLED,
    RANDOM_ENABLED,
    RANDOM_IGNORE,
    SAVE_DELAY,
    SAVE_NEWS_DELAY,
    TICK,
)
from .destinations import Destinations, Group
from .device import Device
from .introductions import AddDevices, Introductions
from .issues import Issues
from .learning import DAY, Learning
from .memory import Contents, Memory
from .models import Counters, DeviceReport, Mac
from .naming import is_random, linked_device
from .options import Options
from .registry import Registry

_LOGGER = logging.getLogger(__name__)


class Roster:
    """All devices by MAC address, and for how long their gateway was heard."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        registry: Registry,
        issues: Issues,
        group: Group,
    ) -> None:
        """Begin with none."""
        self.devices: dict[Mac, Device] = {}
        self._joined: dict[Mac, Mac] = {}
        self._hass = hass
        self._options = Options.read(entry.options)
        self._registry = registry
        self._issues = issues
        self._group = group
        self._memory = Memory(hass, entry.entry_id, group, self._contents, issues)
        self._heard = 0.0
        self._heard_this_time = 0.0
        self._introductions = Introductions(hass)

    async def load(self) -> None:
        """Load what is known from before."""
        loaded = await self._memory.load()
        self._heard = loaded.heard
        for device in loaded.devices:
            self._add(device)

    def _add(self, device: Device) -> None:
        self.devices[device.mac] = device
        self._joined |= dict.fromkeys(device.macs[1:], device.mac)

    async def save(self) -> None:
        """Save what is known."""
        await self._memory.save()

    def _contents(self) -> Contents:
        return Contents(self._heard, list(self.devices.values()))

    def find(self, mac: Mac) -> Device | None:
        """Return the device that has a MAC address, as its first or as one that was joined to it."""
        return self.devices.get(mac) or self.devices.get(self._joined.get(mac, ""))

    @callback
    def register(self) -> None:
        """Bring the device registry in line with what was loaded and with the options."""
        for device in list(self.devices.values()):
            if self._is_made_up(device.mac):
                if self._options.random_macs in (RANDOM_ENABLED, RANDOM_IGNORE):
                    # An ignored one, too: should it ever come back, its entities do as they were.
                    self._registry.enable(device.mac)
                if self._options.random_macs == RANDOM_IGNORE:
                    self.remove(device.mac)
                    continue
            self._registry.write(device)

    @callback
    def on_new_devices(self, add: AddDevices) -> CALLBACK_TYPE:
        """Have `add` called with all devices and then with each new one; returns how to end it."""
        add(list(self.devices.values()))
        return self._introductions.on_new_devices(add)

    @callback
    def admit(self, report: DeviceReport, counters: Counters) -> Device | None:
        """Return a new device if it has a name or real traffic, and there is room for it.

        It has no entities before it is introduced.
        """
        mac = report.mac
        if counters.packets < MIN_PACKETS and not report.hostname:
            return None
        made_up = self._is_made_up(mac)
        if made_up and self._options.random_macs == RANDOM_IGNORE:
            return None
        if self._peers(mac) >= self._options.max_devices:
            self._issues.open("too_many_devices", limit=str(self._options.max_devices))
            return None
        device = Device(mac, Destinations(self._group), Learning(self._heard), time.time())
        device.report(report, time.time())
        device.journal.add("device_seen", time.time())
        self._add(device)
        self._registry.write(device, disabled=made_up and self._options.random_macs == RANDOM_DISABLED)
        return device

    @callback
    def introduce(self, device: Device) -> None:
        """Have the entities of a device added that was admitted."""
        self._introductions.introduce(device)

    @callback
    def stop_introducing(self) -> None:
        """Have no more entities added."""
        self._introductions.stop()

    def _is_made_up(self, mac: Mac) -> bool:
        return is_random(mac) and linked_device(self._hass, mac) is None

    def _peers(self, mac: Mac) -> int:
        """Count the devices that compete for room: disabled passers-by take none from the others."""
        if self._options.random_macs != RANDOM_DISABLED:
            return len(self.devices)
        return sum(is_random(other) == is_random(mac) for other in self.devices)

    def learning_is_over(self, learning: Learning) -> bool:
        """Return whether what a device does for the first time is news."""
        return learning.is_over(self._heard, self._options.learning_days)

    def learning_left(self, learning: Learning) -> float | None:
        """Return for how many seconds at most a learning period lasts; None when it is over."""
        return learning.left(self._heard, self._options.learning_days)

    @callback
    def restart_learning(self, device: Device, reason: str = "user") -> None:
        """Have a device learn anew."""
        device.learning.restart(self._heard)
        self._learning_changed(device, "learning_started", reason)

    @callback
    def reopen_learning(self, device: Device, hours: float, reason: str) -> None:
        """Have a device learn for some hours more, for instance after a new firmware."""
        was_over = device.learning.over
        device.learning.reopen(self._heard, hours)
        if was_over:
            self._learning_changed(device, "learning_started", reason)

    @callback
    def skip_learning(self, device: Device) -> None:
        """End a device's learning period now."""
        if not device.learning.over:
            device.learning.skip()
            self._learning_changed(device, "learning_over", "user")

    def _learning_changed(self, device: Device, kind: str, reason: str) -> None:
        device.journal.add(kind, time.time(), reason=reason)
        self._memory.save_later(SAVE_NEWS_DELAY)
        device.changed()

    @callback
    def join(self, macs: Sequence[Mac]) -> Device:
        """Make one device of several; the first stays, the others' entities go.

        Raises:
            KeyError: a MAC address is of no device
        """
        device, *others = dict.fromkeys(self.devices[self._main(mac)] for mac in macs)
        for other in others:
            device.join(other)
            self.remove(other.mac)
        self._add(device)
        self._registry.write(device)
        self._memory.save_later(SAVE_NEWS_DELAY)
        device.changed()
        return device

    @callback
    def split(self, mac: Mac) -> Device:
        """Make a device of its own of one MAC address of a joined device.

        Raises:
            KeyError: it is not the MAC address of a joined device, or its first
        """
        device = self.devices[self._joined.pop(mac)]
        learning = replace(device.learning, last_active=None)
        other = device.take_out(mac, learning)
        self._add(other)
        self._registry.write(device)
        self._registry.write(other)
        self.introduce(other)
        self._memory.save_later(SAVE_NEWS_DELAY)
        device.changed()
        return other

    def _main(self, mac: Mac) -> Mac:
        return self._joined.get(mac, mac)

    @callback
    def keep(self, *, news: bool) -> None:
        """Have changes saved, news soon; and hold the bound of all destinations together."""
        self._memory.save_later(SAVE_NEWS_DELAY if news else SAVE_DELAY)
        if not news:
            return
        self._hold_bound()
        for device in self.devices.values():
            if device.crowded:
                device.crowded = False
                self._issues.open(
                    f"memory_full_{device.mac}",
                    "memory_full",
                    device=self._registry.name(device.mac),
                    limit=str(MAX_DESTINATIONS_PER_DEVICE),
                )

    def _hold_bound(self) -> None:
        excess = sum(len(device.destinations) for device in self.devices.values()) - MAX_DESTINATIONS
        while excess > 0:
            largest = max(self.devices.values(), key=lambda device: len(device.destinations))
            excess -= largest.destinations.forget_oldest()
            largest.note_forgotten(time.time())

    @callback
    def forget(self, mac: Mac) -> None:
        """Forget a device that is gone from the device registry."""
        self._introductions.forget(mac)
        if (device := self.devices.pop(mac, None)) is not None:
            for joined in device.macs[1:]:
                del self._joined[joined]
        self._issues.close("too_many_devices")
        self._memory.save_later(SAVE_NEWS_DELAY)

    @callback
    def remove(self, mac: Mac) -> None:
        """Remove a device from Home Assistant."""
        self._registry.remove(mac)
        self.forget(mac)

    @callback
    def tick(self, is_blocked: Callable[[Mac], bool]) -> None:
        """Let the time pass in which the gateway was heard, and remove who is absent for too long.

        A blocked device stays: without its switch nobody could unblock it.
        """
        self._heard += TICK.total_seconds()
        self._heard_this_time += TICK.total_seconds()
        self._memory.save_later(SAVE_DELAY)
        for device in self.devices.values():
            if not device.learning.over and device.settle(self.learning_is_over, time.time()):
                device.changed()
        days = self._options.remove_after_days
        if not days or self._heard_this_time < ABSENCE_GRACE.total_seconds():
            return
        for mac, device in list(self.devices.items()):
            if device.last_seen < time.time() - days * DAY and not is_blocked(mac):
                _LOGGER.info(
                    "Removing a device that was absent for %s days: %s", days, self._registry.name(mac)
                )
                self.remove(mac)

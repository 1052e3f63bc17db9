"""Has the entities of new devices added: of a few at once, of more one device after the other.

Home Assistant's recorder keeps the memory that it took at its busiest: the entities of fifty devices
cost 27 MiB for good when they are added all at once, 11 MiB at two devices a second, 9 MiB at one.
"""

from collections.abc import Callable
from datetime import datetime

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from .const import DEVICES_AT_ONCE, DEVICES_PACE
from .device import Device
from .models import Mac

type AddDevices = Callable[[list[Device]], None]


class Introductions:
    """The new devices that wait for their entities."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with none, and with nobody who adds entities."""
        self._hass = hass
        self._platforms: list[AddDevices] = []
        self._waiting: dict[Mac, Device] = {}
        self._at_once = DEVICES_AT_ONCE
        self._stop_clock: CALLBACK_TYPE | None = None

    @callback
    def on_new_devices(self, add: AddDevices) -> CALLBACK_TYPE:
        """Have `add` called with each new device when it is its turn; returns how to end it."""
        self._platforms.append(add)
        return lambda: self._platforms.remove(add)

    @callback
    def introduce(self, device: Device) -> None:
        """Have the entities of a device added: at once if few came lately, else when it is its turn."""
        self._waiting[device.mac] = device
        if self._at_once:
            self._at_once -= 1
            self._add_next()
        if self._stop_clock is None:
            self._stop_clock = async_track_time_interval(
                self._hass, self._tick, DEVICES_PACE, cancel_on_shutdown=True
            )

    def _add_next(self) -> None:
        device = self._waiting.pop(next(iter(self._waiting)))
        for add in self._platforms:
            add([device])

    @callback
    def _tick(self, _now: datetime) -> None:
        if self._waiting:
            self._add_next()
            return
        self._at_once += 1
        if self._at_once == DEVICES_AT_ONCE:
            self.stop()

    @callback
    def forget(self, mac: Mac) -> None:
        """Have no entities added of a device that is not there any more."""
        self._waiting.pop(mac, None)

    @callback
    def stop(self) -> None:
        """Leave off until another device is introduced."""
        if self._stop_clock is not None:
            self._stop_clock()
            self._stop_clock = None

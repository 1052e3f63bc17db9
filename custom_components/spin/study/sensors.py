"""Sensors of the studies: how often a device asks for the time, how far the captures are."""

import time
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTime
from homeassistant.core import callback

from ..coordinator import SpinCoordinator
from ..device import Device
from ..entity import DeviceEntity, GatewayEntity

TIME_SYNC = SensorEntityDescription(
    key="time_sync_interval",
    translation_key="time_sync_interval",
    device_class=SensorDeviceClass.DURATION,
    state_class=SensorStateClass.MEASUREMENT,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    suggested_display_precision=0,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
)
CAPTURE = SensorEntityDescription(
    key="capture_progress",
    translation_key="capture_progress",
    native_unit_of_measurement=PERCENTAGE,
    entity_category=EntityCategory.DIAGNOSTIC,
)

# The mean moves slowly, and is not for free.
TIME_SYNC_PAUSE = 600.0
# Percent: the states of a capture are few, however long it is.
STEP = 5


class TimeSyncSensor(DeviceEntity, SensorEntity):
    """How many seconds lie between two requests to the same time server, on average."""

    _looked_at = float("-inf")

    def __init__(self, coordinator: SpinCoordinator, device: Device) -> None:
        """Belong to the device."""
        super().__init__(coordinator, device, TIME_SYNC)
        self._look()

    def _look(self) -> bool:
        """Look at the figures if that is some time ago, or there were none; return whether they changed."""
        now = time.monotonic()
        if self._attr_native_value is not None and now - self._looked_at < TIME_SYNC_PAUSE:
            return False
        self._looked_at = now
        mean = self.coordinator.study.record(self.device.mac).time_sync.total().mean
        before, self._attr_native_value = self._attr_native_value, None if mean is None else round(mean)
        return before != self._attr_native_value

    @property
    @override
    def available(self) -> bool:
        """What was counted holds while the gateway is away."""
        return True

    @callback
    @override
    def changed(self) -> None:
        """Write the state when the figures changed."""
        if self._look():
            self.async_write_ha_state()


class CaptureSensor(GatewayEntity, SensorEntity):
    """How far the capture is that goes on; of several the one that is behind."""

    def __init__(self, coordinator: SpinCoordinator) -> None:
        """Belong to the gateway."""
        super().__init__(coordinator, CAPTURE)
        self._written: tuple[int | None, bool] | None = None

    @property
    @override
    def native_value(self) -> int | None:
        """Percent in steps; None while there is no capture."""
        runs = self.coordinator.study.captures.running.values()
        return min((run.progress - run.progress % STEP for run in runs), default=None)

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the captures."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.study.captures.listen(self.changed))

    @callback
    @override
    def changed(self) -> None:
        """Write the state when it is another one."""
        state = (self.native_value, self.available)
        if state != self._written:
            self._written = state
            self.async_write_ha_state()

"""Sensors: what a device sent and received, with how many it talks; what the gateway is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, UnitOfDataRate, UnitOfInformation
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.typing import StateType

from .coordinator import SpinConfigEntry, SpinCoordinator
from .device import Device
from .entity import DeviceEntity, GatewayEntity, SpinEntity
from .learning_sensor import LEARNING_SENSORS, LearningSensor
from .models import Counters
from .pace import FAST, MINUTES, SLOW, Pace
from .study.sensors import CaptureSensor, TimeSyncSensor

PARALLEL_UPDATES = 0

# A device that is not heard for this many intervals does not send or receive anything.
SILENT_INTERVALS = 3


@dataclass(frozen=True, kw_only=True)
class PacedSensorDescription(SensorEntityDescription):
    """A sensor that is not written at each change."""

    pace: Pace


@dataclass(frozen=True, kw_only=True)
class DeviceSensorDescription(PacedSensorDescription):
    """A sensor of a device."""

    value_fn: Callable[[Device], StateType | datetime]


@dataclass(frozen=True, kw_only=True)
class GatewaySensorDescription(PacedSensorDescription):
    """A sensor of the gateway."""

    value_fn: Callable[[SpinCoordinator], StateType]


def _total(count: Callable[[Counters], int]) -> Callable[[Device], int | None]:
    return lambda device: count(device.total) if device.caught_up else None


DEVICE_SENSORS = (
    DeviceSensorDescription(
        key="sent",
        translation_key="sent",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=2,
        value_fn=_total(lambda total: total.sent_bytes),
        pace=SLOW,
    ),
    DeviceSensorDescription(
        key="received",
        translation_key="received",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=2,
        value_fn=_total(lambda total: total.received_bytes),
        pace=SLOW,
    ),
    DeviceSensorDescription(
        key="destinations",
        translation_key="destinations",
        value_fn=lambda device: len(device.destinations),
        pace=SLOW,
    ),
    DeviceSensorDescription(
        key="sent_packets",
        translation_key="sent_packets",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_total(lambda total: total.sent_packets),
        pace=SLOW,
    ),
    DeviceSensorDescription(
        key="received_packets",
        translation_key="received_packets",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_total(lambda total: total.received_packets),
        pace=SLOW,
    ),
    DeviceSensorDescription(
        key="last_seen",
        translation_key="last_seen",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda device: datetime.fromtimestamp(device.last_seen, UTC),
        pace=MINUTES,
    ),
)

RATE_SENSORS = (
    DeviceSensorDescription(
        key="sent_rate",
        translation_key="sent_rate",
        device_class=SensorDeviceClass.DATA_RATE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfDataRate.BYTES_PER_SECOND,
        suggested_unit_of_measurement=UnitOfDataRate.KILOBYTES_PER_SECOND,
        suggested_display_precision=1,
        entity_registry_enabled_default=False,
        value_fn=lambda device: round(device.rates.sent) if device.rates else None,
        pace=FAST,
    ),
    DeviceSensorDescription(
        key="received_rate",
        translation_key="received_rate",
        device_class=SensorDeviceClass.DATA_RATE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfDataRate.BYTES_PER_SECOND,
        suggested_unit_of_measurement=UnitOfDataRate.KILOBYTES_PER_SECOND,
        suggested_display_precision=1,
        entity_registry_enabled_default=False,
        value_fn=lambda device: round(device.rates.received) if device.rates else None,
        pace=FAST,
    ),
)

GATEWAY_SENSORS = (
    GatewaySensorDescription(
        key="devices_seen",
        translation_key="devices_seen",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: len(coordinator.seen),
        pace=FAST,
    ),
    GatewaySensorDescription(
        key="version",
        translation_key="version",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.info.version if coordinator.info else None,
        pace=FAST,
    ),
    GatewaySensorDescription(
        key="problems",
        translation_key="problems",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: len(coordinator.problems),
        pace=FAST,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the gateway's sensors, and those of each device once it is known."""
    coordinator = entry.runtime_data
    async_add_entities(GatewaySensor(coordinator, description) for description in GATEWAY_SENSORS)
    async_add_entities([CaptureSensor(coordinator)])

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(
            sensor(coordinator, device, description)
            for device in devices
            for sensor, descriptions in (
                (DeviceSensor, DEVICE_SENSORS),
                (RateSensor, RATE_SENSORS),
                (LearningSensor, LEARNING_SENSORS),
            )
            for description in descriptions
        )
        async_add_entities(TimeSyncSensor(coordinator, device) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


class PacedSensor(SpinEntity, SensorEntity):
    """A sensor that is not written at each change."""

    entity_description: PacedSensorDescription
    _written: StateType | datetime = None
    _written_available = False
    _written_at = 0.0
    _later: CALLBACK_TYPE | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Remember what is written when the entity is added."""
        await super().async_added_to_hass()
        self._remember()
        self.async_on_remove(self._cancel)

    def _remember(self) -> None:
        self._written = self.native_value  # type: ignore[assignment]
        self._written_available = self.available
        self._written_at = time.monotonic()

    def _cancel(self) -> None:
        if self._later is not None:
            self._later()
            self._later = None

    @callback
    @override
    def changed(self) -> None:
        """Write the state if it is time, otherwise when it will be."""
        value = self.native_value
        if self.available == self._written_available:
            if value == self._written or not self.available:
                return
            age = time.monotonic() - self._written_at
            wait = self.entity_description.pace.wait(self._written, value, age)
            if wait > 0:
                self._write_in(wait)
                return
        self._cancel()
        self._remember()
        self.async_write_ha_state()

    def _write_in(self, seconds: float) -> None:
        if self._later is None:
            self._later = async_call_later(self.hass, seconds, self._write_now)

    @callback
    def _write_now(self, _now: datetime) -> None:
        self._later = None
        self.changed()


class GatewaySensor(GatewayEntity, PacedSensor):
    """Something of the gateway."""

    entity_description: GatewaySensorDescription

    @property
    @override
    def native_value(self) -> StateType:
        """What the gateway says now."""
        return self.entity_description.value_fn(self.coordinator)


class DeviceSensor(DeviceEntity, PacedSensor):
    """Something of a device."""

    entity_description: DeviceSensorDescription

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """What the device has done by now."""
        return self.entity_description.value_fn(self.device)


class RateSensor(DeviceSensor):
    """A rate, which is zero when the gateway says nothing more of the device."""

    _silent = False
    _silence: CALLBACK_TYPE | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Stop to wait for silence when the entity is removed."""
        await super().async_added_to_hass()
        self.async_on_remove(self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence()
            self._silence = None

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """The rate of the last interval, if that is not long ago."""
        return 0 if self._silent else super().native_value

    @callback
    @override
    def changed(self) -> None:
        """Write the rate, and wait for silence."""
        self._silent = False
        self._stop_waiting()
        interval = self.coordinator.info.interval if self.coordinator.info else 0.0
        self._silence = async_call_later(self.hass, SILENT_INTERVALS * interval, self._is_silent)
        super().changed()

    @callback
    def _is_silent(self, _now: datetime) -> None:
        self._silence = None
        self._silent = True
        super().changed()

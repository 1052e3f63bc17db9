"""Sensors of a device's learning period: whether it is over, and how long it lasts at most."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorEntityDescription
from homeassistant.const import EntityCategory, UnitOfTime
from homeassistant.core import callback
from homeassistant.helpers.typing import StateType

from .coordinator import SpinCoordinator
from .device import Device
from .entity import DeviceEntity
from .learning import HOUR


@dataclass(frozen=True, kw_only=True)
class LearningSensorDescription(SensorEntityDescription):
    """Something of the learning period."""

    value_fn: Callable[[SpinCoordinator, Device], StateType]


# In whole days as long as there are several, so that it changes seldom.
_DAY = 24


def _hours_left(coordinator: SpinCoordinator, device: Device) -> int:
    hours = math.ceil((coordinator.roster.learning_left(device.learning) or 0.0) / HOUR)
    return hours if hours <= _DAY else math.ceil(hours / _DAY) * _DAY


LEARNING_SENSORS = (
    LearningSensorDescription(
        key="learning",
        translation_key="learning",
        device_class=SensorDeviceClass.ENUM,
        options=["learning", "over"],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda _, device: device.learning.state,
    ),
    LearningSensorDescription(
        key="learning_left",
        translation_key="learning_left",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_hours_left,
    ),
)


class LearningSensor(DeviceEntity, SensorEntity):
    """Something of the learning period."""

    entity_description: LearningSensorDescription
    _written: tuple[bool, StateType] | None = None

    @property
    @override
    def native_value(self) -> StateType:
        """How it stands."""
        return self.entity_description.value_fn(self.coordinator, self.device)

    @callback
    @override
    def changed(self) -> None:
        """Write the state if it differs."""
        shown = (self.available, self.native_value)
        if shown != self._written:
            self._written = shown
            self.async_write_ha_state()

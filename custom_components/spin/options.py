"""The user's preferences of one gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .const import (
    CONF_LEARNING_DAYS,
    CONF_MAX_DEVICES,
    CONF_RANDOM_MACS,
    CONF_REMOVE_AFTER_DAYS,
    DEFAULT_LEARNING_DAYS,
    DEFAULT_MAX_DEVICES,
    DEFAULT_RANDOM_MACS,
    DEFAULT_REMOVE_AFTER_DAYS,
    SECTION_DEVICES,
    SECTION_LEARNING,
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the options flow asks for; `remove_after_days` 0 is never."""

    max_devices: int
    random_macs: str
    remove_after_days: int
    learning_days: int

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Read a config entry's options."""
        devices = options.get(SECTION_DEVICES, {})
        learning = options.get(SECTION_LEARNING, {})
        return cls(
            max_devices=int(devices.get(CONF_MAX_DEVICES, DEFAULT_MAX_DEVICES)),
            random_macs=devices.get(CONF_RANDOM_MACS, DEFAULT_RANDOM_MACS),
            remove_after_days=int(devices.get(CONF_REMOVE_AFTER_DAYS, DEFAULT_REMOVE_AFTER_DAYS)),
            learning_days=int(learning.get(CONF_LEARNING_DAYS, DEFAULT_LEARNING_DAYS)),
        )

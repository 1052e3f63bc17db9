"""The user's preferences of one gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .const import (
    CONF_BLOCK_HOURS,
    CONF_EXPOSE,
    CONF_LEARNING_DAYS,
    CONF_MAX_DEVICES,
    CONF_NEW_DEVICES,
    CONF_RANDOM_MACS,
    CONF_REACTION,
    CONF_RELEARN_HOURS,
    CONF_REMOVE_AFTER_DAYS,
    DEFAULT_BLOCK_HOURS,
    DEFAULT_LEARNING_DAYS,
    DEFAULT_MAX_DEVICES,
    DEFAULT_NEW_DEVICES,
    DEFAULT_RANDOM_MACS,
    DEFAULT_REACTION,
    DEFAULT_RELEARN_HOURS,
    DEFAULT_REMOVE_AFTER_DAYS,
    SECTION_DEVICES,
    SECTION_LEARNING,
    SECTION_REACTION,
    SECTION_VOICE,
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the options flow asks for; 0 is never for `remove_after_days`, `relearn_hours`, `block_hours`."""

    max_devices: int
    random_macs: str
    remove_after_days: int
    learning_days: int
    new_devices: str
    relearn_hours: int
    reaction: str
    block_hours: int
    expose: bool

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Read a config entry's options."""
        devices = options.get(SECTION_DEVICES, {})
        learning = options.get(SECTION_LEARNING, {})
        reaction = options.get(SECTION_REACTION, {})
        return cls(
            max_devices=int(devices.get(CONF_MAX_DEVICES, DEFAULT_MAX_DEVICES)),
            random_macs=devices.get(CONF_RANDOM_MACS, DEFAULT_RANDOM_MACS),
            remove_after_days=int(devices.get(CONF_REMOVE_AFTER_DAYS, DEFAULT_REMOVE_AFTER_DAYS)),
            learning_days=int(learning.get(CONF_LEARNING_DAYS, DEFAULT_LEARNING_DAYS)),
            new_devices=learning.get(CONF_NEW_DEVICES, DEFAULT_NEW_DEVICES),
            relearn_hours=int(learning.get(CONF_RELEARN_HOURS, DEFAULT_RELEARN_HOURS)),
            reaction=reaction.get(CONF_REACTION, DEFAULT_REACTION),
            block_hours=int(reaction.get(CONF_BLOCK_HOURS, DEFAULT_BLOCK_HOURS)),
            expose=bool(options.get(SECTION_VOICE, {}).get(CONF_EXPOSE, False)),
        )

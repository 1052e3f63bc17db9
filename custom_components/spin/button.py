"""Buttons: all that is new is fine, and begin to learn anew."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import SpinConfigEntry, SpinCoordinator
from .device import Device
from .entity import DeviceEntity
from .rulings import USER, Ruling

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class DeviceButtonDescription(ButtonEntityDescription):
    """A button of a device; `press` gets who presses it."""

    press: Callable[[SpinCoordinator, Device, Ruling], Awaitable[object]]


async def _restart_learning(coordinator: SpinCoordinator, device: Device, _ruling: Ruling) -> None:
    coordinator.roster.restart_learning(device)


BUTTONS = (
    DeviceButtonDescription(
        key="accept_all",
        translation_key="accept_all",
        entity_category=EntityCategory.CONFIG,
        press=lambda coordinator, device, ruling: coordinator.accept_all([device], ruling),
    ),
    DeviceButtonDescription(
        key="restart_learning",
        translation_key="restart_learning",
        entity_category=EntityCategory.CONFIG,
        press=_restart_learning,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons of each device once that is known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(
            DeviceButton(coordinator, device, description) for device in devices for description in BUTTONS
        )

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


class DeviceButton(DeviceEntity, ButtonEntity):
    """Something that the user says of a device."""

    entity_description: DeviceButtonDescription

    @property
    @override
    def available(self) -> bool:
        """Always: what is remembered is Home Assistant's own."""
        return True

    @callback
    @override
    def changed(self) -> None:
        """Do nothing: a button has no state but when it was pressed."""

    @override
    async def async_press(self) -> None:
        """Take the user at their word."""
        user_id = self._context.user_id if self._context else None
        await self.entity_description.press(self.coordinator, self.device, Ruling(USER, user_id))

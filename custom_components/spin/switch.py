"""The switch that cuts a device off the Internet."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.device_registry import EventDeviceRegistryUpdatedData
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_device_registry_updated_event

from . import voice
from .coordinator import SpinConfigEntry
from .decisions import Decision, Kind
from .device import Device
from .entity import DeviceEntity
from .options import Options
from .rulings import USER, Ruling

# Switches turned together become one policy: PolicyKeeper keeps the order and speaks to the gateway.
PARALLEL_UPDATES = 0

BLOCK = SwitchEntityDescription(
    key="block",
    translation_key="block",
    # Not touched by "turn off everything in the living room".
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the switch of each device once that is known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(BlockSwitch(coordinator, device, BLOCK) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


class BlockSwitch(DeviceEntity, SwitchEntity):
    """On while the gateway says that it keeps the device off the Internet."""

    _written: tuple[bool, bool | None] | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the device, and the user's wish whether voice assistants may use this."""
        await super().async_added_to_hass()
        self._follow_option()
        if self.registry_entry is not None and self.registry_entry.device_id is not None:
            self.async_on_remove(
                async_track_device_registry_updated_event(
                    self.hass, self.registry_entry.device_id, self._device_renamed
                )
            )

    @callback
    def _device_renamed(self, event: Event[EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] == "update":
            self._follow_option()

    @callback
    def _follow_option(self) -> None:
        if Options.read(self.coordinator.entry.options).expose:
            voice.expose(
                self.hass, self.entity_id, f"{self.name} {self.coordinator.registry.name(self.device.mac)}"
            )
        else:
            voice.withdraw(self.hass, self.entity_id)

    @property
    @override
    def available(self) -> bool:
        """Whether the gateway is heard, and able to block."""
        return super().available and self.coordinator.can_block

    @property
    @override
    def is_on(self) -> bool | None:
        """Whether the gateway enforces the block; unknown before it has said so."""
        if self.coordinator.policy.state is None:
            return None
        return self.coordinator.is_blocked(self.device.mac)

    @callback
    @override
    def changed(self) -> None:
        """Write the state if it differs: a device's traffic does not matter here."""
        shown = (self.available, self.is_on)
        if shown != self._written:
            self._written = shown
            self.async_write_ha_state()

    @override
    async def async_turn_on(self, **_kwargs: Any) -> None:
        """Block the device; returns when that is enforced."""
        await self._decide("block")

    @override
    async def async_turn_off(self, **_kwargs: Any) -> None:
        """Unblock the device; returns when that is enforced."""
        await self._decide("unblock")

    async def _decide(self, kind: Kind) -> None:
        user_id = self._context.user_id if self._context else None
        await self.coordinator.decisions.enforce([Decision(kind, self.device.mac)], Ruling(USER, user_id))

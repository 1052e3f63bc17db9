"""The select entity: what follows when something noteworthy is found about a device."""

from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import REACTION_DEFAULT, REACTIONS
from .coordinator import SpinConfigEntry
from .device import Device
from .entity import DeviceEntity

PARALLEL_UPDATES = 1

REACTION = SelectEntityDescription(
    key="reaction",
    translation_key="reaction",
    entity_category=EntityCategory.CONFIG,
    options=[REACTION_DEFAULT, *REACTIONS],
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SpinConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the select entity of each device once that is known."""
    coordinator = entry.runtime_data

    @callback
    def add(devices: list[Device]) -> None:
        async_add_entities(ReactionSelect(coordinator, device, REACTION) for device in devices)

    entry.async_on_unload(coordinator.roster.on_new_devices(add))


class ReactionSelect(DeviceEntity, SelectEntity):
    """What the user prefers for this device, or that it is treated as all others are."""

    _written: str | None = None

    @property
    @override
    def available(self) -> bool:
        """Always: the preference is Home Assistant's own."""
        return True

    @property
    @override
    def current_option(self) -> str:
        """What was chosen here."""
        return self.device.judged.reaction or REACTION_DEFAULT

    @callback
    @override
    def changed(self) -> None:
        """Write the state if it differs: a device's traffic does not matter here."""
        if self._written != self.current_option:
            self._written = self.current_option
            self.async_write_ha_state()

    @override
    async def async_select_option(self, option: str) -> None:
        """Choose for this device."""
        chosen = None if option == REACTION_DEFAULT else option
        self.coordinator.judgement.choose_reaction(self.device, chosen)

"""What is told of a device, as lines of the logbook."""

from collections.abc import Callable

from homeassistant.components.logbook import (  # type: ignore[attr-defined]
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_ENTITY_ID, ATTR_NAME
from homeassistant.core import Event, HomeAssistant, callback

from .const import ATTR_MESSAGE, BUS_EVENT_FINDING, DOMAIN


@callback
def async_describe_events(
    _hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Describe the events of the bus."""

    @callback
    def describe(event: Event) -> dict[str, str]:
        """Return the line: the device, and what it did."""
        line = {
            LOGBOOK_ENTRY_NAME: event.data[ATTR_NAME],
            LOGBOOK_ENTRY_MESSAGE: event.data[ATTR_MESSAGE],
            LOGBOOK_ENTRY_ICON: "mdi:bell-alert-outline",
        }
        if entity_id := event.data[ATTR_ENTITY_ID]:
            line[LOGBOOK_ENTRY_ENTITY_ID] = entity_id
        return line

    async_describe_event(DOMAIN, BUS_EVENT_FINDING, describe)

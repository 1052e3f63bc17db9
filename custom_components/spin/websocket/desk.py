"""One gateway as the picture sees it: by what its devices are judged, and what they are called."""

import time
from collections.abc import Callable

from homeassistant.const import STATE_ON, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util.hass_dict import HassKey

from ..const import CONF_GATEWAY, CONF_PREFIX, DOMAIN
from ..coordinator import FlowsListener, SpinCoordinator
from ..device import Device
from ..naming import identifier
from . import text
from .gateways import coordinator_of, entries_of
from .rulebook import Shelf
from .standing import Standing

DATA_USERS: HassKey[dict[str, str | None]] = HassKey(f"{DOMAIN}_users")


async def learn_users(hass: HomeAssistant) -> None:
    """Learn what the users are called."""
    hass.data[DATA_USERS] = {user.id: user.name for user in await hass.auth.async_get_users()}


class Desk:
    """What is said of the devices of one gateway, the one with this index."""

    def __init__(
        self,
        coordinator: SpinCoordinator,
        gateway: int = 0,
        changed: Callable[[Desk], None] | None = None,
        grown: FlowsListener | None = None,
    ) -> None:
        """Read of this coordinator.

        Call `changed` when its rules, or the gateway itself, are others, and `grown` with each message on
        a device's traffic.
        """
        self.coordinator = coordinator
        self.gateway = gateway
        self._changed = changed
        self._shelf = Shelf(coordinator.policy.state)
        self._standings: dict[str, Standing] = {}
        self._stops = [coordinator.listen_gateway(self._gateway_changed)] if changed else []
        if grown is not None:
            self._stops.append(coordinator.listen_flows(grown))

    def close(self) -> None:
        """Follow the gateway no more."""
        while self._stops:
            self._stops.pop()()

    @callback
    def _gateway_changed(self) -> None:
        if self._changed is not None:
            self._changed(self)

    def standing(self, device: Device) -> Standing:
        """Return how a device's hosts are judged: the same object as long as it says the same."""
        state = self.coordinator.policy.state
        if state is not self._shelf.state:
            self._shelf = Shelf(state, self._shelf)
            self._standings = {
                mac: standing
                for mac, standing in self._standings.items()
                if self._shelf.is_current(mac, standing.book)
            }
        automatic = frozenset(about.target for about in self.coordinator.rulings.automatic(device.mac))
        failed = frozenset(device.judged.outages.out)
        standing = self._standings.get(device.mac)
        if standing is None:
            standing = Standing(self._shelf.book(device.mac), automatic, failed)
        elif standing.automatic != automatic or standing.failed != failed:
            standing = Standing(standing.book, automatic, failed)
        self._standings[device.mac] = standing
        return standing

    def device_id(self, device: Device) -> str | None:
        """Return the id of a device in the registry; None if it is not in use."""
        entry = self._entry(device)
        return None if entry is None or entry.disabled_by is not None else entry.id

    def name(self, device: Device) -> str:
        """Return what the user sees as a device's name."""
        return text.name(self.coordinator.registry.name(device.mac))

    def _entry(self, device: Device) -> dr.DeviceEntry | None:
        coordinator = self.coordinator
        return dr.async_get(coordinator.hass).async_get_device_by_identifier(
            identifier(coordinator.gateway, device.mac), coordinator.entry.entry_id
        )

    @property
    def topic(self) -> str:
        """The MQTT topic below which the gateway speaks."""
        data = self.coordinator.entry.data
        return f"{data[CONF_PREFIX]}/{data[CONF_GATEWAY]}"

    def local_time(self, at: float | None) -> float | None:
        """Return a time of the gateway's clock by Home Assistant's."""
        return None if at is None else at - (self.coordinator.gateway_time() - time.time())

    def user_name(self, user_id: str | None) -> str | None:
        """Return what a user is called."""
        names = self.coordinator.hass.data.get(DATA_USERS, {})
        return names.get(user_id) if user_id else None

    def needs_attention(self, device: Device) -> bool:
        """Return whether the device's binary sensor says so."""
        unique_id = f"{self.coordinator.gateway}_{device.mac}_attention"
        entity_id = er.async_get(self.coordinator.hass).async_get_entity_id(
            Platform.BINARY_SENSOR, DOMAIN, unique_id
        )
        return entity_id is not None and self.coordinator.hass.states.is_state(entity_id, STATE_ON)


@callback
def desks(hass: HomeAssistant, gateway: str | None = None) -> list[Desk]:
    """Return the desks of the gateways that are loaded: one, or all of them."""
    found = [coordinator_of(entry) for entry in entries_of(hass, gateway)]
    return [Desk(coordinator) for coordinator in found if coordinator is not None]

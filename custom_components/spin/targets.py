"""Whom a call of an action is about, and whether whoever calls may do that."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, Platform
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from .const import DOMAIN
from .coordinator import SpinCoordinator
from .device import Device
from .models import Mac
from .registry import mac_of

# What of a call's target names something itself.
NAMES = (ATTR_DEVICE_ID, ATTR_ENTITY_ID)


class Target(NamedTuple):
    """A device of a gateway, or (without MAC address) the gateway itself, for all of its devices."""

    device_id: str
    name: str
    mac: Mac | None


type Targets = Mapping[SpinCoordinator, list[Target]]


def targets_of(call: ServiceCall) -> Targets:
    """Return what of SPIN is meant by the devices, entities, areas, floors and labels of a call.

    A gateway is meant only where it is named itself: whoever names its room means the devices there.

    Raises:
        ServiceValidationError: nothing of SPIN is, or only what is not loaded
    """
    named = _device_ids(call.hass, {key: call.data[key] for key in NAMES if key in call.data})
    targets: dict[SpinCoordinator, list[Target]] = {}
    not_loaded: str | None = None
    for device_id in sorted(_device_ids(call.hass, call.data)):
        device, entry = dr.async_get_device_and_config_entry_for_domain(call.hass, device_id, domain=DOMAIN)
        if device is None or entry is None:
            continue
        if entry.state is not ConfigEntryState.LOADED:
            not_loaded = entry.title
            continue
        coordinator: SpinCoordinator = entry.runtime_data
        name = device.name_by_user or device.name or coordinator.gateway
        target = Target(device_id, name, mac_of(device, coordinator.gateway))
        if target.mac is not None or device_id in named:
            targets.setdefault(coordinator, []).append(target)
    if not targets and not_loaded is not None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="not_loaded",
            translation_placeholders={"gateway": not_loaded},
        )
    if not targets:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_device")
    return targets


def _device_ids(hass: HomeAssistant, target: Mapping[str, Any]) -> set[str]:
    selected = async_extract_referenced_entity_ids(
        hass, TargetSelection(dict(target)), primary_entities_only=False
    )
    entities = er.async_get(hass)
    named = (entities.async_get(entity_id) for entity_id in selected.referenced)
    return selected.referenced_devices | {entry.device_id for entry in named if entry and entry.device_id}


async def targets_to_change(call: ServiceCall) -> Targets:
    """Return the targets if whoever calls may change them.

    For a device that takes the right to turn its switch, for the gateway an administrator's.

    Raises:
        Unauthorized: they may not
    """
    return await _permitted(call, POLICY_CONTROL, lambda user: user.is_admin)


async def targets_to_read(call: ServiceCall) -> Targets:
    """Return the targets if whoever calls may know what they do.

    For a device that takes the right to read its switch, for the gateway that to read all entities.

    Raises:
        Unauthorized: they may not
    """
    return await _permitted(call, POLICY_READ, lambda user: user.permissions.access_all_entities(POLICY_READ))


async def _permitted(call: ServiceCall, permission: str, may_all: Callable[[User], bool]) -> Targets:
    targets = targets_of(call)
    user = await calling_user(call)
    if user is None:
        return targets
    entities = er.async_get(call.hass)
    for coordinator, each in targets.items():
        for target in each:
            switch = target.mac and entities.async_get_entity_id(
                Platform.SWITCH, DOMAIN, f"{coordinator.gateway}_{target.mac}_block"
            )
            may = user.permissions.check_entity(switch, permission) if switch else may_all(user)
            if not may:
                raise Unauthorized(context=call.context, entity_id=switch, permission=permission)
    return targets


async def calling_user(call: ServiceCall) -> User | None:
    """Return who calls, None for an automation.

    Raises:
        UnknownUser: somebody who is not known any more
    """
    if call.context.user_id is None:
        return None
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    return user


async def check_administrator(call: ServiceCall) -> None:
    """Check that an administrator calls, or an automation.

    Raises:
        Unauthorized: it is somebody else
    """
    user = await calling_user(call)
    if user is not None and not user.is_admin:
        raise Unauthorized(context=call.context)


def without_gateways(targets: Targets) -> Targets:
    """Return the targets if all of them are devices.

    Raises:
        ServiceValidationError: one is a gateway
    """
    if any(target.mac is None for each in targets.values() for target in each):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="gateway_is_no_device")
    return targets


def devices_only(targets: Targets) -> Mapping[SpinCoordinator, list[Mac]]:
    """Return the MAC addresses of the targets if all of them are devices, as `without_gateways` does."""
    return {
        coordinator: [target.mac for target in each if target.mac]
        for coordinator, each in without_gateways(targets).items()
    }


def meant(targets: Targets) -> Iterator[tuple[SpinCoordinator, str, Device]]:
    """Go through the devices that are meant, with their ids: by a gateway, all of its devices."""
    for coordinator, each in targets.items():
        macs = {target.mac for target in each}
        for device in list(coordinator.devices.values()):
            if None in macs or device.mac in macs:
                yield coordinator, coordinator.registry.device_id(device.mac), device

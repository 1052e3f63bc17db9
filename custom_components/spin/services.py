"""The actions `spin.*`."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import voluptuous as vol
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids
from homeassistant.helpers.typing import VolDictType

from . import checks
from .const import DOMAIN
from .coordinator import SpinCoordinator
from .device import Device
from .listing import destinations_of
from .models import Mac, Rule
from .registry import mac_of
from .rules import ALLOW, BLOCK, Change, block_device, remove_rule, set_rule, together, unblock_device

ATTR_DESTINATION = "destination"
ATTR_DURATION = "duration"

type Action = Callable[[ServiceCall], Coroutine[Any, Any, None]]
# Which devices of which gateway; None stands for the gateway itself.
type Targets = Mapping[SpinCoordinator, list[Mac | None]]

_DURATION: VolDictType = {
    vol.Optional(ATTR_DURATION): vol.All(
        cv.positive_time_period, vol.Range(min=timedelta(seconds=1), max=timedelta(days=3650))
    )
}
_DESTINATION: VolDictType = {vol.Required(ATTR_DESTINATION): cv.string}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""

    def register(name: str, action: Action, fields: VolDictType) -> None:
        schema = vol.Schema({**cv.TARGET_SERVICE_FIELDS, **fields})
        hass.services.async_register(DOMAIN, name, action, schema)

    register("block_device", _block_device, _DURATION)
    register("unblock_device", _unblock_device, {})
    register("block_destination", _block_destination, {**_DESTINATION, **_DURATION})
    register("allow_destination", _allow_destination, {**_DESTINATION, **_DURATION})
    register("unblock_destination", _unblock_destination, _DESTINATION)
    hass.services.async_register(
        DOMAIN,
        "get_destinations",
        _get_destinations,
        vol.Schema(cv.TARGET_SERVICE_FIELDS),
        supports_response=SupportsResponse.ONLY,
    )


def _targets(call: ServiceCall) -> Targets:
    """Return what of SPIN is meant by the devices, entities, areas, floors and labels of a call."""
    selected = async_extract_referenced_entity_ids(
        call.hass, TargetSelection(call.data), primary_entities_only=False
    )
    entities = er.async_get(call.hass)
    named = (entities.async_get(entity_id) for entity_id in selected.referenced)
    device_ids = selected.referenced_devices | {
        entry.device_id for entry in named if entry and entry.device_id
    }
    targets: dict[SpinCoordinator, list[Mac | None]] = {}
    for device_id in sorted(device_ids):
        device, entry = dr.async_get_device_and_config_entry_for_domain(call.hass, device_id, domain=DOMAIN)
        if device is None or entry is None or entry.state is not ConfigEntryState.LOADED:
            continue
        coordinator: SpinCoordinator = entry.runtime_data
        targets.setdefault(coordinator, []).append(mac_of(device, coordinator.gateway))
    if not targets:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_device")
    return targets


async def _targets_to_change(call: ServiceCall) -> Targets:
    """Return the targets if whoever calls may change them.

    For a device that takes the right to turn its switch, for the gateway an administrator's.
    """
    targets = _targets(call)
    if call.context.user_id is None:
        return targets
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    entities = er.async_get(call.hass)
    for coordinator, macs in targets.items():
        for mac in macs:
            switch = mac and entities.async_get_entity_id(
                Platform.SWITCH, DOMAIN, f"{coordinator.gateway}_{mac}_block"
            )
            may = user.permissions.check_entity(switch, POLICY_CONTROL) if switch else user.is_admin
            if not may:
                raise Unauthorized(context=call.context, entity_id=switch, permission=POLICY_CONTROL)
    return targets


def _devices_only(targets: Targets) -> Mapping[SpinCoordinator, list[Mac]]:
    if any(mac is None for macs in targets.values() for mac in macs):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="gateway_is_no_device")
    return {coordinator: [mac for mac in macs if mac] for coordinator, macs in targets.items()}


async def _change(changes: Mapping[SpinCoordinator, Iterable[Change]]) -> None:
    await asyncio.gather(
        *(coordinator.change_policy(together(list(each))) for coordinator, each in changes.items())
    )


def _until(call: ServiceCall, coordinator: SpinCoordinator) -> float | None:
    duration: timedelta | None = call.data.get(ATTR_DURATION)
    return None if duration is None else coordinator.gateway_time() + duration.total_seconds()


async def _block_device(call: ServiceCall) -> None:
    targets = _devices_only(await _targets_to_change(call))
    await _change(
        {
            coordinator: [block_device(mac, until=_until(call, coordinator)) for mac in macs]
            for coordinator, macs in targets.items()
        }
    )


async def _unblock_device(call: ServiceCall) -> None:
    targets = _devices_only(await _targets_to_change(call))
    await _change({coordinator: map(unblock_device, macs) for coordinator, macs in targets.items()})


def _destination(call: ServiceCall, action: str) -> Rule:
    """Return a rule for the name, or the address or network, that a call is about."""
    text = str(call.data[ATTR_DESTINATION]).strip().removesuffix(".")
    try:
        return Rule(action, address=checks.network(text))
    except vol.Invalid:
        pass
    try:
        name = checks.host_name(text.encode("idna").decode().lower())
    except UnicodeError, vol.Invalid:
        name = ""
    if not name or name.rpartition(".")[2].isdigit():
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="invalid_destination",
            translation_placeholders={"destination": text},
        )
    return Rule(action, name=name)


async def _set_rules(call: ServiceCall, rule: Rule) -> Targets:
    targets = await _targets_to_change(call)
    changes: dict[SpinCoordinator, list[Change]] = {}
    for coordinator, macs in targets.items():
        lasting = replace(rule, until=_until(call, coordinator))
        changes[coordinator] = [set_rule(mac, lasting) for mac in macs]
    await _change(changes)
    return targets


async def _block_destination(call: ServiceCall) -> None:
    await _set_rules(call, _destination(call, BLOCK))


async def _allow_destination(call: ServiceCall) -> None:
    rule = _destination(call, ALLOW)
    for coordinator, device in _meant(await _set_rules(call, rule)):
        device.destinations.allow(rule)
        coordinator.roster.keep(news=True)


async def _unblock_destination(call: ServiceCall) -> None:
    rule = _destination(call, BLOCK)
    targets = await _targets_to_change(call)
    await _change(
        {coordinator: [remove_rule(mac, rule) for mac in macs] for coordinator, macs in targets.items()}
    )


def _meant(targets: Targets) -> Iterable[tuple[SpinCoordinator, Device]]:
    """Go through the devices that are meant: by a gateway, all of its devices."""
    for coordinator, macs in targets.items():
        for device in list(coordinator.devices.values()):
            if None in macs or device.mac in macs:
                yield coordinator, device


async def _get_destinations(call: ServiceCall) -> ServiceResponse:
    devices: dict[str, Any] = {}
    for coordinator, device in _meant(_targets(call)):
        devices[coordinator.registry.device_id(device.mac)] = {
            "name": coordinator.registry.name(device.mac),
            "mac": device.mac,
            "destinations": await call.hass.async_add_executor_job(
                destinations_of, device, coordinator.policy.state
            ),
        }
    return {"devices": devices}

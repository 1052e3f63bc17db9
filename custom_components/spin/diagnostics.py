"""Diagnostics that tell how it stands, but not what the household does.

MAC addresses are replaced by numbers; names, addresses and destinations are left out.
"""

from collections import Counter
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .coordinator import SpinConfigEntry, SpinCoordinator
from .device import Device
from .models import PolicyState
from .naming import is_random
from .registry import mac_of

TO_REDACT = {"title", "unique_id", "gateway", "prefix", "discovery_keys"}


async def async_get_config_entry_diagnostics(_hass: HomeAssistant, entry: SpinConfigEntry) -> dict[str, Any]:
    """Return the diagnostics of a gateway and all of its devices."""
    coordinator = entry.runtime_data
    return {
        "entry": async_redact_data(entry.as_dict(), TO_REDACT),
        "gateway": _gateway(coordinator),
        "policy": _policy(coordinator.policy.state),
        "devices": {
            f"device_{number}": _device(coordinator, device)
            for number, device in enumerate(coordinator.devices.values(), 1)
        },
    }


async def async_get_device_diagnostics(
    _hass: HomeAssistant, entry: SpinConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Return the diagnostics of one device, or of the gateway alone."""
    coordinator = entry.runtime_data
    mac = mac_of(device, coordinator.gateway)
    found = coordinator.devices.get(mac) if mac else None
    return {
        "gateway": _gateway(coordinator),
        "device": _device(coordinator, found) if found else None,
    }


def _gateway(coordinator: SpinCoordinator) -> dict[str, Any]:
    info = coordinator.info
    return {
        "available": coordinator.available,
        "devices_seen": len(coordinator.seen),
        "devices_shown": len(coordinator.devices),
        "clock_error": round(coordinator.clock_error, 1),
        "info": info
        and {
            "name": REDACTED,
            "version": info.version,
            "source": info.source,
            "interval": info.interval,
            "capabilities": sorted(info.capabilities),
            "limits": dict(info.limits),
        },
        # The texts may hold names and addresses.
        "problems": [problem.code for problem in coordinator.problems],
    }


def _policy(state: PolicyState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    devices = state.policy.devices.values()
    return {
        "revision": state.policy.revision,
        "enforced": state.enforced,
        "blocked_devices": sum(device.blocked for device in devices),
        "rules": sum(len(device.destinations) for device in devices) + len(state.policy.everyone),
    }


def _device(coordinator: SpinCoordinator, device: Device) -> dict[str, Any]:
    services = Counter(f"{known.key.protocol}/{known.key.port}" for known in device.destinations)
    return {
        "random_mac": is_random(device.mac),
        "has_hostname": device.hostname is not None,
        "addresses": len(device.addresses),
        "reported": device.reported,
        "blocked": coordinator.is_blocked(device.mac),
        "totals": device.total._asdict(),
        "learning": device.learning.as_dict(),
        "judged": _judged(coordinator, device),
        "destinations": len(device.destinations),
        "destinations_without_name": sum(not known.names for known in device.destinations),
        "verdicts": dict(Counter(known.verdict for known in device.destinations)),
        "services": dict(services.most_common(20)),
    }


def _judged(coordinator: SpinCoordinator, device: Device) -> dict[str, Any]:
    judged = device.judged
    return {
        "reaction": coordinator.judgement.reaction(device),
        "reaction_chosen": judged.reaction is not None,
        "needs_attention": coordinator.judgement.needs_attention(device),
        "scan_suspected": judged.scan.raised,
        "flood_suspected": judged.flood.raised,
        "dns_bypass": judged.dns_bypass,
        "services_out": len(judged.outages),
        "firmware_sources": len(judged.versions),
        "automatic_blocks": len(coordinator.rulings.automatic(device.mac)),
    }

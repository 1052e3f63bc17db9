"""The websocket commands of the studies: the report, experiments and captures, for the panel."""

from typing import TYPE_CHECKING, Any

import voluptuous as vol
from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import (
    async_response,
    require_admin,
    websocket_command,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from ..const import DOMAIN
from ..registry import mac_of
from ..websocket.asking import for_readers
from ..websocket.lookup import NotFoundError
from . import capture_files
from .captures import folder_of
from .report import report_of

if TYPE_CHECKING:
    from ..coordinator import SpinCoordinator
    from ..models import Mac


@callback
def async_setup_study_commands(hass: HomeAssistant) -> None:
    """Register the commands."""
    for command in (_report, _experiments, _captures, _delete_capture):
        async_register_command(hass, command)


def _find(hass: HomeAssistant, device_id: str) -> tuple[SpinCoordinator, Mac]:
    """Return the gateway and the MAC address of a device; raises NotFoundError."""
    device, entry = dr.async_get_device_and_config_entry_for_domain(hass, device_id, domain=DOMAIN)
    if device is None or entry is None or entry.state is not ConfigEntryState.LOADED:
        raise NotFoundError("no such device")
    coordinator: SpinCoordinator = entry.runtime_data
    mac = mac_of(device, coordinator.gateway)
    if mac not in coordinator.devices:
        raise NotFoundError("no such device")
    return coordinator, mac


@websocket_command({vol.Required("type"): "spin/report", vol.Required("device_id"): str})
@for_readers
async def _report(hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]) -> None:
    """Answer with the report of a device; captures are for administrators."""
    report = await report_of(*_find(hass, message["device_id"]))
    if not connection.user.is_admin:
        report["captures"] = []
    connection.send_result(message["id"], report)


@websocket_command({vol.Required("type"): "spin/experiments", vol.Required("device_id"): str})
@for_readers
async def _experiments(hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]) -> None:
    """Answer with the experiments of a device, the newest first."""
    coordinator, mac = _find(hass, message["device_id"])
    record = coordinator.study.record(mac)
    checks = record.checks()
    connection.send_result(
        message["id"],
        {"experiments": [experiment.result(checks) for experiment in reversed(record.experiments)]},
    )


@websocket_command({vol.Required("type"): "spin/captures"})
@require_admin
@async_response
async def _captures(hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]) -> None:
    """Answer with the captures that are over, how far the others are, and why the last one ended."""
    listed = await hass.async_add_executor_job(capture_files.listed, folder_of(hass))
    running = [
        {
            "device_id": entry.runtime_data.registry.device_id(mac),
            "device": run.wanted.device,
            "began": run.began,
            "seconds": run.wanted.seconds,
            "max_bytes": run.wanted.max_bytes,
            "progress": run.progress,
            "packets": run.reply.packets if run.reply else 0,
            "bytes": run.reply.bytes if run.reply else 0,
            "dropped": run.reply.dropped if run.reply else 0,
        }
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        for mac, run in entry.runtime_data.study.captures.running.items()
    ]
    ended = {
        entry.runtime_data.gateway: last[1]
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        if (last := entry.runtime_data.study.captures.last) is not None
    }
    connection.send_result(
        message["id"],
        {"captures": [capture.as_dict() for capture in listed], "running": running, "ended": ended},
    )


@websocket_command({vol.Required("type"): "spin/captures/delete", vol.Required("file"): str})
@require_admin
@async_response
async def _delete_capture(hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]) -> None:
    """Delete a capture."""
    removed = await hass.async_add_executor_job(capture_files.remove, folder_of(hass), message["file"])
    if removed:
        connection.send_result(message["id"])
    else:
        connection.send_error(message["id"], ERR_NOT_FOUND, "no such capture")

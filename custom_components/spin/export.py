"""The destinations of devices as a table, for a spreadsheet (CSV) or a program (JSON)."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType
from homeassistant.util.file import WriteError, write_utf8_file_atomic

from .const import DOMAIN
from .listing import destinations_of
from .targets import check_administrator, meant, targets_to_read

CSV = "csv"
JSON = "json"

ATTR_FORMAT = "format"
ATTR_FILENAME = "filename"

FIELDS: VolDictType = {
    vol.Optional(ATTR_FORMAT, default=CSV): vol.In((CSV, JSON)),
    vol.Optional(ATTR_FILENAME): cv.string,
}

COLUMNS = (
    "device", "mac", "destination", "names", "addresses", "protocol", "port", "service", "name_source",
    "state", "first_seen", "last_seen", "sent_bytes", "received_bytes", "connections", "unanswered",
    "blocked_packets",
)  # fmt: skip

# What makes a spreadsheet take a cell for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 (full-width forms count)


async def export(call: ServiceCall) -> ServiceResponse:
    """Write the destinations of devices to a file, or return them."""
    targets = await targets_to_read(call)
    form, filename = call.data[ATTR_FORMAT], call.data.get(ATTR_FILENAME)
    if filename is None and not call.return_response:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="export_nowhere")
    if filename is not None:
        await check_administrator(call)
    devices = [
        (coordinator.registry.name(device.mac), device, coordinator.policy.state)
        for coordinator, _device_id, device in meant(targets)
    ]
    path = None if filename is None else await _checked_path(call.hass, filename, form)

    def write() -> tuple[int, str]:
        rows = [
            {"device": name, "mac": device.mac, **row}
            for name, device, state in devices
            for row in destinations_of(device, state)
        ]
        content = as_csv(rows) if form == CSV else json.dumps(rows, ensure_ascii=False, indent=1)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_utf8_file_atomic(str(path), content)
        return len(rows), content

    try:
        count, content = await call.hass.async_add_executor_job(write)
    except (OSError, WriteError) as err:
        raise _unwritable(filename, str(err)) from err
    answer = {"devices": len(devices), "destinations": count, "format": form}
    return {**answer, "content": content} if path is None else {**answer, "path": str(path)}


async def _checked_path(hass: HomeAssistant, filename: str, form: str) -> Path:
    """Return where to write.

    Raises:
        ServiceValidationError: Home Assistant does not allow it
        HomeAssistantError: there can be no such file
    """
    try:
        path = await hass.async_add_executor_job(Path(hass.config.path(filename)).resolve)
    except (OSError, ValueError) as err:
        raise _unwritable(filename, str(err)) from err
    if path.suffix.lower() != f".{form}":
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="wrong_suffix",
            translation_placeholders={"format": form},
        )
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, str(path)):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="path_not_allowed",
            translation_placeholders={
                "path": str(path.parent),
                "allowed": ", ".join(sorted(hass.config.allowlist_external_dirs)),
            },
        )
    return path


def _unwritable(filename: str | None, reason: str) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="cannot_write",
        translation_placeholders={"path": str(filename), "reason": reason},
    )


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV (RFC 4180), in which no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[column]) for column in COLUMNS] for row in rows)
    return text.getvalue()


def _cell(value: str | int | list[str] | None) -> str:
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text

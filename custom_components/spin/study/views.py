"""What a browser gets from the studies: the report of a device and the captured files, for administrators."""

import json
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from homeassistant.components.http.const import KEY_HASS_USER
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView
from homeassistant.util import dt as dt_util
from homeassistant.util import slugify

from ..const import DOMAIN
from ..coordinator import SpinCoordinator
from ..registry import mac_of
from . import capture_files
from .captures import folder_of
from .report import report_of
from .report_page import HEADERS, Page, Texts

TEXTS = Path(__file__).parent / "report_texts"
LANGUAGES = ("en", "nl")
CAPTURE_URL = "/api/spin/captures/{name}"
REPORT_URL = "/api/spin/report/{device_id}"
PCAP = "application/vnd.tcpdump.pcap"


@callback
def async_setup_views(hass: HomeAssistant) -> None:
    """Register the views."""
    hass.http.register_view(CaptureView())
    hass.http.register_view(ReportView())


def load_texts(language: str) -> Texts:
    """Return the texts of the report; reads a file: not in the event loop."""
    texts: Texts = json.loads((TEXTS / f"{language}.json").read_text())
    return texts


def _require_admin(request: web.Request) -> None:
    if not request[KEY_HASS_USER].is_admin:
        raise web.HTTPForbidden


class CaptureView(HomeAssistantView):
    """A captured file."""

    url = CAPTURE_URL
    name = "api:spin:capture"

    async def get(self, request: web.Request, name: str) -> web.StreamResponse:
        """Send the file."""
        _require_admin(request)
        hass = request.app[KEY_HASS]
        path = await hass.async_add_executor_job(capture_files.find, folder_of(hass), name)
        if path is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        headers = {
            "Content-Type": PCAP,
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(path, headers=headers)


class ReportView(HomeAssistantView):
    """The report of a device as a page. Query: `language` (en, nl), `download`."""

    url = REPORT_URL
    name = "api:spin:report"

    async def get(self, request: web.Request, device_id: str) -> web.Response:
        """Send the page."""
        _require_admin(request)
        hass = request.app[KEY_HASS]
        device, entry = dr.async_get_device_and_config_entry_for_domain(hass, device_id, domain=DOMAIN)
        if device is None or entry is None or entry.state is not ConfigEntryState.LOADED:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        coordinator: SpinCoordinator = entry.runtime_data
        mac = mac_of(device, coordinator.gateway)
        if mac is None or mac not in coordinator.devices:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        language = _language(request.query.get("language") or hass.config.language)
        texts = await hass.async_add_executor_job(load_texts, language)
        report = await report_of(coordinator, mac)
        page = Page(report, texts, dt_util.get_default_time_zone(), language).html()
        headers = dict(HEADERS)
        if "download" in request.query:
            name = slugify(report["device"]["name"])[:40] or "device"
            headers["Content-Disposition"] = f'attachment; filename="spin-{name}.html"'
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=headers)


def _language(wanted: str) -> str:
    short = wanted.partition("-")[0].lower()
    return short if short in LANGUAGES else LANGUAGES[0]

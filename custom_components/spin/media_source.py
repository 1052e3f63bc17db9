"""The captures in the media browser, for administrators."""

from datetime import datetime
from typing import override

from homeassistant.components.media_player.const import MediaClass
from homeassistant.components.media_player.errors import BrowseError
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.components.websocket_api.connection import current_connection
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .study import capture_files
from .study.capture_files import Capture
from .study.captures import folder_of
from .study.views import CAPTURE_URL, PCAP


async def async_get_media_source(hass: HomeAssistant) -> CaptureSource:
    """Return the source."""
    return CaptureSource(hass)


def _is_admin() -> bool:
    """Return whether an administrator asks; the media browser speaks over the websocket."""
    connection = current_connection.get()
    return connection is not None and connection.user.is_admin


class CaptureSource(MediaSource):
    """The folder of captures."""

    name = "SPIN"

    def __init__(self, hass: HomeAssistant) -> None:
        """Show the captures of all gateways."""
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return where a capture is downloaded."""
        path = await self._hass.async_add_executor_job(
            capture_files.find, folder_of(self._hass), item.identifier
        )
        if path is None or not _is_admin():
            raise Unresolvable("No such capture")
        return PlayMedia(CAPTURE_URL.format(name=path.name), PCAP)

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return the folder, empty for who is no administrator."""
        if item.identifier:
            raise BrowseError("A capture has nothing in it to browse")
        captures = (
            await self._hass.async_add_executor_job(capture_files.listed, folder_of(self._hass))
            if _is_admin()
            else []
        )
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=None,
            media_class=MediaClass.DIRECTORY,
            media_content_type="",
            title=self.name,
            can_play=False,
            can_expand=True,
            children_media_class=MediaClass.APP,
            children=[_shown(capture) for capture in captures],
        )


def _shown(capture: Capture) -> BrowseMediaSource:
    began = datetime.fromtimestamp(capture.began, dt_util.get_default_time_zone())
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=capture.file,
        media_class=MediaClass.APP,
        media_content_type=PCAP,
        title=f"{capture.device}, {began:%Y-%m-%d %H:%M}",
        can_play=True,
        can_expand=False,
    )

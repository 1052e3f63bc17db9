"""Host names out of dnsmasq's lease file, for as long as it can be found."""

import logging
from pathlib import Path
from typing import Final

from gateway_agent.decode.dhcp import Lease, read_leases
from gateway_agent.logs import fields

_LOG = logging.getLogger(__name__)

USUAL_PLACES: Final = (
    Path("/tmp/dhcp.leases"),  # noqa: S108 (OpenWrt's)
    Path("/var/lib/misc/dnsmasq.leases"),
    Path("/var/lib/dnsmasq/dnsmasq.leases"),
)


class LeaseFile:
    """The leases of the configured file, or of the first usual place that has one."""

    def __init__(self, configured: Path | None = None) -> None:
        self._places = USUAL_PLACES if configured is None else (configured,)
        self._seen: tuple[Path, int, int, int] | None = None
        self._leases: list[Lease] = []
        self._told = ""

    def leases(self) -> list[Lease]:
        """Return the leases; the file is read again when it changed."""
        for place in self._places:
            try:
                status = place.stat()
                seen = (place, status.st_ino, status.st_mtime_ns, status.st_size)
                if seen != self._seen:
                    self._leases, self._seen = read_leases(place), seen
            except FileNotFoundError:
                continue
            except OSError as error:
                self._tell(place, error)
            return self._leases
        self._leases, self._seen = [], None
        return self._leases

    def _tell(self, place: Path, error: OSError) -> None:
        cause = error.strerror or str(error)
        if cause != self._told:
            self._told = cause
            _LOG.warning("host names missing %s", fields(lease_file=place, cause=cause))

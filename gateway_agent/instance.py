"""One agent per network namespace, as there is one table; the claim ends with the agent."""

import errno
import socket
from typing import Final

from gateway_agent.platform import PlatformError

_NAME: Final = b"\0spin-gateway-agent"  # abstract, see unix(7): no file, and apart in each network namespace


def claim() -> socket.socket:
    """Return a socket that keeps others out until it is closed.

    Raises:
        PlatformError: another agent runs here.
    """
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claimed.bind(_NAME)
    except OSError as error:
        claimed.close()
        if error.errno != errno.EADDRINUSE:
            raise
        text = "an agent runs on this gateway already: stop it first (systemctl stop spin-gateway-agent)"
        raise PlatformError(text) from None
    return claimed


def is_claimed() -> bool:
    """Whether an agent runs here."""
    try:
        claim().close()
    except PlatformError:
        return True
    return False

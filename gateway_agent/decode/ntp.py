"""Tells an NTP client's request from everything else on UDP port 123."""

from typing import Final

PORT: Final = 123
_HEADER_SIZE: Final = 48
_CLIENT: Final = 3


def is_client_request(first_byte: int, size: int) -> bool:
    """Return whether a UDP payload of `size` bytes is a request of a client (RFC 5905, figures 8 and 10).

    SNTP clients (RFC 4330) send the same. Symmetric peers, servers, broadcast, control messages (mode 6) and
    private ones (mode 7) are none.
    """
    version = first_byte >> 3 & 7
    return first_byte & 7 == _CLIENT and version != 0 and size >= _HEADER_SIZE

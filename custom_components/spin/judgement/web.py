"""Which services are one and the same to a person.

A device that talks to a domain over HTTPS may use HTTP or QUIC with it the next day, or ping it:
that is the same acquaintance, and no news.
"""

from collections.abc import Iterator

from ..destinations import Destination, Destinations, Key

_WEB = (("tcp", 443), ("tcp", 80), ("udp", 443))
_SAME = frozenset({*_WEB, ("icmp", 0), ("icmpv6", 0)})


def acquaintances(key: Key, known: Destinations) -> Iterator[Destination]:
    """Return the known destinations, other than `key`, that are the same to a person."""
    if (key.protocol, key.port) in _SAME:
        for protocol, port in _WEB:
            other = Key(key.group, protocol, port)
            if other != key and (friend := known.get(other)) is not None:
                yield friend

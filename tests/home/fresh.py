"""What a device gets through to fresh addresses of names that rules are about."""

import contextlib
import time
from dataclasses import dataclass

from tests.home.home import Home
from tests.home.internet import REQUEST
from tests.home.namespaces import Namespace
from tests.home.traffic import connect, look_up
from tests.home.zone import Family

_ARRIVED = """
table inet fresh {
  counter payload {}
  counter handshakes {}
  chain input { type filter hook input priority raw;
    meta nfproto ipv4 ip daddr != { 192.0.2.64-192.0.2.253, 203.0.113.66-203.0.113.125 } accept
    meta nfproto ipv6 ip6 daddr != 2001:db8:5:f::/64 accept
    tcp flags & syn == syn counter name handshakes
    meta l4proto tcp @ih,0,8 0-255 counter name payload
  }
}
"""


@dataclass(frozen=True, slots=True)
class Passed:
    """Packets that reached the Internet."""

    handshakes: int
    payload: int


class FreshContacts:
    """Counts on the Internet's side what arrives at the addresses of `n<number>.fresh.example`."""

    def __init__(self, home: Home) -> None:
        self._internet = home.internet
        self._internet.run("nft", "-f", "-", text=_ARRIVED)

    def attempt(self, device: Namespace, family: Family, numbers: range, delay: float) -> Passed:
        """Look fresh names up and connect at once; the first payload follows the answer by that delay."""
        before = self._passed()
        for number in numbers:
            address = look_up(device, f"n{number}.fresh.example", family)[0]
            earliest = time.monotonic() + delay
            with contextlib.suppress(OSError), connect(device, address, patience=0.5) as client:
                time.sleep(max(earliest - time.monotonic(), 0))
                client.sendall(REQUEST.pack(100, 100) + bytes(100))
                client.recv(100)
        after = self._passed()
        return Passed(after.handshakes - before.handshakes, after.payload - before.payload)

    def _passed(self) -> Passed:
        return Passed(self._count("handshakes"), self._count("payload"))

    def _count(self, counter: str) -> int:
        listing = self._internet.run("nft", "list", "counter", "inet", "fresh", counter).split()
        return int(listing[listing.index("packets") + 1])

"""Sends frames into both sides of the gateway at a given rate."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.frames import set_client_port
from benchmarks.site import Site
from tests.home.namespaces import Namespace

Exchange = Sequence[tuple[bool, bytearray]]
_FIRST_PORT, _PORTS = 1024, 60000
_LONG_STEP = 0.005


@dataclass(frozen=True, slots=True)
class Load:
    """One exchange for each serial number, `rate` a second, taking turns; the number decides on the port."""

    exchanges: Sequence[Exchange]
    serials: range
    rate: int


@dataclass(frozen=True, slots=True)
class Sides:
    """A packet socket on the device's side and one on the Internet's."""

    lan: socket.socket
    wan: socket.socket


def _packet_socket(namespace: Namespace, interface: str) -> socket.socket:
    with namespace.entered():
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        opened.bind((interface, 0))
    return opened


@contextmanager
def both_sides(site: Site) -> Iterator[Sides]:
    """Open the two sockets for the time of the load."""
    with (
        _packet_socket(site.home.devices["hue"], "eth0") as lan,
        _packet_socket(site.home.internet, "uplink") as wan,
    ):
        yield Sides(lan, wan)


def send(sides: Sides, load: Load) -> None:
    """Send it at its rate."""
    began = time.monotonic()
    for number, serial in enumerate(load.serials):
        early = began + number / load.rate - time.monotonic()
        if early > _LONG_STEP:  # sleep in few, long steps
            time.sleep(early)
        port = _FIRST_PORT + serial % _PORTS
        for up, frame in load.exchanges[(serial + serial // _PORTS) % len(load.exchanges)]:
            set_client_port(frame, up, port)
            (sides.lan if up else sides.wan).send(frame)

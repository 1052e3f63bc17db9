"""Sends frames into both sides of the benchmark's gateway at a given rate."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath

from benchmarks.frames import set_client_port
from benchmarks.gateway import Gateway

Exchange = Sequence[tuple[bool, bytearray]]
_FIRST_PORT, _PORTS = 1024, 60000


@dataclass(frozen=True, slots=True)
class Sides:
    """A packet socket on the device's side and one on the Internet's."""

    lan: socket.socket
    wan: socket.socket


def _packet_socket(namespace: str) -> socket.socket:
    """Open an AF_PACKET socket inside a namespace and return to our own (setns(2))."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with FilePath("/run/netns", namespace).open() as other:
            os.setns(other.fileno(), os.CLONE_NEWNET)
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        opened.bind(("peer0", 0))
        return opened
    finally:
        os.setns(own, os.CLONE_NEWNET)
        os.close(own)


@contextmanager
def both_sides(gateway: Gateway) -> Iterator[Sides]:
    """Open the two sockets for the time of the load."""
    with _packet_socket(gateway.lan) as lan, _packet_socket(gateway.wan) as wan:
        yield Sides(lan, wan)


def send(sides: Sides, exchanges: Sequence[Exchange], *, count: int, rate: float, first: int = 0) -> float:
    """Send `count` exchanges, `rate` a second, taking turns; returns the seconds it took."""
    began = time.monotonic()
    for number in range(count):
        due = began + number / rate
        if (early := due - time.monotonic()) > 0.005:  # noqa: PLR2004 sleep in few, long steps
            time.sleep(early)
        serial = first + number
        port = _FIRST_PORT + serial % _PORTS
        for up, frame in exchanges[(serial + serial // _PORTS) % len(exchanges)]:
            set_client_port(frame, up, port)
            (sides.lan if up else sides.wan).send(frame)
    return time.monotonic() - began

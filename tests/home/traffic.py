"""Traffic of known size from a device, for tests that compare what was counted with what was sent."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.home import dnsmessage
from tests.home.home import GATEWAY4
from tests.home.internet import REQUEST
from tests.home.namespaces import Namespace
from tests.home.zone import Family

_CHUNK = bytes(65536)


def connect(device: Namespace, address: str, port: int = 80, patience: float = 3) -> socket.socket:
    """Open a TCP connection from a device; raise OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = device.socket(family)
    client.settimeout(patience)
    try:
        client.connect((address, port))
    except OSError:
        client.close()
        raise
    return client


def transfer(device: Namespace, address: str, upload: int, download: int, port: int = 80) -> None:
    """Make one connection, send and receive that much payload, close; raise OSError."""
    with connect(device, address, port) as client:
        client.sendall(REQUEST.pack(upload, download) + bytes(upload))
        while download:
            taken = client.recv(min(download, len(_CHUNK)))
            if not taken:
                raise ConnectionResetError("the server closed too early")
            download -= len(taken)


def echo(device: Namespace, address: str, size: int, port: int = 3478, patience: float = 3) -> None:
    """Send one UDP datagram and wait for its echo; raise OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with device.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(patience)
        client.connect((address, port))
        client.send(bytes(size))
        client.recv(65535)


def reaches(device: Namespace, address: str, patience: float = 1) -> bool:
    """Say whether a TCP handshake with that address succeeds."""
    try:
        connect(device, address, patience=patience).close()
    except OSError:
        return False
    return True


@dataclass
class Background:
    """Calls something again and again in a thread, `pause` seconds apart, until stopped or failed."""

    step: Callable[[], None]
    pause: float = 0.0
    count: int = 0
    failure: OSError | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and wait for the step under way."""
        self._ended.set()
        if self._thread:
            self._thread.join(20)

    def _run(self) -> None:
        while not self._ended.wait(self.pause):
            try:
                self.step()
            except OSError as error:
                self.failure = error
                return
            self.count += 1


class Bulk:
    """A connection that uploads and one that downloads as fast as they can, each in its thread."""

    def __init__(self, device: Namespace, address: str) -> None:
        self.sent = 0
        self.received = 0
        self._sockets = [connect(device, address), connect(device, address)]
        up, down = self._sockets
        up.sendall(REQUEST.pack(1 << 50, 0))
        down.sendall(REQUEST.pack(0, 1 << 50))
        self._threads = [
            threading.Thread(target=self._upload, args=(up,), daemon=True),
            threading.Thread(target=self._download, args=(down,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both."""
        for each in self._sockets:
            each.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def ended(self) -> bool:
        """Whether both connections broke."""
        return not any(thread.is_alive() for thread in self._threads)

    def _upload(self, client: socket.socket) -> None:
        try:
            while True:
                self.sent += client.send(_CHUNK)
                time.sleep(0.001)  # leave the machine to others
        except OSError:
            return

    def _download(self, client: socket.socket) -> None:
        try:
            while taken := client.recv(len(_CHUNK)):
                self.received += len(taken)
                time.sleep(0.001)
        except OSError:
            return


def look_up(device: Namespace, name: str, family: Family, resolver: str = GATEWAY4) -> Sequence[str]:
    """Ask the gateway's resolver for a name; raise OSError when it does not answer."""
    with device.socket(kind=socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.connect((resolver, 53))
        client.send(dnsmessage.query(7, name, family))
        return dnsmessage.reply_of(client.recv(4096)).addresses

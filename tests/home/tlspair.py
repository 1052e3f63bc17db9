"""Both ends of a TLS connection in memory: real handshakes and records for a capture file."""

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.home.certificate import client_context, make_certificate, server_context


@cache
def _settings() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    with tempfile.TemporaryDirectory(prefix="spin-home-") as folder:
        return client_context(), server_context(*make_certificate(Path(folder)))


@dataclass
class _End:
    """One end: what it has to read, what it has to say."""

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    tls: ssl.SSLObject

    def shake_hands(self) -> bytes:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def encrypt(self, payload: bytes) -> bytes:
        if payload:
            self.tls.write(payload)
        return self.outgoing.read()


class TlsPair:
    """A client that wants `name` and a server that gives it."""

    def __init__(self, name: str) -> None:
        client, server = _settings()
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = _End(heard, said, client.wrap_bio(heard, said, server_hostname=name))
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._server = _End(heard, said, server.wrap_bio(heard, said, server_side=True))

    def handshake(self) -> Iterator[tuple[bool, bytes]]:
        """Yield the handshake's flights: whether the client sends, and the bytes."""
        flight = True, self._client.shake_hands()
        while flight[1]:
            yield flight
            from_client, said = flight
            hearer = self._server if from_client else self._client
            hearer.incoming.write(said)
            flight = not from_client, hearer.shake_hands()

    def encrypt(self, request: bytes, reply: bytes) -> tuple[bytes, bytes]:
        """Return the records of a request and its reply."""
        return self._client.encrypt(request), self._server.encrypt(reply)

"""Reads the server name in the first message of a TLS client (RFC 8446, 4.1.2; RFC 6066, 3).

A name is only taken from a whole message: one that arrives in pieces is put together, within bounds. Where a
client encrypts its hello (ECH), the name that can be read is not the one that it means, so there is none.
Clients that only pretend to (GREASE) look the same, and have none either.
"""

import ipaddress
import struct
from typing import Final

from gateway_agent.decode.dns import DnsError, name_text

MAX_HELLO: Final = 16_384
_HANDSHAKE, _CLIENT_HELLO, _MAJOR_VERSION = 22, 1, 3
_MAX_RECORD: Final = 16_384
_SERVER_NAME, _HOST_NAME = 0, 0
_ENCRYPTED_CLIENT_HELLO: Final = 0xFE0D
_MAX_SESSION_ID: Final = 32
_RANDOM_END: Final = 34
_MAX_LABEL: Final = 63

_MAX_STREAMS: Final = 128
_MAX_SEGMENTS: Final = 16

_SHORT = struct.Struct("!H").unpack_from
_EXTENSION = struct.Struct("!HH").unpack_from


class TlsError(ValueError):
    """Bytes that are no well-formed client hello."""


class IncompleteError(TlsError):
    """The message goes on after these bytes."""


def is_hello(payload: bytes) -> bool:
    """Return whether a TCP payload looks like the begin of a client hello."""
    return len(payload) > 5 and payload[0] == _HANDSHAKE and payload[1] == _MAJOR_VERSION and payload[5] == 1


def server_name(stream: bytes) -> str | None:
    """Return the server name in the first bytes of a TCP connection; None where the hello has none.

    The name is lower case, without the final dot, escaped as a DNS name is. An address is no name.

    Raises:
        IncompleteError: more bytes are needed.
        TlsError: no client hello, or malformed. Nothing else is ever raised.
    """
    try:
        return _server_name(_message(stream))
    except (struct.error, IndexError):
        raise TlsError("the message ends too early") from None


def _message(stream: bytes) -> bytes:
    """Return the body of the handshake message, out of one record or several."""
    message = bytearray()
    place = 0
    while True:
        if len(stream) < place + 5:
            raise IncompleteError("the record goes on")
        if stream[place] != _HANDSHAKE or stream[place + 1] != _MAJOR_VERSION:
            raise TlsError("no handshake record")
        (size,) = _SHORT(stream, place + 3)
        if not 0 < size <= _MAX_RECORD:
            raise TlsError("a record of impossible size")
        message += stream[place + 5 : place + 5 + size]
        place += 5 + size
        if message and message[0] != _CLIENT_HELLO:
            raise TlsError("no client hello")
        if len(message) >= 4:
            end = 4 + int.from_bytes(message[1:4])
            if end > MAX_HELLO:
                raise TlsError("a hello of impossible size")
            if len(message) >= end:
                return bytes(message[4:end])


def _server_name(hello: bytes) -> str | None:
    place = _RANDOM_END
    if hello[0] != _MAJOR_VERSION or hello[place] > _MAX_SESSION_ID:
        raise TlsError("an unknown version, or a session id of impossible size")
    place += 1 + hello[place]
    place += 2 + _SHORT(hello, place)[0]
    place += 1 + hello[place]
    if place == len(hello):
        return None
    end = place + 2 + _SHORT(hello, place)[0]
    if end != len(hello):
        raise TlsError("the extensions do not end with the message")
    place += 2
    found: bytes | None = None
    encrypted = False
    while place < end:
        kind, size = _EXTENSION(hello, place)
        place += 4
        if place + size > end:
            raise TlsError("an extension ends outside of the message")
        if kind == _SERVER_NAME:
            if found is not None:
                raise TlsError("two server names")
            found = _host_name(hello[place : place + size])
        encrypted = encrypted or kind == _ENCRYPTED_CLIENT_HELLO
        place += size
    return _text(found) if found and not encrypted else None


def _host_name(extension: bytes) -> bytes:
    """Return the host name in the extension's list, which may have one of each type, so only one is known."""
    if _SHORT(extension, 0)[0] != len(extension) - 2:
        raise TlsError("a list of names of odd size")
    kind, (size,) = extension[2], _SHORT(extension, 3)
    if kind != _HOST_NAME or not size or 5 + size != len(extension):
        raise TlsError("no host name, or more than one")
    return extension[5:]


def _text(name: bytes) -> str | None:
    labels = name.removesuffix(b".").split(b".")
    if not all(0 < len(label) <= _MAX_LABEL for label in labels):
        raise TlsError("a label of impossible size")
    try:
        text = name_text(labels)
    except DnsError as error:
        raise TlsError(str(error)) from error
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text
    return None


class Hellos:
    """The hellos that come in pieces; of too many the oldest is given up."""

    def __init__(self) -> None:
        self._streams: dict[object, tuple[int, dict[int, bytes]]] = {}

    def segment(self, key: object, sequence: int, payload: bytes) -> str | None:
        """Take a TCP segment from the client and return the server name that it completes.

        `key` tells connections apart. A segment of a connection whose hello has not begun is left aside.

        Raises:
            IncompleteError: more segments are needed.
            TlsError: there will be no name.
        """
        start, segments = self._streams.pop(key, (sequence, {}))
        if not segments and not is_hello(payload):
            raise TlsError("no client hello")
        segments[sequence] = payload
        stream = _joined(start, segments)
        try:
            return server_name(stream)
        except IncompleteError:
            if len(segments) >= _MAX_SEGMENTS or len(stream) > MAX_HELLO:
                raise TlsError("a hello in too many pieces") from None
            if len(self._streams) >= _MAX_STREAMS:
                del self._streams[next(iter(self._streams))]
            self._streams[key] = start, segments
            raise


def _joined(start: int, segments: dict[int, bytes]) -> bytes:
    """Return the bytes from the first sequence number on, as far as they are without a gap."""
    stream = b""
    for sequence in sorted(segments, key=lambda number: (number - start) & 0xFFFFFFFF):
        offset = (sequence - start) & 0xFFFFFFFF
        if offset > len(stream):
            break
        stream += segments[sequence][len(stream) - offset :]
    return stream

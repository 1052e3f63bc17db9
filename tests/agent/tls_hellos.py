"""Client hellos: those of Python's own TLS client, and made-up ones."""

import ssl
import struct

import pytest


def real(name: str | None, *, version: ssl.TLSVersion | None = None) -> bytes:
    """Return the hello of Python's own TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def extension(kind: int, body: bytes) -> bytes:
    """Return an extension."""
    return struct.pack(">HH", kind, len(body)) + body


def names(*entries: bytes, kind: int = 0) -> bytes:
    """Return a server_name extension."""
    listed = b"".join(struct.pack(">BH", kind, len(entry)) + entry for entry in entries)
    return extension(0, struct.pack(">H", len(listed)) + listed)


def hello(*extensions: bytes, record: int = 16_384, session: bytes = bytes(32), bare: bool = False) -> bytes:
    """Return a client hello in records of that size."""
    body = b"\x03\x03" + bytes(32) + bytes([len(session)]) + session + b"\0\x02\x13\x01" + b"\x01\0"
    if not bare:
        joined = b"".join(extensions)
        body += struct.pack(">H", len(joined)) + joined
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    parts = [message[place : place + record] for place in range(0, len(message), record)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part for part in parts)

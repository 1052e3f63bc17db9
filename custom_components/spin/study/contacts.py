"""Whom a device contacts, as the studies see it: a full name, or an address without one, and a service."""

from typing import NamedTuple

from ..models import Row


class Contact(NamedTuple):
    """One name (or address) with protocol and the responder's port."""

    target: str
    named: bool
    protocol: str
    port: int


def contact_of(row: Row) -> Contact:
    """Return the contact that a row belongs to."""
    return Contact(row.name or row.address, row.name is not None, row.protocol, row.port)

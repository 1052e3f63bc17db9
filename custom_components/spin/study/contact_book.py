"""The contacts of a device in one period, in little memory: there may be tens of thousands in all."""

import sys
from collections.abc import Iterator
from typing import Any

from ..destinations import Grown
from .contacts import Contact
from .seen import Seen, first_seen, seen_again, unpacked

MAX_CONTACTS = 512
# A page costs more than some contacts, and one with few is a waste.
MAX_PAGES = 32

type _Service = tuple[bool, str, int]  # whether the target is a name, protocol, port


class ContactBook:
    """What a device did with each of its contacts, which are made when somebody asks for them.

    Most contacts share few services. Each of those has a page, where what was seen stands by target.
    The texts of the targets are those that the device's memory has anyway.
    """

    __slots__ = ("_count", "_loose", "_pages")

    def __init__(self) -> None:
        """Begin empty."""
        self._count = 0
        self._pages: dict[_Service, dict[str, bytes]] = {}
        self._loose: dict[Contact, bytes] = {}  # of services without a page

    def __len__(self) -> int:
        """Return how many contacts there are."""
        return self._count

    def __contains__(self, contact: Contact) -> bool:
        """Return whether this is one of them."""
        return self.get(contact) is not None

    def __iter__(self) -> Iterator[Contact]:
        """Go through the contacts; from any thread."""
        return (contact for contact, _ in self._kept())

    def items(self) -> Iterator[tuple[Contact, Seen]]:
        """Go through the contacts and what was seen of each; from any thread."""
        return ((contact, unpacked(kept)) for contact, kept in self._kept())

    def get(self, contact: Contact) -> Seen | None:
        """Return what was seen of a contact."""
        page = self._pages.get(contact[1:])
        kept = self._loose.get(contact) if page is None else page.get(contact.target)
        return None if kept is None else unpacked(kept)

    def put(self, contact: Contact, seen: Seen) -> None:
        """Have this seen of a contact that is not there."""
        place, key = self._place(contact)
        self._count += key not in place
        place[key] = seen.packed()

    def take(self, grown: Grown, now: int, *, trouble: bool) -> bool:
        """Count in what is new in a row; return whether there is room for it."""
        _, host, row, new, _ = grown
        target = host.name
        place: dict[Any, bytes] | None = self._pages.get((row.name is not None, row.protocol, row.port))
        key: str | Contact = target
        if place is None:
            place, key = self._place(Contact(target, row.name is not None, row.protocol, row.port))
        kept = place.get(key)
        if kept is not None:
            place[key] = seen_again(kept, new, now, trouble=trouble)
        elif self._count < MAX_CONTACTS:
            place[key] = first_seen(new, now, trouble=trouble)
            self._count += 1
        else:
            return False
        return True

    def halve(self) -> int:
        """Forget half of the contacts, those longest ago first; return how many."""
        stale = sorted(self.items(), key=lambda each: each[1].last)
        stale = stale[: (len(stale) + 1) // 2]
        for contact, _ in stale:
            place, key = self._place(contact)
            del place[key]
        self._count -= len(stale)
        return len(stale)

    def _place(self, contact: Contact) -> tuple[dict[Any, bytes], str | Contact]:
        """Return where a contact stands, or would, and under what."""
        target, named, protocol, port = contact
        service = named, sys.intern(protocol), port
        page = self._pages.get(service)
        if page is None and len(self._pages) < MAX_PAGES:
            page = self._pages[service] = {}
        return (self._loose, Contact(target, *service)) if page is None else (page, target)

    def _kept(self) -> Iterator[tuple[Contact, bytes]]:
        for service, page in list(self._pages.items()):
            for target, kept in list(page.items()):
                yield Contact(target, *service), kept
        yield from list(self._loose.items())

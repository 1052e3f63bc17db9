"""What is kept of each contact: in little memory, and exactly."""

import sys
import threading
import time
from typing import Any

import pytest
from gateway_double import HUE, Gateway, grown, row
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.destinations import Grown
from custom_components.spin.models import Row, RowCounters
from custom_components.spin.study.contact_book import MAX_CONTACTS, MAX_PAGES, ContactBook
from custom_components.spin.study.contacts import Contact
from custom_components.spin.study.seen import Seen, first_seen, seen_again, unpacked
from custom_components.spin.study.study import Study

ONE = RowCounters(100, 200, 1, 0, 0, 0)


def growth(name: str | None, port: int = 443, new: RowCounters = ONE, address: str = "192.0.2.1") -> Grown:
    row = Row(name, name and "dns", address, "tcp", port, False, 1, 1, 1, new)
    return grown(row)


def test_each_service_of_a_target_is_a_contact() -> None:
    book = ContactBook()
    for at in (10, 20):
        for each in (growth("a.example"), growth("a.example", 80), growth(None), growth("b.example")):
            assert book.take(each, at, trouble=at == 20)
    assert list(book) == [contact for contact, _ in book.items()]
    assert set(book) == {
        Contact("a.example", True, "tcp", 443),
        Contact("a.example", True, "tcp", 80),
        Contact("192.0.2.1", False, "tcp", 443),
        Contact("b.example", True, "tcp", 443),
    }
    assert len(book) == 4
    for contact, seen in book.items():
        assert seen == Seen(10, 20, RowCounters(200, 400, 2, 0, 0, 0), usual=True, in_trouble=True)
        assert book.get(contact) == seen
    for stranger in (Contact("c.example", True, "tcp", 443), Contact("a.example", True, "udp", 443)):
        assert stranger not in book
    assert len(book) == 4


def test_a_name_that_looks_like_an_address_is_another_contact() -> None:
    book = ContactBook()
    book.take(growth("192.0.2.1"), 1, trouble=False)
    book.take(growth(None), 1, trouble=False)
    assert sorted(contact.named for contact in book) == [False, True]


def test_more_services_than_pages() -> None:
    book = ContactBook()
    for at in (10, 20):
        for number in range(MAX_PAGES * 2):
            book.take(growth("a.example", 1000 + number), at + number, trouble=False)
    assert len(book) == len(list(book)) == MAX_PAGES * 2
    assert all(seen.counters.connections == 2 for _, seen in book.items())
    last = Contact("a.example", True, "tcp", 1000 + MAX_PAGES * 2 - 1)
    assert book.get(last) == Seen(
        10 + MAX_PAGES * 2 - 1, 20 + MAX_PAGES * 2 - 1, RowCounters(200, 400, 2), True, False
    )
    assert book.halve() == MAX_PAGES
    assert {contact.port for contact in book} == {1000 + MAX_PAGES + number for number in range(MAX_PAGES)}
    assert len(book) == MAX_PAGES


def test_full_but_what_is_there_is_counted() -> None:
    book = ContactBook()
    assert all(book.take(growth(f"host{number}.example"), 1, trouble=False) for number in range(MAX_CONTACTS))
    assert not book.take(growth("new.example"), 2, trouble=False)
    assert not book.take(growth("host1.example", 80), 2, trouble=False)
    assert book.take(growth("host1.example"), 2, trouble=False)
    assert book.get(Contact("host1.example", True, "tcp", 443)).last == 2
    assert len(book) == len(list(book)) == MAX_CONTACTS


@pytest.mark.parametrize("field", range(6))
@pytest.mark.parametrize("most", [2**16 - 1, 2**32 - 1])
def test_counters_grow_out_of_the_narrow_layout(field: int, most: int) -> None:
    new = RowCounters(*(most if place == field else place for place in range(6)))
    kept = first_seen(new, 5, trouble=True)
    assert unpacked(kept) == Seen(5, 5, new, usual=False, in_trouble=True)
    again = unpacked(seen_again(kept, RowCounters(*[1] * 6), 2**32 - 1, trouble=False))
    stays = most == 2**32 - 1 and field > 1
    expected = [count + 1 for count in new]
    expected[field] -= stays
    assert again == Seen(5, 2**32 - 1, RowCounters(*expected), usual=True, in_trouble=True)
    assert unpacked(again.packed()) == again


def test_counters_beyond_what_is_kept_stay_at_the_most() -> None:
    kept = seen_again(first_seen(ONE, 1, trouble=False), RowCounters(*[2**70] * 6), 2, trouble=False)
    assert unpacked(kept).counters == (2**64 - 1, 2**64 - 1, *[2**32 - 1] * 4)
    assert Seen.from_list(unpacked(kept).as_list()) == unpacked(kept)
    more = Seen.from_list([1.0, 2.0, [2**70] * 6, True, False])
    assert unpacked(more.packed()) == unpacked(kept)


@pytest.mark.parametrize(
    "stored",
    [
        [1.0, 2.0, [-1, 0, 0, 0, 0, 0], True, False],
        [1.0, 2.0, [2**65, 0, 0, 0, 0], True, False],
        [1.0, 2.0, [0] * 7, True, False],
        [1.0, 2.0, ["many", 0, 0, 0, 0, 0], True, False],
        [1.0, 2.0, [float("inf"), 0, 0, 0, 0, 0], True, False],
        [1.0, 2.0, [float("nan"), 0, 0, 0, 0, 0], True, False],
        [1.0, 2.0, None, True, False],
        [float("nan"), 2.0, [0] * 6, True, False],
        ["soon", 2.0, [0] * 6, True, False],
        [1.0, 2.0, [0] * 6, True],
    ],
)
def test_what_was_never_stored(stored: list[Any]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Seen.from_list(stored)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [(-5.0, 0), (float("-inf"), 0), (1e300, 2**32 - 1), (float("inf"), 2**32 - 1), (7.9, 7)],
)
def test_times_of_a_wrong_clock(stored: float, kept: int) -> None:
    seen = Seen.from_list([stored, stored, [0] * 6, True, False])
    assert (seen.first, seen.last) == (kept, kept)
    assert unpacked(seen.packed()) == seen


def test_little_memory() -> None:
    book = ContactBook()
    for number in range(500):
        book.take(growth(f"host{number}.example"), int(time.time()), trouble=False)
    (page,) = book._pages.values()
    assert sum(map(sys.getsizeof, page.values())) <= 500 * 64
    assert sys.getsizeof(page) <= 500 * 30
    assert not book._loose


def test_read_from_another_thread_meanwhile() -> None:
    book = ContactBook()
    stop = threading.Event()
    read: list[int] = []

    def reading() -> None:
        while not stop.is_set():
            read.append(len(list(book.items())))

    thread = threading.Thread(target=reading)
    thread.start()
    try:
        for number in range(3000):
            book.take(growth(f"host{number}.example", number % 50), number, trouble=False)
            if len(book) == MAX_CONTACTS:
                book.halve()
    finally:
        stop.set()
        thread.join()
    assert read
    assert max(read) <= MAX_CONTACTS


def kept_texts(study: Study) -> dict[str, int]:
    return {contact.target: id(contact.target) for contact in study.record(HUE).periods.present.contacts}


async def test_texts_are_those_of_the_memory(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.device()
    gateway.flows(row(), row("old.example"), row(None, address="198.51.100.9"))
    await hass.async_block_till_done()

    def memory() -> dict[str, int]:
        known = spin.runtime_data.devices[HUE].destinations
        return {host.name: id(host.name) for destination in known for host in destination.each}

    assert kept_texts(spin.runtime_data.study) == memory()
    await spin.runtime_data.study.begin_period(HUE, None)
    gateway.flows(row(sent_bytes=9000), row("old.example", sent_bytes=9000), seq=2)
    await hass.async_block_till_done()
    found = kept_texts(spin.runtime_data.study)
    assert found.keys() == {"ws.meethue.com", "old.example"}
    assert found.items() <= memory().items()

    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    assert kept_texts(spin.runtime_data.study).items() <= memory().items()
    assert kept_texts(spin.runtime_data.study).keys() == found.keys()

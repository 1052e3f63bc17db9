"""The timeline of a device."""

import json
import sys
import threading
import time
from typing import Any

import pytest

from custom_components.spin import journal as module
from custom_components.spin.const import JOURNAL_REPEAT, MAX_JOURNAL_ENTRIES
from custom_components.spin.journal import Journal
from custom_components.spin.memory import _Texts

HOUR = 3600.0


def told(journal: Journal) -> list[str]:
    return [entry.kind for entry in journal.entries(limit=10_000)[0]]


def test_entries_have_rising_ids() -> None:
    journal = Journal()
    assert journal.newest == 0
    for kind in "abc":
        journal.add(kind, 1.0)
    assert [(entry.id, entry.kind) for entry in journal.entries()[0]] == [(1, "a"), (2, "b"), (3, "c")]
    assert journal.newest == 3


def test_the_same_again_is_counted() -> None:
    journal = Journal()
    journal.add("connection_failed", 100.0, host="a.org", port=443)
    journal.add("connection_failed", 150.0, host="b.org", port=443)
    journal.add("connection_failed", 200.0, host="a.org", port=443)
    entry, _ = journal.entries()[0]
    assert (entry.id, entry.at, entry.last, entry.count) == (1, 100.0, 200.0, 2)
    assert entry.data == {"host": "a.org", "port": 443}
    journal.add("connection_failed", 199.0, host="a.org", port=443, count=3)
    entry, _ = journal.entries()[0]
    assert (entry.id, entry.last, entry.count) == (1, 200.0, 5)
    assert len(journal) == 2


def test_the_same_much_later_is_another_entry() -> None:
    journal = Journal()
    journal.add("device_seen", 0.0)
    journal.add("device_seen", JOURNAL_REPEAT.total_seconds() + 1)
    assert len(journal) == 2


def test_it_is_bounded_and_ids_go_on() -> None:
    journal = Journal()
    for number in range(MAX_JOURNAL_ENTRIES + 50):
        journal.add("first_contact", float(number), host=f"h{number}.org")
    entries, more = journal.entries(limit=10_000)
    assert len(entries) == len(journal) == MAX_JOURNAL_ENTRIES
    assert not more
    assert entries[-1].id == MAX_JOURNAL_ENTRIES + 50


@pytest.mark.parametrize(
    ("asked", "ids", "more"),
    [
        ({}, [1, 2, 3, 4, 5], False),
        ({"limit": 2}, [4, 5], True),
        ({"limit": 2, "before": 4}, [2, 3], True),
        ({"limit": 3, "before": 4}, [1, 2, 3], False),
        ({"limit": 2, "after": 1}, [2, 3], True),
        ({"limit": 2, "after": 3}, [4, 5], False),
        ({"after": 5}, [], False),
        ({"before": 1}, [], False),
    ],
)
def test_pages(asked: dict[str, int], ids: list[int], more: bool) -> None:
    journal = Journal()
    for kind in "abcde":
        journal.add(kind, 0.0)
    found, there_are_more = journal.entries(**asked)
    assert ([entry.id for entry in found], there_are_more) == (ids, more)


def test_two_become_one_in_order() -> None:
    one, other = Journal(), Journal()
    for at in (1.0, 4.0, 6.0):
        one.add(f"one{at}", at)
    for at in (2.0, 5.0):
        other.add(f"other{at}", at)
    one.join(other)
    assert told(one) == ["one1.0", "other2.0", "one4.0", "other5.0", "one6.0"]
    ids = [entry.id for entry in one.entries()[0]]
    assert ids == sorted(set(ids))
    assert ids[0] > 3, "what was read before is read again"


def test_stored_and_restored() -> None:
    journal = Journal()
    journal.add("blocked", 1.0, by="user", user=None, until=5.5, host="a.org")
    journal.add("blocked", 2.0, by="user", user=None, until=5.5, host="a.org")
    restored = Journal.from_list(json.loads(journal.as_json()), str)
    assert restored.as_json() == journal.as_json()
    restored.add("blocked", 3.0, by="user", user=None, until=5.5, host="a.org")
    (entry,), _ = restored.entries()
    assert (entry.id, entry.at, entry.last, entry.count) == (1, 1.0, 3.0, 3)


def test_a_flood_of_alike_things_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RECENT", 4)
    journal = Journal()
    for number in range(100):
        journal.add("blocked_attempt", 1.0, host=f"h{number % 3}.org")
    assert [entry.count for entry in journal.entries()[0]] == [34, 33, 33]


def test_ids_go_on_after_a_restart() -> None:
    journal = Journal()
    for number in range(MAX_JOURNAL_ENTRIES + 7):
        journal.add("first_contact", float(number), host=f"h{number}.org", port=443)
    restored = Journal.from_list(json.loads(journal.as_json()), str)
    assert restored.entries(limit=1000) == journal.entries(limit=1000)
    restored.add("device_seen", 1.0)
    assert restored.newest == restored.entries(limit=1)[0][0].id == MAX_JOURNAL_ENTRIES + 8


def test_equal_values_keep_their_types() -> None:
    journal = Journal()
    journal.add("scan", 1.0, hosts=1, rate=1.0, is_new=True)
    assert Journal.from_list(json.loads(journal.as_json()), str).as_json() == journal.as_json()


@pytest.mark.parametrize(
    "changed",
    [{0: -3}, {0: 1e300}, {0: 2**64}, {0: "one"}, {1: "soon"}, {1: None}, {2: 5}, {3: []}, {4: 1e300},
     {4: -1}, {5: [1.0]}],
)  # fmt: skip
def test_what_was_never_stored(changed: dict[int, Any]) -> None:
    stored: list[Any] = [1, 1.0, "blocked", {"host": "a.org"}, 1, 1.0]
    for place, value in changed.items():
        stored[place] = value
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Journal.from_list([stored], _Texts())


def test_little_memory() -> None:
    """An entry is one object: its texts are those of others, its number is its place."""
    journal = Journal()
    at = time.time()
    for number in range(MAX_JOURNAL_ENTRIES):
        journal.add("first_contact", at, host=f"h{number}.org", group="h.org", protocol="tcp", port=443)
    for each in (journal, Journal.from_list(json.loads(journal.as_json()), _Texts())):
        kept = list(each._entries)
        assert max(map(sys.getsizeof, kept)) <= 112
        assert len({id(value) for entry in kept for value in entry}) == MAX_JOURNAL_ENTRIES + 6


def test_stored_by_another_thread_while_entries_are_added() -> None:
    journal = Journal()
    journal.add("first_contact", 0.0, number=1)
    stop = threading.Event()
    wrong: list[Any] = []

    def storing() -> None:
        while not stop.is_set():
            for number, _, _, data, *_ in json.loads(journal.as_json()):
                if data["number"] != number:
                    wrong.append((number, data))

    thread = threading.Thread(target=storing)
    thread.start()
    for number in range(2, 5000):
        journal.add("first_contact", 0.0, number=number)
    stop.set()
    thread.join()
    assert not wrong

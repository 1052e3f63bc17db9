"""The timeline of a device."""

import json

import pytest

from custom_components.spin import journal as module
from custom_components.spin.const import JOURNAL_REPEAT, MAX_JOURNAL_ENTRIES
from custom_components.spin.journal import Journal

HOUR = 3600.0


def told(journal: Journal) -> list[str]:
    return [entry.kind for entry in journal.entries(limit=10_000)[0]]


def test_entries_have_rising_ids() -> None:
    journal = Journal()
    assert journal.newest == 0
    assert [journal.add(kind, 1.0).id for kind in "abc"] == [1, 2, 3]
    assert journal.newest == 3


def test_the_same_again_is_counted() -> None:
    journal = Journal()
    journal.add("connection_failed", 100.0, host="a.org", port=443)
    journal.add("connection_failed", 150.0, host="b.org", port=443)
    entry = journal.add("connection_failed", 200.0, host="a.org", port=443)
    assert (entry.id, entry.at, entry.last, entry.count) == (1, 100.0, 200.0, 2)
    assert entry.data == {"host": "a.org", "port": 443}
    assert journal.add("connection_failed", 199.0, host="a.org", port=443, count=3).last == 200.0
    assert entry.count == 5
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
    assert restored.add("blocked", 3.0, by="user", user=None, until=5.5, host="a.org").count == 3


def test_a_flood_of_alike_things_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RECENT", 4)
    journal = Journal()
    for number in range(100):
        journal.add("blocked_attempt", 1.0, host=f"h{number % 3}.org")
    assert [entry.count for entry in journal.entries()[0]] == [34, 33, 33]

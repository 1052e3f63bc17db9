"""What a device did and what was done to it, in order."""

from typing import Any

from ..journal import Entry, Journal
from . import text

MAX_LIMIT = 500


def page(journal: Journal, before: int | None, after: int | None, limit: int) -> dict[str, Any]:
    """Return entries, oldest first, and whether there are more."""
    entries, more = journal.entries(before=before, after=after, limit=limit)
    return {"more": more, "entries": [_row(entry) for entry in entries]}


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"id": entry.id, "at": round(entry.at, 3), "kind": entry.kind}
    row |= {
        key: text.host(value) if isinstance(value, str) else value
        for key, value in entry.data.items()
        if key not in row
    }
    if entry.count > 1:
        row |= {"count": entry.count, "last": round(entry.last, 3)}
    return row

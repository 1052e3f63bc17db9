"""One list of rows as a reader has it: rows stay where they are, and new ones come behind them."""

from collections.abc import Callable, Hashable, Iterator, Sequence

from homeassistant.helpers.json import json_bytes

from .rows import Row


def size(value: object) -> int:
    """Return how many bytes something takes in a message, with the comma behind it."""
    return len(json_bytes(value)) + 1


class Column[Key: Hashable]:
    """Rows by key."""

    def __init__(self) -> None:
        """Begin empty."""
        self._index: dict[Key, int] = {}
        self.rows: list[Row] = []

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def __contains__(self, key: Key) -> bool:
        """Return whether the reader has a row."""
        return key in self._index

    def __iter__(self) -> Iterator[Key]:
        """Go through the keys, in the order of their rows."""
        return iter(self._index)

    def index(self, key: Key) -> int:
        """Return where a row is."""
        return self._index[key]

    def row(self, key: Key) -> Row:
        """Return a row."""
        return self.rows[self._index[key]]

    def fill(self, keys: Sequence[Key], make: Callable[[Key], Row], room: int) -> int:
        """Put in the first rows, those that fit into so many bytes; return what they take."""
        taken = 0
        for key in keys:
            row = make(key)
            taken += size(row)
            if taken > room:
                return taken - size(row)
            self.put(key, row)
        return taken

    def put(self, key: Key, row: Row) -> Row | None:
        """Change or append a row; return it with its index, None if it is as it was."""
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.rows)
            self.rows.append(row)
        elif self.rows[index] == row:
            return None
        else:
            self.rows[index] = row
        return [index, *row]

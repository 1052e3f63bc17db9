"""The last readings of a run that stopped in order: the next run goes on counting from them."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway_agent.sources.counters import Counters

_LOG = logging.getLogger(__name__)

_MAX_FILE: Final = 256 * 1024 * 1024

Identity = dict[str, object]
"""What must be the same for the readings to mean anything: the instance of the table."""


def load(path: Path, identity: Identity, families: Sequence[Counters]) -> bool:
    """Read and remove the file, so that after a crash it is not taken for the readings of that run.

    Returns whether the readings are in `families` now; they are not where there is no file, where it is torn,
    or where it is about another table.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE)
        path.unlink()
        head, _, body = content.partition(b"\n")
        found = json.loads(head)
        sizes = found.pop("sizes")
        if found != identity or len(sizes) != len(families) or sum(sizes) != len(body):
            return False
        for counters, size in zip(families, sizes, strict=True):
            counters.load(body[:size])
            body = body[size:]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        _LOG.warning("baseline_unreadable file=%s cause=%s", path, error)
        for counters in families:
            counters.clear()
        return False
    return True


def save(path: Path, identity: Identity, families: Sequence[Counters]) -> None:
    """Write the readings; where that fails, the next run begins with the counters as they are then."""
    parts = [counters.dump() for counters in families]
    head = json.dumps({**identity, "sizes": [len(part) for part in parts]}).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_bytes(b"\n".join([head, b"".join(parts)]))
        new.replace(path)
    except OSError as error:
        _LOG.warning("baseline_unwritten file=%s cause=%s", path, error.strerror)

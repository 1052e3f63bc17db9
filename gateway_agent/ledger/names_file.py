"""The names of a run that stopped in order: what goes on talking then keeps its name in the next run."""

import logging
import os
from pathlib import Path
from typing import Final

from gateway_agent.ledger.names import NameTable
from gateway_agent.wire.strict_json import decode, encode

_LOG = logging.getLogger(__name__)

_MAX_FILE: Final = 64 * 1024 * 1024


def load(path: Path, names: NameTable, now: float) -> None:
    """Learn what the file has and is not over; nothing where there is none, or where it cannot be read."""
    try:
        with path.open("rb") as file:
            names.restore(decode(file.read(_MAX_FILE + 1), _MAX_FILE), now)
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, OverflowError) as error:
        names.clear()
        _LOG.warning("names_unreadable file=%s cause=%s", path, error)


def save(path: Path, names: NameTable, now: float) -> None:
    """Write what is not over; where that fails, the next run begins without names."""
    content = encode(list(names.dump(now)))
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (takes the descriptor)
            file.write(content)
        new.replace(path)
    except OSError as error:
        _LOG.warning("names_unwritten file=%s cause=%s", path, error.strerror)

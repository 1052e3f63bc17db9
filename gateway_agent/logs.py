"""The agent's log: one line an event on stderr, `event key=value …`, with journald's level prefix."""

import json
import logging
import os
import re
from typing import Final

_PLAIN: Final = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f]+")
_PRIORITIES: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))


def fields(**values: object) -> str:
    """Return values as `key=value …`; what is not plain is quoted, so that a line stays a line."""
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in values.items())


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class _Journal(logging.Formatter):
    """Prefixes the level as in sd-daemon(3); the journal knows the time."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(priority for level, priority in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def start(level: int = logging.INFO) -> None:
    """Log to stderr from now on."""
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Journal("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.WARNING)

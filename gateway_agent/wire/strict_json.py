"""JSON from others: bounded, finite numbers only, one error for everything that can be wrong with it."""

import json
import math

MAX_MESSAGE = 128 * 1024
_SHOWN = 60


class JsonError(ValueError):
    """The text is not JSON of the kind that the wire contract allows; says why."""


def _refuse_constant(constant: str) -> float:
    raise JsonError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError(f"{text[:_SHOWN]} is out of range")
    return number


def decode(payload: bytes, limit: int = MAX_MESSAGE) -> object:
    """Return the value of a JSON text in UTF-8; raise JsonError for anything else or over `limit` bytes."""
    if len(payload) > limit:
        raise JsonError(f"{len(payload)} bytes; {limit} are allowed")
    try:
        text = payload.decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error}") from error
    except ValueError as error:
        raise JsonError("a number of too many digits") from error


def encode(value: object) -> bytes:
    """Return the value as compact JSON."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def shown(value: object) -> str:
    """Return a short form of someone else's value that is safe in a log line or an error text."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

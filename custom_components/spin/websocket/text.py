"""Text of the network, fit to be sent: bounded, without control characters. Escaping is the reader's."""

from functools import lru_cache
from unicodedata import category

MAX_NAME = 64
MAX_HOST = 253
# Controls, halves of surrogate pairs and what turns the writing direction.
_LEFT_OUT = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@lru_cache(maxsize=8192)
def clean(text: str, longest: int) -> str:
    """Return at most so many characters of the text, all of which can be shown."""
    text = text[:longest]
    if not text.isprintable():
        text = "".join(letter for letter in text if category(letter) not in _LEFT_OUT)
    return text


def name(text: str) -> str:
    """Return a device's or gateway's name."""
    return clean(text, MAX_NAME)


def host(text: str) -> str:
    """Return a host's or group's name."""
    return clean(text, MAX_HOST)

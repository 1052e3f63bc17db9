"""The examples of docs/automations.md that the demo shows, so that they stay true."""

import re
from typing import Final

import yaml

from tests.home.python import ROOT

_DOCUMENT: Final = ROOT / "docs/automations.md"
_EXAMPLE_DEVICE: Final = "Philips-hue"


def names_configuration() -> str:
    """Return what the chapter on names adds to configuration.yaml."""
    return _blocks()[0]


def names_card(device: str) -> dict[str, str]:
    """Return the chapter's Markdown card for the device of that name."""
    card: dict[str, str] = yaml.safe_load(_blocks()[1])
    quoted = device.replace("\\", "\\\\").replace("'", "\\'")
    return card | {"content": card["content"].replace(_EXAMPLE_DEVICE, quoted)}


def _blocks() -> list[str]:
    chapter = _DOCUMENT.read_text().split("\n## The names on a dashboard\n")[1].split("\n## ")[0]
    return re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)

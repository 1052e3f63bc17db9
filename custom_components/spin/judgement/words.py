"""Findings in words: one plain text, in the language of the server."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import translation
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..findings import Finding, Reason
from .bursts import MAX_NAMED, Burst

MAX_NAME = 64
MAX_HOST = 253

type Value = str | int | float | None


async def async_load(hass: HomeAssistant) -> None:
    """Load the texts; to be awaited before there is a finding."""
    await translation.async_load_integrations(hass, {DOMAIN})


class Words:
    """Says what was found."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Speak the language of the server, whatever that becomes."""
        self._hass = hass

    def _text(self, category: str, key: str, values: Mapping[str, Value]) -> str:
        texts = translation.async_get_cached_translations(
            self._hass, self._hass.config.language, category, DOMAIN
        )
        text = texts.get(f"component.{DOMAIN}.{category}.{key}", key)
        return text.format_map({name: _value(name, value) for name, value in values.items()})

    def reason(self, reason: Reason) -> str:
        """Return a reason as a sentence."""
        return self._text("common", f"evidence_{reason.code}", reason.placeholders)

    def headline(self, finding: Finding, device: str) -> str:
        """Return what happened as a sentence."""
        key = f"told_{finding.kind}"
        if finding.destination is None and finding.kind == "behaviour_changed":
            key = "told_behaviour_changed_at_all"
        group = finding.destination.key.group if finding.destination else None
        return self._text("common", key, {"device": device, "destination": group, "host": finding.host})

    def message(self, finding: Finding, device: str, reasons: Sequence[Reason]) -> str:
        """Return what happened and why."""
        return " ".join([self.headline(finding, device), *map(self.reason, reasons)])

    def summary(self, finding: Finding, device: str, burst: Burst, message: str) -> str:
        """Return all that came in one go in one text: the message itself where that is all."""
        if burst.count == 1:
            return message
        key = f"burst_{finding.kind}"
        names = ", ".join(burst.names)
        if burst.count > MAX_NAMED:
            names = self._text(
                "common", "and_more", {"names": names, "count": burst.count - len(burst.names)}
            )
        return self._text("common", key, {"device": device, "count": burst.count, "names": names})

    def error(self, error: HomeAssistantError) -> str:
        """Return why something could not be done."""
        if error.translation_key is None or error.translation_domain != DOMAIN:
            return str(error)
        return self._text(
            "exceptions", f"{error.translation_key}.message", error.translation_placeholders or {}
        )

    def say(self, key: str, **values: Value) -> str:
        """Return any other text."""
        return self._text("common", key, values)


def _clock(value: Value) -> str:
    if not isinstance(value, int | float):
        return ""
    return dt_util.as_local(datetime.fromtimestamp(value, UTC)).strftime("%H:%M")


def _value(name: str, value: Value) -> str:
    """Return a value as text: names are the network's, so they are bounded."""
    if name in {"since", "at"}:
        return _clock(value)
    return "" if value is None else str(value)[: MAX_NAME if name == "device" else MAX_HOST]

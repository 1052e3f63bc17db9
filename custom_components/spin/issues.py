"""Repair issues: what keeps SPIN from doing its job and what the user can do about it."""

from collections.abc import Iterable

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOCUMENTATION, DOMAIN, MAX_PROBLEMS
from .models import Problem

# Codes of the wire contract that have a text of their own.
KNOWN_PROBLEMS = {
    "accounting_off",
    "cannot_block",
    "device_limit",
    "duplicate_gateway",
    "flow_offload",
    "missing_right",
    "no_lan",
    "not_enforced",
    "overflow",
    "shared_address",
}
# A refused policy is answered to whoever asked for it.
SILENT_PROBLEMS = {"policy_refused"}


class Issues:
    """The open issues of one gateway."""

    def __init__(self, hass: HomeAssistant, gateway: str) -> None:
        """Begin without any problem."""
        self._hass = hass
        self._gateway = gateway
        self._problems: set[str] = set()

    @callback
    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show what the gateway reports, and nothing that it does not report any more."""
        current = {p.code: p.text for p in problems if p.code not in SILENT_PROBLEMS}
        current = dict(list(current.items())[:MAX_PROBLEMS])
        for code, text in current.items():
            known = code in KNOWN_PROBLEMS
            # The text is shown as code: it comes from the broker and may hold markup.
            self.open(code, "gateway_problem" if not known else code, text=text.replace("`", "'") or code)
        for code in self._problems - set(current):
            self.close(code)
        self._problems = set(current)

    @callback
    def open(self, key: str, translation_key: str | None = None, **placeholders: str) -> None:
        """Show an issue; an open one with the same key is replaced."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{self._gateway}_{key}",
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=translation_key or key,
            translation_placeholders={"gateway": self._gateway, **placeholders},
            learn_more_url=f"{DOCUMENTATION}/home-assistant.md#repairs",
        )

    @callback
    def close(self, key: str) -> None:
        """Take an issue away."""
        ir.async_delete_issue(self._hass, DOMAIN, f"{self._gateway}_{key}")

    @callback
    def close_all(self) -> None:
        """Take all away, also those of an earlier time."""
        prefix = f"{self._gateway}_"
        for domain, issue_id in list(ir.async_get(self._hass).issues):
            if domain == DOMAIN and issue_id.startswith(prefix):
                ir.async_delete_issue(self._hass, domain, issue_id)

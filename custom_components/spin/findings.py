"""What is noteworthy of a device, and why: plain data between judgement, events, journal and reaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .destinations import Destination
from .device import Device


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a finding: a code for programs, and the numbers and names that go into its words.

    The words are `reason_<code>` in the translations' `exceptions`.
    """

    code: str
    placeholders: Mapping[str, str | int | float | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what stands in an event."""
        return {"code": self.code, **self.placeholders}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a device did, with all its reasons, strongest first.

    Args:
        kind: an event type or a kind of the timeline
        device: who did it
        destination: with whom, where that is one destination
        evidence: what is known of it, in data
        reasons: the same in words
        told: whether the event entity tells it; all of them are in the journal
    """

    kind: str
    device: Device
    destination: Destination | None
    evidence: dict[str, Any]
    reasons: tuple[Reason, ...]
    told: bool = True

"""What is noteworthy of a device, and why: plain data between judgement, events, journal and reaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .destinations import Destination
from .device import Device


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a finding: a code for programs, and the numbers and names that go into its words.

    The words are `evidence_<code>` in the translations.
    """

    code: str
    placeholders: Mapping[str, str | int | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a device did, with all its reasons, strongest first.

    Args:
        kind: an event type, which is also its kind in the journal
        device: who did it
        destination: with whom, where that is one destination
        evidence: what is known of it, in data
        reasons: the same in words
        host: the full name or address that it is about
        journal: what stands in the journal; None: no entry
        told: whether the event entity tells it
        reacts: whether the user's preference is followed
    """

    kind: str
    device: Device
    destination: Destination | None
    evidence: dict[str, Any]
    reasons: tuple[Reason, ...]
    host: str | None = None
    journal: Mapping[str, Any] | None = None
    told: bool = True
    reacts: bool = True

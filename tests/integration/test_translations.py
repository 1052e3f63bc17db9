"""The texts: complete, in both languages, and used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from custom_components.spin.const import ACTIVITY_EVENTS
from custom_components.spin.issues import KNOWN_PROBLEMS

SPIN = Path(__file__).parent.parent.parent / "custom_components/spin"


def texts(language: str) -> dict[str, str]:
    def flat(node: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict):
            for key, inner in node.items():
                yield from flat(inner, f"{path}.{key}")
        else:
            yield path[1:], node

    return dict(flat(json.loads((SPIN / "translations" / f"{language}.json").read_text()), ""))


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


ENGLISH = texts("en")
ISSUES = KNOWN_PROBLEMS | {"gateway_problem", "too_many_devices", "protocol_too_new", "protocol_too_old"}
ISSUES |= {"memory_full", "memory_lost"}


def test_dutch_is_complete() -> None:
    dutch = texts("nl")
    assert set(dutch) == set(ENGLISH)
    assert all(dutch.values())
    for key, text in ENGLISH.items():
        assert placeholders(dutch[key]) == placeholders(text), key


def source() -> str:
    return "\n".join(path.read_text() for path in SPIN.rglob("*.py"))


def test_every_exception_has_its_text() -> None:
    raised = set(re.findall(r'translation_key="(\w+)"', source()))
    raised |= set(re.findall(r'(?:(?:Policy|Refused)Error|_refusal)\("(\w+)"', source()))
    known = {key.split(".")[1] for key in ENGLISH if key.startswith("exceptions.")}
    entity_keys = {key.split(".")[2] for key in ENGLISH if key.startswith("entity.")}
    assert known <= raised
    assert raised - entity_keys <= known


@pytest.mark.parametrize("code", sorted(ISSUES))
def test_every_issue_has_its_text(code: str) -> None:
    assert f"issues.{code}.title" in ENGLISH
    assert f"issues.{code}.description" in ENGLISH


def test_every_event_has_its_text() -> None:
    prefix = "entity.event.activity.state_attributes.event_type.state"
    assert {f"{prefix}.{event}" for event in ACTIVITY_EVENTS} <= set(ENGLISH)


def test_no_text_is_left_over() -> None:
    assert {key.split(".")[1] for key in ENGLISH if key.startswith("issues.")} == ISSUES


@pytest.mark.parametrize("language", ["en", "nl"])
def test_what_may_be_one_is_not_said_as_several(language: str) -> None:
    always_several = {"evidence_scan_hosts", "evidence_scan_ports", "evidence_unanswered"}
    counted = {
        key.removeprefix("common.")
        for key, text in texts(language).items()
        if key.startswith("common.evidence_") and re.search(r"\{count\} \w", text)
    }
    assert counted == always_several

"""Repair issues."""

from typing import Any

import pytest
from gateway_double import CAMERA, Gateway
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.const import DOMAIN, MAX_PROBLEMS
from custom_components.spin.issues import KNOWN_PROBLEMS


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    return {key: issue for (domain, key), issue in ir.async_get(hass).issues.items() if domain == DOMAIN}


@pytest.mark.parametrize("code", sorted(KNOWN_PROBLEMS))
async def test_known_problems(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, code: str
) -> None:
    gateway.info(problems=[{"code": code, "text": "Set `x` to 1."}])
    issue = issues(hass)[f"home_{code}"]
    assert issue.translation_key == code
    assert issue.translation_placeholders == {"gateway": "home", "text": "Set 'x' to 1."}
    assert not issue.is_fixable
    gateway.info()
    assert issues(hass) == {}


async def test_unknown_problems_are_shown_as_text(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.info(problems=[{"code": "from_the_future", "text": "[click](http://evil)\x1b"}])
    issue = issues(hass)["home_from_the_future"]
    assert issue.translation_key == "gateway_problem"
    assert issue.translation_placeholders == {"gateway": "home", "text": "[click](http://evil)"}


async def test_problems_are_bounded(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.info(problems=[{"code": f"code{n}", "text": ""} for n in range(500)])
    assert len(issues(hass)) == MAX_PROBLEMS


async def test_a_gateway_that_cannot_block(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.info(capabilities=["names"])
    assert set(issues(hass)) == {"home_cannot_block"}
    gateway.policy_state(problems=[{"code": "cannot_block", "text": "This source only observes."}])
    assert issues(hass)["home_cannot_block"].translation_placeholders["text"] == "This source only observes."
    gateway.info()
    gateway.policy_state()
    assert issues(hass) == {}


async def test_problems_of_the_policy(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    gateway.policy_state(
        problems=[
            {"code": "shared_address", "text": "a.org and b.org share 192.0.2.1"},
            {"code": "policy_refused", "text": "not for a repair", "revision": 5},
        ]
    )
    assert set(issues(hass)) == {"home_shared_address"}


@pytest.mark.parametrize("options", [{"devices": {"max_devices": 1}}])
async def test_more_devices_than_are_shown(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, options: dict[str, Any]
) -> None:
    gateway.device()
    assert issues(hass) == {}
    gateway.device(CAMERA)
    await hass.async_block_till_done()
    assert issues(hass)["home_too_many_devices"].translation_placeholders == {"gateway": "home", "limit": "1"}
    assert len(spin.runtime_data.devices) == 1


async def test_two_agents_of_one_name(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> None:
    for epoch in ("a", "b", "c"):
        gateway.info(epoch=epoch)
    assert issues(hass) == {}
    for epoch in ("b", "c"):
        gateway.info(epoch=epoch)
    assert set(issues(hass)) == {"home_duplicate_gateway"}


async def test_unloading_takes_issues_away(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry
) -> None:
    gateway.info(problems=[{"code": "no_lan", "text": ""}])
    assert issues(hass)
    await hass.config_entries.async_unload(spin.entry_id)
    assert issues(hass) == {}

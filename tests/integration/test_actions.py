"""What the actions answer, remember and write down."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Gateway, row
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.spin.const import DOMAIN
from custom_components.spin.coordinator import SpinCoordinator
from custom_components.spin.decisions import Decision
from custom_components.spin.destinations import ALLOWED, NEW
from custom_components.spin.models import Rule
from custom_components.spin.rulings import AUTOMATIC, USER, Ruling


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


@pytest.fixture
async def ids(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> dict[str, str]:
    """Have two devices; return the ids of all in the device registry."""
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    await hass.async_block_till_done()
    return {
        key: dr.async_get(hass).async_get_device_by_identifier((DOMAIN, name), spin.entry_id).id
        for key, name in {"hue": f"home_{HUE}", "camera": f"home_{CAMERA}", "gateway": "home"}.items()
    }


@pytest.fixture
def coordinator(ids: dict[str, str], spin: MockConfigEntry) -> SpinCoordinator:
    return spin.runtime_data


async def call(
    hass: HomeAssistant, action: str, device_id: Any, *, user: str | None = None, **data: Any
) -> dict[str, Any]:
    response = await hass.services.async_call(
        DOMAIN,
        action,
        {"device_id": device_id, **data},
        blocking=True,
        return_response=True,
        context=Context(user_id=user),
    )
    assert response is not None
    return dict(response)


def verdicts(coordinator: SpinCoordinator, mac: str = HUE) -> dict[str, str]:
    return {known.key.group: known.verdict for known in coordinator.devices[mac].destinations}


def journal(coordinator: SpinCoordinator, mac: str = HUE) -> list[tuple[str, dict[str, Any]]]:
    entries, _ = coordinator.devices[mac].journal.entries()
    ignored = ("device_seen", "new_destination", "learning_over", "first_contact")
    return [(entry.kind, entry.data) for entry in entries if entry.kind not in ignored]


async def test_blocking_devices_says_what_has_changed(hass: HomeAssistant, ids: dict[str, str]) -> None:
    await call(hass, "block_device", ids["camera"])
    answer = await call(hass, "block_device", [ids["hue"], ids["camera"]])
    assert answer["devices"] == {
        ids["hue"]: {"name": "Philips-hue", "changed": True, "until": None},
        ids["camera"]: {"name": "camera", "changed": False, "until": None},
    }
    answer = await call(hass, "unblock_device", ids["hue"])
    assert answer["devices"][ids["hue"]]["changed"]
    answer = await call(hass, "unblock_device", ids["hue"])
    assert not answer["devices"][ids["hue"]]["changed"]


async def test_a_block_for_a_while_takes_nothing_from_a_longer_one(
    hass: HomeAssistant, ids: dict[str, str]
) -> None:
    async def block(device: str, **duration: int) -> tuple[bool, timedelta | None]:
        answer = (await call(hass, "block_device", ids[device], duration=duration))["devices"][ids[device]]
        until = answer["until"] and datetime.fromisoformat(answer["until"]) - datetime.now(UTC)
        return answer["changed"], until and timedelta(hours=round(until / timedelta(hours=1), 2))

    assert await block("hue", hours=2) == (True, timedelta(hours=2))
    assert await block("hue", hours=1) == (False, timedelta(hours=2))
    assert await block("hue", hours=3) == (True, timedelta(hours=3))
    await call(hass, "block_device", ids["camera"])
    assert await block("camera", hours=1) == (False, None)
    about = {"destination": "meethue.com"}
    await call(hass, "block_destination", ids["hue"], **about)
    answer = await call(hass, "block_destination", ids["hue"], **about, duration={"hours": 1})
    assert not answer["devices"][ids["hue"]]["changed"]
    assert answer["devices"][ids["hue"]]["destinations"][0]["until"] is None
    await call(hass, "allow_destination", ids["hue"], **about, duration={"hours": 1})
    answer = await call(hass, "block_destination", ids["hue"], **about, duration={"hours": 1})
    assert answer["devices"][ids["hue"]]["changed"]


async def test_blocking_destinations_says_who_shares_their_addresses(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str]
) -> None:
    gateway.flows(row(), row("www.example.org"), row("time.example.net", address="203.0.113.5"))
    gateway.flows(row("cdn.example.com"), mac=CAMERA)
    answer = await call(hass, "block_destination", ids["hue"], destination=["meethue.com", "203.0.113.0/24"])
    assert answer["devices"][ids["hue"]] == {
        "name": "Philips-hue",
        "changed": True,
        "destinations": [
            {
                "destination": "meethue.com",
                "until": None,
                "shares": {"names": ["www.example.org"], "devices": ["camera"]},
            },
            {
                "destination": "203.0.113.0/24",
                "until": None,
                "shares": {"names": ["time.example.net"], "devices": []},
            },
        ],
    }
    answer = await call(hass, "block_destination", ids["gateway"], destination="meethue.com")
    (destination,) = answer["devices"][ids["gateway"]]["destinations"]
    assert destination["shares"] == {"names": ["www.example.org", "cdn.example.com"], "devices": []}
    answer = await call(hass, "unblock_destination", ids["hue"], destination="meethue.com")
    assert answer["devices"] == {ids["hue"]: {"name": "Philips-hue", "changed": True}}


async def test_who_made_a_rule_is_known_and_written_down(
    hass: HomeAssistant,
    gateway: Gateway,
    ids: dict[str, str],
    coordinator: SpinCoordinator,
    hass_admin_user: MockUser,
) -> None:
    user = hass_admin_user.id
    gateway.flows(row())
    await call(hass, "block_device", ids["hue"], user=user)
    ruling = coordinator.rulings.of(HUE, None)
    assert ruling is not None
    assert (ruling.by, ruling.user_id) == (USER, user)
    assert ruling.since == pytest.approx(time.time(), abs=5)
    await call(hass, "unblock_device", ids["hue"])
    await call(
        hass, "block_destination", ids["hue"], destination=["meethue.com", "ws.meethue.com"], user=user
    )
    await call(hass, "allow_destination", ids["hue"], destination="ws.meethue.com")
    assert coordinator.rulings.of(HUE, None) is None
    name = hass_admin_user.name
    assert journal(coordinator) == [
        ("device_blocked", {"by": "user", "user": name}),
        ("device_unblocked", {"by": "user", "user": None}),
        ("blocked", {"by": "user", "user": name, "group": "meethue.com"}),
        ("blocked", {"by": "user", "user": name, "host": "ws.meethue.com"}),
        ("allowed", {"by": "user", "user": None, "host": "ws.meethue.com"}),
    ]


async def test_allowing_and_taking_the_word_back(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.flows(row(), row("time1.google.com"))
    answer = await call(hass, "allow_destination", ids["hue"], destination=["meethue.com", "google.com"])
    assert answer["devices"][ids["hue"]]["changed"]
    assert verdicts(coordinator) == {"meethue.com": ALLOWED, "google.com": ALLOWED}
    assert len(gateway.policy["devices"][HUE]["destinations"]) == 2
    await call(hass, "allow_destination", ids["hue"], destination="google.com", allowed=False)
    assert verdicts(coordinator) == {"meethue.com": ALLOWED, "google.com": NEW}
    assert [rule["name"] for rule in gateway.policy["devices"][HUE]["destinations"]] == ["meethue.com"]
    answer = await call(hass, "allow_destination", ids["hue"], destination="google.com", allowed=False)
    assert not answer["devices"][ids["hue"]]["changed"]
    # What is blocked stays so.
    await call(hass, "block_destination", ids["hue"], destination="google.com")
    await call(hass, "allow_destination", ids["hue"], destination="google.com", allowed=False)
    assert gateway.policy["devices"][HUE]["destinations"][-1]["action"] == "block"


async def test_allowing_where_nothing_can_be_blocked(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.info(capabilities=["names"])
    gateway.flows(row())
    answer = await call(hass, "allow_destination", ids["gateway"], destination="meethue.com")
    assert answer["devices"][ids["hue"]] == {"name": "Philips-hue", "changed": True}
    assert verdicts(coordinator) == {"meethue.com": ALLOWED}
    assert gateway.policy["devices"] == {}


async def test_the_exception_ends_but_the_word_stays(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.flows(row())
    await call(hass, "allow_destination", ids["hue"], destination="meethue.com", duration={"hours": 1})
    (rule,) = gateway.policy["devices"][HUE]["destinations"]
    assert (rule["action"], rule["until"] > 0) == ("allow", True)
    gateway.policy = {"revision": gateway.policy["revision"] + 1, "devices": {}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    assert coordinator.rulings.of(HUE, "meethue.com") is None
    assert verdicts(coordinator) == {"meethue.com": ALLOWED}


async def test_forgetting(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.flows(row(), row("diag.meethue.com", address="198.51.100.8"), row("time1.google.com"))
    answer = await call(hass, "forget_destination", ids["hue"], destination="google.com")
    assert answer["devices"] == {ids["hue"]: {"name": "Philips-hue", "forgotten": 1}}
    await call(hass, "forget_destination", ids["hue"], destination="diag.meethue.com")
    (known,) = coordinator.devices[HUE].destinations
    assert known.names == ["ws.meethue.com"]
    answer = await call(hass, "forget_destination", ids["hue"], destination="google.com")
    assert answer["devices"][ids["hue"]]["forgotten"] == 0
    assert [kind for kind, _ in journal(coordinator)] == ["forgotten", "forgotten"]


async def test_accepting_all(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.flows(row(), row("time1.google.com"))
    gateway.flows(row(), mac=CAMERA)
    answer = await call(hass, "accept_all", ids["gateway"])
    assert answer["devices"] == {
        ids["hue"]: {"name": "Philips-hue", "accepted": 2},
        ids["camera"]: {"name": "camera", "accepted": 1},
    }
    assert set(verdicts(coordinator).values()) == {ALLOWED}
    await call(hass, "accept_all", ids["hue"])
    assert journal(coordinator) == [("accepted_all", {"by": "user", "user": None})]


@pytest.mark.parametrize("options", [{}])
async def test_learning(hass: HomeAssistant, ids: dict[str, str]) -> None:
    answer = await call(hass, "skip_learning", ids["hue"])
    assert answer["devices"] == {
        ids["hue"]: {"name": "Philips-hue", "learning": "over", "seconds_left": None}
    }
    answer = await call(hass, "restart_learning", ids["hue"])
    assert answer["devices"][ids["hue"]]["learning"] == "learning"
    assert answer["devices"][ids["hue"]]["seconds_left"] > 0


async def test_undoing_what_reactions_did(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    await call(hass, "block_destination", ids["hue"], destination="tracker.example")
    made = Ruling(AUTOMATIC, reason="new_destination")
    rule = Rule("block", name="baidu.com")
    await coordinator.decisions.enforce([Decision("block", HUE), Decision("block", HUE, rule)], made)
    assert coordinator.rulings.of(HUE, "baidu.com") == made
    answer = await call(hass, "undo_automatic_blocks", ids["gateway"])
    assert answer["devices"] == {
        ids["hue"]: {"name": "Philips-hue", "device": True, "destinations": ["baidu.com"]},
        ids["camera"]: {"name": "camera", "device": False, "destinations": []},
    }
    assert not gateway.policy["devices"][HUE]["blocked"]
    assert [rule["name"] for rule in gateway.policy["devices"][HUE]["destinations"]] == ["tracker.example"]


async def test_joining_and_splitting(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], coordinator: SpinCoordinator
) -> None:
    gateway.flows(row())
    gateway.flows(row("time1.google.com"), mac=CAMERA)
    await call(hass, "block_device", ids["camera"])
    both = [ids["camera"], ids["hue"]]
    answer = await call(hass, "join_devices", both, into=ids["hue"])
    assert answer == {"name": "Philips-hue", "device_id": ids["hue"], "macs": [HUE, CAMERA]}
    await hass.async_block_till_done()
    assert set(coordinator.devices) == {HUE}
    assert set(verdicts(coordinator)) == {"meethue.com", "google.com"}
    assert {mac for mac, rules in gateway.policy["devices"].items() if rules["blocked"]} == {HUE, CAMERA}
    assert coordinator.rulings.of(HUE, None) is not None
    gateway.policy_state()
    await hass.async_block_till_done()
    assert coordinator.rulings.of(HUE, None) is not None
    await call(hass, "unblock_device", ids["hue"])
    assert gateway.policy["devices"] == {}
    await call(hass, "block_device", ids["hue"])
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}
    assert coordinator.rulings.of(HUE, None) is not None

    answer = await call(hass, "split_device", ids["hue"], mac="00-17-88-00-00-02")
    assert (answer["mac"], answer["name"]) == (CAMERA, "camera")
    assert set(coordinator.devices) == {HUE, CAMERA}
    with pytest.raises(ServiceValidationError, match="is not a MAC address that was joined"):
        await call(hass, "split_device", ids["hue"], mac=CAMERA)


async def test_what_cannot_be_joined(hass: HomeAssistant, gateway: Gateway, ids: dict[str, str]) -> None:
    for targets, into in (
        ([ids["hue"]], ids["hue"]),
        ([ids["hue"], ids["camera"]], ids["gateway"]),
    ):
        with pytest.raises(ServiceValidationError, match="Name at least two devices"):
            await call(hass, "join_devices", targets, into=into)
    with pytest.raises(ServiceValidationError, match="not for the gateway"):
        await call(hass, "join_devices", [ids["hue"], ids["gateway"]], into=ids["hue"])
    await call(hass, "block_device", ids["camera"])
    gateway.answers = False
    with pytest.raises(HomeAssistantError, match="did not confirm"):
        await call(hass, "join_devices", [ids["hue"], ids["camera"]], into=ids["hue"])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"meethue.com", "google.com", "198.51.100.99"}),
        ({"state": "allowed"}, {"google.com"}),
        ({"state": ["new", "blocked"]}, {"meethue.com", "198.51.100.99"}),
        ({"text": "WS.meet"}, {"meethue.com"}),
        ({"text": "100.99"}, {"198.51.100.99"}),
        ({"since": "2020-01-01T00:00:00+00:00"}, {"meethue.com", "google.com", "198.51.100.99"}),
        ({"before": "2020-01-01 00:00:00"}, set()),
        ({"since": "2100-01-01 00:00:00"}, set()),
        ({"before": "0001-01-01 00:00:00"}, set()),
        ({"before": "0001-01-01T00:00:00+14:00"}, set()),
        ({"since": "9999-12-31 23:59:59"}, set()),
    ],
)
async def test_filters(
    hass: HomeAssistant, gateway: Gateway, ids: dict[str, str], filters: dict[str, Any], expected: set[str]
) -> None:
    gateway.flows(row(), row("time1.google.com"), row(None, address="198.51.100.99"))
    await call(hass, "allow_destination", ids["hue"], destination="google.com")
    await call(hass, "block_destination", ids["hue"], destination="198.51.100.99")
    answer = await call(hass, "get_destinations", ids["hue"], **filters)
    assert {each["destination"] for each in answer["devices"][ids["hue"]]["destinations"]} == expected

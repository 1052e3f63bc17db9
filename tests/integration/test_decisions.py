"""Decisions: who made which rule, what must stay reachable, what ends by itself."""

import asyncio
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.coordinator import SpinCoordinator
from custom_components.spin.decisions import Decision
from custom_components.spin.models import DevicePolicy, Policy, Rule
from custom_components.spin.protected import addresses_of
from custom_components.spin.rules import disallow, share_rules
from custom_components.spin.rulings import AUTOMATIC, MAX_RULINGS, USER, Ruling, Rulings

NOBODY = "192.168.8.250"
BLOCK_HUE = Decision("block", HUE)
BAIDU = Rule("block", name="baidu.com")
BY_USER = Ruling(USER, "anna", 1.0)
BY_REACTION = Ruling(AUTOMATIC, None, 2.0, "new_destination")


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
def own_addresses() -> Iterator[list[dict[str, Any]]]:
    """Return Home Assistant's network adapters; to be filled."""
    adapters: list[dict[str, Any]] = []
    with patch("custom_components.spin.protected.network.async_get_adapters", return_value=adapters):
        yield adapters


@pytest.fixture
async def coordinator(
    hass: HomeAssistant, own_addresses: list[dict[str, Any]], gateway: Gateway, spin: MockConfigEntry
) -> SpinCoordinator:
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    await hass.async_block_till_done()
    coordinator: SpinCoordinator = spin.runtime_data
    return coordinator


def journal(coordinator: SpinCoordinator) -> list[tuple[str, dict[str, Any]]]:
    entries, _ = coordinator.devices[HUE].journal.entries()
    return [(entry.kind, entry.data) for entry in entries if "block" in entry.kind]


async def test_a_reaction_leaves_alone_what_somebody_decided(
    coordinator: SpinCoordinator, gateway: Gateway, broker: Broker
) -> None:
    enforce = coordinator.decisions.enforce
    await enforce([Decision("allow", HUE, BAIDU), BLOCK_HUE], BY_USER)
    written = len(broker.sent("spin/home/policy"))
    assert await enforce([Decision("block", HUE, BAIDU), BLOCK_HUE], BY_REACTION) == []
    assert len(broker.sent("spin/home/policy")) == written
    assert coordinator.rulings.of(HUE, "baidu.com") == BY_USER
    assert [rule["action"] for rule in gateway.policy["devices"][HUE]["destinations"]] == ["allow"]


async def test_what_a_user_confirms_is_the_users(coordinator: SpinCoordinator) -> None:
    enforce = coordinator.decisions.enforce
    assert await enforce([BLOCK_HUE], BY_REACTION) == [BLOCK_HUE]
    assert coordinator.rulings.automatic(HUE) == [(HUE, None)]
    assert await enforce([BLOCK_HUE], BY_USER) == []
    assert coordinator.rulings.of(HUE, None) == BY_USER
    assert coordinator.rulings.automatic(HUE) == []


async def test_what_is_decided_before_the_gateway_has_said_what_holds(
    hass: HomeAssistant, coordinator: SpinCoordinator, gateway: Gateway
) -> None:
    coordinator.policy.reset()
    deciding = asyncio.create_task(coordinator.decisions.enforce([BLOCK_HUE], BY_REACTION))
    await asyncio.sleep(0.01)
    assert not deciding.done()
    gateway.policy_state()
    assert await deciding == [BLOCK_HUE]
    assert coordinator.is_blocked(HUE)


async def test_whoever_sees_a_block_sees_who_made_it(coordinator: SpinCoordinator) -> None:
    seen: list[tuple[bool, Ruling | None]] = []

    def look() -> None:
        state = coordinator.policy.state
        seen.append((bool(state and state.policy.device(HUE).blocked), coordinator.rulings.of(HUE, None)))

    coordinator.devices[HUE].listen(look)
    await coordinator.decisions.enforce([BLOCK_HUE], BY_USER)
    await coordinator.decisions.enforce([BLOCK_HUE, Decision("block", HUE, BAIDU)], BY_REACTION)
    assert (True, BY_USER) in seen
    assert set(seen) <= {(False, None), (True, BY_USER)}
    assert coordinator.rulings.of(HUE, "baidu.com") == BY_REACTION


async def test_what_is_not_enforced_is_not_written_down(
    coordinator: SpinCoordinator, gateway: Gateway
) -> None:
    gateway.answers = False
    with pytest.raises(HomeAssistantError):
        await coordinator.decisions.enforce([BLOCK_HUE], BY_USER)
    assert coordinator.rulings.of(HUE, None) is None
    assert journal(coordinator) == []


async def test_only_a_device_is_blocked_as_a_whole(coordinator: SpinCoordinator) -> None:
    for decision in (Decision("block", None), Decision("allow", HUE)):
        with pytest.raises(ValueError, match="only a device"):
            await coordinator.decisions.enforce([decision], BY_USER)


async def test_blocks_that_end_by_themselves(
    hass: HomeAssistant, coordinator: SpinCoordinator, gateway: Gateway
) -> None:
    gateway.flows(row())
    soon = coordinator.gateway_time() + 1
    group = Rule("block", name="meethue.com")
    await coordinator.decisions.enforce(
        [
            Decision("block", HUE, until=soon),
            Decision("block", HUE, group, soon),
            Decision("allow", HUE, BAIDU, soon),
            Decision("block", None, BAIDU, soon),
        ],
        BY_USER,
    )
    gateway.policy = {"revision": gateway.policy["revision"], "devices": {}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    ended = sorted(journal(coordinator)[2:], key=lambda entry: entry[0])
    assert ended == [
        ("device_unblocked", {"by": "timer", "user": None}),
        ("unblocked", {"by": "timer", "user": None, "group": "meethue.com"}),
    ]
    assert coordinator.rulings.of(HUE, None) is None


async def test_the_timeline_has_the_time_of_home_assistant(
    coordinator: SpinCoordinator, gateway: Gateway
) -> None:
    gateway.flows(row())  # the gateway says that it is 2020
    hour = coordinator.gateway_time() + 3600
    await coordinator.decisions.enforce([Decision("block", HUE, until=hour)], BY_USER)
    ((_, data),) = journal(coordinator)
    assert data["until"] == pytest.approx(time.time() + 3600, abs=5)


async def test_blocks_that_somebody_else_ends(
    hass: HomeAssistant, coordinator: SpinCoordinator, gateway: Gateway
) -> None:
    await coordinator.decisions.enforce([BLOCK_HUE], BY_USER)
    gateway.policy = {"revision": gateway.policy["revision"], "devices": {}, "everyone": []}
    gateway.policy_state()
    await hass.async_block_till_done()
    assert [kind for kind, _ in journal(coordinator)] == ["device_blocked"]


@pytest.mark.parametrize(
    ("decision", "refused"),
    [
        (BLOCK_HUE, "is_home_assistant"),
        (Decision("block", CAMERA), None),
        (Decision("block", CAMERA, Rule("block", address="192.168.8.0/24")), "covers_home_assistant"),
        (Decision("block", CAMERA, Rule("block", address="192.168.9.0/24")), None),
        (Decision("unblock", HUE), None),
        (Decision("block", HUE, BAIDU), None),
    ],
)
async def test_home_assistant_stays_reachable(
    coordinator: SpinCoordinator,
    own_addresses: list[dict[str, Any]],
    decision: Decision,
    refused: str | None,
) -> None:
    coordinator.decisions._protected._refreshed_at = float("-inf")
    own = coordinator.devices[HUE].addresses[0]
    assert ip_address(own) in ip_network("192.168.8.0/24")
    own_addresses.append(
        {"ipv4": [{"address": own}, {"address": "127.0.0.1"}], "ipv6": [{"address": "fe80::1%eth0"}]}
    )
    coordinator.devices[CAMERA].interfaces[CAMERA].addresses = (NOBODY,)
    await check(coordinator, decision, refused)


@pytest.mark.parametrize(
    ("decision", "refused"),
    [
        (BLOCK_HUE, "is_broker"),
        (Decision("block", CAMERA, Rule("block", address="192.168.8.0/24")), "covers_broker"),
        (Decision("block", None, Rule("block", name="mock-broker")), "covers_broker"),
        (Decision("block", None, Rule("block", name="broker")), None),
    ],
)
async def test_the_broker_stays_reachable(
    coordinator: SpinCoordinator, broker_addresses: set[str], decision: Decision, refused: str | None
) -> None:
    coordinator.decisions._protected._refreshed_at = float("-inf")
    broker_addresses.add(coordinator.devices[HUE].addresses[0])
    await check(coordinator, decision, refused)


async def check(coordinator: SpinCoordinator, decision: Decision, refused: str | None) -> None:
    if refused is None:
        await coordinator.decisions.enforce([decision], BY_USER)
        return
    with pytest.raises(ServiceValidationError) as caught:
        await coordinator.decisions.enforce([decision], BY_USER)
    assert caught.value.translation_key == refused
    assert coordinator.rulings.of(*decision.about) is None


async def test_the_address_that_others_know(hass: HomeAssistant, coordinator: SpinCoordinator) -> None:
    hass.config.internal_url = f"http://{coordinator.devices[HUE].addresses[0]}:8123"
    coordinator.decisions._protected._refreshed_at = float("-inf")
    await check(coordinator, BLOCK_HUE, "is_home_assistant")


async def test_finding_a_hosts_addresses(hass: HomeAssistant) -> None:
    assert await addresses_of(hass, "") == set()
    assert await addresses_of(hass, "192.0.2.1") == {"192.0.2.1"}
    answer = [(2, 1, 6, "", ("192.0.2.1", 0)), (10, 1, 6, "", ("2001:db8::1", 0, 0, 0))]
    with patch.object(hass.loop, "getaddrinfo", return_value=answer):
        assert await addresses_of(hass, "broker.example") == {"192.0.2.1", "2001:db8::1"}
    with patch.object(hass.loop, "getaddrinfo", side_effect=OSError):
        assert await addresses_of(hass, "broker.example") == set()


async def test_rulings_are_kept(
    hass: HomeAssistant, coordinator: SpinCoordinator, spin: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    await coordinator.decisions.enforce([BLOCK_HUE, Decision("block", None, BAIDU)], BY_REACTION)
    assert await hass.config_entries.async_reload(spin.entry_id)
    await hass.async_block_till_done()
    rulings = spin.runtime_data.rulings
    assert rulings.of(HUE, None) == rulings.of(None, "baidu.com") == BY_REACTION
    key = f"spin.{spin.entry_id}.rulings"
    assert key in hass_storage
    await hass.config_entries.async_remove(spin.entry_id)
    assert key not in hass_storage


@pytest.mark.parametrize(
    "stored", [{}, {"made": [[HUE]]}, {"made": [[HUE, None, "somebody", None, 1, None]]}]
)
async def test_rulings_that_cannot_be_read(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    stored: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    hass_storage["spin.1.rulings"] = {"version": 1, "key": "spin.1.rulings", "data": stored}
    rulings = Rulings(hass, "1")
    await rulings.load()
    assert rulings.of(HUE, None) is None
    assert "begins anew" in caplog.text


async def test_rulings_are_bounded(hass: HomeAssistant) -> None:
    rulings = Rulings(hass, "1")
    for number in range(MAX_RULINGS + 1):
        rulings.note(HUE, f"{number}.example", BY_USER)
    assert rulings.of(HUE, "0.example") is None
    assert rulings.of(HUE, f"{MAX_RULINGS}.example") == BY_USER
    await rulings.save()


def test_only_what_allows_is_disallowed() -> None:
    allow = Rule("allow", name="baidu.com")
    both = Policy(1, {HUE: DevicePolicy(destinations=(BAIDU, Rule("allow", address="192.0.2.1")))}, (allow,))
    assert disallow(HUE, BAIDU)(both) == both
    assert disallow(None, BAIDU)(both).everyone == ()


def test_joined_devices_share_their_rules() -> None:
    allow = Rule("allow", name="baidu.com")
    policy = Policy(1, {HUE: DevicePolicy(True, 9.0, (allow,)), CAMERA: DevicePolicy(True, 7.0, (BAIDU,))})
    shared = share_rules([HUE, CAMERA])(policy)
    assert shared.device(HUE) == shared.device(CAMERA) == DevicePolicy(True, 9.0, (allow,))
    policy = Policy(1, {HUE: DevicePolicy(True, 9.0), CAMERA: DevicePolicy(blocked=True)})
    assert share_rules([HUE, CAMERA])(policy).device(HUE).until is None
    assert share_rules([HUE, CAMERA])(Policy(1, {})).devices == {}

"""The actions."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
import voluptuous as vol
from gateway_double import CAMERA, HUE, Broker, Gateway, row
from homeassistant.core import Context, HomeAssistant, ServiceResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import label_registry as lr
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from syrupy.assertion import SnapshotAssertion

from custom_components.spin.const import DOMAIN
from custom_components.spin.destinations import ALLOWED, NEW


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


@pytest.fixture
async def devices(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> dict[str, str]:
    """Have two devices; return the ids of all in the device registry."""
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    await hass.async_block_till_done()
    return {
        key: dr.async_get(hass).async_get_device_by_identifier((DOMAIN, name), spin.entry_id).id
        for key, name in {"hue": f"home_{HUE}", "camera": f"home_{CAMERA}", "gateway": "home"}.items()
    }


async def call(
    hass: HomeAssistant, action: str, device_id: Any, *, response: bool = False, **data: Any
) -> ServiceResponse:
    return await hass.services.async_call(
        DOMAIN, action, {"device_id": device_id, **data}, blocking=True, return_response=response
    )


async def test_block_and_unblock_devices(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    await call(hass, "block_device", [devices["hue"], devices["camera"]])
    assert {mac: rules["blocked"] for mac, rules in gateway.policy["devices"].items()} == {
        HUE: True,
        CAMERA: True,
    }
    await call(hass, "unblock_device", devices["hue"])
    assert set(gateway.policy["devices"]) == {CAMERA}


async def test_block_for_a_while(hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]) -> None:
    await call(hass, "block_device", devices["hue"], duration={"minutes": 30})
    assert gateway.policy["devices"][HUE]["until"] == pytest.approx(time.time() + 1800, abs=5)
    await call(hass, "block_device", devices["hue"])
    assert gateway.policy["devices"][HUE]["until"] is None


async def test_a_wrong_clock_of_the_gateway_does_not_matter(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    gateway.flows(row())  # it says that it is 2020
    await call(hass, "block_device", devices["hue"], duration="00:10:00")
    assert gateway.policy["devices"][HUE]["until"] == pytest.approx(1577880005 + 600, abs=5)


@pytest.mark.parametrize("duration", [0, "-00:01:00", {"days": 4000}])
async def test_durations_out_of_range(hass: HomeAssistant, devices: dict[str, str], duration: Any) -> None:
    with pytest.raises(vol.Invalid):
        await call(hass, "block_device", devices["hue"], duration=duration)


@pytest.mark.parametrize(
    ("destination", "target"),
    [
        ("baidu.com", {"name": "baidu.com"}),
        (" Baidu.COM. ", {"name": "baidu.com"}),
        ("münchen.de", {"name": "xn--mnchen-3ya.de"}),
        ("192.0.2.7", {"address": "192.0.2.7"}),
        ("192.0.2.0/24", {"address": "192.0.2.0/24"}),
        ("2001:DB8::/32", {"address": "2001:db8::/32"}),
    ],
)
async def test_block_a_destination(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str], destination: str, target: dict[str, str]
) -> None:
    await call(hass, "block_destination", devices["hue"], destination=destination)
    assert gateway.policy["devices"][HUE] == {
        "blocked": False,
        "until": None,
        "destinations": [{"action": "block", **target, "until": None}],
    }
    await call(hass, "unblock_destination", devices["hue"], destination=destination)
    assert gateway.policy["devices"] == {}


@pytest.mark.parametrize(
    "destination",
    [
        "",
        " . ",
        "a b",
        "*.example.com",
        "a..b",
        "192.0.2.1/24",
        "1.2.3.4.5",
        "x; reboot",
        "a" * 64,
        "http://a.b",
    ],
)
async def test_what_is_no_destination(
    hass: HomeAssistant, broker: Broker, devices: dict[str, str], destination: str
) -> None:
    for action in ("block_destination", "allow_destination", "unblock_destination"):
        with pytest.raises(ServiceValidationError) as caught:
            await call(hass, action, devices["hue"], destination=destination)
        empty = not destination.strip(" .")
        assert caught.value.translation_key == ("empty_destination" if empty else "invalid_destination")
    assert broker.sent("spin/home/policy") == []


async def test_the_gateway_stands_for_everyone(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    await call(hass, "block_destination", devices["gateway"], destination="baidu.com", duration="01:00:00")
    (rule,) = gateway.policy["everyone"]
    assert rule["name"] == "baidu.com"
    assert rule["until"] == pytest.approx(time.time() + 3600, abs=5)


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("block_device", {}),
        ("unblock_device", {}),
        ("join_devices", {"into": "hue"}),
        ("split_device", {"mac": HUE}),
        ("start_experiment", {"kind": "normal", "duration": {"minutes": 5}}),
        ("stop_experiment", {}),
        ("begin_period", {}),
        ("remove_mud", {}),
        ("stop_capture", {}),
    ],
)
async def test_only_devices(
    hass: HomeAssistant, devices: dict[str, str], action: str, data: dict[str, Any]
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, action, [devices["gateway"], devices["hue"]], **data)
    assert caught.value.translation_key == "gateway_is_no_device"


async def test_allowing_makes_an_exception_and_is_remembered(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str], spin: MockConfigEntry
) -> None:
    gateway.flows(row(), row("time1.google.com"))
    await call(hass, "block_destination", devices["hue"], destination="meethue.com")
    await call(hass, "allow_destination", devices["hue"], destination="meethue.com")
    assert [rule["action"] for rule in gateway.policy["devices"][HUE]["destinations"]] == ["allow"]
    verdicts = {d.key.group: d.verdict for d in spin.runtime_data.devices[HUE].destinations}
    assert verdicts == {"meethue.com": ALLOWED, "google.com": NEW}


async def test_get_destinations(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str], snapshot: SnapshotAssertion
) -> None:
    gateway.flows(
        row(),
        row("diag.meethue.com", address="198.51.100.8"),
        row("time1.google.com", protocol="udp", port=123),
        row(None, address="2001:db8::9", port=8883, sent_packets=0, blocked=3),
    )
    for destination in ("diag.meethue.com", "google.com"):
        await call(hass, "block_destination", devices["hue"], destination=destination)
    await call(hass, "allow_destination", devices["hue"], destination="2001:db8::9")
    response = await call(hass, "get_destinations", devices["hue"], response=True)
    assert response is not None
    ((device_id, answer),) = response["devices"].items()
    assert device_id == devices["hue"]
    for each in answer["destinations"]:
        for contact in ("first_seen", "last_seen"):
            at = datetime.fromisoformat(each.pop(contact))
            assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert answer == snapshot


async def test_get_destinations_of_all_devices(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    gateway.flows(row())
    await call(hass, "block_device", devices["hue"])
    response = await call(hass, "get_destinations", devices["gateway"], response=True)
    assert response is not None
    states = {d["name"]: [row["state"] for row in d["destinations"]] for d in response["devices"].values()}
    assert states == {
        "Philips-hue": ["blocked"],
        "camera": [],
    }


async def test_destinations_without_a_policy(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str], spin: MockConfigEntry
) -> None:
    gateway.flows(row())
    spin.runtime_data.policy.reset()
    response = await call(hass, "get_destinations", devices["hue"], response=True)
    assert [d["state"] for d in response["devices"][devices["hue"]]["destinations"]] == ["new"]


async def test_targets_by_entity_and_area(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    await hass.services.async_call(
        DOMAIN, "block_device", {"entity_id": "switch.philips_hue_block"}, blocking=True
    )
    assert set(gateway.policy["devices"]) == {HUE}
    area = ar.async_get(hass).async_create("Hall")
    dr.async_get(hass).async_update_device(devices["camera"], area_id=area.id)
    await hass.services.async_call(DOMAIN, "block_device", {"area_id": area.id}, blocking=True)
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}


async def test_a_room_stands_for_its_devices_not_for_the_gateway_in_it(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]
) -> None:
    floor = fr.async_get(hass).async_create("Ground")
    area = ar.async_get(hass).async_create("Hall", floor_id=floor.floor_id)
    label = lr.async_get(hass).async_create("Mine")
    for device in ("gateway", "hue"):
        dr.async_get(hass).async_update_device(devices[device], area_id=area.id, labels={label.label_id})

    async def act(action: str, **data: Any) -> None:
        await hass.services.async_call(DOMAIN, action, data, blocking=True)

    for target in ({"area_id": area.id}, {"floor_id": floor.floor_id}, {"label_id": label.label_id}):
        await act("block_destination", **target, destination="baidu.com")
        assert gateway.policy["everyone"] == []
        assert set(gateway.policy["devices"]) == {HUE}
        await act("unblock_destination", **target, destination="baidu.com")
        await act("block_device", **target)
        assert {mac for mac, rules in gateway.policy["devices"].items() if rules["blocked"]} == {HUE}
        await act("unblock_device", **target)
        assert gateway.policy["devices"] == {}
    # Named itself, it is meant, wherever it stands.
    connectivity = "binary_sensor.home_gateway_connectivity"
    for named in ({"device_id": devices["gateway"]}, {"entity_id": connectivity}):
        await act("block_destination", area_id=area.id, **named, destination="baidu.com")
        assert len(gateway.policy["everyone"]) == 1
        await act("unblock_destination", **named, destination="baidu.com")
    dr.async_get(hass).async_update_device(devices["hue"], area_id=None)
    with pytest.raises(ServiceValidationError) as caught:
        await act("block_device", area_id=area.id)
    assert caught.value.translation_key == "no_device"


async def test_targets_whose_gateway_is_not_loaded(
    hass: HomeAssistant, devices: dict[str, str], spin: MockConfigEntry
) -> None:
    await hass.config_entries.async_unload(spin.entry_id)
    for target in ("hue", "gateway"):
        with pytest.raises(ServiceValidationError) as caught:
            await call(hass, "get_destinations", devices[target], response=True)
        assert caught.value.translation_key == "not_loaded"
        assert caught.value.translation_placeholders == {"gateway": "Home gateway"}


async def test_targets_that_are_none(
    hass: HomeAssistant, devices: dict[str, str], spin: MockConfigEntry
) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    foreign = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("other", "1")}
    )
    for target in (foreign.id, "nonsense", []):
        with pytest.raises(ServiceValidationError) as caught:
            await call(hass, "block_device", target)
        assert caught.value.translation_key == "no_device"
    await hass.config_entries.async_unload(spin.entry_id)
    with pytest.raises(ServiceValidationError):
        await call(hass, "block_device", devices["hue"])


async def test_gateways_that_cannot(hass: HomeAssistant, gateway: Gateway, devices: dict[str, str]) -> None:
    gateway.answers = False
    with pytest.raises(HomeAssistantError, match="did not confirm the change within"):
        await call(hass, "block_device", devices["hue"])
    gateway.info(capabilities=["names"])
    with pytest.raises(HomeAssistantError, match="only observes"):
        await call(hass, "block_device", devices["hue"])
    gateway.status("offline")
    with pytest.raises(HomeAssistantError, match="is not available"):
        await call(hass, "block_device", devices["hue"])


async def test_doing_it_twice_is_doing_it_once(
    hass: HomeAssistant, broker: Broker, devices: dict[str, str]
) -> None:
    for _ in range(2):
        await call(hass, "block_device", devices["hue"])
        await call(hass, "block_destination", devices["camera"], destination="baidu.com")
    assert len(broker.sent("spin/home/policy")) == 2


async def test_who_may_only_look_may_not_block(
    hass: HomeAssistant,
    broker: Broker,
    gateway: Gateway,
    devices: dict[str, str],
    hass_read_only_user: MockUser,
) -> None:
    context = Context(user_id=hass_read_only_user.id)
    for action, data in (
        ("block_device", {}),
        ("unblock_device", {}),
        ("block_destination", {"destination": "baidu.com"}),
        ("allow_destination", {"destination": "baidu.com"}),
        ("unblock_destination", {"destination": "baidu.com"}),
        ("forget_destination", {"destination": "baidu.com"}),
        ("accept_all", {}),
        ("restart_learning", {}),
        ("skip_learning", {}),
        ("undo_automatic_blocks", {}),
        ("join_devices", {"into": devices["hue"]}),
        ("split_device", {"mac": CAMERA}),
        ("export", {"filename": "www/x.csv"}),
    ):
        with pytest.raises(Unauthorized):
            await hass.services.async_call(
                DOMAIN, action, {"device_id": devices["hue"], **data}, blocking=True, context=context
            )
    assert broker.sent("spin/home/policy") == []
    await hass.services.async_call(
        DOMAIN,
        "get_destinations",
        {"device_id": devices["hue"]},
        blocking=True,
        context=context,
        return_response=True,
    )


async def test_who_may_not_look_is_not_told(hass: HomeAssistant, devices: dict[str, str]) -> None:
    stranger = MockUser(groups=[]).add_to_hass(hass)
    stranger.mock_policy({"entities": {"entity_ids": {"switch.camera_block": {"read": True}}}})

    async def ask(target: str) -> None:
        await hass.services.async_call(
            DOMAIN,
            "get_destinations",
            {"device_id": devices[target]},
            blocking=True,
            return_response=True,
            context=Context(user_id=stranger.id),
        )

    await ask("camera")
    for target in ("hue", "gateway"):
        with pytest.raises(Unauthorized):
            await ask(target)


async def test_rules_for_everyone_take_an_administrator(
    hass: HomeAssistant, gateway: Gateway, devices: dict[str, str], hass_admin_user: MockUser
) -> None:
    ordinary = MockUser(groups=[]).add_to_hass(hass)
    ordinary.mock_policy({"entities": True})

    async def block(user_id: str, target: str) -> None:
        await hass.services.async_call(
            DOMAIN,
            "block_destination",
            {"device_id": devices[target], "destination": "baidu.com"},
            blocking=True,
            context=Context(user_id=user_id),
        )

    await block(ordinary.id, "hue")
    with pytest.raises(Unauthorized):
        await block(ordinary.id, "gateway")
    await block(hass_admin_user.id, "gateway")
    assert gateway.policy["everyone"]
    with pytest.raises(UnknownUser):
        await block("nobody", "hue")

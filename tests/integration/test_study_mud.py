"""MUD files: what is written is valid and can be read again; what is hostile is refused."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from gateway_double import HUE, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spin.const import DOMAIN
from custom_components.spin.models import Policy
from custom_components.spin.rules import ALLOW, BLOCK, decision, set_rule, together
from custom_components.spin.study.contacts import Contact
from custom_components.spin.study.mud import rules_of
from custom_components.spin.study.mud_export import MAX_ENTRIES, export, unnamed
from custom_components.spin.study.mud_file import (
    MAX_ACES,
    MAX_BYTES,
    MAX_TARGETS,
    Allowed,
    MudError,
    checked,
    read,
)
from tests.home.hue import CONNECTIVITY_CHECKS, TIME_SERVERS

HUE_CONTACTS = [
    *(Contact(name, True, "tcp", 443) for name in ("ws.meethue.com", "diagnostics.meethue.com")),
    *(Contact(name, True, "udp", 123) for name in TIME_SERVERS),
    *(Contact(name, True, "tcp", 80) for name in CONNECTIVITY_CHECKS["december2019"]),
]
# The form of the example in section 9 of RFC 8520, with names of ours.
MAKERS: dict[str, Any] = {
    "ietf-mud:mud": {
        "mud-version": 1,
        "mud-url": "https://lighting.example/lightbulb2000",
        "last-update": "2026-01-28T11:20:51+01:00",
        "cache-validity": 48,
        "is-supported": True,
        "systeminfo": "A bulb",
        "from-device-policy": {"access-lists": {"access-list": [{"name": "from4"}, {"name": "from6"}]}},
        "to-device-policy": {"access-lists": {"access-list": [{"name": "to6"}]}},
    },
    "ietf-access-control-list:acls": {
        "acl": [
            {
                "name": "from4",
                "type": "ipv4-acl-type",
                "aces": {
                    "ace": [
                        {
                            "name": "cloud",
                            "matches": {
                                "ipv4": {"ietf-acldns:dst-dnsname": "Cloud.lighting.example.", "protocol": 6},
                                "tcp": {
                                    "ietf-mud:direction-initiated": "from-device",
                                    "destination-port": {"operator": "eq", "port": 443},
                                },
                            },
                            "actions": {"forwarding": "accept"},
                        },
                        {
                            "name": "network",
                            "matches": {"ipv4": {"destination-ipv4-network": "198.51.100.0/24"}},
                            "actions": {"forwarding": "accept"},
                        },
                        {
                            "name": "bridge",
                            "matches": {"ietf-mud:mud": {"local-networks": [None]}},
                            "actions": {"forwarding": "accept"},
                        },
                    ]
                },
            },
            {"name": "from6", "type": "ipv6-acl-type"},
            {
                "name": "to6",
                "type": "ipv6-acl-type",
                "aces": {
                    "ace": [
                        {
                            "name": "update",
                            "matches": {
                                "ipv6": {"ietf-acldns:src-dnsname": "update.lighting.example"},
                                "udp": {"source-port": {"lower-port": 5000, "upper-port": 5010}},
                            },
                            "actions": {"forwarding": "accept"},
                        }
                    ]
                },
            },
        ]
    },
}


def changed(path: str, value: Any) -> str:
    """Return the manufacturer's file with one value changed; `None` takes the key away."""
    content = copy.deepcopy(MAKERS)
    *way, last = [int(word) if word.isdigit() else word for word in path.split("/")]
    place: Any = content
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


def test_what_a_manufacturer_allows() -> None:
    assert read(json.dumps(MAKERS)) == Allowed(
        "https://lighting.example/lightbulb2000",
        ("cloud.lighting.example", "update.lighting.example"),
        ("198.51.100.0/24",),
        local=1,
    )


ACE = "ietf-access-control-list:acls/acl/0/aces/ace/0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[]", "expected a mapping"),
        ("[" * 100_000, "not JSON"),
        ('{"ietf-mud:mud": {}}', "required"),
        ("{" + " " * MAX_BYTES + "}", "bytes"),
        (changed("ietf-mud:mud/mud-version", 2), "mud-version"),
        (changed("ietf-mud:mud/mud-url", "http://x.example"), "https"),
        (changed("ietf-mud:mud/mud-url", None), "mud-url"),
        (changed("ietf-mud:mud/is-supported", "yes"), "true or false"),
        (changed("ietf-mud:mud/cache-validity", 1000), "cache-validity"),
        (changed("ietf-mud:mud/systeminfo", "x" * 61), "systeminfo"),
        (changed("ietf-mud:mud/from-device-policy/access-lists/access-list/0/name", "none"), "not defined"),
        (changed("ietf-access-control-list:acls/acl/1/name", "from4"), "same name"),
        (changed(f"{ACE}/actions/forwarding", "drop"), "does not accept"),
        (changed(f"{ACE}/actions/forwarding", "explode"), "forwarding"),
        (changed(f"{ACE}/matches/ipv4", {"protocol": 6}), "names nobody"),
        (changed(f"{ACE}/matches/ipv4/ietf-acldns:dst-dnsname", "a b; reboot"), "host name"),
        (changed(f"{ACE}/matches/ipv4/ietf-acldns:dst-dnsname", 7), "host name"),
        (changed(f"{ACE}/matches/ipv4/ietf-acldns:dst-dnsname", "192.0.2.1"), "not an address"),
        (changed(f"{ACE}/matches/ipv4/ietf-acldns:dst-dnsname", "lighting.7."), "not an address"),
        (changed(f"{ACE}/matches/ipv4/ietf-acldns:dst-dnsname", "2001:db8::1"), "host name"),
        (changed(f"{ACE}/matches/ipv4", {"destination-ipv4-network": "1.2.3.4/8"}), "network"),
        (changed(f"{ACE}/matches/ipv4", {"destination-ipv4-network": "0.0.0.0/0"}), "everything"),
        (changed(f"{ACE}/matches/tcp/destination-port/port", 70_000), "port"),
        (changed(f"{ACE}/matches/tcp/ietf-mud:direction-initiated", "up"), "direction"),
        (changed("ietf-access-control-list:acls/acl/0/aces/ace", [{}] * (MAX_ACES + 1)), "length"),
    ],
)  # fmt: skip
def test_hostile_files(text: str, reason: str) -> None:
    with pytest.raises(MudError) as caught:
        read(text)
    assert reason.lower() in str(caught.value).lower()


def mutated(value: Any, dice: random.Random) -> Any:
    """Return the value with some part of it replaced by what does not belong there."""
    if dice.random() < 0.03:
        strange = (None, -1, 2**70, 1e308, True, "", "x" * 300, "\x00\u202e", [], {}, [[]], {"a": {}})
        return dice.choice(strange)
    if isinstance(value, dict):
        return {key if dice.random() > 0.01 else "x": mutated(inner, dice) for key, inner in value.items()}
    return [mutated(inner, dice) for inner in value] if isinstance(value, list) else value


def test_no_file_does_more_than_be_refused() -> None:
    dice = random.Random(8520)
    reasons: list[str] = []
    for _ in range(2000):
        try:
            allowed = read(json.dumps(mutated(MAKERS, dice)))
        except MudError as err:
            reasons.append(str(err))
        else:
            assert Allowed.from_dict(json.loads(json.dumps(allowed.as_dict()))) == allowed
            rules_of(allowed)
    assert 500 < len(reasons) < 2000
    assert all(reason.isprintable() for reason in reasons)


def test_what_a_file_covers() -> None:
    allowed = read(json.dumps(MAKERS))
    assert allowed.covers(["cloud.lighting.example", "eu.cloud.lighting.example"], [])
    assert not allowed.covers(["cloud.lighting.example", "lighting.example"], [])
    assert not allowed.covers(["evilcloud.lighting.example"], ["198.51.100.7"])
    assert allowed.covers([], ["198.51.100.7"])
    assert not allowed.covers([], ["198.51.100.7", "2001:db8::1"])
    assert not allowed.covers([], [])


def test_too_many_targets() -> None:
    content = export("x", [Contact(f"h{n}.example", True, "tcp", 443) for n in range(256)], 0)
    assert len(read(json.dumps(content)).names) == MAX_TARGETS
    acl = content["ietf-access-control-list:acls"]["acl"][0]["aces"]["ace"]
    extra = copy.deepcopy(acl[0])
    extra["matches"]["ipv4"]["ietf-acldns:dst-dnsname"] = "more.example"
    acl.append(extra)
    with pytest.raises(MudError, match="more than 256"):
        read(json.dumps(content))


def test_export_of_the_bridge_is_valid_and_has_no_address() -> None:
    contacts = [*HUE_CONTACTS, Contact("198.51.100.99", False, "tcp", 443)]
    content = export("philips-hue", contacts, 1577880000.0)
    assert checked(json.dumps(content)) == content
    mud = content["ietf-mud:mud"]
    assert mud["mud-url"] == "https://observed.invalid/philips-hue.json"
    assert mud["last-update"] == "2020-01-01T12:00:00+00:00"
    assert "not from the manufacturer" in mud["systeminfo"]
    assert len(mud["systeminfo"]) <= 60
    assert "198.51.100.99" not in json.dumps(content)
    assert unnamed(contacts) == ["198.51.100.99"]
    first = content["ietf-access-control-list:acls"]["acl"][0]["aces"]["ace"][0]
    assert first == {
        "name": "from-0",
        "matches": {
            "ipv4": {"ietf-acldns:dst-dnsname": "baidu.com", "protocol": 6},
            "tcp": {
                "destination-port": {"operator": "eq", "port": 80},
                "ietf-mud:direction-initiated": "from-device",
            },
        },
        "actions": {"forwarding": "accept"},
    }


def test_other_protocols() -> None:
    contacts = [
        Contact("a.example", True, protocol, 0) for protocol in ("icmp", "icmpv6", "esp", "47", "udp")
    ]
    content = export("x", contacts, 0)
    checked(json.dumps(content))
    protocols = {
        acl["name"]: [ace["matches"][acl["type"][:4]].get("protocol") for ace in acl["aces"]["ace"]]
        for acl in content["ietf-access-control-list:acls"]["acl"]
    }
    assert protocols["spin-x-ipv4-from"] == [47, None, 1, 17]
    assert protocols["spin-x-ipv6-to"] == [47, None, 58, 17]
    many = export("x", [Contact(f"h{n}.example", True, "tcp", 443) for n in range(1000)], 0)
    assert len(many["ietf-access-control-list:acls"]["acl"][0]["aces"]["ace"]) == MAX_ENTRIES


def test_imported_again_it_blocks_nothing_that_was_and_everything_else() -> None:
    allowed = read(json.dumps(export("philips-hue", HUE_CONTACTS, 0)))
    policy = together([set_rule(HUE, rule) for rule in rules_of(allowed)])(Policy(0, {}))
    for contact in HUE_CONTACTS:
        assert decision(policy, HUE, contact.target, ["198.51.100.7", "2001:db8::7"]) == ALLOW
    for name in ("evil.example", "meethue.com.evil.example", "facebook.com", None):
        assert decision(policy, HUE, name, ["198.51.100.66"]) == BLOCK
        assert decision(policy, HUE, name, ["2001:db8::66"]) == BLOCK
    assert decision(policy, "00:17:88:00:00:02", "evil.example", ["198.51.100.66"]) is None


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> str:
    """Have a device that talks to three services, one of them without a name; return its id."""
    gateway.device()
    gateway.flows(row(), row("time1.google.com", protocol="udp", port=123), row(None, address="203.0.113.9"))
    await hass.async_block_till_done()
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).id


async def call(hass: HomeAssistant, action: str, hue: str, **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, action, {"device_id": hue, **data}, blocking=True, return_response=True
    )
    return answer["devices"][hue]


async def test_export_and_import_with_everything_else_blocked(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    exported = await call(hass, "export_mud", hue)
    assert exported["unnamed"] == ["203.0.113.9"]
    imported = await call(hass, "import_mud", hue, content=json.dumps(exported["mud"]), enforce=True)
    assert imported["names"] == ["time1.google.com", "ws.meethue.com"]
    rules = gateway.policy["devices"][HUE]["destinations"]
    assert [(rule["action"], rule.get("name") or rule["address"]) for rule in rules] == [
        ("allow", "time1.google.com"),
        ("allow", "ws.meethue.com"),
        ("block", "0.0.0.0/0"),
        ("block", "::/0"),
    ]
    makers = json.dumps(MAKERS)
    await call(hass, "import_mud", hue, content=makers, enforce=True)
    targets = [rule.get("name") or rule["address"] for rule in gateway.policy["devices"][HUE]["destinations"]]
    assert "ws.meethue.com" not in targets
    assert "cloud.lighting.example" in targets
    assert await hass.config_entries.async_unload(spin.entry_id)
    assert await hass.config_entries.async_setup(spin.entry_id)
    assert spin.runtime_data.study.record(HUE).mud.enforced
    await call(hass, "import_mud", hue, content=makers)
    assert gateway.policy["devices"] == {}
    assert not spin.runtime_data.study.record(HUE).mud.enforced


async def test_what_the_file_names_is_no_news(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    spin.runtime_data.roster.skip_learning(spin.runtime_data.devices[HUE])
    await call(hass, "import_mud", hue, content=json.dumps(MAKERS))
    gateway.flows(row("cloud.lighting.example"), seq=2)
    await hass.async_block_till_done()
    assert hass.states.get("event.philips_hue_activity").attributes["event_type"] == "device_seen"
    gateway.flows(row("elsewhere.example"), seq=3)
    await hass.async_block_till_done()
    assert hass.states.get("event.philips_hue_activity").attributes["destination"] == "elsewhere.example"


async def test_remove(hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry) -> None:
    await hass.services.async_call(
        DOMAIN, "block_destination", {"device_id": hue, "destination": "ads.example"}, blocking=True
    )
    await hass.services.async_call(
        DOMAIN,
        "block_destination",
        {"device_id": hue, "destination": "update.lighting.example"},
        blocking=True,
    )
    before = gateway.policy["devices"]
    for _ in range(2):
        imported = await call(hass, "import_mud", hue, content=json.dumps(MAKERS), enforce=True)
        assert imported["kept"] == ["update.lighting.example"]
    assert (await call(hass, "remove_mud", hue))["changed"] is True
    assert (await call(hass, "remove_mud", hue))["changed"] is False
    assert gateway.policy["devices"] == before
    assert spin.runtime_data.study.record(HUE).mud is None


@pytest.mark.parametrize(
    ("decisions", "left"),
    [
        ([("block_destination", {})], ("block", False)),
        ([("block_destination", {"duration": 600}), ("allow_destination", {})], ("allow", False)),
        ([("block_destination", {"duration": 600})], ("block", True)),
    ],
)
@pytest.mark.parametrize("again", [True, False])
async def test_what_the_user_decided_since_stays(
    hass: HomeAssistant,
    gateway: Gateway,
    hue: str,
    decisions: list[tuple[str, dict[str, Any]]],
    left: tuple[str, bool],
    again: bool,
) -> None:
    await call(hass, "import_mud", hue, content=json.dumps(MAKERS), enforce=True)
    for action, data in decisions:
        await call(hass, action, hue, destination="cloud.lighting.example", **data)
    if again:
        await call(hass, "import_mud", hue, content=json.dumps(MAKERS))
    await hass.services.async_call(DOMAIN, "remove_mud", {"device_id": hue}, blocking=True)
    (rule,) = gateway.policy["devices"][HUE]["destinations"]
    assert rule["name"] == "cloud.lighting.example"
    assert (rule["action"], rule["until"] is not None) == left


async def test_a_file_that_cannot_be_used_changes_nothing(
    hass: HomeAssistant, gateway: Gateway, hue: str, spin: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "import_mud", hue, content="<html>")
    assert caught.value.translation_key == "invalid_mud"
    gateway.answers = False
    with pytest.raises(HomeAssistantError):
        await call(hass, "import_mud", hue, content=json.dumps(MAKERS), enforce=True)
    assert spin.runtime_data.study.record(HUE).mud is None

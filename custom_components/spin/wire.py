"""Reads the gateway's messages: bytes in, frozen dataclasses out, or a WireError.

Whoever can write to the broker can write anything, so nothing reaches the rest of the
integration that is not of the expected type, size and range. Unknown keys are ignored:
a later version of the agent may add some.
"""

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.util.json import json_loads_object

from . import checks as check
from .checks import plain_text
from .const import MAX_MESSAGE_BYTES, PROTOCOL
from .models import (
    Counters,
    DevicePolicy,
    DeviceReport,
    Fanout,
    Flows,
    GatewayInfo,
    Policy,
    PolicyState,
    Problem,
    Rule,
)
from .rows import row as read_row


class WireError(ValueError):
    """The message is not one of the wire contract; the text says where and why."""


class UnsupportedProtocolError(WireError):
    """The gateway speaks another version of the wire contract."""

    def __init__(self, protocol: int) -> None:
        """Keep the version that was offered."""
        super().__init__(f"protocol {protocol} is not supported, only {PROTOCOL}")
        self.protocol = protocol


def _one_target(rule: dict[str, Any]) -> dict[str, Any]:
    if (rule["name"] is None) == (rule["address"] is None):
        raise vol.Invalid("expected either a name or an address")
    return rule


def _schema(fields: Mapping[Any, Any]) -> vol.Schema:
    return vol.Schema(dict(fields), required=True, extra=vol.REMOVE_EXTRA)


_PROBLEM = _schema(
    {
        "code": check.word,
        "text": check.text,
        vol.Optional("revision", default=None): check.or_null(check.count),
    }
)

_INFO = _schema(
    {
        "gateway": check.gateway_id,
        "name": check.text,
        "version": check.text,
        "epoch": check.epoch,
        "started": check.unix_time,
        "interval": check.seconds,
        "source": check.text,
        "capabilities": [check.text],
        vol.Optional("limits", default=dict): vol.Schema({str: check.count}),
        vol.Optional("problems", default=list): [_PROBLEM],
    }
)

_COUNTERS = _schema(dict.fromkeys(Counters._fields, check.count))

_DEVICE = _schema(
    {
        "mac": check.mac_address,
        "addresses": [check.address],
        "hostname": check.or_null(check.text),
        vol.Optional("vendor_class", default=None): check.or_null(check.text),
        "first_seen": check.unix_time,
        "last_seen": check.unix_time,
        "epoch": check.epoch,
        "counters": _COUNTERS,
    }
)

_FLOWS = _schema(
    {
        "epoch": check.epoch,
        "seq": check.count,
        "start": check.unix_time,
        "end": check.unix_time,
        "snapshot": check.flag,
        "counters": _COUNTERS,
        "destinations": [read_row],
        vol.Optional("lookups", default=list): [_schema({"name": check.dns_name, "last": check.unix_time})],
        vol.Optional("fanout", default=lambda: {"hosts": 0, "ports": 0}): _schema(
            dict.fromkeys(Fanout._fields, check.count)
        ),
    }
)

_RULE = vol.All(
    _schema(
        {
            "action": vol.In(("block", "allow")),
            vol.Optional("name", default=None): check.or_null(check.host_name),
            vol.Optional("address", default=None): check.or_null(check.network),
            vol.Optional("until", default=None): check.or_null(check.unix_time),
        }
    ),
    _one_target,
)

_DEVICE_POLICY = _schema(
    {
        vol.Optional("blocked", default=False): check.flag,
        vol.Optional("until", default=None): check.or_null(check.unix_time),
        vol.Optional("destinations", default=list): [_RULE],
    }
)

_POLICY = _schema(
    {
        "revision": check.count,
        vol.Optional("devices", default=dict): vol.Schema({check.mac_address: _DEVICE_POLICY}),
        vol.Optional("everyone", default=list): [_RULE],
    }
)

_POLICY_STATE = _POLICY.extend({"enforced": check.flag, vol.Optional("problems", default=list): [_PROBLEM]})


def _decode(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(f"{len(payload)} bytes, more than {MAX_MESSAGE_BYTES}")
    try:
        return json_loads_object(payload)
    except ValueError as err:
        raise WireError(f"not a JSON object in UTF-8: {plain_text(str(err))}") from err


def _parse(schema: vol.Schema, payload: bytes) -> dict[str, Any]:
    return _checked(schema, _decode(payload))


def _checked(schema: vol.Schema, message: dict[str, Any]) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = schema(message)
    except vol.Invalid as err:
        raise WireError(plain_text(str(err))) from err
    return checked


def parse_mac(text: str) -> str:
    """Read the MAC address in a topic."""
    try:
        return check.mac_address(text)
    except vol.Invalid as err:
        raise WireError(f"topic: {err}") from err


def parse_info(payload: bytes, gateway: str) -> GatewayInfo:
    """Read `info`, which has to be of this gateway."""
    message = _decode(payload)
    protocol = message.get("protocol")
    if type(protocol) is not int:
        raise WireError("protocol: expected an integer")
    if protocol != PROTOCOL:
        raise UnsupportedProtocolError(protocol)
    info = _checked(_INFO, message)
    if info["gateway"] != gateway:
        raise WireError("gateway: differs from the topic's")
    return GatewayInfo(
        **{
            **info,
            "capabilities": frozenset(info["capabilities"]),
            "problems": _problems(info["problems"]),
        }
    )


def parse_status(payload: bytes) -> bool:
    """Read `status`: whether the gateway is online."""
    if payload == b"online":
        return True
    if payload == b"offline":
        return False
    raise WireError("expected online or offline")


def parse_device(payload: bytes, mac: str) -> DeviceReport | None:
    """Read `device/<mac>`; None when the gateway has dropped the device."""
    if not payload:
        return None
    message = _parse(_DEVICE, payload)
    if message["mac"] != mac:
        raise WireError("mac: differs from the topic's")
    return DeviceReport(
        **{
            **message,
            "addresses": tuple(message["addresses"]),
            "counters": Counters(**message["counters"]),
        }
    )


def parse_flows(payload: bytes) -> Flows:
    """Read `device/<mac>/flows`."""
    message = _parse(_FLOWS, payload)
    return Flows(
        epoch=message["epoch"],
        seq=message["seq"],
        start=message["start"],
        end=message["end"],
        snapshot=message["snapshot"],
        counters=Counters(**message["counters"]),
        rows=tuple(message["destinations"]),
        lookups={lookup["name"]: lookup["last"] for lookup in message["lookups"]},
        fanout=Fanout(**message["fanout"]),
    )


def _problems(problems: list[dict[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem) for problem in problems)


def _policy(message: dict[str, Any]) -> Policy:
    devices = {
        mac: DevicePolicy(
            blocked=device["blocked"],
            until=device["until"],
            destinations=tuple(Rule(**rule) for rule in device["destinations"]),
        )
        for mac, device in message["devices"].items()
    }
    return Policy(
        revision=message["revision"],
        devices={mac: device for mac, device in devices.items() if device != DevicePolicy()},
        everyone=tuple(Rule(**rule) for rule in message["everyone"]),
    )


def parse_policy(payload: bytes) -> Policy:
    """Read `policy`: the rules that somebody wants."""
    return _policy(_parse(_POLICY, payload))


def parse_policy_state(payload: bytes) -> PolicyState:
    """Read `policy/state`: the rules that the gateway enforces."""
    message = _parse(_POLICY_STATE, payload)
    return PolicyState(
        policy=_policy(message),
        enforced=message["enforced"],
        problems=_problems(message["problems"]),
    )


def _rule_as_dict(rule: Rule) -> dict[str, Any]:
    target = {"name": rule.name} if rule.name is not None else {"address": rule.address}
    return {"action": rule.action, **target, "until": rule.until}


def policy_as_dict(policy: Policy) -> dict[str, Any]:
    """Return what is published as `policy`."""
    return {
        "revision": policy.revision,
        "devices": {
            mac: {
                "blocked": device.blocked,
                "until": device.until,
                "destinations": [_rule_as_dict(rule) for rule in device.destinations],
            }
            for mac, device in policy.devices.items()
        },
        "everyone": [_rule_as_dict(rule) for rule in policy.everyone],
    }

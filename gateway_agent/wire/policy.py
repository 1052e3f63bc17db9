"""The rules that a reader wants: data classes, strict parsing, and the copy on disk that holds from boot."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import voluptuous as vol

from gateway_agent.model import Address, Mac
from gateway_agent.wire.strict_json import MAX_MESSAGE, JsonError, decode, encode, shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_POLICY = MAX_MESSAGE - 8 * 1024
"""Bytes of a policy in its shortest form; `policy/state` repeats it and adds its problems."""

MAX_REVISION = 2**53 - 1
MAX_TIME = 253_402_300_799  # the end of the year 9999

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_MAX_NAME = 253


class PolicyError(ValueError):
    """A policy that is not understood: path and reason of the fault; `revision` where it could be read."""

    def __init__(self, text: str, revision: int | None = None) -> None:
        super().__init__(text)
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a reader should know: a code of the wire contract and a text with the remedy."""

    code: str
    text: str
    extra: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """Blocks or allows a name and everything below it, or a network; until a time or without end."""

    action: Literal["block", "allow"]
    name: str | None = None
    network: Network | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An address of a name that a rule is about: whose lookup it was, and until when it holds."""

    mac: Mac
    name: str
    address: Address
    until: float


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """What holds for one device."""

    blocked: bool = False
    until: float | None = None
    destinations: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of one revision."""

    revision: int = 0
    devices: Mapping[Mac, DevicePolicy] = field(default_factory=dict)
    everyone: tuple[Rule, ...] = ()

    def at(self, now: float) -> "Policy":
        """Return the policy without what has ended."""
        if all(until > now for until in self.ends()):
            return self
        devices = {mac: _device_at(device, now) for mac, device in self.devices.items()}
        return Policy(
            self.revision,
            {mac: device for mac, device in devices.items() if device.blocked or device.destinations},
            _rules_at(self.everyone, now),
        )

    def ends(self) -> Iterator[float]:
        """Yield the times at which something ends."""
        for device in self.devices.values():
            if device.blocked and device.until is not None:
                yield device.until
            yield from (rule.until for rule in device.destinations if rule.until is not None)
        yield from (rule.until for rule in self.everyone if rule.until is not None)


def _rules_at(rules: tuple[Rule, ...], now: float) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.until is None or rule.until > now)


def _device_at(device: DevicePolicy, now: float) -> DevicePolicy:
    device = replace(device, destinations=_rules_at(device.destinations, now))
    if device.blocked and device.until is not None and device.until <= now:
        device = replace(device, blocked=False, until=None)
    return device


def mac_address(value: object) -> Mac:
    """Return the value if it is a MAC address in lower case with colons; raise vol.Invalid otherwise."""
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        raise vol.Invalid("not a MAC address in lower case with colons")
    return value


def _revision(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_REVISION:
        raise vol.Invalid("not an integer from 0 to 2^53 - 1")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise vol.Invalid("neither true nor false")
    return value


def _until(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise vol.Invalid("neither null nor a time in Unix seconds")
    return value


def host_name(value: object) -> str:
    """Return a host name in lower case, IDNA-encoded, without final dot; raise vol.Invalid otherwise."""
    if not isinstance(value, str):
        raise vol.Invalid("not a host name")
    name = value.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise vol.Invalid("not a host name") from None
    labels = name.split(".")
    if len(name) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise vol.Invalid("not a host name")
    if labels[-1].isdigit():
        raise vol.Invalid('an address, not a host name: use "address"')
    return name


def _network(value: object) -> Network:
    if not isinstance(value, str):
        raise vol.Invalid("not an address or network")
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        reason = "has host bits set" if "host bits" in str(error) else "not an address or network"
        raise vol.Invalid(reason) from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.scope_id:
        raise vol.Invalid("not an address or network")
    return network


def _action(value: object) -> str:
    if value not in ("block", "allow"):
        raise vol.Invalid('neither "block" nor "allow"')
    return str(value)


_RULE_KEYS = vol.Schema(
    {
        vol.Required("action"): _action,
        vol.Optional("name"): host_name,
        vol.Optional("address"): _network,
        vol.Optional("until", default=None): _until,
    },
    extra=vol.REMOVE_EXTRA,
)


def _rule(value: object) -> Rule:
    keys = _RULE_KEYS(value)
    if ("name" in keys) == ("address" in keys):
        raise vol.Invalid('needs either "name" or "address"')
    return Rule(keys["action"], keys.get("name"), keys.get("address"), keys["until"])


_DEVICE_KEYS = vol.Schema(
    {
        vol.Optional("blocked", default=False): _boolean,
        vol.Optional("until", default=None): _until,
        vol.Optional("destinations", default=list): [_rule],
    },
    extra=vol.REMOVE_EXTRA,
)


def _device(value: object) -> DevicePolicy:
    keys = _DEVICE_KEYS(value)
    until = keys["until"] if keys["blocked"] else None
    return DevicePolicy(keys["blocked"], until, tuple(keys["destinations"]))


_POLICY_KEYS = vol.Schema(
    {
        vol.Required("revision"): _revision,
        vol.Optional("devices", default=dict): vol.Schema({mac_address: _device}),
        vol.Optional("everyone", default=list): [_rule],
    },
    extra=vol.REMOVE_EXTRA,
)


def parse_policy(payload: bytes) -> Policy:
    """Return the policy of a message; raise PolicyError with the path and the reason of the first fault."""
    try:
        value = decode(payload)
    except JsonError as error:
        raise PolicyError(str(error)) from error
    return policy_from(value)


def policy_from(value: object) -> Policy:
    """Return the policy of a decoded JSON value; raise PolicyError with path and reason."""
    revision = _readable_revision(value)
    try:
        keys = _POLICY_KEYS(value)
    except vol.Invalid as error:
        raise PolicyError(explain(error), revision) from error
    policy = Policy(keys["revision"], keys["devices"], tuple(keys["everyone"]))
    size = len(encode(policy_to_wire(policy)))
    if size > MAX_POLICY:
        raise PolicyError(f"{size} bytes of rules; {MAX_POLICY} are allowed", revision)
    return policy


def explain(error: vol.Invalid) -> str:
    """Return the first fault as `path: reason`, the path in the form devices['…'].destinations[0].name."""
    first = error.errors[0] if isinstance(error, vol.MultipleInvalid) else error
    path = ""
    for step in first.path:
        key = step.schema if isinstance(step, vol.Marker) else step
        if isinstance(key, str) and key.isidentifier():
            path += f".{key}" if path else key
        else:
            path += f"[{shown(key)}]"
    reason = str(first.error_message)
    return f"{path}: {reason}" if path else reason


def _readable_revision(value: object) -> int | None:
    try:
        return _revision(value.get("revision")) if isinstance(value, dict) else None
    except vol.Invalid:
        return None


def _rule_to_wire(rule: Rule) -> dict[str, Any]:
    wire: dict[str, Any] = {"action": rule.action}
    if rule.name is not None:
        wire["name"] = rule.name
    elif rule.network is not None:
        host = rule.network.prefixlen == rule.network.max_prefixlen
        wire["address"] = str(rule.network.network_address if host else rule.network)
    if rule.until is not None:
        wire["until"] = rule.until
    return wire


def policy_to_wire(policy: Policy) -> dict[str, Any]:
    """Return the policy in the form of the wire contract."""
    return {
        "revision": policy.revision,
        "devices": {
            mac: {
                "blocked": device.blocked,
                "until": device.until,
                "destinations": [_rule_to_wire(rule) for rule in device.destinations],
            }
            for mac, device in policy.devices.items()
        },
        "everyone": [_rule_to_wire(rule) for rule in policy.everyone],
    }

"""Reads a MUD file (RFC 8520): with whom its device may talk. Hostile ones are bounded and refused.

Nothing is fetched and no signature is checked: the user vouches for the file. What it says of the local
network is left aside, because SPIN leaves that alone. Names and addresses are taken, ports are not:
the gateway's rules have none.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Self

import voluptuous as vol

from .. import checks

MAX_BYTES = 256 * 1024
MAX_ACLS = 64
MAX_ACES = 512
MAX_TARGETS = 256

ANYTHING = ("0.0.0.0/0", "::/0")


class MudError(ValueError):
    """Not a MUD file; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a MUD file lets a device talk to on the Internet.

    Args:
        source: what the file calls itself: its MUD URL
        names: host names, without those below them
        networks: addresses and networks
        local: how many entries were left aside because they are about the local network
        enforced: whether all else is blocked
        kept: names and networks for which there was a rule before, which stands
    """

    source: str
    names: tuple[str, ...]
    networks: tuple[str, ...]
    local: int = 0
    enforced: bool = False
    kept: tuple[str, ...] = ()

    def covers(self, names: Collection[str], addresses: Collection[str]) -> bool:
        """Return whether all names, or all addresses where there is no name, are in the file."""
        if names:
            return all(any(f".{name}".endswith(f".{known}") for known in self.names) for name in names)
        networks = [ip_network(network) for network in self.networks]
        return bool(addresses) and all(
            any(ip_address(address) in network for network in networks) for address in addresses
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored, and response data."""
        return {
            "source": self.source,
            "names": list(self.names),
            "networks": list(self.networks),
            "local": self.local,
            "enforced": self.enforced,
            "kept": list(self.kept),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Restore; raises ValueError, TypeError or KeyError when it is not what was stored."""
        return cls(
            str(stored["source"]),
            tuple(map(checks.host_name, stored["names"])),
            tuple(map(checks.network, stored["networks"])),
            int(stored["local"]),
            bool(stored["enforced"]),
            tuple(map(str, stored["kept"])),
        )


def _uri(value: object) -> str:
    text = checks.text(value)
    if not text.startswith("https://") or any(c.isspace() for c in text):
        raise vol.Invalid("expected an https URL")
    return text


def _name(value: object) -> str:
    if type(value) is not str:
        raise vol.Invalid("expected a host name")
    name = checks.host_name(value.lower().removesuffix("."))
    if name.rpartition(".")[2].isdigit():
        raise vol.Invalid("expected a host name, not an address")
    return name


_ACCESS_LISTS = vol.Schema(
    {
        vol.Required("access-lists"): {
            vol.Required("access-list"): vol.All(
                list,
                vol.Length(max=MAX_ACLS),
                [vol.Schema({vol.Required("name"): checks.text}, extra=vol.ALLOW_EXTRA)],
            )
        }
    },
    extra=vol.ALLOW_EXTRA,
)

_MUD = vol.Schema(
    {
        vol.Required("mud-version"): vol.All(checks.count, vol.In((1,))),
        vol.Required("mud-url"): _uri,
        vol.Required("last-update"): checks.text,
        vol.Required("is-supported"): checks.flag,
        vol.Optional("cache-validity"): vol.All(checks.count, vol.Range(1, 168)),
        vol.Optional("systeminfo"): vol.All(checks.text, vol.Length(max=60)),
        vol.Optional("from-device-policy"): _ACCESS_LISTS,
        vol.Optional("to-device-policy"): _ACCESS_LISTS,
    },
    extra=vol.ALLOW_EXTRA,
)

_OPERATORS = ("eq", "neq", "lte", "gte")
_RANGE = vol.Any(
    vol.Schema(
        {vol.Required("operator"): vol.In(("eq", "neq", "lte", "gte")), vol.Required("port"): checks.port}
    ),
    vol.Schema({vol.Required("lower-port"): checks.port, vol.Required("upper-port"): checks.port}),
)
_IP = vol.Schema(
    {
        vol.Optional("ietf-acldns:dst-dnsname"): _name,
        vol.Optional("ietf-acldns:src-dnsname"): _name,
        vol.Optional("protocol"): vol.All(checks.count, vol.Range(0, 255)),
        vol.Optional("destination-ipv4-network"): checks.network,
        vol.Optional("source-ipv4-network"): checks.network,
        vol.Optional("destination-ipv6-network"): checks.network,
        vol.Optional("source-ipv6-network"): checks.network,
    },
    extra=vol.ALLOW_EXTRA,
)
_TRANSPORT = vol.Schema(
    {
        vol.Optional("ietf-mud:direction-initiated"): vol.In(("from-device", "to-device")),
        vol.Optional("source-port"): _RANGE,
        vol.Optional("destination-port"): _RANGE,
    },
    extra=vol.ALLOW_EXTRA,
)
_ACE = vol.Schema(
    {
        vol.Required("name"): checks.text,
        vol.Required("matches"): vol.Schema(
            {
                vol.Optional("ipv4"): _IP,
                vol.Optional("ipv6"): _IP,
                vol.Optional("tcp"): _TRANSPORT,
                vol.Optional("udp"): _TRANSPORT,
                vol.Optional("ietf-mud:mud"): dict,
            },
            extra=vol.ALLOW_EXTRA,
        ),
        vol.Required("actions"): vol.Schema(
            {vol.Required("forwarding"): vol.In(("accept", "drop", "reject"))}, extra=vol.ALLOW_EXTRA
        ),
    },
    extra=vol.ALLOW_EXTRA,
)
_ACL = vol.Schema(
    {
        vol.Required("name"): checks.text,
        vol.Optional("type"): checks.text,
        vol.Optional("aces"): {vol.Required("ace"): vol.All(list, vol.Length(max=MAX_ACES), [_ACE])},
    },
    extra=vol.ALLOW_EXTRA,
)
SCHEMA = vol.Schema(
    {
        vol.Required("ietf-mud:mud"): _MUD,
        vol.Required("ietf-access-control-list:acls"): {
            vol.Required("acl"): vol.All(list, vol.Length(max=MAX_ACLS), [_ACL])
        },
    },
    extra=vol.ALLOW_EXTRA,
)


def checked(text: str) -> dict[str, Any]:
    """Return a MUD file's content if it has the structure of RFC 8520; raises MudError."""
    if len(text.encode()) > MAX_BYTES:
        raise MudError(f"more than {MAX_BYTES} bytes")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise MudError(f"not JSON: {checks.plain_text(str(err))}") from err
    try:
        found: dict[str, Any] = SCHEMA(content)
    except (vol.Invalid, RecursionError) as err:
        raise MudError(checks.plain_text(str(err))) from err
    _require_lists(found)
    return found


def _used(content: dict[str, Any], direction: str) -> list[str]:
    policy = content["ietf-mud:mud"].get(direction, {"access-lists": {"access-list": []}})
    return [entry["name"] for entry in policy["access-lists"]["access-list"]]


def _require_lists(content: dict[str, Any]) -> None:
    defined = [acl["name"] for acl in content["ietf-access-control-list:acls"]["acl"]]
    if len(set(defined)) < len(defined):
        raise MudError("two access lists have the same name")
    for direction in ("from-device-policy", "to-device-policy"):
        for name in _used(content, direction):
            if name not in defined:
                raise MudError(f"access list {name} is not defined")


def read(text: str) -> Allowed:
    """Return with whom a MUD file lets its device talk; raises MudError."""
    content = checked(text)
    acls = {acl["name"]: acl for acl in content["ietf-access-control-list:acls"]["acl"]}
    names: dict[str, None] = {}
    networks: dict[str, None] = {}
    local = 0
    for direction in ("from-device-policy", "to-device-policy"):
        for used in _used(content, direction):
            for ace in acls[used].get("aces", {"ace": []})["ace"]:
                name, found = _target(ace, direction)
                local += name is None and not found
                names |= {} if name is None else {name: None}
                networks |= dict.fromkeys(found)
    if len(names) + len(networks) > MAX_TARGETS:
        raise MudError(f"more than {MAX_TARGETS} names and networks")
    if any(network in ANYTHING for network in networks):
        raise MudError("it allows everything")
    return Allowed(content["ietf-mud:mud"]["mud-url"], tuple(names), tuple(networks), local)


def _target(ace: dict[str, Any], direction: str) -> tuple[str | None, list[str]]:
    """Return the name or the networks of an entry; neither where it is about the local network."""
    if ace["actions"]["forwarding"] != "accept":
        raise MudError(f"entry {ace['name']} does not accept; only lists of what is allowed can be read")
    if "ietf-mud:mud" in ace["matches"]:
        return None, []
    match = {**ace["matches"].get("ipv4", {}), **ace["matches"].get("ipv6", {})}
    side, end = ("dst", "destination") if direction == "from-device-policy" else ("src", "source")
    name: str | None = match.get(f"ietf-acldns:{side}-dnsname")
    found = [match[key] for family in "46" if (key := f"{end}-ipv{family}-network") in match]
    if name is None and not found:
        raise MudError(f"entry {ace['name']} names nobody")
    return name, [] if name is not None else found

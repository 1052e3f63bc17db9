"""What may stand in the configuration file, and how its errors are told."""

import difflib
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from gateway_agent.wire.messages import GATEWAY
from gateway_agent.wire.policy import Network
from gateway_agent.wire.strict_json import shown

_INTERFACE: Final = re.compile(r"[^\s/:\x00-\x1f]{1,15}")  # IFNAMSIZ - 1, see dev_valid_name() in Linux
_PREFIX: Final = re.compile(r"(?!/)[^\x00-\x1f+#]{1,64}(?<!/)")
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]{1,255}")
_UNKNOWN: Final = "extra keys not allowed"


def _text(pattern: str | re.Pattern[str], what: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def validate(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise vol.Invalid(what)
        return value

    return validate


def _number(low: float, high: float, what: str, *, whole: bool = True) -> Callable[[object], Any]:
    def validate(value: object) -> Any:  # noqa: ANN401 (int or float, as it was)
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise vol.Invalid(f"{what} from {low} to {high}")
        return value

    return validate


def _file(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise vol.Invalid("an absolute path")
    return Path(value)


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise vol.Invalid('a network like "192.168.8.0/24", without host bits') from None


def _host(value: object) -> str:
    host = _text(_HOST, "a host name or address")(value)
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise vol.Invalid("a host name or address; the port goes to mqtt.port") from None
    return host


_TLS: Final = vol.Schema(
    {vol.Optional("ca"): _file, vol.Optional("certificate"): _file, vol.Optional("key"): _file}
)
_MQTT: Final = vol.Schema(
    {
        vol.Optional("host"): _host,
        vol.Optional("port"): _number(1, 65_535, "a port"),
        vol.Optional("socket"): _file,
        vol.Optional("username"): _text(r"[^\x00]{1,256}", "a user name"),
        vol.Optional("password"): _text(r"(?s).{1,4096}", "a password in quotes"),
        vol.Optional("password_file"): _file,
        vol.Optional("prefix", default="spin"): _text(
            _PREFIX, "a topic without + and #, and without / at its ends"
        ),
        vol.Optional("tls"): _TLS,
    }
)
_LAN: Final = vol.Schema(
    {
        vol.Optional("interfaces", default=list): [_text(_INTERFACE, 'an interface name like "br-lan"')],
        vol.Optional("networks", default=list): [_network],
    }
)
_LIMITS: Final = vol.Schema(
    {
        vol.Optional("devices", default=256): _number(1, 4096, "a number"),
        vol.Optional("destinations_per_device", default=1024): _number(16, 65_536, "a number"),
        vol.Optional("destinations", default=16_384): _number(16, 1_048_576, "a number"),
    }
)
_FILE: Final = vol.Schema(
    {
        vol.Optional("gateway", default="home"): _text(GATEWAY, "1 to 32 of a-z, 0-9, _ and -"),
        vol.Optional("name", default="Home gateway"): _text(r"[^\x00-\x1f\x7f]{1,64}", "1 to 64 characters"),
        vol.Optional("interval", default=5): _number(1, 300, "seconds", whole=False),
        vol.Optional("state_directory"): _file,
        vol.Optional("runtime_directory"): _file,
        vol.Optional("lease_file"): _file,
        vol.Optional("mqtt", default=dict): _MQTT,
        vol.Optional("lan", default=dict): _LAN,
        vol.Optional("limits", default=dict): _LIMITS,
    }
)
_TABLES: Final = {(): _FILE, ("mqtt",): _MQTT, ("mqtt", "tls"): _TLS, ("lan",): _LAN, ("limits",): _LIMITS}


def check(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with their defaults; raise vol.Invalid for what is not understood."""
    checked: dict[str, Any] = _FILE(values)
    return checked


def explain(error: vol.Invalid) -> str:
    """Return the first error as `key: what to write there instead`."""
    first = error.errors[0] if isinstance(error, vol.MultipleInvalid) else error
    path = [str(step) for step in first.path]
    reason = str(first.error_message)
    if reason == _UNKNOWN:
        return f"{_shown_path(path)}: there is no such key{_similar(path)}"
    if reason == "expected a dictionary":
        reason = f"write a table, [{'.'.join(path)}]"
    elif reason == "expected a list":
        reason = 'write a list, ["…"]'
    return f"{_shown_path(path)}: {reason}"


def _shown_path(path: list[str]) -> str:
    steps = (
        f".{step}" if step.isidentifier() else f"[{step if step.isdigit() else shown(step)}]" for step in path
    )
    return "".join(steps).removeprefix(".")


def _similar(path: list[str]) -> str:
    table = _TABLES.get(tuple(path[:-1]))
    known = [str(key) for key in table.schema] if table is not None else []
    close = difflib.get_close_matches(path[-1], known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"

"""The agent's configuration: a TOML file, checked as a whole; every error names file, key and remedy."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from gateway_agent import config_schema
from gateway_agent.ledger.ledger import Limits
from gateway_agent.wire.policy import Network

DEFAULT_PATH: Final = Path("/etc/spin-gateway-agent.toml")
_MAX_FILE: Final = 1024 * 1024
_MAX_PASSWORD: Final = 4096


class ConfigError(Exception):
    """The configuration cannot be used; the text names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption towards the broker; without `ca` the system's certificate authorities are trusted."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who the agent is there; `socket` is a Unix socket instead of host and port."""

    host: str = "localhost"
    port: int = 1883
    socket: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "spin"
    tls: Tls | None = None

    @property
    def place(self) -> str:
        """Where the broker is, for people."""
        if self.socket is not None:
            return str(self.socket)
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LanOverride:
    """LAN interfaces and networks, where those found by themselves are not right."""

    interfaces: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured. Times in seconds."""

    gateway: str
    name: str
    interval: float
    state_directory: Path
    runtime_directory: Path
    lease_file: Path | None
    mqtt: Broker
    lan: LanOverride
    limits: Limits


def load(path: Path | None) -> Config:
    """Return the configuration of a file; without `path` that of the default place, or the defaults.

    Raises:
        ConfigError: the file cannot be read or used.
    """
    if path is None:
        if not DEFAULT_PATH.exists():
            return defaults()
        path = DEFAULT_PATH
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: name a file that the agent may read") from error
    if len(content) > _MAX_FILE:
        raise ConfigError(f"{path}: larger than {_MAX_FILE} bytes: this is no configuration")
    try:
        return parse(content.decode(), path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8") from error


def defaults() -> Config:
    """Return the configuration of an empty file."""
    return parse("", DEFAULT_PATH)


def parse(text: str, path: Path) -> Config:
    """Return the configuration of a TOML text; `path` is named in errors."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not TOML: nested too deeply") from error
    except ValueError as error:
        raise ConfigError(f"{path}: a number of too many digits") from error
    try:
        return _config(config_schema.check(values))
    except vol.Invalid as error:
        raise ConfigError(f"{path}: {config_schema.explain(error)}") from error


def _config(keys: dict[str, Any]) -> Config:
    return Config(
        **{key: keys[key] for key in ("gateway", "name", "interval")},
        lease_file=keys.get("lease_file"),
        state_directory=keys.get("state_directory") or _directory("STATE_DIRECTORY", "/var/lib"),
        runtime_directory=keys.get("runtime_directory") or _directory("RUNTIME_DIRECTORY", "/run"),
        mqtt=_broker(keys["mqtt"]),
        lan=LanOverride(tuple(keys["lan"]["interfaces"]), tuple(keys["lan"]["networks"])),
        limits=Limits(**keys["limits"]),
    )


def _directory(variable: str, parent: str) -> Path:
    """Return the folder that systemd made, else the usual one."""
    given = os.environ.get(variable, "").split(":")[0]
    return Path(given) if given else Path(parent) / "spin-gateway-agent"


def _broker(keys: dict[str, Any]) -> Broker:
    if "socket" in keys and not keys.keys().isdisjoint(("host", "port", "tls")):
        raise vol.Invalid("give either a socket or host, port and tls", ["mqtt", "socket"])
    if "password" in keys and "password_file" in keys:
        raise vol.Invalid("give either password or password_file", ["mqtt", "password_file"])
    if "password_file" in keys:
        keys["password"] = _password(keys.pop("password_file"))
    if "password" in keys and "username" not in keys:
        raise vol.Invalid("a password needs a user name beside it", ["mqtt", "username"])
    if "tls" in keys:
        if ("certificate" in keys["tls"]) != ("key" in keys["tls"]):
            raise vol.Invalid("certificate and key belong together", ["mqtt", "tls"])
        keys["tls"] = Tls(**keys["tls"])
        keys.setdefault("port", 8883)
    return Broker(**keys)


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_PASSWORD).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise vol.Invalid(
            f"{path}: {reason}: name a file that the agent may read", ["mqtt", "password_file"]
        ) from None

"""The policy on disk, with the addresses that its names resolved to: what holds from boot."""

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from gateway_agent.wire.policy import Policy, PolicyError, Resolved, mac_address, policy_from, policy_to_wire
from gateway_agent.wire.strict_json import JsonError, decode, encode

_LOG = logging.getLogger(__name__)
_MAX_FILE: Final = 16 * 1024 * 1024
_FORMAT: Final = 1
_ADDRESS_SIZES: Final = (4, 16)


class StoreError(Exception):
    """The policy could not be written; the text says where and why."""


class PolicyStore:
    """Keeps one policy in one file: written whole or not at all, and set aside if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lost: str | None = None
        """Why the file could not be read, if that is so."""

    def load(self) -> tuple[Policy | None, list[Resolved]]:
        """Return the stored policy and resolved addresses; (None, []) where none can be read."""
        try:
            with self._path.open("rb") as file:
                return _parse(file.read(_MAX_FILE + 1))
        except FileNotFoundError:
            return None, []
        except OSError as error:
            self._set_aside(error.strerror or str(error))
        except (JsonError, PolicyError, vol.Invalid) as error:
            self._set_aside(str(error))
        return None, []

    def save(self, policy: Policy, resolved: Iterable[Resolved]) -> None:
        """Replace the file; after a crash or power cut either the old or the new one is there.

        Raises:
            StoreError: the folder cannot be written.
        """
        content = encode(
            {"format": _FORMAT, "policy": policy_to_wire(policy), "resolved": _to_json(resolved)}
        )
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 (takes the descriptor)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
            self._sync_folder()
        except OSError as error:
            raise StoreError(
                f"{self._path}: {error.strerror}: the policy will not survive a restart"
            ) from error
        self.lost = None

    def remove(self) -> None:
        """Remove the file and what was set aside."""
        for path in (self._path, self._path.with_suffix(".new"), self._path.with_suffix(".unreadable")):
            path.unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _set_aside(self, reason: str) -> None:
        aside = self._path.with_suffix(".unreadable")
        self.lost = f"{self._path} could not be read ({reason})"
        with contextlib.suppress(OSError):
            self._path.replace(aside)
            self.lost += f" and was set aside as {aside.name}"
        _LOG.error("policy_lost %s: blocks hold again when the broker sends the policy", self.lost)


def _to_json(resolved: Iterable[Resolved]) -> list[list[Any]]:
    return [[entry.mac, entry.name, entry.address.hex(), entry.until] for entry in resolved]


def _address(value: object) -> bytes:
    try:
        address = bytes.fromhex(value if isinstance(value, str) else "")
    except ValueError:
        address = b""
    if len(address) not in _ADDRESS_SIZES:
        raise vol.Invalid("not an address")
    return address


def _resolved(value: object) -> Resolved:
    mac, name, address, until = vol.Schema(
        vol.ExactSequence([mac_address, str, _address, vol.Any(int, float)])
    )(value)
    return Resolved(mac, name, address, until)


_FILE = vol.Schema({"format": _FORMAT, "policy": policy_from, "resolved": [_resolved]}, required=True)


def _parse(content: bytes) -> tuple[Policy, list[Resolved]]:
    file = _FILE(decode(content, _MAX_FILE))
    return file["policy"], file["resolved"]

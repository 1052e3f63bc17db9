"""Says what is missing on this gateway, and how to mend it."""

import asyncio
import ipaddress
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from gateway_agent.config import DEFAULT_PATH, Broker, Config, ConfigError, load
from gateway_agent.instance import is_claimed
from gateway_agent.kernel import nft, ruleset
from gateway_agent.kernel.interfaces import find_lan
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.table import Table, accounting
from gateway_agent.kernel_platform import ACCOUNTING_OFF, NO_LAN, OFFLOAD
from gateway_agent.mqtt.visit import VisitError, passes, retained, visit
from gateway_agent.wire.messages import ONLINE


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    FAULT = "FAULT"


class Finding(NamedTuple):
    """One line of the report."""

    verdict: Verdict
    subject: str
    text: str


_CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}  # include/uapi/linux/capability.h
_BROKER_SECONDS: Final = 30.0


def check(path: Path | None) -> int:
    """Print a line for each thing that was looked at; return 1 if anything keeps the agent from its job."""
    worst = 0
    for finding in _findings(path):
        sys.stdout.write(f"{finding.verdict:5} {finding.subject}: {finding.text}\n")
        sys.stdout.flush()
        worst |= finding.verdict is Verdict.FAULT
    return worst


def _findings(path: Path | None) -> Iterator[Finding]:
    try:
        config = load(path)
    except ConfigError as error:
        yield Finding(Verdict.FAULT, "configuration", str(error))
        return
    yield _configuration(path, config)
    yield _state(config)
    yield from _kernel(config)
    yield _encryption(config.mqtt)
    yield from asyncio.run(_broker(config))


def _configuration(path: Path | None, config: Config) -> Finding:
    place = path or DEFAULT_PATH
    if not place.exists():
        return Finding(Verdict.NOTE, "configuration", f"no {place}: the defaults hold")
    if config.mqtt.password is not None and place.stat().st_mode & stat.S_IROTH:
        text = f"{place} may hold a password and everybody here can read it: chmod o= {place}"
        return Finding(Verdict.NOTE, "configuration", text)
    return Finding(Verdict.OK, "configuration", str(place))


def _state(config: Config) -> Finding:
    folder = config.state_directory
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        text = f"{existing} is not writable for this user: the policy would not survive a restart"
        return Finding(Verdict.FAULT, "state", text)
    return Finding(Verdict.OK, "state", f"{folder} is writable")


def _kernel(config: Config) -> Iterator[Finding]:
    missing = _missing_rights()
    if missing:
        text = f"{' and '.join(missing)} missing: run as root, or as in the systemd unit"
        yield Finding(Verdict.FAULT, "rights", text)
        return
    yield Finding(Verdict.OK, "rights", " and ".join(_CAPABILITIES))
    yield from _tables()
    if accounting():
        yield Finding(Verdict.OK, "accounting", "conntrack counts packets")
    else:
        yield Finding(Verdict.FAULT, "accounting", ACCOUNTING_OFF)
    yield _lan(config)
    yield _forwarding()


def _missing_rights() -> list[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]


def _tables() -> Iterator[Finding]:
    try:
        empty = _try_rules()
        table = Table()
        try:
            offload = table.offload()
        finally:
            table.close()
    except TableError as error:
        yield Finding(Verdict.FAULT, "nftables", str(error))
        return
    if empty:
        yield Finding(Verdict.OK, "nftables", "knows everything that the rules use")
    else:
        text = "cannot look into TCP payload (Linux 5.16, nft 1.0.1): empty connections are not counted"
        yield Finding(Verdict.NOTE, "nftables", text)
    if offload:
        yield Finding(Verdict.FAULT, "flow offload", OFFLOAD)


def _try_rules() -> bool:
    """Have nft and the kernel try the rules without keeping them; return whether all are known."""
    for empty in (True, False):
        try:
            nft.run(f"table inet spin_check {{\n{ruleset.text(empty=empty)}}}\n", dry=True)
        except nft.RefusedError:
            if not empty:
                raise
        else:
            return empty
    return False


def _lan(config: Config) -> Finding:
    lan = find_lan(config.lan.interfaces, config.lan.networks)
    if not lan.interfaces:
        return Finding(Verdict.FAULT, "LAN", NO_LAN)
    present = {name for _, name in socket.if_nameindex()}
    missing = [name for name in lan.interfaces if name not in present]
    if missing:
        text = f"no interface {', '.join(missing)}: mend [lan] interfaces, or leave it out"
        return Finding(Verdict.FAULT, "LAN", text)
    networks = ", ".join(map(str, lan.networks)) or "no network"
    return Finding(Verdict.OK, "LAN", f"{', '.join(lan.interfaces)} with {networks}")


def _forwarding() -> Finding:
    keys = {"IPv4": "ipv4/ip_forward", "IPv6": "ipv6/conf/all/forwarding"}
    on = [name for name, key in keys.items() if _sysctl(key) != "0"]
    if not on:
        text = "this machine forwards nothing, so there is nothing to see: is it the gateway?"
        return Finding(Verdict.FAULT, "forwarding", text)
    return Finding(Verdict.OK, "forwarding", " and ".join(on))


def _sysctl(key: str) -> str:
    try:
        return Path("/proc/sys/net", key).read_text().strip()
    except OSError:
        return "0"


def _encryption(broker: Broker) -> Finding:
    if broker.tls is not None:
        return Finding(Verdict.OK, "encryption", "TLS")
    if broker.socket is not None or _is_here(broker.host):
        return Finding(Verdict.OK, "encryption", "not needed: the broker is on this machine")
    text = f"what your devices do goes to {broker.place} unencrypted, with the password: add [mqtt.tls]"
    return Finding(Verdict.NOTE, "encryption", text)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _broker(config: Config) -> list[Finding]:
    root = f"{config.mqtt.prefix}/{config.gateway}"
    try:
        async with asyncio.timeout(_BROKER_SECONDS), visit(config.mqtt) as client:
            found = [Finding(Verdict.OK, "broker", f"{config.mqtt.place} lets the agent in")]
            if not await passes(client, f"{root}/reply/check"):
                text = (
                    f"does not pass on what this user writes to {root}/…: allow it to read and write {root}/#"
                )
                return [*found, Finding(Verdict.FAULT, "broker", text)]
            return [*found, _gateway(root, await retained(client, root))]
    except VisitError as error:
        return [Finding(Verdict.FAULT, "broker", str(error))]
    except TimeoutError:
        return [Finding(Verdict.FAULT, "broker", f"{config.mqtt.place} takes too long to answer")]


def _gateway(root: str, messages: dict[str, bytes]) -> Finding:
    running = is_claimed()
    try:
        problems = [problem["code"] for problem in json.loads(messages.get("info", b"{}"))["problems"]]
    except (ValueError, KeyError, TypeError):
        problems = []
    elsewhere = not running and messages.get("status") == ONLINE
    if elsewhere or "duplicate_gateway" in problems:
        text = f"another agent publishes below {root}: give each its own `gateway`"
        return Finding(Verdict.FAULT, "gateway id", text)
    state = "the agent runs" if running else "the agent does not run at present"
    return Finding(Verdict.OK, "gateway id", f"{root} is this gateway's; {state}")

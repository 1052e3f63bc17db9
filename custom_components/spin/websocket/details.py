"""The evidence on one device and one destination: all that is known of the pair."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from homeassistant.core import HomeAssistant, callback

from ..device import Device
from ..hosts import Host
from ..judgement.outages import Service
from ..models import Flows, Row, RowCounters, Rule
from ..rules import BLOCK
from ..sharing import shared_addresses
from . import flags as flag
from . import text
from .block import block_of_hosts
from .desk import Desk, desks
from .lookup import NotFoundError
from .reasons import Pair, reasons_of, service_of, total
from .rows import fields_of, flags_of

MAX_ROWS = 50
MAX_SHARES = 20
MAX_RAW_ROWS = 50


@dataclass(frozen=True, slots=True)
class About:
    """What is asked for: a group, or one host of it."""

    group: str
    service: Service | None = None


@callback
def details(desk: Desk, device: Device, about: About, window: str, now: float) -> dict[str, Any]:
    """Return what is known.

    Raises:
        NotFoundError: the device is not known to talk to this
    """
    destinations = [each for each in device.destinations if each.key.group == about.group]
    group = [(destination, host) for destination in destinations for host in destination.each]
    pairs = [pair for pair in group if about.service in {None, service_of(pair)}]
    if not pairs:
        raise NotFoundError("the device is not known to talk to this")
    hosts = tuple(host for _, host in pairs)
    also = _others(desk.coordinator.hass, device, about.group)
    in_window = total(host.window(window, now) for host in hosts)
    flags = _flags(desk, device, pairs)
    names = {host.name: None for _, host in group if host.named}
    time_sync = desk.coordinator.study.record(device.mac).time_sync
    return {
        "device": desk.device_id(device),
        "device_name": desk.name(device),
        "group": text.host(about.group),
        **({} if about.service is None else about.service._asdict()),
        "flags": flags if any(in_window) else flags | flag.QUIET,
        "block": block_of_hosts(desk, device, hosts),
        "at": round(now, 3),
        "first": min(host.first for host in hosts),
        "last": max(host.last for host in hosts),
        "looked_up": _looked_up(device, hosts),
        "name_source": next((host.name_source for host in hosts if host.name_source), None),
        "window": _counts(in_window),
        "total": _counts(total(host.counters for host in hosts)),
        "evidence": reasons_of(device, time_sync, pairs, only_device=not also),
        "names": [text.host(name) for name in names][:MAX_ROWS],
        "addresses": _addresses(hosts),
        "hosts": [] if about.service else list(_hosts(desk, device, pairs[:MAX_ROWS], window, now)),
        "also": [[theirs.device_id(other), theirs.name(other)] for theirs, other in also[:MAX_ROWS]],
        "shares": _shares(device, about, group, [theirs.name(other) for theirs, other in also]),
        "topic": f"{desk.topic}/device/{device.mac}/flows",
        "raw": _raw(device.last_message, hosts),
    }


def _flags(desk: Desk, device: Device, pairs: Sequence[Pair]) -> int:
    """Return the flags of all hosts together: blocked are they only if each of them is."""
    standing = desk.standing(device)
    every = [flags_of(standing, *pair) for pair in pairs]
    found = 0
    for each in every:
        found |= each
    if found & flag.BLOCKED and not all(each & flag.BLOCKED for each in every):
        found = found & ~flag.BLOCKED | flag.PARTLY
    return found


def _looked_up(device: Device, hosts: Iterable[Host]) -> float | None:
    return max((device.lookups[host.name] for host in hosts if host.name in device.lookups), default=None)


def _counts(counters: RowCounters) -> dict[str, int]:
    return {
        "sent": counters.sent_bytes,
        "received": counters.received_bytes,
        "connections": counters.connections,
        "unanswered": counters.unanswered,
        "empty": counters.empty,
        "blocked": counters.blocked,
    }


def _addresses(hosts: Iterable[Host]) -> list[list[Any]]:
    found = [(address, counted) for host in hosts for address, counted in host.addresses.items()]
    found.sort(key=lambda each: each[1].last, reverse=True)
    return [
        [
            address,
            counted.counters.sent_bytes,
            counted.counters.received_bytes,
            counted.counters.connections,
            counted.counters.unanswered,
            counted.counters.blocked,
            counted.first,
            counted.last,
        ]
        for address, counted in found[:MAX_ROWS]
    ]


def _hosts(desk: Desk, device: Device, pairs: Iterable[Pair], window: str, now: float) -> Iterator[list[Any]]:
    standing = desk.standing(device)
    for pair in pairs:
        yield fields_of(*pair, flags_of(standing, *pair), window, now)


def _others(hass: HomeAssistant, device: Device, group: str) -> list[tuple[Desk, Device]]:
    """Return the other devices that talk to a group."""
    return [
        (desk, other)
        for desk in desks(hass)
        for other in desk.coordinator.devices.values()
        if other is not device and any(each.key.group == group for each in other.destinations)
    ]


def _shares(device: Device, about: About, group: Sequence[Pair], also: Sequence[str]) -> dict[str, list[str]]:
    """Return what a block hits besides, and who keeps access."""
    target = about.service.host if about.service else about.group
    named = any(host.named for _, host in group)
    rule = Rule(BLOCK, name=target) if named else Rule(BLOCK, address=target)
    names, _ = shared_addresses(rule, [device], [])
    return {"names": [text.host(name) for name in names[:MAX_SHARES]], "devices": list(also[:MAX_SHARES])}


def _raw(message: Flows | None, hosts: Iterable[Host]) -> dict[str, Any] | None:
    """Return the last message on the device's traffic, with only the rows of these hosts."""
    if message is None:
        return None
    names = {host.name for host in hosts}
    rows = [row for row in message.rows if (row.name or row.address) in names]
    return {
        "epoch": message.epoch,
        "seq": message.seq,
        "start": message.start,
        "end": message.end,
        "snapshot": message.snapshot,
        "counters": message.counters._asdict(),
        "destinations": [_raw_row(row) for row in rows[:MAX_RAW_ROWS]],
    }


def _raw_row(row: Row) -> dict[str, Any]:
    fields = row._asdict()
    return {**{key: value for key, value in fields.items() if key != "counters"}, **row.counters._asdict()}

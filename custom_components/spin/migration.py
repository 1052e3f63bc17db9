"""Brings what earlier versions stored into the present form."""

from collections import defaultdict
from typing import Any

from .const import MAX_ADDRESSES_PER_HOST, MAX_HOSTS_PER_DESTINATION
from .destinations import Group
from .hosts import LEARNED

type _Row = list[Any]


def from_version_1(stored: dict[str, Any], group: Group) -> dict[str, Any]:
    """Migrate from version 1: counters per destination and per row, names and addresses as bare texts.

    Raises:
        AttributeError, IndexError, KeyError, TypeError, ValueError: it is not what was stored
    """
    devices = {}
    for mac, device in stored["devices"].items():
        devices[mac] = _device(mac, device, group) if isinstance(device, dict) else device
    return {"heard": stored["heard"], "devices": devices}


def _device(mac: str, device: dict[str, Any], group: Group) -> dict[str, Any]:
    """Migrate a device; what is no device stays as it is, to be found out when it is restored."""
    if not {"destinations", "hostname", "totals", "learning"} <= device.keys():
        return device
    old = device["destinations"]
    rows = defaultdict(list)
    for row in old["rows"]:
        name, address, protocol, port = row[:4]
        rows[address if name is None else group(name), protocol, port].append(row)
    known = [
        _destination(mac, old["epoch"], destination, rows[tuple(destination[:3])])
        for destination in old["known"]
    ]
    return {
        "interfaces": {mac: {"hostname": device["hostname"], "totals": device["totals"]}},
        "first_seen": device["first_seen"],
        "last_seen": device["last_seen"],
        "learning": {"length": None, "ended_by": None, **device["learning"]},
        "destinations": {
            "known": known,
            "sources": {mac: [old["epoch"], old["horizon"]]} if old["epoch"] is not None else {},
        },
        "journal": [],
        "rings": None,
    }


def _destination(mac: str, epoch: str, destination: list[Any], rows: list[_Row]) -> list[Any]:
    key, (first, last, verdict, source, counters, names, addresses) = destination[:3], destination[3:]

    def host(name: str, remotes: list[Any], *, named: bool) -> list[Any]:
        return [name, named, source, verdict, verdict == LEARNED, first, last, [], "", remotes]

    by_host: dict[str, list[_Row]] = {}
    for row in rows:
        by_host.setdefault(row[0] or row[1], []).append(row)
    known = list(names) or list(addresses) or [key[0]]
    hosts, counted = [], [0] * len(counters)
    for name in [*by_host, *(name for name in known if name not in by_host)][-MAX_HOSTS_PER_DESTINATION:]:
        remotes = []
        for _, address, _, _, instance, *seen in by_host.get(name, [])[-MAX_ADDRESSES_PER_HOST:]:
            remotes.append([mac, address, epoch, instance, first, last, seen, []])
            counted = [one + other for one, other in zip(counted, seen, strict=True)]
        hosts.append(host(name, remotes, named=bool(names)))
    # What earlier epochs counted is known only as a sum.
    rest = host("", [], named=False)
    rest[7] = [max(0, total - part) for total, part in zip(counters, counted, strict=True)]
    return [*key, first, hosts, rest if any(rest[7]) else None]

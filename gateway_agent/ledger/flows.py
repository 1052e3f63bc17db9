"""A device's messages of the wire contract: its identity and sums, and its flows in parts.

The JSON of flows is put together by hand, because it is most of what the agent sends.
"""

import ipaddress
import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final, NamedTuple

from gateway_agent.ledger.device import Counters, Device, Lookup, Omitted, Row
from gateway_agent.model import Address
from gateway_agent.wire.messages import Message
from gateway_agent.wire.strict_json import MAX_MESSAGE, encode

# Keywords of IANA's protocol numbers in lower case; a number without one here is shown as a number.
PROTOCOLS: Final = {
    1: "icmp",
    2: "igmp",
    4: "ipv4",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
}

_ROOM: Final = MAX_MESSAGE - 1024  # the rest of a message is around its rows and lookups
_IPV4_SIZE: Final = 4
REQUESTS_AT_ONCE: Final = 64
_quoted = json.encoder.encode_basestring_ascii


class _Part(NamedTuple):
    rows: list[str]
    lookups: list[str]


def address_text(address: Address) -> str:
    """Return a packed address in its usual form (RFC 5952 for IPv6)."""
    if len(address) == _IPV4_SIZE:
        return "{}.{}.{}.{}".format(*address)
    if address.startswith(bytes(10)):
        return str(ipaddress.IPv6Address(address))  # where inet_ntop would mix in dotted notation
    return socket.inet_ntop(socket.AF_INET6, address)


def device_message(device: Device, epoch: str) -> Message:
    """Return who the device is, and its sums."""
    payload = {
        "mac": device.mac,
        "addresses": [
            address_text(address) for address in sorted(device.addresses, key=lambda a: (len(a), a))
        ],
        "hostname": device.hostname,
        "vendor_class": device.vendor_class,
        "first_seen": round(device.first_seen, 3),
        "last_seen": round(device.last_seen, 3),
        "epoch": epoch,
        "counters": asdict(device.counters),
    }
    return Message(f"device/{device.mac}", encode(payload), retain=True)


def flows_messages(  # noqa: PLR0913 (the message has these)
    device: Device, epoch: str, start: float, end: float, *, snapshot: bool, settled: float
) -> list[Message]:
    """Return what changed since the last call, or with `snapshot` everything, in parts; [] where nothing did.

    Lookups that began after `settled` are held back, because their traffic may still follow. What is
    returned counts as sent.
    """
    rows = list((device.rows if snapshot else device.changed).values())
    lookups = [
        (name, lookup)
        for name, lookup in device.lookups.items()
        if lookup.first <= settled and (snapshot or lookup.changed)
    ]
    if not (rows or lookups or device.sums_changed or snapshot):
        return []
    parts = list(_parts([_row(row) for row in rows], [_lookup(*lookup) for lookup in lookups]))
    parts += _more_requests(rows)
    counters, omitted = _counters(device.counters), _omitted(device.omitted)
    hosts, ports = device.fanout.take()
    flag = "true" if snapshot else "false"
    messages = []
    for number, part in enumerate(parts, 1):
        device.seq += 1
        last = number == len(parts)
        payload = (
            f'{{"epoch":"{epoch}","seq":{device.seq},"start":{start:.3f},"end":{end:.3f},"snapshot":{flag},'
            f'"more":{"false" if last else "true"},"counters":{counters},'
            f'"destinations":[{",".join(part.rows)}],"lookups":[{",".join(part.lookups)}],'
            f'"fanout":{{"hosts":{hosts if last else 0},"ports":{ports if last else 0}}},'
            f'"omitted":{omitted}}}'
        )
        messages.append(Message(f"device/{device.mac}/flows", payload.encode("ascii")))
    for row in rows:
        row.requests = []
        row.told = True
    for _, lookup in lookups:
        lookup.changed = False
    device.changed, device.sums_changed = {}, False
    return messages


def _parts(rows: list[str], lookups: list[str]) -> Iterator[_Part]:
    part, room = _Part([], []), _ROOM
    for texts, kind in ((rows, 0), (lookups, 1)):
        for text in texts:
            if room < len(text) + 1:
                yield part
                part, room = _Part([], []), _ROOM
            part[kind].append(text)
            room -= len(text) + 1
    yield part


def _more_requests(rows: list[Row]) -> Iterator[_Part]:
    """Yield parts that repeat the rows with more requests than one part may tell."""
    most = max((len(row.requests) for row in rows), default=0)
    for start in range(REQUESTS_AT_ONCE, most, REQUESTS_AT_ONCE):
        yield from _parts([_row(row, start) for row in rows if len(row.requests) > start], [])


def _row(row: Row, start: int = 0) -> str:
    address, protocol, port, name = row.key
    told = row.requests[start : start + REQUESTS_AT_ONCE]
    requests = ",".join([f"{at:.3f}" for at in told]) if told else ""
    keyword = PROTOCOLS.get(protocol)
    return (
        f'{{"name":{"null" if name is None else _quoted(name)},'
        f'"name_source":{"null" if row.source is None else _quoted(row.source)},'
        f'"address":"{address_text(address)}","protocol":"{keyword or protocol}","port":{port},'
        f'"local":{"true" if row.local else "false"},"first":{row.first:.3f},"last":{row.last:.3f},'
        f'"sent_bytes":{row.sent_bytes},"received_bytes":{row.received_bytes},'
        f'"sent_packets":{row.sent_packets},"received_packets":{row.received_packets},'
        f'"connections":{row.connections},"unanswered":{row.unanswered},"blocked":{row.blocked},'
        f'"empty":{row.empty},"requests":[{requests}]}}'
    )


def _lookup(name: str, lookup: Lookup) -> str:
    answered = "true" if lookup.answered else "false"
    return f'{{"name":{_quoted(name)},"answered":{answered},"count":{lookup.count},"last":{lookup.last:.3f}}}'


def _counters(counters: Counters) -> str:
    return (
        f'{{"sent_bytes":{counters.sent_bytes},"received_bytes":{counters.received_bytes},'
        f'"sent_packets":{counters.sent_packets},"received_packets":{counters.received_packets},'
        f'"connections":{counters.connections},"unanswered":{counters.unanswered},"blocked":{counters.blocked}}}'
    )


def _omitted(omitted: Omitted) -> str:
    return (
        f'{{"destinations":{omitted.destinations},"sent_bytes":{omitted.sent_bytes},'
        f'"received_bytes":{omitted.received_bytes}}}'
    )

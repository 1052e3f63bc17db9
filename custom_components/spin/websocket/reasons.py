"""What the evidence on a device and its hosts says, in codes; the words are the reader's."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..destination import Destination
from ..device import Device
from ..hosts import ALLOWED, LEARNED, NEW, Host
from ..judgement.outages import Service
from ..models import RowCounters
from ..study.connectivity import PROBES
from ..study.time_sync import TimeSync
from ..windows import NOTHING

type Reason = dict[str, Any]
type Pair = tuple[Destination, Host]

# DNS, and DNS over TLS.
_NAME_SERVICES = {53, 853}
# A change of behaviour is put down to an update of so short ago, in seconds.
FIRMWARE_WINDOW = 86_400.0


def service_of(pair: Pair) -> Service:
    """Return the service that a pair is about."""
    destination, host = pair
    return Service(host.name, destination.key.protocol, destination.key.port)


def total(counters: Iterable[RowCounters]) -> RowCounters:
    """Add counters up."""
    return RowCounters._make(map(sum, zip(NOTHING, *counters, strict=True)))


def reasons_of(
    device: Device, time_sync: TimeSync, pairs: Sequence[Pair], *, only_device: bool
) -> list[Reason]:
    """Return the reasons, strongest first.

    Args:
        device: the device
        time_sync: how it asks for the time
        pairs: its hosts that this is about
        only_device: whether no other device talks to them
    """
    counted = total(host.counters for _, host in pairs)
    return [
        *_of_alarms(device, pairs, counted),
        *_of_time(time_sync, pairs),
        *_of_names(pairs, only_device=only_device),
        *_of_learning(pairs),
    ]


def _of_alarms(device: Device, pairs: Sequence[Pair], counted: RowCounters) -> Iterator[Reason]:
    failing = device.judged.outages.out
    out = [failing[service] for pair in pairs if (service := service_of(pair)) in failing]
    if any(destination.key.port in _NAME_SERVICES for destination, _ in pairs):
        yield {"code": "dns_bypass"}
    if out:
        yield {"code": "unanswered", "since": min(out), "count": counted.unanswered}
    if counted.blocked:
        yield {"code": "refused", "count": counted.blocked}
    firmware = device.judged.firmware
    first = min(host.first for _, host in pairs)
    if firmware is not None and abs(first - firmware.at) <= FIRMWARE_WINDOW:
        yield {"code": "firmware_changed", "from": firmware.former, "to": firmware.version, "at": firmware.at}
    if 0 < counted.connections == counted.empty:
        yield {"code": "connectivity_check", "count": counted.empty}
    elif all(host.name in PROBES for _, host in pairs):
        yield {"code": "connectivity_probe"}
    names = [host.name for _, host in pairs if host.name in device.lookups]
    if names and not any(counted):
        yield {"code": "lookup_only", "count": len(names)}


def _of_time(time_sync: TimeSync, pairs: Sequence[Pair]) -> Iterator[Reason]:
    asked = time_sync.by_name()
    found = [asked[host.name][1] for _, host in pairs if host.name in asked]
    most = max(found, key=lambda figures: figures.requests, default=None)
    if most is not None and most.mean is not None and most.share is not None:
        yield {"code": "time_sync", "interval": round(most.mean, 1), "short": round(most.share, 3)}


def _of_names(pairs: Sequence[Pair], *, only_device: bool) -> Iterator[Reason]:
    hosts = [host for _, host in pairs]
    if not any(host.named for host in hosts):
        yield {"code": "no_name"}
    if any(host.name_source == "tls" for host in hosts):
        yield {"code": "tls_name"}
    if only_device:
        yield {"code": "only_device"}


def _of_learning(pairs: Sequence[Pair]) -> Iterator[Reason]:
    verdicts = {host.verdict for _, host in pairs}
    if NEW in verdicts or verdicts == {ALLOWED}:
        yield {"code": "after_learning"}
    elif LEARNED in verdicts:
        yield {"code": "while_learning"}

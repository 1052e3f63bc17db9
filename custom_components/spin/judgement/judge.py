"""Asks of each message on a device's traffic what in it is noteworthy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import evidence
from ..const import (
    EVENT_BEHAVIOUR_CHANGED,
    EVENT_BLOCKED_ATTEMPT,
    EVENT_CONNECTION_FAILED,
    EVENT_CONNECTION_RESTORED,
    EVENT_DNS_BYPASS,
    EVENT_FLOOD,
    EVENT_NEW_DESTINATION,
    EVENT_SCAN,
    EVENT_SUPPRESSED,
    MAX_NEWS,
)
from ..destinations import Grown, Key
from ..device import Device
from ..findings import Finding, Reason
from ..models import Flows, Row
from .bypass import is_name_service
from .judged import Firmware
from .outages import Service, Turn
from .scans import level
from .web import acquaintances

# A change of behaviour is put down to an update of so short ago, in seconds.
FIRMWARE_WINDOW = 86_400.0
# An update is often noticed only after the device has begun to behave differently.
NEWS_WINDOW = 3600.0
# Of the services that go out and come back, so many are told in an hour; all are in the journal.
MAX_TURNS = 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What judgement asks of the rest of the home.

    Args:
        is_blocked: whether the gateway keeps a device from a service
        others: the names of the other devices that talk to a destination
        failing: how many other devices have a service that is out
        blocks_new: whether what is new is to be blocked for a device
    """

    is_blocked: Callable[[Device, Row], bool]
    others: Callable[[Device, Key], Sequence[str]]
    failing: Callable[[Device], int]
    blocks_new: Callable[[Device], bool]


class Judge:
    """Judges the devices of one gateway."""

    def __init__(self, gateway: str, surroundings: Surroundings) -> None:
        """Judge by what the surroundings say."""
        self._gateway = gateway
        self._home = surroundings

    def flows(
        self, device: Device, flows: Flows, grown: Sequence[Grown], now: float, *, over: bool
    ) -> list[Finding]:
        """Return what is noteworthy in a message.

        Args:
            device: who did it
            flows: the message
            grown: its rows in which something is new
            now: the time by Home Assistant's clock
            over: whether the learning period is over
        """
        findings = [
            *self._news(device, [one for one in grown if one.new], now, over=over),
            *self._bypass(device, grown),
            *self._attempts(device, grown),
        ]
        if not flows.snapshot:
            # What a snapshot tells was spread over a time that nobody knows.
            findings += self._outages(device, flows, grown, now)
            findings += self._attacks(device, flows, grown)
        return findings

    def _news(self, device: Device, news: Sequence[Grown], now: float, *, over: bool) -> Iterable[Finding]:
        reopened = not over and _is_reopened(device)
        if not (over or reopened):
            return
        pending = {one.destination.key for one in news}
        for one in news:
            pending.discard(one.destination.key)
            friends = acquaintances(one.destination.key, device.destinations)
            if friend := next((other for other in friends if other.key not in pending), None):
                one.destination.verdict = friend.verdict
            else:
                yield from self._new(device, one, now, reopened=reopened)

    def _new(self, device: Device, one: Grown, now: float, *, reopened: bool) -> Iterable[Finding]:
        bursts = device.judged.bursts
        device.judged.news_at = now
        if not bursts.admit(EVENT_NEW_DESTINATION, MAX_NEWS, now):
            bursts.suppressed += 1
            if bursts.suppressed == 1:
                yield self._too_much(device, now)
            if self._home.blocks_new(device):
                yield Finding(EVENT_NEW_DESTINATION, device, one.destination, {}, (), told=False)
            return
        if suppressed := bursts.take_suppressed():
            yield self._too_much(device, now, suppressed)
        firmware = self._recent_firmware(device, now)
        kind = EVENT_BEHAVIOUR_CHANGED if reopened else EVENT_NEW_DESTINATION
        others = self._home.others(device, one.destination.key)
        reasons = self._reasons_of_news(device, one, others, firmware, reopened=reopened)
        data = evidence.new_destination(device, one, others)
        if firmware is not None:
            data |= {"firmware_from": firmware.former, "firmware_to": firmware.version}
        # What is learned has its entry in the journal already.
        yield self._finding(
            kind, device, one, data, reasons, mark=one.destination.first, journal=not reopened
        )
        if firmware is not None and not firmware.told:
            firmware.told = True
            if not reopened:
                yield self._finding(
                    EVENT_BEHAVIOUR_CHANGED, device, one, data, reasons, mark=firmware.at, journal=False
                )

    def _reasons_of_news(
        self,
        device: Device,
        one: Grown,
        others: Sequence[str],
        firmware: Firmware | None,
        *,
        reopened: bool,
    ) -> list[Reason]:
        row, counters = one.row, one.row.counters
        reasons = []
        if is_name_service(row):
            reasons.append(Reason("dns_bypass"))
        if row.name is None:
            reasons.append(Reason("no_name"))
        if firmware is not None:
            reasons.append(updated(firmware))
        reasons += _looks_for_internet(one)
        if counters.unanswered and not counters.received_bytes:
            reasons.append(Reason("unanswered", {"since": one.host.first, "count": counters.unanswered}))
        if counters.blocked:
            reasons.append(Reason("refused", {"count": counters.blocked}))
        if row.name_source == "tls":
            reasons.append(Reason("tls_name"))
        key = one.destination.key
        if any(other.key.group == key.group and other.key != key for other in device.destinations):
            reasons.append(Reason("new_service", {"destination": key.group}))
        reasons.append(Reason("while_learning") if reopened else Reason("after_learning"))
        if others:
            named = ", ".join(others[: evidence.MAX_NAMED_DEVICES])
            reasons.append(Reason("other_devices", {"names": named, "count": len(others)}))
        else:
            reasons.append(Reason("only_device"))
        return reasons

    def _too_much(self, device: Device, now: float, suppressed: int | None = None) -> Finding:
        reason = Reason("too_much") if suppressed is None else Reason("suppressed", {"count": suppressed})
        return Finding(
            EVENT_SUPPRESSED,
            device,
            None,
            {
                "id": evidence.identity(self._gateway, device.mac, EVENT_SUPPRESSED, now),
                "count": suppressed or 0,
            },
            (reason,),
        )

    def _bypass(self, device: Device, grown: Iterable[Grown]) -> Iterable[Finding]:
        if device.judged.dns_bypass:
            return
        for one in grown:
            if is_name_service(one.row):
                device.judged.dns_bypass = True
                yield self._finding(
                    EVENT_DNS_BYPASS, device, one, evidence.contact(one), [Reason("dns_bypass")], mark=0
                )
                return

    def _attempts(self, device: Device, grown: Iterable[Grown]) -> Iterable[Finding]:
        for one in grown:
            if not one.growth.blocked or not self._home.is_blocked(device, one.row):
                continue
            count = one.growth.blocked
            yield self._finding(
                EVENT_BLOCKED_ATTEMPT,
                device,
                one,
                {**evidence.contact(one), "count": count},
                [Reason("refused", {"count": count})],
                mark=one.row.last,
                count=count,
                told=device.judged.first_attempt(Service.of(one.row)),
            )

    def _outages(self, device: Device, flows: Flows, grown: Sequence[Grown], now: float) -> Iterable[Finding]:
        turns = device.judged.outages.take(
            grown, (flows.start, flows.end), now, lambda row: self._home.is_blocked(device, row)
        )
        for turn in turns:
            yield self._turn(device, turn, now)

    def _turn(self, device: Device, turn: Turn, now: float) -> Finding:
        one, failure = turn.shown_by, turn.failure
        kind = EVENT_CONNECTION_RESTORED if turn.restored else EVENT_CONNECTION_FAILED
        told = failure.worked and not turn.more and device.judged.bursts.admit(kind, MAX_TURNS, now)
        failing = self._home.failing(device)
        reasons = []
        if not turn.restored:
            reasons.append(Reason("unanswered", {"since": failure.since, "count": failure.attempts}))
            if failing:
                reasons.append(Reason("others_fail", {"count": failing}))
        return self._finding(
            kind,
            device,
            one,
            {
                **evidence.contact(one),
                "since": evidence.iso(failure.since),
                "attempts": failure.attempts,
                "other_devices_failing": failing,
            },
            reasons,
            mark=failure.since,
            count=turn.more or failure.attempts,
            told=told,
        )

    def _attacks(self, device: Device, flows: Flows, grown: Sequence[Grown]) -> Iterable[Finding]:
        judged = device.judged
        fanout = judged.knocks.take(grown, flows.fanout, flows.end)
        if judged.scan.rises(level(fanout), flows.end):
            data: dict[str, Any] = {"hosts": fanout.hosts, "ports": fanout.ports}
            reason = Reason("scan_hosts", {"count": fanout.hosts})
            if fanout.ports > fanout.hosts:
                reason = Reason("scan_ports", {"count": fanout.ports})
            yield self._attack(EVENT_SCAN, device, flows, data, [reason])
        rate = judged.pulse.take(flows)
        if judged.flood.rises(rate.level, flows.end):
            target = max(grown, key=lambda one: one.growth.sent_bytes + one.growth.connections, default=None)
            data = {
                "packets_per_second": round(rate.packets),
                "connections_per_second": round(rate.connections),
                "host": target and (target.row.name or target.row.address),
            }
            reasons = [Reason("flood", {"rate": round(max(rate.packets, rate.connections))})]
            if target is not None:
                reasons.append(Reason("flood_target", {"host": data["host"]}))
            yield self._attack(EVENT_FLOOD, device, flows, data, reasons)

    def _attack(
        self, kind: str, device: Device, flows: Flows, data: dict[str, Any], reasons: Sequence[Reason]
    ) -> Finding:
        identity = evidence.identity(self._gateway, device.mac, kind, flows.epoch, flows.seq)
        journal = {"hosts": data.get("hosts", 0), "ports": data.get("ports", 0)}
        journal["rate"] = data.get("packets_per_second", 0)
        return Finding(kind, device, None, {"id": identity, **data}, tuple(reasons), journal=journal)

    def version(
        self, device: Device, source: str, version: str, now: float, *, reopens: bool
    ) -> tuple[Firmware | None, list[Finding]]:
        """Take what another integration says of a device's firmware; return the change and what it explains.

        Args:
            device: whose
            source: who says it
            version: what it says
            now: the time by Home Assistant's clock
            reopens: whether the device is to learn again after a change
        """
        former = device.judged.version_heard(source, version)
        last = device.judged.firmware
        if former is None or (last is not None and now - last.at < NEWS_WINDOW and last.version == version):
            return None, []
        firmware = device.judged.firmware = Firmware(former, version, now, reopened=reopens)
        if not 0 <= now - device.judged.news_at < NEWS_WINDOW:
            return firmware, []
        firmware.told = True
        identity = evidence.identity(self._gateway, device.mac, EVENT_BEHAVIOUR_CHANGED, now)
        data = {"id": identity, "firmware_from": former, "firmware_to": version}
        reasons = (updated(firmware), Reason("news_before"))
        return firmware, [Finding(EVENT_BEHAVIOUR_CHANGED, device, None, data, reasons)]

    def _recent_firmware(self, device: Device, now: float) -> Firmware | None:
        firmware = device.judged.firmware
        return firmware if firmware is not None and 0 <= now - firmware.at < FIRMWARE_WINDOW else None

    def _finding(  # noqa: PLR0913 (a finding has these)
        self,
        kind: str,
        device: Device,
        one: Grown,
        data: dict[str, Any],
        reasons: Sequence[Reason],
        *,
        mark: float,
        count: int = 1,
        told: bool = True,
        journal: bool = True,
    ) -> Finding:
        key, host = one.destination.key, one.row.name or one.row.address
        identity = evidence.identity(self._gateway, device.mac, kind, host, key.protocol, key.port, mark)
        where = {"host": host, "group": key.group, "protocol": key.protocol, "port": key.port}
        return Finding(
            kind,
            device,
            one.destination,
            {"id": identity, **data},
            tuple(reasons),
            host=host,
            journal={**where, "count": count} if journal else None,
            told=told,
        )


def _is_reopened(device: Device) -> bool:
    """Return whether a device learns because of an update, not as a new device or on the user's word."""
    firmware = device.judged.firmware
    return firmware is not None and firmware.reopened and device.learning.length is not None


def updated(firmware: Firmware) -> Reason:
    """Return that the firmware changed just before, as a reason."""
    return Reason("firmware_changed", {"from": firmware.former, "to": firmware.version, "at": firmware.at})


def _looks_for_internet(one: Grown) -> list[Reason]:
    check = evidence.check_of(one)
    if check == "empty":
        return [Reason("connectivity_check", {"count": one.row.counters.connections})]
    return [Reason("connectivity_probe")] if check == "probe" else []

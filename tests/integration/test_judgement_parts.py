"""The parts of judgement that need no Home Assistant: alarms, bursts, floods, outages, words' bounds."""

import json
from typing import Any

import pytest
from gateway_double import START, flows, row

from custom_components.spin.destinations import Destinations, Grown
from custom_components.spin.judgement.alarm import CALM_SECONDS, Alarm
from custom_components.spin.judgement.bursts import Bursts
from custom_components.spin.judgement.bypass import is_name_service
from custom_components.spin.judgement.floods import Pulse
from custom_components.spin.judgement.judged import MAX_ATTEMPTS_TOLD, MAX_VERSIONS, Firmware, Judged
from custom_components.spin.judgement.notices import plain
from custom_components.spin.judgement.outages import MAX_ANSWERED, MAX_FAILING, Outages, Service
from custom_components.spin.judgement.scans import MAX_KNOCKS, Knocks, level
from custom_components.spin.models import Fanout, Flows
from custom_components.spin.wire import parse_flows

MAC = "00:17:88:00:00:01"


def message(*rows: dict[str, Any], **fields: Any) -> Flows:
    return parse_flows(json.dumps(flows(*rows, **fields)).encode())


class Taker:
    """The destinations of a device, which tell what grew."""

    def __init__(self) -> None:
        self.known = Destinations(lambda name: name)

    def take(self, *rows: dict[str, Any], **fields: Any) -> list[Grown]:
        """Take rows, in parts where there are many."""
        parts = [rows[at : at + 200] for at in range(0, len(rows), 200)]
        return [
            grown
            for part in parts
            for grown in self.known.take(MAC, message(*part, **fields), "learned", START)
        ]


@pytest.fixture
def taker() -> Taker:
    return Taker()


def test_an_alarm_does_not_flutter() -> None:
    alarm = Alarm()
    assert not alarm.rises(0.9, 0)
    assert alarm.rises(1.0, 10)
    assert not alarm.rises(0.2, 20)
    assert not alarm.rises(2.0, 30)
    assert not alarm.rises(2.0, 30 + CALM_SECONDS - 1)
    assert alarm.rises(2.0, 30 + 2 * CALM_SECONDS)
    # A clock that goes back does not keep it raised for ever.
    assert alarm.rises(2.0, 5)
    assert Alarm.from_list(alarm.as_list()) == alarm


def test_bursts_and_budgets() -> None:
    bursts = Bursts()
    first = bursts.add("new", "a", 0.0)
    assert bursts.add("new", "a", 59.0) is first
    assert (first.count, first.names) == (2, ["a"])
    assert bursts.add("other", "a", 59.0) is not first
    assert bursts.add("new", "b", 119.1) is not first
    assert [bursts.admit("new", 2, at) for at in (0, 1, 2, 3599, 3600)] == [True, True, False, False, True]


def test_floods_by_connections_and_repeated_messages() -> None:
    pulse = Pulse()
    assert pulse.take(message(seq=1)).level == 0
    one = message(seq=2, connections=1000)
    assert pulse.take(one).level == 0
    assert pulse.take(one).level == 0
    assert pulse.take(message(seq=2, snapshot=True)).level == 0
    assert pulse.take(message(seq=3, connections=2000)).level == pytest.approx(2.0)
    assert pulse.take(message(seq=4, connections=2001)).level == 0
    assert pulse.take(message(seq=1, epoch="next", connections=99_999)).level == 0


def test_knocks_are_bounded_and_slide(taker: Taker) -> None:
    knocks = Knocks()
    doors = [
        row(None, address=f"192.0.{n // 250}.{n % 250}", received_bytes=0, unanswered=1)
        for n in range(MAX_KNOCKS + 50)
    ]
    assert knocks.take(taker.take(*doors), Fanout(), 100).hosts == MAX_KNOCKS
    assert knocks.take([], Fanout(3, 60), 161) == (3, 60)
    assert level(Fanout(10, 50)) == 1.0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": None, "protocol": "udp", "port": 53}, True),
        ({"name": "dns.example", "port": 853}, True),
        ({"name": "dns.google"}, True),
        ({"name": "abc123.dns.nextdns.io"}, True),
        ({"name": "notdns.google"}, False),
        ({"name": None, "address": "1.1.1.1"}, True),
        ({"name": "one.one.one.one", "address": "1.1.1.1", "port": 80}, False),
        ({"name": None, "protocol": "icmp", "port": 0, "address": "1.1.1.1"}, False),
    ],
)
def test_name_services(fields: dict[str, Any], expected: bool) -> None:
    (found,) = message(row(**{"name": "x", **fields})).rows
    assert is_name_service(found) is expected


def never(_row: object) -> bool:
    return False


def test_outages_are_told_in_the_order_in_which_they_began(taker: Taker) -> None:
    outages = Outages()
    taker.take(row("a"), row("b"))

    def step(end: int, **unanswered: int) -> list[str]:
        rows = [row(name, connections=99, unanswered=count) for name, count in unanswered.items()]
        grown = taker.take(*rows, seq=end)
        return [turn.shown_by.host.name for turn in outages.take(grown, (end - 1, end), end, never)]

    assert step(100, a=1) == []
    assert step(101, b=2) == []  # certain, but a began before
    assert step(102, a=2) == ["a", "b"]


def test_outages_that_show_in_one_message_keep_their_order(taker: Taker) -> None:
    outages = Outages()
    taker.take(row("a"), row("b"))
    rows = [row("a", connections=99, unanswered=1), row("b", connections=99, unanswered=2)]
    assert outages.take(taker.take(*rows, seq=100), (99, 100), 100, never) == []
    grown = taker.take(row("a", connections=100, unanswered=2), seq=102)
    told = outages.take(grown, (101, 102), 102, never)
    assert [turn.shown_by.host.name for turn in told] == ["a", "b"]


def test_an_outage_does_not_wait_for_ever(taker: Taker) -> None:
    outages = Outages()
    taker.take(row("a"), row("b"))
    told = []
    for end, name, unanswered in ((100, "a", 1), (101, "b", 2), (106, "b", 3), (111, "b", 4)):
        grown = taker.take(row(name, connections=99, unanswered=unanswered), seq=end)
        told.append([t.shown_by.host.name for t in outages.take(grown, (end - 1, end), end, never)])
    assert told == [[], [], [], ["b"]]


def test_outages_are_bounded(taker: Taker) -> None:
    outages = Outages()
    names = [f"n{n}" for n in range(MAX_ANSWERED + 10)]
    outages.take(taker.take(*map(row, names)), (0, 5), 5, never)
    outages.take(
        taker.take(*[row(name, connections=9, unanswered=2) for name in names], seq=20), (95, 100), 100, never
    )
    assert len(outages.out) == MAX_FAILING
    again = Outages()
    again.restore(outages.as_list())
    assert again.out == outages.out
    outages.forget_blocked(lambda service: service.host.endswith("9"))
    assert 0 < len(outages) < MAX_FAILING


def test_what_is_judged_is_kept() -> None:
    judged = Judged(reaction="observe", awaits_acceptance=True, dns_bypass=True)
    judged.firmware = Firmware("1", "2", 5.0, told=True, reopened=True)
    for number in range(MAX_VERSIONS + 2):
        judged.version_heard(f"s{number}", "1")
    assert len(judged.versions) == MAX_VERSIONS
    assert judged.version_heard("s9", "1") is None
    assert judged.version_heard("s9", "2") == "1"
    told = [judged.first_attempt(Service(f"h{n}", "tcp", 443)) for n in range(MAX_ATTEMPTS_TOLD + 1)]
    assert told == [True] * MAX_ATTEMPTS_TOLD + [False]
    assert Judged.from_dict(judged.as_dict()).as_dict() == judged.as_dict()
    assert Judged.from_dict({**judged.as_dict(), "reaction": "nonsense"}).reaction is None


def test_markdown_is_escaped() -> None:
    assert plain("a_b*c www.evil.org http://x.y <i>") == ("a\\_b\\*c www\\.evil.org http\\:\\/\\/x.y \\<i\\>")

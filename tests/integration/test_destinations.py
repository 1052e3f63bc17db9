"""What a device is known to talk to."""

import json
from typing import Any

import pytest
from gateway_double import CAMERA, HUE, START, flows, row, stored_of

from custom_components.spin import destinations as module
from custom_components.spin.destinations import (
    ALLOWED,
    LEARNED,
    NEW,
    Destination,
    Destinations,
    Group,
    Grown,
    Key,
    load_grouping,
)
from custom_components.spin.models import RowCounters, Rule
from custom_components.spin.wire import parse_flows

NOW = START + 5
MEETHUE = Key("meethue.com", "tcp", 443)


def take(
    destinations: Destinations,
    *rows: dict[str, Any],
    epoch: str = "a",
    verdict: str = LEARNED,
    mac: str = HUE,
    now: float = NOW,
    **fields: Any,
) -> list[Grown]:
    """Count rows in; return those that are first contacts."""
    message = parse_flows(json.dumps(flows(*rows, epoch=epoch, **fields)).encode())
    return [grown for grown in destinations.take(mac, message, verdict, now) if grown.new]


def only(destinations: Destinations) -> Destination:
    (destination,) = destinations
    return destination


def again(group: Group, destinations: Destinations) -> Destinations:
    """Store and restore."""
    return Destinations.from_dict(group, json.loads(stored_of(destinations)), str)


@pytest.fixture(scope="module")
def group() -> Group:
    return load_grouping()


def known(destinations: Destinations) -> dict[Key, RowCounters]:
    return {destination.key: destination.counters for destination in destinations}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ws.meethue.com", "meethue.com"),
        ("dcp.dc1.philips.com", "philips.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("d1.cloudfront.net", "d1.cloudfront.net"),
        ("cloudfront.net", "cloudfront.net"),
        ("com.akamaized.net", "com.akamaized.net"),
        ("ec2-198-51-100-7.compute-1.amazonaws.com", "ec2-198-51-100-7.compute-1.amazonaws.com"),
        ("printer", "printer"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        (r"we\032ird\000.example.org", "example.org"),
    ],
)
def test_registrable_domains(group: Group, name: str, expected: str) -> None:
    assert group(name) == expected


def test_first_contacts_are_returned_once(group: Group) -> None:
    destinations = Destinations(group)
    news = take(destinations, row(), row("diag.meethue.com"), row("time1.google.com", port=123))
    assert [(each.destination.key.group, each.row.name) for each in news] == [
        ("meethue.com", "ws.meethue.com"),
        ("google.com", "time1.google.com"),
    ]
    assert take(destinations, row(), row("www.meethue.com")) == []
    assert MEETHUE in destinations
    assert len(destinations) == 2


def test_services_of_one_group_are_told_apart(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(), row("mqtt.meethue.com", port=8883), row("time.meethue.com", port=123))
    keys = [Key("meethue.com", "tcp", port) for port in (443, 8883, 123)]
    assert [each.key for each in destinations] == keys
    assert Key("meethue.com", "udp", 443) not in destinations
    for count, key in enumerate(keys, 1):
        known = destinations.get(key)
        assert known is not None
        destinations.forget([known])
        assert [each.key for each in destinations] == keys[count:]
        assert len(destinations) == 3 - count
    assert len(take(destinations, row())) == 1


def test_what_grew_is_returned_with_where_it_was_counted(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10))
    message = parse_flows(json.dumps(flows(row(sent_bytes=12), row("b.meethue.com"), epoch="a")).encode())
    grown = destinations.take(HUE, message, NEW, NOW)
    assert [(each.host.name, each.growth.sent_bytes, each.new) for each in grown] == [
        ("ws.meethue.com", 2, False),
        ("b.meethue.com", 1148, False),
    ]
    assert destinations.take(HUE, message, NEW, NOW) == []


def test_rows_add_up_per_destination(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10), row(address="198.51.100.8", sent_bytes=5))
    take(destinations, row(sent_bytes=12))
    (counters,) = known(destinations).values()
    assert counters.sent_bytes == 17
    assert counters.connections == 2
    (host,) = only(destinations).each
    assert {address: each.counters.sent_bytes for address, each in host.addresses.items()} == {
        "198.51.100.7": 12,
        "198.51.100.8": 5,
    }


def test_a_row_that_comes_back_counts_from_zero(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10, first=100.0))
    take(destinations, row(sent_bytes=4, first=200.0))
    assert only(destinations).counters.sent_bytes == 14
    take(destinations, row(sent_bytes=10, first=100.0))  # told again
    assert only(destinations).counters.sent_bytes == 14


def test_a_new_epoch_counts_from_zero(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10))
    assert take(destinations, row(sent_bytes=4), epoch="b") == []
    assert only(destinations).counters.sent_bytes == 14


def test_reordered_messages_count_once(group: Group) -> None:
    destinations = Destinations(group)
    for sent, received in ((10, 10), (30, 20), (20, 25), (30, 25), (10, 10)):
        take(destinations, row(sent_bytes=sent, received_bytes=received))
    assert only(destinations).counters[:2] == (30, 25)


@pytest.mark.parametrize("fields", [{"local": True}, {"sent_packets": 0, "received_packets": 7}])
def test_what_is_no_contact(group: Group, fields: dict[str, Any]) -> None:
    destinations = Destinations(group)
    assert take(destinations, row(**fields)) == []
    assert len(destinations) == 0


def test_a_blocked_attempt_is_contact(group: Group) -> None:
    destinations = Destinations(group)
    assert take(destinations, row(sent_packets=0, blocked=3))


def test_without_name_the_address_is_the_destination(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(None, address="2001:db8::1"))
    assert Key("2001:db8::1", "tcp", 443) in destinations
    assert not only(destinations).each[0].named


def test_an_address_that_is_known_by_a_name_is_no_news_without_it(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row())
    take(destinations, row("new.example.org", address="198.51.100.8"), verdict=NEW)
    nameless = [
        row(None),
        row(None, address="198.51.100.8"),
        row(None, port=80),
        row(None, protocol="udp"),
        row(None, address="198.51.100.9"),
    ]
    told = take(destinations, *nameless, verdict=NEW, epoch="b")
    assert [(grown.row.address, *grown.destination.key[1:]) for grown in told] == [
        ("198.51.100.8", "tcp", 443),
        ("198.51.100.7", "tcp", 80),
        ("198.51.100.7", "udp", 443),
        ("198.51.100.9", "tcp", 443),
    ]
    met = destinations.get(Key("198.51.100.7", "tcp", 443))
    assert met is not None
    assert (met.verdict, met.each[0].learned) == (LEARNED, True)
    assert take(destinations, *nameless, verdict=NEW, epoch="c") == []


def test_what_another_device_is_known_to_reach_is_news(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row())
    assert take(destinations, row(None), verdict=NEW, mac=CAMERA)


@pytest.mark.parametrize("wrong_by", [0.0, 20.0, -86_400.0 * 365 * 50, 86_400.0 * 365 * 80])
def test_times_are_of_home_assistants_clock(group: Group, wrong_by: float) -> None:
    destinations = Destinations(group)
    there = START + wrong_by
    message = flows(row(first=there - 60, last=there - 1), epoch="a") | {"start": there - 5, "end": there}
    destinations.take(HUE, parse_flows(json.dumps(message).encode()), LEARNED, START)
    destination = only(destinations)
    assert destination.first == pytest.approx(START - 60, abs=20)
    assert destination.last == pytest.approx(START - 1, abs=20)
    assert destination.first <= destination.last <= START


@pytest.mark.parametrize("at", [0.0, 4_294_967_296.0, 253_402_300_799.0])
def test_a_time_that_makes_no_sense_is_now(group: Group, at: float) -> None:
    destinations = Destinations(group)
    take(destinations, row(first=at, last=at))
    assert (only(destinations).first, only(destinations).last) == (NOW, NOW)


def test_days_and_windows(group: Group) -> None:
    destinations = Destinations(group)
    day = 86_400.0
    for number in range(3):
        at = START + number * day
        take(destinations, row(sent_bytes=10 * (number + 1), last=at), now=at)
    take(destinations, row("b.meethue.com", sent_bytes=7, last=at), now=at)
    destination = only(destinations)
    assert [traffic.sent for _, traffic in sorted(destination.days.items())] == [10, 10, 17]
    assert destination.window("5m", at).sent_bytes == 17
    assert destination.window("24h", at).sent_bytes in (17, 27)
    assert destination.window("7d", at).sent_bytes == 37
    assert destination.hosts["b.meethue.com"].window("7d", at).sent_bytes == 7


def test_hosts_and_addresses_are_bounded(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, *[row(f"h{n}.example.com", address=f"198.51.100.{n}") for n in range(100)])
    later = [row("h99.example.com", first=NOW, address=f"203.0.113.{n}") for n in range(100)]
    take(destinations, *later, seq=2)
    destination = only(destinations)
    assert len(destination.names) == 32
    assert len(destination.hosts["h99.example.com"].addresses) == 32
    assert destination.counters.sent_bytes == 200 * 1148
    assert destination.window("5m", NOW).sent_bytes == 200 * 1148
    assert sum(len(host.remotes) for host in destination.each) == destinations.rows


def test_destinations_are_bounded_and_what_is_learned_goes_first(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DESTINATIONS_PER_DEVICE", 40)
    destinations = Destinations(group)
    take(destinations, row("new.org", first=1000.0, last=1000.0), verdict=NEW, now=1001.0)
    for number in range(200):
        at = 2000.0 + number
        take(destinations, row(f"d{number}.org", last=at, first=at), now=at)
        assert len(destinations) <= 40
    assert Key("d199.org", "tcp", 443) in destinations
    assert Key("d0.org", "tcp", 443) not in destinations
    assert Key("new.org", "tcp", 443) in destinations
    assert destinations.take_forgotten() == 201 - len(destinations)
    assert destinations.take_forgotten() == 0


def test_what_was_forgotten_does_not_come_back_with_a_snapshot(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10))
    destinations.forget(list(destinations))
    assert take(destinations, row(sent_bytes=10), seq=2, snapshot=True) == []
    assert len(destinations) == 0
    assert take(destinations, row(sent_bytes=12), seq=3, verdict=NEW)
    assert only(destinations).counters.sent_bytes == 0  # it was counted before
    take(destinations, row(sent_bytes=15))
    assert only(destinations).counters.sent_bytes == 3


def test_forgotten_rows_are_not_counted_twice(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS_PER_DEVICE", 32)
    destinations = Destinations(group)
    many = [row(f"h{n}.org", first=100.0 + n, last=START + n / 100, sent_bytes=10) for n in range(40)]
    take(destinations, *many)
    assert destinations.rows < 40
    take(destinations, many[0], seq=2)
    assert sum(counters.sent_bytes for counters in known(destinations).values()) == 400


def test_allowing_marks_what_is_meant_and_can_be_taken_back(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row("learned.org"))
    take(
        destinations,
        row(),
        row("time1.google.com", port=123),
        row(None, address="192.0.2.9"),
        verdict=NEW,
    )
    meant = [Rule("allow", name="meethue.com"), Rule("allow", address="192.0.2.9"), Rule("allow", name="org")]
    assert [destinations.allow(rule) for rule in meant] == [1, 1, 1]
    before = {"learned.org": LEARNED, "meethue.com": NEW, "google.com": NEW, "192.0.2.9": NEW}
    assert {d.key.group: d.verdict for d in destinations} == {
        **dict.fromkeys(before, ALLOWED),
        "google.com": NEW,
    }
    for rule in meant:
        assert destinations.allow(rule, allowed=False) == 1
    assert {d.key.group: d.verdict for d in destinations} == before


def test_allowing_one_host_does_not_allow_the_others(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(), row("diag.meethue.com"), verdict=NEW)
    destinations.allow(Rule("allow", name="ws.meethue.com"))
    assert only(destinations).verdict == NEW
    assert only(destinations).hosts["ws.meethue.com"].verdict == ALLOWED


def test_accepting_all(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row("learned.org"))
    take(destinations, row(), row("diag.meethue.com"), row("b.org"), verdict=NEW)
    assert destinations.accept_all() == 2
    assert sorted(d.verdict for d in destinations) == [ALLOWED, ALLOWED, LEARNED]
    assert destinations.accept_all() == 0


def test_a_further_host_is_judged_as_its_destination_is(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row())
    take(destinations, row("b.meethue.com"), verdict=NEW)
    assert only(destinations).verdict == LEARNED


def test_two_mac_addresses_are_counted_apart_and_joined(group: Group) -> None:
    hue, other = Destinations(group), Destinations(group)
    take(hue, row(sent_bytes=10), row("only.hue.org", sent_bytes=1))
    take(other, row(sent_bytes=300), row("b.meethue.com", sent_bytes=5), mac=CAMERA, verdict=NEW)
    take(other, row("only.camera.org", sent_bytes=2), mac=CAMERA, verdict=NEW)
    hue.join(other)
    assert {key.group: counters.sent_bytes for key, counters in known(hue).items()} == {
        "meethue.com": 315,
        "hue.org": 1,
        "camera.org": 2,
    }
    assert hue.get(MEETHUE).hosts["ws.meethue.com"].verdict == LEARNED  # type: ignore[union-attr]
    take(hue, row(sent_bytes=11))
    take(hue, row(sent_bytes=302), mac=CAMERA)
    assert known(hue)[MEETHUE].sent_bytes == 318
    assert hue.get(MEETHUE).hosts["ws.meethue.com"].addresses["198.51.100.7"].counters.sent_bytes == 313  # type: ignore[union-attr]

    hue = again(group, hue)
    taken = hue.take_out(CAMERA)
    assert {key.group: counters.sent_bytes for key, counters in known(hue).items()} == {
        "meethue.com": 11,
        "hue.org": 1,
    }
    assert {key.group: counters.sent_bytes for key, counters in known(taken).items()} == {
        "meethue.com": 307,
        "camera.org": 2,
    }
    take(taken, row(sent_bytes=303), mac=CAMERA)
    assert known(taken)[MEETHUE].sent_bytes == 308
    assert [len(list(each)) for each in (hue, taken)] == [2, 2]
    assert (hue.rows, taken.rows) == (2, 3)


def test_stored_and_restored(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row(sent_bytes=10), row(None, address="192.0.2.9"), verdict=NEW)
    take(destinations, *[row(f"h{n}.example.com") for n in range(40)])
    restored = again(group, destinations)
    assert stored_of(restored) == stored_of(destinations)
    assert restored.rows == destinations.rows
    take(restored, row(sent_bytes=11))
    assert known(restored)[MEETHUE].sent_bytes == 11


def test_what_was_not_stored_is_refused(group: Group) -> None:
    destinations = Destinations(group)
    take(destinations, row())
    stored = json.loads(stored_of(destinations))
    stored["known"][0][4][0][3] = "perhaps"
    with pytest.raises(ValueError, match="perhaps"):
        Destinations.from_dict(group, stored, str)


@pytest.mark.parametrize("count", [2**64 - 1, 2**63])
def test_made_up_counters_can_be_stored(group: Group, count: int) -> None:
    destinations = Destinations(group)
    for epoch in "abcd":
        take(destinations, row(sent_bytes=count, connections=count), epoch=epoch)
    destinations.forget(list(destinations))
    take(destinations, row(sent_bytes=count), epoch="d")
    take(destinations, row(sent_bytes=count), epoch="e")
    json.loads(stored_of(destinations))


def test_what_is_beyond_the_hosts_bound_is_joined_too(group: Group) -> None:
    hue, other = Destinations(group), Destinations(group)
    take(hue, *[row(f"h{n}.example.com", sent_bytes=1) for n in range(20)])
    take(other, *[row(f"o{n}.example.com", sent_bytes=1) for n in range(40)], mac=CAMERA)
    hue.join(other)
    assert only(hue).counters.sent_bytes == 60
    assert len(only(hue).names) == 32
    assert hue.rows == sum(len(host.remotes) for host in only(hue).each)


def test_the_key_of_a_row(group: Group) -> None:
    destinations = Destinations(group)
    (contact,) = take(destinations, row())
    assert destinations.key(contact.row) == MEETHUE == contact.destination.key

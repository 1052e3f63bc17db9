"""What a device is known to talk to."""

import json
from typing import Any

import pytest
from gateway_double import flows, row

from custom_components.spin import destinations as module
from custom_components.spin.destinations import ALLOWED, LEARNED, NEW, Destinations, Group, Key, load_grouping
from custom_components.spin.models import Row, RowCounters, Rule
from custom_components.spin.wire import parse_flows


@pytest.fixture(scope="module")
def group() -> Group:
    return load_grouping()


def rows(*messages: dict[str, Any]) -> tuple[Row, ...]:
    return parse_flows(json.dumps(flows(*messages)).encode()).rows


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
    news = destinations.take(
        "a", rows(row(), row("diag.meethue.com"), row("time1.google.com", port=123)), NEW
    )
    assert [(d.key.group, r.name) for d, r in news] == [
        ("meethue.com", "ws.meethue.com"),
        ("google.com", "time1.google.com"),
    ]
    assert destinations.take("a", rows(row(), row("www.meethue.com")), NEW) == []
    assert Key("meethue.com", "tcp", 443) in destinations
    assert len(destinations) == 2


def test_rows_add_up_per_destination(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(sent_bytes=10), row(address="198.51.100.8", sent_bytes=5)), LEARNED)
    destinations.take("a", rows(row(sent_bytes=12)), LEARNED)
    (counters,) = known(destinations).values()
    assert counters.sent_bytes == 17
    assert counters.connections == 2


def test_a_row_that_comes_back_counts_from_zero(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(sent_bytes=10, first=100.0)), LEARNED)
    destinations.take("a", rows(row(sent_bytes=4, first=200.0)), LEARNED)
    assert [counters.sent_bytes for counters in known(destinations).values()] == [14]


def test_a_new_epoch_counts_from_zero(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(sent_bytes=10)), LEARNED)
    assert destinations.take("b", rows(row(sent_bytes=4)), NEW) == []
    assert [counters.sent_bytes for counters in known(destinations).values()] == [14]


@pytest.mark.parametrize("fields", [{"local": True}, {"sent_packets": 0, "received_packets": 7}])
def test_what_is_no_contact(group: Group, fields: dict[str, Any]) -> None:
    destinations = Destinations(group)
    assert destinations.take("a", rows(row(**fields)), NEW) == []
    assert len(destinations) == 0


def test_a_blocked_attempt_is_contact(group: Group) -> None:
    destinations = Destinations(group)
    assert destinations.take("a", rows(row(sent_packets=0, blocked=3)), NEW)


def test_without_name_the_address_is_the_destination(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(None, address="2001:db8::1")), NEW)
    assert Key("2001:db8::1", "tcp", 443) in destinations


def test_names_and_addresses_are_bounded(group: Group) -> None:
    destinations = Destinations(group)
    many = [row(f"h{n}.example.com", address=f"198.51.100.{n}") for n in range(100)]
    destinations.take("a", rows(*many), LEARNED)
    (destination,) = destinations
    assert len(destination.names) == len(destination.addresses) == 32
    assert "h99.example.com" in destination.names


def test_destinations_are_bounded(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DESTINATIONS_PER_DEVICE", 40)
    destinations = Destinations(group)
    for number in range(200):
        destinations.take(
            "a", rows(row(f"d{number}.org", last=1000.0 + number, first=1000.0 + number)), LEARNED
        )
        assert len(destinations) <= 40
    assert Key("d199.org", "tcp", 443) in destinations
    assert Key("d0.org", "tcp", 443) not in destinations


def test_forgotten_rows_are_not_counted_twice(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS_PER_DEVICE", 2)
    destinations = Destinations(group)
    three = [row(address=f"198.51.100.{n}", first=100.0 + n, sent_bytes=10) for n in range(3)]
    destinations.take("a", rows(*three), LEARNED)
    destinations.take("a", rows(three[0]), LEARNED)
    assert [counters.sent_bytes for counters in known(destinations).values()] == [30]


def test_allowing_marks_what_is_meant(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take(
        "a", rows(row(), row("time1.google.com", port=123), row(None, address="192.0.2.9")), NEW
    )
    destinations.allow(Rule("allow", name="meethue.com"))
    destinations.allow(Rule("allow", address="192.0.2.9"))
    assert {d.key.group: d.verdict for d in destinations} == {
        "meethue.com": ALLOWED,
        "google.com": NEW,
        "192.0.2.9": ALLOWED,
    }


def test_allowing_one_host_does_not_allow_the_others(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(), row("diag.meethue.com")), NEW)
    destinations.allow(Rule("allow", name="ws.meethue.com"))
    assert [d.verdict for d in destinations] == [NEW]


def test_stored_and_restored(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row(sent_bytes=10), row(None, address="192.0.2.9")), NEW)
    stored = json.loads(json.dumps(destinations.as_dict()))
    restored = Destinations.from_dict(group, stored)
    assert list(restored) == list(destinations)
    restored.take("a", rows(row(sent_bytes=11)), NEW)
    assert known(restored)[Key("meethue.com", "tcp", 443)].sent_bytes == 11


def test_what_was_not_stored_is_refused(group: Group) -> None:
    destinations = Destinations(group)
    destinations.take("a", rows(row()), NEW)
    stored = destinations.as_dict()
    stored["known"][0][5] = "perhaps"
    with pytest.raises(ValueError, match="perhaps"):
        Destinations.from_dict(group, stored)

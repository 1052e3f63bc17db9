"""The ledger: exact sums in bounded memory, and only what changed is told."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.ledger.ledger import Ledger, Limits
from gateway_agent.ledger.names import NameTable
from gateway_agent.model import Answer, Flow, Neighbour, ServerName, Traffic
from gateway_agent.wire.messages import Message

MAC = "02:00:00:00:00:01"
LAN = bytes((192, 168, 8, 20))
REMOTE = bytes((198, 51, 100, 7))
FLOW = Flow(LAN, REMOTE, 6, 443, MAC)


DEFAULT = Limits()


def ledger(limits: Limits = DEFAULT) -> Ledger:
    return Ledger(epoch="e", names=NameTable(), is_local=lambda address: address[0] == 192, limits=limits)


def sent(number: int, at: float) -> Traffic:
    return Traffic(at, at, sent_bytes=number, sent_packets=1)


def flows(messages: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages if message.topic.endswith("/flows")]


def collect(book: Ledger, at: float, *, snapshot: bool = False) -> list[dict[str, Any]]:
    return flows(list(book.collect(at - 5, at, snapshot=snapshot)))


def assert_exact(book: Ledger, at: float) -> dict[str, dict[str, int]]:
    """Assert that a snapshot's rows and what it omits are its counters; return the counters."""
    rows: dict[str, list[dict[str, Any]]] = {}
    last: dict[str, dict[str, Any]] = {}
    for message in book.collect(at, at, snapshot=True):
        if message.topic.endswith("/flows"):
            content = json.loads(message.payload)
            rows.setdefault(message.topic, []).extend(content["destinations"])
            last[message.topic] = content
    for topic, content in last.items():
        for key in ("sent_bytes", "received_bytes"):
            told = sum(row[key] for row in rows[topic] if not row["local"])
            assert told + content["omitted"][key] == content["counters"][key]
    return {topic: content["counters"] for topic, content in last.items()}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["traffic", "traffic", "traffic", "answer", "collect", "snapshot"]),
        st.integers(0, 5),
        st.integers(0, 39),
        st.integers(0, 10_000),
        st.sampled_from([0.0, 1.0, 70.0, 4000.0]),
    ),
    max_size=120,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_sums_are_exact_and_never_decrease(steps: list[tuple[str, int, int, int, float]]) -> None:
    book = ledger(Limits(devices=3, destinations_per_device=16, destinations=24))
    now = 1000.0
    before: dict[str, dict[str, int]] = {}
    for kind, device, remote, size, pause in steps:
        now += pause
        mac, address = f"02:00:00:00:00:0{device}", bytes((192 if remote > 35 else 198, 51, 100, remote))
        if kind == "traffic":
            traffic = Traffic(now, now, sent_bytes=size, received_bytes=size // 2)
            book.add(Flow(LAN, address, 17, 53, mac), traffic)
        elif kind == "answer":
            book.answered(mac, Answer(LAN, f"n{size % 9}.example", (address,), 60, answered=True, at=now))
        else:
            collect(book, now, snapshot=kind == "snapshot")
        assert book.devices <= 3
        assert book.rows <= 24
        counters = assert_exact(book, now)
        for topic in before.keys() & counters.keys():
            assert all(counters[topic][key] >= before[topic][key] for key in counters[topic])
        before |= counters


def test_bounds_hold_under_made_up_devices_names_and_hosts() -> None:
    book = ledger(Limits(devices=32, destinations_per_device=64, destinations=512))
    for number in range(10_000):
        mac, remote = (
            f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}",
            b"\xc6\x33" + number.to_bytes(2, "big"),
        )
        for owner in (mac, MAC):
            answer = Answer(LAN, f"n{number}.example", (remote,), 60, answered=True, at=float(number))
            book.answered(owner, answer)
            book.add(Flow(LAN, remote, 6, 443, owner), sent(100, float(number)))
        assert book.devices <= 32
        assert book.rows <= 512
    (content,) = [
        json.loads(message.payload)
        for message in book.collect(0.0, 10_000.0, snapshot=True, only=MAC)
        if message.topic.endswith("/flows")
    ]
    assert len(content["destinations"]) <= 64
    assert content["counters"]["sent_bytes"] == 1_000_000
    assert_exact(book, 10_000.0)
    assert "device_limit" in {problem.code for problem in book.problems(10_000.0)}


def test_parts_fit_into_a_message() -> None:
    book = ledger(Limits(destinations_per_device=2000))
    name = ".".join(["x" * 60] * 4)
    for number in range(1000):
        remote = b"\xc6\x33" + number.to_bytes(2, "big")
        book.answered(MAC, Answer(LAN, name, (remote,), 60, answered=True, at=1.0))
        book.add(Flow(LAN, remote, 6, 443, MAC), sent(1, 2.0))
    messages = [message for message in book.collect(0.0, 5.0) if message.topic.endswith("/flows")]
    assert len(messages) > 3
    assert all(len(message.payload) <= 128 * 1024 for message in messages)
    parts = flows(messages)
    assert [part["more"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert [part["seq"] for part in parts] == list(range(1, len(parts) + 1))
    assert sum(len(part["destinations"]) for part in parts) == 1000


def test_only_changed_rows_are_told() -> None:
    book = ledger()
    other = FLOW._replace(port=80)
    book.add(FLOW, sent(10, 1.0))
    book.add(other, sent(20, 1.0))
    assert len(collect(book, 5.0)[0]["destinations"]) == 2
    assert collect(book, 10.0) == []
    book.add(other, sent(5, 11.0))
    (row,) = collect(book, 15.0)[0]["destinations"]
    assert (row["port"], row["sent_bytes"]) == (80, 25)
    assert len(collect(book, 20.0, snapshot=True)[0]["destinations"]) == 2


def test_a_lookup_is_held_back_and_dropped_when_traffic_follows() -> None:
    book = ledger()
    book.answered(MAC, Answer(LAN, "used.example", (REMOTE,), 60, answered=True, at=8.0))
    book.answered(MAC, Answer(LAN, "refused.example", (), 0, answered=False, at=8.0))
    assert collect(book, 10.0) == []
    book.add(FLOW, sent(1, 11.0))
    (content,) = collect(book, 15.0)
    lookup = {"name": "refused.example", "answered": False, "count": 1, "last": 8.0}
    assert content["lookups"] == [lookup]
    assert [row["name"] for row in content["destinations"]] == ["used.example"]


def test_unclaimed_flows_count_once_their_neighbour_is_known() -> None:
    book = ledger()
    flow = FLOW._replace(mac=None)
    for _ in range(2):
        book.add(flow, sent(50, 1.0))
    assert collect(book, 5.0) == []
    for at in (6.0, 7.0):
        book.neighbour(Neighbour(MAC, LAN, at))
    (content,) = collect(book, 10.0)
    assert content["counters"]["sent_bytes"] == 100
    assert book.problems(10.0) == []


def test_requests_of_an_unclaimed_address_are_all_kept() -> None:
    book = ledger()
    for second in range(100):
        book.add(FLOW._replace(mac=None), Traffic(1.0, 1.0, sent_packets=1, requests=[float(second)]))
    book.neighbour(Neighbour(MAC, LAN, 2.0))
    told = [row["requests"] for content in collect(book, 5.0) for row in content["destinations"]]
    assert [time for times in told for time in times] == [float(second) for second in range(100)]


def test_what_nobody_claims_is_said() -> None:
    book = ledger()
    book.add(FLOW._replace(mac=None), sent(50, 1.0))
    collect(book, 100.0)
    (problem,) = book.problems(100.0)
    assert problem.code == "unclaimed"
    assert "50 bytes" in problem.text


def test_who_has_no_address_yet_is_missed_by_nobody() -> None:
    book = ledger()
    book.add(Flow(bytes(4), bytes((255,) * 4), 17, 67, None), sent(328, 1.0))
    assert collect(book, 100.0) == []
    assert book.problems(100.0) == []


def test_a_row_that_comes_back_is_another_row() -> None:
    book = ledger(Limits(destinations_per_device=1))
    book.add(FLOW, sent(10, 1.0))
    (before,) = collect(book, 2.0)[0]["destinations"]
    book.add(FLOW._replace(port=80), sent(20, 1.0))
    book.add(FLOW, sent(3, 1.0))
    (content,) = collect(book, 5.0)
    (after,) = content["destinations"]
    assert (after["port"], after["sent_bytes"]) == (443, 3)
    assert after["first"] > before["first"]
    assert content["omitted"] == {"destinations": 2, "sent_bytes": 30, "received_bytes": 0}


def test_every_request_is_told_though_a_part_has_64() -> None:
    book = ledger()
    times = [float(number) for number in range(150)]
    book.add(FLOW, Traffic(0.0, 150.0, sent_bytes=76, sent_packets=1, requests=times))
    book.add(Flow(LAN, REMOTE, 17, 1, MAC), sent(5, 150.0))
    parts = collect(book, 151.0)
    assert [part["more"] for part in parts] == [True, True, False]
    assert [part["seq"] for part in parts] == [1, 2, 3]
    told = [row["requests"] for part in parts for row in part["destinations"] if row["protocol"] == "tcp"]
    assert [len(requests) for requests in told] == [64, 64, 22]
    assert [at for requests in told for at in requests] == times
    assert all(part["destinations"][0]["sent_bytes"] == 76 for part in parts)
    assert collect(book, 152.0) == []


def test_requests_that_nobody_takes_are_bounded() -> None:
    book = ledger()
    for number in range(5_000):
        book.add(FLOW, Traffic(0.0, 1.0, requests=[float(number)]))
    told = [at for part in collect(book, 2.0) for row in part["destinations"] for at in row["requests"]]
    assert told == [float(number) for number in range(5_000 - 1024, 5_000)]


def server(name: str, at: float = 0.0, port: int = 443) -> ServerName:
    return ServerName(LAN, REMOTE, port, name, at)


def names_of(parts: list[dict[str, Any]]) -> list[tuple[str | None, str | None, int, int]]:
    return [
        (row["name"], row["name_source"], row["port"], row["sent_bytes"])
        for part in parts
        for row in part["destinations"]
    ]


def test_a_server_s_name_is_for_its_port_only() -> None:
    book = ledger()
    book.server_named(MAC, server("a.example"))
    for flow in (FLOW, FLOW._replace(port=8443), FLOW._replace(protocol=17)):
        book.add(flow, sent(10, 1.0))
    assert names_of(collect(book, 2.0)) == [
        ("a.example", "tls", 443, 10),
        (None, None, 8443, 10),
        (None, None, 443, 10),
    ]


def test_what_was_looked_up_goes_before_a_server_s_name() -> None:
    book = ledger()
    book.server_named(MAC, server("tls.example"))
    book.answered(MAC, Answer(LAN, "dns.example", (REMOTE,), 60, answered=True, at=1.0))
    book.server_named(MAC, server("other.example", 2.0))
    book.add(FLOW, sent(10, 3.0))
    assert names_of(collect(book, 4.0)) == [("dns.example", "dns", 443, 10)]
    late = 2.0 + 60 + 86_400
    book.server_named(MAC, server("other.example", late))
    book.add(FLOW, sent(10, late))
    assert names_of(collect(book, late)) == [("other.example", "tls", 443, 10)]


def test_a_row_that_nobody_was_told_of_gets_its_server_s_name() -> None:
    book = ledger()
    book.add(FLOW, sent(10, 1.0))
    book.server_named(MAC, server("a.example", 1.1))
    book.add(FLOW, sent(5, 1.2))
    assert names_of(collect(book, 2.0)) == [("a.example", "tls", 443, 15)]
    assert assert_exact(book, 3.0)


def test_a_row_that_was_told_keeps_what_it_has() -> None:
    book = ledger()
    book.add(FLOW, sent(10, 1.0))
    collect(book, 1.5)
    book.server_named(MAC, server("a.example", 2.0))
    book.add(FLOW, sent(5, 2.2))
    assert names_of(collect(book, 3.0)) == [("a.example", "tls", 443, 5)]
    assert assert_exact(book, 4.0)


def test_a_server_s_name_is_not_another_device_s() -> None:
    book = ledger()
    book.server_named("02:00:00:00:00:02", server("a.example"))
    book.server_named(None, server("b.example"))
    book.add(FLOW, sent(10, 1.0))
    assert names_of(collect(book, 2.0)) == [(None, None, 443, 10)]


def test_servers_names_are_bounded_and_no_lookups() -> None:
    names = NameTable(per_device=100, in_all=100)
    for number in range(1_000):
        names.learn_server(MAC, ServerName(LAN, number.to_bytes(4), 443, f"n{number}.example", 1.0))
    assert len(names) <= 100
    assert list(names.lookups(2.0)) == []

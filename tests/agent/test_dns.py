"""DNS answers: names, alias chains, addresses, and everything that a hostile server or device may send."""

import struct
import time

import framing
import pytest
from framing import QUESTION_NAME, address, dns_answer, dns_name, dns_record
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.decode import dns
from gateway_agent.decode.dns import DnsError, parse_answer
from gateway_agent.model import Answer

LAN = address("192.168.8.20")
ONE, TWO, SIX = address("198.51.100.7"), address("198.51.100.8"), address("2001:db8::7")
A, CNAME, AAAA, SVCB, HTTPS = 1, 5, 28, 64, 65


def parse(message: bytes, *, cut: bool = False) -> Answer | None:
    return parse_answer(message, LAN, 12.5, cut=cut)


def addresses(message: bytes, *, cut: bool = False) -> tuple[bytes, ...]:
    answer = parse(message, cut=cut)
    assert answer is not None
    return answer.addresses


def pointer(offset: int) -> bytes:
    return struct.pack("!H", 0xC000 | offset)


def after_question(name: str) -> int:
    return 12 + len(dns_name(name)) + 4


def test_an_answer() -> None:
    message = framing.dns_addresses("ws.meethue.com", "198.51.100.7", "198.51.100.8", ttl=60)
    assert parse(message) == Answer(LAN, "ws.meethue.com", (ONE, TWO), 60, True, 12.5)


def test_ipv6() -> None:
    assert addresses(framing.dns_addresses("ws.meethue.com", "2001:db8::7")) == (SIX,)


def test_the_name_is_lower_case() -> None:
    answer = parse(framing.dns_addresses("WS.MeetHue.com", "198.51.100.7"))
    assert answer is not None
    assert answer.name == "ws.meethue.com"


def test_the_name_asked_for_counts_not_the_alias() -> None:
    first = after_question("ws.meethue.com")
    target = first + 12
    records = [
        dns_record(QUESTION_NAME, CNAME, dns_name("cdn.example.net"), ttl=30),
        dns_record(pointer(target), CNAME, b"\x04edge" + pointer(target + 4), ttl=20),
    ]
    second = first + len(records[0]) + 12
    records.append(dns_record(pointer(second), A, ONE, ttl=40))
    assert parse(dns_answer("ws.meethue.com", records)) == Answer(
        LAN, "ws.meethue.com", (ONE,), 20, True, 12.5
    )


def test_an_alias_written_as_a_pointer() -> None:
    """The owner may point to the alias, or to where the alias points."""
    name = "www.meethue.com"
    alias = dns_record(QUESTION_NAME, CNAME, pointer(16))
    for owner in (pointer(16), pointer(after_question(name) + 12)):
        assert addresses(dns_answer(name, [alias, dns_record(owner, A, ONE)])) == (ONE,)


def test_names_without_compression_and_records_in_any_order() -> None:
    records = [
        dns_record(dns_name("edge.example.net"), A, ONE, ttl=5),
        dns_record(dns_name("CDN.example.net"), CNAME, dns_name("edge.example.NET"), ttl=50),
        dns_record(dns_name("WS.meethue.com"), CNAME, dns_name("cdn.example.net"), ttl=70),
    ]
    answer = parse(dns_answer("ws.meethue.com", records))
    assert answer is not None
    assert (answer.name, answer.addresses, answer.ttl) == ("ws.meethue.com", (ONE,), 5)


def test_addresses_of_other_names_do_not_count() -> None:
    records = [
        dns_record(dns_name("bank.example"), A, ONE),
        dns_record(QUESTION_NAME, A, TWO),
        dns_record(dns_name("other.example"), CNAME, dns_name("ws.meethue.com")),
    ]
    assert addresses(dns_answer("ws.meethue.com", records)) == (TWO,)


def test_aliases_in_a_circle() -> None:
    records = [
        dns_record(QUESTION_NAME, CNAME, dns_name("b.example")),
        dns_record(dns_name("b.example"), CNAME, dns_name("a.example")),
        dns_record(dns_name("a.example"), A, ONE),
    ]
    assert addresses(dns_answer("a.example", records)) == (ONE,)


def test_an_address_given_twice_counts_once() -> None:
    assert addresses(framing.dns_addresses("a.example", "198.51.100.7", "198.51.100.7")) == (ONE,)


@pytest.mark.parametrize("flags", [0x8183, 0x8182, 0x8185])
def test_an_error_is_no_answer(flags: int) -> None:
    assert parse(dns_answer("gone.example", flags=flags)) == Answer(LAN, "gone.example", (), 0, False, 12.5)


def test_no_record_is_no_answer() -> None:
    assert parse(dns_answer("empty.example")) == Answer(LAN, "empty.example", (), 0, False, 12.5)


def test_a_record_of_another_type_is_an_answer() -> None:
    message = dns_answer("example.com", [dns_record(QUESTION_NAME, 16, b"\x02hi")], kind=16)
    assert parse(message) == Answer(LAN, "example.com", (), 0, True, 12.5)


def test_truncated_answers() -> None:
    """What the server managed to send counts; if that is nothing, the answer comes over TCP."""
    records = [dns_record(QUESTION_NAME, A, ONE), dns_record(QUESTION_NAME, A, TWO)]
    whole = dns_answer("a.example", records, flags=0x8380)
    assert addresses(whole) == (ONE, TWO)
    assert addresses(whole[:-5]) == (ONE,)
    assert parse(dns_answer("a.example", flags=0x8380)) is None


def test_cut_answers() -> None:
    """A capture's snap length may leave the first records only."""
    whole = framing.dns_addresses("a.example", "198.51.100.7", "198.51.100.8")
    for size in range(len(whole)):
        with pytest.raises(DnsError):
            parse(whole[:size])
    assert addresses(whole[:-1], cut=True) == (ONE,)
    assert addresses(whole[:-17], cut=True) == ()


@pytest.mark.parametrize(
    "message",
    [
        dns_answer("a.example", flags=0x0100),  # a query
        dns_answer("a.example", flags=0xA800),  # an update's response
        dns_answer("a.example", questions=0),
        dns_answer("a.example", questions=2),
        dns_answer(
            "7.100.51.198.in-addr.arpa", [dns_record(QUESTION_NAME, 12, dns_name("a.example"))], kind=12
        ),
        dns_answer("", [dns_record(QUESTION_NAME, 2, dns_name("a.root"))], kind=2),
        dns_answer("a.example")[:-2] + b"\x00\x03",  # class CHAOS
    ],
)
def test_no_answer_about_a_name(message: bytes) -> None:
    assert parse(message) is None


def test_ttl_with_the_highest_bit_is_zero() -> None:
    answer = parse(framing.dns_addresses("a.example", "198.51.100.7", ttl=0x80000001))
    assert answer is not None
    assert answer.ttl == 0


def service(priority: int, target: bytes, parameters: list[tuple[int, bytes]]) -> bytes:
    fields = b"".join(struct.pack("!HH", key, len(value)) + value for key, value in parameters)
    return struct.pack("!H", priority) + target + fields


@pytest.mark.parametrize("kind", [SVCB, HTTPS])
def test_address_hints(kind: int) -> None:
    data = service(1, b"\0", [(1, b"\x02h2"), (4, ONE + TWO), (5, b"ech"), (6, SIX)])
    message = dns_answer("a.example", [dns_record(QUESTION_NAME, kind, data, ttl=9)], kind=kind)
    assert parse(message) == Answer(LAN, "a.example", (ONE, TWO, SIX), 9, True, 12.5)


def test_a_service_elsewhere() -> None:
    data = service(1, dns_name("svc.example.net"), [(4, ONE)])
    assert addresses(dns_answer("a.example", [dns_record(QUESTION_NAME, HTTPS, data)], kind=HTTPS)) == (ONE,)


def test_a_service_alias() -> None:
    alias = dns_record(QUESTION_NAME, HTTPS, service(0, dns_name("svc.example.net"), []))
    target = dns_record(dns_name("svc.example.net"), HTTPS, service(1, b"\0", [(4, ONE)]))
    assert addresses(dns_answer("a.example", [target, alias], kind=HTTPS)) == (ONE,)
    nowhere = dns_record(QUESTION_NAME, HTTPS, service(0, b"\0", []))
    assert addresses(dns_answer("a.example", [nowhere], kind=HTTPS)) == ()


@pytest.mark.parametrize(
    "data", [service(1, b"\0", [(4, b"odd")]), service(1, b"\0", [])[:-1] + b"\0\0\4\0\x20", b"\0"]
)
def test_malformed_services(data: bytes) -> None:
    with pytest.raises(DnsError):
        parse(dns_answer("a.example", [dns_record(QUESTION_NAME, HTTPS, data)], kind=HTTPS))


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (b"caf\xc3\xa9", r"caf\195\169"),
        (b"xn--caf-dma", "xn--caf-dma"),
        (b"a.b", r"a\046b"),
        (b"back\\slash", r"back\092slash"),
        (b"\x1b[31mred\x07", r"\027[31mred\007"),
        (b"new\nline\0", r"new\010line\000"),
        (b"two words", r"two\032words"),
        (b"_dns-sd", "_dns-sd"),
        (b"UPPER/Slash", "upper/slash"),
        (b"\x7f\x80\xff", r"\127\128\255"),
    ],
)
def test_labels_become_printable(label: bytes, text: str) -> None:
    wire = bytes([len(label)]) + label + b"\x07example\0"
    for _ in range(2):
        answer = parse(dns_answer(wire, [dns_record(QUESTION_NAME, A, ONE)]))
        assert answer is not None
        assert answer.name == f"{text}.example"
        assert answer.name.isprintable()


def test_the_longest_name() -> None:
    labels = [b"a" * 63] * 3 + [b"b" * 61]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    assert len(wire) == 255
    answer = parse(dns_answer(wire, [dns_record(QUESTION_NAME, A, ONE)]))
    assert answer is not None
    assert len(answer.name) == 253


def test_the_most_labels() -> None:
    answer = parse(dns_answer(b"\x01a" * 127 + b"\0", [dns_record(QUESTION_NAME, A, ONE)]))
    assert answer is not None
    assert answer.name.count(".") == 126


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x3fa" * 0 + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\0", "255"),
        (b"\x01a" * 128 + b"\0", "255"),
        ((b"\x3f" + b"\xff" * 63) * 3 + b"\0", "unprintable"),
        (b"\x40" + b"a" * 64 + b"\0", "unknown type"),
        (b"\x80a\0", "unknown type"),
        (b"\xc0\x0c", "compressed"),
        (b"\xc0\xff", "compressed"),
        (b"\x01a\xc0\x0c", "compressed"),
        (b"\x01a\xc0\x00", "compressed"),
        (b"\x3f" + b"a" * 20, "early"),
    ],
)
def test_names_that_are_none(wire: bytes, reason: str) -> None:
    with pytest.raises(DnsError, match=reason):
        parse(dns_answer(wire, [dns_record(QUESTION_NAME, A, ONE)]))


@pytest.mark.parametrize(
    "owner",
    [
        pointer(0x3FFF),
        pointer(after_question("a.example")),
        b"\x01x" + pointer(after_question("a.example")),
        b"\x3fshort",
        b"\x41" + b"a" * 65 + b"\0",
        b"\x01a" * 128 + b"\0",
    ],
)
def test_owners_that_are_no_name(owner: bytes) -> None:
    with pytest.raises(DnsError):
        parse(dns_answer("a.example", [dns_record(owner, A, ONE)]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes(11),
        b"\0\0\x80\0\0\1\0\0\0\0\0\0",
        dns_answer("a.example", [dns_record(QUESTION_NAME, A, ONE)], count=2),
        dns_answer("a.example", [dns_record(QUESTION_NAME, A, ONE)], count=65_535),
        dns_answer("a.example", [dns_record(QUESTION_NAME, A, b"odd")]),
        dns_answer("a.example", [dns_record(QUESTION_NAME, AAAA, ONE)]),
        dns_answer("a.example", [dns_record(QUESTION_NAME, CNAME, b"")]),
        dns_answer("a.example", [QUESTION_NAME + struct.pack("!HHIH", A, 1, 0, 4)]),
        dns_answer("a.example", [QUESTION_NAME + struct.pack("!HHIH", 99, 1, 0, 9)]),
    ],
)
def test_malformed_messages(message: bytes) -> None:
    with pytest.raises(DnsError):
        parse(message)


def test_more_records_than_questions_deserve() -> None:
    """Only so many records are read: a huge answer costs bounded time and memory."""
    records = [dns_record(QUESTION_NAME, A, struct.pack("!I", number)) for number in range(4000)]
    assert len(addresses(dns_answer("a.example", records))) == 512


def worst_messages() -> list[bytes]:
    """Messages that cost most: many names, each of many labels, each only to be compared."""
    base = after_question("a.example")
    long_name = b"\x01b" * 120 + b"\0"
    chain = [dns_record(long_name, CNAME, dns_name("c.example"))]
    chain += [dns_record(pointer(base + 2 * (number % 100)), A, ONE) for number in range(3000)]
    prefixed = [dns_record(long_name, A, ONE)]
    prefixed += [
        dns_record(b"\x01" + bytes([number % 250 + 1]) + pointer(base), A, ONE) for number in range(3000)
    ]
    aliases = [
        dns_record(b"\x04%04d\0" % number, CNAME, b"\x04%04d\0" % (number + 1))
        for number in reversed(range(2000))
    ]
    return [dns_answer("a.example", records) for records in (chain, prefixed)] + [
        dns_answer(b"\x040000\0", aliases)
    ]


@pytest.mark.parametrize("message", worst_messages())
def test_the_worst_message_takes_little_time(message: bytes) -> None:
    began = time.process_time()
    try:
        parse(message)
    except DnsError as error:
        assert "too many labels" in str(error)  # noqa: PT017
    assert time.process_time() - began < 0.1


def test_the_names_that_are_remembered_are_bounded() -> None:
    for number in range(10_000):
        parse(framing.dns_addresses(f"n{number}.example", "198.51.100.7"))
    assert len(dns._texts) <= 8192


def test_what_was_remembered_is_read_alike() -> None:
    message = framing.dns_addresses("Twice.example", "198.51.100.7")
    assert parse(message) == parse(message)


names = st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=4).map(
    lambda labels: b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
)


@settings(max_examples=300, deadline=1000)
@given(wire=names, found=st.lists(st.binary(min_size=4, max_size=4), max_size=5))
def test_any_name(wire: bytes, found: list[bytes]) -> None:
    message = dns_answer(wire, [dns_record(QUESTION_NAME, A, each) for each in found])
    try:
        answer = parse(message)
    except DnsError:
        assert len(wire) > 62
        return
    assert answer is not None
    assert answer.name.isascii()
    assert answer.name.isprintable()
    assert " " not in answer.name
    assert 0 < len(answer.name) <= 253
    assert answer.addresses == tuple(dict.fromkeys(found))


@settings(max_examples=500, deadline=1000)
@given(message=st.binary(max_size=300), cut=st.booleans())
def test_any_bytes(message: bytes, cut: bool) -> None:
    check(b"\0\0\x81\x80\0\1" + message, cut=cut)


SEEDS = [
    framing.dns_addresses("ws.meethue.com", "198.51.100.7", "198.51.100.8"),
    dns_answer(
        "a.example",
        [
            dns_record(dns_name("b.example"), A, ONE),
            dns_record(QUESTION_NAME, CNAME, dns_name("b.example")),
            dns_record(QUESTION_NAME, HTTPS, service(1, b"\0", [(4, ONE + TWO), (6, SIX)])),
        ],
    ),
]


@settings(max_examples=500, deadline=1000)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), max_size=6),
    end=st.integers(12, 200),
    cut=st.booleans(),
)
def test_any_damage(seed: bytes, changes: list[tuple[int, int]], end: int, cut: bool) -> None:
    message = bytearray(seed)
    for place, value in changes:
        if place < len(message):
            message[place] = value
    check(bytes(message[:end]), cut=cut)


def check(message: bytes, *, cut: bool) -> None:
    try:
        answer = parse(message, cut=cut)
    except DnsError:
        return
    if answer is not None:
        assert answer.name.isprintable()
        assert len(answer.name) <= 253
        assert all(len(each) in (4, 16) for each in answer.addresses)
        assert 0 <= answer.ttl <= 0x7FFFFFFF

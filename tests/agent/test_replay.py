"""Replay: times, intervals, pace, damage, and what it says when there is nothing to say."""

import ipaddress
import itertools
import json
import logging
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import framing
import pytest
from framing import ACK, DEVICE, FIN, ROUTER, SYN, mac_text
from replaying import Replayed, replayed

from gateway_agent import replay as module
from gateway_agent.decode.pcap import CaptureError
from gateway_agent.replay import ReplayError, json_line, replay
from gateway_agent.wire.messages import Message

AT = 1_577_880_000.0
LAN, NET, GATEWAY = "192.168.8.20", "198.51.100.7", "192.168.8.1"
MAC = mac_text(DEVICE)
Timed = tuple[float, bytes]


def up(at: float, body: bytes = b"?", *, to: str = NET, port: int = 999) -> Timed:
    return AT + at, framing.ethernet(DEVICE, ROUTER, framing.ip(LAN, to, 17, framing.udp(40000, port, body)))


def down(at: float, body: bytes = b"!", *, source: str = NET, port: int = 999) -> Timed:
    return AT + at, framing.ethernet(
        ROUTER, DEVICE, framing.ip(source, LAN, 17, framing.udp(port, 40000, body))
    )


def answer(at: float, name: str, *addresses: str) -> Timed:
    return down(at, framing.dns_addresses(name, *addresses), source=GATEWAY, port=53)


def run(path: Path, frames: list[Timed] | bytes, **options: object) -> Replayed:
    content = frames if isinstance(frames, bytes) else framing.pcap(frames)
    framing.saved(path, content)
    result = Replayed()
    replay(path, emit=taker(result), gateway="home", **options)  # type: ignore[arg-type]
    return result


def taker(result: Replayed) -> Callable[[Message], None]:
    return lambda message: result.take(json.loads(json_line(message, "spin/home")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.pcap"


def test_what_is_said_and_in_which_order(path: Path) -> None:
    result = run(path, [up(0.0), down(0.1), up(7.0)])
    topics = [message["topic"].removeprefix("spin/home/") for message in result.messages]
    assert topics[:2] == ["info", "status"]
    assert topics[-1] == "status"
    assert set(topics[2:-1]) == {f"device/{MAC}", f"device/{MAC}/flows"}
    assert result.payloads("/status") == ["online", "offline"]
    retained = {message["topic"] for message in result.messages if message["retain"]}
    assert retained == {"spin/home/info", "spin/home/status", f"spin/home/device/{MAC}"}
    assert {message["qos"] for message in result.messages} == {1}


def test_all_times_are_the_capture_s(path: Path) -> None:
    result = run(path, [up(0.0), down(0.1), up(7.0), down(7.25)])
    (info,) = result.payloads("/info")
    assert (info["started"], info["source"], info["interval"]) == (AT, "packets", 5.0)
    (row,) = result.rows.values()
    assert (row["first"], row["last"]) == (AT, AT + 7.25)
    device = result.devices[MAC]
    assert (device["first_seen"], device["last_seen"]) == (AT, AT + 7.25)
    flows = result.payloads("/flows")
    assert flows[0]["start"] == AT
    assert flows[-1]["end"] == AT + 7.25
    assert all(earlier["end"] <= later["start"] for earlier, later in itertools.pairwise(flows))
    assert [payload["seq"] for payload in flows] == list(range(1, len(flows) + 1))
    assert len({payload["epoch"] for payload in [info, device, *flows]}) == 1


def test_intervals_end_in_the_capture_s_time(path: Path) -> None:
    result = run(path, [up(0.0), down(0.1), *[up(at / 2) for at in range(2, 60)]])
    ends = [payload["end"] - AT for payload in result.payloads("/flows")]
    assert ends == pytest.approx([0.9, 5.0, 10.0, 15.0, 20.0, 25.0, 29.5])


def test_a_new_destination_is_told_within_a_second(path: Path) -> None:
    result = run(path, [up(0.0), down(0.1), up(6.0, to="198.51.100.8"), up(6.5), up(20.0)])
    told = next(
        payload["end"]
        for payload in result.payloads("/flows")
        if any(row["address"] == "198.51.100.8" for row in payload["destinations"])
    )
    assert AT + 6.0 < told <= AT + 7.0


def test_the_last_message_tells_everything(path: Path) -> None:
    result = run(path, [up(0.0), down(0.1), up(20.0, to="198.51.100.8")])
    last = result.payloads("/flows")[-1]
    assert last["snapshot"] is True
    assert {row["address"] for row in last["destinations"]} == {NET, "198.51.100.8"}


def test_names_are_those_of_the_lookup_before(path: Path) -> None:
    frames = [
        up(0.0),
        up(1.0),
        answer(6.0, "first.example", NET),
        up(6.1),
        answer(12.0, "second.example", NET),
        up(12.1),
    ]
    result = run(path, frames)
    rows = {row["name"]: row["sent_packets"] for row in result.rows.values() if row["address"] == NET}
    assert rows == {None: 2, "first.example": 1, "second.example": 1}


def test_two_names_of_one_address_within_an_interval(path: Path) -> None:
    frames = [
        answer(0.0, "first.example", NET),
        up(0.01),
        up(0.02),
        answer(0.03, "second.example", NET),
        up(0.04),
    ]
    result = run(path, frames)
    rows = {row["name"]: row["sent_packets"] for row in result.rows.values() if row["address"] == NET}
    assert rows == {"first.example": 2, "second.example": 1}


def test_lookups_without_traffic(path: Path) -> None:
    frames = [answer(0.0, "quiet.example", NET), answer(0.1, "gone.example"), answer(1.0, "gone.example")]
    result = run(path, frames)
    assert {name: (each["answered"], each["count"]) for (_, name), each in result.lookups.items()} == {
        "quiet.example": (True, 1),
        "gone.example": (False, 2),
    }


def test_the_times_of_ntp_requests_are_told_once(path: Path) -> None:
    frames = [up(at, framing.NTP_REQUEST, port=123) for at in (0.0, 3.0, 7.0, 30.0)]
    assert run(path, frames).requests[MAC, NET] == [AT, AT + 3, AT + 7, AT + 30]


def test_unanswered_is_told_when_its_time_has_come(path: Path) -> None:
    result = run(path, [up(0.0), up(60.0), down(60.1)])
    payloads = result.payloads("/flows")
    told = next(each["end"] for each in payloads if any(row["unanswered"] for row in each["destinations"]))
    assert AT + 10 <= told <= AT + 15


@pytest.mark.parametrize("gap", [300.0, 86_400.0, 1_000_000_000.0])
def test_a_long_gap_takes_no_time(path: Path, gap: float) -> None:
    result = run(path, [up(0.0), down(0.1), up(gap), down(gap + 0.1), up(gap + 6)])
    assert sum(row["sent_packets"] for row in result.rows.values()) == 3
    flows = result.payloads("/flows")
    assert flows[-1]["end"] == AT + gap + 6
    assert any(payload["start"] >= AT + gap - 5 for payload in flows)


def test_packets_out_of_order_lose_nothing(path: Path) -> None:
    frames = [up(0.0), down(0.1), up(11.0), up(2.0), down(10.9), up(1.0), up(12.0)]
    result = run(path, frames)
    (row,) = result.rows.values()
    assert (row["sent_packets"], row["received_packets"]) == (5, 2)
    assert (row["first"], row["last"]) == (AT, AT + 12)


def test_a_clock_that_was_set_back_loses_nothing(path: Path) -> None:
    frames = [up(1_000_000.0), down(1_000_000.1), *[up(at) for at in range(100)]]
    result = run(path, frames)
    assert sum(row["sent_packets"] for row in result.rows.values()) == 101


def test_the_pace(path: Path) -> None:
    """At speed 2 the waits add up to half the capture's time; intervals end in time without any packet."""
    waited: list[float] = []
    result = Replayed()
    framing.saved(path, framing.pcap([up(0.0), down(0.1), up(30.0)]))
    clock = [100.0]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "monotonic", lambda: clock[0])
        replay(path, emit=taker(result), speed=2.0, sleep=sleep)
    assert sum(waited) == pytest.approx(15.0)
    assert len(waited) > 5


def test_speed_0_never_waits(path: Path) -> None:
    run(path, [up(0.0), up(3600.0)], sleep=lambda _: pytest.fail("waited"))


def test_a_torn_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = run(path, framing.pcap([up(0.0), down(0.1), up(1.0)])[:-5])
    assert sum(row["sent_packets"] for row in result.rows.values()) == 1
    assert result.payloads("/status") == ["online", "offline"]
    assert "torn" in caplog.text
    assert str(path) in caplog.text


def test_damage_in_the_midst(path: Path) -> None:
    content = framing.pcap([up(0.0), down(0.1)]) + struct.pack("<IIII", 1, 1, 0xFFFFFF, 1)
    framing.saved(path, content + framing.pcap([up(1.0)])[24:])
    result = Replayed()
    with pytest.raises(CaptureError, match="16777215 bytes"):
        replay(path, emit=taker(result))
    assert sum(row["sent_packets"] for row in result.rows.values()) == 1
    assert result.payloads("/status") == ["online", "offline"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (framing.pcap([]), "no IP packet"),
        (framing.section(), "no IP packet"),
        (framing.pcap([(AT, framing.arp(DEVICE, LAN, GATEWAY))]), "no IP packet"),
        (framing.pcap([up(0.0)], link_type=105), "link type 105"),
        (
            framing.pcap(
                [
                    (
                        AT,
                        framing.ethernet(
                            DEVICE, ROUTER, framing.ip("203.0.113.5", NET, 6, framing.tcp(1, 2, SYN))
                        ),
                    )
                ]
            ),
            "--lan",
        ),
    ],
)
def test_nothing_to_replay(path: Path, content: bytes, reason: str) -> None:
    result = Replayed()
    framing.saved(path, content)
    with pytest.raises(ReplayError, match=reason) as caught:
        replay(path, emit=taker(result))
    assert str(path) in str(caught.value)
    assert result.messages == []


def test_damage_before_the_first_packet(path: Path) -> None:
    framing.saved(path, framing.pcap([]) + struct.pack("<IIII", 1, 1, 0xFFFFFF, 1))
    result = Replayed()
    with pytest.raises(CaptureError, match="offset 24"):
        replay(path, emit=taker(result))
    assert result.messages == []


def test_networks_that_are_given(path: Path) -> None:
    frame = framing.ethernet(DEVICE, ROUTER, framing.ip("203.0.113.5", NET, 6, framing.tcp(1, 2, SYN)))
    result = run(path, [(AT, frame)], lan=[ipaddress.ip_network("203.0.113.0/24")])
    assert list(result.devices) == [MAC]


def test_local_rows_are_in_no_sum(path: Path) -> None:
    result = run(path, [up(0.0), up(0.1, to="192.168.9.9"), up(0.2, to="224.0.0.251", port=5353)])
    assert {row["address"]: row["local"] for row in result.rows.values()} == {
        NET: False,
        "192.168.9.9": True,
        "224.0.0.251": True,
    }
    assert result.counters[MAC]["sent_packets"] == 1


def test_more_hosts_than_the_ledger_keeps(path: Path) -> None:
    """What has no row any more is in `omitted`: the sums stay exact."""
    syn = framing.tcp(40000, 23, SYN)
    hosts = [f"100.64.{number >> 8}.{number & 255}" for number in range(10_000)]
    frames = [
        (AT + number * 0.001, framing.ethernet(DEVICE, ROUTER, framing.ip(LAN, host, 6, syn)))
        for number, host in enumerate(hosts)
    ]
    result = run(path, frames)
    counters, omitted = result.counters[MAC], result.omitted[MAC]
    last = [each for each in result.payloads("/flows") if each["snapshot"]]
    kept = sum(row["sent_bytes"] for payload in last for row in payload["destinations"])
    assert counters["sent_bytes"] == 400_000
    assert counters["connections"] == counters["unanswered"] == 10_000
    assert kept + omitted["sent_bytes"] == 400_000
    assert len(last[-1]["destinations"]) <= 1024


def test_ten_thousand_made_up_devices(path: Path) -> None:
    frames = [up(0.0), down(0.1)]
    for number in range(10_000):
        mac = b"\x02\x01" + struct.pack("!I", number)
        source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        frames.append(
            (AT + 1, framing.ethernet(mac, ROUTER, framing.ip(source, NET, 17, framing.udp(1, 999, b""))))
        )
    result = run(path, frames)
    assert len(result.devices) == 256
    assert MAC in result.devices


def test_ten_thousand_made_up_names(path: Path) -> None:
    frames = [answer(number * 0.001, f"n{number}.example", NET) for number in range(10_000)]
    result = run(path, [*frames, up(11.0)])
    assert {row["name"] for row in result.rows.values() if row["address"] == NET} == {"n9999.example"}


def test_it_can_run_in_a_thread(path: Path) -> None:
    framing.saved(path, framing.pcap([up(0.0), down(0.1)]))
    result = Replayed()
    thread = threading.Thread(target=replay, args=(path,), kwargs={"emit": taker(result)})
    thread.start()
    thread.join(10)
    assert result.payloads("/status") == ["online", "offline"]


def test_lines_of_messages_without_json(path: Path) -> None:
    assert path.name not in json_line(Message("status", b"online", retain=True), "spin/home")
    gone = json.loads(json_line(Message("device/x", b"", retain=True), "spin/home"))
    assert gone == {"topic": "spin/home/device/x", "payload": "", "retain": True, "qos": 1}


# The command itself.


def test_the_command(path: Path) -> None:
    framing.saved(path, framing.pcap([up(0.0), down(0.1)]))
    assert replayed(path).by_address() == {(MAC, NET): (1, 29, 1, 29)}
    assert replayed(path, "--lan", "192.168.8.0/24").by_address() == {(MAC, NET): (1, 29, 1, 29)}


def test_the_command_without_lan(path: Path) -> None:
    frame = framing.ethernet(DEVICE, ROUTER, framing.ip("203.0.113.5", NET, 6, framing.tcp(1, 2, FIN | ACK)))
    framing.saved(path, framing.pcap([(AT, frame)]))
    result = replayed(path, check=False)
    assert result.status == 1
    assert "--lan" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.messages == []


@pytest.mark.parametrize("content", [b"", b"no capture", framing.pcap([])[:10]])
def test_the_command_on_something_else(path: Path, content: bytes) -> None:
    framing.saved(path, content)
    result = replayed(path, check=False)
    assert result.status == 1
    assert str(path) in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_on_a_torn_file(path: Path) -> None:
    framing.saved(path, framing.pcap([up(0.0), down(0.1), up(1.0)])[:-5])
    result = replayed(path)
    assert "torn" in result.stderr
    assert result.by_address() == {(MAC, NET): (1, 29, 1, 29)}

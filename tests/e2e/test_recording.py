"""The simulated home as a capture file: what TShark, which knows nothing of it, finds inside."""

import io
import itertools
import shutil
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.home.actor import Event
from tests.home.household import CAMERA, HUE, PHONE, PLUG, SCANNER, camera, phone, plug, scanner
from tests.home.hue import CONNECTIVITY_CHECKS, Firmware, hue_bridge
from tests.home.recording import Outage, Part, record

START = 1577880000.0
needs_tshark = pytest.mark.skipif(
    not shutil.which("tshark"), reason="needs tshark (script/setup as root installs it)"
)
HOUSEHOLD = (
    Part(HUE, hue_bridge()),
    Part(CAMERA, camera(), 1),
    Part(PLUG, plug(), 2),
    Part(PHONE, phone(), 3),
)


def tshark(capture: Path, *arguments: str) -> list[list[str]]:
    """Return the columns that TShark prints, with every checksum checked."""
    checks = [f"{protocol}.check_checksum:TRUE" for protocol in ("ip", "tcp", "udp")]
    options = [word for check in checks for word in ("-o", check)]
    done = subprocess.run(
        ["tshark", "-n", "-r", capture, *options, *arguments],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def fields(capture: Path, display_filter: str, *names: str) -> list[list[str]]:
    columns = [word for name in names for word in ("-e", name)]
    return tshark(capture, "-Y", display_filter, "-T", "fields", *columns)


def severe(capture: Path) -> list[list[str]]:
    """Return what TShark's experts call a warning or an error, resets apart: they are meant."""
    return fields(
        capture,
        '_ws.expert.severity >= "Warning" && !(tcp.flags.reset == 1)',
        "frame.number",
        "_ws.expert.message",
    )


@needs_tshark
def test_household_is_read_without_a_warning(tmp_path: Path) -> None:
    capture = tmp_path / "household.pcap"
    with capture.open("wb") as file:
        record(file, HOUSEHOLD, start=START, seconds=400)
    assert severe(capture) == []
    assert fields(capture, "tcp.flags.reset == 1", "frame.number") == []
    assert len(fields(capture, "ip || ipv6", "frame.number")) > 2000
    names = {
        row[0] for row in fields(capture, "tls.handshake.type == 1", "tls.handshake.extensions_server_name")
    }
    assert {"ws.meethue.com", "upload.camera-cloud.example", "social.example"} <= names
    hosts = {row[0] for row in fields(capture, "dhcp.option.dhcp == 3", "dhcp.option.hostname")}
    assert hosts == {"Philips-hue", "doorbell-cam", "HS110", "Pixel-7"}
    assert fields(capture, "ipv6.src == 2001:db8:8::/64 && tcp", "frame.number")


@needs_tshark
@pytest.mark.parametrize("kind", ["blocked", "dead"])
def test_troubled_home_is_read_without_a_warning(tmp_path: Path, kind: str) -> None:
    capture = tmp_path / "trouble.pcap"
    with capture.open("wb") as file:
        record(
            file, (*HOUSEHOLD, Part(SCANNER, scanner())),
            start=START, seconds=400, outages=[Outage(60, 390, kind)],  # type: ignore[arg-type]
        )  # fmt: skip
    assert severe(capture) == []


@needs_tshark
def test_time_requests_have_the_case_study_s_intervals(tmp_path: Path) -> None:
    capture = tmp_path / "night.pcap"
    with capture.open("wb") as file:
        record(file, [Part(HUE, hue_bridge(), plugged_in=560)], start=START, seconds=3.5 * 3600)
    times: dict[str, list[float]] = defaultdict(list)
    for server, at in fields(capture, "ntp.flags.mode == 3", "ip.dst", "frame.time_epoch"):
        times[server].append(float(at))
    pauses = [
        later - earlier for requests in times.values() for earlier, later in itertools.pairwise(requests)
    ]
    assert len(times) == 4
    assert all(89 <= len(requests) <= 92 for requests in times.values())
    assert statistics.mean(pauses) == pytest.approx(133, abs=0.5)
    assert sum(pause < 64 for pause in pauses) / len(pauses) == pytest.approx(0.28, abs=0.005)


def first_failures(events: list[Event]) -> list[str]:
    return list(dict.fromkeys(event.name for event in events if not event.succeeded))


def hue_events(firmware: Firmware, outage: Outage, seconds: float = 600) -> list[Event]:
    events: list[Event] = []
    record(
        io.BytesIO(), [Part(HUE, hue_bridge(firmware))],
        start=START, seconds=seconds, outages=[outage], log=lambda _part, event: events.append(event),
    )  # fmt: skip
    return events


@pytest.mark.parametrize("firmware", ["march2019", "december2019"])
def test_cloud_loss_goes_through_the_case_study_s_order(firmware: Firmware) -> None:
    failures = first_failures(hue_events(firmware, Outage(190, 600, "blocked")))
    assert failures == [
        "ws.meethue.com",
        *(f"time{number}.google.com" for number in range(1, 5)),
        "diagnostics.meethue.com",
        *CONNECTIVITY_CHECKS[firmware],
    ]


def test_start_without_internet_ends_with_the_checks() -> None:
    failures = first_failures(hue_events("december2019", Outage(0, 600, "dead")))
    assert failures[0] == "ws.meethue.com"
    assert failures[-4:] == ["www2.meethue.com", "www.philips.com", "google.com", "baidu.com"]


def test_no_check_is_made_while_the_cloud_answers() -> None:
    events = hue_events("december2019", Outage(0, 0, "dead"))
    assert first_failures(events) == []
    assert not {"google.com", "baidu.com"} & {event.name for event in events}


@needs_tshark
def test_a_check_is_an_empty_handshake_and_the_first_that_answers_is_the_last(tmp_path: Path) -> None:
    capture = tmp_path / "check.pcap"
    with capture.open("wb") as file:
        record(
            file, [Part(HUE, hue_bridge())],
            start=START, seconds=600, outages=[Outage(60, 600, "blocked", domain="meethue.com")],
        )  # fmt: skip
    asked = [row[0] for row in fields(capture, "dns.flags.response == 0", "dns.qry.name")]
    assert "www.philips.com" in asked
    assert not {"google.com", "baidu.com"} & set(asked)
    check = "ip.dst == 198.51.100.20 && tcp.dstport == 80"
    flags = fields(capture, check, "tcp.flags.str", "tcp.len")
    assert [length for _, length in flags] == ["0"] * len(flags)
    assert [shown.strip("·") for shown, _ in flags[:4]] == ["S", "A", "A···F", "A"]


@needs_tshark
def test_tshark_notices_a_wrong_checksum(tmp_path: Path) -> None:
    """The check of the other tests is worth something."""
    whole = io.BytesIO()
    record(whole, [Part(PLUG, plug())], start=START, seconds=30)
    broken = bytearray(whole.getvalue())
    broken[-1] ^= 1
    capture = tmp_path / "broken.pcap"
    capture.write_bytes(broken)
    assert len(severe(capture)) == 1

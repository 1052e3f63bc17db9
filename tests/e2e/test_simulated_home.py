"""The simulated home itself: what it offers, and that nothing of it stays behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.home import namespaces
from tests.home.broker import free_port
from tests.home.home import Home, home
from tests.home.household import CAMERA, HUE, MODELS, SCANNER
from tests.home.internet import ntp_request
from tests.home.namespaces import NETNS
from tests.home.python import PYTHON, ROOT
from tests.home.traffic import echo, look_up, reaches, transfer

_STAND_STILL = """
import sys, time
sys.path.insert(0, {root!r})
from tests.home.home import home
from tests.home.household import HUE
with home(HUE) as house:
    print(house.folder, flush=True)
    for _ in range(600):  # a signal just before a long sleep would wait for its end
        time.sleep(0.1)
"""


def own_namespaces(pid: int) -> list[Path]:
    return list(NETNS.glob(f"spin-home-{pid}-*"))


def wait_until(ready: Callable[[], object], what: str, patience: float = 10) -> None:
    end = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@pytest.fixture(scope="module")
def house() -> Iterator[Home]:
    """A home with two devices that have addresses."""
    with home(HUE, CAMERA) as built:
        for label in built.devices:
            built.configure_statically(label)
        yield built


@pytest.mark.root
def test_internet_answers_over_both_protocols(house: Home) -> None:
    device = house.devices["hue"]
    for place in ("198.51.100.7", "2001:db8:5:1::7"):
        transfer(device, place, upload=100_000, download=100_000)
        echo(device, place, 1200)
    assert not reaches(device, "203.0.113.200", patience=0.3)
    assert not reaches(device, "2001:db8:dead::1", patience=0.3)


@pytest.mark.root
def test_resolver_knows_made_up_names(house: Home) -> None:
    device = house.devices["hue"]
    assert look_up(device, "ws.meethue.com", 4) == ("198.51.100.7",)
    assert look_up(device, "google.com", 6) == ("2001:db8:5:1::28", "2001:db8:5:1::29")
    assert len(look_up(device, "many.example", 4)) == 24
    assert look_up(device, "n3.fresh.example", 6) == ("2001:db8:5:f::4",)
    assert look_up(device, "203-0-113-77.at.example", 4) == ("203.0.113.77",)
    assert look_up(device, "nowhere.example", 4) == ()


@pytest.mark.root
def test_time_server_answers_from_the_address_that_was_asked(house: Home) -> None:
    for family, server in ((socket.AF_INET, "203.0.113.35"), (socket.AF_INET6, "2001:db8:5:113::23")):
        with house.devices["hue"].socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.sendto(ntp_request(1577880000.0), (server, 123))
            reply, sender = client.recvfrom(100)
        assert sender[0] == server
        assert reply[0] & 7 == 4
        assert reply[24:32] == ntp_request(1577880000.0)[40:48]


@pytest.mark.root
def test_internet_can_be_taken_away(house: Home) -> None:
    device = house.devices["camera"]
    assert reaches(device, "198.51.100.80")
    house.cut_uplink()
    assert not reaches(device, "198.51.100.80", patience=0.5)
    house.mend_uplink()
    assert reaches(device, "198.51.100.80")


@pytest.mark.root
def test_devices_join_and_play(tmp_path: Path) -> None:
    with home(HUE, SCANNER) as built:
        for label in built.devices:
            built.start_device(label, label, "--speed", "50", log=tmp_path / label)
        wait_until(lambda: "diagnostics" in (tmp_path / "hue").read_text(), "the bridge reports")
        wait_until(lambda: '"ports"' in (tmp_path / "scanner").read_text(), "the scanner scans")
        events = [json.loads(line) for line in (tmp_path / "hue").read_text().splitlines()]
        assert events[0]["name"] == "ws.meethue.com"
        assert all(event["succeeded"] for event in events)
        leases = {line.split()[1]: line.split()[2:4] for line in built.leases.read_text().splitlines()}
        assert leases[HUE.mac] == [HUE.ipv4, "Philips-hue"]
        assert HUE.ipv6 in built.devices["hue"].run("ip", "-6", "address", "show", "dev", "eth0")


@pytest.mark.root
def test_nothing_stays_behind_a_failure() -> None:
    folder, before = None, own_namespaces(os.getpid())
    with pytest.raises(ZeroDivisionError), home(HUE) as built:  # noqa: PT012
        folder = built.folder
        raise ZeroDivisionError
    assert folder is not None
    assert not folder.exists()
    assert own_namespaces(os.getpid()) == before


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_stays_behind_a_signal(number: signal.Signals) -> None:
    process, folder = stand_still()
    process.send_signal(number)
    process.wait(10)
    assert own_namespaces(process.pid) == []
    assert not folder.exists()


@pytest.mark.root
def test_what_a_killed_process_left_is_swept() -> None:
    process, folder = stand_still()
    process.kill()
    process.wait()
    assert len(own_namespaces(process.pid)) == 3
    namespaces.sweep()
    assert own_namespaces(process.pid) == []
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def stand_still() -> tuple[subprocess.Popen[str], Path]:
    """Start a process that builds a home and does nothing; return it and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STAND_STILL.format(root=str(ROOT))],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout
    folder = Path(process.stdout.readline().strip())
    assert own_namespaces(process.pid)
    return process, folder


def test_every_model_has_a_mac_of_its_own() -> None:
    macs = [make().mac for name, make in MODELS.items() if name != "hue-march2019"]
    assert len(set(macs)) == len(macs)


def test_demo_says_that_its_port_is_taken() -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = subprocess.run(
            [PYTHON, "-m", "tests.home.demo", "--no-root", "--port", str(port)],
            capture_output=True, text=True, timeout=30, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr

"""The case study's findings, from Home Assistant's own actions: experiments, captures, profiles as rules."""

import itertools
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home import dashboard
from tests.home import homeassistant as hass
from tests.home.agent import Agent
from tests.home.broker import free_port
from tests.home.hassclient import HassError, Json
from tests.home.home import Home, home
from tests.home.homeassistant import HomeAssistant
from tests.home.household import CAMERA, HUE
from tests.home.hue import TIME_SERVERS
from tests.home.namespaces import stop
from tests.home.traffic import look_up, reaches, transfer

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

SPEED = 10
A_MOMENT = 0.1
FAST_SECONDS = int(os.environ.get("SPIN_FAST_SECONDS", "10"))
CHECKS = ["www2.meethue.com", "www.philips.com", "google.com", "baidu.com"]
ORDINARY = {"ws.meethue.com", "diagnostics.meethue.com", "fwupdate.philips.com", *TIME_SERVERS}


@dataclass
class World:
    """A home with its gateway, and the Home Assistant that asks it."""

    home: Home
    assistant: HomeAssistant
    log: Path
    bridge: subprocess.Popen[str] | None = None

    def entity(self) -> str:
        """Return an entity of the bridge."""
        for shown in dashboard.devices(self.assistant.client):
            if shown.mac == HUE.mac:
                return shown.entities["block"]
        raise LookupError("the bridge is not known yet")

    def ask(self, action: str, **data: Json) -> dict[str, Any]:
        """Perform an action on the bridge and return its answer."""
        answer = self.assistant.client.call(f"spin.{action}", response=True, entity_id=self.entity(), **data)
        (device,) = answer["service_response"]["devices"].values()
        found: dict[str, Any] = device
        return found

    def switch_on(self) -> None:
        """Plug the bridge in."""
        self.bridge = self.home.start_device("hue", "hue", "--speed", str(SPEED), log=self.log)

    def switch_off(self) -> None:
        """Pull its plug."""
        if self.bridge is not None:
            stop(self.bridge)
            self.home.processes.remove(self.bridge)
            self.bridge = None

    def rounds(self) -> int:
        """Return how often the bridge has asked its last time server."""
        return self.log.read_text().count(TIME_SERVERS[-1])

    def wait_for_a_round(self) -> None:
        """Wait until it has just looked at the clock, so that the next thing it does is something else."""
        before = self.rounds()
        self.wait(lambda: self.rounds() > before, "it looks at the clock", 30)

    def wait(self, ready: Callable[[], object], what: str, patience: float = 60) -> None:
        """Wait until that is so."""
        end = time.monotonic() + patience
        while True:
            try:
                if ready():
                    return
            except (LookupError, HassError, OSError) as error:
                what = f"{what} ({error})"[:300]
            assert time.monotonic() < end, what
            time.sleep(0.2)

    def experiment(self, kind: str, until: str, **data: Json) -> list[dict[str, Any]]:
        """Run an experiment until the bridge has tried that name; return its attempts."""
        self.ask("start_experiment", kind=kind, duration="00:05:00", **data)
        if kind == "started_without_internet":
            self.switch_on()

        def tried() -> bool:
            attempts = self.ask("get_experiment")["experiment"]["attempts"]
            return until in [each["destination"] for each in attempts]

        self.wait(tried, f"it tries {until}")
        time.sleep(3)
        attempts: list[dict[str, Any]] = self.ask("stop_experiment")["attempts"]
        assert self.ask("get_experiment")["experiment"]["outcome"] == "stopped"
        return attempts


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One Home Assistant for all tests here, with a bridge that is in ordinary operation."""
    with (
        tempfile.TemporaryDirectory(prefix="spin-e2e-", ignore_cleanup_errors=True) as name,
        hass.running(HomeAssistant(Path(name) / "homeassistant", free_port())) as assistant,
        brokers.running(brokers.mosquitto(Path(name))) as broker,
        home(HUE, CAMERA) as house,
        agents.running(Agent(house, broker, Path(name))),
    ):
        house.configure_statically("camera")
        assistant.onboard()
        assistant.wait_until_running()
        assistant.add_mqtt(
            port=broker.port, username=broker.username, password=broker.password, protocol=broker.protocol
        )
        assistant.accept_discovered_gateway()
        built = World(house, assistant, Path(name) / "hue.log")
        built.switch_on()

        def settled() -> bool:
            names = {n for d in built.ask("get_destinations")["destinations"] for n in d["names"]}
            return names >= ORDINARY

        built.wait(settled, "the bridge is in ordinary operation", 90)
        yield built
        built.switch_off()


def names(attempts: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(each["destination"] for each in attempts))


def test_ordinary_operation(world: World) -> None:
    attempts = world.experiment("normal", "time1.google.com")
    assert set(names(attempts)) <= ORDINARY
    assert "answered" in {each["answer"] for each in attempts} <= {"answered", "pending"}
    assert all(each["usual"] for each in attempts)


def test_sudden_loss_of_the_cloud(world: World) -> None:
    world.wait_for_a_round()
    attempts = world.experiment("cloud_lost", "baidu.com")
    order = names(attempts)
    print([(each["after"], each["destination"], each["count"]) for each in attempts])  # noqa: T201
    assert order[0] == "ws.meethue.com"
    assert set(order[1:5]) == set(TIME_SERVERS)
    assert order[5] == "diagnostics.meethue.com"
    assert [name for name in order if name in CHECKS] == CHECKS
    assert order[-4:] == CHECKS
    assert {each["answer"] for each in attempts} == {"refused"}
    assert {each["destination"] for each in attempts if not each["usual"]} == set(CHECKS)
    assert reaches(world.home.devices["hue"], "198.51.100.7")


def test_a_check_that_answers_is_the_last_and_carries_no_data(world: World) -> None:
    cut_off = ("ws.meethue.com", "www2.meethue.com", "www.philips.com")
    for name in cut_off:  # how soon a rule follows a first look-up is another matter
        look_up(world.home.devices["hue"], name, 4)
    attempts = world.experiment("cloud_lost", "google.com", destinations=["meethue.com", "www.philips.com"])
    found = {each["destination"]: each for each in attempts}
    assert found["google.com"]["answer"] == "answered"
    assert found["google.com"]["connectivity_check"] == "empty"
    assert "baidu.com" not in found
    for name in cut_off:
        assert found[name]["answer"] == "refused"


def test_started_without_internet(world: World) -> None:
    world.switch_off()
    attempts = world.experiment("started_without_internet", "baidu.com")
    order = names(attempts)
    assert set(order[-4:]) == set(CHECKS)
    assert set(order[:-4]) >= {*TIME_SERVERS, "diagnostics.meethue.com"}
    found = {each["destination"]: each["connectivity_check"] for each in attempts}
    assert found["google.com"] == "empty"  # seen in the experiment before


def test_an_experiment_ends_by_itself_without_home_assistant(world: World) -> None:
    hue = world.home.devices["hue"]
    world.ask("start_experiment", kind="cloud_lost", duration=12)
    assert not reaches(hue, "198.51.100.7")
    world.assistant.stop()
    time.sleep(14)
    assert reaches(hue, "198.51.100.7")
    world.assistant.start()
    world.assistant.wait_until_running()
    world.wait(
        lambda: world.ask("get_experiment")["experiment"]["outcome"] == "completed", "it is ended in order"
    )


def test_the_report(world: World) -> None:
    device_id = next(iter(world.assistant.client.call(
        "spin.get_time_sync", response=True, entity_id=world.entity()
    )["service_response"]["devices"]))  # fmt: skip
    page = download(world, f"/api/spin/report/{device_id}?language=en").decode()
    assert "Only checks whether the Internet is there; sends no data." in page
    assert "baidu.com" in page


def download(world: World, path: str) -> bytes:
    client = world.assistant.client
    request = urllib.request.Request(  # noqa: S310 (own URL)
        client.url + path, headers={"Authorization": f"Bearer {client.tokens['access_token']}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (own URL)
        content: bytes = answer.read()
        return content


def packets(path: Path) -> list[tuple[float, tuple[str, ...]]]:
    """Return what tshark sees of the bridge in a capture: when, and everything else of each packet."""
    done = subprocess.run(
        ["tshark", "-n", "-r", path, "-Y", f"eth.addr == {HUE.mac}", "-T", "fields", "-e", "frame.time_epoch",
         "-e", "frame.len", "-e", "eth.src", "-e", "eth.dst", "-e", "ip.id", "-e", "ip.src", "-e", "ip.dst",
         "-e", "tcp.seq_raw", "-e", "tcp.len", "-e", "udp.srcport", "-e", "udp.length", "-e", "arp.opcode"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == "" or "Running as user" in done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(float(at), tuple(rest)) for at, *rest in rows]


def assert_same(ours: Counter[tuple[str, ...]], theirs: Counter[tuple[str, ...]]) -> None:
    """Say which packets only one of them has: thousands that both have help nobody."""
    assert (ours - theirs, theirs - ours) == (Counter(), Counter())


def test_a_capture_equals_what_tshark_sees_on_the_bridge(world: World, tmp_path: Path) -> None:
    world.switch_off()
    hue, gateway = world.home.devices["hue"], world.home.gateway
    world.home.configure_statically("hue")
    beside = tmp_path / "beside.pcap"
    watcher = gateway.start(
        "tshark", "-n", "-q", "-i", "br-lan", "-B", "32", "-w", str(beside), stderr=subprocess.DEVNULL
    )
    time.sleep(3)
    file = world.ask("start_capture", duration=60, max_size=20)["file"]
    time.sleep(0.5)
    for _ in range(3):
        look_up(hue, "ws.meethue.com", 4)
        transfer(hue, "198.51.100.7", 300_000, 500_000)
        transfer(world.home.devices["camera"], "198.51.100.7", 10_000, 10_000)
    time.sleep(2)
    assert world.assistant.client.command("spin/captures")["ended"] == {}
    world.assistant.client.call("spin.stop_capture", entity_id=world.entity())

    def kept() -> bool:
        result = world.assistant.client.command("spin/captures")
        return [each["file"] for each in result["captures"]] == [file] and not result["running"]

    world.wait(kept, "the capture is kept")
    (listed,) = world.assistant.client.command("spin/captures")["captures"]
    assert (listed["complete"], listed["dropped"], listed["reason"]) == (True, 0, "stopped")
    stop(watcher)
    taken = tmp_path / "taken.pcap"
    taken.write_bytes(download(world, f"/api/spin/captures/{file}"))
    ours, theirs = packets(taken), packets(beside)
    assert len(ours) > 500
    times = [at for at, _ in ours]
    assert all(after > before - A_MOMENT for before, after in itertools.pairwise(times))
    # What crosses on two processors at once, two listeners may see in another order: the same packets, then.
    meanwhile = [packet for at, packet in theirs if min(times) - A_MOMENT < at < max(times) + A_MOMENT]
    assert_same(Counter(packet for _, packet in ours), Counter(meanwhile))
    warned = subprocess.run(
        ["tshark", "-n", "-r", taken, "-Y", "_ws.malformed || _ws.short"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert warned.stdout == ""


def test_a_fast_capture_loses_nothing_or_says_how_much(world: World) -> None:
    """50 Mbit/s for ten seconds, or as many as SPIN_FAST_SECONDS says."""
    world.switch_off()
    hue = world.home.devices["hue"]
    world.home.configure_statically("hue")
    before = world.home.meter("hue")
    file = world.ask("start_capture", duration=2 * FAST_SECONDS, max_size=1000)["file"]
    end = time.monotonic() + FAST_SECONDS
    chunk = 1_250_000
    while time.monotonic() < end:
        began = time.monotonic()
        transfer(hue, "198.51.100.7", chunk // 2, chunk // 2)
        time.sleep(max(0.0, 0.2 - (time.monotonic() - began)))
    after = world.home.meter("hue")
    time.sleep(3)
    world.assistant.client.call("spin.stop_capture", entity_id=world.entity())
    world.wait(lambda: not world.assistant.client.command("spin/captures")["running"], "it has ended", 60)
    listed = next(
        each for each in world.assistant.client.command("spin/captures")["captures"] if each["file"] == file
    )
    sent = after.sent_packets - before.sent_packets + after.received_packets - before.received_packets
    print(listed, sent, (after.sent_bytes + after.received_bytes) * 8 / FAST_SECONDS / 1e6)  # noqa: T201
    assert listed["packets"] + listed["dropped"] >= sent
    assert listed["complete"] == (listed["dropped"] == 0)


def test_its_profile_as_rules(world: World) -> None:
    """What was seen is exported, imported with all else blocked: nothing that was is lost."""
    exported = world.ask("export_mud")
    world.ask("import_mud", content=json.dumps(exported["mud"]), enforce=True)
    hue = world.home.devices["hue"]

    def reached(name: str, port: int) -> bool:
        (address, *_) = look_up(hue, name, 4)
        try:
            transfer(hue, address, 100, 100, port)
        except OSError:
            return False
        return True

    assert reached("google.com", 80)
    assert reached("baidu.com", 80)
    assert not reached("facebook.com", 80)
    assert not reaches(hue, "203.0.113.253")
    world.assistant.client.call("spin.remove_mud", entity_id=world.entity())
    assert reached("facebook.com", 80)

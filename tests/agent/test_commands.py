"""The program itself on a gateway of its own: check, run with nothing but two capabilities, uninstall."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from broker_lab import Broker, Ear, needs_mosquitto
from kernel_lab import LAN4, Lab, needs_lab

ROOT = Path(__file__).parents[2]
NOBODY = 65_534
CAPABILITIES = "net_admin,net_raw"
# As systemd starts the agent: another user, who has two capabilities and can get no more.
AS_IN_THE_UNIT = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
    f"--bounding-set=-all,+{CAPABILITIES.replace(',', ',+')}",
    f"--inh-caps=-all,+{CAPABILITIES.replace(',', ',+')}",
    f"--ambient-caps=-all,+{CAPABILITIES.replace(',', ',+')}",
)  # fmt: skip
WITHOUT_RIGHTS = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
    "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
)  # fmt: skip

pytestmark = [
    *needs_lab,
    needs_mosquitto,
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv"),
]


@dataclass
class Done:
    """How a command ended and what it printed."""

    status: int
    text: str


@dataclass
class Site:
    """A gateway, a broker that it reaches over a Unix socket, and a configuration."""

    lab: Lab
    broker: Broker
    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def configuration(self) -> Path:
        """Write the configuration and return its place."""
        keys = {
            "interval": 1,
            "state_directory": str(self.folder / "var/state"),
            "runtime_directory": str(self.folder / "var/run"),
            **self.keys,
        }
        path = self.folder / "agent.toml"
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in keys.items()]
        path.write_text(f'{"".join(lines)}[mqtt]\nsocket = "{self.broker.socket}"\n')
        return path

    def command(self, *arguments: str, before: Sequence[str] = ()) -> list[str]:
        """Return the command line that runs the program on the gateway."""
        inside = ("nsenter", f"--net=/run/netns/{self.lab.gateway.name}")
        program = (sys.executable, "-m", "gateway_agent", *arguments, "--config", str(self.configuration))
        return [*inside, *before, *program]

    def run(self, *arguments: str, before: Sequence[str] = ()) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(*arguments, before=before),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, timeout=60, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout)

    @contextlib.contextmanager
    def agent(self, before: Sequence[str] = ()) -> Iterator["Ear"]:
        """Run the agent for the length of a block; it is online when the block begins."""
        with (
            Ear(self.broker.port) as ear,
            (self.folder / "agent.log").open("wb") as log,
            subprocess.Popen(self.command("run", before=before), stdout=log, stderr=log, cwd=ROOT) as process,
        ):
            try:
                ear.wait("status", lambda heard: heard.payload == b"online" and not heard.retained)
                yield ear
            except TimeoutError as error:
                raise AssertionError((self.folder / "agent.log").read_text()) from error
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(20)

    def block(self, ear: Ear, revision: int) -> None:
        """Have the first device blocked."""
        mac = self.lab.devices[0].mac
        ear.publish("policy", {"revision": revision, "devices": {mac: {"blocked": True}}}, retain=True)
        ear.wait("policy/state", lambda heard: heard.json["revision"] == revision and heard.json["enforced"])

    def tables(self) -> str:
        """Return the gateway's tables."""
        return self.lab.gateway.run("nft", "list", "tables")


@pytest.fixture
def site() -> Iterator[Site]:
    """In a folder of its own: pytest closes its folders to other users."""
    with tempfile.TemporaryDirectory(prefix="spin-commands-") as name, Lab(1) as lab:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "broker").mkdir()
        (folder / "var").mkdir()
        (folder / "var").chmod(0o777)
        with Broker(folder / "broker") as broker:
            broker.socket.chmod(0o777)
            yield Site(lab, broker, folder)


def reaches(site: Site) -> bool:
    ping = ("ping", "-c", "1", "-W", "1", site.lab.remote4)
    return "1 received" in site.lab.devices[0].run(*ping, check=False)


def test_check_finds_nothing_wrong_on_a_good_gateway(site: Site) -> None:
    done = site.run("check")
    assert done.status == 0, done.text
    lines = dict(line[6:].split(": ", 1) for line in done.text.splitlines())
    assert all(line.startswith("ok    ") for line in done.text.splitlines())
    assert lines["rights"] == "CAP_NET_ADMIN and CAP_NET_RAW"
    assert lines["LAN"].startswith(f"br-lan with {LAN4}.0/24, ")
    assert lines["forwarding"] == "IPv4 and IPv6"
    assert lines["gateway id"] == "spin/home is this gateway's; the agent does not run at present"
    assert "spin" not in site.tables(), "it only looks"


def test_check_names_each_fault_with_its_remedy(site: Site) -> None:
    gateway = site.lab.gateway
    gateway.sysctl("ipv4/ip_forward", 0)
    gateway.sysctl("ipv6/conf/all/forwarding", 0)
    gateway.ip("route", "del", "default")
    gateway.ip("-6", "route", "del", "default")
    site.broker.stop()
    site.keys["state_directory"] = "/dev/null/spin"
    done = site.run("check")
    assert done.status == 1
    faults = [line for line in done.text.splitlines() if line.startswith("FAULT")]
    for subject, remedy in (
        ("state", "not writable"),
        ("LAN", '[lan] interfaces = ["br-lan"]'),
        ("forwarding", "is it the gateway?"),
        ("broker", str(site.broker.socket)),
    ):
        assert any(line.startswith(f"FAULT {subject}: ") and remedy in line for line in faults), done.text


def test_check_says_which_rights_are_missing(site: Site) -> None:
    done = site.run("check", before=WITHOUT_RIGHTS)
    assert done.status == 1
    assert "FAULT rights: CAP_NET_ADMIN and CAP_NET_RAW missing: run as root" in done.text


def test_check_knows_its_own_agent_from_another_s(site: Site) -> None:
    with site.agent():
        assert "the agent runs" in site.run("check").text
        elsewhere = Site(Lab(1), site.broker, site.folder)
        with elsewhere.lab:
            done = elsewhere.run("check")
    assert done.status == 1
    assert "FAULT gateway id: another agent publishes below spin/home" in done.text


def test_check_says_what_is_wrong_with_the_configuration(site: Site) -> None:
    site.keys["intervall"] = 5
    done = site.run("check")
    assert done.status == 1
    assert f"FAULT configuration: {site.folder}/agent.toml: intervall: there is no such key" in done.text
    assert site.run("run").status == 2


def test_two_capabilities_are_enough(site: Site) -> None:
    """As another user: it counts, blocks, captures, puts back what is flushed, and keeps its policy."""
    hue = site.lab.devices[0]
    with site.agent(before=AS_IN_THE_UNIT) as ear:
        assert ear.wait("info").json["problems"] == []
        assert {"block", "names", "capture"} <= set(ear.wait("info").json["capabilities"])
        assert reaches(site)
        ear.wait(
            f"device/{hue.mac}/flows",
            lambda heard: any(row["protocol"] == "icmp" for row in heard.json["destinations"]),
        )
        site.block(ear, 1)
        assert not reaches(site)
        before = len(ear.heard)
        site.lab.gateway.run("nft", "flush", "ruleset")
        end = time.monotonic() + 10
        while "inet spin" not in site.tables():
            assert time.monotonic() < end
        ear.publish("command", {"id": "now", "command": "snapshot"})
        assert ear.wait("reply/now", after=before).json == {"ok": True}
        assert not reaches(site)
    assert (site.folder / "var/state/policy.json").stat().st_uid == NOBODY
    assert not reaches(site), "the kernel goes on without the agent"
    log = (site.folder / "agent.log").read_text()
    assert "Traceback" not in log
    assert "Permission" not in log


def test_without_any_right_the_remedy_is_named(site: Site) -> None:
    done = site.run("run", before=WITHOUT_RIGHTS)
    assert done.status == 1
    assert "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW" in done.text
    assert "Traceback" not in done.text


def test_uninstall_leaves_no_trace(site: Site) -> None:
    with site.agent() as ear:
        site.block(ear, 1)
        done = site.run("uninstall")
        assert done.status == 1
        assert "not removed: an agent runs on this gateway already: stop it first" in done.text
        assert "inet spin" in site.tables()
    assert not reaches(site)
    done = site.run("uninstall")
    assert done.status == 0, done.text
    assert "spin" not in site.tables()
    assert "table ip nat" in site.tables()
    assert reaches(site)
    assert list((site.folder / "var").iterdir()) == []
    with Ear(site.broker.port) as late:
        time.sleep(0.5)
        assert [heard for heard in late.heard if heard.payload] == []
    assert site.run("uninstall").status == 0, "nothing to remove is no fault"


def test_uninstall_without_a_broker_removes_the_rest_and_says_so(site: Site) -> None:
    with site.agent() as ear:
        site.block(ear, 1)
    site.broker.stop()
    done = site.run("uninstall")
    assert done.status == 1
    assert "its retained messages below spin/home remain" in done.text
    assert "spin" not in site.tables()
    assert reaches(site)


def test_uninstall_leaves_a_stranger_s_table(site: Site) -> None:
    site.lab.gateway.run("nft", "add", "table", "inet", "spin")
    done = site.run("uninstall")
    assert done.status == 1
    assert "a table inet spin exists that this program did not make" in done.text
    assert "inet spin" in site.tables()
    assert "did not make" in site.run("run").text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_valid_and_confined(tmp_path: Path) -> None:
    unit = tmp_path / "spin-gateway-agent.service"
    text = (ROOT / "etc/spin-gateway-agent.service").read_text()
    assert "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW\n" in text
    assert "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW\n" in text
    unit.write_text(text.replace("/opt/spin-gateway-agent/bin/spin-gateway-agent", "/bin/true"))
    for command in (["verify", "--recursive-errors=no"], ["security", "--offline=true", "--threshold=25"]):
        done = subprocess.run(
            ["systemd-analyze", *command, str(unit)], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""

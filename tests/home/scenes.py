"""What the demo shows: a home in real namespaces, or a recording of one that is played in a loop."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.home import agent as agents
from tests.home import household
from tests.home.agent import GATEWAY, Agent
from tests.home.broker import Broker
from tests.home.home import LAN4, LAN6, Home, home
from tests.home.hue import hue_bridge
from tests.home.namespaces import die_with_parent, stop
from tests.home.python import AGENT_PYTHON, ROOT
from tests.home.recording import Outage, Part, record

SPEED = 10.0
_RECORDED_SECONDS = 900.0
_CLOUD_LOSS = Outage(180, 300, "dead", label="hue")


class Scene(Protocol):
    """Something that goes on beside Home Assistant."""

    @property
    def note(self) -> str:
        """What the dashboard says of it, in Markdown."""

    @property
    def hint(self) -> str:
        """What else there is to look at, for the terminal."""

    def check(self) -> None:
        """Raise RuntimeError when it does not go on any more."""


@dataclass(frozen=True)
class RealScene:
    """Devices, gateway and Internet in namespaces, with the agent on the gateway."""

    home: Home
    agent: Agent

    note = (
        "**A simulated home in network namespaces.** The packets pass a real gateway agent and real "
        "nftables rules; the clocks of the devices run ten times as fast.\n\n"
        "Block the Philips-hue and watch: its cloud, its time servers and its diagnostics fail, and some "
        "twenty seconds later it tries www2.meethue.com, www.philips.com, google.com and baidu.com."
    )

    @property
    def hint(self) -> str:
        """How to see the rules."""
        return f"The gateway's rules:  nsenter --net={self.home.gateway.path} nft list table inet spin"

    def check(self) -> None:
        """Raise when a part has ended."""
        assert self.agent.pid
        for process in self.home.processes:
            if process.poll() is not None:
                raise RuntimeError(f"a part of the simulated home ended: {process.args!r}")


@contextlib.contextmanager
def real_scene(folder: Path, broker: Broker) -> Iterator[RealScene]:
    """Build the home, with its devices switched on."""
    residents = (household.HUE, household.CAMERA, household.PLUG, household.PHONE)
    with (
        home(*residents) as house,
        agents.running(Agent(house, broker, folder, interval=5)) as agent,
    ):
        agent.wait_observing()
        for resident in residents:
            house.start_device(resident.label, resident.label, "--speed", str(SPEED))
        yield RealScene(house, agent)


@dataclass
class ReplayScene:
    """A recording of the home, made anew with the present time whenever it has been played to its end."""

    folder: Path
    broker: Broker
    _process: subprocess.Popen[bytes] | None = None
    _failure: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    note = (
        "**A recording of a simulated home, played in a loop.** There is no gateway behind it, so "
        "**nothing can be blocked here** and the switches are unavailable. Run `script/demo` as root for a "
        "home whose packets really stop.\n\nThree minutes into the recording the Philips-hue loses the "
        "Internet for two minutes."
    )
    hint = "This is a recording: blocks are NOT enforced. As root, script/demo shows real ones."

    def check(self) -> None:
        """Raise when the replay failed."""
        if self._failure:
            raise RuntimeError(f"the replay ended: {self._failure}")

    def play(self) -> None:
        """Write and replay recordings until ended; the body of a thread."""
        while not self._ended.is_set():
            capture = self.folder / "home.pcap"
            with capture.open("wb") as file:
                record(
                    file, _household(), start=time.time(), seconds=_RECORDED_SECONDS,
                    speed=SPEED, outages=[_CLOUD_LOSS],
                )  # fmt: skip
            with (self.folder / "replay.log").open("wb") as log:
                self._process = subprocess.Popen(
                    self._command(capture), stdout=log, stderr=log, cwd=ROOT, start_new_session=True
                )
                code = self._process.wait()
            if code and not self._ended.is_set():
                self._failure = (self.folder / "replay.log").read_text()[-1000:] or f"exit status {code}"
                return

    def end(self) -> None:
        """Stop playing."""
        self._ended.set()
        if self._process:
            stop(self._process)

    def configure(self) -> None:
        """Write the agent's configuration."""
        mqtt = {"host": "127.0.0.1", "port": self.broker.port, "username": self.broker.username}
        configuration = self.folder / "replay.toml"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'gateway = "{GATEWAY}"\nname = "Recorded gateway"\n[mqtt]\n'
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in mqtt.items())
            + f"password = {json.dumps(self.broker.password)}\n"
        )

    def _command(self, capture: Path) -> list[str]:
        return die_with_parent(
            AGENT_PYTHON, "-m", "gateway_agent", "replay", capture, "--lan", LAN4, "--lan", LAN6,
            "--speed", "1", "--config", self.folder / "replay.toml",
        )  # fmt: skip


def _household() -> list[Part]:
    return [
        Part(household.HUE, hue_bridge()),
        Part(household.CAMERA, household.camera(), 1),
        Part(household.PLUG, household.plug(), 2),
        Part(household.PHONE, household.phone(), 3),
    ]


@contextlib.contextmanager
def replay_scene(folder: Path, broker: Broker) -> Iterator[ReplayScene]:
    """Play the recording for the length of a block."""
    scene = ReplayScene(folder, broker)
    scene.configure()
    thread = threading.Thread(target=scene.play, daemon=True)
    try:
        thread.start()
        yield scene
    finally:
        scene.end()
        thread.join(10)

"""The simulated home under measurement: agent and softflowd on its gateway, and nobody else to be heard.

The benchmark sends the frames of both sides itself: the device has no address, so its kernel answers
nothing, and the far addresses (RFC 2544) are nobody's.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.frames import Wires
from tests.home import agent as agents
from tests.home import broker as brokers
from tests.home.agent import Agent
from tests.home.home import GATEWAY_MAC, UPLINK_MAC, WAN_MAC, Home, home
from tests.home.household import CAMERA, HUE
from tests.home.namespaces import stop
from tests.home.reader import Reader, reading

LAN_INTERFACE = "br-lan"
INTERVAL = 5.0
_GATEWAY_WAN = IPv4Address("203.0.113.254")


@dataclass(frozen=True, slots=True)
class Site:
    """What is measured, and where the frames go."""

    home: Home
    agent: Agent
    softflowd: subprocess.Popen[str]
    reader: Reader
    wires: Wires

    def enforce(self, revision: int, devices: dict[str, object]) -> None:
        """Publish a policy and wait until the agent reports it enforced."""
        self.reader.publish("policy", {"revision": revision, "devices": devices}, retain=True)
        self.reader.wait(lambda: self._enforced(revision), f"revision {revision} is enforced")

    def _enforced(self, revision: int) -> bool:
        state = self.reader.retained.get("policy/state") or {}
        return state.get("revision") == revision and bool(state.get("enforced"))


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Build it; the agent is online when the block begins."""
    with (
        tempfile.TemporaryDirectory(prefix="spin-bench-") as folder,
        home(HUE, CAMERA) as house,
        brokers.running(brokers.mosquitto(Path(folder))) as broker,
        reading(broker) as reader,
        agents.running(Agent(house, broker, Path(folder), interval=INTERVAL)) as agent,
        _softflowd(house, Path(folder)) as softflowd,
    ):
        gateway = house.gateway
        neighbour = (HUE.ipv4, "lladdr", HUE.mac, "nud", "permanent", "dev", LAN_INTERFACE)
        gateway.run("ip", "neigh", "replace", *neighbour)
        gateway.run("sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0")  # the frames have none
        house.configure_statically("camera")
        wires = Wires(
            device_mac=_octets(HUE.mac),
            gateway_lan_mac=_octets(GATEWAY_MAC),
            outside_mac=_octets(UPLINK_MAC),
            gateway_wan_mac=_octets(WAN_MAC),
            device=IPv4Address(HUE.ipv4).packed,
            gateway_wan=_GATEWAY_WAN.packed,
        )
        reader.wait(lambda: agent.pid and reader.retained.get("status") == "online", "the agent is online")
        yield Site(house, agent, softflowd, reader, wires)


@contextlib.contextmanager
def _softflowd(house: Home, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = house.gateway.start(
        "softflowd", "-d", "-i", LAN_INTERFACE, "-n", "127.0.0.1:9995",
        "-c", folder / "softflowd.ctl", "-p", folder / "softflowd.pid",
    )  # fmt: skip
    try:
        yield process
    finally:
        stop(process)


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))

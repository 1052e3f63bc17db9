"""Captures replayed as a device's history and then as its present, against what TShark says of both.

TShark tells names and packets; from that alone follows which destinations are new. The captures lie
beside the checkout (`SPIN_CAPTURES` names another folder).
"""

import os
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from gateway_double import Gateway
from homeassistant.core import Event, HomeAssistant, callback
from pytest_homeassistant_custom_component.common import MockConfigEntry

sys.path.insert(0, str(Path(__file__).parents[2]))

from custom_components.spin.destinations import load_grouping
from tests.home.home import LAN4, LAN6
from tests.home.household import HUE
from tests.home.hue import hue_bridge
from tests.home.recording import Outage, Part, record
from tests.home.replayed import replayed

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
# The device in each capture; what else has a MAC address there is the gateway.
DEVICES = {
    "hue-2016-setup-A1": "00:17:88:24:76:ff",
    "wemolink-2016-C1": "94:10:3e:cd:37:65",
    "dlinkhub-2016-C1": "1c:5f:2b:aa:fd:4e",
    "tplink-hs110-2016-C1": "50:c7:bf:00:c7:03",
    "ednetgw-2016-A1": "ac:cf:23:62:3c:6e",
}
CAPTURES = [FOLDER / f"{name}.pcap" for name in DEVICES if (FOLDER / f"{name}.pcap").exists()]

pytestmark = pytest.mark.skipif(
    not (shutil.which("tshark") and shutil.which("editcap")),
    reason="needs tshark and editcap (script/setup as root installs them)",
)
real = pytest.mark.skipif(not CAPTURES, reason=f"no captures in {FOLDER}; SPIN_CAPTURES names another folder")

START = 1577880000.0
LAN = (LAN4, LAN6)

type Contact = tuple[str, str, int]


def tshark(capture: Path, display_filter: str, *fields: str, occurrence: str = "f") -> list[list[str]]:
    """Return the fields of the packets that pass the filter."""
    columns = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", capture, "-Y", display_filter, "-T", "fields",
         "-E", f"occurrence={occurrence}", *columns],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def answers(capture: Path) -> dict[int, tuple[str, set[str]]]:
    """Return the name and the addresses of each answer of a name server, by frame."""
    rows = tshark(
        capture, "dns.flags.response == 1 && udp.srcport == 53", "frame.number", "dns.qry.name", "dns.a",
        "dns.aaaa", occurrence="a",
    )  # fmt: skip
    return {
        int(number): (name.split(",")[0].lower(), {*four.split(","), *six.split(",")} - {""})
        for number, name, four, six in rows
    }


def on_the_internet(address: str, lan: tuple[str, ...]) -> bool:
    """Return whether an address is one of the Internet; without networks, private ones are the LAN's."""
    parsed = ip_address(address)
    if parsed.is_multicast or parsed.is_link_local or address == "255.255.255.255":
        return False
    return not any(parsed in ip_network(each) for each in lan) if lan else parsed.is_global


def contacts(capture: Path, mac: str, lan: tuple[str, ...] = ()) -> set[Contact]:
    """Return whom the device contacts on the Internet: group, protocol, port; as TShark sees it."""
    return {contact for contact, _ in reached(capture, mac, lan)}


def reached(capture: Path, mac: str, lan: tuple[str, ...] = ()) -> set[tuple[Contact, str]]:
    """Return whom the device contacts, and at which addresses."""
    group, answered = load_grouping(), answers(capture)
    names: dict[str, str] = {}
    ports: dict[tuple[str, str, frozenset[str]], int] = {}
    found: set[tuple[Contact, str]] = set()
    rows = tshark(
        capture, f"(ip || ipv6) && eth.addr == {mac}", "frame.number", "eth.src", "ip.src", "ipv6.src",
        "ip.dst", "ipv6.dst", "ip.proto", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
        "tcp.flags.syn",
    )  # fmt: skip
    for number, source, from4, from6, to4, to6, protocol, tcp_from, tcp_to, udp_from, udp_to, syn in rows:
        if int(number) in answered:
            name, addresses = answered[int(number)]
            names.update(dict.fromkeys(addresses, name))
        remote = (to4 or to6) if source == mac else (from4 or from6)
        if not on_the_internet(remote, lan):
            continue
        kind = "tcp" if tcp_to else "udp" if udp_to else "icmp" if protocol == "1" else "icmpv6"
        flow = (remote, kind, frozenset((tcp_from or udp_from, tcp_to or udp_to)))
        # The service is where the first packet goes to; of a connection that was there before, who knows.
        first = int(tcp_to or udp_to or 0)
        underway = tcp_to and syn not in ("1", "True")
        service = ports.setdefault(flow, min(first, int(tcp_from)) if underway else first)
        if source == mac:
            found.add(((group(names[remote]) if remote in names else remote, kind, service), remote))
    return found


def new(before: set[Contact], after: set[Contact]) -> list[Contact]:
    """Return whom somebody got to know; HTTP, HTTPS and QUIC with one domain are one acquaintance."""
    return sorted({_acquaintance(contact) for contact in after} - {_acquaintance(c) for c in before})


def _acquaintance(contact: Contact) -> Contact:
    group, protocol, port = contact
    is_web = (protocol, port) in {("tcp", 443), ("tcp", 80), ("udp", 443)}
    return (group, "web", 0) if is_web else contact


def halves(capture: Path, folder: Path) -> tuple[Path, Path]:
    """Cut a capture in two of as many frames each."""
    count = len(tshark(capture, "frame", "frame.number"))
    parts = folder / "first.pcap", folder / "second.pcap"
    for part, frames in zip(parts, (f"1-{count // 2}", f"{count // 2 + 1}-{count}"), strict=True):
        subprocess.run(["editcap", "-r", capture, part, frames], check=True, timeout=60)
    return parts


class Listener:
    """Hears what the event entities tell."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.told: list[Contact] = []
        self._ids: set[str] = set()
        hass.bus.async_listen("state_changed", self._changed)

    @property
    def acquaintances(self) -> list[Contact]:
        """Whom the devices got to know, each as often as it was told."""
        return sorted(map(_acquaintance, self.told))

    @callback
    def _changed(self, event: Event[Any]) -> None:
        state = event.data["new_state"]
        if state is None or state.attributes.get("event_type") != "new_destination":
            return
        attributes = state.attributes
        if attributes["id"] not in self._ids:
            self._ids.add(attributes["id"])
            self.told.append((attributes["destination"], attributes["protocol"], attributes["port"]))


async def play(hass: HomeAssistant, gateway: Gateway, capture: Path, lan: tuple[str, ...] = ()) -> None:
    """Have the gateway say what the agent says of a capture."""
    said = await hass.async_add_executor_job(lambda: list(replayed(capture, lan)))
    for topic, payload in said:
        _, _, below = topic.split("/", 2)
        if below.startswith("device/"):
            gateway.say(below, payload, retain=not below.endswith("/flows"))
    await hass.async_block_till_done()


def learned(spin: MockConfigEntry, mac: str) -> None:
    """End the device's learning period, as a user would."""
    roster = spin.runtime_data.roster
    roster.skip_learning(roster.find(mac))


@real
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
async def test_the_second_half_tells_what_the_first_has_not(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, capture: Path, tmp_path: Path
) -> None:
    mac = DEVICES[capture.stem]
    first, second = await hass.async_add_executor_job(halves, capture, tmp_path)
    listener = Listener(hass)
    await play(hass, gateway, first)
    assert listener.told == []
    learned(spin, mac)
    await play(hass, gateway, second)
    earlier = await hass.async_add_executor_job(reached, first, mac)
    later = await hass.async_add_executor_job(reached, second, mac)
    before, after = ({contact for contact, _ in each} for each in (earlier, later))
    # The second half does not have the first one's answers: what had a name there is no news without.
    met = {((address, *rest), address) for (group, *rest), address in earlier if group != address}
    assert listener.acquaintances == new(before, {contact for contact, _ in later - met})
    assert {tuple(known.key) for known in spin.runtime_data.roster.find(mac).destinations} == before | after


@real
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
async def test_the_same_capture_twice_tells_nothing(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, capture: Path
) -> None:
    mac = DEVICES[capture.stem]
    listener = Listener(hass)
    await play(hass, gateway, capture)
    learned(spin, mac)
    await play(hass, gateway, capture)
    assert listener.told == []
    known = {tuple(known.key) for known in spin.runtime_data.roster.find(mac).destinations}
    assert known == await hass.async_add_executor_job(contacts, capture, mac)


def recorded(path: Path, *outages: Outage) -> None:
    """Record half an hour of the bridge."""
    with path.open("wb") as file:
        record(file, [Part(HUE, hue_bridge("march2019"))], start=START, seconds=1800, outages=outages)


async def test_checks_after_an_outage_are_told_by_their_names(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, tmp_path: Path
) -> None:
    quiet, trouble = tmp_path / "quiet.pcap", tmp_path / "trouble.pcap"
    await hass.async_add_executor_job(recorded, quiet)
    await hass.async_add_executor_job(recorded, trouble, Outage(300, 1500, "blocked"))
    listener = Listener(hass)
    await play(hass, gateway, quiet, LAN)
    assert listener.told == []
    learned(spin, HUE.mac)
    for _ in range(2):
        await play(hass, gateway, trouble, LAN)
    before = await hass.async_add_executor_job(contacts, quiet, HUE.mac, LAN)
    after = await hass.async_add_executor_job(contacts, trouble, HUE.mac, LAN)
    assert new(before, after)
    assert listener.acquaintances == new(before, after)

"""A home as network namespaces: devices on a LAN bridge, a gateway with NAT, DHCP and DNS, and an Internet.

    device ── br-lan [gateway: forwarding, NAT for IPv4, dnsmasq, the agent] wan ── uplink [Internet]

Every part is a namespace of its own, reached from nowhere else; the host's interfaces, routes, rules and
settings are not touched.
"""

import contextlib
import ipaddress
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.home import zone
from tests.home.namespaces import Namespace, cleanup_on_signals, namespaces, stop
from tests.home.python import PYTHON, ROOT

LAN4, LAN6 = "192.168.8.0/24", "2001:db8:8::/64"
GATEWAY4, GATEWAY6 = "192.168.8.1", "2001:db8:8::1"
GATEWAY_MAC = "02:0a:0b:00:00:01"
WAN_MAC, UPLINK_MAC = "02:0a:0b:00:00:02", "02:0a:0b:00:00:03"

# What an ordinary router has: NAT, and nothing from outside that nobody asked for.
_ROUTER_RULES = """
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
table inet router {
  chain input { type filter hook input priority filter; policy accept;
    iifname "wan" ct state new meta l4proto != ipv6-icmp drop
  }
  chain forward { type filter hook forward priority filter; policy accept;
    ct state invalid drop
    iifname "wan" ct state new drop
  }
}
"""

_OUTAGE_RULES = """
table inet outage {
  chain input { type filter hook input priority raw; policy drop;
    meta l4proto ipv6-icmp accept
  }
}
"""

# An independent measure, taken in the device's own namespace: bytes are IP total length.
_METER_RULES = """
table inet measure {
  counter sent4 {}
  counter received4 {}
  counter sent6 {}
  counter received6 {}
  chain output { type filter hook output priority filter;
    ip daddr != { 192.168.8.0/24, 224.0.0.0/4, 255.255.255.255 } counter name sent4
    ip6 daddr != { 2001:db8:8::/64, fe80::/10, ff00::/8 } counter name sent6
  }
  chain input { type filter hook input priority filter;
    ip saddr != { 192.168.8.0/24, 0.0.0.0 } counter name received4
    ip6 saddr != { 2001:db8:8::/64, fe80::/10, :: } counter name received6
  }
}
"""


@dataclass(frozen=True, slots=True)
class Resident:
    """A device's place in the home. `ipv4` is reserved for it by the DHCP server."""

    label: str
    mac: str
    ipv4: str

    @property
    def ipv6(self) -> str:
        """The address that it makes itself from the router's advertisement (SLAAC, EUI-64)."""
        octets = bytearray.fromhex(self.mac.replace(":", ""))
        octets[0] ^= 2
        interface = octets[:3] + b"\xff\xfe" + octets[3:]
        return str(ipaddress.IPv6Address(ipaddress.IPv6Network(LAN6).network_address.packed[:8] + interface))


@dataclass(frozen=True, slots=True)
class Meter:
    """What a device's kernel sent to and received from the Internet: packets and bytes of IP total length."""

    sent_bytes: int
    sent_packets: int
    received_bytes: int
    received_packets: int


@dataclass
class Home:
    """A running home; `folder` holds its files and ends with it."""

    folder: Path
    gateway: Namespace
    internet: Namespace
    devices: Mapping[str, Namespace]
    residents: Mapping[str, Resident]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def leases(self) -> Path:
        """The DHCP server's lease file."""
        return self.folder / "dnsmasq.leases"

    def configure_statically(self, label: str) -> None:
        """Give a device its addresses and routes without DHCP, for tests that need no model."""
        resident, device = self.residents[label], self.devices[label]
        device.run("ip", "address", "replace", f"{resident.ipv4}/24", "dev", "eth0")
        device.run("ip", "address", "replace", f"{resident.ipv6}/64", "dev", "eth0", "nodad")
        device.run("ip", "route", "replace", "default", "via", GATEWAY4)
        device.run("ip", "-6", "route", "replace", "default", "via", GATEWAY6)

    def start_device(self, label: str, *arguments: str, log: Path | None = None) -> subprocess.Popen[str]:
        """Start a device model (`tests.home.device`) in its namespace; its log is a line per event."""
        process = self.devices[label].start(
            PYTHON, "-m", "tests.home.device", *arguments,
            stdout=log.open("w") if log else subprocess.DEVNULL,
            stderr=(self.folder / f"{label}.err").open("w"),
            cwd=ROOT,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def meter(self, label: str) -> Meter:
        """Read what the device itself has sent and received since the home was built."""
        listing = self.devices[label].run("nft", "list", "counters", "table", "inet", "measure").split()
        count = {
            listing[at + 1]: (int(listing[at + 4]), int(listing[at + 6]))
            for at, word in enumerate(listing)
            if word == "counter"
        }
        (sent4, bytes4), (sent6, bytes6) = count["sent4"], count["sent6"]
        (received4, taken4), (received6, taken6) = count["received4"], count["received6"]
        return Meter(bytes4 + bytes6, sent4 + sent6, taken4 + taken6, received4 + received6)

    def cut_uplink(self) -> None:
        """Take the Internet away: nothing answers any more, no name, no address."""
        self.internet.run("nft", "-f", "-", text=_OUTAGE_RULES)

    def mend_uplink(self) -> None:
        """Bring the Internet back."""
        self.internet.run("nft", "delete", "table", "inet", "outage")


@contextlib.contextmanager
def home(*residents: Resident) -> Iterator[Home]:
    """Build a home with these devices and run its servers; remove it all at the end."""
    labels = [resident.label for resident in residents]
    with (
        cleanup_on_signals(),
        tempfile.TemporaryDirectory(prefix="spin-home-") as folder,
        namespaces("gateway", "internet", *labels) as made,
    ):
        built = Home(
            Path(folder),
            made["gateway"],
            made["internet"],
            {label: made[label] for label in labels},
            {resident.label: resident for resident in residents},
        )
        try:
            for namespace in made.values():
                # Addresses are made up without clashes: no second of waiting for each.
                _settings(namespace, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            _build_internet(built)
            _build_gateway(built)
            for resident in residents:
                _connect_device(built, resident)
            yield built
        finally:
            for process in built.processes:
                process.terminate()
            for process in built.processes:
                stop(process, 3)


def _link(one: Namespace, one_name: str, other: Namespace, other_name: str, macs: tuple[str, str]) -> None:
    """Join two namespaces with a veth pair that is never seen outside them.

    One segment a packet: counters then see the packets that a real wire would carry.
    """
    one.run(
        "ip", "link", "add", one_name, "address", macs[0], "type", "veth",
        "peer", "name", other_name, "address", macs[1], "netns", str(other.path),
    )  # fmt: skip
    for namespace, name in ((one, one_name), (other, other_name)):
        namespace.run("ip", "link", "set", name, "up", "gso_max_segs", "1")


def _settings(namespace: Namespace, *values: str) -> None:
    namespace.run("sysctl", "-qw", *values)


def _build_internet(built: Home) -> None:
    internet = built.internet
    _settings(internet, "net.ipv6.ip_nonlocal_bind=1")
    _link(internet, "uplink", built.gateway, "wan", (UPLINK_MAC, WAN_MAC))
    internet.run("ip", "address", "add", "203.0.113.253/30", "dev", "uplink")
    internet.run("ip", "address", "add", "2001:db8:ffff::1/64", "dev", "uplink", "nodad")
    internet.run("ip", "-6", "route", "add", LAN6, "via", "2001:db8:ffff::2")
    for network in zone.NETWORKS:
        internet.run("ip", "route", "add", "local", network, "dev", "lo")
    server = internet.start(
        PYTHON, "-m", "tests.home.internet", built.folder,
        stdout=subprocess.PIPE, stderr=(built.folder / "internet.err").open("w"), cwd=ROOT,
    )  # fmt: skip
    built.processes.append(server)
    assert server.stdout
    if server.stdout.readline().strip() != "ready":
        raise RuntimeError(
            f"the Internet's servers did not start: {(built.folder / 'internet.err').read_text()}"
        )


def _build_gateway(built: Home) -> None:
    gateway = built.gateway
    _settings(gateway, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    gateway.run("nft", "-f", "-", text=_ROUTER_RULES)
    # Connection tracking and its settings exist in a namespace once a rule needs them.
    _settings(gateway, "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_events=1")
    gateway.run("ip", "address", "add", "203.0.113.254/30", "dev", "wan")
    gateway.run("ip", "address", "add", "2001:db8:ffff::2/64", "dev", "wan", "nodad")
    gateway.run("ip", "route", "add", "default", "via", "203.0.113.253")
    gateway.run("ip", "-6", "route", "add", "default", "via", "2001:db8:ffff::1")
    gateway.run("ip", "link", "add", "br-lan", "address", GATEWAY_MAC, "type", "bridge")
    gateway.run("ip", "link", "set", "br-lan", "up")
    gateway.run("ip", "address", "add", f"{GATEWAY4}/24", "dev", "br-lan")
    gateway.run("ip", "address", "add", f"{GATEWAY6}/64", "dev", "br-lan", "nodad")
    configuration = built.folder / "dnsmasq.conf"
    configuration.write_text(_dnsmasq(built))
    built.processes.append(
        gateway.start(
            "dnsmasq", "--keep-in-foreground", f"--conf-file={configuration}",
            stderr=(built.folder / "dnsmasq.err").open("w"),
        )
    )  # fmt: skip


def _dnsmasq(built: Home) -> str:
    reserved = "".join(f"dhcp-host={resident.mac},{resident.ipv4}\n" for resident in built.residents.values())
    return (
        "interface=br-lan\nbind-interfaces\nexcept-interface=lo\nuser=root\npid-file=\nno-hosts\nno-resolv\n"
        f"server={zone.RESOLVER}\nlog-facility={built.folder}/dnsmasq.log\n"
        f"dhcp-leasefile={built.leases}\ndhcp-authoritative\nno-ping\n"
        "dhcp-range=192.168.8.100,192.168.8.199,1h\n"
        f"dhcp-range=2001:db8:8::,ra-only\nenable-ra\n{reserved}"
    )


def _connect_device(built: Home, resident: Resident) -> None:
    device, port = built.devices[resident.label], f"lan-{resident.label}"
    port_mac = "02:0b" + resident.mac[5:]
    _link(device, "eth0", built.gateway, port, (resident.mac, port_mac))
    built.gateway.run("ip", "link", "set", port, "master", "br-lan")
    device.run("nft", "-f", "-", text=_METER_RULES)

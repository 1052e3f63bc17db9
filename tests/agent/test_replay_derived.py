"""The same packets in other files: formats, link types, cut, tagged, out of order. The counts stay the same.

Independent figures come from TShark. The real captures are taken too, where their folder is there.
"""

import os
import random
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import framing
import pytest
from framing import ACK, BROADCAST, DEVICE, FIN, OTHER, PSH, ROUTER, SYN, address, mac_text
from replaying import Counts, Replayed, told

from gateway_agent.decode.pcap import Capture, CaptureError, Record
from gateway_agent.topology import made_up_mac

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
REAL = [
    path for path in sorted(FOLDER.glob("*.pcap")) if "svcb" not in path.name and "zeek-dhcp" not in path.name
]

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

AT = 1_577_880_000.0
LAN4, OTHER4, GATEWAY4, NET4 = "192.168.8.20", "192.168.8.21", "192.168.8.1", "198.51.100.7"
LAN6, NET6 = "2001:db8:8::20", "2001:db8:ffff::9"


def synthetic() -> list[Record]:
    """Return traffic with a bit of everything."""

    def both(source: str, destination: str, body: bytes, answer: bytes, protocol: int = 6) -> None:
        to_lan = destination == OTHER4
        frames.append(
            framing.ethernet(
                DEVICE, OTHER if to_lan else ROUTER, framing.ip(source, destination, protocol, body)
            )
        )
        frames.append(
            framing.ethernet(
                OTHER if to_lan else ROUTER, DEVICE, framing.ip(destination, source, protocol, answer)
            )
        )

    frames: list[bytes] = []
    prefix = b"\x03\x04\x40\xc0" + bytes(12) + address("2001:db8:8::")
    advertisement = framing.ipv6("fe80::1", "ff02::1", 58, b"\x86\0\0\0" + bytes(12) + prefix)
    frames.append(framing.ethernet(ROUTER, b"\x33\x33\0\0\0\x01", advertisement))
    discover = framing.udp(
        68, 67, framing.dhcp(1, DEVICE, [(53, b"\1"), (12, b"Philips-hue"), (60, b"udhcp")])
    )
    frames.append(framing.ethernet(DEVICE, BROADCAST, framing.ip("0.0.0.0", "255.255.255.255", 17, discover)))
    options = [(53, b"\2"), (1, address("255.255.255.0")), (3, address(GATEWAY4))]
    offer = framing.udp(67, 68, framing.dhcp(2, DEVICE, options, your=LAN4))
    frames.append(framing.ethernet(ROUTER, DEVICE, framing.ip(GATEWAY4, LAN4, 17, offer)))
    for name, found in (("ws.meethue.com", NET4), ("six.meethue.com", NET6)):
        reply = framing.udp(53, 5000, framing.dns_addresses(name, found))
        both(LAN4, GATEWAY4, framing.udp(5000, 53, bytes(30)), reply, 17)
    for source, destination in ((LAN4, NET4), (LAN6, NET6), (LAN4, OTHER4)):
        both(source, destination, framing.tcp(40000, 443, SYN), framing.tcp(443, 40000, SYN | ACK))
        for _ in range(5):
            data = (
                framing.tcp(40000, 443, PSH | ACK, bytes(700)),
                framing.tcp(443, 40000, PSH | ACK, bytes(1100)),
            )
            both(source, destination, *data)
        both(source, destination, framing.tcp(40000, 443, FIN | ACK), framing.tcp(443, 40000, FIN | ACK))
    both(LAN4, NET4, framing.tcp(40001, 80, SYN), framing.tcp(80, 40001, SYN | ACK))
    both(LAN4, NET4, framing.tcp(40001, 80, FIN | ACK), framing.tcp(80, 40001, FIN | ACK))
    both(LAN4, NET4, framing.udp(123, 123, framing.NTP_REQUEST), framing.udp(123, 123, framing.NTP_REPLY), 17)
    both(LAN4, NET4, b"\x08\0\0\0\0\x07\0\1" + bytes(56), b"\0\0\0\0\0\x07\0\1" + bytes(56), 1)
    packet = framing.ipv4(LAN4, NET4, 6, framing.tcp(40002, 443, SYN), options=b"\x94\x04\0\0")
    frames.append(framing.ethernet(DEVICE, ROUTER, packet))
    body = framing.udp(6000, 7000, bytes(3000))
    for at in range(0, len(body), 1480):
        flags = (0x2000 if at + 1480 < len(body) else 0) | at // 8
        packet = framing.ipv4(LAN4, NET4, 17, body[at : at + 1480], identity=77, fragment=flags)
        frames.append(framing.ethernet(DEVICE, ROUTER, packet))
        flags = (1 if at + 1480 < len(body) else 0) | at
        packet = framing.ipv6(LAN6, NET6, 44, struct.pack("!BBHI", 17, 0, flags, 77) + body[at : at + 1480])
        frames.append(framing.ethernet(DEVICE, ROUTER, packet))
    packet = framing.ip(LAN4, "239.255.255.250", 17, framing.udp(5000, 1900, b"M-SEARCH"))
    frames.append(framing.ethernet(DEVICE, b"\x01\0\x5e\x7f\xff\xfa", packet))
    frames.append(framing.arp(DEVICE, LAN4, GATEWAY4))
    return [(AT + number * 0.05, 1, frame, len(frame)) for number, frame in enumerate(frames)]


def records_of(path: Path) -> list[Record]:
    with Capture(path) as capture:
        return list(capture)


@pytest.fixture(
    scope="module",
    params=[pytest.param(None, id="synthetic")]
    + [pytest.param(path, marks=pytest.mark.captures, id=path.stem) for path in REAL],
)
def base(request: pytest.FixtureRequest) -> list[Record]:
    return synthetic() if request.param is None else records_of(request.param)


def written(path: Path, records: list[Record], **options: object) -> Path:
    content = framing.pcap([(at, frame, length) for at, _, frame, length in records], **options)  # type: ignore[arg-type]
    return framing.saved(path, content)


@pytest.fixture(scope="module")
def original(base: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("base") / "original.pcap", base)


@pytest.fixture(scope="module")
def expected(original: Path) -> Replayed:
    return told(original)


FIELDS = ["eth.src", "eth.dst", "ip.src", "ip.dst", "ip.len", "ipv6.src", "ipv6.dst", "ipv6.plen"]


def shark(path: Path) -> list[list[str]]:
    """Return TShark's reading of each packet, the outermost headers only."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f", "-E", "separator=|"]
    for name in FIELDS:
        command += ["-e", name]
    lines = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=True
    ).stdout.splitlines()
    return [line.split("|") for line in lines]


def counted_by_shark(path: Path, owner: Callable[[str, str], str | None]) -> dict[tuple[str, str], Counts]:
    """Sum up per device and remote address; `owner` tells the device behind a MAC and an IP address."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for mac_from, mac_to, source4, destination4, length4, source6, destination6, length6 in shark(path):
        source, destination = source4 or source6, destination4 or destination6
        if not source:
            continue
        length = int(length4) if length4 else int(length6) + 40
        sender, receiver = owner(mac_from, source), owner(mac_to, destination)
        if sender is not None:
            sums[sender, destination][0] += 1
            sums[sender, destination][1] += length
        if receiver is not None:
            sums[receiver, source][2] += 1
            sums[receiver, source][3] += length
    return {key: (total[0], total[1], total[2], total[3]) for key, total in sums.items()}


def test_tshark_counts_the_same(original: Path, expected: Replayed) -> None:
    devices = set(expected.devices)
    assert expected.by_address() == counted_by_shark(original, lambda mac, _: mac if mac in devices else None)
    assert devices


def same(result: Replayed, expected: Replayed) -> None:
    """Assert that everything that is told is the same."""
    assert result.by_service() == expected.by_service()
    assert result.names() == expected.names()
    assert set(result.lookups) == set(expected.lookups)
    assert result.requests == expected.requests
    for counter in ("connections", "unanswered", "empty"):
        assert result.total(counter) == expected.total(counter), counter
    assert {mac: device["hostname"] for mac, device in result.devices.items()} == {
        mac: device["hostname"] for mac, device in expected.devices.items()
    }


@pytest.mark.parametrize("form", ["pcapng", "nsecpcap", "modpcap"])
def test_editcap_formats(original: Path, expected: Replayed, tmp_path: Path, form: str) -> None:
    converted = tmp_path / "converted"
    subprocess.run(["editcap", "-F", form, original, converted], check=True, timeout=60)
    if form == "modpcap":
        with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
            told(converted)
        return
    same(told(converted), expected)


def test_big_endian(base: list[Record], expected: Replayed, tmp_path: Path) -> None:
    same(told(written(tmp_path / "big.pcap", base, order=">")), expected)


def test_vlan_tags(base: list[Record], expected: Replayed, tmp_path: Path) -> None:
    tagged = [
        (at, kind, frame[:12] + b"\x88\xa8\0\x05\x81\0\0\x07" + frame[12:], length + 8)
        for at, kind, frame, length in base
    ]
    same(told(written(tmp_path / "vlan.pcap", tagged)), expected)


@pytest.mark.parametrize("snap_length", [68, 96, 200])
def test_cut(original: Path, expected: Replayed, tmp_path: Path, snap_length: int) -> None:
    """Bytes, packets and ports do not depend on the snap length."""
    cut = tmp_path / "cut.pcap"
    subprocess.run(["editcap", "-s", str(snap_length), original, cut], check=True, timeout=60)
    devices = set(expected.devices)
    result = told(cut)
    assert result.by_address() == expected.by_address()
    assert counted_by_shark(cut, lambda mac, _: mac if mac in devices else None) == expected.by_address()
    assert result.by_service() == expected.by_service()
    assert result.total("connections") == expected.total("connections")
    assert result.requests == expected.requests
    assert result.total("empty") == expected.total("empty")


@pytest.mark.parametrize("seed", range(3))
def test_somewhat_out_of_order(base: list[Record], expected: Replayed, tmp_path: Path, seed: int) -> None:
    """Packets are shifted by up to 5 ms: no more than what several queues of a network card do."""
    source = random.Random(seed)
    shuffled = sorted(base, key=lambda record: record[0] + source.uniform(0, 0.005))
    result = told(written(tmp_path / "shuffled.pcap", shuffled))
    assert result.by_address() == expected.by_address()
    assert result.total("empty") == expected.total("empty")
    assert result.total("unanswered") == expected.total("unanswered")
    assert result.total("connections", "tcp") == expected.total("connections", "tcp")
    assert {key: sorted(times) for key, times in result.requests.items()} == expected.requests
    first = {
        key[0:1] + key[2:3]: row["first"]
        for key, row in sorted(expected.rows.items(), key=lambda each: -each[1]["first"])
    }
    for key, row in sorted(result.rows.items(), key=lambda each: -each[1]["first"]):
        assert row["first"] >= first[key[0], key[2]]


def ethertype(frame: bytes) -> bytes:
    return frame[12:14]


@pytest.mark.parametrize("link_type", [framing.COOKED, framing.COOKED2])
def test_cooked(base: list[Record], expected: Replayed, tmp_path: Path, link_type: int) -> None:
    """A cooked capture tells the sender's MAC address only: the receiver is who uses the address."""
    converted = []
    for at, _, frame, length in base:
        head = struct.pack("!HHH8s", 0, 1, 6, frame[6:12] + b"\0\0") + ethertype(frame)
        if link_type == framing.COOKED2:
            head = ethertype(frame) + struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, frame[6:12] + b"\0\0")
        converted.append((at, link_type, head + frame[14:], length - 14 + len(head)))
    same(told(written(tmp_path / "cooked.pcap", converted, link_type=link_type)), expected)


@pytest.mark.parametrize("link_type", [101, 12, 14, 108])
def test_without_link_layer(base: list[Record], expected: Replayed, tmp_path: Path, link_type: int) -> None:
    """Without MAC addresses each address is a device; the gateway still is none."""
    before = b"\0\0\0\2" if link_type == 108 else b""
    converted = [
        (at, link_type, before + frame[14:], length - 14 + len(before))
        for at, _, frame, length in base
        if ethertype(frame) in (b"\x08\0", b"\x86\xdd")
    ]
    path = written(tmp_path / "raw.pcap", converted, link_type=link_type)
    owned = {text for device in expected.devices.values() for text in device["addresses"]}

    def owner(_: str, text: str) -> str | None:
        return made_up_mac(address(text)) if text in owned else None

    result = told(path)
    assert result.by_address() == counted_by_shark(path, owner)
    assert len(result.by_address()) > 0


def test_a_torn_copy(original: Path, expected: Replayed, tmp_path: Path) -> None:
    result = told(framing.saved(tmp_path / "torn.pcap", original.read_bytes()[:-1]))
    lost = {
        key: counts for key, counts in expected.by_address().items() if result.by_address().get(key) != counts
    }
    assert len(lost) <= 2


def test_all_in_one_file(tmp_path: Path) -> None:
    """Captures of several years and link types in one pcapng: the sums are those of the single files."""
    paths = [written(tmp_path / "synthetic.pcap", synthetic()), *REAL]
    raw = [(AT + 1, framing.RAW, framing.ip("192.168.77.1", NET4, 17, framing.udp(1, 999, b"")), 28)]
    paths.append(written(tmp_path / "raw.pcap", raw, link_type=framing.RAW))
    merged = tmp_path / "merged.pcapng"
    subprocess.run(["mergecap", "-F", "pcapng", "-w", merged, *paths], check=True, timeout=60)
    sums: dict[tuple[str, str], Counts] = {}
    for path in paths:
        sums |= told(path).by_address()
    assert told(merged).by_address() == sums
    assert (mac_text(DEVICE), NET4) in sums

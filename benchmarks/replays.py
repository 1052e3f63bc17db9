"""How many packets of a capture a second of one core replays."""

import os
import subprocess
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.frames import Wires, connection, dns_exchange, set_client_port
from tests.home.pcapfile import PcapWriter
from tests.home.python import AGENT_PYTHON, ROOT

_CONNECTIONS = 30_000
_DESTINATIONS = 200
_LOOKUP_EVERY = 20
_START = 1_577_880_000.0
_SPACING = 0.0002
_RESOLVER = IPv4Address("198.18.255.53")


def packets_a_second(wires: Wires) -> float:
    """Write a capture of TCP connections and DNS lookups, replay it, and return packets per CPU-second."""
    with tempfile.TemporaryDirectory(prefix="spin-bench-") as folder:
        capture = Path(folder, "capture.pcap")
        with capture.open("wb") as file:
            packets = _write(PcapWriter(file), wires)
        command = [
            str(AGENT_PYTHON), "-m", "gateway_agent", "replay", str(capture),
            "--jsonl", "--speed", "0", "--lan", "192.168.8.0/24",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the replay failed: {process.returncode}")
        return packets / (usage.ru_utime + usage.ru_stime)


def _write(writer: PcapWriter, wires: Wires) -> int:
    packets = 0
    remotes = [IPv4Address("198.18.0.1") + number for number in range(_DESTINATIONS)]
    connections = [connection(wires, remote, 443) for remote in remotes]
    lookups = [
        dns_exchange(wires, _RESOLVER, f"service{number}.example.com", remote)
        for number, remote in enumerate(remotes)
    ]
    for serial in range(_CONNECTIONS):
        place = serial % _DESTINATIONS
        lookup = lookups[place] if serial < _DESTINATIONS or serial % _LOOKUP_EVERY == 0 else []
        for up, frame in (*lookup, *connections[place]):
            set_client_port(frame, up, 1024 + serial)
            writer.write(_START + packets * _SPACING, _on_the_lan(wires, up, frame))
            packets += 1
    return packets


def _on_the_lan(wires: Wires, up: bool, frame: bytearray) -> bytes:
    """Return a frame as it looks on the LAN, where NAT is undone."""
    if up:
        return bytes(frame)
    return wires.device_mac + wires.gateway_lan_mac + bytes(frame[12:30]) + wires.device + bytes(frame[34:])

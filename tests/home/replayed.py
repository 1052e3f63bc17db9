"""What the agent says of a capture file, without a broker: its messages on the devices' traffic."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.home.home import LAN4, LAN6
from tests.home.python import AGENT_PYTHON, ROOT


def replayed(capture: Path, lan: Sequence[str] = (LAN4, LAN6)) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (topic, payload) of all messages, in order."""
    networks = [word for network in lan for word in ("--lan", network)]
    done = subprocess.run(
        [AGENT_PYTHON, "-m", "gateway_agent", "replay", capture, "--jsonl", "--speed", "0", *networks],
        capture_output=True, text=True, check=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["payload"]:
            yield message["topic"], message["payload"]


def flows_of(
    capture: Path, mac: str | None = None, lan: Sequence[str] = (LAN4, LAN6)
) -> Iterator[tuple[str, bytes]]:
    """Yield (MAC address, payload) of the messages on traffic, of one device or of all."""
    for topic, payload in replayed(capture, lan):
        *_, device, kind = topic.split("/")
        if kind == "flows" and mac in (None, device):
            yield device, json.dumps(payload).encode()

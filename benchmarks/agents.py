"""The agent and its peer softflowd as processes in the benchmark's gateway."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway import LAN_INTERFACE, Gateway, inside

AGENT_PYTHON = Path(__file__).parent.parent / ".venv-agent/bin/python"
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """Processes under measurement; `socket` is the broker's."""

    agent: int
    softflowd: int
    socket: Path
    folder: Path


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _READY_SECONDS
    while not path.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(log.read_text())
        time.sleep(0.05)


def retained(socket: Path, topic: str, *, seconds: int = 3) -> str:
    """Return the payload of a retained message, or "" after a while."""
    command = ["mosquitto_sub", "--unix", str(socket), "-t", topic, "-C", "1", "-W", str(seconds)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def publish_policy(socket: Path, policy: dict[str, object]) -> None:
    """Ask for rules and wait until the agent says that they are enforced."""
    message = json.dumps(policy)
    command = ["mosquitto_pub", "--unix", str(socket), "-t", "spin/bench/policy", "-r", "-q", "1", "-s"]
    subprocess.run(command, check=True, input=message.encode())
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        state = json.loads(retained(socket, "spin/bench/policy/state") or "{}")
        if state.get("revision") == policy["revision"] and state.get("enforced"):
            return
        time.sleep(0.05)
    raise TimeoutError("the policy was not enforced")


@contextlib.contextmanager
def agents(gateway: Gateway) -> Iterator[Running]:
    """Run broker, agent and softflowd until the end of the block; the agent is online when it begins."""
    with tempfile.TemporaryDirectory(prefix="spinbench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        socket = folder / "broker"
        (folder / "mosquitto.conf").write_text(
            f"listener 0 {socket}\nallow_anonymous true\nuser root\nset_tcp_nodelay true\n"
        )
        (folder / "agent.toml").write_text(
            f'gateway = "bench"\nstate_directory = "{folder}/state"\nruntime_directory = "{folder}/run"\n'
            f'[mqtt]\nsocket = "{socket}"\n'
        )
        log = folder / "mosquitto.log"
        broker = stack.enter_context(_process(["mosquitto", "-c", str(folder / "mosquitto.conf")], log))
        _await(socket, broker, log)
        command = [
            "softflowd",
            "-d",
            "-i",
            LAN_INTERFACE,
            "-n",
            "127.0.0.1:9995",
            "-c",
            f"{folder}/softflowd.ctl",
        ]
        softflowd = stack.enter_context(_process(inside(gateway.gateway, *command), folder / "softflowd.log"))
        command = [str(AGENT_PYTHON), "-m", "gateway_agent", "run", "--config", f"{folder}/agent.toml"]
        log = folder / "agent.log"
        agent = stack.enter_context(_process(inside(gateway.gateway, *command), log))
        until = time.monotonic() + _READY_SECONDS
        while retained(socket, "spin/bench/status", seconds=1) != "online":
            if agent.poll() is not None or time.monotonic() > until:
                sys.stderr.write(log.read_text())
                raise RuntimeError("the agent did not come online")
        yield Running(agent.pid, softflowd.pid, socket, folder)

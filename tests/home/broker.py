"""MQTT brokers that run as long as a block: mosquitto where it is installed, else the embedded amqtt."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.home.namespaces import die_with_parent, stop
from tests.home.python import PYTHON, ROOT

USERNAME = "spin"
_START = 15.0


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Broker:
    """A broker on a loopback port, and where it can on a Unix socket that namespaces can reach.

    `protocol` is the newest MQTT version that it speaks, as Home Assistant writes it.
    """

    command: list[str]
    folder: Path
    port: int
    password: str
    protocol: str
    socket: Path | None
    username: str = USERNAME
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it listens; raise RuntimeError when it does not."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )
        end = time.monotonic() + _START
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the MQTT broker did not start: {self.log.read_text()[-500:]}")

    def stop(self) -> None:
        """End it in order; retained messages are kept where it can."""
        if self._process:
            stop(self._process)
            self._process = None

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "broker.log"


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """Run a broker for the length of a block."""
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, or None."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def mosquitto(folder: Path, port: int | None = None) -> Broker:
    """Configure a mosquitto with one user."""
    port = port or free_port()
    password, passwords = secrets.token_urlsafe(12), folder / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text(f"{USERNAME}:{password}\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    unix = folder / "mqtt.sock"
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nlistener 0 {unix}\n"
        f"allow_anonymous false\npassword_file {passwords}\n"
        f"persistence true\npersistence_location {folder}/\nlog_type warning\nlog_type error\n"
        + ("user root\n" if os.geteuid() == 0 else "")
    )
    program = find_mosquitto() or "mosquitto"
    command = die_with_parent(program, "-c", configuration)
    return Broker(command, folder, port, password, "5", unix)


def embedded(folder: Path, port: int | None = None) -> Broker:
    """Configure an amqtt with one user; it speaks MQTT 3.1.1 over TCP only."""
    port, password = port or free_port(), secrets.token_urlsafe(12)
    command = die_with_parent(PYTHON, "-m", "tests.home.embedded_broker", folder, str(port))
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    return Broker(command, folder, port, password, "3.1.1", None)


def best(folder: Path) -> Broker:
    """Configure a mosquitto where it is installed, else an amqtt."""
    return mosquitto(folder) if find_mosquitto() else embedded(folder)

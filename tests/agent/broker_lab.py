"""A real mosquitto on a loopback port and a Unix socket, and someone who listens there."""

import contextlib
import itertools
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_mosquitto = pytest.mark.skipif(
    PROGRAM is None, reason="needs mosquitto (script/setup as root installs it)"
)
PATIENCE = 15.0


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A mosquitto of its own folder; `start` and `stop` it as often as needed, retained messages are kept."""

    def __init__(self, folder: Path, configuration: str | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "mqtt.sock"
        self.configuration = (
            configuration
            or f"listener {self.port} 127.0.0.1\nlistener 0 {self.socket}\nallow_anonymous true\n"
            f"persistence true\npersistence_location {folder}/\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        file = self.folder / "mosquitto.conf"
        as_root = "user root\n" if os.geteuid() == 0 else ""
        file.write_text(f"{self.configuration}{as_root}")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([str(PROGRAM), "-c", str(file)], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                if str(self.socket) not in self.configuration or self.socket.exists():
                    return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError((self.folder / "mosquitto.log").read_text()[-1000:])

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """Have it answer nobody until `thaw`."""
        assert self._process is not None
        self._process.send_signal(19)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(18)


class Heard(NamedTuple):
    """A message that arrived; the topic is below the gateway's root."""

    topic: str
    payload: bytes
    retained: bool

    @property
    def json(self) -> Any:  # noqa: ANN401
        """The payload's value."""
        return json.loads(self.payload)


class Ear:
    """Hears everything below a root, from one thread or another."""

    def __init__(
        self,
        port: int,
        *,
        root: str = "spin/home",
        user: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.root = root
        self.heard: list[Heard] = []
        self._news = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if user is not None:
            self._client.username_pw_set(*user)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{root}/#", qos=1)
        self._client.on_message = self._message
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE)

    def __enter__(self) -> Self:
        """Listen already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{self.root}/")
        with self._news:
            self.heard.append(Heard(topic, message.payload, message.retain))
            self._news.notify_all()

    def publish(self, topic: str, payload: Any, *, retain: bool = False) -> None:  # noqa: ANN401
        """Publish below the root: bytes as they are, anything else as JSON."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"{self.root}/{topic}", data, 1, retain).wait_for_publish(PATIENCE)

    def forget(self) -> None:
        """Begin anew."""
        with self._news:
            self.heard.clear()

    def wait(self, topic: str, wanted: Callable[[Heard], bool] = lambda _: True, after: int = 0) -> Heard:
        """Return the first message on a topic, from the `after`th on, that is wanted."""
        return self._until(lambda heard: heard.topic == topic and wanted(heard), f"{topic}", after)

    def _until(self, wanted: Callable[[Heard], bool], what: str, after: int) -> Heard:
        end = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = next(
                    (heard for heard in itertools.islice(self.heard, after, None) if wanted(heard)), None
                )
                if found is not None:
                    return found
                if time.monotonic() > end:
                    topics = [heard.topic for heard in self.heard]
                    raise TimeoutError(f"{what} was not heard, but {topics}")
                self._news.wait(0.2)

    def last(self, topic: str) -> Heard | None:
        """Return the newest message on a topic."""
        with self._news:
            return next((heard for heard in reversed(self.heard) if heard.topic == topic), None)


@contextlib.contextmanager
def listening(port: int, **options: Any) -> Iterator[Ear]:  # noqa: ANN401
    """Listen for the length of a block."""
    with Ear(port, **options) as ear:
        yield ear

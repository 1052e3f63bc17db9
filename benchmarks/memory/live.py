"""Measures a real Home Assistant, with a real broker, before and while a household talks."""

import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.memory.household import Message, Sender, encode, introduction
from benchmarks.process import cpu_seconds, resident_megabytes
from custom_components.spin.const import DEVICES_PACE
from tests.home import broker as brokers
from tests.home import homeassistant as hass
from tests.home.broker import Broker, free_port
from tests.home.homeassistant import HomeAssistant

DEVICES, DESTINATIONS, INTERVAL = 50, 500, 5.0


class PlainHomeAssistant(HomeAssistant):
    """Home Assistant with its recorder and nothing that reads what the integration knows."""

    def prepare(self) -> None:
        """Write the config folder."""
        super().prepare()
        plain = "homeassistant:\nfrontend:\nconfig:\nhistory:\nlogger:\n  default: warning\n"
        (self.folder / "configuration.yaml").write_text(plain)


@dataclass(frozen=True)
class Cost:
    """What the integration adds to Home Assistant: MB of resident memory, and share of one core."""

    memory: float
    memory_without_destinations: float
    memory_after_restart: float
    processor: float


class Publisher:
    """Publishes as the gateway."""

    def __init__(self, broker: Broker) -> None:
        """Connect."""
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(broker.username, broker.password)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def publish(self, message: Message) -> None:
        """Publish and wait until the broker has it."""
        topic, payload, retain = message
        self._client.publish(topic, encode(payload), qos=1, retain=retain).wait_for_publish(10)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def _world() -> Iterator[tuple[HomeAssistant, Publisher]]:
    with (
        tempfile.TemporaryDirectory(prefix="spin-benchmark-", ignore_cleanup_errors=True) as name,
        brokers.running(brokers.mosquitto(Path(name))) as broker,
        contextlib.closing(Publisher(broker)) as publisher,
        hass.running(PlainHomeAssistant(Path(name) / "config", free_port())) as assistant,
    ):
        assistant.onboard()
        assistant.wait_until_running()
        assistant.add_mqtt(
            port=broker.port, username=broker.username, password=broker.password, protocol=broker.protocol
        )
        # What is added is compared between runs that found their configuration there.
        assistant.restart()
        yield assistant, publisher


def _settled(pid: int, patience: float = 60) -> float:
    """Return the resident memory once it grows no more."""
    end, before = time.monotonic() + patience, 0.0
    while (now := resident_megabytes(pid)) > before + 0.1 and time.monotonic() < end:
        before = now
        time.sleep(5)
    return now


def _publish_everything(publisher: Publisher, senders: list[Sender]) -> None:
    for sender in senders:
        for message in sender.everything(time.time()):
            publisher.publish(message)
            time.sleep(0.05)


def _load(pid: int, publisher: Publisher, senders: list[Sender], rows: int, seconds: float) -> float:
    """Have each device talk each interval; return the CPU-seconds that Home Assistant took per second."""
    chance = random.Random(1)
    before, began = cpu_seconds(pid), time.monotonic()
    for number in range(int(seconds / INTERVAL) * len(senders)):
        due = began + number * INTERVAL / len(senders)
        time.sleep(max(0.0, due - time.monotonic()))
        publisher.publish(senders[number % len(senders)].some(rows, chance, time.time()))
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def measure(rows: int, seconds: float) -> Cost:
    """Measure with messages of so many rows, for so many seconds."""
    with _world() as (assistant, publisher):
        pid = assistant.pid
        without = _settled(pid)
        idle_before, idle_began = cpu_seconds(pid), time.monotonic()
        time.sleep(20)
        idle = (cpu_seconds(pid) - idle_before) / (time.monotonic() - idle_began)
        for message in introduction(time.time()):
            publisher.publish(message)
        assistant.accept_discovered_gateway()
        senders = [Sender(number, DESTINATIONS) for number in range(DEVICES)]
        for sender in senders:
            publisher.publish(sender.identity(time.time()))
        time.sleep(DEVICES * DEVICES_PACE.total_seconds())
        fixed = _settled(pid)
        _publish_everything(publisher, senders)
        _settled(pid)
        processor = _load(pid, publisher, senders, rows, seconds) - idle
        memory = _settled(pid)
        assistant.restart()
        _publish_everything(publisher, senders)  # which Home Assistant asks for
        restarted = _settled(assistant.pid)
    return Cost(memory - without, fixed - without, restarted - without, processor)

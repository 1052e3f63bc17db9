"""A reader of the wire contract over MQTT that shares no code with the agent or the integration."""

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.home.agent import GATEWAY
from tests.home.broker import Broker

T = TypeVar("T")
ROOT = f"spin/{GATEWAY}"
Message = dict[str, Any]


class Reader:
    """Remembers what the agent said; all methods may be called from the test's thread.

    Of the counters it keeps, as the contract says, the newest of every epoch, and adds the epochs up.
    """

    def __init__(self, broker: Broker) -> None:
        self._news = threading.Condition()
        self.retained: dict[str, Any] = {}
        self.flows: dict[str, list[Message]] = defaultdict(list)
        self.rows: dict[str, dict[tuple[Any, ...], Message]] = defaultdict(dict)
        self.captures: dict[str, list[bytes]] = defaultdict(list)
        self._totals: dict[tuple[str, str], Message] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(broker.username, broker.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/#", qos=1)
        self._client.on_message = lambda _client, _data, message: self._heard(message)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: Message, *, retain: bool = False) -> None:
        """Publish below the gateway's root and wait until the broker has it."""
        message = self._client.publish(f"{ROOT}/{topic}", json.dumps(payload), qos=1, retain=retain)
        message.wait_for_publish(10)

    def total(self, mac: str, counter: str) -> int:
        """Return a device's counter, added up over all epochs."""
        with self._news:
            return sum(
                int(counters[counter]) for (owner, _), counters in self._totals.items() if owner == mac
            )

    def names(self, mac: str) -> list[str]:
        """Return the names of a device's rows and look-ups, in the order in which they were first told."""
        with self._news:
            told = [
                entry["name"]
                for message in self.flows[mac]
                for entry in (*message["destinations"], *message["lookups"])
            ]
        return list(dict.fromkeys(name for name in told if name))

    def wait(self, ready: Callable[[], T | None], what: str, patience: float = 20) -> T:
        """Wait until `ready` returns something true and return it; raise TimeoutError."""
        end = time.monotonic() + patience
        with self._news:
            while not (result := ready()):
                rest = end - time.monotonic()
                if rest <= 0:
                    raise TimeoutError(f"not within {patience:.0f} s: {what}")
                self._news.wait(min(rest, 0.5))
            return result

    def _heard(self, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{ROOT}/")
        with self._news:
            if topic.endswith("/flows"):
                self._heard_flows(topic.split("/")[1], json.loads(message.payload))
            elif topic.startswith("capture/"):
                self.captures[topic.removeprefix("capture/")].append(message.payload)
            elif topic == "status":
                self.retained[topic] = message.payload.decode()
            else:
                self.retained[topic] = json.loads(message.payload) if message.payload else None
            self._news.notify_all()

    def _heard_flows(self, mac: str, flows: Message) -> None:
        self.flows[mac].append(flows)
        newest = self._newest.get((mac, flows["epoch"]), -1)
        if flows["seq"] > newest:
            self._newest[mac, flows["epoch"]] = flows["seq"]
            self._totals[mac, flows["epoch"]] = flows["counters"]
        for row in flows["destinations"]:
            key = (flows["epoch"], row["name"], row["address"], row["protocol"], row["port"], row["first"])
            self.rows[mac][key] = row


@contextlib.contextmanager
def reading(broker: Broker) -> Iterator[Reader]:
    """Listen for the length of a block."""
    reader = Reader(broker)
    try:
        yield reader
    finally:
        reader.close()

"""A broker that retains, and a gateway that speaks the wire contract, for tests of the integration."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import MagicMock

from homeassistant.core import HomeAssistant, callback
from paho.mqtt.client import topic_matches_sub
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

from custom_components.spin.destination import Destination, Key
from custom_components.spin.destinations import Grown
from custom_components.spin.hosts import LEARNED, Host
from custom_components.spin.models import Row, RowCounters
from custom_components.spin.packing import as_text, compressed

GATEWAY = "home"
ROOT = f"spin/{GATEWAY}"
HUE = "00:17:88:00:00:01"
CAMERA = "00:17:88:00:00:02"
EPOCH = "5f3a9c01d2e4b687"
START = 1577880000.0
WIRE = Path(__file__).parent.parent / "wire"

COUNTERS = ("sent_bytes", "received_bytes", "sent_packets", "received_packets",
            "connections", "unanswered", "blocked")  # fmt: skip


def wire_messages(kind: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield (file's name, topic, payload) of the shared example messages."""
    for path in sorted((WIRE / kind).glob("*.json")):
        message = json.loads(path.read_text())
        if "repeat" in message:
            text, times = message["repeat"]
            payload = (text * times).encode()
        elif "raw" in message:
            payload = message["raw"].encode("latin-1")
        else:
            payload = json.dumps(message["payload"]).encode()
        yield path.stem, message["topic"], payload


def example(name: str) -> dict[str, Any]:
    """Return the payload of an example message."""
    payload: dict[str, Any] = json.loads((WIRE / "examples" / f"{name}.json").read_text())["payload"]
    return payload


def counters(**counts: int) -> dict[str, int]:
    """Return a device's counters."""
    return dict.fromkeys(COUNTERS, 0) | counts


def row(name: str | None = "ws.meethue.com", **fields: Any) -> dict[str, Any]:
    """Return a row of a flows message."""
    return {
        "name": name, "name_source": "dns" if name else None, "address": "198.51.100.7",
        "protocol": "tcp", "port": 443, "local": False, "first": START, "last": START + 4,
        "sent_bytes": 1148, "received_bytes": 2210, "sent_packets": 10, "received_packets": 9,
        "connections": 1, "unanswered": 0, "blocked": 0, "empty": 0, "requests": [], **fields,
    }  # fmt: skip


def flows(*rows: dict[str, Any], seq: int = 1, epoch: str = EPOCH, snapshot: bool = False,
          lookups: dict[str, float] | None = None, **counts: int) -> dict[str, Any]:  # fmt: skip
    """Return a flows message, by default with enough packets for a device to be shown."""
    counts = {"sent_packets": 10, "received_packets": 9} | counts
    return {
        "epoch": epoch, "seq": seq, "start": START + 5 * (seq - 1), "end": START + 5 * seq,
        "snapshot": snapshot, "more": False, "counters": counters(**counts), "destinations": list(rows),
        "lookups": [{"name": name, "answered": True, "count": 1, "last": at}
                    for name, at in (lookups or {}).items()],
        "fanout": {"hosts": 0, "ports": 0},
        "omitted": {"destinations": 0, "sent_bytes": 0, "received_bytes": 0},
    }  # fmt: skip


class Broker:
    """Adds retained messages to the mocked MQTT client of Home Assistant."""

    def __init__(self, hass: HomeAssistant, client: MagicMock) -> None:
        self.hass = hass
        self.client = client
        self.retained: dict[str, bytes] = {}
        self.published: list[tuple[str, bytes, bool]] = []
        self._subscribe = client.subscribe.side_effect
        self._publish = client.publish.side_effect
        client.subscribe.side_effect = self._subscribed
        client.publish.side_effect = self._received

    def _subscribed(self, topics: Any, qos: int = 0, **kwargs: Any) -> tuple[int, int]:
        answer: tuple[int, int] = self._subscribe(topics, qos, **kwargs)
        for topic in [topics] if isinstance(topics, str) else [topic for topic, _ in topics]:
            self.hass.loop.call_soon(self._replay, topic)
        return answer

    @callback
    def _replay(self, subscription: str) -> None:
        for topic, payload in list(self.retained.items()):
            if topic_matches_sub(subscription, topic):
                async_fire_mqtt_message(self.hass, topic, payload, 1, retain=True)

    def _received(self, topic: str, payload: Any, qos: int, retain: bool, properties: Any = None) -> Any:
        payload = payload.encode() if isinstance(payload, str) else bytes(payload)
        self.published.append((topic, payload, retain))
        if retain:
            self.retained[topic] = payload
        # A subscriber that was there before does not see the flag.
        return self._publish(topic, payload, qos, False, properties)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish as somebody else than Home Assistant."""
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        async_fire_mqtt_message(self.hass, topic, payload, 1, retain=False)

    async def settled(self) -> None:
        """Wait until Home Assistant has subscribed to all that it wants."""
        client = self.hass.data["mqtt"].client._mock_wraps
        debouncer = client._subscribe_debouncer
        while client._pending_subscriptions or debouncer._timer or debouncer._task:
            await asyncio.sleep(0.002)
        await self.hass.async_block_till_done()

    def sent(self, topic: str) -> list[dict[str, Any]]:
        """Return what Home Assistant published on a topic."""
        return [json.loads(payload) for at, payload, _ in self.published if at == topic]

    def connection(self, connected: bool) -> None:
        """Lose or regain the connection of Home Assistant."""
        if connected:
            self.client.on_connect(self.client, None, 0, _success())
        else:
            self.client.on_disconnect(self.client, None, 0, _success())


def _success() -> MagicMock:
    return MagicMock(is_failure=False, value=0)


class Gateway:
    """An agent; answers policies at once unless told otherwise."""

    def __init__(self, broker: Broker, gateway: str = GATEWAY) -> None:
        self.broker = broker
        self.root = f"spin/{gateway}"
        self.gateway = gateway
        self.answers = True
        self.refuses: str | None = None
        self.enforces = True
        self.policy: dict[str, Any] = {"revision": 0, "devices": {}, "everyone": []}
        self._receive = broker.client.publish.side_effect
        broker.client.publish.side_effect = self._received

    def _received(self, topic: str, payload: Any, *args: Any, **kwargs: Any) -> Any:
        answer = self._receive(topic, payload, *args, **kwargs)
        if topic == f"{self.root}/policy" and self.answers:
            self.broker.hass.loop.call_soon(self.take_policy, json.loads(payload))
        return answer

    def take_policy(self, policy: dict[str, Any]) -> None:
        """Enforce a policy, or refuse it, and say so."""
        problems = []
        if self.refuses and self.refuses in json.dumps(policy):
            problems = [{"code": "policy_refused", "text": "not a host name", "revision": policy["revision"]}]
        elif policy["revision"] > self.policy["revision"]:
            self.policy = policy
        self.policy_state(problems=problems)

    def say(self, topic: str, payload: Any, *, retain: bool = True) -> None:
        """Publish below the gateway's root; JSON unless it is bytes."""
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self.broker.publish(f"{self.root}/{topic}", payload, retain=retain)

    def info(self, **fields: Any) -> None:
        """Introduce the agent."""
        self.say("info", example("info") | {"gateway": self.gateway} | fields)

    def status(self, text: str) -> None:
        """Go online or offline."""
        self.say("status", text.encode())

    def device(self, mac: str = HUE, *, epoch: str = EPOCH, hostname: str | None = "Philips-hue",
               **counts: int) -> None:  # fmt: skip
        """Report identity and totals of a device."""
        self.say(
            f"device/{mac}",
            example("device")
            | {"mac": mac, "epoch": epoch, "hostname": hostname, "counters": counters(**counts)},
        )

    def flows(self, *rows: dict[str, Any], mac: str = HUE, **fields: Any) -> None:
        """Report what a device did."""
        self.say(f"device/{mac}/flows", flows(*rows, **fields), retain=False)

    def policy_state(self, *, problems: list[dict[str, Any]] | None = None) -> None:
        """Say what is enforced."""
        self.say("policy/state", {**self.policy, "enforced": self.enforces, "problems": problems or []})

    def start(self) -> None:
        """Say all that an agent says when it has connected."""
        self.info()
        self.status("online")
        self.policy_state()


def grown(row: Row, new: RowCounters | None = None) -> Grown:
    """Return a row in which something is new: all of it, or this."""
    host = Host(row.name or row.address, LEARNED, row.first, named=row.name is not None)
    destination = Destination(Key(host.name, row.protocol, row.port), (host,))
    return Grown(destination, host, row, row.counters if new is None else new, new=False)


def text_of(document: bytes) -> str:
    """Return a part of a stored document."""
    return as_text(compressed([document]))


class Stored(Protocol):
    """What can be stored."""

    def as_json(self) -> Iterator[bytes]:
        """Yield what is stored, in pieces."""


def stored_of(kept: Stored) -> bytes:
    """Return what is stored of something, in one piece."""
    return b"".join(kept.as_json())

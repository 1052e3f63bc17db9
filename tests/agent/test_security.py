"""The broker of docs/security.md, set up by its own blocks: who can do what there."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from broker_lab import Broker, Ear, needs_mosquitto
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway_agent import config
from gateway_agent.config import Config
from gateway_agent.mqtt.visit import VisitError, passes, retained, visit

pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(
        shutil.which("openssl") is None or shutil.which("mosquitto_passwd") is None,
        reason="needs openssl and mosquitto_passwd",
    ),
]

DOCUMENT = Path(__file__).parents[2] / "docs/security.md"
PASSWORDS = {"spin-home": "agent's secret", "homeassistant": "reader's secret", "guest": "guest's secret"}


def block(language: str, containing: str) -> str:
    """Return the document's code block of a language that has some text in it."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {containing!r}"
    return found[0]


@dataclass
class Site:
    """The documented broker, its folder instead of /etc, its port instead of 8883."""

    folder: Path
    broker: Broker

    def here(self, text: str) -> str:
        """Return a documented text for this place."""
        for documented, ours in (
            ("/etc", f"{self.folder}/etc"),
            ("8883", str(self.broker.port)),
            ("broker.home", "localhost"),
        ):
            assert documented not in text or documented != ours
            text = text.replace(documented, ours)
        return text

    def shell(self, script: str) -> None:
        """Run a documented script."""
        environment = {
            **os.environ,
            "AGENT_PASSWORD": PASSWORDS["spin-home"],
            "HOME_ASSISTANT_PASSWORD": PASSWORDS["homeassistant"],
        }
        command = ["sh", "-e", "-c", self.here(script)]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60)

    @property
    def trust(self) -> ssl.SSLContext:
        """TLS settings that believe the documented authority."""
        return ssl.create_default_context(cafile=self.folder / "etc/mosquitto/certs/ca.crt")

    def agent(self, **changes: str) -> Config:
        """Return the documented agent's configuration, as in the document where nothing is changed."""
        text = block("toml", "[mqtt.tls]").replace("[mqtt]", f"[mqtt]\nport = {self.broker.port}")
        for key, value in changes.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        return config.parse(self.here(text), self.folder / "agent.toml")

    def ear(self, user: str) -> Ear:
        """Listen to everything as a user."""
        return Ear(
            self.broker.port, root="spin", user=(user, PASSWORDS[user]), tls=self.trust, host="localhost"
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("security")
    site = Site(folder, Broker(folder))
    for name in ("mosquitto/certs", "spin-gateway-agent"):
        (folder / "etc" / name).mkdir(parents=True)
    site.shell(block("sh", "# certificates"))
    site.shell(block("sh", "# users"))
    guest = ["-b", f"{folder}/etc/mosquitto/passwords", "guest", PASSWORDS["guest"]]
    subprocess.run(["mosquitto_passwd", *guest], check=True, timeout=60)
    (folder / "etc/mosquitto/spin.acl").write_text(block("acl", "user spin-home"))
    ca = folder / "etc/mosquitto/certs/ca.crt"
    shutil.copy(ca, folder / "etc/spin-gateway-agent/ca.crt")
    (folder / "etc/spin-gateway-agent/password").write_text(PASSWORDS["spin-home"] + "\n")
    site.broker.configuration = site.here(block("conf", "listener"))
    with site.broker:
        yield site


async def test_the_agent_may_read_and_write_its_gateway(site: Site) -> None:
    async with visit(site.agent().mqtt) as client:
        assert await passes(client, "spin/home/reply/check")


async def test_the_agent_may_not_touch_another_gateway(site: Site) -> None:
    async with visit(site.agent().mqtt) as client:
        assert not await passes(client, "spin/other/reply/check")


async def test_home_assistant_reads_everything_and_may_ask(site: Site) -> None:
    with site.ear("homeassistant") as reader:
        async with visit(site.agent().mqtt) as client:
            await client.subscribe("spin/home/#", 1)
            await client.publish("spin/home/device/x/flows", b"traffic", 1)
            reader.wait("home/device/x/flows")
            for topic in ("home/policy", "home/command"):
                reader.publish(topic, b"wish")
                assert await heard(client, f"spin/{topic}") == b"wish"


async def test_home_assistant_may_not_speak_for_the_agent(site: Site) -> None:
    with site.ear("homeassistant") as reader:
        async with visit(site.agent().mqtt) as client:
            reader.publish("home/status", b"offline", retain=True)
            reader.publish("home/policy/state", b"{}", retain=True)
            assert await retained(client, "spin/home") == {}


async def test_a_third_user_can_neither_read_nor_write(site: Site) -> None:
    with site.ear("guest") as guest:
        async with visit(site.agent().mqtt) as client:
            await client.publish("spin/home/device/x/flows", b"traffic", 1)
            await client.publish("spin/home/info", b"retained", 1, retain=True)
            for topic in ("home/policy", "home/command", "home/info"):
                guest.publish(topic, b"wish", retain=True)
            assert await retained(client, "spin/home") == {"info": b"retained"}
            await client.publish("spin/home/info", b"", 1, retain=True)
    assert guest.heard == []


def test_nobody_comes_in_without_a_password(site: Site) -> None:
    assert refused(site, None)
    assert refused(site, ("spin-home", "wrong"))
    assert refused(site, ("nobody", ""))
    assert not refused(site, ("spin-home", PASSWORDS["spin-home"]))


async def test_a_wrong_password_is_explained(site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("wrong")
    with pytest.raises(VisitError, match=r"refuses the user: check mqtt.username and mqtt.password"):
        async with visit(site.agent(password_file=f'"{wrong}"').mqtt):
            pass


@pytest.fixture
def another_authority(tmp_path: Path) -> Path:
    (tmp_path / "mosquitto/certs").mkdir(parents=True)
    script = block("sh", "# certificates").replace("/etc", str(tmp_path))
    subprocess.run(["sh", "-e", "-c", script], check=True, capture_output=True, timeout=60)
    return tmp_path / "mosquitto/certs/ca.crt"


async def test_a_broker_with_another_authority_is_not_trusted(site: Site, another_authority: Path) -> None:
    with pytest.raises(VisitError, match=r"certificate is not trusted.*check mqtt.tls.ca"):
        async with visit(site.agent(ca=f'"{another_authority}"').mqtt):
            pass


async def test_a_broker_of_another_name_is_not_trusted(site: Site) -> None:
    with pytest.raises(VisitError, match=r"certificate is not trusted.*mqtt.host"):
        async with visit(site.agent(host='"127.0.0.1"').mqtt):
            pass


async def test_without_tls_the_broker_hangs_up(site: Site) -> None:
    text = f'[mqtt]\nhost = "localhost"\nport = {site.broker.port}\n'
    with pytest.raises(VisitError, match=r"whether .* expects TLS"):
        async with visit(config.parse(text, Path("agent.toml")).mqtt):
            pass


async def heard(client: aiomqtt.Client, topic: str) -> bytes:
    async for message in client.messages:
        if str(message.topic) == topic:
            assert isinstance(message.payload, bytes)
            return message.payload
    raise AssertionError("the connection ended")


def refused(site: Site, user: tuple[str, str] | None) -> bool:
    """Whether the broker lets nobody in under this name."""
    codes: list[int] = []
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    if user is not None:
        client.username_pw_set(*user)
    client.tls_set_context(site.trust)
    client.on_connect = lambda _client, _data, _flags, code, _properties: codes.append(code.value)
    client.connect("localhost", site.broker.port)
    for _ in range(100):
        client.loop(0.1)
        if codes:
            break
    client.disconnect()
    return codes[0] != 0

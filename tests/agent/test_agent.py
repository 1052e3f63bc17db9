"""The whole agent but for the kernel: a stand-in platform on one side, a real broker on the other."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from broker_lab import Broker, Ear, Heard, needs_mosquitto
from capture_lab import FakeTap, records
from stand_in import LAN, MAC, OTHER, OTHER_LAN, REMOTE, ROUTER, FakePlatform

from gateway_agent import config
from gateway_agent.agent import Agent
from gateway_agent.firewall.store import PolicyStore
from gateway_agent.model import Answer, FirstContact, Flow, Neighbour
from gateway_agent.mqtt import dialogue, publisher
from gateway_agent.wire.policy import DevicePolicy, Policy, Problem

pytestmark = needs_mosquitto

WEB = Flow(LAN, REMOTE, 6, 443)
PATIENCE = 15
SLOW = 4
"""Seconds by which a busy machine may be late; the interval, which would be the other way, is 300."""


@dataclass
class Running:
    """An agent that runs, and what its platform is told."""

    agent: Agent
    platform: FakePlatform
    task: asyncio.Task[None]


@dataclass
class Site:
    """Where agents run: a broker, a folder, an ear."""

    folder: Path
    broker: Broker
    keys: dict[str, Any] = field(default_factory=dict)

    def configuration(self, **keys: object) -> config.Config:
        """Return a configuration for this place."""
        values = {
            "interval": 1,
            "state_directory": str(self.folder / "state"),
            "runtime_directory": str(self.folder / "run"),
            **keys,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\n'
        return config.parse("\n".join(lines) + f"\n{mqtt}", self.folder / "agent.toml")

    @contextlib.asynccontextmanager
    async def agent(
        self, prepare: Callable[[FakePlatform], None] = lambda _: None, **keys: object
    ) -> AsyncIterator[Running]:
        """Run an agent for the length of a block, and stop it in order."""
        made: list[FakePlatform] = []

        def platform(settings: config.Config, observe: Any) -> FakePlatform:  # noqa: ANN401
            made.append(FakePlatform(settings, observe))
            prepare(made[0])
            return made[0]

        agent = Agent(self.configuration(**keys), platform)
        task = asyncio.create_task(agent.run())
        try:
            yield Running(agent, made[0], task)
        finally:
            agent.stop()
            await asyncio.wait_for(task, PATIENCE)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(publisher, "FIRST_DELAY", 0.1)
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.start()
    try:
        yield Site(tmp_path, broker)
    finally:
        broker.stop()


@pytest.fixture
def ear(site: Site) -> Iterator[Ear]:
    with Ear(site.broker.port) as made:
        yield made


async def wait(ear: Ear, topic: str, wanted: Callable[[Heard], bool] = lambda _: True, after: int = 0) -> Any:  # noqa: ANN401
    """Return the value of the first such message."""
    heard = await asyncio.to_thread(ear.wait, topic, wanted, after)
    return heard.json if heard.payload.startswith(b"{") else heard.payload


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (others change it)
            await asyncio.sleep(0.05)


def blocked(mac: str) -> dict[str, Any]:
    return {"devices": {mac: {"blocked": True}}}


async def test_it_introduces_itself(site: Site, ear: Ear) -> None:
    async with site.agent(name="Attic"):
        said = await wait(ear, "info")
        assert (said["protocol"], said["gateway"], said["name"]) == (1, "home", "Attic")
        assert (said["source"], said["interval"], said["problems"]) == ("nftables", 1, [])
        assert said["capabilities"] == ["block", "names"]
        assert said["limits"] == {"devices": 256, "destinations_per_device": 1024, "destinations": 16384}
        assert await wait(ear, "status") == b"online"
        assert (await wait(ear, "policy/state"))["enforced"] is True
        assert (await wait(ear, f"device/{MAC}"))["addresses"] == ["192.168.8.20"]
    with Ear(site.broker.port) as late:
        assert (await wait(late, "info"))["epoch"] == said["epoch"]
        assert await wait(late, "status") == b"offline"


async def test_traffic_becomes_flows_under_the_name_that_was_looked_up(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        running.platform.observe(Answer(LAN, "ws.example", (REMOTE,), 60, True, time.time()))
        running.platform.happen(WEB, sent_bytes=100, sent_packets=1, first=time.time(), last=time.time())
        said = await wait(ear, f"device/{MAC}/flows", lambda heard: bool(heard.json["destinations"]))
        (row,) = said["destinations"]
        assert (row["name"], row["name_source"], row["address"]) == ("ws.example", "dns", "198.51.100.7")
        assert (row["sent_bytes"], said["counters"]["sent_bytes"]) == (100, 100)
        assert said["lookups"] == []


async def test_what_goes_on_over_a_restart_keeps_its_name(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        running.platform.observe(Answer(LAN, "ws.example", (REMOTE,), 60, True, time.time()))
    async with site.agent() as running:
        running.platform.happen(WEB, sent_bytes=7, sent_packets=1, first=time.time(), last=time.time())
        said = await wait(ear, f"device/{MAC}/flows", lambda heard: heard.json["counters"]["sent_bytes"] == 7)
        assert [row["name"] for row in said["destinations"]] == ["ws.example"]


async def test_a_first_contact_is_told_within_a_second(site: Site, ear: Ear) -> None:
    async with site.agent(interval=300) as running:
        await wait(ear, f"device/{OTHER}/flows")
        began = time.monotonic()
        running.platform.happen(WEB, connections=1)
        running.platform.observe(FirstContact(WEB, time.time()))
        await wait(ear, f"device/{MAC}/flows", lambda heard: bool(heard.json["destinations"]))
        assert time.monotonic() - began < 1 + SLOW


async def test_a_name_without_traffic_is_told_as_a_lookup(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        running.platform.observe(Answer(LAN, "check.example", (REMOTE,), 60, True, time.time()))
        said = await wait(ear, f"device/{MAC}/flows", lambda heard: bool(heard.json["lookups"]))
        assert said["lookups"][0]["name"] == "check.example"


async def test_the_router_is_no_device(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        running.platform.observe(Neighbour(ROUTER, bytes((192, 168, 8, 1)), time.time()))
        running.platform.happen(Flow(LAN, REMOTE, 6, 443, ROUTER), sent_bytes=1)
        running.platform.happen(WEB, sent_bytes=1)
        await wait(ear, f"device/{MAC}/flows", lambda heard: bool(heard.json["destinations"]))
    assert ear.last(f"device/{ROUTER}") is None


async def test_commands_are_answered(site: Site, ear: Ear) -> None:
    async with site.agent(interval=300) as running:
        await wait(ear, f"device/{OTHER}/flows")
        running.platform.happen(WEB, sent_bytes=7)
        running.platform.happen(Flow(OTHER_LAN, REMOTE, 17, 53), sent_bytes=8)
        before = len(ear.heard)
        ear.publish("command", {"id": "all", "command": "snapshot"})
        assert await wait(ear, "reply/all") == {"ok": True}
        for mac, sent in ((MAC, 7), (OTHER, 8)):
            said = await wait(ear, f"device/{mac}/flows", after=before)
            assert (said["snapshot"], said["counters"]["sent_bytes"]) == (True, sent)
        before = len(ear.heard)
        ear.publish("command", {"id": "one", "command": "snapshot", "device": OTHER})
        assert await wait(ear, "reply/one") == {"ok": True}
        topics = [heard.topic for heard in ear.heard[before:]]
        assert f"device/{OTHER}/flows" in topics
        assert f"device/{MAC}/flows" not in topics


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"command": "snapshot", "device": "02:00:00:00:00:99"}, "no such device: 02:00:00:00:00:99"),
        ({"command": "snapshot", "device": "#"}, "device: not a MAC address"),
        ({"command": "reboot; true"}, "command: no such command: 'reboot; true'"),
        ({}, "command: required key not provided"),
    ],
)
async def test_commands_that_cannot_be_done_are_answered_too(
    site: Site, ear: Ear, keys: dict[str, str], error: str
) -> None:
    async with site.agent():
        await wait(ear, "status")
        ear.publish("command", {"id": "x", **keys})
        said = await wait(ear, "reply/x")
        assert said["ok"] is False
        assert error in said["error"]


async def test_a_flood_of_nonsense_leaves_it_at_work(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        for payload in (b"\xff", b"[" * 100_000, b"{}", b'{"id": "../../x"}', b'{"id": "#"}', b"1e999"):
            for topic in ("command", "policy", "info", "status"):
                ear.publish(topic, payload)
        for number in range(200):
            ear.publish("command", {"id": str(number), "command": "snapshot", "device": MAC})
        ear.publish("policy", {"revision": 9, **blocked(MAC)})
        for number in (0, 199):
            assert await wait(ear, f"reply/{number}") == {"ok": True}
        assert (await wait(ear, "policy/state", lambda heard: heard.json["revision"] == 9))["enforced"]
        running.platform.happen(WEB, sent_bytes=5)
        await wait(ear, f"device/{MAC}/flows", lambda heard: heard.json["counters"]["sent_bytes"] == 5)


async def test_a_policy_is_applied_stored_and_confirmed(site: Site, ear: Ear) -> None:
    async with site.agent(interval=300) as running:
        await wait(ear, "policy/state")
        began = time.monotonic()
        ear.publish("policy", {"revision": 4, **blocked(MAC)}, retain=True)
        said = await wait(ear, "policy/state", lambda heard: heard.json["revision"] == 4)
        assert time.monotonic() - began < 1 + SLOW
        assert said["enforced"] is True
        expected = Policy(4, {MAC: DevicePolicy(blocked=True)})
        assert running.platform.firewall is not None
        assert running.platform.firewall.applied[-1] == expected
        assert PolicyStore(site.folder / "state/policy.json").load()[0] == expected, "before it is confirmed"


async def test_a_timed_block_ends_on_time_whatever_the_interval(site: Site, ear: Ear) -> None:
    async with site.agent(interval=300):
        await wait(ear, "policy/state")
        end = time.time() + 2
        ear.publish("policy", {"revision": 1, "devices": {MAC: {"blocked": True, "until": end}}})
        assert (await wait(ear, "policy/state", lambda heard: heard.json["revision"] == 1))["devices"]
        await wait(
            ear, "policy/state", lambda heard: heard.json["revision"] == 1 and not heard.json["devices"]
        )
        assert end <= time.time() < end + 1 + SLOW


async def test_a_stored_policy_holds_without_a_broker(site: Site) -> None:
    policy = Policy(4, {MAC: DevicePolicy(blocked=True)})
    PolicyStore(site.folder / "state/policy.json").save(policy, [])
    site.broker.stop()
    async with site.agent() as running:
        firewall = running.platform.firewall
        assert firewall is not None
        await until(lambda: firewall.applied == [policy])


async def test_while_the_broker_is_away_it_goes_on_counting(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        running.platform.happen(WEB, sent_bytes=1)
        await wait(ear, f"device/{MAC}/flows", lambda heard: heard.json["counters"]["sent_bytes"] == 1)
        site.broker.stop()
        await until(lambda: not running.agent._publisher.connected)
        for _ in range(3):
            running.platform.happen(WEB, sent_bytes=10)
            await until(lambda: not running.platform.pending)
        ear.forget()
        site.broker.start()
        said = await wait(ear, f"device/{MAC}/flows", lambda heard: heard.json["snapshot"])
        assert said["counters"]["sent_bytes"] == 31
        assert [row["sent_bytes"] for row in said["destinations"]] == [31]
        assert await wait(ear, "status", lambda heard: heard.payload == b"online")


async def test_a_signal_flushes_the_last_figures(site: Site, ear: Ear) -> None:
    async with site.agent(interval=300) as running:
        await wait(ear, f"device/{OTHER}/flows")
        running.platform.observe(Answer(LAN, "late.example", (), 60, False, time.time()))
        running.platform.happen(WEB, sent_bytes=99)
        before = len(ear.heard)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running.task, PATIENCE)
        assert running.platform.closed
    said = await wait(ear, f"device/{MAC}/flows", after=before)
    assert said["counters"]["sent_bytes"] == 99
    assert said["lookups"][0]["name"] == "late.example"
    assert (await wait(ear, f"device/{MAC}", after=before))["counters"]["sent_bytes"] == 99
    await wait(ear, "status", lambda heard: heard.payload == b"offline", before)
    assert ear.heard[-1][:2] == ("status", b"offline"), "the last word"


async def test_a_stop_takes_seconds_even_if_the_broker_hangs(
    site: Site, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.agent() as running:
        await wait(ear, f"device/{OTHER}/flows")
        running.platform.happen(WEB, sent_bytes=99)
        site.broker.freeze()
        try:
            began = time.monotonic()
            running.agent.stop()
            await asyncio.wait([running.task], timeout=20)
            assert running.task.done()
            assert time.monotonic() - began < 12
        finally:
            site.broker.thaw()
    assert running.platform.closed
    assert "last figures not told" in caplog.text


async def test_problems_are_told_when_they_come_and_go(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        running.platform.troubles.append(Problem("accounting_off", "switch it on"))
        said = await wait(ear, "info", lambda heard: bool(heard.json["problems"]))
        assert said["problems"] == [{"code": "accounting_off", "text": "switch it on"}]
        before = len(ear.heard)
        running.platform.troubles.clear()
        await wait(ear, "info", lambda heard: not heard.json["problems"], after=before)


async def test_two_agents_of_one_id_notice_each_other_and_stay_calm(site: Site, ear: Ear) -> None:
    def told() -> list[Heard]:
        return [heard for heard in ear.heard if heard.topic == "info"]

    async with site.agent(), site.agent(state_directory=str(site.folder / "second")):
        await until(lambda: len({heard.json["epoch"] for heard in told() if heard.json["problems"]}) == 2)
        assert all(problem["code"] == "duplicate_gateway" for problem in told()[-1].json["problems"])
        await asyncio.sleep(2.5)
        before = len(told())
        await asyncio.sleep(2.5)
        assert len(told()) == before


async def test_an_old_last_will_does_not_stay(site: Site, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_STATUS_PAUSE", 1.0)
    async with site.agent():
        await wait(ear, "status")
        for _ in range(2):
            before = len(ear.heard)
            ear.publish("status", b"offline", retain=True)
            assert await wait(ear, "status", lambda heard: heard.payload == b"online", before)


async def test_host_names_come_from_the_lease_file(site: Site, ear: Ear) -> None:
    leases = site.folder / "leases"
    async with site.agent(lease_file=str(leases)):
        await wait(ear, f"device/{MAC}", lambda heard: heard.json["hostname"] is None)
        leases.write_text(
            f"1800000000 {MAC} 192.168.8.20 lamp *\n1800000000 02:aa:00:00:00:00 10.0.0.1 ghost *\n"
        )
        assert (await wait(ear, f"device/{MAC}", lambda heard: heard.json["hostname"] == "lamp"))["addresses"]
        leases.write_text(f"1800000000 {MAC} 192.168.8.20 lantern *\n")
        await wait(ear, f"device/{MAC}", lambda heard: heard.json["hostname"] == "lantern")
    assert ear.last("device/02:aa:00:00:00:00") is None


async def test_a_broker_that_delivers_nothing_is_complained_about(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dialogue, "_ECHO_PATIENCE", 0.5)
    site.broker.stop()
    (site.folder / "acl").write_text("topic read spin/home/#\n")
    site.broker.configuration += f"acl_file {site.folder}/acl\n"
    site.broker.start()
    async with site.agent():
        await until(lambda: "messages do not arrive" in caplog.text)
    assert "allow the agent's user to read and write" in caplog.text


async def test_the_firewall_hears_of_addresses(site: Site, ear: Ear) -> None:
    async with site.agent() as running:
        await wait(ear, "status")
        firewall = running.platform.firewall
        assert firewall is not None
        assert firewall.neighbours == [(MAC, LAN), (OTHER, OTHER_LAN)]
        assert list(firewall.lookups()) == []
        running.platform.observe(Answer(LAN, "a.example", (REMOTE,), 60, True, time.time()))
        assert list(firewall.lookups()) == [(MAC, "a.example", REMOTE)]


async def test_a_source_that_only_observes(site: Site, ear: Ear) -> None:
    def without(platform: FakePlatform) -> None:
        platform.firewall = None

    async with site.agent(without) as running:
        said = await wait(ear, "policy/state")
        assert (said["enforced"], said["problems"][0]["code"]) == (False, "cannot_block")
        ear.publish("policy", {"revision": 1, **blocked(MAC)})
        running.platform.happen(WEB, sent_bytes=5)
        await wait(ear, f"device/{MAC}/flows", lambda heard: heard.json["counters"]["sent_bytes"] == 5)


async def test_a_capture_is_streamed_to_the_broker_and_ends_with_the_agent(site: Site, ear: Ear) -> None:
    taps: list[FakeTap] = []

    def prepare(platform: FakePlatform) -> None:
        def open_tap(mac: str, headers_only: bool) -> FakeTap:
            assert (mac, headers_only) == (MAC, True)
            taps.append(FakeTap())
            return taps[-1]

        platform.open_tap = open_tap

    async with site.agent(prepare) as running:
        await wait(ear, "status")
        running.platform.happen(WEB, sent_bytes=100, sent_packets=1, first=time.time(), last=time.time())
        await wait(ear, f"device/{MAC}")
        ear.publish("command", {"id": "cap", "command": "capture", "device": MAC, "headers_only": True})
        assert (await wait(ear, "reply/cap"))["state"] == "running"
        frames = [bytes((number,)) * 60_000 for number in range(20)]
        taps[0].feed(*frames)
        await until(lambda: not taps[0].waiting)
    last = await wait(ear, "reply/cap", lambda heard: heard.json["state"] == "ended")
    pieces = [heard.payload for heard in ear.heard if heard.topic == "capture/cap"]
    assert [record.frame for record in records(b"".join(pieces))] == frames
    assert pieces[-1] == b""
    assert (last["reason"], last["packets"], last["bytes"]) == ("agent_stopped", 20, sum(map(len, pieces)))


async def test_a_capture_that_a_broker_s_restart_has_torn_is_told_when_it_is_back(
    site: Site, ear: Ear
) -> None:
    taps: list[FakeTap] = []

    def prepare(platform: FakePlatform) -> None:
        def open_tap(_mac: str, _headers_only: bool) -> FakeTap:
            taps.append(FakeTap())
            return taps[-1]

        platform.open_tap = open_tap

    async with site.agent(prepare):
        await wait(ear, f"device/{MAC}")
        ear.publish("command", {"id": "cap", "command": "capture", "device": MAC})
        await wait(ear, "capture/cap")
        site.broker.stop()
        taps[0].feed(b"x" * 1000)
        await asyncio.sleep(0.5)
        site.broker.start()
        with Ear(site.broker.port) as late:
            last = await wait(late, "reply/cap")
            assert (last["state"], last["reason"]) == ("ended", "connection_lost")
            assert last["packets"] + last["dropped_agent"] == 1
            await asyncio.to_thread(late.wait, "capture/cap", lambda heard: heard.payload == b"")
        assert taps[0].closed

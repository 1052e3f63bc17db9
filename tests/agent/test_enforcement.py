"""What is enforced, and what is said of it, whatever goes wrong."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from stand_in import MAC, OTHER, FakeFirewall

from gateway_agent.firewall import enforcement
from gateway_agent.firewall.enforcement import Enforcement
from gateway_agent.firewall.store import PolicyStore
from gateway_agent.wire.policy import DevicePolicy, Policy, Problem, Resolved, Rule

NOW = 1_800_000_000.0


def wish(revision: int, **devices: object) -> bytes:
    macs = {"first": MAC, "second": OTHER}
    return json.dumps(
        {"revision": revision, "devices": {macs[key]: value for key, value in devices.items()}}
    ).encode()


def state(enforced: Enforcement) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(enforced.state().payload)
    return content


def codes(enforced: Enforcement) -> list[str]:
    return [problem["code"] for problem in state(enforced)["problems"]]


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    return PolicyStore(tmp_path / "state/policy.json")


@pytest.fixture
def firewall() -> FakeFirewall:
    return FakeFirewall()


@pytest.fixture
def enforced(firewall: FakeFirewall, store: PolicyStore) -> Enforcement:
    made = Enforcement(firewall, store)
    made.restore(NOW)
    return made


def test_without_a_stored_policy_nothing_is_blocked(enforced: Enforcement, firewall: FakeFirewall) -> None:
    assert firewall.applied == [Policy()]
    assert state(enforced) == {
        "revision": 0,
        "devices": {},
        "everyone": [],
        "enforced": True,
        "problems": [],
    }


async def test_a_policy_survives_a_restart_with_the_addresses_of_its_names(
    enforced: Enforcement, firewall: FakeFirewall, store: PolicyStore
) -> None:
    over = Resolved(MAC, "over.example", b"\1\2\3\4", NOW + 5)
    holds = Resolved(MAC, "a.example", b"\1\2\3\5", NOW + 500)
    firewall.addresses = [over, holds]
    enforced.receive(wish(3, first={"blocked": True}), NOW, retained=False)
    await enforced.save()

    after = FakeFirewall()
    again = Enforcement(after, PolicyStore(store._path))
    again.restore(NOW + 10)
    assert after.restored == [holds]
    assert after.applied == [Policy(3, {MAC: DevicePolicy(blocked=True)})]
    assert state(again) == state(enforced)


async def test_addresses_of_names_are_saved_once_a_minute(
    enforced: Enforcement, firewall: FakeFirewall, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    enforced.receive(wish(1), NOW, retained=False)
    await enforced.save()
    firewall.addresses = [Resolved(MAC, "a.example", b"\1\2\3\4", NOW + 500)]
    clock.after(30)
    await enforced.save()
    assert store.load()[1] == []
    clock.after(31)
    await enforced.save()
    assert store.load()[1] == firewall.addresses
    firewall.addresses = []
    clock.after(61)
    await enforced.save()
    assert store.load()[1] == []


async def test_what_is_on_disk_is_not_written_again(
    enforced: Enforcement, firewall: FakeFirewall, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    firewall.addresses = [Resolved(MAC, "a.example", b"\1\2\3\4", NOW + 500)]
    enforced.receive(wish(1), NOW, retained=False)
    await enforced.save()
    written = store._path.stat()
    again = Enforcement(firewall, PolicyStore(store._path))
    again.restore(NOW)
    for one in (enforced, again):
        for _ in range(3):
            clock.after(61)
            await one.save()
    assert (store._path.stat().st_ino, store._path.stat().st_mtime_ns) == (
        written.st_ino,
        written.st_mtime_ns,
    )


async def test_a_default_policy_makes_no_file(
    enforced: Enforcement, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    for _ in range(2):
        await enforced.save()
        clock.after(61)
    assert not store._path.exists()


async def test_two_saves_at_once_leave_the_newer_policy(enforced: Enforcement, store: PolicyStore) -> None:
    saves = []
    for revision in range(1, 20):
        enforced.receive(wish(revision, first={"blocked": True}), NOW, retained=False)
        saves.append(asyncio.create_task(enforced.save()))
        await asyncio.sleep(0)
    await asyncio.gather(*saves)
    policy, _ = store.load()
    assert policy is not None
    assert policy.revision == 19


def test_a_policy_that_is_not_understood_is_refused_whole(
    enforced: Enforcement, firewall: FakeFirewall
) -> None:
    enforced.receive(wish(1, first={"blocked": True}), NOW, retained=False)
    enforced.receive(wish(2, first={"blocked": False}, second={"blocked": "no"}), NOW, retained=False)
    assert len(firewall.applied) == 2
    content = state(enforced)
    assert (content["revision"], content["enforced"]) == (1, True)
    assert content["problems"] == [
        {
            "code": "policy_refused",
            "text": f"revision 2: devices['{OTHER}'].blocked: neither true nor false",
            "revision": 2,
        }
    ]
    enforced.receive(wish(3), NOW, retained=False)
    assert codes(enforced) == []


@pytest.mark.parametrize("retained", [True, False])
def test_another_policy_of_the_revision_in_force_is_refused(
    enforced: Enforcement, firewall: FakeFirewall, retained: bool
) -> None:
    """Two readers raised the same revision: the second learns that its rules are not the ones in force."""
    enforced.receive(wish(7, first={"blocked": True}), NOW, retained=False)
    enforced.receive(wish(7, second={"blocked": True}), NOW, retained=retained)
    assert len(firewall.applied) == 2
    content = state(enforced)
    assert list(content["devices"]) == [MAC]
    (problem,) = content["problems"]
    assert (problem["code"], problem["revision"]) == ("policy_refused", 7)
    assert "raise the revision" in problem["text"]
    enforced.receive(wish(7, first={"blocked": True}), NOW, retained=retained)
    assert codes(enforced) == []


def test_the_first_policy_may_have_any_revision(enforced: Enforcement, firewall: FakeFirewall) -> None:
    enforced.receive(wish(0, first={"blocked": True}), NOW, retained=False)
    assert firewall.applied[-1] == Policy(0, {MAC: DevicePolicy(blocked=True)})
    assert codes(enforced) == []


def test_what_cannot_even_be_read_is_refused_too(enforced: Enforcement) -> None:
    enforced.receive(b"{", NOW, retained=True)
    (problem,) = state(enforced)["problems"]
    assert problem["code"] == "policy_refused"
    assert "revision" not in problem


def test_an_empty_message_changes_nothing(enforced: Enforcement) -> None:
    enforced.receive(wish(1, first={"blocked": True}), NOW, retained=True)
    before, changes = state(enforced), enforced.changes
    enforced.receive(b"", NOW, retained=True)
    assert (state(enforced), enforced.changes) == (before, changes)


def test_a_broker_that_retained_an_older_policy_unblocks_nobody(enforced: Enforcement) -> None:
    enforced.receive(wish(5, first={"blocked": True}), NOW, retained=False)
    enforced.receive(wish(4), NOW, retained=True)
    assert state(enforced)["revision"] == 5
    enforced.receive(wish(4), NOW, retained=False)
    assert state(enforced)["revision"] == 4, "who asks now means it"


def test_the_same_policy_again_is_not_written_again(enforced: Enforcement, firewall: FakeFirewall) -> None:
    enforced.receive(wish(1), NOW, retained=False)
    enforced.receive(wish(1), NOW, retained=True)
    assert len(firewall.applied) == 2


def test_what_the_kernel_refuses_is_not_shown_as_enforced(
    enforced: Enforcement, firewall: FakeFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    enforced.receive(wish(1, first={"blocked": True}), NOW, retained=False)
    firewall.fault = "no room"
    enforced.receive(wish(2, second={"blocked": True}), NOW, retained=False)
    content = state(enforced)
    assert (content["revision"], content["enforced"], list(content["devices"])) == (1, True, [MAC])
    assert content["problems"][0]["code"] == "not_enforced"
    assert content["problems"][0]["revision"] == 2
    assert "no room" in content["problems"][0]["text"]

    firewall.fault = None
    enforced.tick(NOW + 5, clock.after(5))
    assert state(enforced)["revision"] == 1, "not tried again at once"
    enforced.tick(NOW + 35, clock.after(30))
    content = state(enforced)
    assert (content["revision"], content["problems"]) == (2, [])


def test_rules_that_cannot_be_written_at_start_are_not_in_force(
    firewall: FakeFirewall, store: PolicyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    store.save(Policy(1, {MAC: DevicePolicy(blocked=True)}), [])
    firewall.fault = "no"
    enforced = Enforcement(firewall, store)
    enforced.restore(NOW)
    assert (state(enforced)["enforced"], codes(enforced)) == (False, ["not_enforced"])
    firewall.fault = None
    enforced.tick(NOW + 31, clock.after(31))
    assert (state(enforced)["enforced"], state(enforced)["revision"]) == (True, 1)


def test_timed_rules_end_by_themselves(enforced: Enforcement, firewall: FakeFirewall) -> None:
    enforced.receive(
        wish(1, first={"blocked": True, "until": NOW + 60}, second={"blocked": True}), NOW, retained=False
    )
    assert enforced.next_end() == NOW + 60
    enforced.tick(NOW + 59, 59)
    assert list(state(enforced)["devices"]) == [MAC, OTHER]
    enforced.tick(NOW + 60, 60)
    assert list(state(enforced)["devices"]) == [OTHER]
    assert state(enforced)["revision"] == 1
    assert enforced.next_end() is None
    assert firewall.applied[-1].devices == {OTHER: DevicePolicy(blocked=True)}


def test_when_the_clock_was_set_the_kernels_timers_are_set_anew(
    enforced: Enforcement, firewall: FakeFirewall
) -> None:
    enforced.receive(wish(1, first={"blocked": True, "until": NOW + 10_000}), NOW, retained=False)
    enforced.tick(NOW, 0.0)
    enforced.tick(NOW + 5, 5.0)
    assert len(firewall.applied) == 2
    enforced.tick(NOW + 3600, 10.0)
    assert len(firewall.applied) == 3
    enforced.tick(NOW + 3605, 15.0)
    assert len(firewall.applied) == 3


def test_what_the_firewall_says_is_passed_on(enforced: Enforcement, firewall: FakeFirewall) -> None:
    firewall.problems = [Problem("shared_address", "a and b", {"address": "192.0.2.1"})]
    enforced.receive(wish(1), NOW, retained=False)
    assert state(enforced)["problems"] == [
        {"code": "shared_address", "text": "a and b", "address": "192.0.2.1"}
    ]


async def test_a_folder_that_cannot_be_written_is_said(
    firewall: FakeFirewall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    enforced = Enforcement(firewall, PolicyStore(tmp_path / "file/policy.json"))
    enforced.restore(NOW)
    (tmp_path / "file").write_text("in the way")
    enforced.receive(wish(1), NOW, retained=False)
    await enforced.save()
    assert (codes(enforced), state(enforced)["enforced"]) == (["not_stored"], True)
    told = enforced.changes
    clock.after(61)
    await enforced.save()
    assert enforced.changes == told
    (tmp_path / "file").unlink()
    clock.after(61)
    await enforced.save()
    assert codes(enforced) == []
    assert enforced.changes > told


def test_a_stored_policy_that_is_torn_is_said(firewall: FakeFirewall, store: PolicyStore) -> None:
    store.save(Policy(1, {}, (Rule("block", name="a.example"),)), [])
    store._path.write_bytes(store._path.read_bytes()[:-20])
    enforced = Enforcement(firewall, store)
    enforced.restore(NOW)
    assert codes(enforced) == ["policy_lost"]
    assert state(enforced)["enforced"] is True


async def test_a_source_that_cannot_block_says_so(store: PolicyStore) -> None:
    enforced = Enforcement(None, store)
    enforced.restore(NOW)
    enforced.receive(wish(1, first={"blocked": True}), NOW, retained=False)
    enforced.tick(NOW, 0.0)
    await enforced.save()
    assert (state(enforced)["enforced"], state(enforced)["devices"]) == (False, {})
    assert codes(enforced) == ["cannot_block"]
    assert store.load() == (None, [])


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 1000.0
        monkeypatch.setattr(enforcement.time, "monotonic", lambda: self._now)

    def after(self, seconds: float) -> float:
        """Move on, and return the time."""
        self._now += seconds
        return self._now

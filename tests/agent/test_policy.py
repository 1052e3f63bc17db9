"""Policies: what is refused and how it is said, what ends when, and the copy on disk."""

import ipaddress
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.firewall.store import PolicyStore, StoreError
from gateway_agent.wire.policy import (
    MAX_POLICY,
    DevicePolicy,
    Policy,
    PolicyError,
    Resolved,
    Rule,
    parse_policy,
    policy_to_wire,
)

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
NETWORK = ipaddress.ip_network("203.0.113.0/24")
POLICY = Policy(
    7,
    {
        MAC: DevicePolicy(blocked=True, until=100.0, destinations=(Rule("allow", name="a.example"),)),
        OTHER: DevicePolicy(destinations=(Rule("block", network=NETWORK, until=200.0),)),
    },
    (Rule("block", name="ads.example", until=300.0), Rule("block", name="b.example")),
)
RESOLVED = [
    Resolved(MAC, "a.example", bytes((203, 0, 113, 9)), 1234.5),
    Resolved(MAC, "a.example", ipaddress.ip_address("2001:db8::9").packed, 1234.5),
]


def wire(**keys: object) -> bytes:
    return json.dumps({"revision": 1, **keys}).encode()


def rule(**keys: object) -> bytes:
    return wire(everyone=[{"action": "block", **keys}])


def refusal(payload: bytes) -> PolicyError:
    with pytest.raises(PolicyError) as refused:
        parse_policy(payload)
    return refused.value


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "not JSON: "),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"[" * 5000, "nested too deeply"),
        (b'{"revision": NaN}', "NaN is not a JSON number"),
        (b'{"revision": 1, "x": 1e999}', "1e999 is out of range"),
        (b'{"revision": 1, "x": "' + b"x" * 131_072 + b'"}', "131096 bytes; 131072 are allowed"),
        (b"[]", "expected a dictionary"),
        (b'{"revision": ' + b"9" * 5000 + b"}", "a number of too many digits"),
        (b"{}", "revision: required key not provided"),
        (wire(revision=-1), "revision: not an integer from 0 to 2^53 - 1"),
        (wire(revision=True), "revision: not an integer from 0 to 2^53 - 1"),
        (wire(revision=1.0), "revision: not an integer from 0 to 2^53 - 1"),
        (wire(revision=2**53), "revision: not an integer from 0 to 2^53 - 1"),
        (
            wire(devices={MAC.replace("0", "A"): {}}),
            "devices['A2:AA:AA:AA:AA:A1']: not a MAC address in lower case with colons",
        ),
        (wire(devices={MAC: {"blocked": 1}}), f"devices['{MAC}'].blocked: neither true nor false"),
        (
            wire(devices={MAC: {"until": "x"}}),
            f"devices['{MAC}'].until: neither null nor a time in Unix seconds",
        ),
        (
            wire(devices={MAC: {"destinations": [{"action": "block", "name": "a b"}]}}),
            f"devices['{MAC}'].destinations[0].name: not a host name",
        ),
        (wire(everyone=[{"name": "a.example"}]), "everyone[0].action: required key not provided"),
        (
            wire(everyone=[{"action": "drop", "name": "x"}]),
            'everyone[0].action: neither "block" nor "allow"',
        ),
        (rule(), 'everyone[0]: needs either "name" or "address"'),
        (rule(name="a.example", address="192.0.2.1"), 'everyone[0]: needs either "name" or "address"'),
        (rule(name="*.example"), "everyone[0].name: not a host name"),
        (rule(name="a..example"), "everyone[0].name: not a host name"),
        (rule(name="a" * 64), "everyone[0].name: not a host name"),
        (rule(name=".".join(["a" * 63] * 4)), "everyone[0].name: not a host name"),
        (rule(name=""), "everyone[0].name: not a host name"),
        (rule(name="x; reboot"), "everyone[0].name: not a host name"),
        (rule(name="192.0.2.1"), 'everyone[0].name: an address, not a host name: use "address"'),
        (rule(address="192.0.2.1/24"), "everyone[0].address: has host bits set"),
        (rule(address="fe80::1%eth0"), "everyone[0].address: not an address or network"),
        (rule(address=3232235777), "everyone[0].address: not an address or network"),
        (rule(name="a.example", until=-1), "everyone[0].until: neither null nor a time in Unix seconds"),
        (rule(name="a.example", until=1e300), "everyone[0].until: neither null nor a time in Unix seconds"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_faults_are_named_with_path_and_reason(payload: bytes, text: str) -> None:
    assert str(refusal(payload)).startswith(text)


@pytest.mark.parametrize(
    ("payload", "revision"),
    [(b"[]", None), (b"{}", None), (wire(revision=-1), None), (wire(revision=9, everyone=[{}]), 9)],
)
def test_a_refusal_names_the_revision_where_it_can_be_read(payload: bytes, revision: int | None) -> None:
    assert refusal(payload).revision == revision


def test_a_policy_that_could_not_be_repeated_is_refused() -> None:
    rules = [{"action": "block", "name": "x" * 58 + f"-{number:04}.example"} for number in range(1250)]
    payload = json.dumps({"revision": 5, "everyone": rules}, separators=(",", ":")).encode()
    assert MAX_POLICY < len(payload) < 128 * 1024
    error = refusal(payload)
    assert str(error).endswith(f"bytes of rules; {MAX_POLICY} are allowed")
    assert error.revision == 5


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("Ads.Example.", "ads.example"), ("bücher.example", "xn--bcher-kva.example"), ("_sip.x", "_sip.x")],
)
def test_names_are_in_lower_case_and_encoded(given_name: str, name: str) -> None:
    assert parse_policy(rule(name=given_name)).everyone == (Rule("block", name=name),)


def test_unknown_keys_are_ignored() -> None:
    policy = parse_policy(wire(devices={MAC: {"blocked": True, "x": 1}}, later={"y": []}))
    assert policy == Policy(1, {MAC: DevicePolicy(blocked=True)})


@st.composite
def almost_policies(draw: st.DrawFn) -> object:
    """Draw JSON that is shaped like a policy here and there."""
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from([MAC, "block", "allow", "a.example", "192.0.2.0/24", "2001:db8::/32"]),
    )
    key = st.sampled_from(
        ["revision", "devices", "everyone", "blocked", "until", "destinations", "action", "name", "address"]
    )
    anything = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(key | st.just(MAC) | st.text(max_size=5), inner, max_size=5)
        ),
        max_leaves=12,
    )
    keys = draw(st.dictionaries(st.sampled_from(["devices", "everyone", "x"]), anything))
    return draw(st.one_of(anything, st.just({"revision": 1, **keys})))


def check(payload: bytes) -> None:
    """Assert that a message is refused with PolicyError, or survives a way out and back."""
    try:
        policy = parse_policy(payload)
    except PolicyError as error:
        assert str(error).isprintable()  # noqa: PT017 (either outcome is fine)
        return
    assert parse_policy(json.dumps(policy_to_wire(policy)).encode()) == policy


@given(almost_policies())
@settings(max_examples=400, deadline=None)
def test_any_json(value: object) -> None:
    check(json.dumps(value).encode())


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes(payload: bytes) -> None:
    check(payload)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_name(name: str) -> None:
    check(rule(name=name))


@given(st.text(alphabet="0123456789abcdef.:/%", max_size=50))
@settings(max_examples=300, deadline=None)
def test_any_address(address: str) -> None:
    check(rule(address=address))


def test_before_anything_ends_a_policy_is_as_it_was() -> None:
    assert POLICY.at(99.9) is POLICY
    assert sorted(POLICY.ends()) == [100.0, 200.0, 300.0]


def test_rules_end_one_after_the_other() -> None:
    allowed = DevicePolicy(destinations=(Rule("allow", name="a.example"),))
    without_block = POLICY.at(100.0)
    assert without_block.devices == {MAC: allowed, OTHER: POLICY.devices[OTHER]}
    assert without_block.everyone == POLICY.everyone
    assert POLICY.at(200.0).devices == {MAC: allowed}
    assert POLICY.at(300.0) == Policy(7, {MAC: allowed}, (Rule("block", name="b.example"),))
    assert list(POLICY.at(300.0).ends()) == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "policy.json"


def test_without_a_file_there_is_no_policy(path: Path) -> None:
    store = PolicyStore(path)
    assert store.load() == (None, [])
    assert store.lost is None


def test_what_is_saved_is_loaded(path: Path) -> None:
    PolicyStore(path).save(POLICY, RESOLVED)
    assert PolicyStore(path).load() == (POLICY, RESOLVED)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_every_torn_file_is_set_aside(path: Path) -> None:
    PolicyStore(path).save(POLICY, RESOLVED)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        store = PolicyStore(path)
        assert store.load() == (None, [])
        assert store.lost is not None
        assert str(path) in store.lost
        assert path.with_suffix(".unreadable").read_bytes() == whole[:length]
        assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 4096,
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"format": 2, "policy": {"revision": 1}, "resolved": []}',
        b'{"format": 1, "policy": {"revision": -1}, "resolved": []}',
        b'{"format": 1, "policy": {"revision": 1}, "resolved": [["x", "a", "00000000", 1]]}',
        b'{"format": 1, "policy": {"revision": 1}, "resolved": [["02:00:00:00:00:01", "a", "0g", 1]]}',
        b'{"format": 1, "policy": {"revision": 1}, "resolved": [["02:00:00:00:00:01", "a", "0000", 1]]}',
        b'{"format": 1, "policy": {"revision": 1}, "resolved": {"a": 1}}',
        b'{"format": 1, "policy": {"revision": 1}}',
    ],
    ids=lambda content: repr(content[:60]),
)
def test_foreign_files_are_set_aside(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    store = PolicyStore(path)
    assert store.load() == (None, [])
    assert "set aside as policy.unreadable" in (store.lost or "")
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert path.with_suffix(".unreadable").read_bytes() == content
    store.save(POLICY, RESOLVED)
    assert store.lost is None
    assert PolicyStore(path).load() == (POLICY, RESOLVED)


@given(st.binary(max_size=300) | almost_policies().map(lambda value: json.dumps(value).encode()))
@settings(max_examples=150, deadline=None)
def test_no_file_is_fatal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("state") / "policy.json"
    path.write_bytes(content)
    assert PolicyStore(path).load() == (None, [])


def test_a_folder_in_its_place_is_set_aside(path: Path) -> None:
    path.mkdir(parents=True)
    store = PolicyStore(path)
    assert store.load() == (None, [])
    assert store.lost is not None
    store.save(POLICY, [])
    assert store.load() == (POLICY, [])


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_former_policy(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    PolicyStore(path).save(POLICY, RESOLVED)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(StoreError, match=r"policy\.json: No space left on device: the policy will not"):
        PolicyStore(path).save(Policy(8), [])
    monkeypatch.undo()
    assert PolicyStore(path).load() == (POLICY, RESOLVED)


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_suffix(".new").symlink_to(victim)
    with pytest.raises(StoreError):
        PolicyStore(path).save(POLICY, [])
    assert victim.read_text() == "precious"


def test_remove_leaves_nothing(path: Path) -> None:
    store = PolicyStore(path)
    store.save(POLICY, [])
    for suffix in (".new", ".unreadable"):
        path.with_suffix(suffix).touch()
    store.remove()
    assert not any(path.parent.iterdir())

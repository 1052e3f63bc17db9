"""Names that outlive a restart, and files that are none of ours."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in import LAN, MAC, OTHER, REMOTE

from gateway_agent.ledger import names_file
from gateway_agent.ledger.names import GRACE, Name, NameTable
from gateway_agent.model import Answer, ServerName

NOW = 1_700_000_000.0
REMOTE6 = bytes.fromhex("20010db8000500010000000000000052")
ENTRY = [MAC, REMOTE.hex(), "ws.example", "dns", NOW + 60]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "names"


def restored(path: Path, now: float = NOW) -> NameTable:
    names = NameTable()
    names_file.load(path, names, now)
    return names


def test_names_are_known_after_a_restart(path: Path) -> None:
    names = NameTable()
    names.learn(MAC, Answer(LAN, "old.example", (REMOTE,), 60, True, NOW - 100))
    names.learn(MAC, Answer(LAN, "ws.example", (REMOTE, REMOTE6), 60, True, NOW))
    names.learn_server(OTHER, ServerName(LAN, REMOTE, 443, "tls.example", NOW))
    names_file.save(path, names, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    again = restored(path)
    assert again.name_of(MAC, REMOTE, NOW) == Name("ws.example", "dns")
    assert again.name_of(MAC, REMOTE6, NOW) == Name("ws.example", "dns")
    assert again.name_of(OTHER, REMOTE, NOW, (6, 443)) == Name("tls.example", "tls")
    assert again.name_of(OTHER, REMOTE, NOW, (6, 80)) is None
    assert list(again.dump(NOW)) == list(names.dump(NOW))
    assert again.name_of(MAC, REMOTE, NOW + 60 + GRACE + 1) is None


def test_what_is_over_is_neither_written_nor_read(path: Path) -> None:
    names = NameTable()
    names.learn(MAC, Answer(LAN, "ws.example", (REMOTE,), 60, True, NOW))
    late = NOW + 60 + GRACE + 1
    assert list(names.dump(late)) == []
    names_file.save(path, names, NOW)
    assert len(restored(path, late)) == 0


def test_more_names_than_there_is_room_for(path: Path) -> None:
    names = NameTable()
    for number in range(100):
        names.learn(MAC, Answer(LAN, f"n{number}.example", (number.to_bytes(4),), 60, True, NOW))
    names_file.save(path, names, NOW)
    few = NameTable(per_device=50)
    names_file.load(path, few, NOW)
    assert len(few) <= 50
    assert few.name_of(MAC, (99).to_bytes(4), NOW) == Name("n99.example", "dns")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b"[[]]",
        b"\xff",
        b'[["' + b"x" * 100,
        json.dumps([ENTRY, ["no device", *ENTRY[1:]]]).encode(),
        json.dumps([ENTRY, [MAC, "0102", *ENTRY[2:]]]).encode(),
        json.dumps([ENTRY, [MAC, REMOTE.hex(), "a\n", "dns", NOW]]).encode(),
        json.dumps([ENTRY, [MAC, REMOTE.hex(), "", "dns", NOW]]).encode(),
        json.dumps([ENTRY, [MAC, REMOTE.hex(), "a", "guess", NOW]]).encode(),
        json.dumps([ENTRY, [MAC, REMOTE.hex(), "a", "dns", "soon"]]).encode(),
        json.dumps([ENTRY, [MAC, REMOTE.hex(), "a", "dns", 10**400]]).encode(),
        json.dumps([ENTRY, [1, 2, 3, 4, 5]]).encode(),
    ],
)
def test_a_file_that_is_none_of_ours_costs_nothing(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(restored(path)) == 0
    assert "names_unreadable" in caplog.text


def test_no_file_is_nothing_to_speak_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(restored(path)) == 0
    assert caplog.text == ""


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    names_file.save(tmp_path / "file" / "names", NameTable(), NOW)
    assert "names_unwritten" in caplog.text


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists, max_leaves=8))
def test_any_json_is_survived(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("run") / "names"
    path.write_text(json.dumps([value]))
    assert len(restored(path)) == 0

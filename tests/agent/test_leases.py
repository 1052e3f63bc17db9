"""dnsmasq's lease file, wherever it is, however often it changes, and whatever is wrong with it."""

from pathlib import Path

import pytest

from gateway_agent import leases
from gateway_agent.decode.dhcp import Lease
from gateway_agent.leases import LeaseFile

LAMP = "1800000000 02:00:00:00:00:01 192.168.8.20 lamp *\n"
PLUG = "1800000000 02:00:00:00:00:02 192.168.8.21 plug *\n"


def names(file: LeaseFile) -> list[str | None]:
    return [lease.host_name for lease in file.leases()]


def test_a_file_is_read_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "leases"
    path.write_text(LAMP)
    file = LeaseFile(path)
    assert file.leases() == [Lease("02:00:00:00:00:01", bytes((192, 168, 8, 20)), "lamp")]
    reads: list[Path] = []
    original = leases.read_leases
    monkeypatch.setattr(leases, "read_leases", lambda place: reads.append(place) or original(place))
    assert names(file) == ["lamp"]
    assert reads == []
    path.write_text(LAMP + PLUG)
    assert names(file) == ["lamp", "plug"]
    assert reads == [path]


def test_a_file_that_comes_later_is_found_and_one_that_goes_is_forgotten(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path / "leases")
    assert file.leases() == []
    (tmp_path / "leases").write_text(LAMP)
    assert names(file) == ["lamp"]
    (tmp_path / "leases").unlink()
    assert file.leases() == []


def test_the_first_usual_place_that_has_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(leases, "USUAL_PLACES", tuple(places))
    file = LeaseFile()
    places[1].write_text(PLUG)
    assert names(file) == ["plug"]
    places[0].write_text(LAMP)
    assert names(file) == ["lamp"]


def test_a_file_that_cannot_be_read_is_said_once_and_keeps_what_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "leases"
    path.write_text(LAMP)
    file = LeaseFile(path)
    assert names(file) == ["lamp"]

    def denied(_: Path) -> list[Lease]:
        raise PermissionError(13, "Permission denied")

    path.write_text(PLUG)
    monkeypatch.setattr(leases, "read_leases", denied)
    assert [names(file) for _ in range(3)] == [["lamp"]] * 3
    assert caplog.text.count("host names missing") == 1
    assert f'lease_file={path} cause="Permission denied"' in caplog.text


def test_a_folder_in_its_place_is_no_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert LeaseFile(tmp_path).leases() == []
    assert "host names missing" in caplog.text

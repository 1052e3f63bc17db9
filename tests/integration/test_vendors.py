"""Who made a network card."""

from pathlib import Path

import aiooui
import pytest

from custom_components.spin.vendors import Vendors, vendors

LIST = Path(aiooui.__file__).with_name("oui.data")


async def test_it_says_what_aiooui_says() -> None:
    await vendors.load()
    await aiooui.async_load()
    prefixes = [line[:6] for line in LIST.read_text(errors="replace").splitlines()[::997]]
    macs = [":".join((p[:2], p[2:4], p[4:], "00", "00", "01")).lower() for p in [*prefixes, "FFFFFF"]]
    assert {mac: vendors.of(mac) for mac in macs} == {mac: aiooui.get_vendor(mac) for mac in macs}
    assert len(macs) > 30


@pytest.mark.parametrize("content", [b"000000=First\n001788=Last", b"000000=First\n001788=Last\n"])
async def test_the_last_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    few = Vendors(path)
    await few.load()
    await few.load()
    assert [few.of(f"{half}:00:00:01") for half in ("00:00:00", "00:17:88", "00:00:01")] == [
        "First", "Last", None,
    ]  # fmt: skip


async def test_without_the_list_aiooui_is_asked(tmp_path: Path) -> None:
    none = Vendors(tmp_path / "nothing")
    await none.load()
    assert none.of("00:17:88:00:00:01") == "Philips Lighting BV"


@pytest.mark.parametrize("content", [b"001788=Last\n000000=First\n", b"001788=" + b"x" * 600])
async def test_a_list_that_cannot_be_searched_is_left_to_aiooui(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    odd = Vendors(path)
    await odd.load()
    assert odd.of("00:17:88:00:00:01") == "Philips Lighting BV"


async def test_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.touch()
    empty = Vendors(path)
    await empty.load()
    assert empty.of("00:17:88:00:00:01") is None

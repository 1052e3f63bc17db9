"""The export of destinations as a table."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from gateway_double import HUE, Gateway, row
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.spin.const import DOMAIN
from custom_components.spin.export import COLUMNS, as_csv


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> str:
    gateway.device()
    gateway.flows(row(), row("diag.meethue.com", address="198.51.100.8"), row(None, address="2001:db8::9"))
    await hass.async_block_till_done()
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id)
    assert device is not None
    return device.id


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    return tmp_path


async def export(
    hass: HomeAssistant, device_id: str, *, response: bool = True, user: str | None = None, **data: Any
) -> dict[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN,
        "export",
        {"device_id": device_id, **data},
        blocking=True,
        return_response=response,
        context=Context(user_id=user),
    )
    return dict(answer or {})


async def test_csv(hass: HomeAssistant, hue: str) -> None:
    answer = await export(hass, hue)
    assert (answer["devices"], answer["destinations"], answer["format"]) == (1, 2, "csv")
    header, *rows = csv.reader(io.StringIO(answer["content"]))
    assert header == list(COLUMNS)
    found = {each[2]: dict(zip(header, each, strict=True)) for each in rows}
    assert found["meethue.com"]["device"] == "Philips-hue"
    assert found["meethue.com"]["names"] == "ws.meethue.com diag.meethue.com"
    assert found["meethue.com"]["sent_bytes"] == "2296"
    assert found["2001:db8::9"]["name_source"] == ""


async def test_json(hass: HomeAssistant, hue: str) -> None:
    answer = await export(hass, hue, format="json")
    rows = json.loads(answer["content"])
    assert {each["destination"] for each in rows} == {"meethue.com", "2001:db8::9"}
    assert all(set(each) == set(COLUMNS) for each in rows)


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_file(
    hass: HomeAssistant, hue: str, folder: Path, form: str, hass_admin_user: MockUser
) -> None:
    path = folder / f"hue.{form}"
    answer = await export(hass, hue, format=form, filename=str(path), response=False, user=hass_admin_user.id)
    assert answer == {}
    answer = await export(hass, hue, format=form, filename=str(path))
    assert (answer["path"], answer["destinations"]) == (str(path), 2)
    assert "content" not in answer
    written = {found.name: found.read_text() for found in folder.iterdir()}  # noqa: ASYNC240
    assert list(written) == [path.name]
    assert "ws.meethue.com" in written[path.name]


async def test_a_folder_that_is_not_there_yet(
    hass: HomeAssistant, hue: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = folder / "new" / "of spin" / "hue.csv"
    assert (await export(hass, hue, filename=str(path)))["path"] == str(path)
    assert path.exists()
    (folder / "file").touch()
    for nowhere in ("file/hue.csv", "\0.csv"):
        with pytest.raises(HomeAssistantError, match="could not be written"):
            await export(hass, hue, filename=str(folder / nowhere))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "away").symlink_to(elsewhere)
    for filename in (folder / "away" / "deep" / "hue.csv", elsewhere / "deep" / "hue.csv"):
        with pytest.raises(ServiceValidationError):
            await export(hass, hue, filename=str(filename))
    assert list(elsewhere.iterdir()) == []


async def test_where_it_may_not_be_written(
    hass: HomeAssistant, hue: str, folder: Path, hass_read_only_user: MockUser
) -> None:
    for filename, error in (
        ("/etc/hue.csv", "path_not_allowed"),
        (str(folder / ".." / "hue.csv"), "path_not_allowed"),
        (str(folder / "hue.json"), "wrong_suffix"),
        (str(folder / "configuration.yaml"), "wrong_suffix"),
    ):
        with pytest.raises(ServiceValidationError) as caught:
            await export(hass, hue, filename=filename)
        assert caught.value.translation_key == error
        if error == "path_not_allowed":
            assert str(folder) in str(caught.value)
    (folder / "folder.csv").mkdir()
    with pytest.raises(HomeAssistantError, match="could not be written"):
        await export(hass, hue, filename=str(folder / "folder.csv"))
    with pytest.raises(ServiceValidationError, match="Name a file"):
        await export(hass, hue, response=False)
    with pytest.raises(Unauthorized):
        await export(hass, hue, filename=str(folder / "hue.csv"), user=hass_read_only_user.id)
    assert not (folder / "hue.csv").exists()
    assert (await export(hass, hue, user=hass_read_only_user.id))["destinations"] == 2


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("http://x","y")'],  # noqa: RUF001
)
def test_no_cell_is_a_formula(text: str) -> None:
    content = as_csv([dict.fromkeys(COLUMNS, 1) | {"device": text, "names": [text, "b"]}])
    _, cells = csv.reader(io.StringIO(content))
    assert cells[0] == f"'{text}"
    assert cells[3].startswith("'")
    assert cells[12] == "1"

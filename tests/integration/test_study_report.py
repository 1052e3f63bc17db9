"""The report: complete, in both languages, and nothing in it that a device could have made up runs."""

import json
import time
from html.parser import HTMLParser
from string import Formatter
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from gateway_double import HUE, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
from reading import Client

from custom_components.spin.const import DOMAIN
from custom_components.spin.study import report_page
from custom_components.spin.study.capture_files import Capture
from custom_components.spin.study.views import LANGUAGES, load_texts

EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        """Take a text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return all that is read."""
        return " ".join("".join(self.words).split())


@pytest.fixture
def options() -> dict[str, Any]:
    return {"learning": {"learning_days": 0}}


@pytest.fixture
async def hue(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> str:
    """Have a device of which much is known; return its id."""
    gateway.device(hostname=EVIL)
    await hass.async_block_till_done()
    device_id = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).id
    now = time.time()
    gateway.flows(
        row(),
        row("diagnostics.meethue.com", name_source="tls"),
        row("www.philips.com", port=80, connections=2, empty=2),
        row("connectivitycheck.gstatic.com", port=80),
        row("<img/src=x>.example", connections=3, unanswered=3),
        row(None, address="203.0.113.9", port=8080),
        row("time1.google.com", protocol="udp", port=123, requests=[now - 266, now - 133, now - 100, now]),
    )
    await hass.async_block_till_done()

    async def act(action: str, **data: Any) -> None:
        await hass.services.async_call(DOMAIN, action, {"device_id": device_id, **data}, blocking=True)

    await act("begin_period", label="<b>second</b>")
    await act("start_experiment", kind="cloud_lost", duration=600)
    gateway.flows(
        row(blocked=3),
        row("baidu.com", port=80, blocked=1, connections=0, received_bytes=0, first=now, last=now),
        seq=2,
    )
    await hass.async_block_till_done()
    await act("stop_experiment")
    await act("block_destination", destination="ws.meethue.com")
    gateway.flows(row(blocked=4), seq=3)
    await hass.async_block_till_done()
    return device_id


@pytest.mark.parametrize("language", LANGUAGES)
async def test_page(
    hass: HomeAssistant, hue: str, hass_client: ClientSessionGenerator, language: str
) -> None:
    client = await hass_client()
    answer = await client.get(f"/api/spin/report/{hue}?language={language}-XX&download")
    assert answer.status == 200
    page = await answer.text()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="spin-')
    tags = Tags(page)
    assert set(tags.tags) <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "section", "table", "thead",
        "tbody",
        "tr", "th", "td", "bdi", "small", "ul", "li", "details", "summary",
    }  # fmt: skip
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("src", "href", "style")}
    for shown in (EVIL, "<img/src=x>.example", "<b>second</b>", "baidu.com", "89 s", "203.0.113.9"):
        assert shown in tags.text
    texts = load_texts(language)
    for key in ("check_empty", "check_probe", "why_tls", "why_none", "answer_refused", "time_few_servers",
                "advice_judge_new", "advice_unnamed", "state_partly_blocked"):  # fmt: skip
        assert texts[key] in tags.text, key


async def test_who_may_read(
    hass: HomeAssistant,
    hue: str,
    spin: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
) -> None:
    url = f"/api/spin/report/{hue}"
    assert (await (await hass_client_no_auth()).get(url)).status == 401
    assert (await (await hass_client(hass_read_only_access_token)).get(url)).status == 403
    client = await hass_client()
    answer = await client.get(url)
    assert answer.status == 200
    assert "Content-Disposition" not in answer.headers
    socket = await hass_ws_client()
    await socket.send_json_auto_id({"type": "auth/sign_path", "path": f"{url}?language=nl&download"})
    signed = (await socket.receive_json())["result"]["path"]
    answer = await (await hass_client_no_auth()).get(signed)
    assert answer.status == 200
    assert load_texts("nl")["advice"] in await answer.text()
    gateway_id = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "home"), spin.entry_id).id
    for other in ("nobody", gateway_id):
        assert (await client.get(f"/api/spin/report/{other}")).status == 404


async def test_panel_commands(
    hass: HomeAssistant, hue: str, spin: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    socket = await hass_ws_client()
    await socket.send_json_auto_id({"type": "spin/report", "device_id": hue})
    report = (await socket.receive_json())["result"]
    assert {each["code"] for each in report["unusual"]} == {
        "new",
        "blocked",
        "unanswered",
        "unencrypted",
        "unnamed",
    }
    assert {(each["name"], each["kind"]) for each in report["checks"]} == {
        ("www.philips.com", "empty"),
        ("connectivitycheck.gstatic.com", "probe"),
    }
    assert [each["kind"] for each in report["experiments"]] == ["cloud_lost"]
    assert report["time_sync"]["total"]["below_64_s"] == 1
    assert report["changes"]["before"]["label"] is None
    await socket.send_json_auto_id({"type": "spin/experiments", "device_id": hue})
    (experiment,) = (await socket.receive_json())["result"]["experiments"]
    assert [each["destination"] for each in experiment["attempts"]] == ["ws.meethue.com", "baidu.com"]
    for kind in ("report", "experiments"):
        await socket.send_json_auto_id({"type": f"spin/{kind}", "device_id": "nobody"})
        assert not (await socket.receive_json())["success"]


async def test_who_may_ask(
    hass: HomeAssistant,
    hue: str,
    spin: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
    hass_read_only_user: MockUser,
) -> None:
    """Captures are for administrators, all else for whoever may read all entities."""
    capture = Capture("one.pcap", HUE, "Hue", 1.0, 1.0, 1, 100, 0, 0, False, True, "duration")
    with patch.object(spin.runtime_data.study.captures, "listed", return_value=[capture]):
        owner = Client(await hass_ws_client(hass))
        assert [each["file"] for each in (await owner.ask("report", device_id=hue))["captures"]] == [
            "one.pcap"
        ]
        reader = Client(await hass_ws_client(hass, hass_read_only_access_token))
        report = await reader.ask("report", device_id=hue)
    assert report["device"]["mac"] == HUE
    assert report["captures"] == []
    assert len((await reader.ask("experiments", device_id=hue))["experiments"]) == 1
    assert await reader.error("captures") == "unauthorized"
    hass_read_only_user.groups = []
    hass_read_only_user.invalidate_cache()
    for kind in ("report", "experiments"):
        assert await reader.error(kind, device_id=hue) == "unauthorized"


async def test_of_a_device_that_has_done_nothing(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    gateway.device()
    await hass.async_block_till_done()
    device_id = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, f"home_{HUE}"), spin.entry_id).id
    tags = Tags(await (await (await hass_client()).get(f"/api/spin/report/{device_id}")).text())
    texts = load_texts("en")
    for key in ("nobody", "nothing_unusual", "no_time_sync", "no_checks", "no_experiments", "no_changes",
                "advice_try_without_internet"):  # fmt: skip
        assert texts[key] in tags.text


def filled(**fields: Any) -> str:
    report = {
        "made": 0.0,
        "device": {
            "name": "x", "mac": HUE, "addresses": [], "hostname": None, "manufacturer": None, "model": None,
            "firmware": None, "first_seen": 0.0, "last_seen": 0.0, "blocked": True,
        },
        "destinations": [], "left_out": 0, "unusual": [], "time_sync": None, "checks": [], "experiments": [],
        "changes": None, "captures": [], "advice": ["nothing"], **fields,
    }  # fmt: skip
    return Tags(report_page.Page(report, load_texts("en"), time_zone(), "en").html()).text


def time_zone() -> ZoneInfo:
    return ZoneInfo("Europe/Amsterdam")


def test_rare_parts() -> None:
    figures = {
        "requests": 1,
        "intervals": 0,
        "mean": None,
        "median": None,
        "share_below_64_s_without_burst": None,
    }
    text = filled(
        time_sync={"servers": [{"server": "t.example", **figures}], "total": figures, "advice": []},
        captures=[{"began": 0.0, "file": "x.pcap", "packets": 3, "bytes": 7_100_000_000}],
    )
    assert "1970-01-01 01:00x.pcap37.1 GB" in text
    assert load_texts("en")["is_blocked"] in text
    destination = {
        "destination": "a.example", "names": ["a.example"], "addresses": [], "protocol": "tcp", "port": 443,
        "name_source": "dns", "state": "learned", "connectivity_check": None, "sent_bytes": 1,
        "received_bytes": 1, "connections": 1, "unanswered": 0, "last_seen": "2020-01-01T12:00:00+00:00",
    }  # fmt: skip
    assert "Left out here: 7 more." in filled(destinations=[destination], left_out=7)
    burst = {**figures, "requests": 8, "intervals": 7, "mean": 2.0, "median": 2.0}
    assert "0 % follow" in filled(time_sync={"servers": [], "total": burst, "advice": ["poll_too_short"]})


def test_languages_say_the_same() -> None:
    english, dutch = load_texts("en"), load_texts("nl")
    assert list(english) == list(dutch)
    for key, text in english.items():
        fields = [
            {field for _, field, _, _ in Formatter().parse(each) if field} for each in (text, dutch[key])
        ]
        assert fields[0] == fields[1], key
        assert bool(text) == bool(dutch[key])


def test_no_time() -> None:
    page = report_page.Page({}, load_texts("en"), time_zone(), "en")
    assert page._time(None) == "never"
    assert page._time("2020-01-01T12:00:00+00:00") == "2020-01-01 13:00"
    assert [page._size(size) for size in (999, 1000, 2_500_000)] == ["999 B", "1.0 kB", "2.5 MB"]


def test_texts_are_json_objects_of_texts() -> None:
    for language in LANGUAGES:
        assert all(isinstance(text, str) for text in json.loads(json.dumps(load_texts(language))).values())

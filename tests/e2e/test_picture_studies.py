"""The studies of a device in the picture: a real browser, Home Assistant, agent and simulated home."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.home.browser import CHROMIUM, DESKTOP, PHONE, LoggedIn, View, browsing, look
from tests.home.household import HUE
from tests.home.python import ROOT
from tests.home.whole import Whole, whole

pytestmark = [
    pytest.mark.root,
    pytest.mark.browser,
    pytest.mark.timeout(60, func_only=True),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (script/setup as root installs it)"),
]

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
ORDINARY = ("ws.meethue.com", "diagnostics.meethue.com", "time1.google.com")
# Where screenshots go, for those who want to look.
PICTURES = os.environ.get("SPIN_PICTURES")
PCAP_MAGIC = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")


@pytest.fixture(scope="module")
def living() -> Iterator[Whole]:
    """A home whose bridge is in ordinary operation."""
    with whole() as running:
        running.wait_for_devices()
        running.wait_for_hosts(*ORDINARY)
        yield running


@pytest.fixture(scope="module")
def browser(living: Whole) -> Iterator[LoggedIn]:
    """A browser, for all tests."""
    with browsing(living.client) as running:
        yield running


@pytest.fixture(autouse=True)
def _close_pages(browser: LoggedIn) -> Iterator[None]:
    yield
    browser.close_pages()


@pytest.fixture
def view(browser: LoggedIn, living: Whole) -> Iterator[View]:
    """The studies of the bridge, opened; nothing went wrong on the page."""
    shown = browser.view(DESKTOP)
    shown.open(f"/spin/{living.device_id(HUE.mac)}")
    shown.page.get_by_role("button", name="Studies").click()
    expect(shown.page.locator("dialog.studies[open]")).to_be_visible()
    yield shown
    assert shown.faults == []


def section(view: View, title: str) -> Locator:
    """Open a study and return it."""
    found = view.page.locator("details.study", has_text=title)
    if found.get_attribute("open") is None:
        found.locator("> summary").click()
    return found


def keep(view: View, name: str) -> None:
    """Save what is seen, where that is wanted."""
    if PICTURES:
        look(view.page, Path(PICTURES) / f"{name}.png")


def refused(living: Whole) -> bool:
    """Say whether the kernel cuts the bridge off."""
    return HUE.mac in living.gateway.run("nft", "list", "set", "inet", "spin", "blocked_devices")


def test_without_internet(view: View, living: Whole) -> None:
    study = section(view, "without Internet")
    study.get_by_role("button", name="Start").press("Enter")
    expect(study.get_by_text("the device has no Internet for now")).to_be_visible()
    expect(study.get_by_role("button", name="Stop now")).to_be_focused()
    expect(study.get_by_text("left")).to_be_visible()
    assert refused(living)
    tried = study.locator(".attempts li")
    expect(tried.filter(has_text="ws.meethue.com")).to_contain_text("was refused", timeout=20_000)
    expect(tried.filter(has_text="baidu.com")).to_contain_text("never seen in normal", timeout=40_000)
    keep(view, "running")
    study.get_by_role("button", name="Stop now").press("Enter")
    expect(study.get_by_text("is over: the Internet is back")).to_be_visible()
    expect(study.get_by_role("button", name="Start")).to_be_focused()
    assert not refused(living)
    said = tried.all_inner_texts()
    places = [
        next(index for index, line in enumerate(said) if name in line)
        for name in ("ws.meethue.com", "time1.google.com", "www.philips.com", "baidu.com")
    ]
    assert places == sorted(places), said
    keep(view, "result")


def test_report_and_profile(view: View) -> None:
    study = section(view, "Report")
    with view.page.context.expect_page() as opened:
        study.get_by_role("button", name="Open the report").click()
    opened.value.wait_for_load_state()
    expect(opened.value.locator("h1")).to_contain_text("Philips-hue")
    with view.page.expect_download() as report:
        study.get_by_role("button", name="Save the report").click()
    assert "ws.meethue.com" in report.value.path().read_text()
    with view.page.expect_download() as profile:
        study.get_by_role("button", name="MUD").click()
    assert profile.value.suggested_filename == "spin-philips-hue.mud.json"
    assert json.loads(profile.value.path().read_text())["ietf-mud:mud"]["mud-version"] == 1


def test_record_fetch_and_delete(view: View) -> None:
    study = section(view, "Record its packets")
    study.get_by_label("Headers only").check()
    study.get_by_role("button", name="Start").click()
    expect(study.get_by_role("progressbar")).to_be_visible()
    expect(study.locator(".study-progress")).to_contain_text("packet")
    view.page.wait_for_timeout(3000)
    keep(view, "recording")
    study.get_by_role("button", name="Stop now").click()
    expect(study.locator(".files li")).to_have_count(1, timeout=10_000)
    expect(study.locator(".files li")).to_contain_text("Headers only")
    with view.page.expect_download() as file:
        study.get_by_role("button", name="Save the recording").click()
    assert file.value.path().read_bytes()[:4] in PCAP_MAGIC
    keep(view, "recorded")
    study.get_by_role("button", name="Delete the recording").click()
    study.get_by_role("button", name="Really delete").click()
    expect(study.locator(".files li")).to_have_count(0)


def test_what_changed(view: View) -> None:
    study = section(view, "What changed")
    expect(study).to_contain_text("only one period")
    study.get_by_label("Name of a new period").fill("March")
    study.get_by_role("button", name="Begin a period").click()
    expect(study.get_by_role("combobox", name="After")).to_contain_text("March")
    expect(study).to_contain_text("Less than a day was watched")
    expect(study.locator(".names", has_text="ws.meethue.com").first).to_be_attached()
    keep(view, "changed")


def test_with_the_keyboard_in_dutch_on_a_phone(browser: LoggedIn, living: Whole) -> None:
    view = browser.view(PHONE, language="nl", dark=True)
    view.open(f"/spin/{living.device_id(HUE.mac)}")
    view.page.get_by_role("button", name="Onderzoek").focus()
    press = view.page.keyboard.press
    press("Enter")
    expect(view.page.locator("dialog.studies[open]")).to_be_visible()
    report = view.page.locator("details.study > summary", has_text="Rapport")
    report.focus()
    press("Enter")
    expect(view.page.get_by_role("button", name="Het rapport openen")).to_be_visible()
    assert "component.spin" not in view.text()
    assert "study_" not in view.text()
    assert view.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
    keep(view, "phone")
    press("Escape")
    expect(view.page.locator("dialog.studies")).to_have_count(0)
    expect(view.page.get_by_role("button", name="Onderzoek")).to_be_focused()
    assert view.faults == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core (npm ci in frontend/)")
def test_axe_finds_nothing(browser: LoggedIn, living: Whole, dark: bool) -> None:
    view = browser.view(DESKTOP, dark=dark, bypass_csp=True)
    view.open(f"/spin/{living.device_id(HUE.mac)}")
    view.page.add_script_tag(path=AXE)
    view.page.get_by_role("button", name="Studies").click()
    for title in ("What changed", "Record its packets", "Report"):
        section(view, title)
    expect(view.page.get_by_role("button", name="Open the report")).to_be_visible()
    dialog = view.page.locator("dialog.studies").element_handle()
    result = view.page.evaluate("async (dialog) => await axe.run(dialog)", dialog)
    assert len(result["passes"]) > 10, "it was looked at"
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in result["violations"]] == []
    assert view.faults == []


def test_not_offered_to_a_user_without_rights(browser: LoggedIn, living: Whole) -> None:
    card = {"type": "custom:spin-card", "device": living.device_id(HUE.mac)}
    living.client.commands(
        [
            {
                "type": "lovelace/dashboards/create",
                "url_path": "spin-guest",
                "title": "Guest",
                "mode": "storage",
            },
            {
                "type": "lovelace/config/save",
                "url_path": "spin-guest",
                "config": {"views": [{"title": "One", "path": "0", "cards": [card]}]},
            },
        ]
    )
    view = browser.view(DESKTOP, client=living.client.guest("guest"))
    view.open("/spin-guest/0", "spin-card")
    expect(view.page.get_by_role("switch", name="Block Internet")).to_be_disabled()
    expect(view.page.get_by_role("button", name="Studies")).to_have_count(0)
    expect(view.page.get_by_role("button", name="Device page")).to_have_count(0)
    assert view.faults == []

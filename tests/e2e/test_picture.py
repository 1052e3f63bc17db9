"""The picture in a real browser, against a real Home Assistant, agent and simulated home."""

import io
import re
import time
from collections.abc import Iterator

import pytest
import yaml
from playwright.sync_api import Locator, Route, expect
from pypdf import PdfReader

from benchmarks.memory import household as benchmark
from tests.home.browser import CHROMIUM, DESKTOP, PHONE, LoggedIn, View, browsing
from tests.home.household import HUE
from tests.home.python import ROOT
from tests.home.traffic import look_up, reaches, transfer
from tests.home.whole import Whole, whole

pytestmark = [
    pytest.mark.root,
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (script/setup as root installs it)"),
]

expect.set_options(timeout=15_000)
SETTLED = (
    "ws.meethue.com",
    "diagnostics.meethue.com",
    "fwupdate.philips.com",
    "time1.google.com",
    "mqtt.plug-cloud.example",
    "api.camera-cloud.example",
    "upload.camera-cloud.example",
    "news.example",
    "images.shop.example",
    "tracker.shop.example",
    "social.example",
    "video.example",
    "messages.example",
)
NEWS = ("facebook.com", "qq.com")
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def living() -> Iterator[Whole]:
    """A home that is known, and in which the bridge then talks to somebody new."""
    with whole() as running:
        devices = running.wait_for_devices()
        running.enable(devices["phone"])
        running.wait_for_hosts(*SETTLED)
        running.client.call("spin.skip_learning", device_id=list(devices.values()))
        visit(running, *NEWS)
        running.wait_for_hosts(*NEWS, filter=["new"])
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
def desk(browser: LoggedIn) -> Iterator[View]:
    """The panel on a desktop; nothing went wrong in it."""
    view = browser.view(DESKTOP)
    view.open("/spin")
    yield view
    assert view.faults == []


def visit(living: Whole, *names: str) -> None:
    """Have the bridge look names up and fetch something from each."""
    bridge = living.home.devices["hue"]
    for name in names:
        address = look_up(bridge, name, 4)[0]
        time.sleep(0.05)
        transfer(bridge, address, 600, 900)


def is_blocked(living: Whole, address: str) -> bool:
    """Say whether the kernel refuses what the bridge sends there."""
    table = living.gateway.run("nft", "list", "table", "inet", "spin")
    sets = re.findall(r"set (\S+) \{([^}]*(?:\{[^}]*\})?)", table)
    return any(f"{HUE.mac} . {address}" in content for name, content in sets if "block" in name)


def test_first_look(desk: View) -> None:
    for name in ("Philips-hue", "doorbell-cam", "HS110", "Pixel-7"):
        expect(desk.row(name, "devices")).to_be_visible()
    expect(desk.row("Philips-hue", "devices")).to_contain_text("2 new")
    expect(desk.row("qq.com", "groups")).to_contain_text("New")
    assert "4 devices talked to" in desk.text()
    first = [
        row.inner_text().split("\n")[-2] for row in desk.page.locator("[data-side=groups] .row").all()[:2]
    ]
    assert set(first) == {"facebook.com", "qq.com"}


def test_block_from_the_picture_and_undo(desk: View, living: Whole) -> None:
    desk.row("Philips-hue", "devices").click()
    desk.row("qq.com", "hosts").click()
    dialog = desk.page.locator("dialog.details")
    expect(dialog).to_contain_text("It is new")
    dialog.get_by_role("button", name="Block").click()
    desk.page.locator("dialog.confirm").get_by_role("button", name="Block").click()
    toast = desk.page.locator(".toast")
    expect(toast).to_contain_text("qq.com is blocked for Philips-hue.")
    address = look_up(living.home.devices["hue"], "qq.com", 4)[0]
    assert is_blocked(living, address)
    expect(desk.row("qq.com", "hosts")).to_contain_text("Blocked")
    assert not reaches(living.home.devices["hue"], address)
    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("no longer blocked")
    assert not is_blocked(living, address)
    expect(desk.row("qq.com", "hosts")).not_to_contain_text("Blocked")


def test_allow_what_is_new(desk: View, living: Whole) -> None:
    desk.row("Philips-hue", "devices").click()
    desk.row("facebook.com", "hosts").click()
    desk.page.get_by_role("button", name="That is fine").click()
    expect(desk.page.locator(".toast")).to_contain_text("is fine for Philips-hue")
    expect(desk.row("facebook.com", "hosts")).not_to_contain_text("New")
    assert [row[2] for row in living.table(filter=["new"], search="Philips-hue")] == ["qq.com"]
    desk.page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(desk.row("facebook.com", "hosts")).to_contain_text("New")


def open_pair(desk: View, group: str, device: str) -> Locator:
    """Open what is known of a device and a service, by way of the service."""
    desk.row(group, "groups").click()
    desk.row(device, "devices").click()
    dialog = desk.page.locator("dialog.details")
    expect(dialog).to_contain_text("It is new")
    return dialog


def test_block_by_way_of_the_service_and_undo(desk: View, living: Whole) -> None:
    open_pair(desk, "qq.com", "Philips-hue").get_by_role("button", name="Block").click()
    confirm = desk.page.locator("dialog.confirm")
    expect(confirm).to_contain_text("Block qq.com?")
    confirm.get_by_role("button", name="Block").click()
    toast = desk.page.locator(".toast")
    expect(toast).to_contain_text("qq.com is blocked for Philips-hue.")
    address = look_up(living.home.devices["hue"], "qq.com", 4)[0]
    assert is_blocked(living, address)
    toast.get_by_role("button", name="Undo").press("Enter")
    expect(toast).to_contain_text("no longer blocked")
    expect(toast.get_by_role("button", name="Close")).to_be_focused()
    assert not is_blocked(living, address)


def test_allow_by_way_of_the_service_and_undo(desk: View, living: Whole) -> None:
    open_pair(desk, "facebook.com", "Philips-hue").get_by_role("button", name="That is fine").click()
    toast = desk.page.locator(".toast")
    expect(toast).to_contain_text("facebook.com is fine for Philips-hue")
    assert "facebook.com" not in {row[2] for row in living.table(filter=["new"])}
    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("facebook.com is new again")
    assert "facebook.com" in {row[2] for row in living.table(filter=["new"])}


def test_forget_from_a_ribbon(desk: View, living: Whole) -> None:
    name = "fresh.example"
    visit(living, f"n2.{name}")
    expect(desk.row(name, "groups")).to_be_visible()
    ribbons = desk.page.locator("path.line.hit")
    dialog = desk.page.locator("dialog.details")
    for ribbon in ribbons.all():
        ribbon.dispatch_event("click")
        expect(dialog).to_contain_text("talks to")
        if name in dialog.inner_text():
            break
        desk.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    dialog.get_by_role("button", name="Forget").click()
    confirm = desk.page.locator("dialog.confirm")
    expect(confirm).to_contain_text(f"Forget {name}?")
    expect(confirm).not_to_contain_text("Not affected")
    confirm.get_by_role("button", name="Forget").click()
    expect(desk.page.locator(".toast")).to_contain_text(f"{name} is forgotten.")
    assert not living.table(search=name)


def test_block_a_device_and_read_its_timeline(browser: LoggedIn, living: Whole) -> None:
    """The case study's second scenario: the cloud is lost, and the bridge looks around."""
    view = browser.view(DESKTOP)
    view.open(f"/spin/{living.device_id(HUE.mac)}")
    switch = view.page.get_by_role("switch", name="Block Internet")
    switch.click()
    confirm = view.page.locator("dialog.confirm")
    confirm.get_by_label("How long").select_option("1800")
    confirm.get_by_role("button", name="Block").click()
    expect(switch).to_have_attribute("aria-checked", "true")
    assert HUE.mac in living.gateway.run("nft", "list", "set", "inet", "spin", "blocked_devices")
    expect(view.page.locator(".device").first).to_contain_text("Blocked by Demo")
    view.page.get_by_role("button", name="Timeline").click()
    lines = view.page.locator(".timeline li:not(.day)")
    expect(lines.filter(has_text="baidu.com was tried")).to_have_count(1, timeout=60_000)
    said = [" ".join(line.split()) for line in lines.all_inner_texts()]
    story = [
        "Internet blocked by Demo",
        "ws.meethue.com",
        "diagnostics.meethue.com",
        "www2.meethue.com",
        "www.philips.com",
        "google.com was tried",
        "baidu.com was tried",
    ]
    assert story[0] in " ".join(said), said
    told = said[next(index for index, line in enumerate(said) if story[0] in line) :]
    places = [[index for index, line in enumerate(told) if f" {part}" in f" {line}"] for part in story]
    assert all(places), told
    assert any("time1.google.com was tried" in line for line in told)
    assert [place[0] for place in places] == sorted(place[0] for place in places), told
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert view.faults == []


def test_search_in_the_table(desk: View) -> None:
    desk.page.get_by_role("button", name="Table").click()
    expect(desk.page.locator("tr.pair").first).to_be_visible()
    desk.page.get_by_role("searchbox").fill("plug-cloud")
    expect(desk.page.locator("tr.pair")).to_have_count(1)
    expect(desk.page.locator("tr.pair")).to_contain_text("mqtt.plug-cloud.example")
    desk.page.get_by_role("searchbox").fill("")
    desk.page.get_by_role("button", name="New", exact=True).click()
    expect(desk.page.locator("tr.pair", has_text="qq.com").first).to_be_visible()
    expect(desk.page.locator("tr.pair", has_text="plug-cloud")).to_have_count(0)
    expect(desk.page.locator("tr.pair", has_text="qq.com").first).to_be_visible()
    expect(desk.page.locator("tr.pair", has_text="plug-cloud")).to_have_count(0)
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="CSV").click()
    content = download.value.path().read_text()
    assert "qq.com" in content
    assert "plug-cloud" not in content


def test_with_the_keyboard_alone(desk: View) -> None:
    press = desk.page.keyboard.press
    desk.row("doorbell-cam", "devices").focus()
    press("Home")
    for _ in range(4):
        if "Philips-hue" in desk.page.locator(".row:focus").inner_text():
            break
        press("ArrowDown")
    press("Enter")
    expect(desk.page.get_by_role("heading", name="Philips-hue")).to_be_visible()
    expect(desk.row("qq.com", "hosts")).to_be_visible()
    press("ArrowRight")
    assert desk.page.locator("[data-side=hosts] .row:focus").count() == 1
    press("Enter")
    expect(desk.page.locator("dialog.details[open]")).to_be_visible()
    press("Escape")
    expect(desk.page.locator("dialog")).to_have_count(0)
    assert desk.page.locator("[data-side=hosts] .row:focus").count() == 1
    press("Escape")
    expect(desk.row("qq.com", "groups")).to_be_visible()
    assert desk.page.url.endswith("/spin")


def test_the_keyboard_keeps_its_place(desk: View) -> None:
    """After what was confirmed, and while the gateway is asked."""
    press = desk.page.keyboard.press
    toast = desk.page.locator(".toast")
    desk.row("Philips-hue", "devices").press("Enter")
    desk.row("qq.com", "hosts").press("Enter")
    desk.page.locator("dialog.details").get_by_role("button", name="Block").press("Enter")
    desk.page.locator("dialog.confirm").get_by_role("button", name="Block").press("Enter")
    expect(toast).to_contain_text("qq.com is blocked for Philips-hue.")
    expect(desk.page.locator("dialog")).to_have_count(0)
    expect(desk.row("qq.com", "hosts")).to_be_focused()
    press("Enter")
    desk.page.locator("dialog.details").get_by_role("button", name="Unblock").press("Enter")
    expect(toast).to_contain_text("no longer blocked")
    expect(desk.page.locator("dialog")).to_have_count(0)
    expect(desk.row("qq.com", "hosts")).to_be_focused()
    switch = desk.page.get_by_role("switch", name="Block Internet")
    switch.press("Enter")
    desk.page.locator("dialog.confirm").get_by_role("button", name="Block").press("Enter")
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(switch).to_be_focused()
    expect(desk.page.locator(".summary .chip.blocked")).to_have_count(0)
    press("Enter")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()


def test_reload_of_the_integration_under_the_open_panel(desk: View, living: Whole) -> None:
    before = desk.page.locator("[data-side=devices] .row").count()
    living.reload()
    expect(desk.page.locator("[data-side=devices] .row")).to_have_count(before)
    visit(living, "n1.fresh.example")
    expect(desk.row("fresh.example", "groups")).to_be_visible(timeout=15_000)


def test_phone_list_then_focus(browser: LoggedIn) -> None:
    view = browser.view(PHONE)
    view.open("/spin")
    row = view.row("Philips-hue", "devices")
    box = row.bounding_box()
    assert box
    assert box["height"] >= 44
    row.tap()
    expect(view.row("ws.meethue.com", "hosts")).to_be_visible()
    width = view.page.evaluate("document.scrollingElement.scrollWidth")
    assert width <= PHONE["width"], "nothing hangs over the edge"
    assert view.faults == []


def test_what_was_done_is_told_within_sight(browser: LoggedIn, living: Whole) -> None:
    """In a card that is taller than the window, too."""
    add_card(living, "spin-told", {"type": "custom:spin-card", "device": living.device_id(HUE.mac)})
    view = browser.view(PHONE)
    view.open("/spin-told/0", "spin-card")
    view.row("facebook.com", "hosts").tap()
    view.page.get_by_role("button", name="That is fine").tap()
    toast = view.page.locator(".toast")
    expect(toast).to_contain_text("is fine for Philips-hue")
    view.page.evaluate("document.scrollingElement.scrollTo(0, 0)")
    card, told = (view.page.locator(each).bounding_box() for each in ("spin-card", ".toast"))
    assert card
    assert told
    assert card["y"] + card["height"] > PHONE["height"], "its end is out of sight"
    assert told["y"] > 0
    assert told["y"] + told["height"] <= PHONE["height"]
    toast.get_by_role("button", name="Undo").tap()
    expect(toast).to_contain_text("is new again")
    assert view.faults == []


def test_dutch(browser: LoggedIn) -> None:
    view = browser.view(DESKTOP, language="nl", dark=True)
    view.open("/spin")
    text = view.text()
    assert "Wie praat met wie" in text
    assert "nieuw" in text
    assert "component.spin" not in text
    assert view.faults == []


def test_right_to_left(browser: LoggedIn) -> None:
    view = browser.view(DESKTOP, language="ar")
    view.open("/spin")
    expect(view.row("Philips-hue", "devices")).to_be_visible()
    left, right = (view.page.locator(f"[data-side={side}]").bounding_box() for side in ("groups", "devices"))
    assert left
    assert right
    assert left["x"] < right["x"]
    assert view.page.locator("[data-side=groups] .host bdi").first.get_attribute("dir") == "ltr"
    assert "\N{REPLACEMENT CHARACTER}" not in view.text()
    assert view.faults == []


def test_user_without_rights_sees_and_cannot_change(browser: LoggedIn, living: Whole) -> None:
    add_card(living, "spin-guest", {"type": "custom:spin-card", "device": living.device_id(HUE.mac)})
    guest = living.client.guest("guest")
    view = browser.view(DESKTOP, client=guest)
    view.open("/spin-guest/0", "spin-card")
    expect(view.page.get_by_role("switch", name="Block Internet")).to_be_disabled()
    expect(view.page.get_by_role("button", name="Device page")).to_have_count(0)
    assert view.faults == []


def test_card_defined_before_home_assistant_is(browser: LoggedIn, living: Whole) -> None:
    """Home Assistant replaces the registry of elements while it starts: the module must wait for that."""
    add_card(living, "spin-race", {"type": "custom:spin-card"})
    for _ in range(3):
        view = browser.view(DESKTOP)
        view.page.route("**/frontend_latest/app.*.js", lambda route: (time.sleep(1.5), route.continue_()))
        view.open("/spin-race/0", "spin-card")
        assert view.faults == []


def test_dashboard_of_the_strategy(browser: LoggedIn, living: Whole) -> None:
    create_dashboard(living, "spin-made", {"strategy": {"type": "custom:spin"}})
    view = browser.view(DESKTOP)
    view.open("/spin-made/home", "spin-card")
    expect(view.row("Philips-hue", "devices")).to_be_visible()
    view.open(f"/spin-made/{living.device_id(HUE.mac)}", "spin-card")
    expect(view.row("ws.meethue.com", "hosts")).to_be_visible()
    assert view.faults == []


def test_the_documented_dashboard_of_standard_cards(browser: LoggedIn, living: Whole) -> None:
    chapter = (ROOT / "docs/picture.md").read_text().split("## With standard cards only")[1]
    view, attention = (
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)[:2]
    )
    view["path"] = "0"
    view["sections"].append({"type": "grid", "cards": [attention]})
    create_dashboard(living, "spin-standard-cards", {"views": [view]})
    page = browser.view(DESKTOP).page
    page.goto(f"{living.assistant.url}/spin-standard-cards/0")
    for card in ("hui-tile-card", "hui-entities-card", "hui-statistics-graph-card", "hui-logbook-card"):
        expect(page.locator(card).first).to_be_visible(timeout=15_000)
    expect(page.locator("hui-error-card")).to_have_count(0)
    expect(page.locator("hui-warning")).to_have_count(0)


def test_form_of_the_card(browser: LoggedIn, living: Whole) -> None:
    add_card(living, "spin-edited", {"type": "custom:spin-card"})
    view = browser.view(DESKTOP)
    view.open("/spin-edited/0?edit=1", "spin-card")
    view.page.get_by_role("button", name="Edit", exact=True).last.click()
    form = view.page.locator("hui-card-element-editor ha-form").first
    expect(form).to_be_visible(timeout=15_000)
    for label in ("Title", "Only this destination", "Period", "View"):
        expect(form).to_contain_text(label)
    rows = form.get_by_role("spinbutton")
    rows.fill("")
    rows.press_sequentially("20", delay=400)
    expect(rows).to_have_value("20")
    expect(view.page.locator("hui-card-element-editor")).not_to_contain_text("not supported")
    assert view.faults == []


def test_nobody_talks_to_a_service(browser: LoggedIn) -> None:
    view = browser.view(DESKTOP)
    view.open("/spin/to/nobody.example")
    expect(view.page.get_by_role("heading", name="nobody.example")).to_be_visible()
    expect(view.page.get_by_role("button", name="Table")).to_be_visible()
    expect(view.page.get_by_role("button", name="Block")).to_have_count(0)
    assert view.faults == []


def test_what_is_loaded_later_comes_later(browser: LoggedIn) -> None:
    """While it cannot be loaded it is asked for now and then, not without a pause."""
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.abort()

    modules = (ROOT / "custom_components/spin/frontend").glob("spin-*.js")
    (later,) = (each.name for each in modules if "block_for_all" in each.read_text())
    view = browser.view(DESKTOP)
    view.page.route(f"**/{later}*", refuse)
    view.open("/spin/to/meethue.com")
    view.page.wait_for_timeout(3000)
    assert 1 <= len(asked) < 20
    expect(view.page.get_by_role("heading", name="meethue.com")).to_be_visible()
    view.page.unroute_all()
    expect(view.page.get_by_role("button", name="Block for this device")).to_be_visible()
    assert view.faults == []


def test_on_paper(browser: LoggedIn, living: Whole) -> None:
    view = browser.view(DESKTOP, dark=True)
    view.open("/spin")
    whole_home = printed(view)
    for said in ("Who talks to whom", "Philips-hue", "HS110", "qq.com", "not answering"):
        assert said in whole_home
    for control in ("24 hours", "Table"):
        assert control in view.text()
        assert control not in whole_home
    view.page.emulate_media(media="print")
    name = view.page.locator("[data-side=devices] .name").first
    ink = name.evaluate("each => getComputedStyle(each).color")
    assert ink == "rgb(33, 33, 33)", "dark on white, whatever the theme"
    view.page.emulate_media(media="null")
    view.page.get_by_role("button", name="Table").click()
    expect(view.page.locator("tr.pair").first).to_be_visible()
    table = "".join(printed(view).split())
    assert "CSV" not in table
    assert {row[2] for row in living.table(window="1h") if row[2] not in table} == set()
    assert view.faults == []


def test_list_of_a_phone_on_paper(browser: LoggedIn) -> None:
    view = browser.view(PHONE)
    view.open("/spin")
    assert "Destinations" in view.text()
    paper = printed(view)
    assert "Your devices" in paper
    assert "Philips-hue" in paper
    assert "Destinations" not in paper


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core (npm ci in frontend/)")
def test_axe_finds_nothing(browser: LoggedIn, size: dict[str, int], dark: bool) -> None:
    view = browser.view(size, dark=dark, bypass_csp=True)
    view.open("/spin")
    view.page.add_script_tag(path=AXE)
    violations = []

    def examine(what: str) -> None:
        result = view.page.evaluate(f"async () => {{ {_EXAMINE} }}")
        assert result["passes"] > 10, "it was looked at"
        found = result["violations"]
        violations.extend(
            (what, each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found
        )

    examine("whole home")
    view.row("Philips-hue", "devices").click()
    view.row("qq.com", "hosts").click()
    expect(view.page.locator("dialog.details dl")).to_be_visible()
    examine("details")
    view.page.keyboard.press("Escape")
    examine("device")
    for mode in ("Table", "Timeline"):
        view.page.get_by_role("button", name=mode).click()
        expect(view.page.locator("tr.pair, .timeline li").first).to_be_visible()
        examine(mode)
    assert violations == []
    assert view.faults == []


_EXAMINE = """
    const find = (root) => {
        for (const each of root.querySelectorAll("*")) {
            if (each.localName === "spin-panel") return each;
            const found = each.shadowRoot && find(each.shadowRoot);
            if (found) return found;
        }
    };
    const {violations, passes} = await axe.run(find(document));
    return {violations, passes: passes.reduce((sum, each) => sum + each.nodes.length, 0)};
"""


@pytest.fixture
def second(living: Whole) -> Iterator[str]:
    """The config entry of a second gateway, which has one device."""
    sender = benchmark.Sender(200, destinations=3)
    publish(living, *benchmark.introduction(time.time()), sender.identity(time.time()))
    entry = living.assistant.accept_discovered_gateway()
    try:
        # What is said before Home Assistant listens is lost, as with a gateway.
        for _ in range(20):
            publish(living, *sender.everything(time.time()))
            if living.table(search="service-200-2"):
                break
            time.sleep(0.25)
        yield entry
    finally:
        living.client.command("config_entries/disable", entry_id=entry, disabled_by="user")


def test_two_gateways(browser: LoggedIn, living: Whole, second: str) -> None:
    """The page shows both, a card only its own; the loss of one takes nothing from the other."""
    cards = [{"type": "custom:spin-card", "gateway": each} for each in (living.entry, second)]
    views = [{"title": "Two", "path": "0", "cards": cards}]
    create_dashboard(living, "spin-two", {"views": views})
    view = browser.view(DESKTOP)
    view.open("/spin-two/0", "spin-card")
    ours, other = view.page.locator("spin-card").all()
    expect(ours).to_contain_text("Philips-hue")
    expect(other).to_contain_text("1 device talked to 3 destinations")
    expect(other).to_contain_text("device-200")
    expect(ours).not_to_contain_text("device-200")
    expect(other).not_to_contain_text("Philips-hue")

    view.open("/spin")
    expect(view.row("Philips-hue", "devices")).to_be_visible()
    expect(view.row("device-200", "devices")).to_contain_text("3 destinations")
    publish(living, (f"{benchmark.ROOT}/status", "offline", True))
    expect(view.page.locator(".banner")).to_contain_text("Benchmark has not been heard since")
    block = view.page.get_by_role("switch", name="Block Internet")
    view.row("device-200", "devices").click()
    expect(block).to_be_disabled()
    view.row("Philips-hue", "devices").click()
    expect(block).to_be_enabled()

    living.client.command("config_entries/disable", entry_id=second, disabled_by="user")
    expect(view.row("device-200", "devices")).to_have_count(0)
    expect(view.page.locator(".banner")).to_have_count(0)
    assert view.faults == []


def publish(living: Whole, *messages: benchmark.Message) -> None:
    """Say something as a gateway, by way of Home Assistant's own connection to the broker."""
    for topic, payload, retain in messages:
        said = benchmark.encode(payload).decode()
        living.client.call("mqtt.publish", topic=topic, payload=said, retain=retain, qos=1)


def printed(view: View) -> str:
    """Return what stands on the pages when the page is printed."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(view.page.pdf())).pages)


def create_dashboard(living: Whole, path: str, config: dict[str, object]) -> None:
    """Create a dashboard."""
    living.client.commands(
        [
            {"type": "lovelace/dashboards/create", "url_path": path, "title": path, "mode": "storage"},
            {"type": "lovelace/config/save", "url_path": path, "config": config},
        ]
    )


def add_card(living: Whole, path: str, card: dict[str, object]) -> None:
    """Create a dashboard with one card."""
    create_dashboard(living, path, {"views": [{"title": "One", "path": "0", "cards": [card]}]})

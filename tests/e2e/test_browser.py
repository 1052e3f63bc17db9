"""The demo as a person sees it: log in, look, flip the switch, and the packets stop."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.home import dashboard
from tests.home.broker import free_port
from tests.home.household import HUE
from tests.home.namespaces import NETNS, Namespace
from tests.home.python import PYTHON, ROOT

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.root,
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (script/setup as root installs it)"),
]
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Demo:
    """The running demo and what it printed."""

    process: subprocess.Popen[str]
    text: str

    def printed(self, label: str) -> str:
        """Return what stands behind a label."""
        found = re.search(rf"{label} +(\S+)", self.text)
        assert found, self.text
        return found[1]

    @property
    def gateway(self) -> Namespace:
        """The gateway's namespace."""
        return Namespace(f"spin-home-{self.process.pid}-1-gateway")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Start the demo, wait for its last word, end it with Ctrl-C and look for leftovers."""
    process = subprocess.Popen(
        [PYTHON, "-m", "tests.home.demo", "--port", str(free_port())],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    try:
        yield Demo(process, "".join(lines))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert list(NETNS.glob(f"spin-home-{process.pid}-*")) == []


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser's page of a desktop's size."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        context = browser.new_context(service_workers="block", viewport={"width": 1400, "height": 1500})
        yield context.new_page()
        browser.close()


def log_in(page: Page, demo: Demo, path: str) -> None:
    page.goto(demo.printed("Open").replace(dashboard.PATH, path))
    page.locator("input[name=username]").fill(demo.printed("Log in"))
    page.locator("input[name=password]").fill(demo.printed("Password"))
    page.keyboard.press("Enter")


def refused(demo: Demo) -> bool:
    """Say whether the kernel refuses the bridge's packets."""
    return HUE.mac in demo.gateway.run("nft", "list", "set", "inet", "spin", "blocked_devices")


def test_the_dashboard_of_the_strategy_shows_who_talks_to_whom(
    demo: Demo, page: Page, tmp_path: Path
) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    log_in(page, demo, dashboard.PATH)
    card = page.locator("spin-card[data-ready]").first
    expect(card).to_be_visible(timeout=60_000)
    for name in ("Philips-hue", "doorbell-cam", "meethue.com"):
        expect(card).to_contain_text(name, timeout=60_000)
    page.wait_for_timeout(2000)
    page.screenshot(path=Path(os.environ.get("SPIN_SCREENSHOTS", tmp_path)) / "strategy.png")
    page.goto(demo.printed("Open").replace(dashboard.PATH, "spin"))
    expect(page.locator("spin-panel[data-ready]")).to_contain_text("Philips-hue", timeout=60_000)
    assert faults == []


def test_switch_in_the_browser_stops_the_packets(demo: Demo, page: Page, tmp_path: Path) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    log_in(page, demo, dashboard.STANDARD_PATH)
    heading = page.locator("hui-heading-card", has_text="Philips-hue")
    section = page.locator("hui-grid-section").filter(has=heading)
    switch = section.locator("hui-tile-card", has_text="Block its Internet")
    expect(switch).to_be_visible(timeout=60_000)
    expect(section).to_contain_text("ws.meethue.com", timeout=90_000)
    assert not refused(demo)
    folder = Path(os.environ.get("SPIN_SCREENSHOTS", tmp_path))
    page.wait_for_timeout(3000)
    page.screenshot(path=folder / "dashboard.png")
    switch.locator("ha-control-switch, ha-switch").first.click()
    end = time.monotonic() + 10
    while not refused(demo):
        assert time.monotonic() < end, "the gateway has a rule"
        page.wait_for_timeout(200)
    page.wait_for_timeout(4000)
    page.screenshot(path=folder / "blocked.png")
    assert faults == []

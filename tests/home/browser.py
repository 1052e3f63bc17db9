"""A browser that is logged in at Home Assistant, and the SPIN card and panel in it."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests.home.hassclient import HassClient

CHROMIUM = shutil.which("chromium")
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
_OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_REMEMBER = """
    localStorage.setItem("hassTokens", JSON.stringify(%s));
    localStorage.setItem("selectedLanguage", JSON.stringify(%s));
    localStorage.setItem("selectedTheme", JSON.stringify({theme: "default", dark: %s}));
    localStorage.setItem("dockedSidebar", JSON.stringify("docked"));
"""


@dataclass
class View:
    """A page with the card or panel, and the errors that it raised."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str, element: str = "spin-panel") -> Locator:
        """Go there and wait until the picture is painted."""
        self.page.goto(f"{self.url}{path}")
        found = self.page.locator(f"{element}[data-ready]").first
        found.wait_for(timeout=30_000)
        return found

    def row(self, name: str, side: str = "") -> Locator:
        """Return a row of the picture: side is `devices`, `groups` or `hosts`."""
        inside = f"[data-side={side}] " if side else ""
        return self.page.locator(f"{inside}.row", has=self.page.get_by_text(name, exact=True)).first

    def text(self) -> str:
        """Return what the card or panel says."""
        said: str = self.page.evaluate(
            """() => {
                const find = (root) => {
                    for (const each of root.querySelectorAll("*")) {
                        if (["spin-panel", "spin-card"].includes(each.localName)) return each;
                        const found = each.shadowRoot && find(each.shadowRoot);
                        if (found) return found;
                    }
                };
                return find(document)?.shadowRoot.textContent.replace(/\\s+/g, " ") ?? "";
            }"""
        )
        return said

    def wait(self, ready: Callable[[], Any], what: str, patience: float = 15) -> None:
        """Wait until something is so."""
        end = time.monotonic() + patience
        while not ready():
            assert time.monotonic() < end, f"{what}: {self.text()[:1500]}"
            self.page.wait_for_timeout(100)


@dataclass
class LoggedIn:
    """A running browser that can open pages for a user."""

    browser: Browser
    client: HassClient
    _contexts: list[BrowserContext] = field(default_factory=list)

    def view(
        self,
        size: dict[str, int] | None = None,
        *,
        language: str = "en",
        dark: bool = False,
        client: HassClient | None = None,
        scale: float = 1,
        **context: Any,  # noqa: ANN401 (Playwright's options)
    ) -> View:
        """Open an empty page of that size and kind."""
        size = size or DESKTOP
        user = client or self.client
        is_phone = size["width"] < 500
        made = self.browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            service_workers="block",
            has_touch=is_phone,
            is_mobile=is_phone,
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
            **context,
        )
        self._contexts.append(made)
        tokens = {
            **user.tokens,
            "hassUrl": user.url,
            "clientId": f"{user.url}/",
            "expires": int((time.time() + user.tokens["expires_in"]) * 1000),
        }
        made.add_init_script(
            _REMEMBER % (json.dumps(tokens), json.dumps(language), "true" if dark else "false")
        )
        page = made.new_page()
        view = View(page, user.url)
        page.on("pageerror", lambda error: view.faults.append(str(error)))
        return view

    def close_pages(self) -> None:
        """Close what was opened."""
        while self._contexts:
            self._contexts.pop().close()


@contextlib.contextmanager
def browsing(client: HassClient) -> Iterator[LoggedIn]:
    """Run a browser for the length of a block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        try:
            yield LoggedIn(browser, client)
        finally:
            browser.close()


def look(page: Page, path: Path) -> None:
    """Save what the page shows."""
    page.screenshot(path=path)

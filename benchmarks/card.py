"""How long the card takes in a browser: updates of a drawn picture, its memory, with the CPU slowed down.

usage: .venv/bin/python -m benchmarks.card
"""

import functools
import http.server
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.home.browser import CHROMIUM, DESKTOP
from tests.home.python import ROOT

HOMES = ("50x500", "20x5000")
UPDATES = 100
MANY_UPDATES = 1000
MEGABYTE = 1e6

# An update as it comes: the message is taken, the picture drawn (a microtask later) and laid out.
_MEASURE = """
async (count) => {
    const card = document.querySelector("spin-card");
    const long = [];
    const observer = new PerformanceObserver((list) => long.push(...list.getEntries()));
    observer.observe({type: "longtask"});
    const times = [];
    for (let turn = 0; turn < count; turn++) {
        const delta = JSON.stringify(window.server.traffic(10));
        await new Promise((resolve) => setTimeout(resolve, 5));
        const start = performance.now();
        window.server.send(JSON.parse(delta));
        await Promise.resolve();
        await Promise.resolve();
        card.shadowRoot.querySelector(".view").getBoundingClientRect();
        times.push(performance.now() - start);
    }
    observer.disconnect();
    return {times, long: long.length, rows: card.shadowRoot.querySelectorAll(".row").length};
}
"""
_HAMMER = """
async (count) => {
    for (let turn = 0; turn < count; turn++) {
        window.server.send(window.server.traffic(3));
        if (turn % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
}
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _page() -> Iterator[str]:
    """Serve the development page."""
    subprocess.run(["node", "build.mjs", "--dev"], cwd=ROOT / "frontend", check=True, capture_output=True)
    handler = functools.partial(_Quiet, directory=str(ROOT / "frontend/dev"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def _heap(session: CDPSession) -> tuple[float, int]:
    """Return the used heap (MB) and the number of nodes, without garbage."""
    session.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"] / MEGABYTE, int(found["Nodes"])


def _updates(page: Page, session: CDPSession, slowdown: int) -> str:
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    result = page.evaluate(_MEASURE, UPDATES)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    times = sorted(result["times"])
    return (
        f"{slowdown}x slower: median {statistics.median(times):5.1f} ms, "
        f"p95 {times[int(len(times) * 0.95)]:5.1f} ms, longest {times[-1]:5.1f} ms, "
        f"long tasks {result['long']} of {len(times)} ({result['rows']} rows drawn)"
    )


def main() -> None:
    """Print the figures."""
    if CHROMIUM is None:
        sys.exit("needs chromium (script/setup as root installs it)")
    with _page() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        for home in HOMES:
            page = browser.new_page(viewport={"width": DESKTOP["width"], "height": DESKTOP["height"]})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            page.goto(f"{url}?home={home}&window=1h")
            page.locator("spin-card[data-ready]").wait_for(timeout=60_000)
            snapshot = page.evaluate("JSON.stringify(window.server.snapshot).length")
            print(f"{home}: snapshot {snapshot / 1000:.1f} kB (of the made-up server)")
            for slowdown in (1, 6):
                print(f"  {_updates(page, session, slowdown)}")
            page.close()
        page = browser.new_page(viewport={"width": DESKTOP["width"], "height": DESKTOP["height"]})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(f"{url}?home=ordinary")
        page.locator("spin-card[data-ready]").wait_for()
        page.evaluate(_HAMMER, MANY_UPDATES)
        before = _heap(session)
        page.evaluate(_HAMMER, MANY_UPDATES)
        after = _heap(session)
        print(
            f"{MANY_UPDATES} updates: heap {before[0]:.1f} -> {after[0]:.1f} MB, "
            f"nodes {before[1]} -> {after[1]}"
        )
        browser.close()


if __name__ == "__main__":
    main()

"""Makes the pictures of docs/images from a simulated home that runs: script/screenshots.

usage: .venv/bin/python -m tests.home.screenshots [FOLDER]
"""

import sys
import time
from pathlib import Path

from playwright.sync_api import expect

from tests.home.browser import PHONE, LoggedIn, View, browsing
from tests.home.household import CAMERA, HUE, PLUG
from tests.home.household import PHONE as MOBILE
from tests.home.python import ROOT
from tests.home.traffic import look_up, transfer
from tests.home.whole import Whole, whole

FOLDER = ROOT / "docs/images"
NAMES = {
    HUE.label: "Hue bridge",
    CAMERA.label: "Doorbell camera",
    PLUG.label: "Smart plug",
    MOBILE.label: "Anna's phone",
}
_SETTLED = (
    "fwupdate.philips.com",
    "upload.camera-cloud.example",
    "mqtt.plug-cloud.example",
    "social.example",
    "video.example",
    "images.shop.example",
    "tracker.shop.example",
    "messages.example",
)
# How long (s) traffic goes on before the pictures are taken: so that the small chart has something to show.
_GO_ON = 120
_CLOUD = "198.51.100.7"
_CLOUD_LOST = f"""
table inet lost {{
  chain input {{ type filter hook input priority raw; ip daddr {_CLOUD} drop; }}
}}
"""
_WIDE = {"width": 1360, "height": 900}


def main() -> None:
    """Run a home in which something goes on, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with whole() as living:
        devices = _settle(living)
        with browsing(living.client) as browser:
            _take(browser, devices, folder)


def _settle(living: Whole) -> dict[str, str]:
    """Let the devices become known; then the bridge loses its cloud and talks to somebody new."""
    client = living.client
    devices = living.wait_for_devices()
    for label, device in devices.items():
        client.command("config/device_registry/update", device_id=device, name_by_user=NAMES[label])
    living.enable(devices["phone"])
    living.wait_for_hosts(*_SETTLED)
    client.call("spin.skip_learning", device_id=list(devices.values()))
    client.call("spin.block_destination", device_id=[devices["phone"]], destination="tracker.shop.example")
    living.home.internet.run("nft", "-f", "-", text=_CLOUD_LOST)
    for label, name in ((HUE.label, "baidu.com"), (CAMERA.label, "facebook.com")):
        device = living.home.devices[label]
        address = look_up(device, name, 4)[0]
        time.sleep(0.1)
        transfer(device, address, 2100, 1800)
    living.wait_for_hosts("baidu.com", "facebook.com", filter=["new"])
    living.wait_for_hosts("ws.meethue.com", filter=["failed"])
    living.wait_for_hosts("tracker.shop.example", filter=["blocked"])
    time.sleep(_GO_ON)
    return devices


def _take(browser: LoggedIn, devices: dict[str, str], folder: Path) -> None:
    view = _open(browser, "/spin", _WIDE)
    _save(view, folder / "picture.png")
    view = _open(browser, f"/spin/{devices['hue']}", {**_WIDE, "height": 1000}, dark=True)
    expect(view.row("baidu.com", "hosts")).to_be_visible()
    _save(view, folder / "device.png")
    view = _open(browser, f"/spin/{devices['hue']}", _WIDE)
    view.row("baidu.com", "hosts").click()
    expect(view.page.locator("dialog.details dl")).to_be_visible()
    _save(view, folder / "details.png")
    view.page.locator("dialog.details").get_by_role("button", name="Block").click()
    expect(view.page.locator("dialog.confirm")).to_be_visible()
    _save(view, folder / "block.png")
    view.page.keyboard.press("Escape")
    view.page.keyboard.press("Escape")
    view.page.get_by_role("button", name="Timeline").click()
    expect(view.page.locator(".timeline li").first).to_be_visible()
    _save(view, folder / "timeline.png")
    view.page.get_by_role("button", name="Table").click()
    expect(view.page.locator("tr.pair").first).to_be_visible()
    _save(view, folder / "table.png")
    view = _open(browser, "/spin", PHONE, scale=2)
    _save(view, folder / "phone.png")
    view.row(NAMES["hue"], "devices").tap()
    expect(view.row("baidu.com", "hosts")).to_be_visible()
    _save(view, folder / "phone-device.png")


def _open(
    browser: LoggedIn, path: str, size: dict[str, int], *, dark: bool = False, scale: float = 1
) -> View:
    view = browser.view(size, dark=dark, scale=scale)
    view.open(path)
    view.page.get_by_role("button", name="5 min").click()
    return view


def _save(view: View, path: Path) -> None:
    view.page.mouse.move(0, 0)
    view.page.wait_for_timeout(700)
    view.page.screenshot(path=path)
    if view.faults:
        raise RuntimeError(f"{path.name}: {view.faults}")


if __name__ == "__main__":
    main()

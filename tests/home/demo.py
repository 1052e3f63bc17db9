"""The demo: a simulated home, a broker, the agent and a real Home Assistant with a prepared dashboard.

usage: script/demo [--no-root] [--port PORT]
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.home import broker as brokers
from tests.home import dashboard, namespaces
from tests.home import homeassistant as hass
from tests.home.broker import Broker
from tests.home.hassclient import HassError
from tests.home.homeassistant import HomeAssistant
from tests.home.household import HUE
from tests.home.scenes import Scene, real_scene, replay_scene

_DEVICES_APPEAR = 45.0
# By then the devices, whose clocks run fast, have done all that they usually do.
_LEARNED = 60.0
MakeScene = Callable[[Path, Broker], AbstractContextManager[Scene]]


class DemoError(Exception):
    """The demo cannot run; the text says why and what helps."""


def say(text: str) -> None:
    """Tell the person in front of the terminal."""
    print(f"\033[1m==>\033[0m {text}", flush=True)  # noqa: T201


def main() -> int:
    """Run the demo until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/demo", description="Shows SPIN with a simulated home.")
    parser.add_argument("--no-root", action="store_true", help="without namespaces: play a recording")
    parser.add_argument("--port", type=int, default=8123, help="of Home Assistant, on 127.0.0.1")
    options = parser.parse_args()
    try:
        with namespaces.cleanup_on_signals(), _temporary_folder() as folder:
            _require_free(options.port)
            _run(folder, options.port, _choose_scene(rootless=options.no_root))
    except (DemoError, RuntimeError, HassError) as error:
        print(f"demo: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        say("Everything is removed")
    return 0


def _run(folder: Path, port: int, make_scene: MakeScene) -> None:
    started = time.monotonic()
    say("Starting Home Assistant, the broker and the simulated home")
    assistant = HomeAssistant(folder / "homeassistant", port)
    broker = brokers.best(folder)
    with (
        hass.running(assistant),
        brokers.running(broker),
        make_scene(folder, broker) as scene,
    ):
        assistant.onboard()
        assistant.wait_until_running()
        say("Setting up Home Assistant's MQTT and SPIN integrations")
        assistant.add_mqtt(
            port=broker.port, username=broker.username, password=broker.password, protocol=broker.protocol
        )
        entry = assistant.accept_discovered_gateway()
        say("Waiting for the devices")
        _prepare_dashboard(assistant, entry, scene)
        say(f"Ready after {time.monotonic() - started:.0f} s\n")
        _introduce(assistant, scene)
        _watch(assistant, scene)


def _watch(assistant: HomeAssistant, scene: Scene) -> None:
    """Return never; from Ctrl-C on, further ones do not interrupt the cleaning up."""
    learned = time.monotonic() + _LEARNED
    try:
        while True:
            scene.check()
            assistant.check()
            if time.monotonic() > learned:
                learned = float("inf")
                dashboard.end_learning(assistant.client)
                say("The devices are known by now: whom they talk to from here on is new")
            time.sleep(1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("Removing everything")


def _choose_scene(*, rootless: bool) -> MakeScene:
    if not rootless and os.geteuid():
        say("Not root: a recording is played instead of a real home, and nothing can be blocked")
        rootless = True
    if not rootless and (reason := namespaces.missing()):
        raise DemoError(f"a real home {reason}; script/demo --no-root plays a recording instead")
    return replay_scene if rootless else real_scene


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise DemoError(f"port {port}: {error}; choose another one with --port") from error


def _prepare_dashboard(assistant: HomeAssistant, entry: str, scene: Scene) -> None:
    client = assistant.client
    end = time.monotonic() + _DEVICES_APPEAR
    while HUE.mac not in {device.mac for device in dashboard.devices(client)}:
        if time.monotonic() > end:
            raise DemoError("no device appeared in Home Assistant")
        time.sleep(0.5)
    time.sleep(3)  # the others are not far
    for device in dashboard.devices(client):
        dashboard.enable_rates(client, device.mac)
    client.request(f"/api/config/config_entries/entry/{entry}/reload", {})
    dashboard.create(client, dashboard.devices(client), note=scene.note)


def _introduce(assistant: HomeAssistant, scene: Scene) -> None:
    print(  # noqa: T201
        f"    Open      {assistant.url}/{dashboard.PATH}\n"
        f"    Or        {assistant.url}/spin (the panel), "
        f"{assistant.url}/{dashboard.STANDARD_PATH} (standard cards only)\n"
        f"    Log in    {assistant.username}\n"
        f"    Password  {assistant.password}\n\n"
        f"    {scene.hint}\n\n"
        "    Ctrl-C ends the demo and removes everything.\n",
        flush=True,
    )


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spin-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())

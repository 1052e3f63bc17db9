"""A device model on the stage of real sockets; run inside a device's namespace.

usage: python -m tests.home.device MODEL [--speed N]       (prints a line of JSON for every contact)
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json

from tests.home.actor import Actor, Event
from tests.home.household import MODELS
from tests.home.live import LiveStage


def _print(event: Event) -> None:
    print(json.dumps(dataclasses.asdict(event)), flush=True)  # noqa: T201


def main() -> None:
    """Play until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real its clock runs")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Actor(MODELS[options.model](), LiveStage(options.speed), _print).play())


if __name__ == "__main__":
    main()

"""Leaves no trace: neither rules in the kernel, nor a policy on disk, nor retained messages at the broker."""

import asyncio
import contextlib
import sys

from gateway_agent.config import Config
from gateway_agent.firewall.store import PolicyStore
from gateway_agent.instance import claim
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.table import Table
from gateway_agent.mqtt.visit import VisitError, clear, retained, visit
from gateway_agent.platform import PlatformError


def uninstall(config: Config) -> int:
    """Remove everything and say what was done; return the exit status."""
    try:
        with claim():
            done = [_remove_table(), _remove_files(config), asyncio.run(_clear_broker(config))]
    except PlatformError as error:
        return _say(f"not removed: {error}", failed=True)
    return 0 if all(done) else 1


def _say(text: str, *, failed: bool = False) -> int:
    (sys.stderr if failed else sys.stdout).write(f"{text}\n")
    return 1 if failed else 0


def _remove_table() -> bool:
    try:
        table = Table()
        try:
            table.remove()
        finally:
            table.close()
    except TableError as error:
        return not _say(f"nftables: {error}", failed=True)
    return not _say("nftables: no table inet spin any more")


def _remove_files(config: Config) -> bool:
    store = PolicyStore(config.state_directory / "policy.json")
    try:
        store.remove()
        for name in ("counters", "counters.new", "names", "names.new"):
            (config.runtime_directory / name).unlink(missing_ok=True)
    except OSError as error:
        return not _say(f"files: {error.filename}: {error.strerror}", failed=True)
    for folder in (config.state_directory, config.runtime_directory):
        with contextlib.suppress(OSError):  # not there, not empty, or systemd's
            folder.rmdir()
    return not _say("files: no stored policy any more")


async def _clear_broker(config: Config) -> bool:
    root = f"{config.mqtt.prefix}/{config.gateway}"
    try:
        async with visit(config.mqtt) as client:
            topics = await retained(client, root)
            await clear(client, root, topics)
            left = await retained(client, root)
    except VisitError as error:
        text = f"broker: {error}; its retained messages below {root} remain"
        return not _say(text, failed=True)
    if left:
        return not _say(f"broker: not allowed to clear {', '.join(sorted(left))} below {root}", failed=True)
    return not _say(f"broker: {len(topics)} retained messages below {root} cleared")

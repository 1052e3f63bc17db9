"""Runs the program nft: once at start, because it alone knows how rules are compiled."""

import os
import shutil
import subprocess
from typing import Final

_SECONDS: Final = 30
NO_RIGHT: Final = (
    "not allowed to change nftables: run as root or give the agent CAP_NET_ADMIN "
    "(AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its systemd unit)"
)


class TableError(Exception):
    """The table cannot be made or kept; the text names the remedy."""


class RefusedError(TableError):
    """This nft or this kernel does not know something that the rules use."""


def run(script: str, *, dry: bool = False) -> None:
    """Carry out a script as one transaction, without a shell, or only try it; raises TableError."""
    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise TableError("nft is not installed: install the package nftables")
    try:
        done = subprocess.run(  # noqa: S603  # the text is our own
            [program, *(["--check"] if dry else []), "--file", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TableError(f"{program} does not run: {error}") from error
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
        if "Operation not permitted" in done.stderr:
            raise TableError(NO_RIGHT)
        raise RefusedError(f"nft refused the table: {reason}")

"""Network namespaces that vanish with the block that made them, whatever ends it."""

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_instances = itertools.count(1)
# A process of the home must not outlive the one that started it, not even when that one is killed.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace; its name is unique among all processes."""

    name: str

    @property
    def path(self) -> Path:
        """Where `setns` finds it."""
        return NETNS / self.name

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line that runs `arguments` inside."""
        return [*_DIE_WITH_PARENT, "nsenter", f"--net={self.path}", *map(str, arguments)]

    def run(self, *arguments: str | Path, text: str | None = None, timeout: float = 30) -> str:
        """Run a command inside to its end and return what it printed; raise RuntimeError when it fails."""
        done = subprocess.run(
            self.command(*arguments), input=text, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def start(
        self,
        *arguments: str | Path,
        stdout: int | IO[Any] = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command inside; Ctrl-C in the terminal is not for it."""
        return subprocess.Popen(
            self.command(*arguments), stdout=stdout, stderr=stderr, text=True, cwd=cwd, start_new_session=True
        )

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Put the calling thread inside; a socket made meanwhile belongs to this namespace for good."""
        with Path("/proc/thread-self/ns/net").open("rb") as outside, self.path.open("rb") as inside:
            _setns(inside.fileno())
            try:
                yield
            finally:
                _setns(outside.fileno())

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Make a socket of this namespace, whatever the caller's own."""
        with self.entered():
            return socket.socket(family, kind)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(*arguments: str | Path) -> list[str]:
    """Return a command line whose process is killed when its starter ends."""
    return [*_DIE_WITH_PARENT, *map(str, arguments)]


def missing() -> str | None:
    """Say why no namespaces can be built here, or None."""
    if os.geteuid():
        return "needs root"
    absent = [name for name in ("ip", "nft", "nsenter", "dnsmasq") if not shutil.which(name)]
    return f"needs {', '.join(absent)} (script/setup as root installs them)" if absent else None


@contextlib.contextmanager
def namespaces(*labels: str) -> Iterator[Mapping[str, Namespace]]:
    """Make one namespace per label and remove them all, with what runs inside, at the end."""
    sweep()
    prefix = f"spin-home-{os.getpid()}-{next(_instances)}"
    made = {label: Namespace(f"{prefix}-{label}") for label in labels}
    try:
        for namespace in made.values():
            _ip("netns", "add", namespace.name)
            namespace.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        for namespace in made.values():
            remove(namespace)


def remove(namespace: Namespace) -> None:
    """End the processes inside and delete the namespace; what is gone already is no error."""
    with contextlib.suppress(RuntimeError):
        for pid in _ip("netns", "pids", namespace.name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _ip("netns", "delete", namespace.name)


def sweep() -> None:
    """Remove what processes left behind that were killed before they could clean up."""
    for path in NETNS.glob("spin-home-*") if NETNS.exists() else ():
        owner = re.match(r"spin-home-(\d+)-", path.name)
        if owner and not Path("/proc", owner[1]).exists():
            remove(Namespace(path.name))


@contextlib.contextmanager
def cleanup_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, so that every context manager cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes], grace: float = 10) -> None:
    """Ask a process to end and, after the grace time, end it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _ip(*arguments: str) -> str:
    return _checked(["ip", *arguments])


def _checked(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout

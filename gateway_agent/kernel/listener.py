"""The thread that must never wait: it reads what the kernel tells while the rest of the agent is busy."""

import logging
import select
import socket
import sys
import threading
import time
from typing import Final, Protocol

_LOG = logging.getLogger(__name__)

_SWITCH_SECONDS: Final = 0.0005
"""How long another thread may keep the interpreter to itself; Python's own default is 5 ms."""


class Watcher(Protocol):
    """Something with a descriptor. Everything it does happens in the listener's thread."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""

    def ready(self) -> None:
        """Read what is there; called again while there is more."""

    def due(self) -> float | None:
        """Return the time.monotonic() at which `ready` is wanted though nothing can be read."""


class Listener:
    """Serves its watchers in one thread from `start` to `stop`; a failing watcher is logged and served on."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []
        self._thread: threading.Thread | None = None
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)

    def add(self, watcher: Watcher) -> None:
        """Serve one more watcher; before `start`."""
        self._watchers.append(watcher)

    def start(self) -> None:
        """Begin; the thread works in the network namespace of the caller's."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._thread = threading.Thread(target=self._run, name="kernel", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have the thread finish what it is doing, and end it."""
        if self._thread is not None:
            self._bell.send(b"\0")
            self._thread.join()
            self._thread = None
        self._bell.close()
        self._ear.close()

    def _run(self) -> None:
        with select.epoll() as waiting:
            watchers = {watcher.fileno(): watcher for watcher in self._watchers}
            for descriptor in (self._ear.fileno(), *watchers):
                waiting.register(descriptor, select.EPOLLIN)
            while True:
                for descriptor, _ in waiting.poll(self._timeout()):
                    if descriptor not in watchers:
                        return
                    _serve(watchers[descriptor])
                for watcher in self._watchers:
                    due = watcher.due()
                    if due is not None and due <= time.monotonic():
                        _serve(watcher)

    def _timeout(self) -> float | None:
        dues = [due for watcher in self._watchers if (due := watcher.due()) is not None]
        return max(min(dues) - time.monotonic(), 0) if dues else None


def _serve(watcher: Watcher) -> None:
    try:
        watcher.ready()
    except Exception:  # noqa: BLE001  # the thread serves the others on
        _LOG.exception("watcher_failed watcher=%s", type(watcher).__name__)
        time.sleep(0.1)  # whatever it is, it must not become a busy loop

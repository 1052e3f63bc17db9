"""The embedded broker amqtt for machines without mosquitto.

usage: python -m tests.home.embedded_broker FOLDER PORT      (FOLDER/password holds the user's password)
"""

import asyncio
import signal
import sys
from pathlib import Path

from amqtt.broker import Broker
from pwdlib import PasswordHash

from tests.home.broker import USERNAME


async def serve(folder: Path, port: int) -> None:
    """Serve until told to end."""
    passwords = folder / "passwords"
    hashed = PasswordHash.recommended().hash((folder / "password").read_text())
    passwords.write_text(f"{USERNAME}:{hashed}\n")
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)},
            },
        }
    )
    await broker.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))

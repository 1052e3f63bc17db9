"""The command line: `python -m gateway_agent run | check | replay | uninstall`."""

import argparse
import ipaddress
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gateway_agent import __version__, logs
from gateway_agent.config import DEFAULT_PATH, ConfigError, defaults, load
from gateway_agent.wire.messages import Message
from gateway_agent.wire.policy import Network

# What each command needs beyond this is imported when it runs: on a small gateway every megabyte counts.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 failed, 2 wrongly asked or configured."""
    options = _parser().parse_args(arguments)
    logs.start()
    try:
        status: int = options.command(options)
    except ConfigError as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _complain(error: Exception, status: int = 1) -> int:
    sys.stderr.write(f"spin-gateway-agent: {error}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spin-gateway-agent", description="The gateway agent of SPIN.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="observe, publish and enforce until stopped")
    run.set_defaults(command=_run)
    check = commands.add_parser("check", help="say what is missing on this gateway, and how to mend it")
    check.set_defaults(command=_check)
    replay = commands.add_parser("replay", help="tell what a capture file shows")
    replay.set_defaults(command=_replay)
    replay.add_argument("file", type=Path, metavar="FILE", help="a pcap or pcapng file")
    replay.add_argument(
        "--lan",
        type=_network,
        action="append",
        default=[],
        metavar="CIDR",
        help="a network of the home; repeatable",
    )
    replay.add_argument(
        "--speed",
        type=_speed,
        metavar="N",
        help="1: as fast as it happened (default); 0: as fast as possible (with --jsonl)",
    )
    replay.add_argument("--jsonl", action="store_true", help="print one message a line; needs no broker")
    uninstall = commands.add_parser(
        "uninstall", help="remove the rules, the stored policy and retained messages"
    )
    uninstall.set_defaults(command=_uninstall)
    for command in (run, check, replay, uninstall):
        command.add_argument(
            "--config", type=Path, metavar="FILE", help=f"default: {DEFAULT_PATH}, where it exists"
        )
    return parser


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write it like 192.168.8.0/24") from error


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return speed


def _run(options: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415

    from gateway_agent.agent import Agent  # noqa: PLC0415
    from gateway_agent.instance import claim  # noqa: PLC0415
    from gateway_agent.kernel_platform import KernelPlatform  # noqa: PLC0415
    from gateway_agent.platform import PlatformError  # noqa: PLC0415

    config = load(options.config)

    async def run() -> None:
        with claim():
            await Agent(config, KernelPlatform).run()

    try:
        asyncio.Runner().run(run())
    except PlatformError as error:
        _exit_at_once(_complain(error))
    except Exception:
        logging.getLogger(__name__).exception("failed")
        _exit_at_once(1)
    _exit_at_once(0)


def _exit_at_once(status: int) -> NoReturn:
    """End without waiting for the thread of a connection attempt, which may hang for a minute."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _check(options: argparse.Namespace) -> int:
    from gateway_agent.check import check  # noqa: PLC0415

    status: int = check(options.config)
    return status


def _replay(options: argparse.Namespace) -> int:
    from gateway_agent.decode.pcap import CaptureError  # noqa: PLC0415
    from gateway_agent.replay import ReplayError  # noqa: PLC0415

    try:
        if options.jsonl:
            _print_replay(options)
        else:
            _publish_replay(options)
    except (CaptureError, ReplayError) as error:
        return _complain(error)
    return 0


def _print_replay(options: argparse.Namespace) -> None:
    from gateway_agent.replay import json_line, replay  # noqa: PLC0415

    config = load(options.config) if options.config is not None else defaults()
    root, speed = f"{config.mqtt.prefix}/{config.gateway}", options.speed or 0.0
    out = sys.stdout

    def emit(message: Message) -> None:
        out.write(json_line(message, root) + "\n")
        if speed:
            out.flush()

    try:
        replay(options.file, emit=emit, gateway=config.gateway, lan=options.lan, speed=speed)
    finally:
        out.flush()


def _publish_replay(options: argparse.Namespace) -> None:
    from gateway_agent.mqtt.broadcast import Broadcast  # noqa: PLC0415
    from gateway_agent.replay import replay  # noqa: PLC0415

    config = load(options.config)
    with Broadcast(config) as broadcast:
        replay(
            options.file,
            emit=broadcast.emit,
            gateway=config.gateway,
            lan=options.lan,
            speed=1.0 if options.speed is None else options.speed,
            snapshot_wanted=broadcast.snapshot_wanted,
        )


def _uninstall(options: argparse.Namespace) -> int:
    from gateway_agent.uninstall import uninstall  # noqa: PLC0415

    return uninstall(load(options.config))


if __name__ == "__main__":
    sys.exit(main())

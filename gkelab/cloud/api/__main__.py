"""`python -m gkelab.cloud.api`: the cloud as a server."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

import uvicorn

from gkelab.cloud.api.app import App
from gkelab.cloud.api.seed import sow
from gkelab.cloud.api.service import Service
from gkelab.cloud.api.store import Settings, Store
from gkelab.errors import LabError

KEEP_ALIVE = 3600  # seconds that a connection stays open unused


def main(words: Sequence[str]) -> int:
    """Serve until told to stop."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = Settings(told.project, tuple(told.external_range), tuple(told.frontend_range))
    try:
        store = Store(told.database, settings)
        service = Service(store)
        if told.seed:
            sow(service, told.seed)
        sockets = [_listen(address) for address in told.listen]
    except LabError as error:
        sys.stderr.write(f"gkelab.cloud.api: {error}\n")
        return 1
    # What uvicorn gives back when it has stopped serving.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    try:
        asyncio.run(_serve(service, sockets))
    finally:
        store.close()
    return 0


async def _serve(service: Service, sockets: list[socket.socket]) -> None:
    config = uvicorn.Config(
        App(service).asgi,
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        # Google's client does not ask again when a connection was closed just as it was used.
        timeout_keep_alive=KEEP_ALIVE,
        # Those who wait for news are let go, and ask again.
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve(sockets)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    # With its protocol named: else asyncio leaves Nagle's delay on, 40 ms an answer.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, int(port)))
        made.listen(128)
        return made
    except (OSError, ValueError, OverflowError) as error:
        made.close()
        raise LabError(f"cannot listen at {address}: {error}", "give HOST:PORT") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gkelab.cloud.api", description=__doc__)
    parser.add_argument("--database", type=Path, required=True, help="the SQLite file of its state")
    parser.add_argument(
        "--listen", action="append", required=True, metavar="HOST:PORT", help="may be repeated"
    )
    parser.add_argument("--project", required=True, help="the project's id")
    parser.add_argument("--seed", type=Path, help="JSON: resources to make if they are not there")
    for name, whose in (("external", "regional addresses and VMs"), ("frontend", "global ones")):
        parser.add_argument(
            f"--{name}-range",
            type=IPv4Network,
            action="append",
            default=[],
            metavar="CIDR",
            help=f"public addresses of {whose}; may be repeated",
        )
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

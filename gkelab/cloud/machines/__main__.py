"""`python -m gkelab.cloud.machines`: a lab's machines made real until told to stop.

It needs docker's socket, and the host's network namespace for the bridges' ports.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from ipaddress import IPv4Network
from pathlib import Path

from gkelab.cloud.machines import events
from gkelab.cloud.machines.agent import Agent, Settings
from gkelab.cloud.mirror import Mirror, follow
from gkelab.errors import LabError
from gkelab.shell import run

# How often everything is looked at, though nobody said that something happened. Seconds.
RESYNC = 30.0
_LOG = logging.getLogger("gkelab.cloud.machines")


def main(words: Sequence[str]) -> int:
    """Follow the cloud and docker until SIGTERM."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = Settings(
        told.lab,
        told.image,
        tuple(shlex.split(told.command)),
        tuple(told.range),
        told.status,
        tuple(told.declared),
    )
    wake, stop = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    mirror = Mirror(told.cloud)
    follow(mirror, wake.set, stop)
    events.follow(told.lab, wake.set, stop)
    with closing(Agent(settings, run, time.monotonic)) as agent:
        serve(agent, mirror, wake, stop)
    return 0


def serve(agent: Agent, mirror: Mirror, wake: threading.Event, stop: threading.Event) -> None:
    """Make it so at every news, and every RESYNC seconds, until told to stop."""
    looked, again = time.monotonic(), 0.0
    while not stop.is_set():
        wake.wait(again)
        wake.clear()
        if stop.is_set():
            return
        thorough = time.monotonic() - looked >= RESYNC
        looked = time.monotonic() if thorough else looked
        try:
            wait = agent.step(mirror.state, mirror.problem, thorough=thorough)
        except (LabError, OSError) as error:
            _LOG.warning("%s", error)
            wait = 2.0
        again = RESYNC if wait is None else min(wait, RESYNC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gkelab.cloud.machines", description=__doc__)
    parser.add_argument("--cloud", required=True, metavar="URL", help="the Compute API's endpoint")
    parser.add_argument("--lab", required=True, help="the lab's name")
    parser.add_argument("--image", required=True, help="the image that VMs run")
    parser.add_argument(
        "--command", required=True, help="the program of it that they run, with its words"
    )
    parser.add_argument(
        "--range",
        type=IPv4Network,
        action="append",
        default=[],
        metavar="CIDR",
        help="a range of the lab, which VMs send to the router alone; may be repeated",
    )
    parser.add_argument(
        "--declared",
        action="append",
        default=[],
        metavar="regions/REGION/subnetworks/NAME",
        help="a subnet whose docker network somebody else makes; may be repeated",
    )
    parser.add_argument("--status", type=Path, help="a JSON file to tell in how it is")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

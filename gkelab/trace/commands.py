"""`invoke trace`."""

from __future__ import annotations

import json

from rich.console import Console

from gkelab import commands
from gkelab.errors import LabError
from gkelab.progress import console
from gkelab.trace.draw import draw
from gkelab.trace.model import Trace
from gkelab.trace.run import traced


def trace(
    name: str | None,
    source: str,
    destination: str,
    *,
    port: str | None,
    protocol: str,
    as_json: bool,
) -> Trace:
    """Send one probe and show its way. LabError as `traced` says."""
    number = number_of(port)
    told = traced(commands.open_lab(name), source, destination, number, protocol)
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps(told.to_dict()))
    else:
        draw(told, console())
    return told


def status(told: Trace) -> int:
    """What the command exits with: 0 for a probe whose fate is explained, be it dropped; 1 where
    it was not as decided, 2 where the probe itself broke."""
    if told.outcome == "broken":
        return 2
    return 0 if told.agrees else 1


def number_of(port: str | None) -> int | None:
    """A port as it was typed. LabError where it is no number."""
    if port is None:
        return None
    if not port.isdecimal():
        raise LabError(f"{port} is no port", "give one of 1 to 65535")
    return int(port)

"""Where a lab's cloud is, written down in the lab's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.files import write_whole


@dataclass(frozen=True)
class Place:
    """A cloud's endpoint (http://HOST:PORT) and its project."""

    endpoint: str
    project: str


def record(file: Path, place: Place) -> None:
    """Write it down, for `recorded`."""
    write_whole(file, json.dumps(asdict(place)))


def recorded(file: Path) -> Place:
    """The place of the lab's cloud, as written down when it was started. LabError if it was not."""
    try:
        told = json.loads(file.read_text())
        return Place(str(told["endpoint"]), str(told["project"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise LabError("the lab's cloud is not known here", "run: invoke up") from None

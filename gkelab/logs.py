"""`invoke logs.collect`: a lab's state in a bundle, and what in it is suspicious."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from gkelab import commands
from gkelab.diagnosis.bundle import Collector, Source
from gkelab.diagnosis.collect import Bundle
from gkelab.diagnosis.collect import collect as collect_bundle
from gkelab.errors import LabError
from gkelab.host.doctor import draw as draw_findings
from gkelab.lab import Lab
from gkelab.results import REPORT
from gkelab.status import draw as draw_status
from gkelab.status import lab_status

SHOWN = 5  # of what could not be collected; all of it is in the bundle


def collect(name: str | None, output: str | None) -> Bundle:
    """Collect a lab's state under a folder, report/ by default, and say what stands out.

    Raises LabError when there is no such lab, or when it cannot be written there.
    """
    lab = commands.lab_of(commands.find_lab(name))
    folder = Path(output) if output else REPORT
    try:
        bundle = collect_bundle(lab, folder, _pages)
    except OSError as error:
        raise LabError(f"The logs cannot be written under {folder}: {error}") from error
    print("\n".join(told(bundle)))  # noqa: T201
    return bundle


def told(bundle: Bundle) -> list[str]:
    """Where a bundle is, what is not in it, and its suspicious lines."""
    lines = [f"collected {bundle.files} files: {bundle.folder} and {bundle.archive.name}"]
    missing = [f"  {path}: {_first(why)}" for path, why in sorted(bundle.missing.items())]
    if missing:
        lines.append(f"could not collect {len(missing)}:")
        lines += missing[:SHOWN]
        more = len(missing) - SHOWN
        lines += [f"  and {more} more: summary.txt"] if more > 0 else []
    lines.append("first suspicious lines:" if bundle.suspects else "nothing in it is suspicious")
    return lines + [f"  {suspect}" for suspect in bundle.suspects]


def _pages(lab: Lab) -> Sequence[Source]:
    """What `invoke status` and `invoke doctor` would say."""
    return [
        Collector("status.txt", partial(_drawn, lambda to: draw_status(lab_status(lab), to))),
        Collector("doctor.txt", partial(_drawn, partial(_doctor, lab))),
    ]


def _doctor(lab: Lab, to: Console) -> None:
    file = commands.topology_file(lab.name)
    draw_findings(commands.examined(file, lab.supplier.name, host_setup=True), to)


def _drawn(draw: Callable[[Console], None]) -> str:
    out = io.StringIO()
    draw(Console(file=out, width=160))
    return out.getvalue()


def _first(text: str) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 160 else f"{line[:160]}…"

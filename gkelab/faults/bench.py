"""`invoke bench.faults`: what traffic loses under each fault, on the lab that is up."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from gkelab import commands
from gkelab.errors import LabError
from gkelab.faults.catalog import FAULTS, Fault
from gkelab.faults.measure import Measured, measure
from gkelab.faults.stage import Stage, staged
from gkelab.graph import Task
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.progress import Lines, console
from gkelab.status import lab_status


def bench_faults(name: str | None, out: str | None) -> None:
    """Try every fault on the first cluster of a lab, one after the other, and show a table.

    `out` is a file for the figures as JSON. Each fault is undone before the next one, and when
    this is interrupted. Raises LabError when the lab is not whole, or does not become so again.
    """
    lab = commands.open_lab(name)
    problems = lab_status(lab).problems
    if problems:
        raise LabError(f"Lab {lab.name} is not whole: {'; '.join(problems)}", "run: invoke up")
    cluster = lab.plan.clusters[0]
    began = time.time()
    held = hold(default_paths().state, "invoke bench.faults")
    with held, Lines() as lines, staged(lab, cluster) as stage:
        measured = try_all(stage, FAULTS, lines)
    console().print(table(measured))
    if out:
        figures = {"lab": lab.name, "at": began, "faults": [row.to_dict() for row in measured]}
        Path(out).write_text(json.dumps(figures, indent=2) + "\n")


def try_all(stage: Stage, faults: Sequence[Fault], lines: Lines) -> list[Measured]:
    """Measure the faults in their order, a line of progress each."""
    measured: list[Measured] = []
    for fault in faults:
        if len(stage.cluster.workers) < fault.workers:
            lines.say(f"  - {fault.name}: left out, it takes {fault.workers} workers")
            continue
        task = Task(fault.name, lambda: "", what=fault.name)
        began = time.monotonic()
        lines.started(task)
        try:
            rows = measure(stage, fault)
        except LabError as error:
            lines.failed(task, time.monotonic() - began, error)
            raise
        measured += rows
        lines.finished(task, time.monotonic() - began, "; ".join(map(sentence, rows)), [])
    return measured


def sentence(row: Measured) -> str:
    """A measurement in a few words."""
    cost = row.loss
    lost = f"{cost.messages_lost} messages and {cost.requests_lost} new connections lost"
    return f"{row.way}: {'survived' if cost.survived else 'broken'}, {lost}"


def table(measured: Sequence[Measured]) -> Table:
    """A row for each fault and way."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("fault")
    drawn.add_column("way")
    for column in (
        "established flow survived",
        "messages lost",
        "new connections lost",
        "longest gap ms",
        "recovery ms",
    ):
        drawn.add_column(column, justify="right")
    for row in measured:
        cost = row.loss
        drawn.add_row(
            row.fault,
            row.way,
            "yes" if cost.survived else "no",
            f"{cost.messages_lost} of {cost.messages}",
            f"{cost.requests_lost} of {cost.requests}",
            f"{cost.gap_ms:.0f}",
            "never" if cost.recovery_ms is None else f"{cost.recovery_ms:.0f}",
        )
    return drawn

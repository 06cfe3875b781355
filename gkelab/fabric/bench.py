"""`invoke bench.fabric`: the router's figures on the lab that is up, beside what they should be."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from gkelab import commands
from gkelab.errors import LabError
from gkelab.fabric.figures import ASKS, CONNECTS, STREAM
from gkelab.fabric.measure import BRIDGE, DIRECT, FIRST, FULL, LEVELS, ROUTER, Figures, measure
from gkelab.fabric.stage import staged
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.progress import Lines, console
from gkelab.status import lab_status

WRITES = 100
AT_LEAST, FLAT = 0.7, 0.9
WITHIN, LISTED = 1.0, 0.2  # seconds


@dataclass(frozen=True)
class Row:
    """A figure: what it is, its value as a person reads it, what it should be ("" for a figure
    alone), and whether it is."""

    what: str
    value: str
    aim: str = ""
    met: bool | None = None


def bench_fabric(name: str | None, runs: int) -> None:
    """Measure, show a table, and write bench-fabric.json to the state folder.

    What is made for it in the lab goes again, also when this is interrupted. Raises LabError when
    the lab is not whole.
    """
    if runs < 1:
        raise LabError(f"--runs={runs} measures nothing", "say 1 or more")
    lab = commands.open_lab(name)
    problems = lab_status(lab).problems
    if problems:
        raise LabError(f"Lab {lab.name} is not whole: {'; '.join(problems)}", "run: invoke up")
    cluster = lab.plan.clusters[0]
    began = time.time()
    state = default_paths().state
    held = hold(state, "invoke bench.fabric")
    with held, Lines() as lines, staged(lab, cluster) as stage:
        figures = measure(stage, runs, WRITES, lines.say)
    found = rows(figures)
    console().print(table(found))
    whole = {"lab": lab.name, "at": began, "runs": runs, "rows": [vars(row) for row in found]}
    out = state / "bench-fabric.json"
    out.write_text(json.dumps(whole | figures.to_dict(), indent=2) + "\n")
    console().print(f"written to {out}", highlight=False, soft_wrap=True)


def rows(figures: Figures) -> list[Row]:
    """The figures that the table shows."""
    found = [
        *(_ratio(m, figures.against(FIRST, m), AT_LEAST) for m in (STREAM, ASKS)),
        _ratio(CONNECTS, figures.against(FIRST, CONNECTS)),
        *(
            Row(f"{m}, router ÷ direct routes", f"{figures.against_direct(m):.2f}")
            for m in (STREAM, ASKS, CONNECTS)
        ),
    ]
    for level in (*list(LEVELS)[1:], FULL):
        for m in (STREAM, ASKS, CONNECTS):
            value = figures.against(level, m) / figures.against(FIRST, m)
            found.append(_flat(f"{m} at {level} ÷ at {FIRST}", value))
    for way in (BRIDGE, DIRECT, ROUTER):
        cpu = figures.cpu(way)
        found.append(Row(f"CPU seconds a Gbit, {way}", "?" if cpu is None else f"{cpu:.3f}"))
    return [*found, *_write_rows(figures), _list_row(figures)]


def _ratio(measure: str, value: float, aim: float | None = None) -> Row:
    what = f"{measure}, pod to pod by the router ÷ containers on the bridge"
    if aim is None:
        return Row(what, f"{value:.2f}")
    return Row(what, f"{value:.2f}", f"at least {aim}", value >= aim)


def _flat(what: str, value: float) -> Row:
    return Row(what, f"{value:.2f}", f"at least {FLAT}", value >= FLAT)


def _write_rows(figures: Figures) -> list[Row]:
    seen = figures.writes
    if seen is None:
        return []
    half, most = figures.delay(50), figures.delay(99)
    count = len(seen.delays)
    return [
        Row(f"a write in the packets' way, p50 of {count}", _milliseconds(half)),
        Row(
            f"a write in the packets' way, p99 of {count}",
            _milliseconds(most),
            f"at most {_milliseconds(WITHIN)}",
            most <= WITHIN,
        ),
        Row(
            "denied packets that got through during writes",
            f"{seen.leaked} of {seen.denied}",
            "none",
            seen.leaked == 0 and seen.denied > 0,
        ),
        Row("allowed packets lost during writes", f"{seen.lost} of {seen.allowed}"),
    ]


def _list_row(figures: Figures) -> Row:
    took = median(figures.lists)
    aim = f"at most {_milliseconds(LISTED)}"
    return Row("list of 1,000 firewall rules", _milliseconds(took), aim, took <= LISTED)


def _milliseconds(seconds: float) -> str:
    return "not before the next" if seconds == float("inf") else f"{seconds * 1000:.0f} ms"


def table(rows: list[Row]) -> Table:
    """A line a figure."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("")
    drawn.add_column("measured", justify="right")
    drawn.add_column("aim")
    drawn.add_column("")
    for row in rows:
        mark = {True: "met", False: "[red]missed[/red]", None: ""}[row.met]
        drawn.add_row(row.what, row.value, row.aim, mark)
    return drawn

"""`invoke bench.up`: how long `up` takes, against the plain script that people write.

Both run on this machine in this run, with the same programs and images, and both wait until all
that they installed is ready, so that their ratio says something where their seconds do not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from gkelab import commands, naive
from gkelab.errors import LabError
from gkelab.find import find_labs
from gkelab.host.prepare import docker_answers
from gkelab.paths import default_paths
from gkelab.progress import console
from gkelab.shell import run
from gkelab.tools.docker import LABEL, Docker

TARGETS = {"up": 60.0, "second up": 5.0, "down": 10.0, "naive / up": 1.8, "memory (GiB)": 4.0}


@dataclass(frozen=True)
class Measured:
    """Seconds of each run, by what was done; `naive` has the plain script's steps."""

    up: tuple[float, ...]
    second_up: tuple[float, ...]
    down: tuple[float, ...]
    naive: tuple[float, ...]
    naive_steps: dict[str, float]
    memory: float

    @property
    def ratio(self) -> float:
        """The plain script's median over ours."""
        return median(self.naive) / median(self.up)


def bench_up(runs: int) -> None:
    """Measure `runs` times: up from nothing (cache warm), again, down; and the plain script.

    Raises LabError when a lab is there: it would be taken down. Writes bench-up.json.
    """
    if docker_answers(run) and find_labs(Docker(run)):
        raise LabError(
            "A lab is on this machine, and the bench takes labs down", "invoke down first"
        )
    times: dict[str, list[float]] = {"up": [], "second": [], "down": [], "naive": []}
    steps: dict[str, float] = {}
    memory = 0.0
    _up()  # whatever is missing from the cache is made now
    commands.down(None)
    for _ in range(runs):
        times["up"].append(_clock(_up))
        memory = max(memory, _memory())
        times["second"].append(_clock(_up))
        times["down"].append(_clock(lambda: commands.down(None)))
        steps = naive.run_naive(commands.topology_file(commands.DEFAULT_TOPOLOGY))
        times["naive"].append(sum(steps.values()))
    measured = Measured(
        up=tuple(times["up"]),
        second_up=tuple(times["second"]),
        down=tuple(times["down"]),
        naive=tuple(times["naive"]),
        naive_steps=steps,
        memory=memory,
    )
    _show(measured)
    out = default_paths().state / "bench-up.json"
    out.write_text(json.dumps(asdict(measured) | {"ratio": measured.ratio}, indent=2) + "\n")


def _up() -> None:
    commands.up(commands.DEFAULT_TOPOLOGY, None, True, False)


def _clock(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _memory() -> float:
    """GiB that the lab's containers hold: their cgroups' memory less the page cache that the
    kernel can take back."""
    total = 0
    for container in Docker(run).containers({LABEL: None}):
        for path in (
            Path("/sys/fs/cgroup/memory/docker", container.id, "memory.stat"),
            Path("/sys/fs/cgroup/system.slice", f"docker-{container.id}.scope", "memory.stat"),
        ):
            if path.exists():
                stat = dict(line.split() for line in path.read_text().splitlines())
                total += int(stat.get("total_rss", stat.get("anon", 0)))
                total += int(stat.get("total_mapped_file", stat.get("file_mapped", 0)))
    return total / 1024**3


def _show(measured: Measured) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "median", "all runs", "target"):
        table.add_column(column)
    rows = {
        "up": measured.up,
        "second up": measured.second_up,
        "down": measured.down,
        "naive script": measured.naive,
    }
    for name, seconds in rows.items():
        limit = f"at most {TARGETS[name]:.0f} s" if name in TARGETS else ""
        every = " ".join(f"{second:.1f}" for second in seconds)
        table.add_row(name, f"{median(seconds):.1f} s", every, limit)
    table.add_row("naive / up", f"{measured.ratio:.2f}", "", f"at least {TARGETS['naive / up']}")
    limit = f"at most {TARGETS['memory (GiB)']:.0f} GiB"
    table.add_row("memory", f"{measured.memory:.1f} GiB", "", limit)
    console().print(table)
    each = ", ".join(f"{name} {second:.0f} s" for name, second in measured.naive_steps.items())
    console().print(f"the naive script's steps: {each}", highlight=False)

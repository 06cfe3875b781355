"""What is saved of labs that tests make for themselves, while they are still there."""

from __future__ import annotations

from pathlib import Path

from gkelab import logs
from gkelab.find import find_labs
from gkelab.host.prepare import docker_answers
from gkelab.shell import run
from gkelab.tools.docker import Docker


def collect_labs(file: Path, had: set[Path]) -> str:
    """Collect a bundle of each lab that is there, say so as `invoke logs.collect` does, and tell
    the same. `had` are the test files that have had theirs: what fails in one after a failure
    mostly fails for it, and a bundle may take two minutes. Never raises: the test's own failure
    is what counts."""
    if file in had:
        return ""
    had.add(file)
    try:
        if not docker_answers(run):
            return _without("docker does not answer")
        labs = find_labs(Docker(run))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test's failure is told
        return _without(f"the labs were not found: {error!r}")
    return "\n".join(_collect(lab.name) for lab in labs) or _without("no lab is there")


def _collect(name: str) -> str:
    try:
        return "\n".join(logs.told(logs.collect(name, None)))
    except Exception as error:  # noqa: BLE001 - the other labs are still to be collected
        return _without(f"lab {name}: {error!r}")


def _without(why: str) -> str:
    text = f"no logs were collected: {why}"
    print(text)  # noqa: T201
    return text

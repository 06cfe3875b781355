"""`invoke vpc.show`, `invoke diagram` and `invoke logs.firewall`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from gkelab import commands
from gkelab.containers import name_of
from gkelab.errors import LabError
from gkelab.files import write_whole
from gkelab.progress import console
from gkelab.results import REPORT
from gkelab.vpc import decisions
from gkelab.vpc.draw import draw
from gkelab.vpc.mermaid import mermaid
from gkelab.vpc.picture import picture
from gkelab.vpc.read import read
from gkelab.vpc.svg import svg
from gkelab.vpc.view import VpcView, view


def show(name: str | None, as_json: bool) -> VpcView:
    """Show the VPC of a lab as the cloud has it."""
    cloud = commands.cloud_of(name)
    seen = view(cloud.project, read(cloud))
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps(seen.to_dict()))
    else:
        draw(seen, console())
    return seen


def diagram(name: str | None, output: str | None) -> tuple[Path, ...]:
    """Write the running topology as mermaid and SVG into a folder, report/ by default; the files.

    Raises LabError when there is no such lab, it does not run, or the files cannot be written.
    """
    plan = commands.find_lab(name).plan
    cloud = commands.cloud_of(plan.name)
    drawn = picture(view(cloud.project, read(cloud)), plan)
    folder = Path(output) if output else REPORT
    made = {folder / "diagram.mmd": mermaid(drawn), folder / "diagram.svg": svg(drawn)}
    try:
        for path, text in made.items():
            write_whole(path, text)
    except OSError as error:
        raise LabError(f"The diagram cannot be written under {folder}: {error}") from error
    print("\n".join(str(path) for path in made))  # noqa: T201
    return tuple(made)


def firewall_log(
    name: str | None, rule: str | None, last: int, as_json: bool
) -> list[decisions.Decision]:
    """Show the last connections that firewall rules with a logConfig decided, of one rule if it
    is named; as data a line each, in Google's fields.

    Raises LabError when there is no such lab, or its router does not run.
    """
    if last < 1:
        raise LabError(f"--last={last}: it is a count of lines, at least 1")
    lab = commands.lab_of(commands.find_lab(name))
    router = name_of(lab, "router")
    found = lab.docker.container(router)
    if found is None or found.state != "running":
        raise LabError(f"The router of lab {lab.name} does not run", "run: invoke up")
    told = decisions.chosen(decisions.decisions(lab.docker, router), rule, last)
    if as_json:
        print("".join(f"{json.dumps(one.record)}\n" for one in told), end="")  # noqa: T201
    else:
        decisions.draw(told, console())
    return told

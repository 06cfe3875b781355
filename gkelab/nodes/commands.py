"""What `invoke node.add` and `invoke node.delete` do, behind their flags."""

from __future__ import annotations

from collections.abc import Sequence

from gkelab import commands
from gkelab.errors import LabError
from gkelab.graph import Task, run_graph
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.nodes.add import plan_node
from gkelab.nodes.delete import Deleting
from gkelab.paths import default_paths
from gkelab.progress import Lines
from gkelab.steps.remove_remains import remove_remains
from gkelab.tools.docker import LABEL, ROLE
from gkelab.topology import deletable


def add(name: str | None, cluster: str | None, pool: str | None, zone: str | None) -> None:
    """Add a worker to a cluster of a lab that is up."""
    with hold(default_paths().state, "invoke node.add"), Lines() as lines:
        lab = running_lab(name)
        adding = plan_node(lab, cluster, pool, zone)
        node = adding.node
        where = f"cluster {adding.cluster.name}, pool {node.pool}, zone {node.zone}"
        lines.say(f"node {node.name}: {node.address}, {where}")
        took = _run(adding.tasks(), lines)
        lines.say(f"node {node.name} is there after {took:.1f} s")


def delete(name: str | None, node: str) -> None:
    """Drain a worker and take it away."""
    with hold(default_paths().state, "invoke node.delete"), Lines() as lines:
        lab = running_lab(name)
        remains = [one for cluster in lab.plan.clusters for one in remove_remains(lab, cluster)]
        if remains:
            lines.say(f"removed what was left of {', '.join(remains)}")
        if node in remains:
            return
        cluster, found = deletable(lab.plan, node)
        took = _run(Deleting(lab, cluster, found).tasks(), lines)
        lines.say(f"node {node} is gone after {took:.1f} s")


def running_lab(name: str | None) -> Lab:
    """The lab, all of whose nodes run. LabError otherwise."""
    lab = commands.open_lab(name)
    labels = {LABEL: lab.name, ROLE: "node"}
    running = {one.name for one in lab.docker.containers(labels) if one.state == "running"}
    stopped = [node.name for node in lab.plan.nodes if node.name not in running]
    if stopped:
        raise LabError(
            f"Lab {lab.name} is not up: {', '.join(stopped)} does not run", "run: invoke up"
        )
    return lab


def _run(tasks: Sequence[Task], lines: Lines) -> float:
    """Do them; the seconds that they took together."""
    return sum(run_graph(tasks, lines).took.values())

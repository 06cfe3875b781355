"""`invoke node.delete`: a worker drained and taken away, whether it was added or declared."""

from __future__ import annotations

from dataclasses import dataclass

from gkelab.graph import Task
from gkelab.lab import Lab
from gkelab.nodes.add import await_router, cloud_of
from gkelab.steps.remove_remains import mark_away, remove_node
from gkelab.topology import Cluster, Node


@dataclass(frozen=True)
class Deleting:
    """A worker that goes."""

    lab: Lab
    cluster: Cluster
    node: Node

    def tasks(self) -> list[Task]:
        """The steps, one after the other."""
        name = self.node.name
        return [
            Task("drain", self.drain, what=f"drain {name}"),
            Task("remove", self.remove, ("drain",), what=f"remove {name}"),
            Task("route", self.await_route, ("remove",), what="wait until its route is gone"),
        ]

    def drain(self) -> str:
        """Evict its pods, as GKE does: within a bound, after which it goes all the same. From here
        on it counts as not there, and whoever comes next removes the rest, should this be killed.

        Raises CommandError when the cluster does not answer, and nothing has happened yet.
        """
        kubectl, limit = self.lab.kubectl(self.cluster.name), self.lab.timeouts.drain
        there = kubectl.get("node", self.node.name)
        mark_away(self.lab, self.cluster.name, self.node.name)
        if there is None:
            return "there was no such Node any more"
        how = ["--ignore-daemonsets", "--delete-emptydir-data", "--force"]
        said = kubectl(
            *("drain", self.node.name, *how, f"--timeout={limit:.0f}s"),
            check=False,
            timeout=limit + 30,
        )
        return "" if said.code == 0 else f"not all of its pods left within {limit:.0f} s"

    def remove(self) -> str:
        """The Node, the container, the instance."""
        remove_node(self.lab, self.cluster.name, self.node.name)
        return ""

    def await_route(self) -> str:
        """Wait until the router has none of it."""
        await_router(self.lab, cloud_of(self.lab).generation())
        return ""

"""Several namespaces for one test file, whose manifest calls them by short names (x, y, z)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gkelab.steps.deploy_workloads import with_image
from gkelab.tools.kubectl import Object
from tests.support.namespace import Namespace, Pod
from tests.support.places import PodPlace


@dataclass(frozen=True)
class Spaces:
    """Namespaces by their short names. A pod in them is called "x/a"."""

    by_name: Mapping[str, Namespace]

    def create(self, objects: Sequence[Object]) -> None:
        """Make the namespaces and what is in them, and wait until the pods are Ready.

        Of the objects, those of kind Namespace give a namespace its labels; the others are placed
        by `metadata.namespace`. Pods that name no node take turns on two workers, so that
        what they do to each other is done within a node and between nodes.
        """
        labels = {
            item["metadata"]["name"]: item["metadata"].get("labels", {})
            for item in objects
            if item["kind"] == "Namespace"
        }
        for name, space in self.by_name.items():
            space.create(labels.get(name, {}))
        first = next(iter(self.by_name.values()))
        workers = [node.name for node in first.cluster.workers[:2]]
        placed = spread(self.placed(i for i in objects if i["kind"] != "Namespace"), workers)
        first.kubectl.apply(with_image(first.lab, placed))
        for space in self.by_name.values():
            if any(item["metadata"]["namespace"] == space.name for item in placed):
                space.wait_ready()

    def delete(self) -> None:
        """Begin their removal."""
        for space in self.by_name.values():
            space.delete()

    def placed(self, objects: Iterable[Object]) -> list[Object]:
        """The objects with the namespaces' real names."""
        copies = [copy.deepcopy(item) for item in objects]
        for item in copies:
            item["metadata"]["namespace"] = self.by_name[item["metadata"]["namespace"]].name
        return copies

    def pods(self) -> dict[str, Pod]:
        """All running pods, by "x/a"."""
        return {
            f"{short}/{pod.name}": pod
            for short, space in self.by_name.items()
            for pod in space.pods()
        }

    def place(self, name: str) -> PodPlace:
        """Where to probe from: the pod "x/a"."""
        short, _, pod = name.partition("/")
        space = self.by_name[short]
        return PodPlace(space.kubectl, space.name, pod)


def spread(objects: Sequence[Object], workers: Sequence[str]) -> list[Object]:
    """The objects, with the pods among them that name no node on the workers in turn."""
    pods = [
        item for item in objects if item["kind"] == "Pod" and "nodeSelector" not in item["spec"]
    ]
    for index, pod in enumerate(pods):
        pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": workers[index % len(workers)]}
    return list(objects)

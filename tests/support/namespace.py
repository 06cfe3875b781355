"""A namespace for one test: its objects, its pods as places to probe from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gkelab.faults.stage import is_ready
from gkelab.lab import Lab
from gkelab.steps.deploy_workloads import with_image
from gkelab.tools.kubectl import Kubectl, Object, documents
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support import known
from tests.support.probes import PodPlace
from tests.support.running import labels as own_labels

READY = 120.0  # seconds for pods, addresses and rollouts of a test


@dataclass(frozen=True)
class Pod:
    """A running pod: where it is and what its address is."""

    name: str
    node: str
    ip: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Namespace:
    """A namespace in the cluster under test. Its methods wait until what they did holds."""

    name: str
    kubectl: Kubectl
    cluster: Cluster
    lab: Lab

    def create(self, labels: Mapping[str, str]) -> None:
        """Make it, with labels; those of the run that it is of, too."""
        metadata = {"name": self.name, "labels": {**own_labels(), **labels}}
        self.kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])

    def delete(self) -> None:
        """Begin its removal; the next test need not wait for the end of it."""
        self.kubectl.delete("namespace", self.name, wait=False)

    def apply(self, objects: Sequence[Object]) -> None:
        """Apply objects in this namespace and wait until their pods are Ready. One that names
        another namespace goes there, with labels by which it is found when this one is gone."""
        placed = with_image(self.lab, [self._placed(item) for item in objects])
        self.kubectl.apply(placed)
        if any(item["kind"] in ("Pod", "Deployment", "DaemonSet") for item in placed):
            self.wait_ready()

    def remove(self, kind: str, name: str) -> None:
        """Delete an object of this namespace and wait until it is gone."""
        self.kubectl.delete(kind, name, self.name)

    @contextmanager
    def having(self, objects: Sequence[Object]) -> Iterator[None]:
        """These objects are in this namespace for the length of the block, which may apply them
        anew in another form."""
        try:
            self.apply(objects)
            yield
        finally:
            self.withdraw(objects)

    def withdraw(self, objects: Sequence[Object]) -> None:
        """Delete what there is of these objects; it does not wait until they are gone."""
        text = documents([self._placed(item) for item in objects])
        words = ["--filename=-", "--ignore-not-found", "--wait=false"]
        self.kubectl("delete", *words, input=text)

    def patch(self, kind: str, name: str, change: Object) -> None:
        """Change an object of this namespace by a merge patch; lists are replaced, null removes."""
        where = [f"--namespace={self.name}", kind, name]
        self.kubectl("patch", *where, "--type=merge", f"--patch={json.dumps(change)}")

    def label(self, what: str, **labels: str | None) -> None:
        """Give "pod/a" or "namespace/x" labels, or take those that are None away."""
        words = [
            f"{key}={value}" if value is not None else f"{key}-" for key, value in labels.items()
        ]
        self.kubectl("label", f"--namespace={self.name}", "--overwrite", what, *words)

    def wait_ready(self) -> list[Pod]:
        """Wait until every pod wanted here runs and is Ready, and Services lead to them."""

        def missing(items: list[Object]) -> list[str]:
            pods = [item for item in items if item["kind"] == "Pod"]
            late = [p["metadata"]["name"] for p in pods if not is_ready(p)]
            for item in items:
                if item["kind"] in ("Deployment", "DaemonSet"):
                    have, wanted = _rolled_out(item)
                    if have < wanted:
                        late.append(f"{item['metadata']['name']} has {have} of {wanted} pods")
            return late

        until(
            lambda: self.kubectl.list("pods,deployments,daemonsets", self.name),
            lambda items: bool(items) and not missing(items),
            what=f"the pods of namespace {self.name} are Ready",
            timeout=READY,
            describe=lambda items: ", ".join(missing(items)),
        )
        self._wait_known()
        return self.pods()

    def _wait_known(self) -> None:
        nodes = [node.name for node in self.cluster.nodes]

        def late() -> list[str]:
            items = self.kubectl.list(known.KINDS, self.name)
            return known.late(items, known.ask(self.lab, nodes)) if known.led(items) else []

        until(
            late,
            lambda found: not found,
            what=f"the nodes know where the Services of namespace {self.name} lead",
            timeout=READY,
            interval=0.2,
            describe="; ".join,
        )

    def pods(self, selector: str = "") -> list[Pod]:
        """The running pods, by name."""
        found = [
            Pod(
                name=item["metadata"]["name"],
                node=item["spec"].get("nodeName", ""),
                ip=item.get("status", {}).get("podIP", ""),
                labels=item["metadata"].get("labels", {}),
            )
            for item in self.kubectl.list("pods", self.name, selector)
            if item.get("status", {}).get("phase") == "Running"
            and "deletionTimestamp" not in item["metadata"]
        ]
        return sorted(found, key=lambda pod: pod.name)

    def pod(self, name: str) -> Pod:
        """The running pod of that name, or the only one whose `app` label is that."""
        for pod in self.pods():
            if pod.name == name or pod.labels.get("app") == name:
                return pod
        raise LookupError(f"no pod {name} runs in {self.name}")

    def place(self, pod: Pod | str, container: str = "") -> PodPlace:
        """Where to probe from: inside that pod."""
        name = pod.name if isinstance(pod, Pod) else self.pod(pod).name
        return PodPlace(self.kubectl, self.name, name, container)

    def service_ip(self, name: str) -> str:
        """A Service's ClusterIP."""
        return str(self.service(name)["spec"]["clusterIP"])

    def service(self, name: str) -> Object:
        """A Service as the API has it."""
        found = self.kubectl.get("service", name, self.name)
        assert found is not None, f"no Service {name} in {self.name}"
        return found

    def slices(self, service: str) -> list[Object]:
        """A Service's EndpointSlices."""
        return self.kubectl.list(
            "endpointslices", self.name, f"kubernetes.io/service-name={service}"
        )

    def address(self, name: str) -> str:
        """A load balancer's address, once it has one."""

        def given(item: Object | None) -> str:
            entries = (item or {}).get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
            return str(entries[0].get("ip", ""))

        return given(
            until(
                lambda: self.kubectl.get("service", name, self.name),
                lambda item: bool(given(item)),
                what=f"Service {name} in {self.name} has an address",
                timeout=READY,
            )
        )

    def _placed(self, item: Object) -> Object:
        copy: dict[str, Any] = dict(item)
        copy["metadata"] = {"namespace": self.name, **item["metadata"]}
        if copy["metadata"]["namespace"] != self.name:
            copy["metadata"]["labels"] = {**item["metadata"].get("labels", {}), **own_labels()}
        return copy


def _rolled_out(item: Object) -> tuple[int, int]:
    """How many current and Ready pods a workload has, and how many it wants; (0, 1) before its
    controller has seen it, when it has none yet and does not say how many there will be. That they
    are Ready is asked here, too: the pods were listed a moment before, perhaps before they were."""
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"]["generation"]:
        return 0, 1
    if item["kind"] == "DaemonSet":
        have = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
        return min(have), status.get("desiredNumberScheduled", 0)
    have = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    return min(have), item["spec"].get("replicas", 1)

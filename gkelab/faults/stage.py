"""Where faults are tried: servers and clients of their own in a lab, the ways between them, and
how the lab is made whole again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gkelab.containers import name_of
from gkelab.errors import LabError
from gkelab.faults.flow import Flow, Traffic, flowing
from gkelab.ipam import mac_address
from gkelab.lab import Lab, manifests
from gkelab.steps.create_cluster import find_nodes, start
from gkelab.steps.deploy_workloads import with_image
from gkelab.steps.start_client import client_name
from gkelab.steps.wait_ready import wait_ready
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Cluster
from gkelab.wait import until

NAMESPACE = "gkelab-faults"
PORT = 9000
GATEWAY_HOST = "whoami.example.com"  # what the sample's Gateway declares

POD_TO_POD = "pod to pod"
POD_TO_NAME = "pod to name"
OUTSIDE_TO_LB = "outside to LB"
OUTSIDE_TO_GATEWAY = "outside to gateway"
WAYS = (POD_TO_POD, POD_TO_NAME, OUTSIDE_TO_LB, OUTSIDE_TO_GATEWAY)


@dataclass(frozen=True)
class Way:
    """Traffic, and the words that run a command where it begins."""

    where: tuple[str, ...]
    traffic: Traffic


@dataclass(frozen=True)
class Stage:
    """A cluster of a lab, with the faults' own servers and clients in it."""

    lab: Lab
    cluster: Cluster

    @property
    def kubectl(self) -> Kubectl:
        """kubectl for the cluster."""
        return self.lab.kubectl(self.cluster.name)

    @property
    def outside(self) -> str:
        """The container of the client outside of the VPC."""
        return client_name(self.lab)

    def client(self) -> Object:
        """The client's pod."""
        return self._pods("client")[0]

    def servers(self) -> list[Object]:
        """The servers' pods."""
        return self._pods("server")

    def server(self) -> Object:
        """The server's pod that is not on the client's node, where there are two nodes."""
        here = self.client()["spec"]["nodeName"]
        servers = self.servers()
        return next((pod for pod in servers if pod["spec"]["nodeName"] != here), servers[0])

    def address(self, service: str = "outside", namespace: str = NAMESPACE) -> str:
        """A load balancer's address. Raises LabError where it has none."""
        found = self.kubectl.get("service", service, namespace) or {}
        entries = found.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
        address = str(entries[0].get("ip", ""))
        if not address:
            raise LabError(f"Service {service} in {namespace} has no address")
        return address

    def announcer(self, address: str) -> str:
        """The node that answers for a load balancer's address, by the VPC router's ARP entry."""
        docker = self.lab.docker
        # Whatever becomes of it, the router has asked who has the address.
        knock = ["curl", "--silent", "--max-time", "2", f"http://{address}:{PORT}/"]
        docker.exec(self.outside, knock, check=False)
        asked = ["ip", "-json", "neigh", "show", "to", address]
        entries: list[dict[str, Any]] = json.loads(
            docker.exec(name_of(self.lab, "router"), asked).stdout.strip() or "[]"
        )
        macs = {entry["lladdr"] for entry in entries if "lladdr" in entry}
        for node in self.cluster.workers:
            if mac_address(node.address) in macs:
                return node.name
        raise LabError(f"No worker of cluster {self.cluster.name} answers for {address}")

    def way(self, name: str) -> Way:
        """One of the ways, between those that are there now."""
        if name == POD_TO_POD:
            return Way(self._in_client(), Traffic(self.server()["status"]["podIP"], PORT))
        if name == POD_TO_NAME:
            # Rooted: the search path would ask for four other names first.
            return Way(self._in_client(), Traffic(f"server.{NAMESPACE}.svc.cluster.local.", PORT))
        outside = ("docker", "exec", "--interactive", self.outside)
        if name == OUTSIDE_TO_LB:
            return Way(outside, Traffic(self.address(), PORT))
        if name == OUTSIDE_TO_GATEWAY:
            gateway = self.address("istio-ingressgateway", "istio-system")
            return Way(outside, Traffic(gateway, 80, "http", GATEWAY_HOST))
        raise LookupError(f"there is no way {name}")

    def flowing(self, name: str) -> AbstractContextManager[Flow]:
        """Traffic of one of the ways while a block runs."""
        way = self.way(name)
        return flowing(way.where, way.traffic)

    def restore(self) -> None:
        """Start what is stopped, and wait until all of the cluster is ready. Safe whatever is
        wrong, and when nothing is. Raises WaitError."""
        nodes = find_nodes(self.lab, self.cluster)
        stopped = [node.name for node in nodes if node.state != "running"]
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        start(self.lab, self.cluster, nodes)
        wait_ready(self.lab, self.cluster)
        until(
            lambda: outdated(self.kubectl.list("pods", NAMESPACE), stopped, since),
            lambda pods: not pods,
            what="the stage's pods run again",
            timeout=self.lab.timeouts.rollout,
            describe=", ".join,
        )
        self.wait()

    def wait(self) -> None:
        """Wait until the stage's own servers and clients are there."""
        limit = self.lab.timeouts.rollout
        for name in ("server", "client"):
            self.kubectl.wait("Available", f"deployment/{name}", NAMESPACE, timeout=limit)
        until(
            lambda: len(self._pods("client")) == 1 and len(self.servers()) == 2,
            bool,
            what="one client and two servers are Ready",
            timeout=limit,
        )

    def _pods(self, app: str) -> list[Object]:
        return [
            pod
            for pod in self.kubectl.list("pods", NAMESPACE, f"app={app}")
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ]

    def _in_client(self) -> tuple[str, ...]:
        pod = self.client()["metadata"]["name"]
        words = [f"--namespace={NAMESPACE}", "exec", "--stdin", pod, "--"]
        return tuple(self.kubectl.argv(*words))


def outdated(pods: Sequence[Object], nodes: Sequence[str], since: str) -> list[str]:
    """The pods on these nodes of which a container does not run since then (RFC 3339, UTC): of a
    node that was stopped they are Ready in name only, with an address that they will lose."""
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["spec"].get("nodeName") in nodes
        and any(
            status.get("state", {}).get("running", {}).get("startedAt", "") < since
            for status in pod.get("status", {}).get("containerStatuses", [])
        )
    ]


def is_ready(pod: Object) -> bool:
    """Whether a pod says that it is Ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@contextmanager
def staged(lab: Lab, cluster: Cluster) -> Iterator[Stage]:
    """The stage, which is gone when the block ends, as is one that was left behind."""
    stage = Stage(lab, cluster)
    stage.kubectl.delete("namespace", NAMESPACE)
    try:
        stage.kubectl.apply(with_image(lab, manifests("faults/stage.yaml")))
        stage.wait()
        until(
            lambda: stage.kubectl.get("service", "outside", NAMESPACE) or {},
            lambda found: bool(found.get("status", {}).get("loadBalancer", {}).get("ingress")),
            what="the stage's load balancer has an address",
            timeout=lab.timeouts.rollout,
        )
        yield stage
    finally:
        stage.kubectl.delete("namespace", NAMESPACE)

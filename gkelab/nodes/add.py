"""`invoke node.add`: a further worker of a running cluster, step by step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import recorded
from gkelab.cloud.resources import node_instance
from gkelab.cloud.rest import RestCloud
from gkelab.containers import told
from gkelab.errors import LabError
from gkelab.graph import Task
from gkelab.lab import Lab
from gkelab.node_files import DROP_IN
from gkelab.nodes.container import READY, Sibling, run_argv
from gkelab.steps.create_cluster import node_labels
from gkelab.steps.load_images import load_image
from gkelab.steps.remove_remains import mark_away, mark_there, remove_remains
from gkelab.steps.wait_ready import wait_ready
from gkelab.steps.wait_vpc import wait_vpc
from gkelab.supply.archive import origin
from gkelab.supply.cache import Cache
from gkelab.supply.imagestore import MOUNT, UNIT, ImageStores, images_in
from gkelab.tools.kind import join_configuration
from gkelab.topology import Added, Cluster, Node, next_node, with_nodes
from gkelab.wait import until

TOKEN_LIVES = "10m"
CONFIG, CONTAINERD = "/kind/kubeadm.conf", "/etc/containerd/config.toml"
LOOKED_AT = 200  # lines of what a node's container printed


@dataclass
class Adding:
    """A node in the making. `lab` is the one with it; it is of `cluster`."""

    lab: Lab
    cluster: Cluster
    node: Node
    images: list[str] = field(default_factory=list)

    @classmethod
    def to(cls, lab: Lab, one: Added) -> Adding:
        """What adds this one."""
        plan = with_nodes(lab.plan, [one], ())
        cluster = plan.cluster(one.cluster)
        node = next(node for node in cluster.nodes if node.name == one.name)
        return cls(replace(lab, plan=plan), cluster, node)

    def tasks(self) -> list[Task]:
        """The steps, one after the other."""
        steps = (
            ("instance", self.write_instance, "write the instance"),
            ("container", self.run_container, "start the node"),
            ("images", self.load_images, "load images"),
            ("join", self.join, "join the cluster"),
            ("route", self.await_route, "wait for its route"),
            ("ready", self.await_ready, "wait until it is ready"),
        )
        tasks: list[Task] = []
        for name, run, what in steps:
            before = tuple(task.name for task in tasks[-1:])
            tasks.append(Task(name, run, before, what=what))
        return tasks

    def write_instance(self) -> str:
        """Have the cloud know it, and the router let it through: by way of the router it finds its
        API server. From here on there is something to be removed, should this be killed."""
        mark_away(self.lab, self.cluster.name, self.node.name)
        cloud = cloud_of(self.lab)
        ensure(cloud, [node_instance(self.lab.plan, self.cluster, self.node, None)])
        await_router(self.lab, cloud.generation())
        return str(self.node.address)

    def run_container(self) -> str:
        """Start the container, with what a sibling has, and wait for its containerd."""
        docker, name = self.lab.docker, self.node.name
        sibling_name = _sibling(self.cluster, self.node).name
        sibling = Sibling.of(docker.inspect([sibling_name])[0])
        sibling = sibling.mounting(self._store(sibling))
        sibling.refuse_gone()
        labels = node_labels(self.lab, self.cluster, self.node)
        self.lab.run(run_argv(self.cluster, self.node, sibling, labels))
        until(
            lambda: docker.logs(name, tail=LOOKED_AT),
            lambda said: bool(READY.search(said)),
            what=f"{name} has booted",
            timeout=self.lab.timeouts.node_boots,
            interval=0.2,
            describe=lambda said: "; ".join(said.splitlines()[-3:]),
        )
        # "detected cgroup v1" is said before systemd runs.
        self._await(["systemctl", "is-active", "containerd"], "containerd runs")
        # With kind's patches, and those of the lab.
        config = docker.exec(sibling_name, ["cat", CONTAINERD]).stdout
        if docker.exec(name, ["cat", CONTAINERD]).stdout != config:
            docker.exec(name, ["cp", "/dev/stdin", CONTAINERD], input=config)
            docker.exec(name, ["systemctl", "restart", "containerd"])
        self._await(["ctr", "version"], "containerd answers")
        return name

    def _await(self, argv: list[str], what: str) -> None:
        """Wait until a command in the node succeeds."""
        until(
            lambda: self.lab.docker.exec(self.node.name, argv, check=False),
            lambda said: said.code == 0,
            what=f"{what} in {self.node.name}",
            timeout=self.lab.timeouts.node_boots,
            interval=0.2,
            describe=lambda said: (said.stderr or said.stdout).strip(),
        )

    def load_images(self) -> str:
        """The images that the store it mounts lacks, or has others of that name."""
        alone = replace(self.cluster, nodes=(self.node,))
        for image in self.images:
            load_image(self.lab, alone, image)
        return f"{len(self.images)} images" if self.images else ""

    def join(self) -> str:
        """kubeadm join, with a token of its own."""
        docker, name = self.lab.docker, self.node.name
        control_plane = self.cluster.control_plane.name
        create = ["kubeadm", "token", "create", f"--ttl={TOKEN_LIVES}"]
        token = docker.exec(control_plane, create).stdout.strip()
        text = join_configuration(self.cluster, self.node, token)
        docker.exec(name, ["cp", "/dev/stdin", CONFIG], input=text)
        limit = self.lab.timeouts.join
        try:
            docker.exec(name, ["kubeadm", "join", f"--config={CONFIG}", "--v=1"], timeout=limit)
        finally:
            delete = ["kubeadm", "token", "delete", token.partition(".")[0]]
            docker.exec(control_plane, delete, check=False)
        return ""

    def await_route(self) -> str:
        """Wait until the node's podCIDR is its instance's alias range, and in the router's way;
        how long that took."""
        limit = self.lab.timeouts.vpc
        kubectl = self.lab.kubectl(self.cluster.name)
        cidr = until(
            lambda: pod_cidr(kubectl.get("node", self.node.name)),
            bool,
            what=f"node {self.node.name} has a podCIDR",
            timeout=limit,
            interval=0.1,
            tolerant=True,
        )
        began = time.monotonic()
        cloud = cloud_of(self.lab)
        generation = until(
            lambda: holds(cloud.state(), self.node.name, cidr),
            lambda found: found is not None,
            what=f"instance {self.node.name} has the alias range {cidr}",
            timeout=limit,
            interval=0.1,
            describe=lambda _: "it has not",
            tolerant=True,
        )
        await_router(self.lab, generation or 0)
        return f"{cidr}, {time.monotonic() - began:.1f} s after it had it"

    def await_ready(self) -> str:
        """Wait until it is Ready, with all that runs on every node; only then it counts."""
        wait_ready(self.lab, self.cluster)
        mark_there(self.lab, self.node.name)
        wait_vpc(self.lab)
        return ""

    def _store(self, sibling: Sibling) -> dict[str, str]:
        """What to mount of image stores: that with all that workers run, or the sibling's, whose
        lacks are then to be loaded."""
        lab = self.lab
        stores = ImageStores(lab.supplier, Cache(lab.paths.cache), lab.docker, lab.run)
        wanted = stores.wanted("worker")
        if stores.filled("worker", wanted):
            store = stores.path("worker", wanted)
            return {str(store): MOUNT, str(store / UNIT): DROP_IN}
        held = images_in(Path(mounted(sibling.binds, MOUNT)))
        self.images = [
            image
            for image in wanted
            if image not in held or held[image] not in ("", origin(lab.supplier.archive(image)))
        ]
        return {}


def plan_node(lab: Lab, cluster: str | None, pool: str | None, zone: str | None) -> Adding:
    """The next worker of a cluster, the first by default. Removes what a killed one has left.

    Raises LabError when there is no such cluster, pool or zone, or no address for it.
    """
    chosen = lab.plan.cluster(cluster or lab.plan.clusters[0].name)
    remove_remains(lab, chosen)
    state = cloud_of(lab).state()
    names = [item["name"] for item in state["resources"].get("instances", [])]
    taken = in_use(state, chosen.subnet.name)
    one = next_node(lab.plan, chosen, pool, zone, taken=taken, names=names)
    return Adding.to(lab, one)


def in_use(state: Mapping[str, Any], subnet: str) -> list[IPv4Network]:
    """What the cloud has given out in a subnet: addresses of instances and their alias ranges, and
    addresses that are reserved."""
    resources = state["resources"]
    taken = []
    for instance in resources.get("instances", []):
        for nic in instance["networkInterfaces"]:
            if nic["subnetwork"].rpartition("/")[2] == subnet:
                taken.append(IPv4Network(nic["networkIP"]))
                aliases = nic.get("aliasIpRanges", [])
                taken += [IPv4Network(alias["ipCidrRange"]) for alias in aliases]
    for address in resources.get("addresses", []):
        if address.get("subnetwork", "").rpartition("/")[2] == subnet:
            taken.append(IPv4Network(address["address"]))
    return taken


def pod_cidr(node: Mapping[str, Any] | None) -> str:
    """A Node's podCIDR; "" while it has none."""
    return str((node or {}).get("spec", {}).get("podCIDR", ""))


def holds(state: Mapping[str, Any], instance: str, cidr: str) -> int | None:
    """The state's generation if the instance has the alias range in it."""
    for item in state["resources"].get("instances", []):
        for nic in item["networkInterfaces"] if item["name"] == instance else ():
            if cidr in [alias["ipCidrRange"] for alias in nic.get("aliasIpRanges", [])]:
                return int(state["generation"])
    return None


def mounted(binds: Sequence[str], inside: str) -> str:
    """The host's path that is mounted there. LabError when none is."""
    for bind in binds:
        host, place, *_ = bind.split(":")
        if place == inside:
            return host
    raise LabError(
        f"The cluster's nodes mount nothing at {inside}",
        "they are of another version: invoke down, then invoke up",
    )


def cloud_of(lab: Lab) -> RestCloud:
    """The lab's cloud."""
    place = recorded(lab.cloud_file)
    return RestCloud(place.endpoint, place.project)


def await_router(lab: Lab, generation: int) -> None:
    """Wait until what the cloud said then is in the packets' way."""
    until(
        lambda: int(told(lab, "router").get("generation") or 0),
        lambda applied: applied >= generation,
        what=f"the router has applied generation {generation}",
        timeout=lab.timeouts.vpc,
        interval=0.1,
        describe=lambda applied: f"generation {applied}",
        tolerant=True,
    )


def _sibling(cluster: Cluster, node: Node) -> Node:
    return next(one for one in cluster.workers if one.name != node.name)

"""A kind cluster on its subnet's network; its nodes stand for the VMs of GKE's node pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from gkelab.access import forget, has_context, refuse_elsewhere
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import NAMESPACES, Lab
from gkelab.node_files import node_settings, write_files
from gkelab.shell import CommandError
from gkelab.tools.docker import NODE, PORT_TAKEN, Container
from gkelab.tools.kind import CLUSTER_LABEL, cluster_config
from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster, Node, Role, label_of
from gkelab.wait import until

FINISHED = "/etc/gkelab/kind-finished"
# What the API server answers when it serves, knows what its administrator may, and has the
# namespace that the lab's records are in.
AS_ADMIN = "/api/v1/namespaces/kube-system"


def take_nodes(lab: Lab, cluster: Cluster) -> str:
    """Start the nodes of a cluster that is there and wait until it answers; of one half made,
    remove them. Of one that is not there the kubeconfig forgets what it knew.

    Raises LabError when a cluster of that name is not this lab's or has lost a node.
    """
    nodes = find_nodes(lab, cluster)
    foreign = [node.name for node in nodes if node.labels.get("gkelab.lab") != lab.name]
    if foreign:
        raise LabError(
            f"The kind cluster {cluster.name} ({', '.join(foreign)}) is not this lab's",
            f"remove it (kind delete cluster --name {cluster.name}) or rename yours",
        )
    if is_whole(cluster, nodes):
        started = start(lab, cluster, nodes)
        if _finished(lab, cluster):
            return started
    _refuse_vanished(lab, cluster, nodes)
    lab.docker.remove_containers([node.id for node in nodes])
    # The next one of that name has another certificate, at another port.
    forget(lab, cluster)
    return "removed what was half made" if nodes else CACHED


def create_cluster(lab: Lab, cluster: Cluster, stores: Mapping[Role, Path]) -> str:
    """Have kind create the cluster, unless its nodes are there (`take_nodes` has seen to them).

    `stores` maps a role to its image store. Raises CommandError when kind fails.
    """
    if find_nodes(lab, cluster):
        return CACHED
    folder = lab.folder / "kind" / cluster.name
    settings = node_settings(lab, stores, write_files(lab, cluster, folder / "files"))
    lab.kind.create(
        cluster_config(cluster, lab.supplier.reference("node"), settings),
        network=cluster.subnet.docker_network,
        kubeconfig=lab.kubeconfig,
        node_arguments={
            node.name: [f"--ip={node.address}"]
            + [f"--label={key}={value}" for key, value in node_labels(lab, cluster, node).items()]
            for node in cluster.nodes
        },
        folder=folder,
        log=lab.log(f"kind-{cluster.name}"),
        timeout=lab.timeouts.create_cluster,
    )
    _mark_finished(lab, cluster)
    return f"{len(cluster.nodes)} nodes"


def node_labels(lab: Lab, cluster: Cluster, node: Node) -> dict[str, str]:
    """The labels of a node's container, beside kind's: an added one's tells what it is."""
    told = {NODE: label_of(cluster.name, node)} if node.added else {}
    return lab.labels("node") | told


def answer_early(lab: Lab, cluster: Cluster, ended: Event) -> str:
    """Wait until the API server of a cluster in the making takes objects, long before kind has
    joined the workers, and give the lab its kubeconfig. What needs no node is installed while
    kind waits for this and that."""
    node = cluster.control_plane.name
    asked = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "--raw", AS_ADMIN]
    until(
        # That kind has ended with an error is its own task's to tell.
        lambda: ended.is_set() or lab.docker.exec(node, asked, check=False).code == 0,
        bool,
        what=f"the API server of cluster {cluster.name} answers",
        timeout=lab.timeouts.create_cluster,
        interval=1,
        tolerant=True,
    )
    if not has_context(lab, cluster):
        lab.kind.export_kubeconfig(cluster.name, lab.kubeconfig)
    return CACHED


def find_nodes(lab: Lab, cluster: Cluster) -> list[Container]:
    """The containers of the kind cluster of that name, whoever made them."""
    return lab.docker.containers({CLUSTER_LABEL: cluster.name})


def is_whole(cluster: Cluster, nodes: list[Container]) -> bool:
    """Whether every node of the plan has its container."""
    return {node.name for node in cluster.nodes} <= {node.name for node in nodes}


def start(lab: Lab, cluster: Cluster, nodes: list[Container]) -> str:
    """Start the nodes that are stopped, and wait until the API server answers and the lab's pods
    run again: docker may have started nodes by itself a moment ago. Raises LabError when the
    kubeconfig leads to another one."""
    stopped = [node.name for node in nodes if node.state != "running"]
    with _port_named(cluster):
        lab.docker.start(stopped)
    if not _finished(lab, cluster):
        return CACHED
    lab.folder.mkdir(parents=True, exist_ok=True)
    if not has_context(lab, cluster):
        lab.kind.export_kubeconfig(cluster.name, lab.kubeconfig)
    control_plane = next(node for node in nodes if node.name == cluster.control_plane.name)
    refuse_elsewhere(lab, cluster, control_plane)
    wait_for_api(lab, cluster)
    since = {n.name: n.started for n in (find_nodes(lab, cluster) if stopped else nodes)}
    kubectl, limit = lab.kubectl(cluster.name), lab.timeouts.kubectl
    until(
        lambda: outdated(kubectl.list("pods", timeout=limit), since),
        lambda pods: not pods,
        what=f"the pods of cluster {cluster.name} run again",
        timeout=lab.timeouts.rollout,
        interval=1,
        describe=lambda pods: f"{', '.join(pods)} did not start again",
        tolerant=True,
    )
    return f"started {len(stopped)} nodes" if stopped else CACHED


@contextmanager
def _port_named(cluster: Cluster) -> Iterator[None]:
    """docker gives the API server the port that it had, which somebody may have taken since."""
    try:
        yield
    except CommandError as bad:
        taken = PORT_TAKEN.search(bad.result.stderr)
        if taken is None:
            raise
        raise LabError(
            f"Port {taken[1]} of this host, at which cluster {cluster.name} has its API server, is"
            " taken by another program",
            f"end that (ss --listening --tcp --processes 'sport = {taken[1].partition(':')[2]}'"
            " shows it), or make the lab anew: invoke down, then invoke up",
        ) from bad


def outdated(pods: Sequence[Object], since: Mapping[str, str]) -> list[str]:
    """The lab's own pods that are Ready in name only, as kubelet has not looked since their node
    was started (`since` by node: RFC 3339, UTC): with a container that does not run since."""
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["spec"].get("nodeName") in since
        and pod["metadata"]["namespace"] in NAMESPACES
        and _in_name_only(pod.get("status", {}), since[pod["spec"]["nodeName"]])
    ]


def _in_name_only(status: Object, since: str) -> bool:
    conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
    started = [
        item.get("state", {}).get("running", {}).get("startedAt", "")
        for item in status.get("containerStatuses", [])
    ]
    # Pods tell it to the second.
    return conditions.get("Ready") == "True" and any(time < since[:19] for time in started)


def adopt(lab: Lab, cluster: Cluster) -> None:
    """Give the lab's kubeconfig its context of a running cluster that another checkout made.
    Raises LabError when the one that it has leads elsewhere."""
    node = lab.docker.container(cluster.control_plane.name)
    running = node is not None and node.state == "running"
    if running and not has_context(lab, cluster) and _finished(lab, cluster):
        lab.folder.mkdir(parents=True, exist_ok=True)
        lab.kind.export_kubeconfig(cluster.name, lab.kubeconfig)
    if node is not None:
        refuse_elsewhere(lab, cluster, node)


def wait_for_api(lab: Lab, cluster: Cluster) -> None:
    """Wait until the cluster's API server answers, and knows what its administrator may."""
    kubectl, limit = lab.kubectl(cluster.name), lab.timeouts.kubectl
    until(
        lambda: kubectl("get", "--raw", AS_ADMIN, check=False, timeout=limit),
        lambda said: said.code == 0,
        what=f"the API server of cluster {cluster.name} answers",
        timeout=lab.timeouts.api_answers,
        describe=lambda said: said.stderr.strip(),
        tolerant=True,  # one that hangs is ended by its time limit, which is an error
    )


def _refuse_vanished(lab: Lab, cluster: Cluster, nodes: list[Container]) -> None:
    """A finished cluster that lost a node is a person's to give up: its workloads go with it."""
    present = {node.name for node in nodes}
    gone = [node.name for node in cluster.nodes if node.name not in present]
    control_plane = next((n for n in nodes if n.name == cluster.control_plane.name), None)
    if not gone or control_plane is None:
        return
    # A stopped one has its workloads, too, though it cannot be asked from inside.
    running = control_plane.state == "running"
    if _finished(lab, cluster) if running else lab.docker.has_file(control_plane.name, FINISHED):
        raise LabError(
            f"Cluster {cluster.name} has lost its node {', '.join(gone)} (its container is gone)",
            "make the lab anew: invoke down, then invoke up",
        )


def _finished(lab: Lab, cluster: Cluster) -> bool:
    """Whether kind came to its end with this cluster; the control plane itself remembers."""
    node = cluster.control_plane.name
    return lab.docker.exec(node, ["test", "-f", FINISHED], check=False).code == 0


def _mark_finished(lab: Lab, cluster: Cluster) -> None:
    node = cluster.control_plane.name
    lab.docker.exec(node, ["mkdir", "-p", "/etc/gkelab"])
    lab.docker.exec(node, ["touch", FINISHED])

"""What a lab is doing, gathered into plain data, and drawn on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from rich.console import Console
from rich.table import Table

from gkelab import ipam
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.status_vpc import VpcStatus, draw_vpc, vpc_status
from gkelab.steps.wait_ready import KINDS, health
from gkelab.tools.docker import LABEL, ROLE
from gkelab.topology import Cluster


@dataclass(frozen=True)
class NodeStatus:
    """A node: its container's state, and what Kubernetes says of it."""

    name: str
    role: str
    zone: str
    address: str
    container: str
    ready: bool
    pod_cidr: str
    pods: int
    max_pods: int


@dataclass(frozen=True)
class RangeStatus:
    """A range of the VPC. `unit` says what `used` of `size` counts."""

    name: str
    network: str
    used: int
    size: int
    unit: str
    free: tuple[str, ...]


@dataclass(frozen=True)
class Component:
    """A part of the lab in a cluster, its version by its image, and what is wrong with it."""

    name: str
    version: str
    healthy: bool
    problem: str


@dataclass(frozen=True)
class ServiceStatus:
    """A Service that has an address outside its cluster."""

    name: str
    address: str
    ports: str


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster. `answers` is whether its API server does; without it the lists are empty."""

    name: str
    context: str
    answers: bool
    nodes: tuple[NodeStatus, ...]
    ranges: tuple[RangeStatus, ...]
    components: tuple[Component, ...]
    services: tuple[ServiceStatus, ...]


@dataclass(frozen=True)
class LabStatus:
    """All of a lab. `clients` are containers with their addresses, outside of the VPC. `problems`
    are sentences; none means that it is healthy."""

    name: str
    supplier: str
    kubeconfig: str
    clients: tuple[str, ...]
    vpc: VpcStatus
    clusters: tuple[ClusterStatus, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


# What the lab installs: the workload that stands for a component, and where it runs.
COMPONENTS = {
    "Cilium": ("DaemonSet", "kube-system", "cilium"),
    "Cilium operator": ("Deployment", "kube-system", "cilium-operator"),
    "Hubble relay": ("Deployment", "kube-system", "hubble-relay"),
    "CoreDNS": ("Deployment", "kube-system", "coredns"),
    "MetalLB controller": ("Deployment", "metallb-system", "metallb-controller"),
    "MetalLB speaker": ("DaemonSet", "metallb-system", "metallb-speaker"),
    "istiod": ("Deployment", "istio-system", "istiod"),
    "Istio gateway": ("Deployment", "istio-system", "istio-ingressgateway"),
}


def lab_status(lab: Lab) -> LabStatus:
    """Look at the lab; works on one that is stopped or half up."""
    containers = {c.name: c for c in lab.docker.containers({LABEL: lab.name})}
    states = {name: container.state for name, container in containers.items()}
    clusters, problems = [], []
    for cluster in lab.plan.clusters:
        status, wrong = _cluster(lab, cluster, states)
        clusters.append(status)
        problems += wrong
    clients = [c for c in containers.values() if c.labels.get(ROLE) == "client"]
    vpc = vpc_status(lab, states)
    return LabStatus(
        name=lab.name,
        supplier=lab.supplier.name,
        kubeconfig=str(lab.kubeconfig),
        clients=tuple(f"{c.name} {next(iter(c.addresses.values()), '')}" for c in clients),
        vpc=vpc,
        clusters=tuple(clusters),
        problems=(*problems, *vpc.problems),
    )


def _cluster(lab: Lab, cluster: Cluster, states: dict[str, str]) -> tuple[ClusterStatus, list[str]]:
    problems = [
        f"node {node.name} is {states.get(node.name, 'not there')}"
        for node in cluster.nodes
        if states.get(node.name) != "running"
    ]
    objects: list[dict[str, Any]] = []
    answers = False
    if states.get(cluster.control_plane.name) == "running":
        try:
            objects = lab.kubectl(cluster.name).list(f"{KINDS},pods")
            answers = True
        except CommandError as error:
            problems.append(f"the API server of cluster {cluster.name} does not answer: {error}")
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for item in objects:
        by_kind.setdefault(item["kind"], []).append(item)
    if answers:
        rest = [item for item in objects if item["kind"] != "Pod"]
        problems += list(health(cluster, rest).missing)
        absent = [part.name for part in _components(by_kind) if not part.version]
        problems += [f"{part} is not installed in cluster {cluster.name}" for part in absent]
    status = ClusterStatus(
        name=cluster.name,
        context=lab.kubectl(cluster.name).context,
        answers=answers,
        nodes=tuple(_nodes(cluster, by_kind, states)),
        ranges=tuple(_ranges(cluster, by_kind)) if answers else (),
        components=tuple(_components(by_kind)) if answers else (),
        services=tuple(_services(by_kind)),
    )
    return status, problems


def _nodes(
    cluster: Cluster, by_kind: dict[str, list[dict[str, Any]]], states: dict[str, str]
) -> list[NodeStatus]:
    known = {item["metadata"]["name"]: item for item in by_kind.get("Node", [])}
    pods = [pod["spec"].get("nodeName") for pod in by_kind.get("Pod", [])]
    return [
        NodeStatus(
            name=node.name,
            role=node.role,
            zone=node.zone,
            address=str(node.address),
            container=states.get(node.name, "missing"),
            ready=_is_ready(known.get(node.name)),
            pod_cidr=known.get(node.name, {}).get("spec", {}).get("podCIDR", ""),
            pods=pods.count(node.name),
            max_pods=cluster.max_pods,
        )
        for node in cluster.nodes
    ]


def _is_ready(node: dict[str, Any] | None) -> bool:
    conditions = (node or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _ranges(cluster: Cluster, by_kind: dict[str, list[dict[str, Any]]]) -> list[RangeStatus]:
    cidrs = [node["spec"].get("podCIDR") for node in by_kind.get("Node", [])]
    blocks = [IPv4Network(cidr) for cidr in cidrs if cidr]
    services = [item["spec"].get("clusterIP") for item in by_kind.get("Service", [])]
    addresses = [IPv4Network(ip) for ip in services if ip and ip != "None"]
    balanced = [IPv4Address(ip) for ip in _balanced(by_kind)]
    result = [
        _range("pods", cluster.pod_range, blocks, "nodes", cluster.node_mask),
        _range("services", cluster.services_range, addresses, "services"),
    ]
    for name, pool in (("external", cluster.external_pool), ("internal", cluster.internal_pool)):
        used = [IPv4Network(address) for address in balanced if address in pool]
        result.append(_range(name, pool, used, "addresses"))
    return result


def _range(
    name: str, network: IPv4Network, used: Sequence[IPv4Network], unit: str, mask: int = 32
) -> RangeStatus:
    free = ipam.free_ranges(network, used)
    return RangeStatus(
        name=name,
        network=str(network),
        used=len(used),
        size=1 << (mask - network.prefixlen),
        unit=unit,
        free=tuple(str(block) for block in free),
    )


def _balanced(by_kind: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {
        entry["ip"]
        for item in by_kind.get("Service", [])
        for entry in item.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        if "ip" in entry
    }


def _components(by_kind: dict[str, list[dict[str, Any]]]) -> list[Component]:
    result = []
    for name, (kind, namespace, workload) in COMPONENTS.items():
        found = next(
            (
                item
                for item in by_kind.get(kind, [])
                if item["metadata"]["namespace"] == namespace
                and item["metadata"]["name"] == workload
            ),
            None,
        )
        if found is None:
            result.append(Component(name, "", False, "is not installed"))
            continue
        image = found["spec"]["template"]["spec"]["containers"][0]["image"]
        version = image.split("@")[0].rsplit(":", 1)[-1]
        ready = _ready_count(found)
        result.append(Component(name, version, not ready, ready))
    return result


def _ready_count(item: dict[str, Any]) -> str:
    status = item.get("status", {})
    if item["kind"] == "DaemonSet":
        ready, wanted = status.get("numberAvailable", 0), status.get("desiredNumberScheduled", 0)
    else:
        ready, wanted = status.get("availableReplicas", 0), item["spec"].get("replicas", 1)
    return "" if ready >= wanted > 0 else f"{ready} of {wanted} ready"


def _services(by_kind: dict[str, list[dict[str, Any]]]) -> list[ServiceStatus]:
    return [
        ServiceStatus(
            name=f"{item['metadata']['namespace']}/{item['metadata']['name']}",
            address=", ".join(
                entry.get("ip", "")
                for entry in item.get("status", {}).get("loadBalancer", {}).get("ingress", [])
            )
            or "pending",
            ports=", ".join(
                f"{p['port']}/{p.get('protocol', 'TCP')}" for p in item["spec"]["ports"]
            ),
        )
        for item in by_kind.get("Service", [])
        if item["spec"].get("type") == "LoadBalancer"
    ]


def draw(status: LabStatus, console: Console) -> None:
    """The whole lab on one screen."""
    console.print(f"[bold]lab {status.name}[/bold]  images: {status.supplier}", highlight=False)
    for cluster in status.clusters:
        _draw_cluster(cluster, console)
    draw_vpc(status.vpc, console)
    for client in status.clients:
        console.print(f"client   {client}", highlight=False)
    console.print(f"kubeconfig {status.kubeconfig}", highlight=False, soft_wrap=True)
    if status.problems:
        for problem in status.problems:
            console.print(f"[red]✗[/red] {problem}", highlight=False)
    else:
        console.print("[green]✓[/green] healthy", highlight=False)


def _draw_cluster(cluster: ClusterStatus, console: Console) -> None:
    nodes = _table(f"cluster {cluster.name}", "node", "zone", "address", "podCIDR", "pods", "")
    for node in cluster.nodes:
        state = "Ready" if node.ready else f"[red]{node.container}, not Ready[/red]"
        pods = f"{node.pods} of {node.max_pods}"
        nodes.add_row(node.name, node.zone, node.address, node.pod_cidr, pods, state)
    console.print(nodes)
    ranges = _table("", "range", "network", "used", "free")
    for item in cluster.ranges:
        free = ", ".join(item.free[:3]) + (" …" if len(item.free) > 3 else "")
        used = f"{item.used} of {item.size} {item.unit}"
        ranges.add_row(item.name, item.network, used, free or "none")
    parts = _table("", "component", "version", "")
    for part in cluster.components:
        parts.add_row(part.name, part.version, part.problem or "ready")
    services = _table("", "service", "address", "ports")
    for service in cluster.services:
        services.add_row(service.name, service.address, service.ports)
    for table in (ranges, parts, services):
        if table.row_count:
            console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table

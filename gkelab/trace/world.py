"""Who there is that a packet can be from or for, out of objects as Kubernetes and the router's
fabric have them: pure, data in and data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from gkelab.cloud.router.fabric import Fabric

Object = Mapping[str, Any]

NODE_LABEL, CLUSTER_LABEL = "goog-gke-node", "goog-k8s-cluster-name"
SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Machine:
    """A node, a VM or the client: a container with an address of its own. `public` is what the
    internet knows it by, `cluster` that of a node; both "" elsewhere."""

    kind: str
    name: str
    container: str
    address: str
    aliases: tuple[IPv4Network, ...] = ()
    public: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod with an address: its node's where it is in the node's network (`of_node`). `ports`
    are those that it declares, as (protocol, number)."""

    cluster: str
    namespace: str
    name: str
    address: str
    node: str
    of_node: bool = False
    ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Service:
    """A Service: its ports as (protocol, number), its ready backends' addresses and ports."""

    cluster: str
    namespace: str
    name: str
    address: str
    external: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    backends: tuple[str, ...] = ()
    backend_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class World:
    """All of them. `silent` are clusters that were asked in vain, so that their pods and Services
    are not known, `stopped` instances that do not run."""

    machines: tuple[Machine, ...] = ()
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    clusters: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()

    def machine(self, container: str) -> Machine | None:
        """The machine that a container is."""
        return next((m for m in self.machines if m.container == container), None)


def machines(fabric: Fabric, state: Object, vm_container: Mapping[str, str]) -> Iterator[Machine]:
    """The instances that run, those whose name is another's too as NAME.ZONE; `vm_container` names
    the containers of those that are no nodes, by their links from zones/ on."""
    bodies = state.get("resources", {}).get("instances", ())
    labels = {
        f"{body['zone'].rpartition('/')[2]}/instances/{body['name']}": body.get("labels") or {}
        for body in bodies
    }
    count = Counter(nic.instance for nic in fabric.nics)
    for nic in fabric.nics:
        link = f"{nic.zone}/instances/{nic.instance}"
        own = labels.get(link, {})
        node = NODE_LABEL in own
        yield Machine(
            kind="node" if node else "vm",
            name=nic.instance if count[nic.instance] == 1 else f"{nic.instance}.{nic.zone}",
            container=nic.instance if node else vm_container.get(f"zones/{link}", ""),
            address=str(nic.address),
            aliases=() if node else nic.aliases,
            public=str(nic.nat_ip or ""),
            cluster=own.get(CLUSTER_LABEL, ""),
        )


def pods(cluster: str, objects: Iterable[Object]) -> Iterator[Pod]:
    """The pods that have an address and have not ended."""
    for item in objects:
        spec, status = item.get("spec", {}), item.get("status", {})
        ended = status.get("phase") in ("Succeeded", "Failed")
        if item["kind"] != "Pod" or ended or not status.get("podIP"):
            continue
        yield Pod(
            cluster=cluster,
            namespace=item["metadata"]["namespace"],
            name=item["metadata"]["name"],
            address=status["podIP"],
            node=spec.get("nodeName", ""),
            of_node=bool(spec.get("hostNetwork")),
            ports=tuple(
                (port.get("protocol", "TCP").lower(), port["containerPort"])
                for container in spec.get("containers", ())
                for port in container.get("ports", ())
            ),
        )


def services(cluster: str, objects: Iterable[Object]) -> Iterator[Service]:
    """The Services, with what their EndpointSlices say."""
    listed = list(objects)
    slices = [item for item in listed if item["kind"] == "EndpointSlice"]
    for item in listed:
        if item["kind"] != "Service":
            continue
        meta, spec = item["metadata"], item["spec"]
        own = [
            one
            for one in slices
            if one["metadata"]["namespace"] == meta["namespace"]
            and one["metadata"].get("labels", {}).get(SERVICE_LABEL) == meta["name"]
        ]
        given = item.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        yield Service(
            cluster=cluster,
            namespace=meta["namespace"],
            name=meta["name"],
            address=spec.get("clusterIP", ""),
            external=tuple(entry["ip"] for entry in given if entry.get("ip")),
            ports=tuple(
                (p.get("protocol", "TCP").lower(), p["port"]) for p in spec.get("ports", ())
            ),
            backends=tuple(sorted(_ready(own))),
            backend_ports=tuple(
                sorted({p["port"] for one in own for p in one.get("ports") or () if p.get("port")})
            ),
        )


def _ready(slices: Iterable[Object]) -> set[str]:
    found = set()
    for item in slices:
        if item.get("addressType", "IPv4") != "IPv4":
            continue
        for endpoint in item.get("endpoints") or ():
            # No word of it means yes (discovery.k8s.io/v1, EndpointConditions).
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found |= set(endpoint["addresses"])
    return found


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True

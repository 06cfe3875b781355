"""From the words of a person to the two ends of a probe: pure, over what there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from gkelab.errors import LabError
from gkelab.trace.world import Machine, Pod, Service, World, is_address

# What may stand in front of a name, and the kind that it means.
PREFIXES = {"pod": "pod", "svc": "service", "service": "service", "node": "node", "vm": "vm"}
HOW = (
    "name a pod or a Service (NAMESPACE/NAME), a node, a VM, client, or an address; "
    "pod/, svc/, node/ or vm/ in front of it says which is meant"
)


@dataclass(frozen=True)
class End:
    """One end of a probe. `kind` is pod, node, vm, client, service or address (of nobody);
    `machine` the container that it is or, of a pod, that it is on ("" for an address), `pod` the
    address of a pod that has a network of its own. A Service has `backends`, and its nodes are
    those of its cluster."""

    kind: str
    name: str
    address: str
    machine: str = ""
    pod: str = ""
    cluster: str = ""
    ports: tuple[tuple[str, int], ...] = ()
    backends: tuple[End, ...] = ()
    backend_ports: tuple[int, ...] = ()

    @property
    def spelled(self) -> str:
        """A name that means this one and, within a cluster, no other."""
        short = {"service": "svc"}.get(self.kind, self.kind)
        return self.name if self.kind in ("client", "address") else f"{short}/{self.name}"


def source(text: str, world: World) -> End:
    """Who sends. LabError for one that is not there, is not clear, or sends nothing."""
    found = _one(text, world, "")
    if found.kind in ("service", "address"):
        what = "a Service" if found.kind == "service" else "nobody's address"
        raise LabError(
            f"{text} is {what}, which sends nothing", "name a pod, a node, a VM or client"
        )
    return found


def destination(text: str, world: World, sender: End) -> End:
    """Whom it is sent to, at the address that the sender would take: a Service's ClusterIP within
    its cluster, its load balancer's from elsewhere; from the internet, a machine's public one.

    LabError for one that is not there or is not clear.
    """
    found = _one(text, world, sender.cluster)
    if is_address(text):
        return replace(found, address=text)
    if found.kind == "service":
        return _at_service(found, world, sender)
    machine = world.machine(found.machine)
    if sender.kind == "client" and machine and machine.public and not found.pod:
        return replace(found, address=machine.public)
    return found


def port(target: End, protocol: str, asked: int | None) -> int:
    """The port: what was asked for, else the first that the target declares for the protocol,
    else 80. 0 for what has none. LabError where it is no port."""
    if protocol == "icmp":
        if asked is not None:
            raise LabError("ICMP has no ports", "leave --port out")
        return 0
    if asked is None:
        return next((number for name, number in target.ports if name == protocol), 80)
    if not 1 <= asked <= 65535:
        raise LabError(f"{asked} is no port", "give one of 1 to 65535")
    return asked


def _at_service(found: End, world: World, sender: End) -> End:
    namespace, _, name = found.name.rpartition("/")
    service = next(
        s
        for s in world.services
        if (s.cluster, s.namespace, s.name) == (found.cluster, namespace, name)
    )
    near = sender.cluster == found.cluster and is_address(service.address)
    address = service.address if near else next(iter(service.external), service.address)
    if not is_address(address):
        raise LabError(f"The Service {found.name} has no address", "trace to one of its pods")
    return replace(found, address=address)


def _one(text: str, world: World, near: str) -> End:
    cluster, colon, rest = text.partition(":")
    if colon and cluster in world.clusters:
        found = [end for end in _named(rest, world) if end.cluster == cluster]
    else:
        found = list(_named(text, world))
    # What a pod is called does not take the client's name from it.
    found = [end for end in found if end.kind == text == "client"] or found
    # In a cluster, a Service's name means the cluster's own.
    own = [end for end in found if near and end.kind == "service" and end.cluster == near]
    if len(found) > 1 and len(own) == 1 and all(end.kind == "service" for end in found):
        found = own
    if len(found) == 1:
        return found[0]
    if found:
        several = len({end.cluster for end in found}) > 1
        names = (f"{e.cluster}:{e.spelled}" if several and e.cluster else e.spelled for e in found)
        raise LabError(f"{text} may be {' or '.join(sorted(names))}", "say which of them")
    if text.rpartition("/")[2] in world.stopped:
        raise LabError(f"{text} does not run", "start it: invoke gcloud -- compute instances start")
    silent = "".join(f"; the API server of {c} does not answer" for c in world.silent)
    raise LabError(f"There is nothing named {text} in the lab{silent}", HOW)


def _named(text: str, world: World) -> Iterator[End]:
    if is_address(text):
        yield _owner(text, world)
        return
    kind, namespace, name = _parsed(text)
    if kind in ("", "pod"):
        yield from (
            _pod(pod) for pod in world.pods if pod.name == name and namespace in ("", pod.namespace)
        )
    if kind in ("", "service"):
        yield from (
            _service(one, world)
            for one in world.services
            if one.name == name and namespace in ("", one.namespace)
        )
    if kind in ("", "node", "vm") and not namespace:
        yield from (
            _machine(one)
            for one in world.machines
            # Of two of one name each has its zone behind it.
            if name in (one.name, one.name.partition(".")[0]) and kind in ("", one.kind)
        )


def _parsed(text: str) -> tuple[str, str, str]:
    """Kind ("": any), namespace ("": any) and name."""
    words = text.split("/")
    kind = ""
    if len(words) > 1 and words[0] in PREFIXES:
        kind, words = PREFIXES[words[0]], words[1:]
    labels = words[0].split(".")
    if len(words) == 1 and len(labels) > 2 and labels[2] == "svc":
        return "service", labels[1], labels[0]
    if len(words) == 1 and kind == "service" and len(labels) == 2:
        return kind, labels[1], labels[0]
    if len(words) > 2 or not all(words):
        raise LabError(f"{text} is no name", HOW)
    return kind, words[0] if len(words) == 2 else "", words[-1]


def _owner(text: str, world: World) -> End:
    """Whose address it is."""
    for machine in world.machines:
        if text in (machine.address, machine.public):
            return _machine(machine)
    for pod in world.pods:
        if pod.address == text:
            return _pod(pod)
    for service in world.services:
        if text in (service.address, *service.external):
            return _service(service, world)
    for machine in world.machines:
        if any(IPv4Address(text) in alias for alias in machine.aliases):
            return _machine(machine)
    return End("address", text, text)


def _machine(one: Machine) -> End:
    return End(one.kind, one.name, one.address, one.container, cluster=one.cluster)


def _pod(pod: Pod) -> End:
    name = f"{pod.namespace}/{pod.name}"
    own = "" if pod.of_node else pod.address
    return End("pod", name, pod.address, pod.node, own, pod.cluster, pod.ports)


def _service(service: Service, world: World) -> End:
    pods = {pod.address: pod for pod in world.pods if pod.cluster == service.cluster}
    return End(
        kind="service",
        name=f"{service.namespace}/{service.name}",
        address=service.address,
        cluster=service.cluster,
        ports=service.ports,
        backends=tuple(_pod(pods[a]) if a in pods else _owner(a, world) for a in service.backends),
        backend_ports=service.backend_ports,
    )

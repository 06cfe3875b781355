"""What the tables of policies stand on: their pods, and policies that are gone after each case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from gkelab.lab import manifest
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster, Node, Vm
from tests.support.firewalls import admitted
from tests.support.netpol import Enforcer
from tests.support.probes import ContainerPlace, Probe
from tests.support.reach import Reach, Target
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS

LINE = 9000  # where the workload's line server listens
HOST_PORTS = (18080, 18081)  # where those of blocks.yaml listen that are in the host's network


@pytest.fixture(scope="module")
def values(spaces: Spaces, cluster: Cluster, vm: Vm) -> Mapping[str, str]:
    """What a policy's Refs stand for: "x" is a namespace, "x/a/32" a pod, "far/32" the second
    worker; "client/32", "client/25" and "client/24" have a VM of the VPC in them, "others/25"
    is the other half of the last."""
    found = {name: space.name for name, space in spaces.by_name.items()}
    found |= {f"{name}/32": f"{pod.ip}/32" for name, pod in spaces.pods().items()}
    found["far/32"] = f"{cluster.workers[:2][-1].address}/32"
    blocks = {size: IPv4Network((int(vm.address), size), strict=False) for size in (24, 25, 32)}
    found |= {f"client/{size}": str(network) for size, network in blocks.items()}
    others = (half for half in blocks[24].subnets() if half != blocks[25])
    return found | {"others/25": str(next(others))}


@pytest.fixture(scope="module")
def enforcer(kubectl: Kubectl, values: Mapping[str, str]) -> Enforcer:
    """Applies policies to the file's namespaces."""
    return Enforcer(kubectl, values)


@pytest.fixture(scope="module")
def pods_reach(spaces: Spaces) -> Iterator[Reach]:
    """Every pod to every pod, by TCP."""
    reach = Reach()
    for name, pod in spaces.pods().items():
        space = spaces.by_name[name.partition("/")[0]].name
        reach.source(name, spaces.place(name), {pod.ip})
        probe = Probe("tcp", pod.ip, LINE, timeout=TIMEOUTS.short)
        reach.targets[name] = Target(probe, pod.name, space)
        reach.own.add((name, name))
    yield reach
    reach.close()


def probe(address: str, number: int) -> Probe:
    """A request to a workload's HTTP server."""
    return Probe("http", address, number, timeout=TIMEOUTS.short)


@pytest.fixture(scope="module")
def outside_reach(
    two_workers: tuple[Node, Node], spaces: Spaces, machine: ContainerPlace, vm: Vm
) -> Iterator[Reach]:
    """Pods to each other, to nodes ("near:18080"), to a VM ("client:80") and to the DNS; nodes and
    the VM to the pods; the VM through the load balancer ("balancer")."""
    found = Reach()
    pods = spaces.pods()
    lab, cluster = spaces.by_name["x"].lab, spaces.by_name["x"].cluster
    nodes = {node.name: str(node.address) for node in cluster.nodes}
    outside = str(vm.address)
    node_side = manifest("cilium/values.yaml")["extraConfig"]["local-router-ipv4"]
    for name in ("x/a", "y/a"):
        pod = pods[name]
        found.source(name, spaces.place(name), {pod.ip})
        target = Target(probe(pod.ip, 8080), "a", spaces.by_name[name[0]].name)
        found.targets[name] = target
        found.own.add((name, name))
    for name in ("near", "far"):
        pod = pods[f"z/{name}"]
        # A node's own pods see it by its address in their network.
        found.source(name, spaces.place(f"z/{name}"), {nodes[pod.node], node_side})
        for number in HOST_PORTS:
            target = Target(probe(nodes[pod.node], number), name, spaces.by_name["z"].name)
            found.targets[f"{name}:{number}"] = target
    found.source("client", machine, {outside})
    for number in (80, 8080):
        found.targets[f"client:{number}"] = Target(probe(outside, number), vm.name)
    address = spaces.by_name["x"].address("outside")
    found.targets["balancer"] = Target(probe(address, 80), "a", spaces.by_name["x"].name)
    server = spaces.by_name["x"].kubectl.get("service", "kube-dns", "kube-system")
    assert server is not None
    question = Probe("dns", name="kubernetes.default.svc.cluster.local", timeout=TIMEOUTS.short)
    found.targets["dns"] = Target(replace(question, server=server["spec"]["clusterIP"]))
    hosts = ("near", "far", "client")
    found.skipped |= {(host, f"{other}:*") for host in hosts for other in hosts}
    found.skipped |= {(host, "dns") for host in hosts}
    found.skipped |= {(name, "balancer") for name in ("x/a", "y/a", "near", "far")}
    # What the firewall rules of a default network do not admit.
    with admitted(lab, (pods[name] for name in ("x/a", "y/a"))):
        yield found
    found.close()

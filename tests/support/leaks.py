"""What pods leave behind on a node: things counted before and after they came and went.

Connection tracking is left out: its entries come with every packet and go by timers of minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from gkelab.lab import Lab
from gkelab.topology import Cluster

Counts = Mapping[str, int]


def entries(text: str) -> int:
    """The entries of a JSON list or object; an empty one may be no text at all."""
    return len(json.loads(text)) if text.strip() else 0


def lines(text: str) -> int:
    """Lines that are no comment."""
    return sum(bool(line.strip()) and not line.startswith("#") for line in text.splitlines())


def shims(text: str) -> int:
    """The containerd-shims of a list of processes: one a pod."""
    return sum(line.strip().startswith("containerd-shim") for line in text.splitlines())


Counter = tuple[list[str], Callable[[str], int]]
ON_NODE: dict[str, Counter] = {
    "interfaces": (["ip", "-json", "link", "show"], entries),
    "routes": (["ip", "-json", "-4", "route", "show", "table", "all"], entries),
    "iptables rules": (["iptables-save"], lines),
    "nft lines": (["nft", "list", "ruleset"], lines),
    "network namespaces": (["ls", "-1", "/var/run/netns"], lines),
    "containers": (["ctr", "--namespace", "k8s.io", "containers", "list", "--quiet"], lines),
    "tasks": (["ctr", "--namespace", "k8s.io", "tasks", "list", "--quiet"], lines),
    "shims": (["ps", "-e", "-o", "comm="], shims),
}
IN_AGENT: dict[str, Counter] = {
    "Cilium endpoints": (["cilium-dbg", "endpoint", "list", "--output=json"], entries),
    "BPF endpoints": (["cilium-dbg", "bpf", "endpoint", "list", "--output=json"], entries),
    "BPF ipcache": (["cilium-dbg", "bpf", "ipcache", "list", "--output=json"], entries),
    "BPF services": (["cilium-dbg", "bpf", "lb", "list", "--output=json"], entries),
    "BPF pins": (["find", "/sys/fs/bpf", "-type", "f"], lines),
    "endpoint states": (["ls", "-1", "/var/run/cilium/state"], lines),
}
# What one more pod on a node adds to: if it did not, counting would show nothing. Not containers,
# as kubelet may remove dead ones of before meanwhile: tasks are those that run.
A_POD_ADDS = (
    *("interfaces", "routes", "network namespaces", "tasks", "shims"),
    *("Cilium endpoints", "BPF endpoints", "BPF ipcache", "endpoint states"),
    "CiliumEndpoints",
)


def count(lab: Lab, cluster: Cluster) -> dict[str, int]:
    """Everything, as "node: what"; what is the cluster's has no node."""
    kubectl = lab.kubectl(cluster.name)
    found = {"CiliumEndpoints": len(kubectl.list("ciliumendpoints.cilium.io"))}
    agents = {
        pod["spec"]["nodeName"]: pod["metadata"]["name"]
        for pod in kubectl.list("pods", "kube-system", "k8s-app=cilium")
    }
    for node in (worker.name for worker in cluster.workers):
        for what, (argv, counted) in ON_NODE.items():
            found[f"{node}: {what}"] = counted(lab.docker.exec(node, argv).stdout)
        for what, (argv, counted) in IN_AGENT.items():
            said = kubectl.exec("kube-system", agents[node], argv, container="cilium-agent")
            found[f"{node}: {what}"] = counted(said.stdout)
    return found


def totals(counts: Counts) -> dict[str, int]:
    """The sums over all nodes, by what."""
    sums: dict[str, int] = {}
    for name, number in counts.items():
        what = name.rpartition(": ")[2]
        sums[what] = sums.get(what, 0) + number
    return sums


def growth(before: Counts, after: Counts) -> list[str]:
    """What there is more of, a phrase each."""
    return [
        f"{name} {before.get(name, 0)} to {number}"
        for name, number in after.items()
        if number > before.get(name, 0)
    ]

"""What the clusters' nodes know of subnets, and of routes, that came after they booted: a way by
the router, and that pods keep their addresses there. (A VM's way anywhere is the router, and so
needs no news.)

A node's way out of the machine is docker's bridge, and not the router: a registry or a proxy may
be at any private address outside of the lab. So each range is told one by one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import yaml

from gkelab.cloud.machines.network import DEVICE, route_words
from gkelab.cloud.machines.plan import Seen
from gkelab.cloud.machines.wanted import SubnetNetwork
from gkelab.cloud.mirror import Body
from gkelab.errors import LabError
from gkelab.tools.docker import Docker
from gkelab.tools.iproute import LAST_METRIC, PROTOCOL

_LOG = logging.getLogger("gkelab.cloud.machines")
ASK = ("ip", "-json", "-4", "route", "show", "proto", PROTOCOL)
# kind's labels.
KIND_ROLE, KIND_CLUSTER = "io.x-k8s.kind.role", "io.x-k8s.kind.cluster"
KUBECTL = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace=kube-system")
# Where GKE's ip-masq-agent reads which destinations see a pod's own address; and on it, which of
# these are of here.
CONFIG_MAP, OURS = "ip-masq-agent", "gkelab/subnets"
GET = (*KUBECTL, "get", "configmap", CONFIG_MAP, "--output=json")
AGENTS = "--selector=k8s-app=cilium"
LIMIT = 20.0  # for one answer of a cluster, in seconds
_KEY = "nonMasqueradeCIDRs"


def wanted_ways(ranges: Iterable[IPv4Network], gateway: IPv4Address) -> frozenset[str]:
    """A node's routes to these ranges, in the words of `ip route`: by the router, and under these
    nowhere."""
    return frozenset(
        words
        for network in ranges
        for words in (
            f"{network} via {gateway} dev {DEVICE}",
            f"unreachable {network} metric {LAST_METRIC}",
        )
    )


def parse_ways(text: str) -> frozenset[str]:
    """The answer to ASK."""
    return frozenset(route_words(raw) for raw in json.loads(text or "[]"))


def change_ways(there: frozenset[str], wanted: frozenset[str]) -> str:
    """What makes one the other, for `ip -batch`; "" when nothing has to be done. Nowhere comes
    first and goes last, so that no packet leaves by another way in between."""
    new = sorted(wanted - there, key=lambda words: ("via" in words, words))
    gone = sorted(there - wanted, key=lambda words: ("via" not in words, words))
    lines = [f"route replace {words} proto {PROTOCOL}" for words in new]
    lines += [f"route delete {words} proto {PROTOCOL}" for words in gone]
    return "".join(f"{line}\n" for line in lines)


def change_config(config_map: Body, ranges: Collection[IPv4Network]) -> Body | None:
    """The merge patch of the ConfigMap with which pods keep their addresses towards these ranges;
    what others wrote into it stays. None where it is right."""
    before = (config_map["metadata"].get("annotations") or {}).get(OURS, "")
    text = config_map.get("data", {}).get("config", "")
    config = yaml.safe_load(text) or {}
    listed = [str(one) for one in config.get(_KEY) or []]
    ours = sorted(str(network) for network in ranges)
    kept = [one for one in listed if one not in before.split(",")]
    added = [one for one in ours if one not in kept]
    now = ",".join(added)
    if (before, listed) == (now, [*kept, *added]):
        return None
    said = json.dumps({**config, _KEY: [*kept, *added]})
    return {"metadata": {"annotations": {OURS: now}}, "data": {"config": said}}


@dataclass
class Ways:
    """Tells running nodes. `known` are the ranges that each has been told of, by its life, and
    `clusters` those that each cluster's pods have, by its control plane's life."""

    docker: Docker
    known: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    clusters: dict[tuple[str, str], frozenset[IPv4Network]] = field(default_factory=dict)

    def forget(self) -> None:
        """Look again into those that were told of something."""
        self.known = {life: ways for life, ways in self.known.items() if not ways}
        self.clusters = {life: known for life, known in self.clusters.items() if not known}

    def tell(
        self, nodes: Mapping[Seen, SubnetNetwork], ranges: Collection[IPv4Network]
    ) -> list[str]:
        """Have all nodes know just these ranges; what could not be done, a sentence each."""
        lives = {node.life for node in nodes}
        self.known = {life: ways for life, ways in self.known.items() if life in lives}
        self.clusters = {life: known for life, known in self.clusters.items() if life in lives}
        problems = []
        for node, network in nodes.items():
            try:
                self._node(node, wanted_ways(ranges, network.gateway))
                if node.labels.get(KIND_ROLE) == "control-plane":
                    self._cluster(node, frozenset(ranges))
            except (LabError, ValueError, KeyError, AttributeError, yaml.YAMLError) as error:
                why = error.message if isinstance(error, LabError) else str(error)
                problems.append(f"{node.name} does not know the subnets made later: {why}")
        return problems

    def _node(self, node: Seen, wanted: frozenset[str]) -> None:
        if self.known.get(node.life) == wanted:
            return
        there = parse_ways(self.docker.exec(node.id, ASK).stdout)
        if lines := change_ways(there, wanted):
            _LOG.info("%s: %s", node.name, "; ".join(lines.splitlines()))
            self.docker.exec(node.id, ["ip", "-batch", "-"], input=lines)
        self.known[node.life] = wanted

    def _cluster(self, node: Seen, ranges: frozenset[IPv4Network]) -> None:
        # A cluster in the making has nothing to be asked, and nothing of here.
        if self.clusters.get(node.life, frozenset()) == ranges:
            return
        patch = change_config(
            json.loads(self.docker.exec(node.id, GET, timeout=LIMIT).stdout), ranges
        )
        if patch:
            _LOG.info("%s: %s", node.labels.get(KIND_CLUSTER), patch["data"]["config"])
            words = ["patch", "configmap", CONFIG_MAP, "--type=merge"]
            words.append(f"--patch={json.dumps(patch)}")
            self.docker.exec(node.id, [*KUBECTL, *words], timeout=LIMIT)
            # kubelet takes a minute to hand on a ConfigMap, unless its pods change as well.
            said = f"{OURS}={patch['metadata']['annotations'][OURS]}"
            words = ["annotate", "--overwrite", "pods", AGENTS, said]
            self.docker.exec(node.id, [*KUBECTL, *words], timeout=LIMIT)
        self.clusters[node.life] = ranges

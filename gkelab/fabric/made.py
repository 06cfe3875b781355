"""What the bench makes in a lab, as plain words: rules, alias ranges, containers, routes. Pure.

All of it is known by its name, by which a bench removes also what a killed one has left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from gkelab.cloud.resources import node_tag
from gkelab.errors import LabError
from gkelab.topology import Cluster, Node, ResolvedTopology

Body = dict[str, Any]

PREFIX = "gkelab-bench-"
ALIASES_EACH = 100  # of an instance's interface, Compute's limit
# Datagrams' ports: of the flow that writes deny and admit, of one that is denied, of one allowed.
TOGGLED, DENIED, ALLOWED = 9101, 9102, 9103
TOGGLE, DENY = f"{PREFIX}toggle", f"{PREFIX}deny"
# Of RFC 2544's range, beside the labs' internets: nobody sends from there.
SOURCES = IPv4Network("198.19.0.0/16")
ROLE = "bench"


def rules(plan: ResolvedTopology, cluster: Cluster, count: int) -> list[Body]:
    """Firewall rules for the cluster's nodes that are asked before those which let pods through,
    each with a source and a port of its own that nobody has."""
    return [
        {
            **_rule(plan, cluster, f"{PREFIX}{index:04}", 900),
            "sourceRanges": [f"{SOURCES[index]}/32"],
            "allowed": [{"IPProtocol": "tcp", "ports": [str(10_000 + index)]}],
        }
        for index in range(count)
    ]


def denials(plan: ResolvedTopology, cluster: Cluster) -> list[Body]:
    """The rule that is switched on and off, and the one that stays."""
    return [
        {
            **_rule(plan, cluster, name, 10),
            "sourceRanges": [str(cluster.pod_range)],
            "denied": [{"IPProtocol": "udp", "ports": [str(port)]}],
            "disabled": disabled,
        }
        for name, port, disabled in ((TOGGLE, TOGGLED, True), (DENY, DENIED, False))
    ]


def aliases(cluster: Cluster, zone: str, count: int) -> list[Body]:
    """Instances with so many alias ranges of one address each, from the top of the pods' range,
    which nodes take from the bottom. They are labelled as nodes, as which nobody starts a VM for
    them, and of no cluster. LabError where nodes may have that part of the range."""
    block = 1 << (32 - cluster.node_mask)
    if cluster.pod_range.num_addresses < count + len(cluster.nodes) * block:
        raise LabError(
            f"The pod range {cluster.pod_range} of cluster {cluster.name} has no room for {count}"
            " alias ranges beside its nodes'",
            "declare a larger one",
        )
    addresses = [cluster.pod_range[-1 - index] for index in range(count)]
    return [
        _instance(cluster, zone, first // ALIASES_EACH, addresses[first : first + ALIASES_EACH])
        for first in range(0, count, ALIASES_EACH)
    ]


def _instance(cluster: Cluster, zone: str, index: int, addresses: list[IPv4Address]) -> Body:
    own = [
        {"ipCidrRange": f"{address}/32", "subnetworkRangeName": cluster.pod_range_name}
        for address in addresses
    ]
    subnet = f"regions/{cluster.region}/subnetworks/{cluster.subnet.name}"
    return {
        "name": f"{PREFIX}{index:02}",
        "machineType": f"zones/{zone}/machineTypes/e2-small",
        "labels": {"goog-gke-node": ""},
        "networkInterfaces": [{"subnetwork": subnet, "aliasIpRanges": own}],
    }


def _rule(plan: ResolvedTopology, cluster: Cluster, name: str, priority: int) -> Body:
    return {
        "name": name,
        "network": f"global/networks/{plan.network}",
        "direction": "INGRESS",
        "priority": priority,
        "targetTags": [node_tag(plan, cluster)],
    }


def container_argv(
    name: str, network: str, address: IPv4Address, image: str, labels: Mapping[str, str]
) -> list[str]:
    """The command that starts a plain container on a subnet's bridge: both ends of the same."""
    return [
        *("docker", "run", "--detach", f"--name={name}", f"--network={network}", f"--ip={address}"),
        *(f"--label={key}={value}" for key, value in labels.items()),
        *("--init", "--entrypoint=/usr/local/bin/fabric", image, "serve"),
    ]


def direct_routes(
    one: Node, other: Node, pods: Mapping[str, str], verb: str
) -> Iterator[tuple[str, list[str]]]:
    """For each of two nodes, the words of `ip` that make (replace) or undo (delete) its own way to
    the other's pods, past the router. `pods` are podCIDRs by node."""
    for here, there in ((one, other), (other, one)):
        way = [pods[there.name], "via", str(there.address), "dev", "eth0", "onlink"]
        yield here.name, ["ip", "route", verb, *way]


def metadata(current: Body, key: str, value: str | None) -> Body:
    """An instance's metadata with a key's value, or (None) without that key."""
    items = [item for item in current.get("items", []) if item["key"] != key]
    items += [{"key": key, "value": value}] if value is not None else []
    return {"items": items, "fingerprint": current["fingerprint"]}


def placed(objects: list[Body], client: str, server: str) -> list[Body]:
    """The stage's objects, the client's and the server's pods on these nodes."""
    places = {"client": client, "server": server}
    for item in objects:
        if item["kind"] == "Pod":
            item["spec"]["nodeName"] = places[item["metadata"]["name"]]
    return objects

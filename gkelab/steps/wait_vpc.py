"""Waits until the VPC is real: what Kubernetes gave to nodes and Services the cloud has, and what
the cloud has is in the packets' way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.containers import told
from gkelab.graph import CACHED
from gkelab.lab import NAMESPACES, Lab
from gkelab.tools.kubectl import Object
from gkelab.topology import ResolvedTopology
from gkelab.wait import until

KINDS = "nodes,services"
# The containers that tell how they are, by role.
TELLING = ("router", "machines", "controllers")

Told = Mapping[str, Mapping[str, Any]]


def wait_vpc(lab: Lab) -> str:
    """Wait for it, once the clusters are ready. Raises WaitError naming what is not real."""
    began = time.monotonic()
    place = recorded(lab.cloud_file)
    cloud = RestCloud(place.endpoint, place.project)
    limit = lab.timeouts.kubectl
    objects = [
        item
        for cluster in lab.plan.clusters
        for item in lab.kubectl(cluster.name).list(KINDS, timeout=limit)
    ]
    until(
        lambda: missing(
            lab.plan, objects, cloud.state(), {role: told(lab, role) for role in TELLING}
        ),
        lambda seen: not seen,
        what=f"the VPC of lab {lab.name} is real",
        timeout=lab.timeouts.vpc,
        interval=0.3,
        describe="; ".join,
        tolerant=True,
    )
    return "" if time.monotonic() - began > 1 else CACHED


def missing(
    plan: ResolvedTopology, objects: Sequence[Object], state: Mapping[str, Any], told: Told
) -> list[str]:
    """What is not real yet, each a short sentence: of nodes and Services as Kubernetes has them,
    the cloud's state, and what the containers tell. What a person made beside is not looked at."""
    wrong = [*_aliases(plan, objects, state), *_balancers(objects, state)]
    wrong += _machines(plan, told["machines"])
    applied = told["router"].get("generation")
    if applied != state["generation"]:
        wrong.append(f"the router has applied generation {applied} of {state['generation']}")
    clusters = told["controllers"].get("clusters", {})
    for cluster in plan.clusters:
        if not clusters.get(cluster.name, {}).get("synced"):
            wrong.append(f"the controllers have not seen all of cluster {cluster.name}")
    return wrong


def _aliases(
    plan: ResolvedTopology, objects: Sequence[Object], state: Mapping[str, Any]
) -> Iterator[str]:
    instances = {item["name"]: item for item in state["resources"].get("instances", [])}
    pod_cidrs = {
        item["metadata"]["name"]: item["spec"].get("podCIDR", "")
        for item in objects
        if item["kind"] == "Node"
    }
    for node in plan.nodes:
        nics = instances.get(node.name, {}).get("networkInterfaces", [])
        held = [alias["ipCidrRange"] for nic in nics for alias in nic.get("aliasIpRanges", [])]
        cidr = pod_cidrs.get(node.name, "")
        if cidr not in held:
            yield f"instance {node.name} has not the alias range {cidr or '(no podCIDR yet)'}"


def _balancers(objects: Sequence[Object], state: Mapping[str, Any]) -> Iterator[str]:
    admitted = {
        network.removesuffix("/32")
        for rule in state["resources"].get("firewalls", [])
        for network in rule.get("destinationRanges", [])
    }
    for item in objects:
        if item["kind"] != "Service" or item["metadata"]["namespace"] not in NAMESPACES:
            continue
        for given in item.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            if given.get("ip", "") not in admitted:
                yield f"no firewall rule admits anybody to {given.get('ip')}, which is Service" + (
                    f" {item['metadata']['namespace']}/{item['metadata']['name']}"
                )


def _machines(plan: ResolvedTopology, told: Mapping[str, Any]) -> Iterator[str]:
    machines, isolated = told.get("machines", {}), told.get("isolated", {})
    containers = [node.name for node in plan.nodes]
    for vm in plan.vms:
        seen = machines.get(f"zones/{vm.zone}/instances/{vm.name}", {})
        if seen.get("state") != "running":
            yield f"VM {vm.name} is {seen.get('state', 'not there')}"
        else:
            containers.append(seen["container"])
    yield from (f"{name} is not kept apart" for name in containers if name not in isolated)

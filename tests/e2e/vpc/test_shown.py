"""`invoke vpc.show` and `invoke diagram`: what a person sees is what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support.invoke import invoke
from tests.support.vpc.made import VM, Made


@pytest.fixture(scope="module")
def vm(made: Made) -> VM:
    """A VM that no topology declares."""
    return made.vm("shown", aliases=[{"ipCidrRange": "/32"}])


def network(lab: Lab) -> dict[str, Any]:
    """The lab's network as `vpc.show` tells of it."""
    told = json.loads(invoke("vpc.show", f"--lab={lab.name}", "--json").stdout)
    (found,) = (one for one in told["networks"] if one["name"] == lab.plan.network)
    return dict(found)


def test_its_machines_are_shown(lab: Lab, made: Made, vm: VM) -> None:
    """Nodes with their parts of the pods' range, VMs with their aliases; not what is gone."""
    shown = {one["name"]: one for one in network(lab)["instances"]}
    for cluster in lab.plan.clusters:
        nodes = lab.kubectl(cluster.name).list("nodes")
        parts = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in nodes}
        for node in cluster.nodes:
            one = shown[node.name]
            assert one["address"] == str(node.address)
            assert [alias["network"] for alias in one["alias_ranges"]] == [parts[node.name]]
    assert shown[vm.name]["address"] == vm.address
    assert [a["network"] for a in shown[vm.name]["alias_ranges"]] == [f"{vm.aliases[0]}/32"]
    gone = made.vm("gone", wait=False)
    assert gone.name in {one["name"] for one in network(lab)["instances"]}
    made.delete("instances", f"zones/{gone.zone}", gone.name)
    assert gone.name not in {one["name"] for one in network(lab)["instances"]}


def test_ranges_and_their_use_are_shown(lab: Lab, cluster: Cluster, vm: VM) -> None:
    """Of each subnet; as many blocks of the pods' range are given out as there are nodes."""
    shown = {one["name"]: one for one in network(lab)["subnets"]}
    for subnet in lab.plan.subnets:
        primary, *secondary = shown[subnet.name]["ranges"]
        assert primary["network"] == str(subnet.primary)
        ranges = {one["name"]: one for one in secondary}
        for name, found in subnet.secondary_ranges.items():  # tests may have added others
            assert ranges[name]["network"] == str(found)
        if subnet == cluster.subnet:
            (pods,) = (o for o in secondary if o["network"] == str(cluster.pod_range))
            assert pods["alias_ranges"] == len(cluster.nodes)


def test_rules_are_shown_in_their_order(lab: Lab, vm: VM) -> None:
    """Those that decide first, first."""
    rules = network(lab)["rules"]
    for direction in ("INGRESS", "EGRESS"):
        order = [one["priority"] for one in rules if one["direction"] == direction]
        assert order == sorted(order)
    assert {rule.name for rule in lab.plan.firewalls} <= {one["name"] for one in rules}


def test_a_person_reads_it(lab: Lab, vm: VM) -> None:
    """The same as a table."""
    said = invoke("vpc.show", f"--lab={lab.name}", COLUMNS="200").stdout
    for word in (vm.name, vm.address, *(str(subnet.primary) for subnet in lab.plan.subnets)):
        assert word in said


def test_it_is_drawn(lab: Lab, cluster: Cluster, vm: VM, tmp_path: Path) -> None:
    """As mermaid and as SVG, which is XML; both with the machines and the ranges."""
    invoke("diagram", f"--lab={lab.name}", f"--output={tmp_path}")
    mermaid = (tmp_path / "diagram.mmd").read_text()
    svg = (tmp_path / "diagram.svg").read_text()
    ElementTree.fromstring(svg)
    wanted = [vm.name, vm.address, str(cluster.pod_range), str(cluster.subnet.primary)]
    wanted += [word for node in cluster.nodes for word in (node.name, str(node.address))]
    for word in wanted:
        assert word in mermaid, word
        assert word in svg, word

"""Pods' ranges and nodes' ranges are separate to firewall rules, though a node's instance has
both: a rule that admits a VM to pods and not to nodes, and the reverse; from pods and not from
nodes, and the reverse.

The rules name the test's own VM, as source or by its tag: nobody else is concerned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from gkelab.cloud.resources import node_tag
from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support.eventually import eventually_all, until_answered
from tests.support.matrix import Matrix, observe_rows
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.places import Place
from tests.support.probes import Probe, probe_many
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body
from tests.support.vpc.made import HTTP, VM, Made

NODE_HTTP = 18280
ALL = [{"IPProtocol": "all"}]
TO_PODS, TO_NODES = "pods", "nodes"


@pytest.fixture(scope="module")
def vm(made: Made) -> VM:
    """The VM that the rules are about."""
    machine = made.vm("vm", tags=[made.own("vm")])
    made.applied()
    return machine


@pytest.fixture(scope="module")
def ranges(cluster: Cluster) -> dict[str, str]:
    """The article's two ranges."""
    return {TO_PODS: str(cluster.pod_range), TO_NODES: str(cluster.subnet.primary)}


def targets(shared: Namespace) -> tuple[dict[str, str], list[Probe]]:
    """Who answers at which probe: every worker's pod, and every worker itself."""
    names, probes = {}, []
    for kind, port in (("pod", HTTP), ("node", NODE_HTTP)):
        for pod in shared.pods(f"app={kind}"):
            names[f"{kind} on {pod.node}"] = pod.name
            probes.append(Probe("http", pod.ip, port, timeout=TIMEOUTS.short))
    return names, probes


def reached(shared: Namespace, vm: VM, opened: str) -> None:
    """Wait until the VM reaches just these ("pods", "nodes", "pods nodes"), and is seen with its
    own address."""
    names, probes = targets(shared)
    expected = Matrix([vm.name], list(names)).deny("*", "*")
    for kind in ("pod", "node"):
        if f"{kind}s" in opened.split():
            expected.allow("*", f"{kind} on *")

    def row(source: str, cells: Sequence[str]) -> list[Answer]:
        answers = probe_many(vm.place, probes)
        for target, answer in zip(cells, answers, strict=True):
            if answer.outcome is Outcome.OK:
                expect(answer, who=names[target], saw=vm.address, from_=source, to=target)
        return answers

    what = f"{vm.name} reaches {opened or 'nothing'}"
    eventually_all(lambda: observe_rows(expected, row), expected, what=what)


@pytest.fixture
def shut(made: Made, vm: VM, lab: Lab, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Nothing of the VM's gets into the cluster, for the length of a test; what a rule that
    admits it says besides where to."""
    tag = node_tag(lab.plan, cluster)
    said: Body = {"sourceRanges": [f"{vm.address}/32"], "targetTags": [tag]}
    name = made.own("shut")
    made.firewall({"name": name, "priority": 500, "denied": ALL, **said})
    try:
        yield {"priority": 400, "allowed": ALL, **said}
    finally:
        made.delete("firewalls", "", name)
        made.applied()


def test_by_themselves_both_are_open_to_the_subnet(shared: Namespace, vm: VM) -> None:
    """GKE's rule for VMs (gke-...-vms) is for all addresses of the nodes: alias ranges, too."""
    reached(shared, vm, "pods nodes")


@pytest.mark.parametrize("to", [TO_PODS, TO_NODES])
def test_to_one_range_and_not_the_other(
    *,
    shared: Namespace,
    made: Made,
    vm: VM,
    shut: dict[str, Any],
    ranges: Mapping[str, str],
    to: str,
) -> None:
    """By the destination range of the rule that admits; without it neither is reached."""
    reached(shared, vm, "")
    name = made.own(f"to-{to}")
    made.firewall({"name": name, **shut, "destinationRanges": [ranges[to]]})
    made.applied()
    reached(shared, vm, to)
    made.delete("firewalls", "", name)
    made.applied()
    reached(shared, vm, "")


def test_both_ranges_open_both(
    shared: Namespace, made: Made, vm: VM, shut: dict[str, Any], ranges: Mapping[str, str]
) -> None:
    """A rule for both is for both: it is the ranges that made the difference."""
    name = made.own("to-both")
    made.firewall({"name": name, **shut, "destinationRanges": list(ranges.values())})
    made.applied()
    reached(shared, vm, "pods nodes")
    made.delete("firewalls", "", name)


@pytest.mark.parametrize("from_", [TO_PODS, TO_NODES])
def test_from_one_range_and_not_the_other(
    shared: Namespace, made: Made, vm: VM, ranges: Mapping[str, str], from_: str
) -> None:
    """By the source range of the rule that admits, at the VM: pods are seen with their own
    addresses, nodes with theirs; without it neither gets in."""
    shut, admits = made.own(f"shut-{from_}"), made.own(f"from-{from_}")
    made.firewall({"name": shut, "priority": 500, "denied": ALL, "targetTags": list(vm.tags)})
    pod, node = shared.pods("app=pod")[0], shared.pods("app=node")[0]
    places: dict[str, tuple[Place, str]] = {
        TO_PODS: (shared.place(pod), pod.ip),
        TO_NODES: (shared.place(node), node.ip),
    }

    def until_seen(opened: str) -> None:
        def ask() -> dict[str, Answer]:
            probe = Probe("http", vm.address, HTTP, timeout=TIMEOUTS.short)
            return {kind: probe_many(place, [probe])[0] for kind, (place, _) in places.items()}

        def as_wanted(seen: Mapping[str, Answer]) -> bool:
            return all(
                answer.outcome is (Outcome.OK if kind == opened else Outcome.TIMEOUT)
                for kind, answer in seen.items()
            )

        seen = until_answered(
            ask,
            as_wanted,
            lambda seen: seen.values(),
            what=f"{opened or 'nobody'} reaches {vm.name}",
        )
        if opened:
            expect(seen[opened], who=vm.name, saw=places[opened][1])

    try:
        made.applied()
        until_seen("")
        rule = {"name": admits, "priority": 400, "allowed": ALL, "targetTags": list(vm.tags)}
        made.firewall({**rule, "sourceRanges": [ranges[from_]]})
        made.applied()
        until_seen(from_)
        made.delete("firewalls", "", admits)
        made.applied()
        until_seen("")
    finally:
        for name in (admits, shut):
            made.delete("firewalls", "", name)

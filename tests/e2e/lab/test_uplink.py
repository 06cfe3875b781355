"""Nothing for a made-up range leaves the machine: the uplink is watched while it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest
import testinfra

from gkelab.cloud.machines.wanted import container_name
from gkelab.containers import name_of
from gkelab.lab import Lab
from gkelab.steps.start_client import client_name
from gkelab.tools.iproute import unreachable_words
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace, HostPlace, Place
from tests.support.sniffer import sniff
from tests.support.uplink import knock, of_ranges, uplink_of

HEALTH = IPv4Network("130.211.0.0/22")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "client", "image": "gkelab/workload", "args": ["idle"]}],
    },
}


@pytest.fixture(scope="module")
def uplink(lab: Lab) -> str:
    """The interface of the host's default route."""
    return uplink_of(lab)


def beside(lab: Lab) -> list[str]:
    """The containers that are no nodes and have networks of their own."""
    vms = [container_name(lab.name, vm.name) for vm in lab.plan.vms]
    return [name_of(lab, "router"), client_name(lab), *vms]


def test_nothing_made_up_leaves(lab: Lab, uplink: str, namespace: Namespace) -> None:
    """Pods, nodes, VMs, the router, the client and the host knock at every range: the uplink stays
    silent."""
    namespace.apply([POD])
    ranges = lab.plan.made_up_ranges()
    places: list[Place] = [
        namespace.place("client"),
        ContainerPlace(lab.docker, lab.plan.clusters[0].workers[0].name),
        *(ContainerPlace(lab.docker, name) for name in beside(lab)),
        HostPlace(lab.run),
    ]
    with sniff(uplink) as packets:
        # What looks like Google's metadata server from a pod is nobody's; sidecars ask for it.
        knock(places[0], ranges, "169.254.169.254")
        for place in places[1:]:
            knock(place, ranges)
    leaked = of_ranges(packets, ranges)
    assert not leaked, f"{len(leaked)} packets of made-up ranges left by {uplink}: {leaked[:3]}"


@pytest.fixture(params=["the client", "a node"])
def without_route(lab: Lab, request: pytest.FixtureRequest) -> Iterator[tuple[ContainerPlace, str]]:
    """The client outside, and a node, with one of its unreachable routes taken away: of Google's
    health checkers, whom no test beside this one has them ask; and its docker network."""
    assert lab.plan.internet
    cluster = lab.plan.clusters[0]
    name, network = {
        "the client": (client_name(lab), lab.plan.internet.docker_network),
        "a node": (cluster.control_plane.name, cluster.subnet.docker_network),
    }[request.param]
    words = unreachable_words(HEALTH)
    lab.docker.exec(name, ["ip", "route", "delete", *words])
    try:
        yield ContainerPlace(lab.docker, name), network
    finally:
        lab.docker.exec(name, ["ip", "route", "replace", *words])


def test_what_one_lets_go_is_held_by_the_next(
    lab: Lab, uplink: str, without_route: tuple[ContainerPlace, str]
) -> None:
    """The counterfactual: without its route the packet is on the bridge of its network, which the
    watcher sees, and still not on the uplink: the router, to which the client sends it, and the
    host, to which the node does, know no way for it."""
    place, network = without_route
    bridge = next(n.bridge for n in lab.docker.networks() if n.name == network)
    with sniff(bridge) as seen, sniff(uplink) as left:
        knock(place, [HEALTH])
    assert of_ranges(seen, (HEALTH,)), "the watcher saw nothing: it cannot see a leak"
    assert not of_ranges(left, (HEALTH,))


def test_made_up_ranges_end_in_unreachable_routes(
    lab: Lab, nodes: dict[str, testinfra.host.Host]
) -> None:
    """On every node and VM, the router, the client and the host an unreachable route stands under
    each made-up range."""
    everywhere = {str(network) for network in lab.plan.made_up_ranges()}
    inside = {str(network) for network in lab.plan.held_inside()}
    assert "169.254.0.0/16" in inside - everywhere  # a host in a cloud needs its own
    hosts = {**nodes, **{name: testinfra.get_host(f"docker://{name}") for name in beside(lab)}}
    hosts["the host"] = testinfra.get_host("local://")
    for name, host in hosts.items():
        routes = host.check_output("ip -4 route show type unreachable")
        have = {line.split()[1] for line in routes.splitlines() if line}
        ranges = everywhere if name == "the host" else inside
        assert ranges <= have, f"{name} lacks unreachable routes under {sorted(ranges - have)}"

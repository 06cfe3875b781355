"""Services live in the datapath's own map, on every node, and nowhere in netfilter."""

from __future__ import annotations

import re
from collections.abc import Collection

import testinfra

from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support import changes, parse
from tests.support.endpointslices import Backends, backends, in_map
from tests.support.namespace import Namespace
from tests.support.places import ContainerPlace
from tests.support.timeouts import TIMEOUTS


def maps(shared: Namespace) -> dict[str, list[parse.Service]]:
    """Every node's service map, as its agent reads it."""
    agents = shared.kubectl.list("pods", "kube-system", "k8s-app=cilium")
    command = ["cilium-dbg", "bpf", "lb", "list", "--output=json"]
    return {
        agent["spec"]["nodeName"]: parse.cilium_services(
            shared.kubectl.exec(
                *("kube-system", agent["metadata"]["name"], command), container="cilium-agent"
            ).stdout
        )
        for agent in agents
    }


def settled(shared: Namespace, service: str, nodes: int) -> Backends:
    """What the API says is behind a Service, once every node's map says the same."""
    address = shared.service_ip(service)

    def look() -> tuple[Backends, dict[str, Backends]]:
        said = backends(shared.service(service), shared.slices(service))
        return said, {node: in_map(found, address) for node, found in maps(shared).items()}

    said, found = until(
        look,
        lambda seen: all(there == seen[0] for there in seen[1].values()),
        what=f"every node's map of {service} agrees with its EndpointSlices",
        timeout=TIMEOUTS.datapath,
    )
    assert len(found) == nodes
    return said


def test_it_agrees_with_the_slices(shared: Namespace, cluster: Cluster) -> None:
    """The ClusterIP's and the nodes' ports lead to the ready endpoints, on every node."""
    said = settled(shared, "server", len(cluster.nodes))
    pods = shared.pods("app=server")
    assert said == {
        (80, "TCP"): frozenset((pod.ip, 8080) for pod in pods),
        (53, "UDP"): frozenset((pod.ip, 9001) for pod in pods),
    }
    ports = shared.service("server")["spec"]["ports"]
    wanted = {(p["nodePort"], p["protocol"]): said[p["port"], p["protocol"]] for p in ports}
    found = maps(shared)
    for node in cluster.nodes:
        here = in_map(found[node.name], str(node.address))
        assert {key: here.get(key) for key in wanted} == wanted, node.name


def test_it_follows(shared: Namespace, cluster: Cluster) -> None:
    """Endpoints that come and go come and go in the maps; a Service without any has none."""
    count, key = len(cluster.nodes), (80, "TCP")
    one, *others = shared.pods("app=server")
    assert settled(shared, "some", count) == {key: frozenset()}
    shared.label(f"pod/{one.name}", chosen="yes")
    followed(shared, count, {one.ip})
    for pod in others:
        shared.label(f"pod/{pod.name}", chosen="yes")
    followed(shared, count, {one.ip, *(pod.ip for pod in others)})
    shared.label(f"pod/{one.name}", chosen=None)
    followed(shared, count, {pod.ip for pod in others})


def followed(shared: Namespace, nodes: int, addresses: set[str]) -> None:
    """Wait until API and maps have just these addresses behind the Service."""
    wanted = {(80, "TCP"): frozenset((address, 8080) for address in addresses)}
    until(
        lambda: settled(shared, "some", nodes),
        lambda said: said == wanted,
        what=f"{', '.join(sorted(addresses))} are behind it",
        timeout=TIMEOUTS.datapath,
    )


def named(host: testinfra.host.Host, words: Collection[str]) -> set[str]:
    """Those of the words (addresses, numbers of ports) that a node's rules of netfilter name,
    whoever made the rules."""
    rules = host.check_output("iptables-save")
    assert "CILIUM" in rules, "the rules are not the node's"
    rules += host.check_output("nft --stateless list ruleset")  # counters are numbers, too
    return set(words) & set(re.split(r"/32\b|[\s,]+", rules))


def test_no_rule_knows_it(
    shared: Namespace, cluster: Cluster, nodes: dict[str, testinfra.host.Host]
) -> None:
    """No node has a rule of netfilter for a Service that its map has, nor a kube-proxy that would
    make one. The counterfactual: rules for it that a node gets for a moment are seen."""
    service = shared.service("server")
    address = service["spec"]["clusterIP"]
    port = str(service["spec"]["ports"][0]["nodePort"])
    words = {address, *(str(each["nodePort"]) for each in service["spec"]["ports"])}
    settled(shared, "server", len(cluster.nodes))
    for name, host in nodes.items():
        processes = {process.comm for process in host.process.filter()}
        assert "kubelet" in processes, f"the process list is not that of {name}"
        assert "kube-proxy" not in processes
        assert not named(host, words), name
    node = cluster.workers[0].name
    place = ContainerPlace(shared.lab.docker, node)
    with changes.iptables_rule(place, "FORWARD", "--destination", address):
        assert named(nodes[node], words) == {address}
    with changes.nft_rule(place, "t-service-map", f"ip daddr {address} tcp dport {port} counter"):
        assert named(nodes[node], words) == {address, port}
    assert not named(nodes[node], words)

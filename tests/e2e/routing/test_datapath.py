"""What makes nodes hand pods' packets to the VPC: routes, kernel settings, Cilium's programs, and
no tunnel.
"""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
import testinfra

from gkelab.containers import name_of
from gkelab.lab import NAMESPACES, Lab
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support import changes
from tests.support.parse import Link, Route, bpf_net, links, routes
from tests.support.probes import ContainerPlace

Hosts = dict[str, testinfra.host.Host]
Pods = dict[str, tuple[str, IPv4Network]]

LINK = "ip -json -details link show"
# What Cilium hangs in at an interface that goes to pods, and at those that go elsewhere.
AT_A_POD = {"ingress": "cil_from_container", "egress": "cil_to_container"}
AT_THE_NODE = {
    "eth0": {"ingress": "cil_from_netdev", "egress": "cil_to_netdev"},
    "cilium_host": {"ingress": "cil_to_host", "egress": "cil_from_host"},
}
NAME = 15  # the kernel keeps so many letters of a program's name


@pytest.fixture(scope="module")
def own_pods(kubectl: Kubectl) -> Pods:
    """The lab's own pods, which stay while tests' pods come and go: node and address by name."""
    return {
        pod["metadata"]["name"]: (pod["spec"]["nodeName"], IPv4Network(pod["status"]["podIP"]))
        for pod in kubectl.list("pods")
        if pod["metadata"]["namespace"] in NAMESPACES
        and pod["status"].get("phase") == "Running"
        and not pod["spec"].get("hostNetwork")
    }


@pytest.fixture(scope="module")
def ways(nodes: Hosts, own_pods: Pods) -> dict[str, list[Route]]:
    """The routes of every node, looked at after the pods."""
    assert own_pods
    return {
        name: routes(host.check_output("ip -json -4 route show")) for name, host in nodes.items()
    }


@pytest.fixture(scope="module")
def ranges(kubectl: Kubectl) -> dict[str, IPv4Network]:
    """Every node's podCIDR."""
    return {
        node["metadata"]["name"]: IPv4Network(node["spec"]["podCIDR"])
        for node in kubectl.list("nodes")
    }


@pytest.fixture(scope="module")
def devices(own_pods: Pods, ways: dict[str, list[Route]]) -> dict[str, set[str]]:
    """By node, the interfaces to the lab's own pods."""
    found: dict[str, set[str]] = {node: set() for node in ways}
    for node, address in own_pods.values():
        found[node] |= {d for way in ways[node] if way.destination == address for d in way.devices}
    return found


def test_no_node_knows_the_way_to_the_others_pods(
    cluster: Cluster, ranges: dict[str, IPv4Network], ways: dict[str, list[Route]]
) -> None:
    """To another node's podCIDR there is no route: all of the pod range is behind the router, which
    alone knows whose is whose; and so is the node's own subnet."""
    router = (str(cluster.subnet.gateway),)
    for node in cluster.nodes:
        mine = ways[node.name]
        others = [ranges[other.name] for other in cluster.nodes if other.name != node.name]
        assert not [way for way in mine if way.destination in others], node.name
        for network in (cluster.pod_range, cluster.subnet.primary):
            found = [way for way in mine if way.destination == network and way.gateways]
            assert [way.gateways for way in found] == [router], f"{node.name} to {network}"
            assert found[0].devices == ("eth0",), f"{node.name} to {network}: {found[0]}"
        linked = {str(way.destination) for way in mine if way.devices == ("eth0",)}
        assert f"{cluster.subnet.gateway}/32" in linked, node.name


def test_the_router_knows_the_way_to_each_nodes_pods(
    lab: Lab, cluster: Cluster, ranges: dict[str, IPv4Network]
) -> None:
    """One route to each podCIDR, by its node's own address."""
    host = testinfra.get_host(f"docker://{name_of(lab, 'router')}")
    found = routes(host.check_output("ip -json -4 route show"))
    for node in cluster.nodes:
        (way,) = [way for way in found if way.destination == ranges[node.name]]
        assert (way.type, way.gateways) == ("unicast", (str(node.address),)), node.name


def test_cilium_has_the_ranges_that_kubernetes_gave(
    kubectl: Kubectl, ranges: dict[str, IPv4Network]
) -> None:
    """Every node's CiliumNode has the node's podCIDR, and no other."""
    known = {
        node["metadata"]["name"]: node["spec"]["ipam"]["podCIDRs"]
        for node in kubectl.list("ciliumnodes.cilium.io")
    }
    assert known == {name: [str(network)] for name, network in ranges.items()}


def test_each_pod_has_a_route_of_its_own(
    cluster: Cluster,
    own_pods: Pods,
    ways: dict[str, list[Route]],
) -> None:
    """On its node, to its own interface; on no other node."""
    assert {node.name for node in cluster.workers} <= {node for node, _ in own_pods.values()}
    used: set[tuple[str, str]] = set()
    for name, (node, address) in own_pods.items():
        found = {at: [w for w in ways[at] if w.destination == address] for at in ways}
        assert [at for at in found if found[at]] == [node], f"routes to {name} on {node}: {found}"
        (way,) = found[node]
        assert (way.type, way.gateways) == ("unicast", ()), f"{name} on {node}: {way}"
        (device,) = way.devices
        assert device.startswith("lxc"), f"{name} on {node}: {way}"
        assert (node, device) not in used, f"{name} on {node} shares {device}"
        used.add((node, device))


def test_kernels_forward(nodes: Hosts, devices: dict[str, set[str]]) -> None:
    """Nodes forward, and do not drop what comes from pods for coming from the wrong side: the
    kernel takes the stricter of all's and the interface's setting."""
    for name, host in nodes.items():
        to_pods = [f"conf/{device}" for device in ("cilium_host", *sorted(devices[name]))]
        wanted = {"ip_forward": "1", "conf/all/rp_filter": "0"}
        wanted |= {f"{device}/rp_filter": "0" for device in to_pods}
        wanted |= {f"{device}/forwarding": "1" for device in to_pods}
        paths = " ".join(f"/proc/sys/net/ipv4/{path}" for path in wanted)
        found = dict(zip(wanted, host.check_output(f"cat {paths}").split(), strict=True))
        assert found == wanted, name
        strict = host.check_output("cat /proc/sys/net/ipv4/conf/eth0/rp_filter") == "1"
        assert not strict, f"{name} drops what comes another way than it would send"


def test_programs_at_interfaces(
    kubectl: Kubectl, nodes: Hosts, devices: dict[str, set[str]]
) -> None:
    """Cilium's programs are at the node's interfaces and at its pods', in both directions."""
    agents = {
        pod["spec"]["nodeName"]: pod["metadata"]["name"]
        for pod in kubectl.list("pods", "kube-system", "k8s-app=cilium")
    }
    assert set(agents) == set(nodes)
    for node, agent in agents.items():
        said = kubectl.exec(
            "kube-system",
            agent,
            ["bpftool", "-j", "net", "show"],
            container="cilium-agent",
        )
        found = {
            (program.interface, program.hook.rpartition("/")[2]): program.name
            for program in bpf_net(said.stdout)
        }
        wanted = {**AT_THE_NODE, **dict.fromkeys(devices[node], AT_A_POD)}
        missing = [
            f"{interface} {way}: {name}, but there is {found.get((interface, way), 'none')}"
            for interface, programs in wanted.items()
            for way, name in programs.items()
            if not found.get((interface, way), "").startswith(name[:NAME])
        ]
        assert not missing, f"{node}: {missing}"


def test_no_tunnel(nodes: Hosts, client: ContainerPlace) -> None:
    """No node has a tunnel that is up. The counterfactual: one that the client outside gets for a
    moment is seen."""
    for name, host in nodes.items():
        found = links(host.check_output(LINK))
        assert {"eth0", "cilium_host"} <= {link.name for link in found}, name
        assert not tunnels(found), name
    words = ["type", "vxlan", "id", "4711", "dstport", "4711", "dev", "eth0"]
    with changes.link(client, "t-tunnel", *words):
        seen = links(client.exec(LINK.split()).stdout)
    assert tunnels(seen) == ["t-tunnel"]


def tunnels(found: list[Link]) -> list[str]:
    """Those that are up: with some modules every network namespace has one that is down."""
    return [link.name for link in found if link.is_tunnel and link.state != "DOWN"]

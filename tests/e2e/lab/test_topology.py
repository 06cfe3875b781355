"""The cluster is what its topology says: ranges, addresses, labels, and no kube-proxy."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import testinfra

from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster


def test_pods_lie_in_their_nodes_alias_range(cluster: Cluster, kubectl: Kubectl) -> None:
    """Every pod's address is in its node's podCIDR, and that in the cluster's pod range."""
    cidrs = {
        node["metadata"]["name"]: IPv4Network(node["spec"]["podCIDR"])
        for node in kubectl.list("nodes")
    }
    assert set(cidrs) == {node.name for node in cluster.nodes}
    assert all(cidr.subnet_of(cluster.pod_range) for cidr in cidrs.values()), cidrs
    assert {cidr.prefixlen for cidr in cidrs.values()} == {cluster.node_mask}
    pods = [
        pod
        for pod in kubectl.list("pods")
        if not pod["spec"].get("hostNetwork") and pod["status"].get("podIP")
    ]
    assert pods, "no pod has an address of its own"
    for pod in pods:
        node = pod["spec"]["nodeName"]
        address = IPv4Address(pod["status"]["podIP"])
        assert address in cidrs[node], f"pod {pod['metadata']['name']} on {node} has {address}"
        others = [cidr for name, cidr in cidrs.items() if name != node]
        assert not any(address in cidr for cidr in others)


def test_services_lie_in_the_services_range(cluster: Cluster, kubectl: Kubectl) -> None:
    """Every ClusterIP is in the declared services range, and not in the pods'."""
    addresses = [
        IPv4Address(service["spec"]["clusterIP"])
        for service in kubectl.list("services")
        if service["spec"].get("clusterIP") not in (None, "None")
    ]
    assert len(addresses) > 3
    assert all(address in cluster.services_range for address in addresses), addresses
    assert not cluster.services_range.overlaps(cluster.pod_range)


def test_nodes_have_their_fixed_address_and_gke_labels(cluster: Cluster, kubectl: Kubectl) -> None:
    """InternalIP, zone, region, pool and provider ID are the plan's, as on GCE."""
    nodes = {node["metadata"]["name"]: node for node in kubectl.list("nodes")}
    for planned in cluster.nodes:
        node = nodes[planned.name]
        addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
        assert addresses["InternalIP"] == str(planned.address)
        assert node["spec"]["providerID"] == planned.provider_id
        labels = node["metadata"]["labels"]
        assert planned.labels.items() <= labels.items()
    zones = {
        nodes[n.name]["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in cluster.workers
    }
    assert zones == {node.zone for node in cluster.workers}


def test_a_node_takes_max_pods_per_node(cluster: Cluster, kubectl: Kubectl) -> None:
    """kubelet's capacity is maxPodsPerNode, and the node's block holds twice as many."""
    for node in kubectl.list("nodes"):
        assert int(node["status"]["capacity"]["pods"]) == cluster.max_pods
        assert IPv4Network(node["spec"]["podCIDR"]).num_addresses >= 2 * cluster.max_pods


def test_no_kube_proxy(
    nodes: dict[str, testinfra.host.Host], kubectl: Kubectl, cluster: Cluster
) -> None:
    """No kube-proxy pod, process or iptables chain; Cilium serves Services from BPF maps."""
    assert not [p for p in kubectl.list("pods") if "kube-proxy" in p["metadata"]["name"]]
    for host in nodes.values():
        names = {process.comm for process in host.process.filter()}
        assert "kubelet" in names, "the process list is not the node's"
        assert "kube-proxy" not in names
        rules = host.check_output("iptables-save")
        assert "CILIUM" in rules, "the rules are not the node's"
        assert "KUBE-SVC" not in rules
        assert "KUBE-SEP" not in rules
    agents = kubectl.list("pods", "kube-system", "k8s-app=cilium")
    assert len(agents) == len(cluster.nodes)
    for agent in agents:
        name = agent["metadata"]["name"]
        said = kubectl.exec(
            "kube-system", name, ["cilium-dbg", "status", "--verbose"], container="cilium-agent"
        ).stdout
        assert "KubeProxyReplacement:" in said
        assert "True" in said.split("KubeProxyReplacement:", 1)[1].splitlines()[0]

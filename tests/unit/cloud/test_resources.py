"""From a topology to Compute resources, and those through the client into a cloud."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab import ipam
from gkelab.cloud.client import Cloud, CloudError
from gkelab.cloud.ensure import ensure
from gkelab.cloud.resources import Wanted, public_ranges, resources, vm_instance
from gkelab.errors import LabError
from gkelab.topology import ResolvedTopology, load, resolve

CLUSTERS = Path(__file__).parents[3] / "clusters"
NAMES = [file.stem for file in sorted(CLUSTERS.glob("*.yaml"))]


def plan_of(name: str) -> ResolvedTopology:
    return resolve(load(CLUSTERS / f"{name}.yaml"), [])


def pod_cidrs(plan: ResolvedTopology) -> dict[str, IPv4Network]:
    """What kube-controller-manager gives out: one block a node."""
    found: dict[str, IPv4Network] = {}
    for cluster in plan.clusters:
        blocks = ipam.node_blocks(cluster.pod_range, cluster.node_mask)
        found |= {node.name: block for node, block in zip(cluster.nodes, blocks, strict=False)}
    return found


def by_name(wanted: tuple[Wanted, ...], collection: str) -> dict[str, Wanted]:
    return {item.name: item for item in wanted if item.collection == collection}


def test_the_default_lab() -> None:
    plan = plan_of("vpc-native")
    wanted = resources(plan, pod_cidrs(plan))
    (network,) = by_name(wanted, "networks").values()
    assert network.body == {"name": "default", "autoCreateSubnetworks": False}
    (subnet,) = by_name(wanted, "subnetworks").values()
    assert (subnet.scope, subnet.body["ipCidrRange"]) == ("regions/us-central1", "10.128.0.0/20")
    assert [item["rangeName"] for item in subnet.body["secondaryIpRanges"]] == ["pods", "services"]

    instances = by_name(wanted, "instances")
    assert set(instances) == {"vm-a", *(node.name for node in plan.nodes)}
    worker = instances["vpc-native-worker2"]
    (nic,) = worker.body["networkInterfaces"]
    assert worker.scope == "zones/us-central1-b"
    assert nic["networkIP"] == str(plan.nodes[2].address)
    (alias,) = nic["aliasIpRanges"]
    assert alias["subnetworkRangeName"] == "pods"
    assert IPv4Network(alias["ipCidrRange"]).prefixlen == 26
    # As GKE's nodes are where nobody asks for private ones.
    assert nic["accessConfigs"] == [{"name": "external-nat", "type": "ONE_TO_ONE_NAT"}]

    rules = by_name(wanted, "firewalls")
    given = {name for name in rules if name.startswith("default-")}
    assert given == {f"default-allow-{what}" for what in ("internal", "ssh", "rdp", "icmp")}
    assert rules["default-allow-internal"].body["network"] == "global/networks/default"
    rules = {name: rule for name, rule in rules.items() if name not in given}
    stem = next(name for name in rules if name.endswith("-all")).removesuffix("-all")
    assert stem.startswith("gke-vpc-native-")
    assert set(rules) == {
        f"{stem}-{rule}" for rule in ("all", "vms", "master", "inkubelet", "exkubelet")
    }
    tag = f"{stem}-node"
    assert all(rule.body["targetTags"] == [tag] for rule in rules.values())
    nodes = (instances[node.name] for node in plan.nodes)
    assert all(node.body["tags"]["items"] == [tag] for node in nodes)
    assert rules[f"{stem}-all"].body["sourceRanges"] == [str(plan.clusters[0].pod_range)]
    assert rules[f"{stem}-vms"].body["sourceRanges"] == ["10.128.0.0/20"]
    assert rules[f"{stem}-inkubelet"].body["priority"] == 999
    assert rules[f"{stem}-exkubelet"].body["denied"] == [{"IPProtocol": "tcp", "ports": ["10255"]}]


def test_a_vm_says_what_it_has_and_what_it_has_not() -> None:
    (vm,) = plan_of("vpc-native").vms
    assert vm_instance(vm) == Wanted(
        "instances",
        "zones/us-central1-a",
        {
            "name": "vm-a",
            "machineType": "zones/us-central1-a/machineTypes/e2-medium",
            "canIpForward": False,
            "tags": {"items": ["vm"]},
            "networkInterfaces": [
                {
                    "subnetwork": "regions/us-central1/subnetworks/us-central1",
                    "networkIP": "10.128.8.2",
                    "aliasIpRanges": [],
                    "accessConfigs": [],
                }
            ],
        },
    )


def test_a_node_without_its_range_has_no_alias() -> None:
    for item in by_name(resources(plan_of("small")), "instances").values():
        assert "aliasIpRanges" not in item.body["networkInterfaces"][0]


def test_public_ranges_leave_the_load_balancers_theirs() -> None:
    plan = plan_of("vpc-native")
    assert public_ranges(plan) == (IPv4Network("203.0.113.16/28"), IPv4Network("203.0.113.32/27"))


@pytest.mark.parametrize("name", NAMES)
def test_a_topology_is_made_and_stays(cloud: Cloud, name: str) -> None:
    plan = plan_of(name)
    wanted = resources(plan)
    assert ensure(cloud, wanted) == [f"{item.collection} {item.name} made" for item in wanted]
    assert ensure(cloud, wanted) == []
    # Then the nodes have their ranges.
    changed = ensure(cloud, resources(plan, pod_cidrs(plan)))
    assert changed == [f"instances {node.name}: networkInterfaces changed" for node in plan.nodes]
    assert ensure(cloud, resources(plan, pod_cidrs(plan))) == []
    nics = {vm["name"]: vm["networkInterfaces"][0] for vm in cloud.list_all("instances")}
    found = {
        node.name: IPv4Network(nics[node.name]["aliasIpRanges"][0]["ipCidrRange"])
        for node in plan.nodes
    }
    assert found == pod_cidrs(plan)


SUBNET = "regions/us-central1"


def subnet(network: str, *ranges: tuple[str, str]) -> Wanted:
    body = {
        "name": "us",
        "network": "global/networks/net",
        "ipCidrRange": network,
        "secondaryIpRanges": [{"rangeName": n, "ipCidrRange": r} for n, r in ranges],
    }
    return Wanted("subnetworks", SUBNET, body)


def test_what_differs_is_changed(cloud: Cloud) -> None:
    network = Wanted("networks", "global", {"name": "net", "autoCreateSubnetworks": False})
    pods, more = ("pods", "10.4.0.0/20"), ("more", "10.5.0.0/24")
    rule = {
        "name": "fw",
        "network": "global/networks/net",
        "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
        "priority": 1000,
    }
    vm = {
        "name": "vm",
        "machineType": "zones/us-central1-a/machineTypes/e2-medium",
        "tags": {"items": ["a"]},
        "labels": {"a": "b"},
        "metadata": {"items": [{"key": "k", "value": "v"}]},
        "networkInterfaces": [{"subnetwork": "regions/us-central1/subnetworks/us"}],
    }
    zone = "zones/us-central1-a"

    def say(*wanted: Wanted) -> list[str]:
        return ensure(cloud, (network, *wanted))

    first = (
        subnet("10.128.0.0/20", pods),
        Wanted("firewalls", "global", rule),
        Wanted("instances", zone, vm),
    )
    assert len(say(*first)) == 4
    assert say(subnet("10.128.0.0/19", pods, more)) == [
        "subnetworks us: ipCidrRange, secondaryIpRanges changed"
    ]
    other = ("other", "10.6.0.0/24")
    assert say(subnet("10.128.0.0/19", pods, other)) == [
        "subnetworks us: secondaryIpRanges changed"
    ]
    found = cloud.get("subnetworks", SUBNET, "us")
    assert [r["rangeName"] for r in found["secondaryIpRanges"]] == ["pods", "other"]
    other_rule = {**rule, "priority": 7, "sourceRanges": ["10.0.0.0/8"]}
    assert say(Wanted("firewalls", "global", other_rule)) == [
        "firewalls fw: priority, sourceRanges changed"
    ]
    changed = {
        **vm,
        "tags": {"items": ["b"]},
        "labels": {"c": "d"},
        "metadata": {"items": [{"key": "k", "value": "w"}]},
    }
    assert say(Wanted("instances", zone, changed)) == [
        "instances vm: tags, labels, metadata changed"
    ]
    assert say(Wanted("instances", zone, changed)) == []
    with pytest.raises(LabError, match=r"has machineType .*e2-medium', not 'zones/.*/e2-small'"):
        other_type = f"{zone}/machineTypes/e2-small"
        say(Wanted("instances", zone, {**changed, "machineType": other_type}))
    moved = {**changed, "networkInterfaces": [{"networkIP": "10.128.0.99"}]}
    with pytest.raises(LabError, match="another interface"):
        say(Wanted("instances", zone, moved))
    with pytest.raises(CloudError) as refused:
        say(subnet("10.128.0.0/21", pods, other))
    assert (refused.value.code, refused.value.reason) == (400, "invalid")


NETWORK = Wanted("networks", "global", {"name": "net", "autoCreateSubnetworks": False})
BASE = (NETWORK, subnet("10.128.0.0/20", ("vms", "10.6.0.0/24")))
ZONE = "zones/us-central1-a"


def vm(name: str, *aliases: str, public: bool = False, forward: bool = False) -> Wanted:
    nic = {
        "subnetwork": "regions/us-central1/subnetworks/us",
        "aliasIpRanges": [{"ipCidrRange": a, "subnetworkRangeName": "vms"} for a in aliases],
        "accessConfigs": [{"name": "external-nat", "type": "ONE_TO_ONE_NAT"}] if public else [],
    }
    body = {
        "name": name,
        "machineType": f"{ZONE}/machineTypes/e2-medium",
        "canIpForward": forward,
        "tags": {"items": []},
        "networkInterfaces": [nic],
    }
    return Wanted("instances", ZONE, body)


def test_a_range_that_somebody_uses_stays_beside_those_that_are_wanted(cloud: Cloud) -> None:
    pods, mine, more = ("pods", "10.4.0.0/20"), ("vms", "10.9.0.0/24"), ("more", "10.5.0.0/24")
    ensure(cloud, (NETWORK, subnet("10.128.0.0/20", pods, mine), vm("user", "10.9.0.7/32")))

    def names() -> list[str]:
        found = cloud.get("subnetworks", SUBNET, "us")
        return [one["rangeName"] for one in found["secondaryIpRanges"]]

    assert ensure(cloud, [subnet("10.128.0.0/20", pods)]) == []
    assert names() == ["pods", "vms"]
    changed = ["subnetworks us: secondaryIpRanges changed"]
    assert ensure(cloud, [subnet("10.128.0.0/20", pods, more)]) == changed
    assert names() == ["pods", "vms", "more"]
    with pytest.raises(CloudError, match="overlaps"):
        ensure(cloud, [subnet("10.128.0.0/20", pods, ("other", "10.9.0.0/25"))])
    cloud.delete("instances", ZONE, "user")
    assert ensure(cloud, [subnet("10.128.0.0/20", pods, more)]) == changed
    assert names() == ["pods", "more"]


def test_an_instance_is_made_what_it_was_declared_to_be(cloud: Cloud) -> None:
    ensure(cloud, (*BASE, vm("a", "10.6.0.0/28")))
    wanted = (*BASE, vm("a", "10.6.0.16/28", public=True, forward=True))
    assert ensure(cloud, wanted) == ["instances a: canIpForward, networkInterfaces changed"]
    assert ensure(cloud, wanted) == []
    found = cloud.get("instances", ZONE, "a")
    (nic,) = found["networkInterfaces"]
    assert found["canIpForward"]
    assert nic["aliasIpRanges"] == [
        {"ipCidrRange": "10.6.0.16/28", "subnetworkRangeName": "vms"},
    ]
    assert [config["natIP"] for config in nic["accessConfigs"]] == ["203.0.113.0"]
    plain = (*BASE, vm("a"))
    assert ensure(cloud, plain) == ["instances a: canIpForward, networkInterfaces changed"]
    (nic,) = cloud.get("instances", ZONE, "a")["networkInterfaces"]
    assert "aliasIpRanges" not in nic
    assert "accessConfigs" not in nic


def test_an_alias_range_that_moved_comes_back(cloud: Cloud) -> None:
    wanted = (*BASE, vm("a", "10.6.0.7/32"), vm("b"))
    ensure(cloud, wanted)
    # By hand to the other one.
    ensure(cloud, (*BASE, vm("a"), vm("b", "10.6.0.7/32")))
    assert ensure(cloud, wanted) == [
        "instances b: alias ranges of others taken away",
        "instances a: networkInterfaces changed",
    ]
    assert ensure(cloud, wanted) == []


def test_what_somebody_added_to_a_rule_is_taken_away(cloud: Cloud) -> None:
    own = {
        "name": "fw",
        "network": "global/networks/net",
        "sourceTags": ["a"],
        "allowed": [{"IPProtocol": "tcp"}],
        "logConfig": {"enable": True},
    }
    wanted = (NETWORK, Wanted("firewalls", "global", own))
    ensure(cloud, wanted)
    assert ensure(cloud, wanted) == []
    more = {
        **own,
        "sourceRanges": ["0.0.0.0/0"],
        "disabled": True,
        "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
        "logConfig": {"enable": True, "metadata": "EXCLUDE_ALL_METADATA"},
    }
    said = {"firewall": "fw", "firewallResource": more}
    cloud.write("update", "firewalls", "global", said)
    assert ensure(cloud, wanted) == [
        "firewalls fw: allowed, logConfig, sourceRanges, disabled changed"
    ]
    assert ensure(cloud, wanted) == []
    egress = {
        "name": "out",
        "network": "global/networks/net",
        "direction": "EGRESS",
        "denied": [{"IPProtocol": "all"}],
    }
    wanted = (NETWORK, Wanted("firewalls", "global", egress))
    assert ensure(cloud, wanted) == ["firewalls out made"]
    assert ensure(cloud, wanted) == []

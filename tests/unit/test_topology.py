"""Topologies: what is declared, what is planned from it, and that it stays so."""

import copy
import json
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gkelab import ipam
from gkelab.errors import LabError
from gkelab.topology import (
    Claim,
    ResolvedTopology,
    Size,
    Topology,
    docker_network_name,
    load,
    parse,
    resolve,
)

CLUSTERS = Path(__file__).parents[2] / "clusters"

BASE: dict[str, Any] = {
    "name": "lab",
    "network": {
        "subnets": [
            {
                "name": "us",
                "region": "us-central1",
                "ipCidrRange": "10.128.0.0/20",
                "secondaryIpRanges": [
                    {"rangeName": "pods", "ipCidrRange": "/20"},
                    {"rangeName": "services", "ipCidrRange": "/25"},
                    {"rangeName": "more", "ipCidrRange": "10.64.0.0/20"},
                ],
            },
            {"name": "eu", "region": "europe-west1", "ipCidrRange": "10.132.0.0/20"},
        ]
    },
    "clusters": [
        {
            "name": "one",
            "location": "us-central1",
            "subnetwork": "us",
            "clusterSecondaryRangeName": "pods",
            "servicesSecondaryRangeName": "services",
            "maxPodsPerNode": 30,
            "nodePools": [
                {"name": "default-pool", "locations": ["us-central1-a", "us-central1-b"]}
            ],
        }
    ],
    "loadBalancing": {"externalRange": "203.0.113.0/24", "frontendRange": "198.51.100.0/24"},
    "onPrem": {"range": "192.168.240.0/20"},
}

# As in BASE, with other names and ranges.
SECOND = {
    **BASE["clusters"][0],
    "name": "two",
    "clusterSecondaryRangeName": "pods2",
    "servicesSecondaryRangeName": "services2",
}


SUBNET = "network.subnets[0]"
PODS, SERVICES, MORE = (f"{SUBNET}.secondaryIpRanges[{index}].ipCidrRange" for index in range(3))


def edited(edits: dict[str, Any]) -> dict[str, Any]:
    """BASE with values set at dotted paths ("clusters.0.name"); None removes."""
    data = copy.deepcopy(BASE)
    for path, value in edits.items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        target: Any = data
        for part in parents:
            target = target[part]
        if value is None:
            del target[last]
        elif isinstance(target, list) and last == len(target):
            target.append(value)
        else:
            target[last] = value
    return data


def two_clusters(**changes: Any) -> dict[str, Any]:
    """BASE with a second cluster on the same subnet, and its ranges."""
    return edited(
        {
            "network.subnets.0.secondaryIpRanges.3": {"rangeName": "pods2", "ipCidrRange": "/20"},
            "network.subnets.0.secondaryIpRanges.4": {
                "rangeName": "services2",
                "ipCidrRange": "/25",
            },
            "clusters.1": {**SECOND, **changes},
        }
    )


def sub(path: str) -> str:
    """A path below the first subnet."""
    return f"network.subnets.0.{path}"


def test_unset_keys_are_gkes_defaults() -> None:
    data = edited({"clusters.0.maxPodsPerNode": None, "onPrem": None})
    data["network"]["subnets"][0]["secondaryIpRanges"][0]["ipCidrRange"] = "/14"
    topology = parse(data)
    assert topology.project == "gkelab"
    assert topology.network.name == "default"
    assert topology.clusters[0].max_pods_per_node == 110
    assert topology.clusters[0].node_pools[0].machine_type == "e2-standard-4"
    assert topology.on_prem is None
    assert topology.network.subnets[0].secondary_ip_ranges[0].ip_cidr_range == Size(14)


def test_a_zonal_clusters_pool_is_in_its_zone() -> None:
    plan = resolve(
        parse(
            edited(
                {
                    "clusters.0.location": "us-central1-f",
                    "clusters.0.nodePools.0.locations": None,
                }
            )
        )
    )
    assert [node.zone for node in plan.nodes] == ["us-central1-f", "us-central1-f"]
    assert plan.clusters[0].region == "us-central1"


# --- resolve


def base(**edits: Any) -> Topology:
    return parse(edited(edits), "clusters/lab.yaml")


def claim(network: str, owner: str = "docker network foo") -> Claim:
    return Claim(IPv4Network(network), owner)


def chosen(plan: ResolvedTopology) -> dict[str, str]:
    return {key: str(network) for key, network in plan.chosen.items()}


def test_sizes_get_free_ranges_below_the_auto_mode_block() -> None:
    plan = resolve(base())
    assert chosen(plan) == {"us/pods": "10.0.0.0/20", "us/services": "10.0.16.0/25"}
    assert plan.clusters[0].pod_range == IPv4Network("10.0.0.0/20")
    assert plan.subnet("us").secondary_ranges["more"] == IPv4Network("10.64.0.0/20")


def test_sizes_avoid_declared_ranges_and_claims() -> None:
    topology = base(**{sub("secondaryIpRanges.2.ipCidrRange"): "10.0.0.0/20"})
    plan = resolve(topology, [claim("10.0.16.0/24", "host route via eth0")])
    assert chosen(plan) == {"us/pods": "10.0.32.0/20", "us/services": "10.0.17.0/25"}


def test_when_below_is_full_the_rest_of_ten_comes_next_then_172() -> None:
    plan = resolve(base(**{sub("secondaryIpRanges.2.ipCidrRange"): "10.0.0.0/9"}))
    assert chosen(plan)["us/pods"] == "10.128.16.0/20"
    everything = [
        claim(str(network))
        for network in ipam.free_ranges(
            ipam.RFC1918[0],
            [IPv4Network(n) for n in ("10.64.0.0/20", "10.128.0.0/20", "10.132.0.0/20")],
        )
    ]
    assert chosen(resolve(base(), everything))["us/pods"] == "172.16.0.0/20"


def test_nothing_free_is_refused_with_what_is_in_the_way() -> None:
    data = edited({sub("secondaryIpRanges.0.ipCidrRange"): "/10", "onPrem": None})
    taken = [claim("10.16.0.0/16"), claim("10.200.0.0/16", "host route via eth0")]
    with pytest.raises(LabError) as caught:
        resolve(parse(data, "clusters/lab.yaml"), taken)
    assert str(caught.value) == (
        f"clusters/lab.yaml: {PODS} /10 finds no free range in 10.0.0.0/8, 172.16.0.0/12, "
        "192.168.0.0/16 beside the file's own ranges and docker network foo 10.16.0.0/16, "
        "host route via eth0 10.200.0.0/16. Give a smaller size, or a network outside these."
    )


@pytest.mark.parametrize(
    ("taken", "sentence"),
    [
        (
            "10.128.0.0/16",
            f"{SUBNET}.ipCidrRange 10.128.0.0/20 overlaps docker network foo 10.128.0.0/16",
        ),
        ("10.64.1.0/24", f"{MORE} 10.64.0.0/20 overlaps docker network foo 10.64.1.0/24"),
        (
            "203.0.113.7/32",
            "loadBalancing.externalRange 203.0.113.0/24 overlaps docker network foo 203.0.113.7/32",
        ),
        (
            "198.51.0.0/16",
            "loadBalancing.frontendRange 198.51.100.0/24 overlaps docker network foo 198.51.0.0/16",
        ),
        (
            "192.168.255.0/24",
            "onPrem.range 192.168.240.0/20 overlaps docker network foo 192.168.255.0/24",
        ),
    ],
)
def test_declared_ranges_that_the_host_uses_are_refused(taken: str, sentence: str) -> None:
    with pytest.raises(LabError) as caught:
        resolve(base(), [claim(taken)])
    assert str(caught.value) == (
        f"clusters/lab.yaml: {sentence}. "
        "Choose another range in the file, or remove the other from this host."
    )


def test_health_check_ranges_that_the_host_uses_are_refused() -> None:
    with pytest.raises(LabError) as caught:
        resolve(base(), [claim("35.191.4.0/24", "host route via eth0")])
    assert str(caught.value) == (
        "clusters/lab.yaml: Google's health-check range 35.191.0.0/16 overlaps host route via eth0 "
        "35.191.4.0/24. Remove the other from this host: the range cannot be chosen."
    )


@pytest.mark.parametrize("route", ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"])
def test_default_routes_claim_nothing(route: str) -> None:
    assert resolve(base(), [claim(route, "host route via tun0")]) == resolve(base())


def test_what_was_chosen_before_is_kept() -> None:
    previous = {"us/pods": "172.20.0.0/20", "us/services": "10.7.0.0/25", "gone/x": "10.9.0.0/20"}
    plan = resolve(base(), [claim("10.0.0.0/16")], previous)
    assert chosen(plan) == {"us/pods": "172.20.0.0/20", "us/services": "10.7.0.0/25"}
    assert chosen(resolve(base(), [claim("10.0.0.0/20")], chosen(plan))) == chosen(plan)


def test_a_kept_range_is_not_given_to_an_earlier_one() -> None:
    plan = resolve(base(), (), {"us/services": "10.0.0.0/25"})
    assert chosen(plan) == {"us/pods": "10.0.16.0/20", "us/services": "10.0.0.0/25"}


@pytest.mark.parametrize(
    "recorded",
    ["10.8.0.0/21", "10.64.0.0/20", "10.128.0.0/20", "172.20.0.0/20", "127.0.0.0/20", "10.8/x", ""],
)
def test_what_does_not_fit_any_more_is_chosen_anew(recorded: str) -> None:
    plan = resolve(base(), [claim("172.20.1.0/24")], {"us/pods": recorded})
    assert chosen(plan)["us/pods"] == "10.0.0.0/20"


@given(
    st.lists(
        st.builds(
            lambda number, prefixlen: Claim(
                IPv4Network((0x0A000000 + (number << 12), prefixlen), strict=False), "x"
            ),
            st.integers(0, (1 << 10) - 1),
            st.integers(10, 32),
        ),
        max_size=8,
    )
)
def test_chosen_ranges_never_overlap_anything(taken: list[Claim]) -> None:
    plan = resolve(base(), taken)
    ranges = [
        *plan.made_up_ranges(),
        *(subnet.primary for subnet in plan.subnets),
    ]
    assert not ipam.overlaps([("", network) for network in ranges])
    assert not any(network.overlaps(c.network) for network in ranges for c in taken)
    again = resolve(base(), taken[::-1], chosen(plan))
    assert again == plan


# --- the plan


def test_nodes_are_named_placed_addressed_and_labelled() -> None:
    cluster = resolve(base()).cluster("one")
    assert [(n.name, n.role, n.pool, n.zone, str(n.address)) for n in cluster.nodes] == [
        ("one-control-plane", "control-plane", None, "us-central1-a", "10.128.0.2"),
        ("one-worker", "worker", "default-pool", "us-central1-a", "10.128.0.3"),
        ("one-worker2", "worker", "default-pool", "us-central1-b", "10.128.0.4"),
    ]
    assert cluster.workers[1].labels == {
        "topology.kubernetes.io/region": "us-central1",
        "topology.kubernetes.io/zone": "us-central1-b",
        "node.kubernetes.io/instance-type": "e2-standard-4",
        "cloud.google.com/gke-nodepool": "default-pool",
        "cloud.google.com/gke-max-pods-per-node": "30",
        "cloud.google.com/machine-family": "e2",
    }
    assert cluster.control_plane.labels == {
        "topology.kubernetes.io/region": "us-central1",
        "topology.kubernetes.io/zone": "us-central1-a",
    }
    assert cluster.workers[1].provider_id == "gce://gkelab/us-central1-b/one-worker2"
    assert (cluster.max_pods, cluster.node_mask) == (30, 26)


def test_more_nodes_a_zone_come_behind_and_move_none() -> None:
    before = resolve(base()).nodes
    after = resolve(base(**{"clusters.0.nodePools.0.nodeCount": 2})).nodes
    assert after[: len(before)] == before
    assert [(n.name, n.zone) for n in after[len(before) :]] == [
        ("one-worker3", "us-central1-a"),
        ("one-worker4", "us-central1-b"),
    ]


def test_pools_follow_each_other() -> None:
    pool = {"name": "big", "locations": ["us-central1-c"], "machineType": "n2-custom-4-8192"}
    worker = resolve(base(**{"clusters.0.nodePools.1": pool})).nodes[-1]
    assert (worker.name, worker.pool, worker.zone) == ("one-worker3", "big", "us-central1-c")
    assert worker.labels["cloud.google.com/machine-family"] == "n2"


def test_clusters_of_a_subnet_share_it_without_meeting() -> None:
    plan = resolve(parse(two_clusters()))
    assert [str(node.address) for node in plan.nodes] == [
        f"10.128.0.{last}" for last in range(2, 8)
    ]
    assert [str(c.internal_pool) for c in plan.clusters] == ["10.128.14.0/24", "10.128.13.0/24"]
    assert [str(c.external_pool) for c in plan.clusters] == ["203.0.113.0/26", "203.0.113.64/26"]
    assert len({c.pod_range for c in plan.clusters}) == 2


@pytest.mark.parametrize(("clusters", "prefixlen"), [(1, 26), (3, 26), (4, 27), (7, 27), (8, 28)])
def test_external_pools_are_equal_and_apart(clusters: int, prefixlen: int) -> None:
    data = copy.deepcopy(BASE)
    ranges = data["network"]["subnets"][0]["secondaryIpRanges"]
    for number in range(1, clusters):
        ranges.append({"rangeName": f"pods{number}", "ipCidrRange": "/22"})
        ranges.append({"rangeName": f"services{number}", "ipCidrRange": "/27"})
        data["clusters"].append(
            {
                **data["clusters"][0],
                "name": f"c{number}",
                "clusterSecondaryRangeName": f"pods{number}",
                "servicesSecondaryRangeName": f"services{number}",
            }
        )
    pools = [cluster.external_pool for cluster in resolve(parse(data)).clusters]
    assert {pool.prefixlen for pool in pools} == {prefixlen}
    assert not ipam.overlaps([("", pool) for pool in pools])
    # What is left is for machines.
    assert sum(pool.num_addresses for pool in pools) < 256
    assert all(pool.subnet_of(IPv4Network("203.0.113.0/24")) for pool in pools)


def test_a_subnet_gives_each_reserved_address_its_holder() -> None:
    subnet = resolve(base()).subnet("us")
    assert str(subnet.gateway) == "10.128.0.1"
    assert str(subnet.bridge_address) == "10.128.15.254"
    assert subnet.docker_network == docker_network_name("lab", "us") == "gkelab.lab.us"


def test_docker_network_names_of_two_labs_never_meet() -> None:
    assert docker_network_name("a-b", "c") != docker_network_name("a", "b-c")


def test_lab_addresses_come_from_the_top_and_leap_over_the_pool() -> None:
    subnet = resolve(base()).subnet("us")
    assert [str(subnet.lab_address(i)) for i in (0, 1, 253, 254)] == [
        "10.128.15.253",
        "10.128.15.252",
        "10.128.15.0",
        "10.128.13.255",
    ]


def test_nodes_leap_over_a_declared_internal_range() -> None:
    plan = resolve(base(**{"clusters.0.internalRange": "10.128.0.4/30"}))
    assert [str(node.address) for node in plan.nodes] == ["10.128.0.2", "10.128.0.3", "10.128.0.8"]
    assert str(plan.clusters[0].internal_pool) == "10.128.0.4/30"


@pytest.mark.parametrize("prefixlen", range(20, 30))
def test_whatever_the_subnets_size_nobody_shares_an_address(prefixlen: int) -> None:
    edits = {
        sub("ipCidrRange"): f"10.128.0.0/{prefixlen}",
        "clusters.0.nodePools.0.locations": ["us-central1-a"],
    }
    subnet = resolve(base(**edits)).subnet("us")
    (pool,) = subnet.internal_pools
    assert pool.subnet_of(subnet.primary)
    used = [subnet.gateway, subnet.bridge_address, subnet.primary[0], subnet.primary[-1]]
    used += subnet.node_addresses
    lab: list[Any] = []
    with pytest.raises(LabError, match=r"Subnet us .* has no free address for another container"):
        for index in range(subnet.primary.num_addresses if prefixlen > 24 else 0):
            lab.append(subnet.lab_address(index))
        if prefixlen <= 24:
            lab.append(subnet.lab_address(0))
            subnet.lab_address(subnet.primary.num_addresses)
    used += lab
    assert lab
    assert len(set(used)) == len(used)
    assert not any(address in pool for address in used)


def test_made_up_ranges_are_all_but_the_primary_ones() -> None:
    assert [str(network) for network in resolve(base()).made_up_ranges()] == [
        "10.0.0.0/20",
        "10.0.16.0/25",
        "10.64.0.0/20",
        "35.191.0.0/16",
        "130.211.0.0/22",
        "192.168.240.0/20",
        "198.51.100.0/24",
        "203.0.113.0/24",
    ]


def test_names_that_are_not_there() -> None:
    plan = resolve(base())
    with pytest.raises(LabError, match=r"There is no cluster 'x'. The lab has one"):
        plan.cluster("x")
    with pytest.raises(LabError, match=r"There is no subnet 'x'. The lab has us, eu"):
        plan.subnet("x")


# --- recording


@pytest.mark.parametrize("make", [base, lambda: parse(two_clusters(), "x.yaml")])
def test_a_plan_survives_json(make: Callable[[], Topology]) -> None:
    plan = resolve(make(), [claim("10.0.0.0/16")])
    recorded = json.dumps(plan.to_dict())
    again = ResolvedTopology.from_dict(json.loads(recorded))
    assert again == plan
    assert again.source == plan.source
    assert again.fingerprint() == plan.fingerprint()


def test_the_record_is_compact() -> None:
    """It goes into a docker label, and a default that is left out cannot change a fingerprint."""
    recorded = resolve(base()).to_dict()
    assert recorded["topology"] == BASE
    assert recorded["chosen"] == {"us/pods": "10.0.0.0/20", "us/services": "10.0.16.0/25"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("topology"),
        lambda data: data["topology"].update(unknown=1),
        lambda data: data.update(chosen=None),
        lambda data: data["chosen"].pop("us/pods"),
        lambda data: data["chosen"].update({"us/pods": "10.0.0.0/21"}),
        lambda data: data["chosen"].update({"us/pods": "x"}),
    ],
)
def test_a_damaged_record_is_refused_with_a_remedy(damage: Callable[[Any], object]) -> None:
    data = resolve(base()).to_dict()
    damage(data)
    with pytest.raises(LabError, match=r"cannot be read .* run `invoke down`"):
        ResolvedTopology.from_dict(data)


def test_the_fingerprint_follows_what_is_declared_alone(tmp_path: Path) -> None:
    text = (CLUSTERS / "vpc-native.yaml").read_text(encoding="utf-8")
    path = tmp_path / "copy.yaml"
    original = load(CLUSTERS / "vpc-native.yaml").fingerprint()
    data = yaml.safe_load(text)
    path.write_text(yaml.safe_dump(data, sort_keys=True), encoding="utf-8")
    assert load(path).fingerprint() == original
    data["project"] = "gkelab"  # as by default
    data["clusters"][0]["nodePools"][0]["machineType"] = "e2-standard-4"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert load(path).fingerprint() == original
    data["clusters"][0]["maxPodsPerNode"] = 31
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert load(path).fingerprint() != original
    assert len(original) == 12
    assert int(original, 16) >= 0


# --- the files of clusters/


@pytest.mark.parametrize("path", sorted(CLUSTERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_topology_file_is_sound_and_named_as_its_lab(path: Path) -> None:
    plan = resolve(load(path))
    assert plan.name == path.stem
    assert ResolvedTopology.from_dict(plan.to_dict()) == plan


def test_the_default_is_the_articles_cluster() -> None:
    (cluster,) = resolve(load(CLUSTERS / "vpc-native.yaml")).clusters
    assert (cluster.pod_range.prefixlen, cluster.services_range.prefixlen) == (20, 25)
    assert (cluster.max_pods, cluster.node_mask) == (30, 26)
    assert ipam.node_capacity(cluster.pod_range, cluster.node_mask) == 64
    assert [worker.zone for worker in cluster.workers] == ["us-central1-a", "us-central1-b"]


def test_small_has_one_worker_beside_the_default() -> None:
    plan = resolve(load(CLUSTERS / "small.yaml"))
    assert len(plan.nodes) == 2
    default = resolve(load(CLUSTERS / "vpc-native.yaml"))
    assert not plan.subnets[0].primary.overlaps(default.subnets[0].primary)


def test_two_regions_has_a_cluster_in_each() -> None:
    plan = resolve(load(CLUSTERS / "two-regions.yaml"))
    assert [(c.region, str(c.subnet.primary), len(c.workers)) for c in plan.clusters] == [
        ("us-central1", "10.128.0.0/20", 1),
        ("europe-west1", "10.132.0.0/20", 1),
    ]

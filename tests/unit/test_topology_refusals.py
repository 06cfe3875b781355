"""Topologies that are refused, and in which words: the file, the field, both sides, a remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.errors import LabError
from gkelab.topology import load, parse
from tests.unit.test_topology import BASE, MORE, PODS, SERVICES, SUBNET, edited, sub, two_clusters

NAME = "not a name of at most {} lower-case letters, digits and hyphens that starts with a letter"
NETWORK = "Write it as 10.0.0.0/20."
CHANGE = "Change one of the two ranges."


def refused(data: object) -> str:
    with pytest.raises(LabError) as caught:
        parse(data, "clusters/bad.yaml")
    return str(caught.value)


# (what is changed in BASE, the sentence without the file)
FIELDS = [
    (
        {"clusters.0.maxPods": 30},
        "clusters[0].maxPods is an unknown key. Write it as maxPodsPerNode.",
    ),
    (
        {"peers": []},
        "peers is an unknown key. Use one of name, project, network, clusters, loadBalancing, "
        "onPrem, internet, vms, firewalls, latency.",
    ),
    ({"name": None}, "name is missing. Add it."),
    ({"loadBalancing": None}, "loadBalancing is missing. Add it."),
    ({"name": "a" * 21}, f"name is '{'a' * 21}', {NAME.format(20)}. Choose such a name."),
    ({"name": "a_b"}, f"name is 'a_b', {NAME.format(20)}. Choose such a name."),
    ({"name": True}, "name is True, not text. Write it as text, in quotes."),
    (
        {"clusters.0.name": "Lab"},
        f"clusters[0].name is 'Lab', {NAME.format(40)}. Choose such a name.",
    ),
    ({"project": "x"}, "project is 'x', not a project id. Write it as my-project-1."),
    ({"network": []}, "network is a list, not a mapping. Write it as a mapping of keys to values."),
    ({"clusters": {}}, "clusters is a mapping, not a list. Write it as a list."),
    ({"clusters": []}, "clusters is empty. Give at least one."),
    ({"clusters.0.nodePools": []}, "clusters[0].nodePools is empty. Give at least one."),
    *(
        (
            {"clusters.0.maxPodsPerNode": number},
            f"clusters[0].maxPodsPerNode is {number}, outside GKE's 8 to 256. "
            "Choose a number of pods within these.",
        )
        for number in (7, 257)
    ),
    (
        {"clusters.0.maxPodsPerNode": "30"},
        "clusters[0].maxPodsPerNode is '30', not a whole number. Write it as 3.",
    ),
    (
        {"clusters.0.nodePools.0.nodeCount": 0},
        "clusters[0].nodePools[0].nodeCount is 0, less than 1. Use 1 or more.",
    ),
    (
        {"clusters.0.nodePools.0.nodeCount": 1001},
        "clusters[0].nodePools[0].nodeCount is 1001, more than 1000. Use 1000 or less.",
    ),
    (
        {"clusters.0.nodePools.0.machineType": "big"},
        "clusters[0].nodePools[0].machineType is 'big', not a machine type. Write it as e2-medium.",
    ),
    (
        {"clusters.0.location": "moon"},
        "clusters[0].location is 'moon', not a region or a zone. "
        "Write it as us-central1 or us-central1-a.",
    ),
    (
        {"clusters.0.nodePools.0.locations": ["us-central1"]},
        "clusters[0].nodePools[0].locations[0] is 'us-central1', not a zone. "
        "Write it as us-central1-a.",
    ),
    (
        {sub("region"): "us-central1-a"},
        f"{SUBNET}.region is 'us-central1-a', not a region. Write it as us-central1.",
    ),
]

RANGES = [
    ({sub("ipCidrRange"): "ten"}, f"{SUBNET}.ipCidrRange is 'ten', not a network. {NETWORK}"),
    (
        {sub("ipCidrRange"): "10.0.0.0/33"},
        f"{SUBNET}.ipCidrRange is '10.0.0.0/33', not a network. {NETWORK}",
    ),
    (
        {sub("ipCidrRange"): "10.0.0.0"},
        f"{SUBNET}.ipCidrRange is '10.0.0.0', not a network. {NETWORK}",
    ),
    ({sub("ipCidrRange"): 20}, f"{SUBNET}.ipCidrRange is 20, not a network. {NETWORK}"),
    ({sub("ipCidrRange"): "/20"}, f"{SUBNET}.ipCidrRange is '/20', not a network. {NETWORK}"),
    (
        {sub("ipCidrRange"): "10.128.0.1/20"},
        f"{SUBNET}.ipCidrRange is 10.128.0.1/20, which has host bits set. Write 10.128.0.0/20.",
    ),
    (
        {sub("ipCidrRange"): "10.128.0.0/255.255.240.0"},
        f"{SUBNET}.ipCidrRange is '10.128.0.0/255.255.240.0', not a network with a prefix length. "
        "Write 10.128.0.0/20.",
    ),
    (
        {sub("ipCidrRange"): "fd00::/64"},
        f"{SUBNET}.ipCidrRange is fd00::/64, an IPv6 network. Use an IPv4 network.",
    ),
    *(
        (
            {sub("secondaryIpRanges.0.ipCidrRange"): size},
            f"{PODS} is {size}, outside /8 to /29. Choose a size from /8 to /29.",
        )
        for size in ("/7", "/30", "/333")
    ),
    (
        {sub("secondaryIpRanges.0.ipCidrRange"): "/x"},
        f"{PODS} is '/x', not a network. {NETWORK}",
    ),
    (
        {sub("ipCidrRange"): "10.128.0.0/30"},
        f"{SUBNET}.ipCidrRange 10.128.0.0/30 is smaller than /29, a VPC's smallest subnet. "
        "Use /29 or larger.",
    ),
    (
        {"loadBalancing.externalRange": "203.0.113.0/28"},
        "loadBalancing.externalRange 203.0.113.0/28 is too small to give each of 1 cluster a pool "
        "of /29. Use /27 or larger.",
    ),
    (
        {sub("secondaryIpRanges.0.ipCidrRange"): "/25"},
        f"{PODS} /25 holds 2 nodes, as clusters[0].maxPodsPerNode 30 gives every node a /26, and "
        "clusters[0] 'one' has 3 with its control plane. Use /24 or larger, fewer nodes or fewer "
        "pods a node.",
    ),
    (
        {
            sub("secondaryIpRanges.0.ipCidrRange"): "10.0.0.0/24",
            "clusters.0.maxPodsPerNode": 110,
        },
        f"{PODS} 10.0.0.0/24 holds 1 node, as clusters[0].maxPodsPerNode 110 gives every node a "
        "/24, and clusters[0] 'one' has 3 with its control plane. Use /22 or larger, fewer nodes "
        "or fewer pods a node.",
    ),
    (
        {sub("secondaryIpRanges.0.ipCidrRange"): "/9"},
        f"{PODS} /9 holds 131072 nodes, as clusters[0].maxPodsPerNode 30 gives every node a /26, "
        "and Kubernetes takes at most 65536. Use /10 or smaller.",
    ),
    (
        {sub("secondaryIpRanges.1.ipCidrRange"): "/28"},
        f"{SERVICES} /28 is for services by clusters[0].servicesSecondaryRangeName 'services', and "
        "GKE's smallest is /27. Use /27 or larger.",
    ),
    (
        {sub("secondaryIpRanges.1.ipCidrRange"): "/15"},
        f"{SERVICES} /15 is for services by clusters[0].servicesSecondaryRangeName 'services', and "
        "GKE's largest is /16. Use /16 or smaller.",
    ),
    (
        {sub("ipCidrRange"): "10.128.0.0/29", "clusters.0.nodePools.0.nodeCount": 2},
        f"{SUBNET}.ipCidrRange 10.128.0.0/29 holds 4 nodes, and its clusters 'one' have 5 with "
        "their control planes. Use a larger range or fewer nodes.",
    ),
    (
        {sub("ipCidrRange"): "10.128.0.0/29"},
        f"{SUBNET}.ipCidrRange 10.128.0.0/29 holds 4 addresses, too few for 3 nodes of clusters "
        "'one', an internal pool each and a container of the lab. Use a larger range.",
    ),
]

OVERLAPS = [
    (
        {"network.subnets.1.ipCidrRange": "10.128.8.0/21"},
        f"network.subnets[1].ipCidrRange 10.128.8.0/21 overlaps {SUBNET}.ipCidrRange "
        f"10.128.0.0/20. {CHANGE}",
    ),
    (
        {sub("secondaryIpRanges.0.ipCidrRange"): "10.128.0.0/20"},
        f"{PODS} 10.128.0.0/20 overlaps {SUBNET}.ipCidrRange 10.128.0.0/20. {CHANGE}",
    ),
    (
        {sub("secondaryIpRanges.1.ipCidrRange"): "10.64.1.0/25"},
        f"{MORE} 10.64.0.0/20 overlaps {SERVICES} 10.64.1.0/25. {CHANGE}",
    ),
    (
        {"loadBalancing.frontendRange": "203.0.113.128/25"},
        "loadBalancing.frontendRange 203.0.113.128/25 overlaps loadBalancing.externalRange "
        f"203.0.113.0/24. {CHANGE}",
    ),
    (
        {"onPrem.range": "10.64.0.0/10"},
        f"onPrem.range 10.64.0.0/10 overlaps {MORE} 10.64.0.0/20. {CHANGE}",
    ),
    *(
        (
            {"onPrem.range": network},
            f"onPrem.range {network} overlaps {other}. Choose another range.",
        )
        for network, other in (
            ("35.191.128.0/17", "Google's health-check range 35.191.0.0/16"),
            ("130.211.0.0/16", "Google's health-check range 130.211.0.0/22"),
            ("169.254.169.0/24", "the link-local range 169.254.0.0/16"),
            ("127.1.0.0/16", "the loopback range 127.0.0.0/8"),
            ("239.0.0.0/8", "the multicast range 224.0.0.0/4"),
            ("0.0.0.0/16", 'the "this network" range 0.0.0.0/8'),
            ("255.255.255.0/24", "the broadcast address 255.255.255.255/32"),
        )
    ),
    (
        {"clusters.0.internalRange": "10.132.0.0/24"},
        f"clusters[0].internalRange 10.132.0.0/24 is not within {SUBNET}.ipCidrRange "
        "10.128.0.0/20. Choose a part of the subnet's primary range.",
    ),
    (
        {"clusters.0.internalRange": "10.128.15.0/24"},
        "clusters[0].internalRange 10.128.15.0/24 contains 10.128.15.254, which Google reserves in "
        f"{SUBNET}.ipCidrRange 10.128.0.0/20. "
        "Choose a part without the first two and the last two addresses.",
    ),
]

REFERENCES = [
    (
        {"network.subnets.1.name": "us"},
        "network.subnets[1].name is 'us', as is network.subnets[0].name. Rename one of them.",
    ),
    (
        {sub("secondaryIpRanges.2.rangeName"): "pods"},
        f"{SUBNET}.secondaryIpRanges[2].rangeName is 'pods', as is "
        f"{SUBNET}.secondaryIpRanges[0].rangeName. Rename one of them.",
    ),
    (
        {"clusters.0.nodePools.1": {"name": "default-pool", "locations": ["us-central1-c"]}},
        "clusters[0].nodePools[1].name is 'default-pool', as is clusters[0].nodePools[0].name. "
        "Rename one of them.",
    ),
    (
        {"clusters.0.subnetwork": "asia"},
        "clusters[0].subnetwork is 'asia', and network.subnets has 'us', 'eu'. "
        "Name one of these, or declare the subnet.",
    ),
    (
        {"clusters.0.clusterSecondaryRangeName": "pod"},
        f"clusters[0].clusterSecondaryRangeName is 'pod', and {SUBNET}.secondaryIpRanges has "
        "'pods', 'services', 'more'. Name one of these, or declare the range.",
    ),
    (
        {"clusters.0.servicesSecondaryRangeName": "pods"},
        "clusters[0].servicesSecondaryRangeName is 'pods', as is "
        "clusters[0].clusterSecondaryRangeName. "
        "Give every cluster a range for its pods and another for its services.",
    ),
    (
        {
            "clusters.0.location": "europe-west1",
            "clusters.0.nodePools.0.locations": ["europe-west1-b"],
        },
        "clusters[0].location is europe-west1, and network.subnets[0].region is us-central1. "
        "Put the cluster into its subnet's region.",
    ),
    (
        {"clusters.0.nodePools.0.locations": ["us-central1-a", "us-east1-b"]},
        "clusters[0].nodePools[0].locations[1] is us-east1-b, and clusters[0].location us-central1 "
        "is in us-central1. Name zones of us-central1.",
    ),
    (
        {"clusters.0.nodePools.0.locations": ["us-central1-a", "us-central1-a"]},
        "clusters[0].nodePools[0].locations[1] is 'us-central1-a', as is "
        "clusters[0].nodePools[0].locations[0]. Remove one of them.",
    ),
    (
        {"clusters.0.nodePools.0.locations": None},
        "clusters[0].nodePools[0].locations is empty, and clusters[0].location us-central1 is a "
        "region. Name the zones of the pool, as [us-central1-b].",
    ),
]


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [*FIELDS, *RANGES, *OVERLAPS, *REFERENCES],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_refusals_name_file_field_and_both_sides(edits: dict[str, Any], sentence: str) -> None:
    assert refused(edited(edits)) == f"clusters/bad.yaml: {sentence}"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"name": "one"},
            "clusters[1].name is 'one', as is clusters[0].name. Rename one of them.",
        ),
        (
            {"clusterSecondaryRangeName": "pods"},
            "clusters[1].clusterSecondaryRangeName is 'pods', as is "
            "clusters[0].clusterSecondaryRangeName. "
            "Give every cluster a range for its pods and another for its services.",
        ),
        (
            {"servicesSecondaryRangeName": "pods"},
            "clusters[1].servicesSecondaryRangeName is 'pods', as is "
            "clusters[0].clusterSecondaryRangeName. "
            "Give every cluster a range for its pods and another for its services.",
        ),
    ],
)
def test_refusals_between_clusters(changes: dict[str, Any], sentence: str) -> None:
    assert refused(two_clusters(**changes)) == f"clusters/bad.yaml: {sentence}"


def test_internal_ranges_that_overlap_are_refused() -> None:
    data = two_clusters(internalRange="10.128.8.0/24")
    data["clusters"][0]["internalRange"] = "10.128.8.0/25"
    assert refused(data) == (
        "clusters/bad.yaml: clusters[1].internalRange 10.128.8.0/24 overlaps "
        f"clusters[0].internalRange 10.128.8.0/25. {CHANGE}"
    )


def test_of_several_problems_the_first_is_told_and_the_others_counted() -> None:
    data = edited({"name": "A", "project": "x", "clusters.0.maxPodsPerNode": 1})
    assert refused(data) == (
        f"clusters/bad.yaml: name is 'A', {NAME.format(20)} (and 2 more). Choose such a name."
    )


def test_the_unchanged_base_is_accepted() -> None:
    """The counterpart of every refusal above: without the edit, nothing is wrong."""
    assert parse(BASE).name == "lab"
    assert len(parse(two_clusters()).clusters) == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds empty, not a mapping. Start it with `name: my-lab`."),
        ("- a\n", "holds a list, not a mapping. Start it with `name: my-lab`."),
        ("hello\n", "holds 'hello', not a mapping. Start it with `name: my-lab`."),
        ("a: b: c\n", "is not YAML on line 1, mapping values are not allowed here. Mend the line."),
        (
            "name: a\n---\nname: b\n",
            "is not YAML on line 2, but found another document. Mend the line.",
        ),
        (
            "a: !!python/name:os.system x\n",
            "is not YAML on line 1, could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'. Mend the line.",
        ),
        (
            "name: a\nnetwork:\n  subnets:\n    - name: us\n      name: eu\n",
            "network.subnets[0].name is given twice, on lines 4 and 5. Remove one of them.",
        ),
        (
            "name: a\nname: b\nname: c\n",
            "name is given twice, on lines 1 and 2 (and 1 more). Remove one of them.",
        ),
        (
            "\x00",
            "is not YAML, unacceptable character #x0000: special characters are not allowed. "
            "Name a YAML file.",
        ),
        (b"\xff\xfe\xfa", "is not UTF-8 text. Name a YAML file."),
        ("name: 2020-99-99\n", "is not YAML, month must be in 1..12. Name a YAML file."),
        ("[" * 5000, None),
        ("a: &x [*x]\n", None),
        ("clusters: &x [*x]\n", None),
        ("1: 2\n", None),
        ("? [a, b]\n: c\n", None),
        ("name: " + "9" * 5000 + "\n", None),
    ],
)
def test_files_that_are_no_topology(
    tmp_path: Path, content: str | bytes, sentence: str | None
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(LabError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    if sentence:
        assert str(caught.value) == f"{path}: {sentence}"


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no.yaml: there is no such file. Name one of clusters"):
        load(tmp_path / "no.yaml")
    with pytest.raises(LabError, match="cannot be read, Is a directory"):
        load(tmp_path)

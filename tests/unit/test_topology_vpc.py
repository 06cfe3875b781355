"""What a topology says of VMs, firewall rules, latency and the internet, and what becomes of it."""

import json
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab import ipam
from gkelab.errors import LabError
from gkelab.topology import AliasRange, Claim, ResolvedTopology, parse, resolve
from tests.unit.test_topology import BASE, edited, sub, two_clusters

VM: dict[str, Any] = {"name": "vm-a", "zone": "us-central1-a", "subnetwork": "us"}
RULE: dict[str, Any] = {"name": "web", "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}]}
SECONDARY = {"rangeName": "vms", "ipCidrRange": "10.65.0.0/24"}
VMS = f"{sub('secondaryIpRanges')}.3"


def vm(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A VM of a number; None takes a key away."""
    name = f"vm-{chr(ord('a') + number)}"
    return {k: v for k, v in {**VM, "name": name, **changes}.items() if v is not None}


def rule(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**RULE, **changes}.items() if v is not None}


def alias(value: str, name: str | None = None) -> dict[str, str]:
    return {"ipCidrRange": value, **({"subnetworkRangeName": name} if name else {})}


def plan(*vms: dict[str, Any], **edits: Any) -> ResolvedTopology:
    data = edited({VMS: SECONDARY, **edits})
    return resolve(parse({**data, "vms": list(vms)}))


# --- VMs


def test_what_is_left_out_of_a_vm() -> None:
    (found,) = plan(vm()).vms
    assert (found.region, found.machine_type, found.subnet.name) == (
        *("us-central1", "e2-medium"),
        "us",
    )
    assert (found.tags, found.alias_ranges, found.can_ip_forward, found.public) == (
        *((), ()),
        *(False, False),
    )


def test_a_vm_as_it_was_declared() -> None:
    said: dict[str, Any] = {
        "machineType": "n2-standard-2",
        "networkIP": "10.128.0.77",
        "aliasIpRanges": [alias("10.65.0.16/28", "vms"), alias("10.128.0.200"), alias("/30")],
        "tags": ["b", "a"],
        "canIpForward": True,
        "public": True,
    }
    (found,) = plan(vm(**said)).vms
    assert (found.machine_type, found.address) == ("n2-standard-2", IPv4Address("10.128.0.77"))
    assert found.alias_ranges == (
        AliasRange("vms", IPv4Network("10.65.0.16/28")),
        AliasRange("", IPv4Network("10.128.0.200/32")),
        AliasRange("", IPv4Network("10.128.8.0/30")),
    )
    assert (found.tags, found.can_ip_forward, found.public) == (("b", "a"), True, True)


def test_vms_begin_in_the_middle_and_nothing_moves_them() -> None:
    def addresses(found: ResolvedTopology) -> list[str]:
        return [str(one.address) for one in found.vms]

    assert addresses(plan(vm(), vm(1))) == ["10.128.8.2", "10.128.8.3"]
    assert addresses(plan(vm(), vm(1), vm(2)))[:2] == ["10.128.8.2", "10.128.8.3"]
    more_nodes = {"clusters.0.nodePools.0.nodeCount": 30}
    assert addresses(plan(vm(), vm(1), **more_nodes)) == ["10.128.8.2", "10.128.8.3"]
    another = resolve(parse({**two_clusters(), "vms": [vm(), vm(1)]}))
    assert addresses(another) == ["10.128.8.2", "10.128.8.3"]


def test_nodes_and_pools_leap_over_what_a_vm_said() -> None:
    said = vm(
        networkIP="10.128.0.3", aliasIpRanges=[alias("10.128.14.0/28"), alias("10.128.0.4/31")]
    )
    found = plan(said)
    assert [str(node.address) for node in found.nodes] == ["10.128.0.2", "10.128.0.6", "10.128.0.7"]
    assert str(found.clusters[0].internal_pool) == "10.128.13.0/24"
    assert not any(found.subnet("us").lab_address(i) == said["networkIP"] for i in range(3))


def test_alias_ranges_by_size_follow_each_other_in_their_range() -> None:
    found = plan(
        vm(aliasIpRanges=[alias("/26", "vms"), alias("/32", "vms")]),
        vm(1, aliasIpRanges=[alias("10.65.0.0/27", "vms"), alias("/28", "vms")]),
    )
    assert [[str(one.network) for one in v.alias_ranges] for v in found.vms] == [
        ["10.65.0.64/26", "10.65.0.32/32"],
        ["10.65.0.0/27", "10.65.0.48/28"],
    ]


def test_an_alias_size_in_a_range_that_has_a_size_itself() -> None:
    edits = {VMS: {"rangeName": "vms", "ipCidrRange": "/24"}}
    data = edited({**edits})
    (found,) = resolve(parse({**data, "vms": [vm(aliasIpRanges=[alias("/28", "vms")])]})).vms
    whole = found.subnet.secondary_ranges["vms"]
    assert found.alias_ranges[0].network == IPv4Network((int(whole[0]), 28))


def test_a_named_vm() -> None:
    found = plan(vm())
    assert found.vm("vm-a") == found.vms[0]
    with pytest.raises(LabError, match=r"There is no VM 'x'\. The lab has vm-a"):
        found.vm("x")
    with pytest.raises(LabError, match=r"There is no VM 'x'\. The lab has none"):
        resolve(parse(BASE)).vm("x")


def declared() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Up to six VMs of a small subnet, with and without addresses and alias ranges."""
    address = st.integers(2, 61).map(lambda last: f"10.128.0.{last}")
    aliases = st.lists(st.sampled_from(["/32", "/31", "/30", "/29"]), max_size=2)
    one = st.fixed_dictionaries(
        {
            "networkIP": st.none() | address,
            "aliasIpRanges": aliases.map(lambda sizes: [alias(size) for size in sizes]),
        }
    )
    return st.lists(one, max_size=6)


@given(declared())
def test_whatever_is_declared_nobody_shares_an_address(said: list[dict[str, Any]]) -> None:
    data = edited({sub("ipCidrRange"): "10.128.0.0/26"})
    vms = [vm(index, **one) for index, one in enumerate(said)]
    try:
        found = resolve(parse({**data, "vms": vms}))
    except LabError as error:
        assert "vms[" in str(error) or "too few" in str(error)
        return
    subnet = found.subnet("us")
    used = [
        *map(IPv4Network, ipam.reserved_addresses(subnet.primary)),
        *map(IPv4Network, subnet.node_addresses),
        *subnet.internal_pools,
        *(IPv4Network(one.address) for one in found.vms),
        *(one.network for v in found.vms for one in v.alias_ranges),
        IPv4Network(subnet.lab_address(0)),
    ]
    assert not ipam.overlaps([("", network) for network in used])
    assert all(network.subnet_of(subnet.primary) for network in used)
    assert [v.address for v, one in zip(found.vms, said, strict=True) if one["networkIP"]] == [
        IPv4Address(one["networkIP"]) for one in said if one["networkIP"]
    ]


# --- rules, latency, the internet


def test_a_rule_in_computes_words() -> None:
    said = {
        "name": "all-of-it",
        "description": "x",
        "direction": "EGRESS",
        "priority": 0,
        "sourceRanges": ["10.0.0.0/8"],
        "destinationRanges": ["192.0.2.7", "0.0.0.0/0"],
        "targetTags": ["web"],
        "denied": [{"IPProtocol": "tcp", "ports": ["22", "8000-8080"]}, {"IPProtocol": "47"}],
        "disabled": True,
        "logConfig": {"enable": True, "metadata": "EXCLUDE_ALL_METADATA"},
    }
    (found,) = parse({**BASE, "firewalls": [said]}).firewalls
    assert found.body() == {**said, "destinationRanges": ["192.0.2.7/32", "0.0.0.0/0"]}


def test_what_is_left_out_of_a_rule_is_computes_default() -> None:
    (found,) = parse({**BASE, "firewalls": [RULE]}).firewalls
    assert (found.direction, found.priority, found.disabled) == ("INGRESS", 1000, False)
    assert found.body() == RULE


@pytest.mark.parametrize(
    ("text", "one_way"),
    [("100ms", 50_000), ("1ms", 500), ("0.5ms", 250), ("33.25ms", 16_625), ("10000ms", 5_000_000)],
)
def test_half_of_a_round_trip_each_way(text: str, one_way: int) -> None:
    latency = [{"between": ["us-central1", "europe-west1"], "roundTrip": text}]
    found = resolve(parse({**BASE, "latency": latency}))
    (between,) = found.latency
    assert between.between == ("us-central1", "europe-west1")
    assert between.one_way == timedelta(microseconds=one_way)
    assert found.topology.to_dict()["latency"][0]["roundTrip"] == text


def test_the_internet_has_a_place_for_each() -> None:
    found = resolve(parse({**BASE, "internet": {"range": "198.18.0.0/24"}}))
    assert found.internet
    assert found.internet.docker_network == "gkelab.lab.internet"
    assert [str(a) for a in (found.internet.router, found.internet.client)] == [
        *("198.18.0.1", "198.18.0.2"),
    ]
    assert str(found.internet.bridge_address) == "198.18.0.254"
    assert IPv4Network("198.18.0.0/24") in found.made_up_ranges()
    assert IPv4Network("198.18.0.0/24") in found.held_inside()
    with pytest.raises(LabError, match=r"internet\.range 198\.18\.0\.0/24 overlaps docker"):
        resolve(found.topology, [Claim(IPv4Network("198.18.0.0/15"), "docker network foo")])


def test_a_lab_that_says_nothing_of_them_is_as_it_was() -> None:
    """Labels of labs from before these fields are read, and mean what they meant."""
    found = resolve(parse(BASE))
    assert (found.vms, found.firewalls, found.latency, found.internet) == ((), (), (), None)
    recorded = json.loads(json.dumps(found.to_dict()))
    assert set(recorded["topology"]) == set(BASE)
    assert ResolvedTopology.from_dict(recorded) == found


def test_all_of_it_survives_json() -> None:
    data = {
        **edited({VMS: SECONDARY}),
        "vms": [vm(networkIP="10.128.0.9", aliasIpRanges=[alias("/28", "vms")]), vm(1)],
        "firewalls": [rule(sourceTags=["vm"], logConfig={"enable": True})],
        "latency": [{"between": ["us-central1", "europe-west1"], "roundTrip": "0.5ms"}],
        "internet": {"range": "198.18.0.0/24"},
    }
    found = resolve(parse(data, "clusters/x.yaml"))
    recorded = json.loads(json.dumps(found.to_dict()))
    assert recorded["topology"] == data
    again = ResolvedTopology.from_dict(recorded)
    assert again == found
    assert again.fingerprint() == found.fingerprint()


# --- refusals

RANGE = "network.subnets[0].secondaryIpRanges[3].ipCidrRange"
PRIMARY = "network.subnets[0].ipCidrRange"
TWO = "Change one of the two."
ALIAS = "vms[0].aliasIpRanges[0]"
NAME = (
    "not a name of at most 63 lower-case letters, digits and hyphens that starts with a letter. "
    "Choose such a name."
)

# (VMs, the sentence without the file)
OF_VMS: list[tuple[list[dict[str, Any]], str]] = [
    ([vm(name=None)], "vms[0].name is missing. Add it."),
    ([vm(name="VM")], f"vms[0].name is 'VM', {NAME}"),
    (
        [vm(zone="us-central1")],
        "vms[0].zone is 'us-central1', not a zone. Write it as us-central1-a.",
    ),
    (
        [vm(image="debian")],
        "vms[0].image is an unknown key. Use one of name, zone, subnetwork, machineType, "
        "networkIP, aliasIpRanges, tags, canIpForward, public.",
    ),
    ([vm(networkIp="10.128.0.9")], "vms[0].networkIp is an unknown key. Write it as networkIP."),
    (
        [vm(networkIP="10.128.0.0/24")],
        "vms[0].networkIP is '10.128.0.0/24', not an IPv4 address. Write it as 10.128.0.100.",
    ),
    ([vm(networkIP=7)], "vms[0].networkIP is 7, not an IPv4 address. Write it as 10.128.0.100."),
    ([vm(public="yes")], "vms[0].public is 'yes', not true or false. Write true or false."),
    ([vm(tags=["a b"])], f"vms[0].tags[0] is 'a b', {NAME}"),
    (
        [vm(tags=[f"t{number}" for number in range(65)])],
        "vms[0].tags has 65 entries, more than 64. Leave some out.",
    ),
    ([vm(tags=["a", "a"])], "vms[0].tags[1] is 'a', as is vms[0].tags[0]. Remove one of them."),
    ([vm(), vm()], "vms[1].name is 'vm-a', as is vms[0].name. Rename one of them."),
    (
        [vm(name="one-worker2")],
        "vms[0].name is 'one-worker2', as is a node of clusters[0]. Rename the VM.",
    ),
    (
        [vm(name="lab-router")],
        "vms[0].name is 'lab-router', as is a container of the lab's own. Rename the VM.",
    ),
    (
        [vm(subnetwork="asia")],
        "vms[0].subnetwork is 'asia', and network.subnets has 'us', 'eu'. "
        "Name one of these, or declare the subnet.",
    ),
    (
        [vm(zone="europe-west1-b")],
        "vms[0].zone is europe-west1-b, and network.subnets[0].region is us-central1. "
        "Put the VM into its subnet's region.",
    ),
    (
        [vm(aliasIpRanges=[alias("/28", "vm")])],
        f"{ALIAS}.subnetworkRangeName is 'vm', and network.subnets[0].secondaryIpRanges has "
        "'pods', 'services', 'more', 'vms'. Name one of these, or declare the range.",
    ),
    (
        [vm(aliasIpRanges=[alias("/28", "pods")])],
        f"{ALIAS}.subnetworkRangeName is 'pods', as is clusters[0].clusterSecondaryRangeName. "
        "Declare a secondary range for VMs.",
    ),
    (
        [vm(aliasIpRanges=[alias("/28", "services")])],
        f"{ALIAS}.subnetworkRangeName is 'services', as is clusters[0].servicesSecondaryRangeName. "
        "Declare a secondary range for VMs.",
    ),
    (
        [vm(aliasIpRanges=[alias("/33", "vms")])],
        f"{ALIAS}.ipCidrRange is /33, outside /8 to /32. Choose a size from /8 to /32.",
    ),
    (
        [vm(aliasIpRanges=[alias("10.65.0.1/28", "vms")])],
        f"{ALIAS}.ipCidrRange is 10.65.0.1/28, which has host bits set. Write 10.65.0.0/28.",
    ),
    (
        [vm(aliasIpRanges=[{"subnetworkRangeName": "vms"}])],
        f"{ALIAS}.ipCidrRange is missing. Add it.",
    ),
    (
        [vm(aliasIpRanges=[alias("10.65.1.0/28", "vms")])],
        f"{ALIAS}.ipCidrRange 10.65.1.0/28 is not within {RANGE} 10.65.0.0/24. "
        "Choose a part of that range.",
    ),
    (
        [vm(aliasIpRanges=[alias("10.65.0.0/28")])],
        f"{ALIAS}.ipCidrRange 10.65.0.0/28 is not within {PRIMARY} 10.128.0.0/20. "
        "Choose a part of that range.",
    ),
    (
        [vm(aliasIpRanges=[alias("10.128.0.0/30")])],
        f"{ALIAS}.ipCidrRange 10.128.0.0/30 has 10.128.0.0, which Google reserves in {PRIMARY} "
        "10.128.0.0/20. Choose another part of that range.",
    ),
    (
        [vm(networkIP="10.132.0.9")],
        f"vms[0].networkIP 10.132.0.9 is not within {PRIMARY} 10.128.0.0/20. "
        "Choose a part of that range.",
    ),
    (
        [vm(networkIP="10.128.0.1")],
        f"vms[0].networkIP 10.128.0.1 has 10.128.0.1, which Google reserves in {PRIMARY} "
        "10.128.0.0/20. Choose another part of that range.",
    ),
    (
        [vm(networkIP="10.128.0.9"), vm(1, networkIP="10.128.0.9")],
        f"vms[1].networkIP 10.128.0.9 overlaps vms[0].networkIP 10.128.0.9. {TWO}",
    ),
    (
        [vm(networkIP="10.128.0.9", aliasIpRanges=[alias("10.128.0.8/29")])],
        f"{ALIAS}.ipCidrRange 10.128.0.8/29 overlaps vms[0].networkIP 10.128.0.9. {TWO}",
    ),
    (
        [
            vm(aliasIpRanges=[alias("10.65.0.0/28", "vms")]),
            vm(1, aliasIpRanges=[alias("10.65.0.8/29", "vms")]),
        ],
        f"vms[1].aliasIpRanges[0].ipCidrRange 10.65.0.8/29 overlaps {ALIAS}.ipCidrRange "
        f"10.65.0.0/28. {TWO}",
    ),
    (
        [vm(aliasIpRanges=[alias("/25", "vms"), alias("/25", "vms"), alias("/32", "vms")])],
        f"{RANGE} 10.65.0.0/24 has no room for all aliasIpRanges of vms in 'vms'. "
        "Use a larger range, or smaller alias ranges.",
    ),
]


def refused(data: dict[str, Any]) -> str:
    with pytest.raises(LabError) as caught:
        parse(data, "clusters/bad.yaml")
    return str(caught.value).removeprefix("clusters/bad.yaml: ")


@pytest.mark.parametrize(("vms", "sentence"), OF_VMS, ids=[text[:50] for _, text in OF_VMS])
def test_vms_that_are_refused(vms: list[dict[str, Any]], sentence: str) -> None:
    assert refused({**edited({VMS: SECONDARY}), "vms": vms}) == sentence


def test_a_network_in_a_range_of_which_only_the_size_is_known() -> None:
    data = edited({VMS: {"rangeName": "vms", "ipCidrRange": "/24"}})
    vms = [vm(aliasIpRanges=[alias("10.65.0.0/28", "vms")])]
    assert refused({**data, "vms": vms}) == (
        f"{ALIAS}.ipCidrRange is 10.65.0.0/28, and {RANGE} is the size /24. "
        "Give this as a size too, or that as a network."
    )


def test_an_address_in_a_clusters_internal_range() -> None:
    data = edited({"clusters.0.internalRange": "10.128.4.0/24"})
    assert refused({**data, "vms": [vm(networkIP="10.128.4.9")]}) == (
        "vms[0].networkIP 10.128.4.9 overlaps clusters[0].internalRange 10.128.4.0/24. " + TWO
    )


def test_more_vms_than_a_subnet_has_addresses_for() -> None:
    data = edited({sub("ipCidrRange"): "10.128.0.0/28"})
    vms = [vm(number) for number in range(7)]
    assert parse({**data, "vms": vms[:6]}).vms
    assert refused({**data, "vms": vms}) == (
        f"{PRIMARY} 10.128.0.0/28 holds 12 addresses, too few for 3 nodes of clusters 'one', an "
        "internal pool each, 7 VMs and a container of the lab. Use a larger range."
    )


def test_more_public_machines_than_there_are_addresses_for() -> None:
    data = edited({"loadBalancing.externalRange": "203.0.113.0/27"})
    vms = [vm(number, public=True) for number in range(22)]
    assert parse({**data, "vms": vms[:21]}).vms
    assert refused({**data, "vms": vms}) == (
        "loadBalancing.externalRange 203.0.113.0/27 leaves 24 addresses beside the load balancers' "
        "pools, and 3 nodes and 22 public VMs have one each. Use a larger range."
    )


# (rule, the sentence without the file)
OF_RULES: list[tuple[dict[str, Any], str]] = [
    (rule(name="1"), f"firewalls[0].name is '1', {NAME}"),
    (
        rule(name="gke-one-0123abcd-all"),
        "firewalls[0].name is 'gke-one-0123abcd-all', and rules gke-one-... are those that GKE "
        "makes for clusters[0]. Rename the rule.",
    ),
    (
        rule(direction="in"),
        "firewalls[0].direction is 'in', not 'INGRESS' or 'EGRESS'. Write it so.",
    ),
    (rule(priority=-1), "firewalls[0].priority is -1, less than 0. Use 0 or more."),
    (rule(priority=65536), "firewalls[0].priority is 65536, more than 65535. Use 65535 or less."),
    (
        rule(sourceRanges=["10.0.0.1/8"]),
        "firewalls[0].sourceRanges[0] is 10.0.0.1/8, which has host bits set. Write 10.0.0.0/8.",
    ),
    (
        rule(destinationRanges=["pods"]),
        "firewalls[0].destinationRanges[0] is 'pods', not a network. Write it as 10.0.0.0/20.",
    ),
    (rule(targetTags=["A"]), f"firewalls[0].targetTags[0] is 'A', {NAME}"),
    (
        rule(sourceTags=[f"t{number}" for number in range(31)]),
        "firewalls[0].sourceTags has 31 entries, more than 30. Leave some out.",
    ),
    (
        rule(allowed=None),
        "firewalls[0].allowed is missing, and so is firewalls[0].denied. Give one of the two.",
    ),
    (
        rule(denied=[{"IPProtocol": "all"}]),
        "firewalls[0].denied is given beside firewalls[0].allowed. Give one of the two.",
    ),
    (
        rule(direction="EGRESS", sourceTags=["a"]),
        "firewalls[0].sourceTags is given, and firewalls[0].direction is EGRESS. "
        "Use targetTags, which are those of the sender.",
    ),
    (
        rule(allowed=[{"ipProtocol": "tcp"}]),
        "firewalls[0].allowed[0].IPProtocol is missing (and 1 more). Add it.",
    ),
    (
        rule(allowed=[{"IPProtocol": "TCP"}]),
        "firewalls[0].allowed[0].IPProtocol is 'TCP', not a protocol. "
        "Use one of tcp, udp, icmp, esp, ah, sctp, ipip, all.",
    ),
    (
        rule(allowed=[{"IPProtocol": "256"}]),
        "firewalls[0].allowed[0].IPProtocol is '256', not a protocol. "
        "Use one of tcp, udp, icmp, esp, ah, sctp, ipip, all.",
    ),
    (
        rule(allowed=[{"IPProtocol": "tcp", "ports": [80]}]),
        "firewalls[0].allowed[0].ports[0] is 80, not text. Write it as text, in quotes.",
    ),
    *(
        (
            rule(allowed=[{"IPProtocol": "tcp", "ports": [port]}]),
            f"firewalls[0].allowed[0].ports[0] is {port!r}, not a port or a range of ports. "
            "Write it as 80 or 80-90.",
        )
        for port in ("http", "65536", "90-80", "1-", "-1", "")
    ),
    (
        rule(allowed=[{"IPProtocol": "icmp", "ports": ["80"]}]),
        "firewalls[0].allowed[0].ports is given, and firewalls[0].allowed[0].IPProtocol is icmp, "
        "which has none. Leave the ports out, or use tcp, udp or sctp.",
    ),
    (rule(logConfig={}), "firewalls[0].logConfig.enable is missing. Add it."),
    (
        rule(logConfig={"enable": False, "metadata": "EXCLUDE_ALL_METADATA"}),
        "firewalls[0].logConfig.metadata is given, and firewalls[0].logConfig.enable is false. "
        "Enable the log, or leave its metadata out.",
    ),
    (rule(network="default"), "firewalls[0].network is an unknown key."),
]


@pytest.mark.parametrize(("said", "sentence"), OF_RULES, ids=[text[:50] for _, text in OF_RULES])
def test_rules_that_are_refused(said: dict[str, Any], sentence: str) -> None:
    assert refused({**BASE, "firewalls": [said]}).startswith(sentence)


def test_two_rules_of_one_name() -> None:
    assert refused({**BASE, "firewalls": [RULE, RULE]}) == (
        "firewalls[1].name is 'web', as is firewalls[0].name. Rename one of them."
    )


REGIONS = ["us-central1", "europe-west1"]
OF_LATENCY: list[tuple[list[dict[str, Any]], str]] = [
    (
        [{"between": ["us-central1"], "roundTrip": "1ms"}],
        "latency[0].between is 'us-central1', not two regions. "
        "Write it as [us-central1, europe-west1].",
    ),
    (
        [{"between": ["us-central1", "us-central1"], "roundTrip": "1ms"}],
        "latency[0].between is 'us-central1', 'us-central1', not two regions. "
        "Write it as [us-central1, europe-west1].",
    ),
    (
        [{"between": ["us-central1", "asia-east1"], "roundTrip": "1ms"}],
        "latency[0].between[1] is 'asia-east1', and network.subnets are in 'us-central1', "
        "'europe-west1'. Name two of these, or declare a subnet there.",
    ),
    (
        [
            {"between": REGIONS, "roundTrip": "1ms"},
            {"between": REGIONS[::-1], "roundTrip": "2ms"},
        ],
        "latency[1].between is the same two regions as latency[0].between. Remove one of them.",
    ),
    ([{"between": REGIONS}], "latency[0].roundTrip is missing. Add it."),
    *(
        (
            [{"between": REGIONS, "roundTrip": wrong}],
            f"latency[0].roundTrip is {wrong!r}, not a time in milliseconds. Write it as 100ms.",
        )
        for wrong in (100, "100", "1s", "-1ms", "1.2345ms")
    ),
    *(
        (
            [{"between": REGIONS, "roundTrip": wrong}],
            f"latency[0].roundTrip is {wrong}, outside what is more than 0 and at most 10000ms. "
            "Choose a time within these.",
        )
        for wrong in ("0ms", "10000.001ms")
    ),
]


@pytest.mark.parametrize(
    ("latency", "sentence"), OF_LATENCY, ids=[text[:50] for _, text in OF_LATENCY]
)
def test_latencies_that_are_refused(latency: list[dict[str, Any]], sentence: str) -> None:
    assert refused({**BASE, "latency": latency}) == sentence


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (
            "198.18.0.0/30",
            "internet.range 198.18.0.0/30 is too small for the VPC's router, a client",
        ),
        ("203.0.113.0/28", "internet.range 203.0.113.0/28 overlaps loadBalancing.externalRange"),
        ("10.64.0.0/24", "internet.range 10.64.0.0/24 overlaps network.subnets[0].secondaryIp"),
        ("192.168.240.0/24", "internet.range 192.168.240.0/24 overlaps onPrem.range"),
        ("35.191.0.0/24", "internet.range 35.191.0.0/24 overlaps Google's health-check range"),
        ("/24", "internet.range is '/24', not a network. Write it as 10.0.0.0/20."),
    ],
)
def test_internets_that_are_refused(network: str, sentence: str) -> None:
    assert refused({**BASE, "internet": {"range": network}}).startswith(sentence)


@pytest.mark.parametrize("name", ["internet", "management"])
def test_a_subnet_of_the_name_of_a_network_of_the_labs_own(name: str) -> None:
    assert refused(edited({"network.subnets.1.name": name})) == (
        f"network.subnets[1].name is {name!r}, as is a network of the lab's own. Rename the subnet."
    )

"""Labs are found by docker's labels alone; what others use is never given to a lab."""

from __future__ import annotations

import copy
import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from gkelab.errors import LabError
from gkelab.find import Found, claims, find_labs, make_plan, the_lab
from gkelab.shell import Runner
from gkelab.tools.docker import Docker
from gkelab.tools.iproute import IpRoute
from gkelab.topology import Claim, ResolvedTopology
from tests.support.recorder import Recorder
from tests.unit.steps import declared, plan_of, two_regions
from tests.unit.tools import (
    FOREIGN_NETWORK,
    Raw,
    lists_labs,
    lists_networks,
    own_networks,
    recorded,
    text,
)

SHOW = ["ip", "-json", "-4", "route", "show"]
ALL = [*recorded("networks"), FOREIGN_NETWORK]
# What is somebody else's in the recordings: docker's own bridge, another's network, the uplink.
OTHERS = {
    ("172.17.0.0/16", "docker network bridge"),
    ("172.18.0.0/16", "docker network vpc-native_default"),
    # Which docker chose, so that no lab's plan tells of it.
    ("172.19.0.0/16", "docker network gkelab.vpc-native.management"),
    ("0.0.0.0/0", "the host's route via eth0"),
    ("192.0.2.0/24", "the host's route via eth0"),
}


@pytest.fixture
def run() -> Recorder:
    return Recorder()


def network_of(plan: ResolvedTopology, subnet: int = 0, /, **labels: str) -> Raw:
    """The network of a lab's subnet, as `docker inspect` tells."""
    it = plan.subnets[subnet]
    raw = copy.deepcopy(own_networks()[0])
    raw["Name"] = it.docker_network
    raw["Id"] = f"{plan.name}-{subnet}".ljust(64, "0")
    raw["IPAM"]["Config"] = [{"Subnet": str(it.primary)}]
    told = {"gkelab.lab": plan.name, "gkelab.plan": json.dumps(plan.to_dict())}
    raw["Labels"] = {"gkelab.images": "built"} | told | labels
    return raw


def found(*names: str) -> list[Found]:
    return [Found(name, plan_of(), "built") for name in names]


# --- labs


def test_a_lab_is_found_with_its_plan_and_supplier(run: Recorder) -> None:
    lists_labs(run, own_networks())
    (lab,) = find_labs(Docker(run))
    assert (lab.name, lab.supplier) == ("vpc-native", "built")
    assert lab.plan.clusters[0].pod_range == IPv4Network("10.0.0.0/20")
    assert [str(node.address) for node in lab.plan.nodes] == [
        "10.128.0.2",
        "10.128.0.3",
        "10.128.0.4",
    ]


def added_node(name: str, **told: str) -> Raw:
    """The container of a node that was added."""
    raw = next(raw for raw in recorded("containers") if raw["Name"] == "/vpc-native-worker2")
    facts = {"cluster": "vpc-native", "pool": "default-pool", "zone": "us-central1-b"}
    raw["Id"], raw["Name"] = name.ljust(64, "0"), f"/{name}"
    raw["Config"]["Labels"]["gkelab.node"] = json.dumps(facts | {"address": "10.128.0.9"} | told)
    return raw


@pytest.mark.parametrize(
    ("added", "away", "names"),
    [
        ([], [], ["worker", "worker2"]),
        (["worker3"], [], ["worker", "worker2", "worker3"]),
        (["worker3"], ["vpc-native.away.vpc-native-worker3"], ["worker", "worker2"]),
        ([], ["vpc-native.away.vpc-native-worker"], ["worker2"]),
        (["worker3"], ["vpc-native.away.vpc-native-worker2"], ["worker", "worker3"]),
        ([], ["another.away.vpc-native-worker", "vpc-native.cloud"], ["worker", "worker2"]),
    ],
    ids=["declared", "one more", "one in the making", "one less", "both", "others'"],
)
def test_a_labs_nodes_are_those_that_there_are_by_now(
    run: Recorder, added: list[str], away: list[str], names: list[str]
) -> None:
    nodes = [added_node(f"vpc-native-{name}") for name in added]
    lists_labs(run, own_networks(), nodes, [f"gkelab.{name}" for name in away])
    (lab,) = find_labs(Docker(run))
    assert [n.name.removeprefix("vpc-native-") for n in lab.plan.clusters[0].workers] == names
    assert lab.plan.fingerprint() == lab.plan.declared.fingerprint()
    assert len(lab.plan.declared.nodes) == 3


def test_an_added_node_of_which_the_label_is_damaged(run: Recorder) -> None:
    lists_labs(run, own_networks(), [added_node("vpc-native-worker3", address="x")])
    with pytest.raises(LabError, match="The label of node vpc-native-worker3 cannot be read"):
        find_labs(Docker(run))


def test_labs_are_found_each_once_by_name(run: Recorder) -> None:
    two = two_regions()
    upstream = network_of(two, 0, **{"gkelab.images": "upstream"})
    networks = [network_of(plan_of()), upstream, network_of(two, 1, **upstream["Labels"])]
    lists_labs(run, list(reversed(networks)))
    assert [(lab.name, lab.supplier) for lab in find_labs(Docker(run))] == [
        ("two", "upstream"),
        ("vpc-native", "built"),
    ]


def test_without_labelled_networks_there_is_no_lab(run: Recorder) -> None:
    lists_labs(run, [])
    assert find_labs(Docker(run)) == []


def test_a_network_without_a_plan_makes_no_lab(run: Recorder) -> None:
    raw = network_of(plan_of())
    del raw["Labels"]["gkelab.plan"]
    lists_labs(run, [raw])
    assert find_labs(Docker(run)) == []


def test_a_damaged_plan_is_an_error_with_a_remedy(run: Recorder) -> None:
    damaged = {"gkelab.plan": '{"source": "x", "topology": {}, "chosen": {}}'}
    lists_labs(run, [network_of(plan_of(), **damaged)])
    with pytest.raises(LabError, match="The recorded topology cannot be read"):
        find_labs(Docker(run))


def test_the_only_lab_needs_no_name() -> None:
    (lab,) = labs = found("one")
    assert the_lab(labs, None) is the_lab(labs, "one") is the_lab(labs, "") is lab


@pytest.mark.parametrize(
    ("names", "wanted", "sentence"),
    [
        ([], None, "There is no lab on this machine. Bring one up: invoke up."),
        ([], "x", "There is no lab x on this machine. Bring one up: invoke up."),
        (["a"], "x", "There is no lab x on this machine. Bring one up: invoke up."),
        (
            ["a", "b"],
            None,
            "There are several labs on this machine: a, b. Name one: --lab NAME.",
        ),
    ],
)
def test_no_lab_or_several(names: list[str], wanted: str | None, sentence: str) -> None:
    with pytest.raises(LabError) as caught:
        the_lab(found(*names), wanted)
    assert str(caught.value) == sentence


def test_of_several_the_named_one() -> None:
    assert the_lab(found("a", "b"), "b").name == "b"


# --- what others use


def told(taken: list[Claim]) -> set[tuple[str, str]]:
    return {(str(claim.network), claim.owner) for claim in taken}


def test_claims_are_what_others_use_and_nothing_of_the_lab(run: Recorder) -> None:
    lists_networks(run, [], ALL)
    run.handle(SHOW, text("routes"))
    docker = Docker(run)
    assert told(claims(docker.networks(), IpRoute(run))) == OTHERS


def test_the_same_networks_and_routes_without_the_labs_marks_are_claims(run: Recorder) -> None:
    networks = recorded("networks")
    networks[1]["Labels"] = {}
    routes = [route | {"protocol": "static", "dev": "eth0"} for route in recorded("routes")]
    lists_networks(run, [], networks)
    run.handle(SHOW, json.dumps(routes))
    seen = told(claims(Docker(run).networks(), IpRoute(run)))
    assert ("10.128.0.0/20", "docker network gkelab.vpc-native.us-central1") in seen
    assert ("10.0.0.0/20", "the host's route via eth0") in seen


# --- the plan of a file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(declared()))
    return path


def in_use(_: Runner) -> list[Claim]:
    return [Claim(IPv4Network("10.0.0.53/32"), "the address of this host's name server")]


def plan(path: Path, run: Recorder) -> tuple[ResolvedTopology, Found | None]:
    return make_plan(path, Docker(run), IpRoute(run), in_use)


def test_a_new_labs_ranges_avoid_what_others_use(file: Path, run: Recorder) -> None:
    busy = {"dst": "10.0.16.0/20", "dev": "tun0", "protocol": "static"}
    lists_labs(run, [])
    lists_networks(run, [], [FOREIGN_NETWORK])
    run.handle(SHOW, json.dumps([busy]))
    made, existing = plan(file, run)
    assert existing is None
    # 10.0.0.0/20 has the name server in it, the next is the route's.
    assert str(made.clusters[0].pod_range) == "10.0.32.0/20"


def test_on_an_idle_host_they_are_the_lowest(file: Path, run: Recorder) -> None:
    lists_labs(run, [])
    lists_networks(run, [], [])
    run.handle(SHOW, "[]")
    made, _ = make_plan(file, Docker(run), IpRoute(run), lambda _: [])
    assert str(made.clusters[0].pod_range) == "10.0.0.0/20"


def test_a_declared_range_that_another_uses_is_refused_naming_both(
    file: Path, run: Recorder
) -> None:
    lists_labs(run, [])
    taken = FOREIGN_NETWORK | {"IPAM": {"Config": [{"Subnet": "10.128.8.0/24"}]}}
    lists_networks(run, [], [taken])
    run.handle(SHOW, "[]")
    with pytest.raises(LabError, match=r"10.128.0.0/20 overlaps docker network vpc-native_def"):
        plan(file, run)


def test_an_existing_lab_keeps_its_plan_whatever_the_host_uses_by_now(
    file: Path, run: Recorder
) -> None:
    lists_labs(run, own_networks())
    made, existing = plan(file, run)
    assert existing is not None
    assert made is existing.plan
    assert made.chosen["us-central1/pods"] == IPv4Network("10.0.0.0/20")
    assert run.times("ip") == 0  # nobody was asked what is in use


def test_an_existing_lab_of_another_topology_is_refused(file: Path, run: Recorder) -> None:
    changed = declared()
    changed["clusters"][0]["maxPodsPerNode"] = 110
    file.write_text(yaml.safe_dump(changed))
    lists_labs(run, own_networks())
    with pytest.raises(LabError) as caught:
        plan(file, run)
    assert str(caught.value) == (
        f"Lab vpc-native exists and was made from another topology than {file} is now."
        " Remove it first: invoke down."
    )


def test_labs_beside_each_other_have_ranges_apart(file: Path, run: Recorder) -> None:
    topology = declared() | {"name": "other"}
    topology["network"]["subnets"][0]["ipCidrRange"] = "10.140.0.0/20"
    outside = {"externalRange": "203.0.113.128/26", "frontendRange": "192.0.2.0/24"}
    topology |= {"loadBalancing": outside, "onPrem": None, "internet": None}
    file.write_text(yaml.safe_dump(topology))
    lists_labs(run, own_networks())
    lists_networks(run, [], own_networks())
    run.handle(SHOW, json.dumps([r for r in recorded("routes") if r.get("dev") != "eth0"]))
    made, existing = plan(file, run)
    assert existing is None
    theirs = [*plan_of().made_up_ranges(), plan_of().subnets[0].primary]
    own = [*made.chosen.values(), made.subnets[0].primary, made.external_range]
    assert not any(a.overlaps(b) for a in own for b in theirs)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "10.128.0.0/20 overlaps lab vpc-native 10.128.0.0/20"),
        ({"subnet": "10.140.0.0/20"}, "203.0.113.0/26 overlaps lab vpc-native 203.0.113.0/26"),
    ],
)
def test_labs_that_would_share_a_range_are_refused(
    file: Path, run: Recorder, change: dict[str, str], sentence: str
) -> None:
    topology = declared() | {"name": "other"}
    topology["network"]["subnets"][0]["ipCidrRange"] = change.get("subnet", "10.128.0.0/20")
    file.write_text(yaml.safe_dump(topology))
    lists_labs(run, own_networks())
    lists_networks(run, [], own_networks())
    run.handle(SHOW, "[]")
    with pytest.raises(LabError) as caught:
        plan(file, run)
    assert sentence in str(caught.value)


def test_a_wrong_file_is_refused_before_docker_is_asked(tmp_path: Path, run: Recorder) -> None:
    (tmp_path / "bad.yaml").write_text("name: UPPER\n")
    with pytest.raises(LabError, match=r"bad\.yaml"):
        plan(tmp_path / "bad.yaml", run)
    assert run.calls == []


def test_what_a_lab_made_after_its_up_is_taken_too(run: Recorder) -> None:
    """No plan tells of it."""
    later = copy.deepcopy(own_networks()[0])
    later["Name"], later["Id"] = "gkelab.vpc-native.us-central1.later", "7" * 64
    later["IPAM"]["Config"] = [{"Subnet": "10.9.0.0/24"}]
    tags = {"gkelab.role": "subnet", "gkelab.subnetwork": "regions/us-central1/subnetworks/later"}
    later["Labels"] = {"gkelab.lab": "vpc-native", **tags}
    run.handle(SHOW, text("routes"))
    lists_networks(run, [], [*ALL, later])
    docker = Docker(run)
    found = {(str(one.network), one.owner) for one in claims(docker.networks(), IpRoute(run))}
    name = "docker network gkelab.vpc-native.us-central1.later"
    assert found == OTHERS | {("10.9.0.0/24", name)}

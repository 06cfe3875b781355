"""What the bench makes, to the word, and that nothing of it stays: the cloud is the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import Place, record
from gkelab.cloud.resources import node_tag, resources
from gkelab.errors import LabError
from gkelab.fabric import made, stage
from gkelab.fabric.stage import Stage, Way, cloud_of, staged, sweep
from gkelab.lab import Lab, manifests
from gkelab.steps.deploy_workloads import with_image
from gkelab.topology import with_nodes
from gkelab.wait import Clock
from tests.support.recorder import Recorder
from tests.unit.cloud.servers import PROJECT, Running, running
from tests.unit.steps import inside, kubectl, make_lab, plan_of

WORKER, WORKER2 = "vpc-native-worker", "vpc-native-worker2"
PODS = {WORKER: "10.0.0.64/26", WORKER2: "10.0.0.128/26"}
SHOW = ["ip", "-4", "route", "show", "table", "main"]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder, server: Running, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab with its VPC in the cloud, and those that make it real at once."""
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda _: None))
    lab = make_lab(tmp_path, run)
    server.fresh()
    lab.folder.mkdir(parents=True)
    record(lab.cloud_file, Place(server.endpoint, PROJECT))
    ensure(cloud_of(lab), resources(lab.plan))

    def told(_: Lab, role: str) -> dict[str, object]:
        from gkelab.cloud.machines.ports import opened

        state = cloud_of(lab).state()
        isolated = {WORKER, WORKER2} - opened(state["resources"]["instances"])
        return {"generation": state["generation"], "isolated": dict.fromkeys(isolated, "veth")}

    monkeypatch.setattr(stage, "told", told)
    return replace(lab, timeouts=replace(lab.timeouts, vpc=5))


@pytest.fixture
def it(lab: Lab) -> Stage:
    cluster = lab.plan.clusters[0]
    one, other = cluster.workers
    ways = Way(("in-pod",), "10.0.0.130"), Way(("in-container",), "10.128.15.253")
    return Stage(lab, cluster, one, other, PODS, *ways)


def swept(lab: Lab, run: Recorder, routes: str = "") -> None:
    """Expect what a sweep asks and does beside the cloud's part."""
    for node in (WORKER, WORKER2):
        run.handle(inside(node, *SHOW), routes)
    filters = ["--filter", "label=gkelab.lab=vpc-native", "--filter", "label=gkelab.role=bench"]
    run.handle(["docker", "ps", "--all", "--no-trunc", "--quiet", *filters], "")
    words = ["delete", "namespace", "gkelab-bench", "--ignore-not-found", "--wait=true"]
    run.handle(kubectl(lab, *words))


def names(lab: Lab, collection: str) -> set[str]:
    found = cloud_of(lab).state()["resources"].get(collection, [])
    return {item["name"] for item in found if item["name"].startswith("gkelab-bench-")}


# --- words


def test_rules_that_are_asked_first_and_decide_nothing() -> None:
    plan = plan_of()
    first, *_, last = made.rules(plan, plan.clusters[0], 1000)
    assert first == {
        "name": "gkelab-bench-0000",
        "network": "global/networks/default",
        "direction": "INGRESS",
        "priority": 900,
        "targetTags": [node_tag(plan, plan.clusters[0])],
        "sourceRanges": ["198.19.0.0/32"],
        "allowed": [{"IPProtocol": "tcp", "ports": ["10000"]}],
    }
    assert (last["name"], last["sourceRanges"]) == ("gkelab-bench-0999", ["198.19.3.231/32"])


def test_alias_ranges_from_the_top_of_the_pods_range() -> None:
    cluster = plan_of().clusters[0]
    instances = made.aliases(cluster, "us-central1-a", 1000)
    assert len(instances) == 10
    nics = [instance["networkInterfaces"][0] for instance in instances]
    ranges = [alias["ipCidrRange"] for nic in nics for alias in nic["aliasIpRanges"]]
    assert (ranges[0], len(set(ranges))) == ("10.0.15.255/32", 1000)
    assert instances[0]["labels"] == {"goog-gke-node": ""}


def test_a_pod_range_that_nodes_may_need_is_left_to_them() -> None:
    cluster = plan_of(maxPodsPerNode=256).clusters[0]  # /23 a node
    with pytest.raises(LabError, match="has no room for 3000 alias ranges beside its nodes'"):
        made.aliases(cluster, "us-central1-a", 3000)


def test_a_plain_container() -> None:
    labels = {"gkelab.lab": "vpc-native", "gkelab.role": "bench"}
    assert made.container_argv("end", "net", IPv4Address("10.128.15.253"), "image", labels) == [
        *("docker", "run", "--detach", "--name=end", "--network=net", "--ip=10.128.15.253"),
        *("--label=gkelab.lab=vpc-native", "--label=gkelab.role=bench", "--init"),
        *("--entrypoint=/usr/local/bin/fabric", "image", "serve"),
    ]


def test_direct_routes_both_ways() -> None:
    one, other = plan_of().clusters[0].workers
    far = ["dev", "eth0", "onlink"]
    assert list(made.direct_routes(one, other, PODS, "replace")) == [
        (WORKER, ["ip", "route", "replace", "10.0.0.128/26", "via", "10.128.0.4", *far]),
        (WORKER2, ["ip", "route", "replace", "10.0.0.64/26", "via", "10.128.0.3", *far]),
    ]


def test_pods_are_put_on_their_nodes(lab: Lab) -> None:
    objects = made.placed(with_image(lab, manifests("bench/fabric.yaml")), WORKER, WORKER2)
    pods = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Pod"}
    assert (pods["client"]["nodeName"], pods["server"]["nodeName"]) == (WORKER, WORKER2)
    image = lab.supplier.reference("workload")
    assert {spec["containers"][0]["image"] for spec in pods.values()} == {image}
    assert pods["server"]["containers"][0]["command"] == ["fabric", "serve"]


# --- in the cloud, and gone again


def test_all_of_it_is_made_and_goes(it: Stage, lab: Lab, run: Recorder) -> None:
    before = cloud_of(lab).state()["resources"]
    it.have_rules(10)
    it.have_rules(25)  # those that are there stay
    it.have_denials()
    it.have_aliases(200)
    assert len(names(lab, "firewalls")) == 27
    assert names(lab, "instances") == {"gkelab-bench-00", "gkelab-bench-01"}
    swept(lab, run)
    sweep(lab, it.cluster)
    after = cloud_of(lab).state()["resources"]
    assert {kind: {i["name"] for i in items} for kind, items in after.items()} == {
        kind: {i["name"] for i in items} for kind, items in before.items()
    }


def test_ports_are_open_while_direct_routes_are_measured(
    it: Stage, lab: Lab, run: Recorder
) -> None:
    for verb in ("replace", "delete"):
        for node, argv in made.direct_routes(it.client, it.server, PODS, verb):
            run.handle(inside(node, *argv))

    def metadata(node: str, zone: str) -> dict[str, str]:
        found = cloud_of(lab).get("instances", f"zones/{zone}", node)["metadata"]
        return {item["key"]: item["value"] for item in found["items"]}

    before = metadata(WORKER, "us-central1-a")
    with pytest.raises(KeyboardInterrupt), it.open_ports():
        assert metadata(WORKER, "us-central1-a") == before | {"gkelab-direct": "true"}
        assert metadata(WORKER2, "us-central1-b")["gkelab-direct"] == "true"
        it.route(direct=True)
        raise KeyboardInterrupt
    assert metadata(WORKER, "us-central1-a") == before
    assert [argv[3:6] for argv in run.argvs[-2:]] == [["ip", "route", "delete"]] * 2


def test_what_a_killed_one_left_on_nodes_goes(it: Stage, lab: Lab, run: Recorder) -> None:
    kept = "10.0.0.0/20 via 10.128.0.1 dev eth0 \n10.1.0.0/16 via 10.128.0.9 dev eth0 onlink \n"
    swept(lab, run, f"{kept}10.0.0.128/26 via 10.128.0.4 dev eth0 onlink \n")
    words = ["10.0.0.128/26", "via", "10.128.0.4", "dev", "eth0", "onlink"]
    deletes = [inside(node, "ip", "route", "delete", *words) for node in (WORKER, WORKER2)]
    for argv in deletes:
        run.handle(argv)
    sweep(lab, it.cluster)
    assert [argv for argv in run.argvs if "delete" in argv and argv[0] == "docker"] == deletes


def test_what_cannot_be_swept_keeps_nothing_else(it: Stage, lab: Lab, run: Recorder) -> None:
    it.have_rules(3)
    swept(lab, run)
    key = tuple(inside(WORKER, *SHOW))
    run._answers.pop(key)
    run.handle(key, code=1, stderr="not running")
    with pytest.raises(LabError, match="not running"):
        sweep(lab, it.cluster)
    assert names(lab, "firewalls") == set()
    assert run.argvs[-1][-5:-3] == ["delete", "namespace"]


def test_two_workers_are_needed(lab: Lab) -> None:
    cluster = with_nodes(lab.plan, [], [WORKER2]).clusters[0]
    with pytest.raises(LabError) as raised, staged(lab, cluster):
        pass
    assert str(raised.value) == (
        "Cluster vpc-native has one worker, and the way between two is measured."
        " Add one: invoke node.add."
    )


@pytest.mark.parametrize(
    ("said", "ttl"), [("64 bytes from 10.0.0.130: icmp_seq=1 ttl=61 time=0.1 ms", 61), ("?", None)]
)
def test_a_pings_time_to_live(it: Stage, run: Recorder, said: str, ttl: int | None) -> None:
    run.handle(["in-pod", "ping", "-c", "1", "-W", "5", "10.0.0.130"], json.dumps(said))
    if ttl is None:
        with pytest.raises(LabError, match="The ping's answer cannot be read"):
            it.ttl()
    else:
        assert it.ttl() == ttl

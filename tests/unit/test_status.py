"""What a lab's status is made of, from recordings of a real one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from gkelab.cloud.place import Place, record
from gkelab.cloud.rest import RestCloud
from gkelab.containers import STATUS
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.status import COMPONENTS, LabStatus, draw, lab_status
from gkelab.status_vpc import VmStatus
from gkelab.steps.wait_ready import KINDS
from tests.support.recorder import Recorder
from tests.unit.steps import Object, find, inside, kubectl, make_lab, snapshot
from tests.unit.tools import Raw, lists_containers, recorded, stopped

CLIENT = "vpc-native-client"
ROUTER: Object = {
    "generation": 7,
    "cloud": "there",
    "problems": [],
    "left_out": [],
    "repairs": [],
    "interfaces": {"internet": "eth0", "us-central1": "eth2"},
}
LINK = "zones/us-central1-a/instances/vm-a"
VM: Object = {"container": "vpc-native-vm-vm-a", "state": "running", "address": "10.128.8.2"}
MACHINES: Object = {"machines": {LINK: {**VM, "aliases": []}}, "isolated": {}, "problems": []}
CONTROLLERS: Object = {"clusters": {"vpc-native": {"synced": True, "problems": []}}}
TOLD = {"router": ROUTER, "machines": MACHINES, "controllers": CONTROLLERS}


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud that answers."""
    monkeypatch.setattr(RestCloud, "generation", lambda _: 7)


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    return make_lab(tmp_path, run)


def containers_are(run: Recorder, raws: Sequence[Raw]) -> None:
    lists_containers(run, ["gkelab.lab=vpc-native"], raws)


def listing(lab: Lab) -> list[str]:
    return kubectl(lab, "get", f"{KINDS},pods", "--all-namespaces", "--output=json")


def tells(lab: Lab, run: Recorder, told: Mapping[str, Object] = TOLD) -> None:
    """The lab's own containers tell how they are, and it is known where the cloud is."""
    record(lab.cloud_file, Place("http://127.0.0.1:40123", "gkelab"))
    for role, about in told.items():
        run.handle(inside(f"vpc-native-{role}", "cat", STATUS), json.dumps(about))


def seen(lab: Lab, run: Recorder, objects: Sequence[Object]) -> LabStatus:
    """The status of the recorded containers with these objects."""
    containers_are(run, recorded("containers"))
    tells(lab, run)
    run.handle(listing(lab), json.dumps({"items": objects}))
    return lab_status(lab)


def test_a_whole_lab_has_no_problems(lab: Lab, run: Recorder) -> None:
    status = seen(lab, run, snapshot("ready"))
    assert status.problems == ()
    assert (status.name, status.supplier) == ("vpc-native", "built")
    assert status.kubeconfig == str(lab.kubeconfig)
    assert status.clients == (f"{CLIENT} 198.18.0.2",)


def test_nodes_with_their_pod_ranges_and_pods(lab: Lab, run: Recorder) -> None:
    (cluster,) = seen(lab, run, snapshot("ready")).clusters
    assert cluster.answers
    assert cluster.context == "kind-vpc-native"
    assert [(n.name, n.role, n.zone, n.address, n.pod_cidr) for n in cluster.nodes] == [
        (
            *("vpc-native-control-plane", "control-plane"),
            *("us-central1-a", "10.128.0.2", "10.0.0.0/26"),
        ),
        ("vpc-native-worker", "worker", "us-central1-a", "10.128.0.3", "10.0.0.64/26"),
        ("vpc-native-worker2", "worker", "us-central1-b", "10.128.0.4", "10.0.0.128/26"),
    ]
    pods = [item for item in snapshot("ready") if item["kind"] == "Pod"]
    assert sum(node.pods for node in cluster.nodes) == len(pods)
    assert {node.max_pods for node in cluster.nodes} == {30}
    assert all(node.ready and node.container == "running" for node in cluster.nodes)


def test_ranges_used_and_free(lab: Lab, run: Recorder) -> None:
    (cluster,) = seen(lab, run, snapshot("ready")).clusters
    ranges = {item.name: item for item in cluster.ranges}
    pods, services = ranges["pods"], ranges["services"]
    assert (pods.network, pods.used, pods.size, pods.unit) == ("10.0.0.0/20", 3, 64, "nodes")
    assert pods.free[0] == "10.0.0.192/26"
    assert (services.network, services.used, services.size) == ("10.0.16.0/25", 10, 128)
    external, internal = ranges["external"], ranges["internal"]
    assert (external.network, external.used, external.size) == ("203.0.113.0/28", 2, 16)
    assert "203.0.113.1/32" not in external.free
    assert internal.used == 0


def test_components_with_their_versions(lab: Lab, run: Recorder) -> None:
    (cluster,) = seen(lab, run, snapshot("ready")).clusters
    assert {part.name: part.version for part in cluster.components} == {
        "Cilium": "v1.19.6",
        "Cilium operator": "v1.19.6",
        "Hubble relay": "v1.19.6",
        "CoreDNS": "v1.14.2",
        "MetalLB controller": "v0.15.3",
        "MetalLB speaker": "v0.15.3",
        "istiod": "1.31-eed52ebb66ad",
        "Istio gateway": "1.31-eed52ebb66ad",
    }
    assert all(part.healthy and not part.problem for part in cluster.components)


def test_the_version_is_the_tag_beside_a_digest(lab: Lab, run: Recorder) -> None:
    objects = snapshot("ready")
    template = find(objects, "Deployment", "coredns", "kube-system")["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "registry:5000/coredns:v1@sha256:" + "ab" * 32
    (cluster,) = seen(lab, run, objects).clusters
    assert {part.version for part in cluster.components if part.name == "CoreDNS"} == {"v1"}


def test_services_with_an_address_outside(lab: Lab, run: Recorder) -> None:
    (cluster,) = seen(lab, run, snapshot("ready")).clusters
    assert [(s.name, s.address, s.ports) for s in cluster.services] == [
        ("istio-system/istio-ingressgateway", "203.0.113.1", "15021/TCP, 80/TCP, 443/TCP"),
        ("sample/whoami-external", "203.0.113.2", "80/TCP"),
    ]


def test_a_lab_that_comes_up_says_what_it_waits_for(lab: Lab, run: Recorder) -> None:
    status = seen(lab, run, snapshot("half_up"))
    assert len(status.problems) == 5
    assert "Deployment hubble-relay in kube-system has 0 of 1 ready" in status.problems
    (cluster,) = status.clusters
    assert {s.address for s in cluster.services} == {"pending"}
    broken = {part.name: part.problem for part in cluster.components if not part.healthy}
    assert broken == dict.fromkeys(
        ("Hubble relay", "MetalLB controller", "Istio gateway"), "0 of 1 ready"
    )


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_that_is_not_there_is_a_problem(lab: Lab, run: Recorder, name: str) -> None:
    """As after an `up` that was interrupted before it came to it: what is there is all healthy."""
    kind, namespace, workload = COMPONENTS[name]
    objects = snapshot("ready")
    objects.remove(find(objects, kind, workload, namespace))
    status = seen(lab, run, objects)
    assert status.problems == (f"{name} is not installed in cluster vpc-native",)
    (part,) = [part for part in status.clusters[0].components if not part.healthy]
    assert (part.name, part.problem) == (name, "is not installed")


# --- the VPC


def test_the_vpc_with_its_cloud_its_router_and_its_vms(lab: Lab, run: Recorder) -> None:
    vpc = seen(lab, run, snapshot("ready")).vpc
    assert (vpc.endpoint, vpc.generation, vpc.applied) == ("http://127.0.0.1:40123", 7, 7)
    assert vpc.vms == (VmStatus("vm-a", "us-central1-a", "running", "10.128.8.2", ()),)
    assert vpc.problems == ()


@pytest.mark.parametrize(
    ("role", "about", "problem"),
    [
        (
            "router",
            ROUTER | {"problems": ["the sysctl x cannot be set"]},
            "vpc-native-router: the sysctl x cannot be set",
        ),
        (
            "router",
            ROUTER | {"interfaces": {"internet": "eth0", "us-central1": None}},
            "vpc-native-router has no interface in subnet us-central1",
        ),
        (
            "machines",
            MACHINES | {"machines": {LINK: {**VM, "aliases": [], "state": "absent"}}},
            "VM vm-a has no container",
        ),
        (
            "machines",
            MACHINES | {"problems": ["cannot create vm-a"]},
            "vpc-native-machines: cannot create vm-a",
        ),
        (
            "controllers",
            {"clusters": {"vpc-native": {"synced": False, "problems": ["nodes are not seen"]}}},
            "vpc-native-controllers: cluster vpc-native: nodes are not seen",
        ),
    ],
)
def test_what_they_tell_of_is_a_problem(
    lab: Lab, run: Recorder, role: str, about: Object, problem: str
) -> None:
    containers_are(run, recorded("containers"))
    tells(lab, run, {**TOLD, role: about})
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    assert lab_status(lab).problems == (problem,)


def test_what_a_person_wrote_into_the_cloud_and_is_not_real_is_told_and_no_problem(
    lab: Lab, run: Recorder
) -> None:
    containers_are(run, recorded("containers"))
    said = "subnetworks x has no interface with 10.9.0.1 here: nothing reaches it"
    tells(lab, run, {**TOLD, "router": ROUTER | {"left_out": [said]}})
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    status = lab_status(lab)
    assert (status.problems, status.vpc.left_out) == ((), (said,))


def test_that_packets_take_the_slower_way_is_told_and_no_problem(lab: Lab, run: Recorder) -> None:
    containers_are(run, recorded("containers"))
    said = "packets cross the host's bridges, as there are no wires: not supported"
    tells(lab, run, {**TOLD, "machines": MACHINES | {"bridged": [said]}})
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    status = lab_status(lab)
    assert (status.problems, status.vpc.bridged) == ((), (said,))
    assert f"slower   {said}" in drawn(status)


@pytest.mark.parametrize("role", ["cloud", "router", "machines", "controllers"])
def test_one_of_them_that_does_not_run_is_a_problem_and_not_asked(
    lab: Lab, run: Recorder, role: str
) -> None:
    name = f"vpc-native-{role}"
    raws = recorded("containers")
    containers_are(run, [stopped(raw) if raw["Name"] == f"/{name}" else raw for raw in raws])
    tells(lab, run, {key: about for key, about in TOLD.items() if key != role})
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    assert lab_status(lab).problems == (f"{name} is exited",)


def test_a_cloud_that_does_not_answer_is_a_problem_not_the_end(
    lab: Lab, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: RestCloud) -> int:
        raise LabError("the cloud at x does not answer (OSError)")

    monkeypatch.setattr(RestCloud, "generation", away)
    status = seen(lab, run, snapshot("ready"))
    assert status.problems == ("the cloud at x does not answer (OSError)",)
    assert "cloud    does not answer" in drawn(status)


def test_the_screen_shows_how_far_the_router_is(lab: Lab, run: Recorder) -> None:
    containers_are(run, recorded("containers"))
    behind = ROUTER | {"generation": 5, "repairs": [{"what": "routes"}]}
    moved = {LINK: {**VM, "state": "exited", "aliases": ["10.0.15.0/29"]}}
    tells(lab, run, {**TOLD, "router": behind, "machines": MACHINES | {"machines": moved}})
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    text = drawn(lab_status(lab))
    assert "router   has applied generation 5 of 7, repaired itself 1 times" in text
    assert "VM       vm-a 10.128.8.2 10.0.15.0/29 (us-central1-a): exited" in text
    assert "cloud    http://127.0.0.1:40123" in text


# --- the client


def stop_client(raws: list[Raw]) -> list[Raw]:
    return [stopped(raw) if raw["Name"] == f"/{CLIENT}" else raw for raw in raws]


def lose_client(raws: list[Raw]) -> list[Raw]:
    return [raw for raw in raws if raw["Name"] != f"/{CLIENT}"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (stop_client, f"{CLIENT} is exited"),
        (lose_client, f"{CLIENT} is not there"),
    ],
)
def test_a_client_that_does_not_run_is_a_problem(
    lab: Lab, run: Recorder, change: Callable[[list[Raw]], list[Raw]], problem: str
) -> None:
    containers_are(run, change(recorded("containers")))
    tells(lab, run)
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    assert lab_status(lab).problems == (problem,)


def test_a_node_that_stands_still_is_a_problem(lab: Lab, run: Recorder) -> None:
    raws = [
        stopped(raw) if raw["Name"] == "/vpc-native-worker2" else raw
        for raw in recorded("containers")
    ]
    containers_are(run, raws)
    tells(lab, run)
    run.handle(listing(lab), json.dumps({"items": snapshot("ready")}))
    assert lab_status(lab).problems == ("node vpc-native-worker2 is exited",)


def test_a_node_that_is_not_ready_is_shown_so(lab: Lab, run: Recorder) -> None:
    objects = snapshot("ready")
    for condition in find(objects, "Node", "vpc-native-worker")["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "message": "container runtime is down"}
    status = seen(lab, run, objects)
    (problem,) = status.problems
    assert problem == "Node vpc-native-worker is not Ready: container runtime is down"
    assert [node.ready for node in status.clusters[0].nodes] == [True, False, True]
    assert "running, not Ready" in drawn(status)


def test_a_stopped_lab_is_told_of_without_asking_its_cluster(lab: Lab, run: Recorder) -> None:
    containers_are(run, [stopped(raw) for raw in recorded("containers")])
    status = lab_status(lab)
    (cluster,) = status.clusters
    assert not cluster.answers
    assert [node.container for node in cluster.nodes] == ["exited"] * 3
    assert (cluster.ranges, cluster.components, cluster.services) == ((), (), ())
    assert len(status.problems) == 8
    assert (status.vpc.endpoint, status.vpc.applied) == ("", None)


def test_a_lab_of_which_nothing_is_left_but_its_network(lab: Lab, run: Recorder) -> None:
    containers_are(run, [])
    status = lab_status(lab)
    assert "node vpc-native-control-plane is not there" in status.problems
    assert [node.container for node in status.clusters[0].nodes] == ["missing"] * 3


def test_an_api_server_that_does_not_answer_is_a_problem_not_the_end(
    lab: Lab, run: Recorder
) -> None:
    containers_are(run, recorded("containers"))
    tells(lab, run)
    run.handle(listing(lab), code=1, stderr="connection refused")
    status = lab_status(lab)
    (problem,) = status.problems
    assert problem.startswith("the API server of cluster vpc-native does not answer: ")
    assert "connection refused" in problem
    assert not status.clusters[0].answers


def test_as_data_it_is_json(lab: Lab, run: Recorder) -> None:
    data = seen(lab, run, snapshot("ready")).to_dict()
    assert json.loads(json.dumps(data))["clusters"][0]["nodes"][0]["name"] == (
        "vpc-native-control-plane"
    )


def drawn(status: LabStatus) -> str:
    out = io.StringIO()
    draw(status, Console(file=out, width=160))
    return out.getvalue()


def test_the_screen_shows_it_all(lab: Lab, run: Recorder) -> None:
    text = drawn(seen(lab, run, snapshot("ready")))
    for part in (
        *("lab vpc-native", "images: built", "cluster vpc-native", "10.0.0.128/26"),
        *("3 of 64 nodes", "v1.19.6", "sample/whoami-external", "203.0.113.2"),
        *(f"{CLIENT} 198.18.0.2", str(lab.kubeconfig), "✓ healthy"),
    ):
        assert part in text


def test_the_screen_shows_what_is_wrong(lab: Lab, run: Recorder) -> None:
    text = drawn(seen(lab, run, snapshot("half_up")))
    assert "✗ Deployment hubble-relay in kube-system has 0 of 1 ready" in text
    assert "pending" in text
    assert "✓ healthy" not in text

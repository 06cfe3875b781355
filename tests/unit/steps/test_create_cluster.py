"""A cluster: made when it is not there, started when it stands still, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.node_files import FILES, ROUTES
from gkelab.shell import CommandError
from gkelab.steps.create_cluster import (
    adopt,
    answer_early,
    create_cluster,
    outdated,
    take_nodes,
)
from gkelab.timeouts import Timeouts
from gkelab.topology import Role
from gkelab.wait import Clock, WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import inside, kubectl
from tests.unit.tools import Raw, lists_containers, recorded, stopped

CONTROL_PLANE = "vpc-native-control-plane"
WORDS = ("control-plane", "worker", "worker2")
LABEL = ["io.x-k8s.kind.cluster=vpc-native"]
FINISHED = inside(CONTROL_PLANE, "test", "-f", "/etc/gkelab/kind-finished")
STORES: dict[Role, Path] = {"control-plane": Path("/s/cp"), "worker": Path("/s/worker")}


def nodes() -> list[Raw]:
    """The recorded nodes: the control plane, the workers."""
    found = [
        raw for raw in recorded("containers") if raw["Config"]["Labels"]["gkelab.role"] == "node"
    ]
    return sorted(found, key=lambda raw: str(raw["Name"]))


def kind_create(lab: Lab) -> list[str]:
    return [
        *("setpriv", "--pdeathsig", "KILL", "/supply/tools/kind", "create", "cluster"),
        *("--retain", "--config=-", f"--kubeconfig={lab.kubeconfig}"),
    ]


def kind_export(lab: Lab) -> list[str]:
    words = ["--name=vpc-native", f"--kubeconfig={lab.kubeconfig}"]
    return ["/supply/tools/kind", "export", "kubeconfig", *words]


def makes(lab: Lab, run: Recorder) -> list[list[str]]:
    """Expect, and return, the commands that make the cluster."""
    argvs = [
        kind_create(lab),
        inside(CONTROL_PLANE, "mkdir", "-p", "/etc/gkelab"),
        inside(CONTROL_PLANE, "touch", "/etc/gkelab/kind-finished"),
    ]
    for argv in argvs:
        run.handle(argv)
    return argvs


def removes(run: Recorder, raws: list[Raw]) -> list[str]:
    argv = ["docker", "rm", "--force", "--volumes", *(raw["Id"] for raw in raws)]
    run.handle(argv)
    return argv


def has_kubeconfig(lab: Lab, *contexts: str) -> None:
    lab.folder.mkdir(parents=True)
    config = {"contexts": [{"name": name} for name in contexts]}
    lab.kubeconfig.write_text(yaml.safe_dump(config))


def create(lab: Lab) -> str:
    return create_cluster(lab, lab.plan.clusters[0], STORES)


def take(lab: Lab) -> str:
    return take_nodes(lab, lab.plan.clusters[0])


def answers(lab: Lab) -> list[str]:
    return kubectl(lab, "get", "--raw", "/api/v1/namespaces/kube-system")


def lists_pods(lab: Lab) -> list[str]:
    return kubectl(lab, "get", "pods", "--all-namespaces", "--output=json")


def is_well(lab: Lab, run: Recorder) -> None:
    """Expect what a cluster that runs is asked."""
    run.handle(answers(lab), "{}")
    run.handle(lists_pods(lab), '{"items": []}')


def changes(run: Recorder) -> list[list[str]]:
    """The commands that change something."""
    asking = (["docker", "ps"], ["docker", "container"])
    words = {"get", "--raw", "--output=json"}
    return [a for a in run.argvs if a[:2] not in asking and a != FINISHED and not words & set(a)]


# --- from nothing


def test_a_cluster_is_made_on_its_subnets_network_with_labels_and_fixed_addresses(
    lab: Lab, run: Recorder
) -> None:
    lists_containers(run, LABEL, [])
    makes(lab, run)
    assert create(lab) == "3 nodes"
    call = next(call for call in run.calls if list(call.argv) == kind_create(lab))
    assert call.env["KIND_EXPERIMENTAL_DOCKER_NETWORK"] == "gkelab.vpc-native.us-central1"
    assert call.log == lab.folder / "logs" / "kind-vpc-native.log"
    config = yaml.safe_load(call.input or "")
    assert config["networking"]["podSubnet"] == "10.0.0.0/20"
    assert {node["image"] for node in config["nodes"]} == {lab.supplier.reference("node")}
    arguments = lab.folder / "kind" / "vpc-native" / "node-arguments"
    assert (arguments / "vpc-native-worker2").read_text().splitlines() == [
        "--ip=10.128.0.4",
        "--label=gkelab.lab=vpc-native",
        "--label=gkelab.role=node",
    ]
    assert len(list(arguments.iterdir())) == 3


def test_the_mark_is_set_last(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, [])
    made = makes(lab, run)
    create(lab)
    assert run.argvs[-1] == made[-1]


def test_when_kind_fails_there_is_no_mark(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, [])
    run.handle(kind_create(lab), code=1, stderr="ERROR: failed to init node with kubeadm")
    with pytest.raises(CommandError, match="failed to init node with kubeadm"):
        create(lab)
    assert run.argvs[-1] == kind_create(lab)


# --- while kind is at it

EARLY = inside(
    CONTROL_PLANE,
    *("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"),
    *("get", "--raw", "/api/v1/namespaces/kube-system"),
)


def test_as_soon_as_the_api_answers_the_lab_gets_its_kubeconfig(
    lab: Lab, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda seconds: None))
    run.handle(EARLY, code=1, stderr="No such container")
    run.handle(EARLY, "{}")
    run.handle(kind_export(lab))
    assert answer_early(lab, lab.plan.clusters[0], Event()) == CACHED
    assert run.argvs == [EARLY, EARLY, kind_export(lab)]


def test_when_kind_has_ended_nothing_is_waited_for(lab: Lab, run: Recorder) -> None:
    has_kubeconfig(lab, "kind-vpc-native")
    ended = Event()
    ended.set()
    assert answer_early(lab, lab.plan.clusters[0], ended) == CACHED
    assert run.argvs == []


# --- what is there already


def test_one_whose_nodes_are_there_is_not_made(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, nodes())
    assert create(lab) == CACHED
    assert changes(run) == []


def test_a_cluster_that_runs_is_left_alone(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, nodes())
    run.handle(FINISHED)
    is_well(lab, run)
    has_kubeconfig(lab, "kind-vpc-native")
    assert take(lab) == CACHED
    assert changes(run) == []


def test_a_stopped_cluster_is_started_and_its_api_awaited(lab: Lab, run: Recorder) -> None:
    control_plane, worker, worker2 = nodes()
    lists_containers(run, LABEL, [stopped(control_plane), worker, stopped(worker2)])
    run.handle(FINISHED)
    start = ["docker", "start", CONTROL_PLANE, "vpc-native-worker2"]
    readyz = answers(lab)
    run.handle(start)
    run.handle(readyz, "ok")
    pods = lists_pods(lab)
    run.handle(pods, '{"items": []}')
    has_kubeconfig(lab, "kind-vpc-native")
    assert take(lab) == "started 2 nodes"
    assert run.times(*start) == 1
    assert run.times(*pods) == 1


# As docker 26 and 28 say it, and as one does whose proxy in user space listens.
HEAD = "Error response from daemon: "
TAKEN = [
    "driver failed programming external connectivity on endpoint x (5c32): "
    "Bind for 127.0.0.1:43303 failed: port is already allocated",
    "failed to set up container networking: driver failed programming external connectivity on "
    "endpoint x (5c32): failed to bind host port for 127.0.0.1:43303:10.128.0.2:6443/tcp: "
    "address already in use",
    "driver failed programming external connectivity on endpoint x (5c32): Error starting userland "
    "proxy: listen tcp4 127.0.0.1:43303: bind: address already in use",
]


@pytest.mark.parametrize("why", TAKEN)
def test_a_port_that_another_program_took_is_named(lab: Lab, run: Recorder, why: str) -> None:
    raws = [stopped(node) for node in nodes()]
    lists_containers(run, LABEL, raws)
    start = ["docker", "start", *(raw["Name"][1:] for raw in raws)]
    run.handle(start, code=1, stderr=f"{HEAD}{why}\nError: failed to start containers: x\n")
    with pytest.raises(LabError) as caught:
        take(lab)
    assert str(caught.value) == (
        "Port 127.0.0.1:43303 of this host, at which cluster vpc-native has its API server, is"
        " taken by another program. End that (ss --listening --tcp --processes 'sport = 43303'"
        " shows it), or make the lab anew: invoke down, then invoke up."
    )
    assert changes(run) == [start]


@pytest.mark.parametrize("why", ["Address already in use", "no such container", "10.128.0.2:80 x"])
def test_another_reason_stays_dockers_own(lab: Lab, run: Recorder, why: str) -> None:
    lists_containers(run, LABEL, [stopped(node) for node in nodes()])
    argv = ["docker", "start", *(raw["Name"][1:] for raw in nodes())]
    run.handle(argv, code=1, stderr=f"{HEAD}{why}\n")
    with pytest.raises(CommandError, match=why):
        take(lab)


def test_an_answer_about_pods_that_fails_is_not_the_end(
    lab: Lab, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server says that it is ready a moment before it is."""
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda seconds: None))
    lab = replace(lab, timeouts=Timeouts())
    control_plane, *workers = nodes()
    lists_containers(run, LABEL, [stopped(control_plane), *workers])
    run.handle(FINISHED)
    run.handle(["docker", "start", CONTROL_PLANE])
    run.handle(answers(lab), fails="took longer than 20 s")
    run.handle(answers(lab), "ok")
    pods = lists_pods(lab)
    run.handle(pods, code=1, stderr="etcdserver: leader changed")
    run.handle(pods, '{"items": []}')
    has_kubeconfig(lab, "kind-vpc-native")
    assert take(lab) == "started 1 nodes"
    assert run.times(*pods) == 2


def pod(started: str, ready: str = "True", **spec: str) -> dict[str, Any]:
    """A pod as Kubernetes tells of it."""
    return {
        "metadata": {"name": "db", "namespace": spec.get("namespace", "sample")},
        "spec": {"nodeName": spec.get("node", "one")},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"state": {"running": {"startedAt": started}}}],
        },
    }


@pytest.mark.parametrize(
    ("seen", "late"),
    [
        (pod("2026-11-22T00:00:05Z"), []),
        (pod("2026-11-22T00:00:00Z"), []),
        (pod("2026-11-21T23:59:59Z"), ["db"]),
        (pod("2026-11-21T23:59:59Z", ready="False"), []),
        (pod("2026-11-21T23:59:59Z", node="two"), []),
        (pod("2026-11-21T23:59:59Z", namespace="mine"), []),
    ],
    ids=["since", "just then", "before", "not ready", "a node that ran on", "a person's own"],
)
def test_pods_that_run_in_name_only(seen: dict[str, Any], late: list[str]) -> None:
    assert outdated([seen], {"one": "2026-11-22T00:00:00.123456789Z"}) == late


def test_an_api_server_that_does_not_come_back_is_an_error(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, [stopped(node) for node in nodes()])
    run.handle(FINISHED)
    run.handle(["docker", "start", *(raw["Name"][1:] for raw in nodes())])
    run.handle(answers(lab), code=1, stderr="connection refused\n")
    has_kubeconfig(lab, "kind-vpc-native")
    with pytest.raises(WaitError) as caught:
        take(lab)
    assert str(caught.value) == (
        "the API server of cluster vpc-native answers did not come true within 0 s:"
        " connection refused."
    )


@pytest.mark.parametrize("known", [None, (), ("kind-other",)])
def test_another_checkouts_cluster_is_adopted(
    lab: Lab, run: Recorder, known: tuple[str, ...] | None
) -> None:
    lists_containers(run, LABEL, nodes())
    run.handle(FINISHED)
    run.handle(kind_export(lab))
    is_well(lab, run)
    if known is not None:
        has_kubeconfig(lab, *known)
    assert take(lab) == CACHED
    assert changes(run) == [kind_export(lab)]


@pytest.mark.parametrize("state", [lambda raw: raw, stopped], ids=["running", "stopped"])
def test_a_kubeconfig_that_leads_elsewhere_ends_it(
    lab: Lab, run: Recorder, state: Callable[[Raw], Raw]
) -> None:
    """Before anything is asked of, or applied to, whatever cluster that is."""
    bindings = {"6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "37439"}]}
    published = {"HostConfig": {"PortBindings": bindings}}
    lists_containers(run, LABEL, [state(raw) | published for raw in nodes()])
    run.handle(["docker", "start", *(f"vpc-native-{n}" for n in WORDS)])
    run.handle(FINISHED)
    lab.folder.mkdir(parents=True)
    name = "kind-vpc-native"
    config = {
        "clusters": [{"name": name, "cluster": {"server": "https://prod.example"}}],
        "contexts": [{"name": name, "context": {"cluster": name}}],
    }
    lab.kubeconfig.write_text(yaml.safe_dump(config))
    with pytest.raises(LabError, match=r"leads elsewhere: .* https://prod\.example"):
        take(lab)
    assert not [argv for argv in run.argvs if argv[0] != "docker"]


def test_one_that_kind_did_not_finish_is_removed_and_made_anew(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, nodes())
    run.handle(FINISHED, code=1)
    remove = removes(run, nodes())
    assert take(lab) == "removed what was half made"
    assert changes(run) == [remove]


@pytest.mark.parametrize("there", [True, False])
def test_what_the_kubeconfig_knew_of_it_is_forgotten(lab: Lab, run: Recorder, there: bool) -> None:
    """The next one has another certificate; a person may have removed the containers."""
    lists_containers(run, LABEL, nodes() if there else [])
    run.handle(FINISHED, code=1)
    removes(run, nodes())
    has_kubeconfig(lab, "kind-vpc-native", "kind-other")
    take(lab)
    kept = yaml.safe_load(lab.kubeconfig.read_text())
    assert [context["name"] for context in kept["contexts"]] == ["kind-other"]


def test_one_that_was_stopped_half_made_is_made_anew(lab: Lab, run: Recorder) -> None:
    raws = [stopped(node) for node in nodes()]
    lists_containers(run, LABEL, raws)
    start = ["docker", "start", *(raw["Name"][1:] for raw in raws)]
    run.handle(start)
    run.handle(FINISHED, code=1)
    remove = removes(run, raws)
    assert take(lab) == "removed what was half made"
    assert changes(run) == [start, remove]


def test_one_that_lost_a_node_before_it_was_finished_is_made_anew(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, nodes()[:2])
    run.handle(FINISHED, code=1)
    remove = removes(run, nodes()[:2])
    assert take(lab) == "removed what was half made"
    assert changes(run) == [remove]


def test_a_finished_one_that_lost_a_node_is_a_persons_to_give_up(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, nodes()[:2])
    run.handle(FINISHED)
    with pytest.raises(LabError) as caught:
        take(lab)
    assert str(caught.value) == (
        "Cluster vpc-native has lost its node vpc-native-worker2 (its container is gone)."
        " Make the lab anew: invoke down, then invoke up."
    )
    assert changes(run) == []


COPY = ["docker", "cp", f"{CONTROL_PLANE}:/etc/gkelab/kind-finished", "-"]


def test_so_is_one_that_was_stopped_before_it_lost_the_node(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, [stopped(node) for node in nodes()[:2]])
    run.handle(COPY)
    with pytest.raises(LabError, match="has lost its node vpc-native-worker2"):
        take(lab)
    assert changes(run) == [COPY]


def test_a_stopped_one_that_was_not_finished_is_made_anew(lab: Lab, run: Recorder) -> None:
    raws = [stopped(node) for node in nodes()[:2]]
    lists_containers(run, LABEL, raws)
    run.handle(COPY, code=1, stderr="Could not find the file")
    remove = removes(run, raws)
    assert take(lab) == "removed what was half made"
    assert changes(run) == [COPY, remove]


def test_one_that_lost_its_control_plane_has_lost_all_and_is_made_anew(
    lab: Lab, run: Recorder
) -> None:
    lists_containers(run, LABEL, nodes()[1:])
    remove = removes(run, nodes()[1:])
    assert take(lab) == "removed what was half made"
    assert changes(run) == [remove]


@pytest.mark.parametrize("labels", [{}, {"gkelab.lab": "other"}])
@pytest.mark.parametrize("how_many", [1, 3])
def test_somebody_elses_cluster_of_that_name_is_refused_and_left_alone(
    lab: Lab, run: Recorder, labels: dict[str, str], how_many: int
) -> None:
    raws = nodes()
    for raw in raws[:how_many]:
        raw["Config"]["Labels"] = {"io.x-k8s.kind.cluster": "vpc-native"} | labels
    lists_containers(run, LABEL, raws)
    with pytest.raises(LabError) as caught:
        take(lab)
    said = str(caught.value)
    assert said.startswith(f"The kind cluster vpc-native ({CONTROL_PLANE}")
    assert said.endswith(
        "is not this lab's. Remove it (kind delete cluster --name vpc-native) or rename yours."
    )
    assert changes(run) == []


# --- what nodes mount


def test_every_node_mounts_the_files_of_its_vpc(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LABEL, [])
    makes(lab, run)
    create(lab)
    call = next(call for call in run.calls if list(call.argv) == kind_create(lab))
    for node in yaml.safe_load(call.input or "")["nodes"]:
        mounts = {each["containerPath"]: Path(each["hostPath"]) for each in node["extraMounts"]}
        assert all(mounts[inside].read_text() == text for inside, text in FILES.items())
        assert mounts[ROUTES].is_file()


# --- adopt


def inspects(run: Recorder, raw: Raw | None) -> None:
    argv = ["docker", "container", "inspect", CONTROL_PLANE]
    run.handle(argv, json.dumps([raw] if raw else []), code=0 if raw else 1)


def test_a_running_cluster_gives_its_context_to_a_kubeconfig_that_lacks_it(
    lab: Lab, run: Recorder
) -> None:
    inspects(run, nodes()[0])
    run.handle(FINISHED)
    run.handle(kind_export(lab))
    adopt(lab, lab.plan.clusters[0])
    assert changes(run) == [kind_export(lab)]
    assert lab.folder.is_dir()


def test_a_kubeconfig_that_has_it_is_left_alone(lab: Lab, run: Recorder) -> None:
    inspects(run, nodes()[0])
    has_kubeconfig(lab, "kind-vpc-native")
    adopt(lab, lab.plan.clusters[0])
    assert changes(run) == []


@pytest.mark.parametrize("control_plane", [None, stopped(nodes()[0])])
def test_what_does_not_run_cannot_be_adopted(
    lab: Lab, run: Recorder, control_plane: Raw | None
) -> None:
    inspects(run, control_plane)
    adopt(lab, lab.plan.clusters[0])
    assert changes(run) == []


def test_what_kind_has_not_finished_is_not_adopted(lab: Lab, run: Recorder) -> None:
    inspects(run, nodes()[0])
    run.handle(FINISHED, code=1)
    adopt(lab, lab.plan.clusters[0])
    assert changes(run) == []

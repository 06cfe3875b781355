"""When a cluster is ready, and the words for each thing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gkelab.graph import CACHED
from gkelab.steps.wait_ready import health, wait_ready
from gkelab.timeouts import Timeouts
from gkelab.topology import Cluster
from gkelab.wait import Clock, WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import Object, find, kubectl, make_lab, plan_of, snapshot

LISTING = ("get", "nodes,deployments,daemonsets,statefulsets,services", "--all-namespaces")
GATEWAY = ("istio-ingressgateway", "istio-system")


@pytest.fixture
def cluster() -> Cluster:
    return plan_of().clusters[0]


def objects(name: str = "ready") -> list[Object]:
    return [item for item in snapshot(name) if item["kind"] != "Pod"]


def test_a_real_cluster_that_is_whole_misses_nothing(cluster: Cluster) -> None:
    assert health(cluster, objects()).missing == ()


def test_a_real_cluster_that_comes_up_misses_what_it_misses(cluster: Cluster) -> None:
    assert health(cluster, objects("half_up")).missing == (
        "Deployment istio-ingressgateway in istio-system has 0 of 1 ready",
        "Deployment hubble-relay in kube-system has 0 of 1 ready",
        "Deployment metallb-controller in metallb-system has 0 of 1 ready",
        "Service istio-ingressgateway in istio-system has no address yet",
        "Service whoami-external in sample has no address yet",
    )


def test_nothing_at_all_misses_every_node(cluster: Cluster) -> None:
    assert health(cluster, []).missing == (
        "node vpc-native-control-plane is not there",
        "node vpc-native-worker is not there",
        "node vpc-native-worker2 is not there",
    )


def not_ready(node: Object) -> None:
    for condition in node["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "message": "cni plugin not initialized"}


def no_pod_cidr(node: Object) -> None:
    del node["spec"]["podCIDR"]


def silent(node: Object) -> None:
    node["status"] = {}


def no_status(item: Object) -> None:
    del item["status"]


def new_generation(item: Object) -> None:
    item["metadata"]["generation"] = 2


def rolling(item: Object) -> None:
    item["status"]["updatedReplicas"] = 1


def scaled_up(item: Object) -> None:
    item["spec"]["replicas"] = 3


def one_down(item: Object) -> None:
    item["status"]["availableReplicas"] = 1


def agent_down(item: Object) -> None:
    item["status"]["numberAvailable"] = 2


def agents_rolling(item: Object) -> None:
    item["status"]["updatedNumberScheduled"] = 1


def nowhere(item: Object) -> None:
    item["status"] = {"observedGeneration": 1, "desiredNumberScheduled": 0}
    del item["spec"]["template"]["spec"]["nodeSelector"]  # what selects no node selects all


def no_address(item: Object) -> None:
    item["status"] = {"loadBalancer": {}}


WORKER = ("Node", "vpc-native-worker", "")
DNS = ("Deployment", "coredns", "kube-system")
AGENT = ("DaemonSet", "cilium", "kube-system")


@pytest.mark.parametrize(
    ("which", "change", "sentence"),
    [
        (WORKER, not_ready, "Node vpc-native-worker is not Ready: cni plugin not initialized"),
        (WORKER, no_pod_cidr, "Node vpc-native-worker has no podCIDR"),
        (WORKER, silent, "Node vpc-native-worker says nothing yet"),
        (DNS, no_status, "Deployment coredns in kube-system has 0 of 2 ready"),
        (DNS, new_generation, "Deployment coredns in kube-system has 2 of 2 ready"),
        (DNS, rolling, "Deployment coredns in kube-system has 1 of 2 ready"),
        (DNS, scaled_up, "Deployment coredns in kube-system has 2 of 3 ready"),
        (DNS, one_down, "Deployment coredns in kube-system has 1 of 2 ready"),
        (AGENT, no_status, "DaemonSet cilium in kube-system has 0 of 0 ready"),
        (AGENT, new_generation, "DaemonSet cilium in kube-system has 3 of 3 ready"),
        (AGENT, agent_down, "DaemonSet cilium in kube-system has 2 of 3 ready"),
        (AGENT, agents_rolling, "DaemonSet cilium in kube-system has 1 of 3 ready"),
        (AGENT, nowhere, "DaemonSet cilium in kube-system runs nowhere yet"),
        (
            ("Service", *GATEWAY),
            no_address,
            "Service istio-ingressgateway in istio-system has no address yet",
        ),
    ],
)
def test_each_reason(
    cluster: Cluster, which: tuple[str, str, str], change: Callable[[Object], None], sentence: str
) -> None:
    seen = objects()
    change(find(seen, *which))
    assert health(cluster, seen).missing == (sentence,)


def scaled_to_zero(item: Object) -> None:
    item["spec"]["replicas"] = 0
    item["status"] = {"observedGeneration": 1}


def selects_no_node(item: Object) -> None:
    item["status"] = {"observedGeneration": 1, "desiredNumberScheduled": 0}
    item["spec"]["template"]["spec"]["nodeSelector"] = {"cloud.google.com/gke-tpu": "true"}


@pytest.mark.parametrize(("which", "change"), [(DNS, scaled_to_zero), (AGENT, selects_no_node)])
def test_what_shall_not_run_is_not_missed(
    cluster: Cluster, which: tuple[str, str, str], change: Callable[[Object], None]
) -> None:
    seen = objects()
    change(find(seen, *which))
    assert health(cluster, seen).missing == ()


@pytest.mark.parametrize(
    ("os", "missing"),
    [
        ("linux", ("DaemonSet metallb-speaker in metallb-system runs nowhere yet",)),
        ("windows", ()),
        (None, ()),
    ],
)
def test_what_came_before_its_nodes_is_missed_once_they_are_there(
    cluster: Cluster, os: str | None, missing: tuple[str, ...]
) -> None:
    """All of the lab's DaemonSets select nodes: kubernetes.io/os=linux."""
    seen = objects()
    speaker = find(seen, "DaemonSet", "metallb-speaker", "metallb-system")
    assert speaker["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    speaker["status"] = {"observedGeneration": 1, "desiredNumberScheduled": 0}
    for item in seen:
        if item["kind"] == "Node" and os:
            item["metadata"]["labels"] = {"kubernetes.io/os": os, "more": "of them"}
    assert health(cluster, seen).missing == missing


@pytest.mark.parametrize(("ready", "missing"), [(2, 0), (1, 1)])
def test_a_stateful_set_is_judged_by_its_ready_replicas(
    cluster: Cluster, ready: int, missing: int
) -> None:
    stateful: Object = {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "sample", "generation": 1},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": ready},
    }
    assert len(health(cluster, [*objects(), stateful]).missing) == missing


def test_it_waits_for_the_whole_cluster(tmp_path: Path, cluster: Cluster) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING, "--output=json"), json.dumps({"items": objects()}))
    assert wait_ready(lab, cluster) == CACHED


def test_one_answer_that_fails_is_not_the_end(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recorder()
    lab = replace(make_lab(tmp_path, run), timeouts=Timeouts())
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(sleep=lambda seconds: None))
    argv = kubectl(lab, *LISTING, "--output=json")
    run.handle(argv, code=1, stderr="The connection to the server was refused")
    run.handle(argv, fails="took longer than 20 s")
    run.handle(argv, json.dumps({"items": objects()}))
    assert wait_ready(lab, cluster) == CACHED
    assert run.times(*argv) == 3
    assert {call.timeout for call in run.calls} == {lab.timeouts.kubectl}


def test_an_api_server_that_stays_away_is_named_at_the_deadline(
    tmp_path: Path, cluster: Cluster
) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    refused = "The connection to the server was refused"
    run.handle(kubectl(lab, *LISTING, "--output=json"), code=1, stderr=refused)
    with pytest.raises(WaitError) as caught:
        wait_ready(lab, cluster)
    assert str(caught.value).startswith("cluster vpc-native is ready did not come true within 0 s:")
    assert str(caught.value).endswith(f"exited with 1: {refused}.")


def test_what_did_not_become_ready_is_named(tmp_path: Path, cluster: Cluster) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    seen = objects()
    no_address(find(seen, "Service", *GATEWAY))
    not_ready(find(seen, *WORKER))
    run.handle(kubectl(lab, *LISTING, "--output=json"), json.dumps({"items": seen}))
    with pytest.raises(WaitError) as caught:
        wait_ready(lab, cluster)
    assert str(caught.value) == (
        "cluster vpc-native is ready did not come true within 0 s:"
        " Node vpc-native-worker is not Ready: cni plugin not initialized;"
        " Service istio-ingressgateway in istio-system has no address yet."
    )

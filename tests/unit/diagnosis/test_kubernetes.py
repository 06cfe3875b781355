"""What is asked of a cluster, by the exact words; and what pods say is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.diagnosis.kubernetes import cluster_sources, namespace_sources, troubles
from gkelab.lab import NAMESPACES
from gkelab.tools.kubectl import Kubectl, Object
from tests.support.recorder import Recorder
from tests.unit.diagnosis import collectors, gathered

SERVED = """\
configmaps
events
nodes
pods
secrets
services
deployments.apps
replicasets.apps
ciliumendpoints.cilium.io
ciliumnodes.cilium.io
events.events.k8s.io
endpointslices.discovery.k8s.io
networkpolicies.networking.k8s.io
gateways.networking.istio.io
peerauthentications.security.istio.io
networkloggings.networking.gke.io
certificatesigningrequests.certificates.k8s.io
leases.coordination.k8s.io
secrets.notistio.io
"""
EVERYWHERE = "--all-namespaces"


def pod(namespace: str, name: str, **status: Any) -> Object:
    return {"metadata": {"namespace": namespace, "name": name}, "status": status}


def container(name: str, *, restarts: int = 0, **states: Any) -> Object:
    return {"name": name, "restartCount": restarts, **states}


RESTARTED = container(
    "agent",
    restarts=3,
    state={"running": {"startedAt": "2026-11-22T01:00:00Z"}},
    lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
)
PODS = [
    pod("kube-system", "cilium-a", phase="Running", containerStatuses=[RESTARTED]),
    pod("t-x", "client", phase="Pending"),
]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def kubectl(run: Recorder) -> Kubectl:
    return Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)


def expects(run: Recorder, kubectl: Kubectl, *words: str, says: str = "") -> list[str]:
    argv = kubectl.argv(*words)
    run.handle(argv, says or f"{' '.join(words)}\n")
    return argv


def has_cluster(run: Recorder, kubectl: Kubectl) -> None:
    """Expect all that is asked of the cluster."""
    for words in (
        ("get", "events", EVERYWHERE, "--sort-by=.lastTimestamp"),
        ("get", "pods", EVERYWHERE, "--output=wide"),
        ("get", "nodes", "--output=wide"),
        ("describe", "pods", EVERYWHERE),
        ("describe", "nodes"),
        *(("get", "configmaps", f"--namespace={n}", "--output=yaml") for n in NAMESPACES),
        *(
            ("get", kinds, EVERYWHERE, "--output=yaml")
            for kinds in (
                "nodes,pods,services",
                "deployments.apps,replicasets.apps",
                "ciliumendpoints.cilium.io,ciliumnodes.cilium.io",
                "endpointslices.discovery.k8s.io",
                "networkpolicies.networking.k8s.io",
                "gateways.networking.istio.io",
                "peerauthentications.security.istio.io",
                "networkloggings.networking.gke.io",
            )
        ),
    ):
        expects(run, kubectl, *words)
    expects(run, kubectl, "api-resources", "--verbs=list", "--output=name", says=SERVED)
    listed = json.dumps({"items": PODS})
    expects(run, kubectl, "get", "pods", EVERYWHERE, "--output=json", says=listed)
    has_logs(run, kubectl, "kube-system", "cilium-a")
    has_logs(run, kubectl, "t-x", "client")
    previous = ["--container=agent", "--previous"]
    expects(run, kubectl, *log("kube-system", "cilium-a"), *previous, says="before\n")


def log(namespace: str, name: str) -> list[str]:
    return ["logs", name, f"--namespace={namespace}", "--tail=500", "--timestamps"]


def has_logs(run: Recorder, kubectl: Kubectl, namespace: str, name: str) -> None:
    words = [*log(namespace, name), "--all-containers", "--prefix", "--ignore-errors"]
    expects(run, kubectl, *words, says=f"log of {name}\n")


def test_a_cluster_in_files(run: Recorder, kubectl: Kubectl) -> None:
    has_cluster(run, kubectl)
    found = gathered(cluster_sources(kubectl, "clusters/a"))
    assert {path.removeprefix("clusters/a/") for path in found} == {
        *("events.txt", "pods.txt", "nodes.txt", "describe-pods.txt", "describe-nodes.txt"),
        *(f"objects/configmaps.{namespace}.yaml" for namespace in NAMESPACES),
        *("objects/core.yaml", "objects/apps.yaml", "objects/cilium.io.yaml"),
        *("objects/discovery.k8s.io.yaml", "objects/networking.k8s.io.yaml"),
        *("objects/networking.istio.io.yaml", "objects/security.istio.io.yaml"),
        "objects/networking.gke.io.yaml",
        *("troubles.txt", "logs/t-x/client.log", "logs/kube-system/cilium-a.log"),
        "logs/kube-system/cilium-a.agent.previous.log",
    }
    assert found["clusters/a/logs/kube-system/cilium-a.agent.previous.log"] == "before\n"
    trouble = "kube-system/cilium-a agent: OOMKilled, exit code 137, restarted 3 times\n"
    assert found["clusters/a/troubles.txt"].startswith(trouble)


def test_secrets_are_never_fetched(run: Recorder, kubectl: Kubectl) -> None:
    """In no command is there a kind whose name could be theirs."""
    has_cluster(run, kubectl)
    gathered(cluster_sources(kubectl, "clusters/a"))
    kinds = [argv[6].split(",") for argv in run.argvs if argv[5] == "get"]
    assert len(kinds) > 10
    assert not [kind for each in kinds for kind in each if kind.startswith("secret")]
    assert "secrets" in SERVED.split(), "the counterfactual: the cluster serves them"
    assert not [argv for argv in run.argvs if argv[5:7] == ["get", "all"]]


def test_a_namespace_in_files(run: Recorder, kubectl: Kubectl) -> None:
    where = "--namespace=t-x"
    kinds = "pods,services,endpointslices,networkpolicies,deployments,daemonsets"
    expects(run, kubectl, "get", "events", where, "--sort-by=.lastTimestamp", says="E\n")
    expects(run, kubectl, "describe", "pods", where, says="P\n")
    expects(run, kubectl, "get", kinds, where, "--output=yaml", says="O\n")
    listed = json.dumps({"items": PODS[1:]})
    expects(run, kubectl, "get", "pods", where, "--output=json", says=listed)
    has_logs(run, kubectl, "t-x", "client")
    assert gathered(namespace_sources(kubectl, "t-x", "f")) == {
        "f/events.txt": "E\n",
        "f/pods.txt": "P\n",
        "f/objects.yaml": "O\n",
        "f/troubles.txt": "t-x/client is Pending: \n",
        "f/logs/t-x/client.log": "log of client\n",
    }


def test_a_question_that_fails_is_the_groups_own(run: Recorder, kubectl: Kubectl) -> None:
    argv = kubectl.argv("api-resources", "--verbs=list", "--output=name")
    run.handle(argv, code=1, stderr="refused")
    objects = [s for s in cluster_sources(kubectl, "c") if s.path == "c/objects"]
    with pytest.raises(Exception, match="refused"):
        collectors(objects)


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ({"phase": "Running", "containerStatuses": [container("a", state={"running": {}})]}, []),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}],
            },
            ["x/p is Pending: 0/3 nodes"],
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ["x/p is Failed: Evicted"]),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    container(
                        "a",
                        restarts=5,
                        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}},
                        lastState={"terminated": {"reason": "Error", "exitCode": 1}},
                    )
                ],
            },
            ["x/p a: CrashLoopBackOff back-off 5m", "x/p a: Error, exit code 1, restarted 5 times"],
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    container("i", state={"waiting": {"reason": "ImagePullBackOff"}})
                ],
                "containerStatuses": [
                    container("a", state={"waiting": {"reason": "PodInitializing"}})
                ],
            },
            ["x/p i: ImagePullBackOff"],
        ),
        (  # what a stop and a start of the lab leaves is no trouble
            {
                "phase": "Running",
                "containerStatuses": [
                    container(
                        "a",
                        restarts=1,
                        state={"running": {}},
                        lastState={"terminated": {"reason": "Unknown", "exitCode": 255}},
                    )
                ],
            },
            [],
        ),
        ({}, []),
    ],
)
def test_what_is_wrong_with_a_pod(status: Object, lines: list[str]) -> None:
    assert troubles([pod("x", "p", **status)]) == lines

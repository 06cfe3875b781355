"""The faults: what dies, how it is killed, and whose traffic is watched meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gkelab.errors import LabError
from gkelab.faults.stage import (
    NAMESPACE,
    OUTSIDE_TO_GATEWAY,
    OUTSIDE_TO_LB,
    POD_TO_NAME,
    POD_TO_POD,
    Stage,
    is_ready,
)
from gkelab.tools.kubectl import Object
from gkelab.wait import until


@dataclass(frozen=True)
class Victim:
    """A container of a workload's pods."""

    kind: str
    namespace: str
    workload: str
    container: str


AGENT = Victim("daemonset", "kube-system", "cilium", "cilium-agent")
OPERATOR = Victim("deployment", "kube-system", "cilium-operator", "cilium-operator")
COREDNS = Victim("deployment", "kube-system", "coredns", "coredns")
CONTROLLER = Victim("deployment", "metallb-system", "metallb-controller", "controller")
SPEAKER = Victim("daemonset", "metallb-system", "metallb-speaker", "speaker")
ISTIOD = Victim("deployment", "istio-system", "istiod", "discovery")
GATEWAY = Victim("deployment", "istio-system", "istio-ingressgateway", "istio-proxy")
SERVER = Victim("deployment", NAMESPACE, "server", "server")


# What is chosen already and only has to be done: choosing takes time that is no outage.
Shot = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """Something that dies. `aim` chooses what; the shot returns when that is down for as long as
    nobody helps, or, where Kubernetes brings it back, when it is back. `ways` are watched, and
    `workers` are as many as it takes for traffic to find another way."""

    name: str
    ways: tuple[str, ...]
    aim: Callable[[Stage], Shot]
    workers: int = 1


def pods_of(stage: Stage, victim: Victim) -> list[Object]:
    """The pods of a victim's workload that are Ready and stay, by the workload's own selector.
    Raises LabError where there is no such workload."""
    kubectl = stage.kubectl
    workload = kubectl.get(victim.kind, victim.workload, victim.namespace)
    if workload is None:
        raise LabError(f"{victim.workload} is not installed in cluster {stage.cluster.name}")
    labels = workload["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return [
        pod
        for pod in kubectl.list("pods", victim.namespace, selector)
        if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    ]


def kill(stage: Stage, victim: Victim, node: str = "") -> Shot:
    """Kill a victim's process with SIGKILL, on that node if one is named. The shot waits until
    kubelet has started it anew and it is Ready. A pod's second kill within ten minutes is started
    only after ten seconds (kubelet's back-off). Raises LabError when there is no such pod."""
    pods = [pod for pod in pods_of(stage, victim) if node in ("", pod["spec"]["nodeName"])]
    if not pods:
        raise LabError(f"No Ready pod of {victim.workload} runs{f' on {node}' if node else ''}")
    return partial(_kill, stage, victim, pods[0])


def _kill(stage: Stage, victim: Victim, pod: Object) -> None:
    name = pod["metadata"]["name"]
    old = container_id(pod, victim.container)
    number = old.removeprefix("containerd://")
    ctr = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", number]
    stage.lab.docker.exec(pod["spec"]["nodeName"], ctr)
    until(
        lambda: stage.kubectl.get("pod", name, victim.namespace) or {},
        lambda now: is_ready(now) and container_id(now, victim.container) not in ("", old),
        what=f"{victim.container} of pod {name} runs again",
        timeout=stage.lab.timeouts.rollout,
        describe=lambda now: str(now.get("status", {}).get("containerStatuses", "no status")),
    )


def container_id(pod: Object, container: str) -> str:
    """The id of a pod's container as Kubernetes tells it; "" before it has one."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return next((s.get("containerID", "") for s in statuses if s["name"] == container), "")


def delete_pod(stage: Stage, victim: Victim) -> Shot:
    """Delete a victim's pod the ordinary way; the shot waits until another one is Ready.
    Raises LabError when there is no such pod."""
    before = pods_of(stage, victim)
    if not before:
        raise LabError(f"No Ready pod of {victim.workload} runs")
    known = {pod["metadata"]["uid"] for pod in before}

    def shot() -> None:
        name = before[0]["metadata"]["name"]
        stage.kubectl.delete("pod", name, victim.namespace, wait=False)
        until(
            lambda: {pod["metadata"]["uid"] for pod in pods_of(stage, victim)} - known,
            bool,
            what=f"{victim.workload} has another pod",
            timeout=stage.lab.timeouts.rollout,
        )

    return shot


def cut_power(stage: Stage) -> Shot:
    """Stop, without a moment's grace, the node that announces the stage's load balancer."""
    node = stage.announcer(stage.address())
    return lambda: stage.lab.docker.stop([node], grace=0)


def _killed(name: str, victim: Victim, *ways: str) -> Fault:
    return Fault(name, ways, lambda stage: kill(stage, victim))


# The mildest first; a stopped node disturbs everything, so it comes last.
FAULTS = (
    Fault(
        "cilium-agent killed",
        (POD_TO_POD, OUTSIDE_TO_LB),
        lambda stage: kill(stage, AGENT, stage.server()["spec"]["nodeName"]),
    ),
    _killed("cilium-operator killed", OPERATOR, POD_TO_POD, OUTSIDE_TO_LB),
    _killed("istiod killed", ISTIOD, OUTSIDE_TO_GATEWAY),
    _killed("MetalLB controller killed", CONTROLLER, OUTSIDE_TO_LB),
    Fault(
        "MetalLB speaker killed",
        (OUTSIDE_TO_LB,),
        lambda stage: kill(stage, SPEAKER, stage.announcer(stage.address())),
    ),
    _killed("a CoreDNS killed", COREDNS, POD_TO_NAME),
    Fault("gateway pod deleted", (OUTSIDE_TO_GATEWAY,), lambda stage: delete_pod(stage, GATEWAY)),
    Fault("worker node stopped", (OUTSIDE_TO_LB,), cut_power, workers=2),
)

"""What a cluster's API server says: events, pods, their logs, and objects; Secrets never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gkelab.diagnosis.bundle import Collector, Group, Source, said
from gkelab.lab import NAMESPACES
from gkelab.tools.kubectl import Kubectl, Object

TAIL = 500  # lines of a container's log

# Core kinds that are collected, and the groups of which every kind is.
CORE = ("namespaces", "nodes", "pods", "services", "serviceaccounts", "replicationcontrollers")
GROUPS = (
    *("apps", "batch", "discovery.k8s.io", "networking.k8s.io", "gateway.networking.k8s.io"),
    *("cilium.io", "metallb.io", "istio.io", "gke.io", "cloud.google.com"),
    *("admissionregistration.k8s.io", "apiextensions.k8s.io"),
)
# A container's end that tells of trouble; others have one when the lab was stopped.
BAD_ENDS = ("OOMKilled", "Error", "ContainerCannotRun", "DeadlineExceeded")
STARTING = ("ContainerCreating", "PodInitializing")


def cluster_sources(kubectl: Kubectl, folder: str) -> list[Source]:
    """Everything of a cluster, into a folder of the bundle."""
    everywhere = "--all-namespaces"
    asked = {
        "events.txt": ("get", "events", everywhere, "--sort-by=.lastTimestamp"),
        "pods.txt": ("get", "pods", everywhere, "--output=wide"),
        "nodes.txt": ("get", "nodes", "--output=wide"),
        "describe-pods.txt": ("describe", "pods", everywhere),
        "describe-nodes.txt": ("describe", "nodes"),
        **{
            f"objects/configmaps.{namespace}.yaml": (
                *("get", "configmaps", f"--namespace={namespace}", "--output=yaml"),
            )
            for namespace in NAMESPACES
        },
    }
    found: list[Source] = [
        Collector(f"{folder}/{file}", partial(_ask, kubectl, words))
        for file, words in asked.items()
    ]
    found.append(Group(f"{folder}/objects", partial(_objects, kubectl, folder)))
    found.append(Group(f"{folder}/logs", partial(_logs, kubectl, folder)))
    return found


def namespace_sources(kubectl: Kubectl, namespace: str, folder: str) -> list[Source]:
    """What is to be known of one namespace before it goes."""
    where = f"--namespace={namespace}"
    asked = {
        "events.txt": ("get", "events", where, "--sort-by=.lastTimestamp"),
        "pods.txt": ("describe", "pods", where),
        "objects.yaml": (
            *("get", "pods,services,endpointslices,networkpolicies,deployments,daemonsets"),
            *(where, "--output=yaml"),
        ),
    }
    found: list[Source] = [
        Collector(f"{folder}/{file}", partial(_ask, kubectl, words))
        for file, words in asked.items()
    ]
    found.append(Group(f"{folder}/logs", partial(_logs, kubectl, folder, namespace)))
    return found


def troubles(pods: Sequence[Object]) -> list[str]:
    """What pods themselves say is wrong with them, a line each: a container that waits, or that
    ended badly before."""
    found = []
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status", {})
        name = f"{metadata.get('namespace', '')}/{metadata['name']}"
        if status.get("phase") in ("Failed", "Pending") and not _containers(status):
            conditions = [c.get("message") for c in status.get("conditions", [])]
            why = status.get("message") or next(filter(None, conditions), "")
            found.append(f"{name} is {status['phase']}: {why or status.get('reason', '')}")
        for container in _containers(status):
            found += [f"{name} {container['name']}: {line}" for line in _ends(container)]
    return found


def _containers(status: Object) -> list[Object]:
    return [
        item
        for part in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for item in status.get(part) or []
    ]


def _ends(container: Object) -> Iterator[str]:
    waiting = container.get("state", {}).get("waiting", {})
    if waiting and waiting.get("reason") not in STARTING:
        yield f"{waiting.get('reason', 'waits')} {waiting.get('message', '')}".strip()
    for part in ("state", "lastState"):
        ended = container.get(part, {}).get("terminated", {})
        if ended.get("reason") in BAD_ENDS:
            times = f"restarted {container.get('restartCount', 0)} times"
            yield f"{ended['reason']}, exit code {ended.get('exitCode')}, {times}"


def _ask(kubectl: Kubectl, words: Sequence[str]) -> str:
    return said(kubectl(*words, check=False))


def _objects(kubectl: Kubectl, folder: str) -> list[Collector]:
    served = kubectl("api-resources", "--verbs=list", "--output=name").stdout.split()
    by_group: dict[str, list[str]] = {"core": [kind for kind in CORE if kind in served]}
    for kind in served:
        group = kind.partition(".")[2]
        if any(group == wanted or group.endswith(f".{wanted}") for wanted in GROUPS):
            by_group.setdefault(group, []).append(kind)
    return [
        Collector(
            f"{folder}/objects/{group}.yaml",
            partial(_ask, kubectl, ("get", ",".join(kinds), "--all-namespaces", "--output=yaml")),
        )
        for group, kinds in by_group.items()
        if kinds
    ]


def _logs(kubectl: Kubectl, folder: str, namespace: str = "") -> list[Collector]:
    pods = kubectl.list("pods", namespace)
    wrong = "".join(f"{line}\n" for line in troubles(pods))
    found = [Collector(f"{folder}/troubles.txt", lambda: wrong)]
    for pod in pods:
        metadata = pod["metadata"]
        place = f"{folder}/logs/{metadata['namespace']}/{metadata['name']}"
        words = (
            *("logs", metadata["name"], f"--namespace={metadata['namespace']}"),
            *(f"--tail={TAIL}", "--timestamps"),
        )
        every = (*words, "--all-containers", "--prefix", "--ignore-errors")
        found.append(Collector(f"{place}.log", partial(_ask, kubectl, every)))
        for container in _containers(pod.get("status", {})):
            if "terminated" in container.get("lastState", {}):
                name = container["name"]
                before = (*words, f"--container={name}", "--previous")
                previous = partial(_ask, kubectl, before)
                found.append(Collector(f"{place}.{name}.previous.log", previous))
    return found

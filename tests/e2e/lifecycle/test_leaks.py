"""200 pods come and go, and nothing of them stays: interfaces, routes, rules, BPF entries."""

from __future__ import annotations

from collections.abc import Mapping

from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.leaks import A_POD_ADDS, count, growth, totals
from tests.support.namespace import Namespace

PODS = 200
AT_ONCE = 20  # what two cores carry beside a lab
LONGEST = 900.0  # seconds for all of them
SETTLES = 240.0  # seconds until kubelet and Cilium have swept up


def job(name: str, pods: int, argv: list[str]) -> dict[str, object]:
    """A Job of so many pods, some at once, each of which runs a command of the workload image."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "parallelism": AT_ONCE,
            "completions": pods,
            "backoffLimit": 6,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": name, "image": "gkelab/workload", "command": argv}],
                },
            },
        },
    }


def succeeded(namespace: Namespace, name: str) -> int:
    """How many pods of a Job came to their end."""
    found = namespace.kubectl.get("job", name, namespace.name) or {}
    return int(found.get("status", {}).get("succeeded", 0))


def run_out(namespace: Namespace, name: str, pods: int) -> None:
    """Let a Job's pods come and go, and wait until they are gone."""
    namespace.apply([job(name, pods, ["true"])])
    until(
        lambda: succeeded(namespace, name),
        lambda done: done >= pods,
        what=f"{pods} pods came and went",
        timeout=LONGEST,
        interval=2,
    )
    remove(namespace, name)


def remove(namespace: Namespace, name: str) -> None:
    """Delete a Job, and wait until its pods are gone."""
    namespace.remove("job", name)
    until(
        lambda: len(namespace.kubectl.list("pods", namespace.name)),
        lambda left: left == 0,
        what=f"the pods of {name} are gone",
        timeout=SETTLES,
        interval=2,
    )


def quiet(lab: Lab, cluster: Cluster) -> dict[str, int]:
    """The counts, once three in a row are the same: sweeping takes a while."""
    seen: list[dict[str, int]] = []

    def look() -> dict[str, int]:
        seen.append(count(lab, cluster))
        return seen[-1]

    return until(
        look,
        lambda now: seen[-3:] == [now] * 3,
        what="the counts stay as they are",
        timeout=SETTLES,
        interval=5,
    )


def swept(lab: Lab, cluster: Cluster, before: Mapping[str, int]) -> None:
    """Wait until there is no more of anything than before. Raises WaitError naming what is."""
    until(
        lambda: growth(before, count(lab, cluster)),
        lambda more: not more,
        what="nothing stays behind",
        timeout=SETTLES,
        interval=5,
        describe="; ".join,
    )


def test_nothing_stays_of_pods(namespace: Namespace, lab: Lab, cluster: Cluster) -> None:
    """First a few pods, as what the first one makes may stay; then the counting is shown to see
    pods that run; then 200 come and go."""
    run_out(namespace, "first", 8)
    before = quiet(lab, cluster)
    for what in A_POD_ADDS:
        assert totals(before)[what] > 0, f"no {what} at all: the count is broken"

    namespace.apply([job("running", 4, ["workload", "idle"])])
    until(
        lambda: len(namespace.pods("app=running")),
        lambda running: running == 4,
        what="four pods run",
        timeout=120,
    )
    had = totals(before)

    def unseen(now: Mapping[str, int]) -> list[str]:
        fewest = {what: had[what] + (4 if what == "CiliumEndpoints" else 1) for what in A_POD_ADDS}
        return [
            f"{now[what]} {what} after {had[what]}" for what in fewest if now[what] < fewest[what]
        ]

    until(
        lambda: unseen(totals(count(lab, cluster))),
        lambda left: not left,
        what="running pods are counted",
        timeout=60,
        interval=3,
        describe="; ".join,
    )
    remove(namespace, "running")
    swept(lab, cluster, before)

    run_out(namespace, "many", PODS)
    swept(lab, cluster, before)

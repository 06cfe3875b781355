"""What an interrupted test run left in a lab: namespaces of its tests, by their labels."""

from __future__ import annotations

from gkelab.lab import Lab

TEST = "gkelab.test"  # on every namespace that a test makes
RUN = "gkelab.test-run"  # its value: the run of `invoke test` that the test is of
PREFIX = "t-"


def remove_leftovers(lab: Lab) -> list[str]:
    """Remove the namespaces of runs of `invoke test`, and wait until they are gone; their names.

    All these runs must be over: who calls this holds the lock of the lab's tests. What pytest by
    hand makes carries no run and stays, as does what is going already. Raises CommandError.
    """
    removed = []
    for cluster in lab.plan.clusters:
        kubectl = lab.kubectl(cluster.name)
        left = [
            item["metadata"]["name"]
            for item in kubectl.list("namespaces", selector=f"{TEST}=true,{RUN}")
            if item["metadata"]["name"].startswith(PREFIX)
            and "deletionTimestamp" not in item["metadata"]
        ]
        if left:
            limit = lab.timeouts.rollout
            words = ["delete", "namespace", *left, "--ignore-not-found"]
            kubectl(*words, f"--timeout={limit:.0f}s", timeout=limit + 30)
            removed += left
    return removed

"""What an interrupted test run left in a lab: namespaces of its tests by their labels, resources
of its tests in the cloud by their descriptions."""

from __future__ import annotations

from gkelab.cloud.asking import singular
from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.lab import Lab

TEST = "gkelab.test"  # on every namespace that a test makes
RUN = "gkelab.test-run"  # its value: the run of `invoke test` that the test is of
PREFIX = "t-"
# What tests make in the cloud, in the order in which it can go.
COLLECTIONS = ("instances", "routes", "firewalls", "addresses", "subnetworks", "networks")


def remove_leftovers(lab: Lab) -> list[str]:
    """Remove what runs of `invoke test` left, and wait until it is gone; the names.

    All these runs must be over: who calls this holds the lock of the lab's tests. What pytest by
    hand makes carries no run and stays. Namespaces that are going already are waited for, too:
    their pods may have a node's ports. Raises CommandError, CloudError.
    """
    removed = []
    for cluster in lab.plan.clusters:
        kubectl = lab.kubectl(cluster.name)
        there = {
            item["metadata"]["name"]: "deletionTimestamp" in item["metadata"]
            for item in kubectl.list("namespaces", selector=f"{TEST}=true,{RUN}")
            if item["metadata"]["name"].startswith(PREFIX)
        }
        if there:
            limit = lab.timeouts.rollout
            words = ["delete", "namespace", *there, "--ignore-not-found"]
            kubectl(*words, f"--timeout={limit:.0f}s", timeout=limit + 30)
            removed += [name for name, going in there.items() if not going]
    if lab.cloud_file.exists():
        place = recorded(lab.cloud_file)
        removed += remove_from_cloud(RestCloud(place.endpoint, place.project))
    return removed


def told(run: str) -> str:
    """What the description of a test's resource says; of pytest by hand nothing of a run."""
    return f"{RUN}={run}" if run else TEST


def remove_from_cloud(cloud: RestCloud) -> list[str]:
    """Remove the resources of runs that are over; their names. Raises CloudError."""
    removed = []
    resources = cloud.state()["resources"]
    for collection in COLLECTIONS:
        for body in resources.get(collection, []):
            name = str(body["name"])
            marked = str(body.get("description", "")).startswith(f"{RUN}=")
            if name.startswith(PREFIX) and marked:
                scope = _scope(str(body["selfLink"]))
                cloud.write("delete", collection, scope, {singular(collection): name})
                removed.append(name)
    return removed


def _scope(link: str) -> str:
    """Where a resource is, by its self link: global, regions/R or zones/Z."""
    parts = link.partition("/projects/")[2].split("/")
    return parts[1] if parts[1] == "global" else "/".join(parts[1:3])

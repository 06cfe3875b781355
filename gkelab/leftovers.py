"""What an interrupted test run left in a lab: namespaces of its tests, and objects beside them, by
their labels; resources of its tests in the cloud by their descriptions; what its tests changed in
the networks of containers and the host by its mark."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from gkelab.cloud.asking import singular
from gkelab.cloud.ensure import ensure
from gkelab.cloud.machines.wanted import container_name
from gkelab.cloud.place import recorded
from gkelab.cloud.resources import resources
from gkelab.cloud.rest import RestCloud
from gkelab.containers import name_of
from gkelab.lab import Lab
from gkelab.steps.start_client import lead_to_router
from gkelab.tools.docker import LABEL
from gkelab.tools.kubectl import Kubectl
from gkelab.tools.marked import LISTED, MARK, parse_marked

TEST = "gkelab.test"  # on every namespace that a test makes, and on its objects elsewhere
RUN = "gkelab.test-run"  # its value: the run of `invoke test` that the test is of
PREFIX = "t-"
# What tests make in a cluster that goes with no namespace of theirs.
KINDS = "namespaces,secrets,ipaddresspools.metallb.io"
# What tests make in the cloud, in the order in which it can go.
COLLECTIONS = ("instances", "routes", "firewalls", "addresses", "subnetworks", "networks")


def remove_leftovers(lab: Lab) -> list[str]:
    """Remove what runs of `invoke test` left, wait until it is gone, and put back what they took
    away or changed of the lab's own; the names of what was there.

    All these runs must be over: who calls this holds the lock of the lab's tests. What pytest by
    hand makes carries no run and stays. Namespaces that are going already are waited for, too:
    their pods may have a node's ports. Raises CommandError, CloudError.
    """
    removed = []
    for cluster in lab.plan.clusters:
        removed += _remove_from_cluster(lab, lab.kubectl(cluster.name))
    if lab.cloud_file.exists():
        place = recorded(lab.cloud_file)
        cloud = RestCloud(place.endpoint, place.project)
        removed += remove_from_cloud(cloud)
        # After the instances that are in its way: nobody else may have an address of a range.
        changed = ensure(cloud, resources(lab.plan))
        removed += [f"a change of what the topology says ({line})" for line in changed]
    removed += _remove_from_containers(lab)
    removed += _remove_from_host(lab)
    lead_to_router(lab)
    return removed


def _remove_from_cluster(lab: Lab, kubectl: Kubectl) -> list[str]:
    found = [
        item
        for item in kubectl.list(KINDS, selector=f"{TEST}=true,{RUN}")
        if item["metadata"]["name"].startswith(PREFIX)
    ]
    spaces = {
        item["metadata"]["name"]: "deletionTimestamp" in item["metadata"]
        for item in found
        if item["kind"] == "Namespace"
    }
    if spaces:
        limit = lab.timeouts.rollout
        words = ["delete", "namespace", *spaces, "--ignore-not-found"]
        kubectl(*words, f"--timeout={limit:.0f}s", timeout=limit + 30)
    removed = [name for name, going in spaces.items() if not going]
    # Only now: a Service whose pool of addresses goes would get another address.
    for item in (item for item in found if item["kind"] != "Namespace"):
        kind, name = item["kind"], item["metadata"]["name"]
        kubectl.delete(kind, name, item["metadata"]["namespace"])
        removed.append(f"{kind} {name}")
    return removed


def told(run: str) -> str:
    """What the description of a test's resource says; of pytest by hand nothing of a run."""
    return f"{RUN}={run}" if run else TEST


def remove_from_cloud(cloud: RestCloud) -> list[str]:
    """Remove the resources of runs that are over; their names. Raises CloudError."""
    removed = []
    there = cloud.state()["resources"]
    for collection in COLLECTIONS:
        for body in there.get(collection, []):
            name = str(body["name"])
            marked = str(body.get("description", "")).startswith(f"{RUN}=")
            if name.startswith(PREFIX) and marked:
                scope, said = _scope(str(body["selfLink"])), {singular(collection): name}
                if body.get("deletionProtection"):
                    unprotected = {**said, "deletionProtection": "false"}
                    cloud.write("set_deletion_protection", collection, scope, unprotected)
                cloud.write("delete", collection, scope, said)
                removed.append(name)
    return removed


def _scope(link: str) -> str:
    """Where a resource is, by its self link: global, regions/R or zones/Z."""
    parts = link.partition("/projects/")[2].split("/")
    return parts[1] if parts[1] == "global" else "/".join(parts[1:3])


def _remove_from_containers(lab: Lab) -> list[str]:
    """Nodes, VMs of the topology, the router and the client are asked at once. Tests' own VMs are
    gone, or going."""
    vms = [container_name(lab.name, vm.name) for vm in lab.plan.vms]
    nodes = [node.name for node in lab.plan.nodes]
    wanted = {name_of(lab, "router"), name_of(lab, "client"), *vms, *nodes}
    running = [
        container.name
        for container in lab.docker.containers({LABEL: lab.name})
        if container.state == "running" and container.name in wanted
    ]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(partial(_remove_from_container, lab), running))
    return [name for names in found for name in names]


def _remove_from_container(lab: Lab, container: str) -> list[str]:
    run = partial(lab.docker.exec, container, timeout=lab.timeouts.container)
    found = parse_marked(run(["ip", "-json", "-batch", "-"], input=LISTED).stdout)
    if removal := found.removal():
        run(["ip", "-batch", "-"], input=removal)
    return [f"{name} in {container}" for name in found.names()]


def _remove_from_host(lab: Lab) -> Iterator[str]:
    """Routes to what is this lab's: tests of another one may be at work on it."""
    own = [*lab.plan.made_up_ranges(), *(subnet.primary for subnet in lab.plan.subnets)]
    for route in lab.ip.routes():
        to = route.destination
        if route.protocol == MARK and any(to.subnet_of(network) for network in own):
            lab.run(["ip", "route", "delete", str(to), "proto", MARK])
            yield f"route {to} on the host"

"""`up`: the literal order of its steps, and the one loop that runs them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import get_args

from gkelab.applied import Applied
from gkelab.files import write_whole
from gkelab.graph import CACHED, Task, Timings, needed_for, run_graph
from gkelab.kubeconfig import discard_broken
from gkelab.lab import Lab
from gkelab.progress import Lines
from gkelab.steps.create_cluster import (
    answer_early,
    create_cluster,
    find_nodes,
    is_whole,
    take_nodes,
)
from gkelab.steps.create_networks import create_networks
from gkelab.steps.deploy_workloads import deploy_mesh_workloads, deploy_workloads
from gkelab.steps.hold_ranges import hold_on_host
from gkelab.steps.install_cilium import install_cilium, render_cilium
from gkelab.steps.install_definitions import install_definitions
from gkelab.steps.install_gke_kinds import install_gke_kinds
from gkelab.steps.install_istio import install_gateway, install_istio, render_istio_objects
from gkelab.steps.install_metallb import configure_pools, install_metallb, render_metallb
from gkelab.steps.load_images import load_image
from gkelab.steps.remove_remains import clear_remains
from gkelab.steps.resolve_outside import resolve_outside
from gkelab.steps.start_client import start_client
from gkelab.steps.start_cloud import start_cloud
from gkelab.steps.start_controllers import start_controllers
from gkelab.steps.start_machines import start_machines
from gkelab.steps.start_router import start_router
from gkelab.steps.wait_ready import wait_ready
from gkelab.steps.wait_vpc import wait_vpc
from gkelab.steps.write_vpc import write_vpc
from gkelab.supply.archive import origin
from gkelab.supply.cache import Cache
from gkelab.supply.imagestore import MOUNT, ImageStores, images_in
from gkelab.tools.docker import Container
from gkelab.topology import Cluster, Role

ROLES: tuple[Role, ...] = get_args(Role)
# What a cold `up` waits for before nodes boot; other images that are not there yet are loaded
# when they are built.
EARLY = {"coredns", "pause", "etcd", "cilium", "cilium-operator", "hubble-relay"} | {
    f"kube-{name}" for name in ("apiserver", "controller-manager", "scheduler")
}


@dataclass(frozen=True)
class Step:
    """A step of every cluster. `needs` are other steps; `images` must be on the nodes before
    it runs, and the supplier's tasks named in `supply` be done."""

    name: str
    what: str
    do: Callable[[Lab, Cluster, Applied], str]
    needs: tuple[str, ...] = ("api",)
    images: tuple[str, ...] = ()
    supply: tuple[str, ...] = ()


# In the order that a person would type them; those that do not need each other overlap.
CLUSTER_STEPS: tuple[Step, ...] = (
    Step(
        "cilium-kinds",
        "install Cilium's kinds",
        partial(install_definitions, "cilium"),
        supply=("definitions:cilium",),
    ),
    Step(
        "cilium",
        "install Cilium",
        install_cilium,
        needs=("api", "render-cilium"),
        images=("cilium", "cilium-operator", "hubble-relay"),
    ),
    Step(
        "gateway-api",
        "install the Gateway API's kinds",
        partial(install_definitions, "gateway-api"),
        supply=("definitions:gateway-api",),
    ),
    Step("gke-kinds", "install GKE's own kinds", install_gke_kinds),
    Step("names", "have CoreDNS ask the VPC's resolver", resolve_outside),
    Step(
        "istio",
        "install Istio",
        install_istio,
        needs=("api", "render-istio", "gateway-api"),
        images=("istio-pilot", "istio-proxy"),
    ),
    Step(
        "metallb",
        "install MetalLB",
        install_metallb,
        needs=("api", "render-metallb"),
        images=("metallb-controller", "metallb-speaker"),
    ),
    Step("pools", "give MetalLB its pools", configure_pools, needs=("metallb",)),
    # After what the longest waits are for: pods start in the order that they came in.
    Step(
        "workloads",
        "deploy the sample workloads",
        deploy_workloads,
        needs=("metallb",),
        images=("workload",),
    ),
    Step("gateway", "install Istio's gateway", install_gateway, needs=("istio",)),
    Step(
        "mesh",
        "deploy the mesh's workloads",
        deploy_mesh_workloads,
        needs=("istio",),
        images=("workload", "istio-proxy"),
    ),
)


def up(lab: Lab, lines: Lines) -> Timings:
    """Bring the lab up, from wherever it is. Raises the error of the first step that failed."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    discard_broken(lab.kubeconfig)
    started = time.time()
    tasks = [*lab.supplier.tasks(), *lab_tasks(lab)]
    goals = ["lab", *(task.name for task in tasks if task.name.startswith("keep:"))]
    timings = run_graph(needed_for(tasks, goals), lines)
    record = {"lab": lab.name, "supplier": lab.supplier.name, "at": started}
    whole = json.dumps(record | asdict(timings), indent=2) + "\n"
    write_whole(lab.folder / "timings.json", whole)
    return timings


def lab_tasks(lab: Lab) -> list[Task]:
    """The tasks that make this lab, beside the supplier's."""
    tasks = _vpc_tasks(lab)
    ready = []
    for cluster in lab.plan.clusters:
        tasks += _cluster_tasks(lab, cluster)
        ready.append(f"ready:{cluster.name}")
    real = ("router", "machines", "controllers", *ready)
    tasks.append(Task("vpc", partial(wait_vpc, lab), real, what="wait until the VPC is real"))
    tasks.append(Task("lab", lambda: CACHED, ("networks", "host-routes", "client", "vpc")))
    if any(task.name.startswith("load:") for task in tasks):
        tasks += _keep_tasks(lab)
    # Clusters share the image stores, and so the tasks that fill them.
    return list({task.name: task for task in tasks}.values())


def _vpc_tasks(lab: Lab) -> list[Task]:
    """What stands beside the clusters. It comes up while their nodes boot: workers find their API
    server by way of the router."""

    def task(name: str, do: Callable[[Lab], str], needs: Sequence[str], what: str) -> Task:
        return Task(name, partial(do, lab), tuple(needs), what=what)

    first = ("networks", "host-routes")
    # Until a cluster answers there is nothing for its controllers; and two cores are few, so that
    # what else the boot of nodes need not wait for comes after it.
    later = [f"api:{cluster.name}" for cluster in lab.plan.clusters]
    return [
        task("networks", create_networks, (), "create the lab's networks"),
        task("host-routes", hold_on_host, ("networks",), "hold the made-up ranges"),
        task("cloud", start_cloud, (*first, "image:cloud"), "start the cloud"),
        task("topology", write_vpc, ("cloud",), "write the VPC into the cloud"),
        task("router", start_router, ("topology", "image:router"), "start the VPC router"),
        task("machines", start_machines, ("topology", "image:workload", *later), "start the VMs"),
        task("client", start_client, (*first, "image:workload", *later), "start a client outside"),
        task("controllers", start_controllers, ("topology", *later), "start GKE's controllers"),
    ]


def _keep_tasks(lab: Lab) -> list[Task]:
    """After a cold `up`, whose nodes got late images one by one: the stores with all of them,
    so that the next `up` is a warm one."""
    stores = ImageStores(lab.supplier, Cache(lab.paths.cache), lab.docker, lab.run)
    fills = [
        fill_task(stores, role, stores.wanted(role))
        for role in ROLES
        if not all(lab.supplier.cached(image) for image in stores.wanted(role))
    ]
    return [
        Task(
            f"keep:{fill.name}",
            fill.run,
            ("lab", *fill.needs),
            what=f"{fill.what} for the next `up`",
        )
        for fill in fills
    ]


def _cluster_tasks(lab: Lab, cluster: Cluster) -> list[Task]:
    name = cluster.name
    applied = Applied(lab.kubectl(name))
    stores = ImageStores(lab.supplier, Cache(lab.paths.cache), lab.docker, lab.run)
    existing = find_nodes(lab, cluster)
    whole = is_whole(cluster, existing)
    mounted = {role: _mounted(cluster, existing, role) if whole else [] for role in ROLES}
    if whole:
        stored = {role: _current(stores, role, mounted[role]) for role in ROLES}
    else:
        stored = {
            role: [i for i in stores.wanted(role) if i in EARLY or lab.supplier.cached(i)]
            for role in ROLES
        }
    fills = [] if whole else [fill_task(stores, role, stored[role]) for role in ROLES]
    # Should kind not have finished with it, it is made anew with the stores that it has.
    folders = {role: (*mounted[role], stores.path(role, stored[role]))[0] for role in ROLES}
    # Workers wait for the router, though not as long as its image may take to be built.
    first = ("networks", "host-routes", "tool:kind", "tool:kubectl", "image:cloud", "image:router")
    take = Task(
        f"nodes:{name}", partial(take_nodes, lab, cluster), first, what=f"look for {name}'s nodes"
    )
    ended = Event()
    make = partial(create_cluster, lab, cluster, folders)
    create = Task(
        f"cluster:{name}",
        partial(_ending, ended, make),
        (take.name, *(task.name for task in fills)),
        what=f"create cluster {name}",
    )
    early = partial(answer_early, lab, cluster, ended)
    answers = Task(f"api:{name}", early, create.needs, what=f"wait for the API of {name}")
    tasks = [*fills, *_render_tasks(lab, cluster), take, create, answers]
    loads = _loads(lab, cluster, stores, stored)
    tasks += loads.values()
    for step in CLUSTER_STEPS:
        needs = [f"{need}:{name}" for need in step.needs]
        needs += [loads[image].name for image in step.images if image in loads]
        needs += step.supply
        run = partial(step.do, lab, cluster, applied)
        tasks.append(Task(f"{step.name}:{name}", run, tuple(needs), what=step.what))
    remains = partial(clear_remains, lab, cluster)
    there = ("topology", answers.name)
    tasks.append(Task(f"remains:{name}", remains, there, what="remove what is left of nodes"))
    done = [task.name for task in tasks]
    ready = Task(
        f"ready:{name}",
        partial(wait_ready, lab, cluster),
        tuple(done),
        what=f"wait until all of {name} is ready",
    )
    return [*tasks, ready]


def _ending(ended: Event, make: Callable[[], str]) -> str:
    """Do it, and set `ended` when it is over, well or not."""
    try:
        return make()
    finally:
        ended.set()


def _render_tasks(lab: Lab, cluster: Cluster) -> list[Task]:
    """Charts to objects; they need programs and charts, and no cluster."""

    def rendered(render: Callable[[], object]) -> Callable[[], str]:
        def run() -> str:
            render()
            return CACHED

        return run

    name = cluster.name
    cilium = rendered(lambda: render_cilium(lab, cluster))
    metallb = rendered(lambda: render_metallb(lab))
    istio = rendered(lambda: render_istio_objects(lab))
    return [
        Task(f"render-cilium:{name}", cilium, ("tool:helm", "chart:cilium")),
        Task(f"render-metallb:{name}", metallb, ("tool:helm", "chart:metallb")),
        Task(f"render-istio:{name}", istio, ("tool:istioctl",)),
    ]


def _mounted(cluster: Cluster, existing: Sequence[Container], role: Role) -> list[Path]:
    """The stores that the nodes of a role were made with: none where one was made without."""
    mounts = {node.name: node.mounts.get(MOUNT) for node in existing}
    stores = [mounts[node.name] for node in cluster.nodes if node.role == role]
    return [Path(store) for store in stores if store] if all(stores) else []


def _current(stores: ImageStores, role: Role, mounted: Sequence[Path]) -> list[str]:
    """The images of a role that all of its nodes have from their stores, just as they are now."""
    held = [images_in(store) for store in mounted] or [{}]

    def has(store: Mapping[str, str], image: str) -> bool:
        return store.get(image) in ("", origin(stores.supplier.archive(image)))

    return [image for image in stores.wanted(role) if all(has(store, image) for store in held)]


def fill_task(stores: ImageStores, role: Role, images: Sequence[str]) -> Task:
    """The task that fills a role's image store with these images."""

    def fill() -> str:
        stores.node_image()
        if stores.filled(role, images):
            return CACHED
        stores.fill(role, images)
        return f"{len(images)} images"

    needs = ("image:node", *(f"image:{image}" for image in images))
    return Task(f"store:{role}", fill, needs, what=f"fill the {role}s' image store")


def _loads(
    lab: Lab, cluster: Cluster, stores: ImageStores, stored: Mapping[Role, Sequence[str]]
) -> dict[str, Task]:
    """Tasks, by image, for images that some role needs and its store does not hold."""
    missing = {
        image: None for role in ROLES for image in stores.wanted(role) if image not in stored[role]
    }
    return {
        image: Task(
            f"load:{image}:{cluster.name}",
            partial(load_image, lab, cluster, image),
            (f"cluster:{cluster.name}", f"image:{image}"),
            what=f"load {image}",
        )
        for image in missing
    }

"""The graph of `up`: what it holds for one cluster and for two, cold and warm, and when the
lab is there already."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gkelab import up
from gkelab.graph import CACHED, Task, Timings, needed_for, run_graph
from gkelab.lab import Lab
from gkelab.progress import Lines
from gkelab.supply.cache import Cache
from gkelab.supply.imagestore import ImageStores
from gkelab.topology import ResolvedTopology
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, make_lab, plan_of, two_regions
from tests.unit.supply import docker_has, write_archive
from tests.unit.tools import Raw, labelled, lists_containers, recorded

ONE, TWO = plan_of(), two_regions()
# What the images of a role are: by versions.toml, not by the code under test.
LATE = {
    *("hubble-relay", "metallb-controller", "metallb-speaker"),
    *("istio-pilot", "istio-proxy", "workload"),
}


def lab_of(
    folder: Path,
    plan: ResolvedTopology = ONE,
    have: Collection[str] | None = None,
    nodes: Sequence[Raw] = (),
) -> Lab:
    run = Recorder()
    for cluster in plan.clusters:
        lists_containers(run, [f"io.x-k8s.kind.cluster={cluster.name}"], nodes)
    return make_lab(folder, run, plan, supplier=FakeSupplier(have=have))


def all_tasks(lab: Lab) -> list[Task]:
    return [*lab.supplier.tasks(), *up.lab_tasks(lab)]


def by_name(lab: Lab) -> dict[str, Task]:
    return {task.name: task for task in up.lab_tasks(lab)}


def order(tasks: Sequence[Task]) -> list[str]:
    """Run the graph with tasks that do nothing, one at a time; the names as they ran."""
    idle = [replace(task, run=lambda: CACHED) for task in tasks]
    timings = run_graph(idle, Lines(io.StringIO()), threads=1)
    return list(timings.took)


def everything_before(tasks: Sequence[Task], name: str) -> set[str]:
    return {task.name for task in needed_for(tasks, [name])} - {name}


# --- whatever the plan, and whatever the cache holds


@pytest.fixture(params=["one warm", "one cold", "two warm", "two cold"])
def any_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    clusters, cache = request.param.split()
    return lab_of(tmp_path, ONE if clusters == "one" else TWO, None if cache == "warm" else ())


def test_no_name_is_there_twice(any_lab: Lab) -> None:
    names = [task.name for task in all_tasks(any_lab)]
    assert len(names) == len(set(names))


def test_every_need_is_a_task_and_all_of_them_can_run(any_lab: Lab) -> None:
    tasks = all_tasks(any_lab)
    assert sorted(order(tasks)) == sorted(task.name for task in tasks)


def test_the_lab_needs_all_of_its_tasks_but_those_for_the_next_up(any_lab: Lab) -> None:
    needed = everything_before(all_tasks(any_lab), "lab")
    left = {task.name for task in up.lab_tasks(any_lab)} - {"lab"} - needed
    assert all(name.startswith("keep:") for name in left)


def test_each_cluster_has_every_step_and_is_ready_after_all_of_them(any_lab: Lab) -> None:
    tasks = by_name(any_lab)
    for cluster in any_lab.plan.clusters:
        steps = {f"{step.name}:{cluster.name}" for step in up.CLUSTER_STEPS}
        assert steps <= set(tasks)
        assert steps <= set(tasks[f"ready:{cluster.name}"].needs)


def test_every_task_has_words_for_a_person(any_lab: Lab) -> None:
    for name, task in by_name(any_lab).items():
        assert task.what or name.startswith(("lab", "render-")), name


def test_steps_are_named_once_and_need_steps_that_come_before() -> None:
    known = {"api", "render-cilium", "render-metallb", "render-istio"}
    supplied = {task.name for task in FakeSupplier().tasks()}
    for step in up.CLUSTER_STEPS:
        assert step.name not in known
        assert set(step.supply) <= supplied, step.name
        assert set(step.needs) <= known, step.name
        known.add(step.name)


def test_steps_name_images_that_are_pinned_for_workers() -> None:
    pins = FakeSupplier().pins.images
    for step in up.CLUSTER_STEPS:
        assert set(step.images) <= set(pins)
        assert all(pins[image].on for image in step.images)


def test_what_nodes_boot_with_is_pinned_for_nodes() -> None:
    pins = FakeSupplier().pins.images
    assert all(pins[image].on for image in up.EARLY)
    assert {name for name, pin in pins.items() if pin.on} - up.EARLY == LATE


def test_a_cluster_waits_for_its_networks_routes_stores_and_programs(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path))
    assert everything_before(tasks, "cluster:vpc-native") >= {
        *("networks", "host-routes", "store:control-plane", "store:worker", "image:node"),
        *("tool:kind", "tool:kubectl"),
    }


def test_workers_do_not_wait_as_long_as_the_routers_image_takes_to_be_built(
    tmp_path: Path,
) -> None:
    """What they wait for, the router itself, comes up while their control plane does."""
    tasks = all_tasks(lab_of(tmp_path))
    before = everything_before(tasks, "cluster:vpc-native")
    assert {"image:cloud", "image:router"} <= before
    assert not {"cloud", "topology", "router", "machines", "client"} & before


def test_the_router_is_there_when_the_cloud_knows_the_topology(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path))
    assert {"networks", "cloud", "topology", "image:router"} <= everything_before(tasks, "router")
    assert not [n for n in everything_before(tasks, "router") if n.startswith(("cluster", "api"))]
    assert {"topology", "image:workload"} <= everything_before(tasks, "machines")


def test_controllers_come_when_every_cluster_answers(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path, TWO))
    assert {"api:us", "api:europe", "topology"} <= everything_before(tasks, "controllers")
    assert "cilium:us" not in everything_before(tasks, "controllers")


def test_at_the_end_the_vpc_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path))
    assert {"router", "machines", "controllers", "ready:vpc-native"} <= everything_before(
        tasks, "vpc"
    )
    assert "vpc" in by_name(lab_of(tmp_path))["lab"].needs


def test_charts_are_rendered_while_nodes_boot(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path))
    for part in ("cilium", "metallb", "istio"):
        before = everything_before(tasks, f"render-{part}:vpc-native")
        assert not [name for name in before if not name.startswith(("tool:", "chart:"))]


def test_istio_comes_when_the_gateway_api_is_there(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path))
    before = everything_before(tasks, "istio:vpc-native")
    assert {"gateway-api:vpc-native", "definitions:gateway-api"} <= before
    assert "definitions:gateway-api" not in everything_before(tasks, "cluster:vpc-native")


def test_programs_that_no_step_needs_are_left_out(tmp_path: Path) -> None:
    assert "tool:hubble" not in everything_before(all_tasks(lab_of(tmp_path)), "lab")


# --- warm and cold


def loads(lab: Lab) -> set[str]:
    return {name for name in by_name(lab) if name.startswith("load:")}


def test_warm_the_stores_hold_everything_and_nothing_is_loaded(tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    assert loads(lab) == set()
    pins = lab.supplier.pins.images
    for role in up.ROLES:
        wanted = {f"image:{name}" for name, pin in pins.items() if role in pin.on}
        assert set(by_name(lab)[f"store:{role}"].needs) == {"image:node", *wanted}


def test_cold_nodes_boot_with_what_they_need_and_the_rest_is_loaded_when_it_is_built(
    tmp_path: Path,
) -> None:
    lab = lab_of(tmp_path, have=())
    assert loads(lab) == {f"load:{image}:vpc-native" for image in LATE}
    before = everything_before(all_tasks(lab), "cluster:vpc-native")
    assert {f"image:{image}" for image in up.EARLY} <= before
    assert not {f"image:{image}" for image in LATE} & before


def test_cold_each_late_image_is_loaded_before_what_runs_it(tmp_path: Path) -> None:
    tasks = all_tasks(lab_of(tmp_path, have=()))
    for image in LATE:
        assert everything_before(tasks, f"load:{image}:vpc-native") >= {
            "cluster:vpc-native",
            f"image:{image}",
        }
    assert "load:hubble-relay:vpc-native" in everything_before(tasks, "cilium:vpc-native")
    assert "load:istio-proxy:vpc-native" in everything_before(tasks, "mesh:vpc-native")
    assert "load:workload:vpc-native" in everything_before(tasks, "workloads:vpc-native")
    assert "load:istio-pilot:vpc-native" not in everything_before(tasks, "pools:vpc-native")


KEEPS = {"keep:store:control-plane", "keep:store:worker"}


def keeps(lab: Lab) -> set[str]:
    return {name for name in by_name(lab) if name.startswith("keep:")}


def test_cold_the_whole_stores_are_filled_behind_the_lab_for_the_next_up(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, have=())
    assert keeps(lab) == KEEPS
    tasks = all_tasks(lab)
    for role in up.ROLES:
        before = everything_before(tasks, f"keep:store:{role}")
        wanted = {n for n, pin in lab.supplier.pins.images.items() if role in pin.on}
        assert {"lab", "image:node", *(f"image:{name}" for name in wanted)} <= before


def test_warm_there_is_nothing_to_keep(tmp_path: Path) -> None:
    assert keeps(lab_of(tmp_path)) == set()


def test_one_image_that_is_missing_makes_only_its_role_cold(tmp_path: Path) -> None:
    pins = FakeSupplier().pins.images
    lab = lab_of(tmp_path, have=set(pins) - {"hubble-relay"})  # on workers alone
    assert loads(lab) == {f"load:{image}:vpc-native" for image in LATE}
    control_plane = {n for n, pin in pins.items() if "control-plane" in pin.on}
    assert set(by_name(lab)["store:control-plane"].needs) == {
        "image:node",
        *(f"image:{name}" for name in control_plane),
    }


def test_upstreams_node_image_brings_the_clusters_own_images(tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    upstream = replace(lab, supplier=FakeSupplier(name="upstream"))
    needs = set(by_name(upstream)["store:control-plane"].needs)
    assert "image:kube-apiserver" not in needs
    assert "image:cilium" in needs


def test_two_clusters_share_the_stores_and_nothing_else(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, TWO)
    tasks = by_name(lab)
    assert {name for name in tasks if name.startswith("store:")} == {
        "store:control-plane",
        "store:worker",
    }
    before = everything_before(all_tasks(lab), "ready:us")
    assert not [name for name in before if name.endswith(":europe")]
    assert {"ready:us", "ready:europe"} <= set(tasks["vpc"].needs)


def stores_of(lab: Lab) -> ImageStores:
    return ImageStores(lab.supplier, Cache(lab.paths.cache), lab.docker, lab.run)


def test_a_store_that_is_filled_is_not_filled_again(tmp_path: Path) -> None:
    run = Recorder()
    node = write_archive(tmp_path / "node.tar")
    lab = make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))
    stores = stores_of(lab)
    Cache(lab.paths.cache).make("stores", "worker", stores.key(["pause"]), "", lambda _: None)
    has_node_image = docker_has(run, lab.supplier.reference("node"), node)
    assert up.fill_task(stores, "worker", ["pause"]).run() == CACHED
    assert run.argvs == [has_node_image]


def test_a_store_that_is_not_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[tuple[str, Sequence[str]]] = []
    monkeypatch.setattr(ImageStores, "fill", lambda _, role, images: filled.append((role, images)))
    monkeypatch.setattr(ImageStores, "node_image", lambda _: "kindest/node:v1")
    stores = stores_of(make_lab(tmp_path, Recorder()))
    assert up.fill_task(stores, "worker", ["pause", "cilium"]).run() == "2 images"
    assert filled == [("worker", ["pause", "cilium"])]


# --- a lab that is there


def nodes_of(stores: Mapping[Any, Path]) -> list[Raw]:
    """The recorded nodes, with these stores mounted by role."""
    nodes = []
    for raw in labelled(recorded("containers"), {"gkelab.role": "node"}):
        node = copy.deepcopy(raw)
        role = node["Config"]["Labels"]["io.x-k8s.kind.role"]
        node["Mounts"] = [{"Source": str(stores[role]), "Destination": "/gkelab/store"}]
        nodes.append(node)
    return nodes


def store(folder: Path, role: str, images: Collection[str]) -> Path:
    """A store of these images that does not tell their origins, as those of old."""
    path = folder / role
    path.mkdir()
    (path / "images").write_text("".join(f"{image}\n" for image in images))
    return path


def test_a_lab_whose_nodes_hold_everything_fills_and_loads_nothing(tmp_path: Path) -> None:
    images = {*up.EARLY, *LATE}
    stores = {role: store(tmp_path, role, images) for role in ("control-plane", "worker")}
    lab = lab_of(tmp_path, have=(), nodes=nodes_of(stores))
    assert loads(lab) == set()
    assert not [name for name in by_name(lab) if name.startswith("store:")]
    before = everything_before(all_tasks(lab), "lab")
    own = {"image:workload", "image:cloud", "image:router"}
    assert {name for name in before if name.startswith("image:")} == own
    assert keeps(lab) == set()  # a pruned cache is no reason to build for a lab that is whole


def test_a_lab_that_booted_cold_still_gets_what_its_stores_lack(tmp_path: Path) -> None:
    """Its up may have been killed; what was loaded already is found on the nodes."""
    stores = {role: store(tmp_path, role, up.EARLY) for role in ("control-plane", "worker")}
    lab = lab_of(tmp_path, nodes=nodes_of(stores))
    assert loads(lab) == {f"load:{image}:vpc-native" for image in LATE}
    assert not [name for name in by_name(lab) if name.startswith("store:")]


@dataclass
class Keyed(FakeSupplier):
    """A supplier whose archives lie in entries of a cache, as the real ones' do."""

    keys: Mapping[str, str] = field(default_factory=dict)

    def archive(self, image: str) -> Path:
        return self.root / f"{image}-{self.keys.get(image, 'aaaa')}" / "image.tar"


def origins(images: Collection[str]) -> str:
    return "".join(f"{image} {image}-aaaa\n" for image in images)


@pytest.mark.parametrize(
    ("keys", "late"),
    [
        ({}, set()),
        ({"workload": "bbbb"}, {"load:workload:vpc-native"}),
        ({"cilium": "bbbb"}, {"load:cilium:vpc-native"}),
        ({"node": "bbbb"}, set()),  # a container cannot be given another image
    ],
)
def test_what_was_built_anew_since_is_loaded_though_its_name_is_the_same(
    tmp_path: Path, keys: dict[str, str], late: set[str]
) -> None:
    images = {*up.EARLY, *LATE}
    stores = {role: store(tmp_path, role, images) for role in up.ROLES}
    for path in stores.values():
        (path / "images").write_text(origins(images))
    lab = replace(lab_of(tmp_path, nodes=nodes_of(stores)), supplier=Keyed(keys=keys))
    assert loads(lab) == late
    assert not [name for name in by_name(lab) if name.startswith("store:")]
    if "workload" in keys:
        assert "load:workload:vpc-native" in by_name(lab)["workloads:vpc-native"].needs


@pytest.mark.parametrize("whole", [True, False])
def test_a_cluster_is_made_with_the_stores_that_it_had_or_with_new_ones(
    tmp_path: Path, whole: bool
) -> None:
    """Those that it had are there; that of an image that was built anew since is not yet."""
    had = {role: store(tmp_path, role, up.EARLY | LATE) for role in up.ROLES}
    for path in had.values():
        (path / "images").write_text(origins(up.EARLY | LATE))
    lab = lab_of(tmp_path, nodes=nodes_of(had) if whole else [])
    lab = replace(lab, supplier=Keyed(keys={"workload": "bbbb"}))
    create = by_name(lab)["cluster:vpc-native"].run
    assert isinstance(create, partial)
    stores = stores_of(lab)
    new = {role: stores.path(role, stores.wanted(role)) for role in up.ROLES}
    assert create.args[1].args[2] == (had if whole else new)


def test_nodes_without_a_store_hold_nothing(tmp_path: Path) -> None:
    """And not what a folder /images of the host might tell."""
    nodes = nodes_of({role: store(tmp_path, role, up.EARLY | LATE) for role in up.ROLES})
    for node in nodes:
        node["Mounts"] = []
    lab = lab_of(tmp_path, nodes=nodes)
    wanted = {image for role in up.ROLES for image in stores_of(lab).wanted(role)}
    assert loads(lab) == {f"load:{image}:vpc-native" for image in wanted}


def test_a_role_holds_what_all_of_its_nodes_hold(tmp_path: Path) -> None:
    stores = {role: store(tmp_path, role, up.EARLY | LATE) for role in up.ROLES}
    nodes = nodes_of(stores)
    last = max(nodes, key=lambda node: str(node["Name"]))
    assert last["Name"] == "/vpc-native-worker2"
    less = store(tmp_path, "less", (up.EARLY | LATE) - {"workload"})
    last["Mounts"] = [{"Source": str(less), "Destination": "/gkelab/store"}]
    assert loads(lab_of(tmp_path, nodes=nodes)) == {"load:workload:vpc-native"}


def test_where_images_come_late_again_what_is_kept_has_its_images(tmp_path: Path) -> None:
    """The cache was pruned since: what nodes booted with is not there any more, either."""
    stores = {role: store(tmp_path, role, up.EARLY) for role in ("control-plane", "worker")}
    lab = lab_of(tmp_path, have=(), nodes=nodes_of(stores))
    assert keeps(lab) == KEEPS
    assert "image:etcd" in everything_before(all_tasks(lab), "keep:store:control-plane")


def test_a_lab_that_lost_a_node_counts_as_not_there(tmp_path: Path) -> None:
    stores = {role: store(tmp_path, role, up.EARLY) for role in ("control-plane", "worker")}
    lab = lab_of(tmp_path, nodes=nodes_of(stores)[:2])
    assert {name for name in by_name(lab) if name.startswith("store:")} == {
        "store:control-plane",
        "store:worker",
    }


# --- the loop


def test_up_runs_what_the_lab_needs_and_writes_its_timings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def fake(tasks: Sequence[Task], _: Lines, **__: object) -> Timings:
        ran.extend(task.name for task in tasks)
        return Timings({"lab": 1.5}, {"lab": 0.25})

    monkeypatch.setattr(up, "run_graph", fake)
    lab = lab_of(tmp_path, have=())
    with Lines(io.StringIO()) as lines:
        assert up.up(lab, lines).took == {"lab": 0.25}
    assert set(ran) == everything_before(all_tasks(lab), "lab") | {"lab"} | keeps(lab)
    assert set(ran) >= KEEPS
    assert "tool:hubble" not in ran
    record = json.loads((lab.folder / "timings.json").read_text())
    assert (record["lab"], record["supplier"]) == ("vpc-native", "built")
    assert record["at"] > 1e9  # seconds since the epoch
    assert (record["started"], record["took"]) == ({"lab": 1.5}, {"lab": 0.25})


def test_up_begins_without_a_kubeconfig_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "run_graph", lambda *_, **__: Timings())
    lab = lab_of(tmp_path)
    for text, stays in (("contexts: [{name: kind-x}]", True), ("contexts: {", False)):
        lab.folder.mkdir(parents=True, exist_ok=True)
        lab.kubeconfig.write_text(text)
        with Lines(io.StringIO()) as lines:
            up.up(lab, lines)
        assert lab.kubeconfig.exists() is stays

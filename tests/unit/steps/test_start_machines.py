"""The containers that make VMs, and that watch the clusters: what they are given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gkelab.cloud.controllers.__main__ import _parser as controllers_parser
from gkelab.cloud.controllers.cluster import Cluster
from gkelab.cloud.machines.__main__ import _parser as machines_parser
from gkelab.containers import Wanted
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.start_controllers import controllers_container, start_controllers
from gkelab.steps.start_machines import machines_container, start_machines
from gkelab.topology import load, resolve
from tests.support.recorder import Recorder
from tests.unit.steps import two_regions
from tests.unit.steps.beside import PLACE, changes, comes_up, lab_with_images
from tests.unit.supply import docker_has
from tests.unit.tools import recorded

CLUSTERS = Path(__file__).parents[3] / "clusters"


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    return lab_with_images(tmp_path, run)


def created(lab: Lab, role: str, wanted: Wanted, *words: str) -> list[str]:
    """The command that makes one of them, on the host's network."""
    return [
        *("docker", "create", f"--name=vpc-native-{role}", "--network=host", *words),
        *("--restart=unless-stopped", "--init", "--label=gkelab.lab=vpc-native"),
        *(f"--label=gkelab.role={role}", f"--label=gkelab.spec={wanted.spec}", "gkelab/cloud:1"),
        *("python3", "-m", f"gkelab.cloud.{role}", "--cloud=http://127.0.0.1:40123"),
    ]


RANGES = (
    *("10.0.0.0/20", "10.0.16.0/25", "10.128.0.0/20", "35.191.0.0/16", "130.211.0.0/22"),
    *("169.254.0.0/16", "192.168.240.0/20", "198.18.0.0/24", "198.51.100.0/24"),
    "203.0.113.0/26",
)


def test_machines_get_dockers_socket_the_hosts_bridges_and_all_ranges(
    lab: Lab, run: Recorder
) -> None:
    wanted = machines_container(lab)
    create, start = comes_up(lab, run, wanted)
    assert start_machines(lab) == ""
    assert changes(run) == [create, start]
    socket = "--volume=/var/run/docker.sock:/var/run/docker.sock"
    assert create == [
        *created(lab, "machines", wanted, "--cap-add=NET_ADMIN", socket),
        *(
            "--lab=vpc-native",
            "--image=gkelab/workload:1",
            "--command=workload serve --http 8080 80",
        ),
        *(f"--range={network}" for network in RANGES),
        "--declared=regions/us-central1/subnetworks/us-central1",
        "--status=/run/gkelab/status.json",
    ]


def test_docker_has_the_vms_image_before_machines_run(tmp_path: Path, run: Recorder) -> None:
    docker_has(run, "gkelab/workload:1", None)
    lab = lab_with_images(tmp_path, run)
    load = ["docker", "load", "--quiet", "--input", str(lab.supplier.archive("workload"))]
    run.handle(load)
    create, start = comes_up(lab, run, machines_container(lab))
    start_machines(lab)
    assert changes(run) == [load, create, start]


def test_controllers_get_the_labs_folder_to_read(lab: Lab, run: Recorder) -> None:
    wanted = controllers_container(lab)
    create, start = comes_up(lab, run, wanted)
    assert start_controllers(lab) == ""
    assert changes(run) == [create, start]
    (cluster,) = [word for word in create if word.startswith("--cluster=")]
    name, context, tag, pods = cluster.removeprefix("--cluster=").split("=")
    assert (name, context, pods) == ("vpc-native", "kind-vpc-native", "pods")
    assert tag.startswith("gke-vpc-native-") and tag.endswith("-node")
    folder = f"--label=gkelab.folder={lab.folder.stat().st_ino}"
    assert create == [
        *created(lab, "controllers", wanted, f"--volume={lab.folder}:/lab:ro", folder),
        *("--kubeconfig=/lab/kubeconfig", "--network=default", cluster),
        "--status=/run/gkelab/status.json",
    ]


def test_a_folder_that_was_made_anew_is_mounted_anew(lab: Lab) -> None:
    """The old one is gone, though a container that mounts it still sees it."""
    before = controllers_container(lab)
    lab.folder.rename(lab.folder.with_name("old"))
    shutil.copytree(lab.folder.with_name("old"), lab.folder)
    assert controllers_container(lab).spec != before.spec


def test_each_cluster_has_its_controllers(tmp_path: Path, run: Recorder) -> None:
    command = controllers_container(lab_with_images(tmp_path, run, two_regions())).command
    clusters = [word for word in command if word.startswith("--cluster=")]
    assert [word.split("=")[1] for word in clusters] == ["us", "europe"]


@pytest.mark.parametrize("start", [start_machines, start_controllers])
def test_one_that_runs_is_left_alone(lab: Lab, run: Recorder, start: object) -> None:
    wanted = machines_container(lab) if start is start_machines else controllers_container(lab)
    raw = next(raw for raw in recorded("containers") if raw["Name"] == f"/{wanted.name}")
    raw["Config"]["Labels"]["gkelab.spec"] = wanted.spec
    image = lab.docker.image("gkelab/cloud:1")
    assert image and callable(start)
    found = raw | {"Image": image.id}
    run.handle(["docker", "container", "inspect", wanted.name], json.dumps([found]))
    assert start(lab) == CACHED
    assert changes(run) == []


@pytest.mark.parametrize("name", sorted(file.stem for file in CLUSTERS.glob("*.yaml")))
def test_the_programs_take_what_they_are_told(tmp_path: Path, run: Recorder, name: str) -> None:
    plan = resolve(load(CLUSTERS / f"{name}.yaml"), [])
    lab = lab_with_images(tmp_path, run, plan)
    program = ("python3", "-m")
    command = machines_container(lab).command
    assert command[:3] == (*program, "gkelab.cloud.machines")
    told = machines_parser().parse_args(command[3:])
    assert (told.cloud, told.lab) == (PLACE.endpoint, plan.name)
    assert told.declared == [f"regions/{s.region}/subnetworks/{s.name}" for s in plan.subnets]
    assert {*plan.held_inside(), *(subnet.primary for subnet in plan.subnets)} <= set(told.range)
    command = controllers_container(lab).command
    assert command[:3] == (*program, "gkelab.cloud.controllers")
    told = controllers_parser().parse_args(command[3:])
    assert [Cluster.parse(text).name for text in told.cluster] == [c.name for c in plan.clusters]

"""The client outside: made once, started again, never taken from somebody else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.start_client import client_name, start_clients
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, inside, make_lab, two_regions
from tests.unit.supply import docker_has, write_archive
from tests.unit.tools import FOREIGN_CONTAINER, Raw, recorded, stopped

NAME = "vpc-native-client-us-central1"
INSPECT = ["docker", "container", "inspect", NAME]
REFERENCE = "gkelab/workload:1"
IMAGE = ["docker", "image", "inspect", REFERENCE]
IMAGE_ID = "sha256:" + hashlib.sha256(b"one").hexdigest()  # of the archive that a test writes
RUN = [
    *("docker", "run", "--detach", f"--name={NAME}", f"--hostname={NAME}"),
    *("--network=gkelab.vpc-native.us-central1", "--ip=10.128.15.253"),
    *("--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=on-failure:1", "--init"),
    *("--label=gkelab.lab=vpc-native", "--label=gkelab.role=client"),
    *("gkelab/workload:1", "serve", "--http", "8080", "80"),
]
ROUTE = inside(NAME, "ip", "-batch", "-", stdin=True)


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    write_archive(tmp_path / "workload.tar")
    return make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))


def load(lab: Lab) -> list[str]:
    return ["docker", "load", "--quiet", "--input", str(lab.supplier.archive("workload"))]


def client(image: str = IMAGE_ID) -> Raw:
    """The recorded client, of this image."""
    raw = next(raw for raw in recorded("containers") if raw["Name"] == f"/{NAME}")
    return raw | {"Image": image}


def found(run: Recorder, raw: Raw | None) -> None:
    run.handle(INSPECT, json.dumps([raw] if raw else []), code=0 if raw else 1)


def test_a_client_is_run_with_a_fixed_address_and_the_labs_labels(lab: Lab, run: Recorder) -> None:
    found(run, None)
    docker_has(run, REFERENCE, None)
    docker_has(run, REFERENCE, IMAGE_ID)
    for argv in (load(lab), RUN, ROUTE):
        run.handle(argv)
    assert start_clients(lab) == "us-central1"
    assert run.argvs == [INSPECT, IMAGE, load(lab), IMAGE, RUN, ROUTE]


def test_it_reaches_the_load_balancers_on_its_link_and_nothing_else(
    lab: Lab, run: Recorder
) -> None:
    found(run, client())
    docker_has(run, REFERENCE, IMAGE_ID)
    run.handle(ROUTE)
    start_clients(lab)
    lines = (run.calls[-1].input or "").splitlines()
    blocked = [f"unreachable {net} metric 4000000000" for net in lab.plan.held_inside()]
    assert lines[:-1] == [f"route replace {words}" for words in blocked]
    assert "unreachable 10.0.0.0/20 " in lines[0]  # the pods
    assert lines[-1] == "route replace 203.0.113.0/28 dev eth0 scope link"


def test_docker_is_not_given_an_image_that_it_has(lab: Lab, run: Recorder) -> None:
    found(run, None)
    docker_has(run, REFERENCE, IMAGE_ID)
    for argv in (RUN, ROUTE):
        run.handle(argv)
    start_clients(lab)
    assert run.argvs == [INSPECT, IMAGE, RUN, ROUTE]


def test_one_that_runs_stays_and_has_its_routes(lab: Lab, run: Recorder) -> None:
    """A killed `up`, or a restart of its process, may have left it without."""
    found(run, client())
    docker_has(run, REFERENCE, IMAGE_ID)
    run.handle(ROUTE)
    assert start_clients(lab) == CACHED
    assert run.argvs == [INSPECT, IMAGE, ROUTE]


def test_one_that_is_stopped_is_started(lab: Lab, run: Recorder) -> None:
    found(run, stopped(client()))
    docker_has(run, REFERENCE, IMAGE_ID)
    run.handle(["docker", "start", NAME])
    run.handle(ROUTE)
    assert start_clients(lab) == "us-central1"
    assert run.argvs == [INSPECT, IMAGE, ["docker", "start", NAME], ROUTE]


OLD = "sha256:" + "0" * 64


@pytest.mark.parametrize("name", ["gkelab/workload:0", REFERENCE])
def test_one_of_an_older_image_is_made_anew_whatever_its_name(
    lab: Lab, run: Recorder, name: str
) -> None:
    old = client(OLD)
    old["Config"]["Image"] = name
    found(run, old)
    docker_has(run, REFERENCE, IMAGE_ID)
    remove = ["docker", "rm", "--force", "--volumes", old["Id"]]
    for argv in (remove, RUN, ROUTE):
        run.handle(argv)
    assert start_clients(lab) == "us-central1"
    assert run.argvs == [INSPECT, IMAGE, remove, RUN, ROUTE]


def test_after_the_image_was_built_anew_docker_gets_it_and_the_client_is_made_anew(
    lab: Lab, run: Recorder
) -> None:
    old = client(OLD)
    found(run, old)
    docker_has(run, REFERENCE, OLD)
    docker_has(run, REFERENCE, IMAGE_ID)
    remove = ["docker", "rm", "--force", "--volumes", old["Id"]]
    for argv in (load(lab), remove, RUN, ROUTE):
        run.handle(argv)
    assert start_clients(lab) == "us-central1"
    assert run.argvs == [INSPECT, IMAGE, load(lab), IMAGE, remove, RUN, ROUTE]


@pytest.mark.parametrize("labels", [{}, {"gkelab.lab": "other"}, {"com.example": "x"}])
@pytest.mark.parametrize("image", ["nginx:1.29", "gkelab/workload:1"])
def test_somebody_elses_container_of_that_name_is_refused_and_left_alone(
    lab: Lab, run: Recorder, labels: dict[str, str], image: str
) -> None:
    config = {"Image": image, "Labels": labels}
    found(run, FOREIGN_CONTAINER | {"Name": f"/{NAME}", "Config": config})
    with pytest.raises(LabError) as caught:
        start_clients(lab)
    assert str(caught.value) == (
        f"The container {NAME} is not this lab's. Remove it (docker rm --force {NAME})"
        " or rename yours."
    )
    assert run.argvs == [INSPECT]


def test_a_client_a_subnet_each_with_its_own_clusters_pool(tmp_path: Path, run: Recorder) -> None:
    write_archive(tmp_path / "workload.tar")
    lab = make_lab(tmp_path, run, two_regions(), supplier=FakeSupplier(root=tmp_path))
    docker_has(run, REFERENCE, IMAGE_ID)
    names = [client_name(lab, subnet) for subnet in lab.plan.subnets]
    assert names == ["two-client-us-central1", "two-client-europe-west1"]
    for name in names:
        raw = client() | {"Name": f"/{name}"}
        raw["Config"]["Labels"] = {"gkelab.lab": "two"}
        run.handle(["docker", "container", "inspect", name], json.dumps([raw]))
        run.handle(inside(name, "ip", "-batch", "-", stdin=True))
    start_clients(lab)
    given = [call.input.splitlines()[-1] for call in run.calls if call.input]
    assert given == [
        f"route replace {cluster.external_pool} dev eth0 scope link"
        for cluster in lab.plan.clusters
    ]

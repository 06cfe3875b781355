"""The lab's own containers: made once, started again, made anew where they are not as they should
be, never taken from somebody else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gkelab.containers import HOST, SPEC, Wanted, create_argv, have_running, look, told
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, inside, make_lab
from tests.unit.supply import docker_has, write_archive
from tests.unit.tools import FOREIGN_CONTAINER, Raw, lists_networks

NAME = "vpc-native-router"
INSPECT = ["docker", "container", "inspect", NAME]
REFERENCE = "gkelab/router:1"
IMAGE = ["docker", "image", "inspect", REFERENCE]
IMAGE_ID = "sha256:" + hashlib.sha256(b"one").hexdigest()  # of the archive that a test writes
WANTED = Wanted(
    name=NAME,
    role="router",
    image="router",
    network="gkelab.vpc-native.management",
    arguments=("--cap-add=NET_ADMIN",),
    command=("--cloud=http://cloud:8080",),
    connected={"gkelab.vpc-native.us-central1": "10.128.0.1", "gkelab.vpc-native.b": "10.9.0.1"},
)
CREATE = [
    *("docker", "create", f"--name={NAME}", f"--hostname={NAME}"),
    *("--network=gkelab.vpc-native.management", "--cap-add=NET_ADMIN", "--init"),
    *("--label=gkelab.lab=vpc-native", "--label=gkelab.role=router"),
    *(f"--label=gkelab.spec={WANTED.spec}", REFERENCE, "--cloud=http://cloud:8080"),
]
CONNECT = ["docker", "network", "connect", "--ip"]
CONNECTS = [
    [*CONNECT, "10.128.0.1", "gkelab.vpc-native.us-central1", NAME],
    [*CONNECT, "10.9.0.1", "gkelab.vpc-native.b", NAME],
]
START = ["docker", "start", NAME]
REMOVE = ["docker", "rm", "--force", "--volumes", "0" * 64]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    write_archive(tmp_path / "router.tar")
    docker_has(run, REFERENCE, IMAGE_ID)
    for argv in (CREATE, *CONNECTS, START, REMOVE):
        run.handle(argv)
    return make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))


def there_is(
    run: Recorder,
    *,
    state: str = "running",
    image: str = IMAGE_ID,
    spec: str = WANTED.spec,
    networks: tuple[str, ...] = (WANTED.network, *WANTED.connected),
) -> None:
    raw: Raw = {
        "Id": "0" * 64,
        "Name": f"/{NAME}",
        "State": {"Status": state},
        "Image": image,
        "Config": {"Image": REFERENCE, "Labels": {"gkelab.lab": "vpc-native", SPEC: spec}},
        "NetworkSettings": {"Networks": {name: {"IPAddress": ""} for name in networks}},
        "Mounts": [],
    }
    run.handle(INSPECT, json.dumps([raw]))


def have(lab: Lab, wanted: Wanted = WANTED) -> bool:
    return have_running(lab, wanted, look(lab, wanted.name))


def test_one_that_is_not_there_is_made_joined_to_its_networks_and_only_then_started(
    lab: Lab, run: Recorder
) -> None:
    run.handle(INSPECT, code=1)
    assert have(lab)
    assert run.argvs == [INSPECT, IMAGE, CREATE, *CONNECTS, START]


def test_one_that_runs_as_it_should_is_left_alone(lab: Lab, run: Recorder) -> None:
    there_is(run)
    assert not have(lab)
    assert run.argvs == [INSPECT, IMAGE]


@pytest.mark.parametrize(("state", "verb"), [("exited", "start"), ("paused", "unpause")])
def test_one_that_stands_still_goes_on(lab: Lab, run: Recorder, state: str, verb: str) -> None:
    there_is(run, state=state)
    run.handle(["docker", verb, NAME])
    assert have(lab)
    assert run.argvs == [INSPECT, IMAGE, ["docker", verb, NAME]]


@pytest.mark.parametrize(
    "otherwise",
    [
        {"image": "sha256:" + "9" * 64},  # of that name, but built anew since
        {"spec": "0123456789ab"},
        {"spec": ""},
        {"state": "created"},  # an `up` was killed before it had all of its networks
        {"state": "dead"},
        {"networks": (WANTED.network,)},  # somebody took it from a subnet
        {"networks": (WANTED.network, *WANTED.connected, "bridge")},
    ],
)
def test_one_that_was_made_otherwise_is_made_anew(
    lab: Lab, run: Recorder, otherwise: dict[str, str]
) -> None:
    there_is(run, **otherwise)  # type: ignore[arg-type]
    assert have(lab)
    assert run.argvs == [INSPECT, IMAGE, REMOVE, CREATE, *CONNECTS, START]


def test_docker_is_given_the_image_that_it_lacks(tmp_path: Path) -> None:
    run = Recorder()
    write_archive(tmp_path / "router.tar")
    lab = make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))
    load = ["docker", "load", "--quiet", "--input", str(tmp_path / "router.tar")]
    docker_has(run, REFERENCE, None)
    docker_has(run, REFERENCE, IMAGE_ID)
    for argv in (load, CREATE, *CONNECTS, START):
        run.handle(argv)
    run.handle(INSPECT, code=1)
    assert have(lab)
    assert run.argvs == [INSPECT, IMAGE, load, IMAGE, CREATE, *CONNECTS, START]


def test_what_cannot_join_a_network_is_not_started(tmp_path: Path) -> None:
    run = Recorder()
    write_archive(tmp_path / "router.tar")
    lab = make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))
    docker_has(run, REFERENCE, IMAGE_ID)
    run.handle(INSPECT, code=1)
    run.handle(CREATE)
    run.handle(CONNECTS[0], code=1, stderr="Address already in use")
    with pytest.raises(CommandError, match="Address already in use"):
        have(lab)
    assert START not in run.argvs


@pytest.mark.parametrize("labels", [{}, {"gkelab.lab": "other"}, {"com.example": "x"}])
def test_somebody_elses_of_that_name_is_refused_and_left_alone(
    lab: Lab, run: Recorder, labels: dict[str, str]
) -> None:
    config = {"Image": REFERENCE, "Labels": labels}
    run.handle(INSPECT, json.dumps([FOREIGN_CONTAINER | {"Name": f"/{NAME}", "Config": config}]))
    with pytest.raises(LabError) as caught:
        have(lab)
    assert str(caught.value) == (
        f"The container {NAME} is not this lab's. Remove it (docker rm --force {NAME})"
        " or rename yours."
    )
    assert run.argvs == [INSPECT]


def test_everything_that_it_is_made_with_counts_and_where_its_networks_come_first_not() -> None:
    changed = [
        replace(WANTED, network="x"),
        replace(WANTED, arguments=()),
        replace(WANTED, command=("--cloud=http://other:8080",)),
        replace(WANTED, connected={**WANTED.connected, "gkelab.vpc-native.b": "10.9.0.2"}),
    ]
    assert len({WANTED.spec, *(each.spec for each in changed)}) == 5
    turned = dict(reversed(list(WANTED.connected.items())))
    assert replace(WANTED, connected=turned).spec == WANTED.spec


def test_on_the_hosts_network_it_has_the_hosts_name(lab: Lab) -> None:
    """docker refuses another."""
    argv = create_argv(lab, replace(WANTED, network=HOST, connected={}))
    assert argv[:4] == ["docker", "create", f"--name={NAME}", "--network=host"]


JOINS = replace(WANTED, joins="subnet")
FURTHER = "gkelab.vpc-native.us-central1.later"
OF_LAB = ["gkelab.lab=vpc-native", "gkelab.role=subnet"]


def test_one_that_joins_what_comes_later_is_left_on_it(lab: Lab, run: Recorder) -> None:
    there_is(run, spec=JOINS.spec, networks=(WANTED.network, *WANTED.connected, FURTHER))
    later = {"Name": FURTHER, "Id": "1" * 64, "IPAM": {"Config": []}, "Labels": {}}
    lists_networks(run, OF_LAB, [later])
    assert not have(lab, JOINS)


def test_one_that_is_on_a_network_which_is_gone_or_no_labs_is_made_anew(
    lab: Lab, run: Recorder
) -> None:
    there_is(run, spec=JOINS.spec, networks=(WANTED.network, *WANTED.connected, FURTHER))
    lists_networks(run, OF_LAB, [])
    create = [word.replace(WANTED.spec, JOINS.spec) for word in CREATE]
    run.handle(create)
    assert have(lab, JOINS)
    assert run.argvs[-4:] == [create, *CONNECTS, START]


STATUS = inside(NAME, "cat", "/run/gkelab/status.json")


def test_what_it_tells(lab: Lab, run: Recorder) -> None:
    run.handle(STATUS, '{"generation": 7}')
    assert told(lab, "router") == {"generation": 7}


@pytest.mark.parametrize("text", ["", "{", "[1]", "7"])
def test_what_it_tells_before_it_is_told_of(lab: Lab, run: Recorder, text: str) -> None:
    run.handle(STATUS, text)
    with pytest.raises(LabError, match=f"{NAME} tells nothing yet. Look at it: docker logs {NAME}"):
        told(lab, "router")


def test_one_that_does_not_run_tells_nothing(lab: Lab, run: Recorder) -> None:
    run.handle(STATUS, code=1, stderr="container is not running")
    with pytest.raises(LabError, match="is not running"):
        told(lab, "router")

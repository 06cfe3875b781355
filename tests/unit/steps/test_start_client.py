"""The client on the internet: one a lab, whose every way leads to the router, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.start_client import client_container, client_name, start_client
from gkelab.topology import parse, resolve
from tests.support.recorder import Recorder
from tests.unit.steps import declared, inside, two_regions
from tests.unit.steps.beside import changes, comes_up, lab_with_images

NAME = "vpc-native-client"
ROUTE = inside(NAME, "ip", "-batch", "-", stdin=True)


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    run.handle(ROUTE)
    return lab_with_images(tmp_path, run)


def comes(lab: Lab, run: Recorder) -> list[list[str]]:
    assert lab.plan.internet
    return comes_up(lab, run, client_container(lab, lab.plan.internet))


def test_a_client_is_on_the_internet_with_a_fixed_address(lab: Lab, run: Recorder) -> None:
    create, start = comes(lab, run)
    assert start_client(lab) == NAME
    assert changes(run) == [create, start, ROUTE]
    assert create[:-9] == [
        *("docker", "create", f"--name={NAME}", f"--hostname={NAME}"),
        *("--network=gkelab.vpc-native.internet", "--ip=198.18.0.2"),
        *("--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=on-failure:1"),
    ]
    assert create[-5:] == ["gkelab/workload:1", "serve", "--http", "8080", "80"]


def test_all_its_ways_lead_to_the_router_or_nowhere(lab: Lab, run: Recorder) -> None:
    comes(lab, run)
    start_client(lab)
    lines = (run.calls[-1].input or "").splitlines()
    held = [f"unreachable {network} metric 4000000000" for network in lab.plan.held_inside()]
    ways = [
        *held,
        # What is public is more special than the default, as what is held is.
        "203.0.113.0/26 via 198.18.0.1 dev eth0",
        "198.51.100.0/24 via 198.18.0.1 dev eth0",
        "default via 198.18.0.1 dev eth0",
    ]
    assert lines == [f"route replace {words}" for words in ways]
    assert "unreachable 10.0.0.0/20 metric 4000000000" in held  # the pods


def test_two_regions_have_one_client(tmp_path: Path, run: Recorder) -> None:
    lab = lab_with_images(tmp_path, run, two_regions())
    assert client_name(lab) == "two-client"


def test_without_an_internet_there_is_none(tmp_path: Path, run: Recorder) -> None:
    plan = resolve(parse(declared() | {"internet": None}, "clusters/vpc-native.yaml"))
    lab = lab_with_images(tmp_path, run, plan)
    assert start_client(lab) == CACHED
    assert run.argvs == []
    with pytest.raises(LabError) as caught:
        client_name(lab)
    assert str(caught.value) == (
        "Lab vpc-native has no client, as its topology has no internet."
        " Declare `internet:` with a range."
    )

"""A topology is written through the API once, and again only where it differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab.cloud.place import Place, record
from gkelab.cloud.resources import resources
from gkelab.cloud.rest import RestCloud
from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.steps.write_vpc import write_vpc
from tests.support.recorder import Recorder
from tests.unit.cloud.servers import PROJECT, Running, running
from tests.unit.steps import make_lab


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as made:
        yield made


def test_what_the_topology_says_is_in_the_cloud(tmp_path: Path, server: Running) -> None:
    server.fresh()
    lab = make_lab(tmp_path, Recorder())
    record(lab.cloud_file, Place(server.endpoint, PROJECT))
    wanted = resources(lab.plan)
    assert write_vpc(lab) == f"{len(wanted)} resources"
    assert write_vpc(lab) == CACHED
    cloud = RestCloud(server.endpoint, PROJECT)
    cloud.write("delete", "instances", "zones/us-central1-a", {"instance": "vm-a"})
    cloud.insert("firewalls", "global", {"name": "mine", "allowed": [{"IPProtocol": "tcp"}]})
    assert write_vpc(lab) == "1 resources"
    assert cloud.get("firewalls", "global", "mine")["name"] == "mine"


def test_before_there_is_a_cloud_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="the lab's cloud is not known here"):
        write_vpc(make_lab(tmp_path, Recorder()))

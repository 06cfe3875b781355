"""What goes of an interrupted test run, and what stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab.cloud.place import Place, record
from gkelab.cloud.rest import RestCloud
from gkelab.leftovers import COLLECTIONS, remove_from_cloud, remove_leftovers, told
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit.cloud.made import PLACES, body
from tests.unit.cloud.servers import PROJECT, Http, running
from tests.unit.steps import Object, kubectl, make_lab, two_regions


def namespace(name: str, *, going: bool = False) -> Object:
    metadata: Object = {"name": name, "labels": {"gkelab.test": "true", "gkelab.test-run": "r1"}}
    return {"metadata": metadata | ({"deletionTimestamp": "2026-11-22"} if going else {})}


# Only what carries a run: pytest by hand makes namespaces without one, and may be at work.
LISTING = [
    *("get", "namespaces", "--all-namespaces", "--selector=gkelab.test=true,gkelab.test-run"),
    "--output=json",
]


def delete(*names: str) -> list[str]:
    return ["delete", "namespace", *names, "--ignore-not-found", "--timeout=0s"]


def test_the_namespaces_of_runs_that_are_over_go_at_once(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    found = [namespace("t-a-1"), namespace("t-b-2"), namespace("t-c-3", going=True)]
    found.append(namespace("mine"))  # of a person who copied the labels
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": found}))
    run.handle(kubectl(lab, *delete("t-a-1", "t-b-2", "t-c-3")))
    assert remove_leftovers(lab) == ["t-a-1", "t-b-2"]


def test_where_nothing_was_left_nothing_is_done(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    assert remove_leftovers(lab) == []
    assert len(run.calls) == 1


def test_every_cluster_is_looked_at(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run, two_regions())
    for number, names in enumerate((["t-a"], ["t-b"])):
        items = [namespace(name) for name in names]
        run.handle(kubectl(lab, *LISTING, cluster=number), json.dumps({"items": items}))
        run.handle(kubectl(lab, *delete(*names), cluster=number))
    assert remove_leftovers(lab) == ["t-a", "t-b"]


def test_one_that_does_not_go_is_an_error(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": [namespace("t-a")]}))
    run.handle(kubectl(lab, *delete("t-a")), code=1, stderr="timed out waiting")
    with pytest.raises(CommandError, match="timed out waiting"):
        remove_leftovers(lab)


MADE = {
    "networks": "t-net",
    "subnetworks": "t-subnet",
    "addresses": "t-address",
    "firewalls": "t-rule",
    "instances": "t-vm",
    "routes": "t-way",
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Http]:
    """A cloud with one of each kind of a run that is over, in a network of its own."""
    with running() as server:
        server.fresh()
        http = Http(server.endpoint)
        for collection in ("networks", "subnetworks", "instances", *COLLECTIONS):
            name = MADE[collection]
            changes = {"name": name, "description": told("r1")}
            said = json.dumps(body(collection, **changes))
            said = said.replace("networks/net", "networks/t-net")
            said = said.replace("subnetworks/us", "subnetworks/t-subnet")
            http.send("POST", PLACES[collection], json.loads(said))
        yield http


def names(http: Http) -> set[str]:
    resources = http.state().json()["resources"]
    return {
        each["name"]
        for collection in COLLECTIONS
        for each in resources[collection]
        if not each["name"].startswith("default-")
    }


def test_what_tests_made_in_the_cloud_goes_in_an_order_that_is_possible(
    cloud: Http, tmp_path: Path
) -> None:
    network = {"name": "t-hand", "description": told(""), "autoCreateSubnetworks": False}
    mine = {"name": "mine", "description": told("r1"), "autoCreateSubnetworks": False}
    for said in (network, mine):
        cloud.send("POST", PLACES["networks"], said)
    assert names(cloud) == {*MADE.values(), "t-hand", "mine"}
    recorder = Recorder()
    lab = make_lab(tmp_path, recorder)
    recorder.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    lab.folder.mkdir(parents=True, exist_ok=True)
    record(lab.cloud_file, Place(cloud.endpoint, PROJECT))
    assert remove_leftovers(lab) == [MADE[collection] for collection in COLLECTIONS]
    assert names(cloud) == {"t-hand", "mine"}
    assert remove_from_cloud(RestCloud(cloud.endpoint, PROJECT)) == []

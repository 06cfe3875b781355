"""What goes of an interrupted test run, and what stays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gkelab.cloud.ensure import ensure
from gkelab.cloud.place import Place, record
from gkelab.cloud.resources import resources
from gkelab.cloud.rest import RestCloud
from gkelab.lab import Lab
from gkelab.leftovers import COLLECTIONS, remove_from_cloud, remove_leftovers, told
from gkelab.shell import CommandError
from gkelab.tools.marked import LISTED
from tests.support.recorder import Recorder
from tests.unit.cloud.made import PLACES, body
from tests.unit.cloud.servers import PROJECT, Http, running
from tests.unit.steps import Object, inside, kubectl, make_lab, two_regions
from tests.unit.tools import labelled, lists_containers, recorded, stopped
from tests.unit.tools.test_marked import FOUND, NOTHING

CLIENT, WORKER = "vpc-native-client", "vpc-native-worker"
# Those with networks of their own, by name.
CONTAINERS = (
    *(CLIENT, "vpc-native-control-plane", "vpc-native-router", "vpc-native-vm-vm-a"),
    *(WORKER, "vpc-native-worker2"),
)
ROUTES = ["ip", "-json", "-4", "route", "show"]


def lists(container: str) -> list[str]:
    return inside(container, "ip", "-json", "-batch", "-", stdin=True)


def changes(container: str) -> list[str]:
    return inside(container, "ip", "-batch", "-", stdin=True)


def networks(
    lab: Lab,
    run: Recorder,
    left: Mapping[str, str] | None = None,
    host: str = "[]",
    *,
    away: str = "",
) -> None:
    """Expect the looks into the lab's containers, in which the marked things are there that
    `left` tells of (else none), and at the host's routes. The container `away` does not run."""
    raws = labelled(recorded("containers"), {"gkelab.lab": lab.name})
    raws = [stopped(raw) if raw["Name"] == f"/{away}" else raw for raw in raws]
    lists_containers(run, [f"gkelab.lab={lab.name}"], raws)
    for container in CONTAINERS:
        run.handle(lists(container), (left or {}).get(container, NOTHING))
    run.handle(ROUTES, host)
    run.handle(changes(f"{lab.name}-client"))


def namespace(name: str, *, going: bool = False) -> Object:
    metadata: Object = {"name": name, "labels": {"gkelab.test": "true", "gkelab.test-run": "r1"}}
    metadata |= {"deletionTimestamp": "2026-11-22"} if going else {}
    return {"kind": "Namespace", "metadata": metadata}


def elsewhere(kind: str, name: str, space: str) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": space}}


# Only what carries a run: pytest by hand makes namespaces without one, and may be at work.
LISTING = [
    *("get", "namespaces,secrets,ipaddresspools.metallb.io", "--all-namespaces"),
    *("--selector=gkelab.test=true,gkelab.test-run", "--output=json"),
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
    networks(lab, run)
    assert remove_leftovers(lab) == ["t-a-1", "t-b-2"]


def test_what_tests_made_in_other_namespaces_goes_behind_their_own(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    found = [
        elsewhere("IPAddressPool", "t-exhaustion", "metallb-system"),
        elsewhere("Secret", "t-tls-1-outer", "istio-system"),
        elsewhere("Secret", "mine", "default"),  # of a person who copied the labels
        namespace("t-a-1"),
    ]
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": found}))
    gone = [kubectl(lab, *delete("t-a-1"))]
    for item in found[:2]:
        name, space = item["metadata"]["name"], item["metadata"]["namespace"]
        where, how = f"--namespace={space}", ("--ignore-not-found", "--wait=true")
        gone.append(kubectl(lab, where, "delete", item["kind"], name, *how))
    for argv in gone:
        run.handle(argv)
    networks(lab, run)
    removed = ["t-a-1", "IPAddressPool t-exhaustion", "Secret t-tls-1-outer"]
    assert remove_leftovers(lab) == removed
    assert [argv for argv in run.argvs if "delete" in argv] == gone


def test_where_nothing_was_left_nothing_is_removed(tmp_path: Path) -> None:
    """The client's routes are put back as `up` does it: nothing tells of one that is missing."""
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    networks(lab, run)
    assert remove_leftovers(lab) == []
    first, *looks, last = [argv for argv in run.argvs if argv[:2] != ["docker", "container"]]
    assert first == kubectl(lab, *LISTING)
    assert sorted(looks[1:-1]) == [lists(container) for container in CONTAINERS]
    assert (looks[-1], last) == (ROUTES, changes(CLIENT))
    assert (run.calls[-1].input or "").startswith("route replace unreachable ")


def test_what_tests_changed_in_containers_goes_by_its_mark(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    tunnel = '[]\n[]\n[{"ifname": "t-tunnel", "group": "114"}]\n'
    networks(lab, run, {WORKER: FOUND, CLIENT: tunnel})
    run.handle(changes(WORKER))
    assert remove_leftovers(lab) == [
        f"link t-tunnel in {CLIENT}",
        f"route 10.0.0.5 in {WORKER}",
        f"route 10.0.0.8 in {WORKER}",
        f"address 203.0.113.63 on lo in {WORKER}",
        f"address 203.0.113.62 on v0 in {WORKER}",
        f"link t-tunnel in {WORKER}",
    ]
    said = {call.argv: call.input for call in reversed(run.calls)}  # the first one to each
    assert said[tuple(lists(WORKER))] == LISTED
    everything = "route flush proto 114\naddress flush label *:t\nlink delete t-tunnel\n"
    assert said[tuple(changes(WORKER))] == everything
    assert said[tuple(changes(CLIENT))] == "link delete t-tunnel\n"


def test_a_container_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    networks(lab, run, away="vpc-native-vm-vm-a")
    assert remove_leftovers(lab) == []
    asked = {argv[3] for argv in run.argvs if argv[-4:] == lists("x")[-4:]}
    assert asked == set(CONTAINERS) - {"vpc-native-vm-vm-a"}


def test_routes_on_the_host_go_that_lead_into_this_lab(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    on_host = [
        {"dst": "203.0.113.9", "gateway": "10.128.0.3", "dev": "br-1", "protocol": "114"},
        {"type": "unreachable", "dst": "10.128.0.77", "protocol": "114"},
        {"dst": "192.0.2.7", "dev": "br-2", "protocol": "114"},  # of a run on another lab
        {"dst": "203.0.113.8", "dev": "br-1", "protocol": "static"},  # of a person
    ]
    networks(lab, run, host=json.dumps(on_host))
    for address in ("203.0.113.9", "10.128.0.77"):
        run.handle(["ip", "route", "delete", f"{address}/32", "proto", "114"])
    assert remove_leftovers(lab) == [
        "route 203.0.113.9/32 on the host",
        "route 10.128.0.77/32 on the host",
    ]


def test_every_cluster_is_looked_at(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run, two_regions())
    for number, names in enumerate((["t-a"], ["t-b"])):
        items = [namespace(name) for name in names]
        run.handle(kubectl(lab, *LISTING, cluster=number), json.dumps({"items": items}))
        run.handle(kubectl(lab, *delete(*names), cluster=number))
    lists_containers(run, ["gkelab.lab=two"], [])
    run.handle(ROUTES, "[]")
    run.handle(changes("two-client"))
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
    """A cloud with one of each kind of a run that is over, in a network of its own. The VM may
    not be deleted: its test was killed while it looked at that."""
    with running() as server:
        server.fresh()
        http = Http(server.endpoint)
        for collection in ("networks", "subnetworks", "instances", *COLLECTIONS):
            changes = {"name": MADE[collection], "description": told("r1")}
            protected = {"deletionProtection": True} if collection == "instances" else {}
            said = json.dumps(body(collection, **changes, **protected))
            said = said.replace("networks/net", "networks/t-net")
            said = said.replace("subnetworks/us", "subnetworks/t-subnet")
            http.send("POST", PLACES[collection], json.loads(said))
        yield http


def names(http: Http) -> set[str]:
    found = http.state().json()["resources"]
    listed = {each["name"] for collection in COLLECTIONS for each in found[collection]}
    return {name for name in listed if name.startswith("t-") or name == "mine"}


@pytest.fixture
def lab(cloud: Http, tmp_path: Path) -> Lab:
    """A lab with that cloud, to which the topology is written."""
    run = Recorder()
    made = make_lab(tmp_path, run)
    run.handle(kubectl(made, *LISTING), json.dumps({"items": []}))
    networks(made, run)
    made.folder.mkdir(parents=True, exist_ok=True)
    record(made.cloud_file, Place(cloud.endpoint, PROJECT))
    ensure(RestCloud(cloud.endpoint, PROJECT), resources(made.plan))
    return made


def test_what_tests_made_in_the_cloud_goes_in_an_order_that_is_possible(
    cloud: Http, lab: Lab
) -> None:
    network = {"name": "t-hand", "description": told(""), "autoCreateSubnetworks": False}
    mine = {"name": "mine", "description": told("r1"), "autoCreateSubnetworks": False}
    for said in (network, mine):
        cloud.send("POST", PLACES["networks"], said)
    assert names(cloud) == {*MADE.values(), "t-hand", "mine"}
    assert remove_leftovers(lab) == [MADE[collection] for collection in COLLECTIONS]
    assert names(cloud) == {"t-hand", "mine"}
    assert remove_from_cloud(RestCloud(cloud.endpoint, PROJECT)) == []


def test_what_tests_changed_of_the_topology_is_put_back(cloud: Http, lab: Lab) -> None:
    """A node that may forward, and a range of the lab's own subnet with a test's VM in it."""
    rest = RestCloud(cloud.endpoint, PROJECT)
    subnet, node = lab.plan.clusters[0].subnet, lab.plan.clusters[0].workers[0]
    zone, region = f"zones/{node.zone}", f"regions/{subnet.region}"
    forwards = {**rest.get("instances", zone, node.name), "canIpForward": True}
    rest.write("update", "instances", zone, {"instance": node.name, "instanceResource": forwards})
    before = rest.get("subnetworks", region, subnet.name)
    ranges = [{"rangeName": "t-range", "ipCidrRange": "10.192.0.0/24"}]
    ranges = [*before["secondaryIpRanges"], *ranges]
    said = {"secondaryIpRanges": ranges, "fingerprint": before["fingerprint"]}
    rest.patch("subnetworks", region, subnet.name, said)
    nic = {
        "subnetwork": f"{region}/subnetworks/{subnet.name}",
        "aliasIpRanges": [{"ipCidrRange": "10.192.0.9/32", "subnetworkRangeName": "t-range"}],
    }
    vm = {
        "name": "t-alias",
        "description": told("r1"),
        "machineType": f"{zone}/machineTypes/e2-small",
        "networkInterfaces": [nic],
    }
    rest.insert("instances", zone, vm)
    change = "a change of what the topology says"
    assert remove_leftovers(lab) == [
        "t-alias",
        f"{change} (subnetworks {subnet.name}: secondaryIpRanges changed)",
        f"{change} (instances {node.name}: canIpForward changed)",
    ]
    now = rest.get("subnetworks", region, subnet.name)
    assert now["secondaryIpRanges"] == before["secondaryIpRanges"]
    assert rest.get("instances", zone, node.name)["canIpForward"] is False
    assert remove_leftovers(lab) == []

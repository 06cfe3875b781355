"""What tests make in the cloud, at a cloud in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab.cloud.rest import RestCloud
from gkelab.leftovers import remove_from_cloud
from gkelab.tools.docker import Docker
from tests.support.places import ContainerPlace
from tests.support.recorder import Recorder
from tests.support.running import of_no_run, run_of
from tests.support.vpc.cases import TARGETS
from tests.support.vpc.google import Google, refused
from tests.support.vpc.ground import KINDS, aims
from tests.support.vpc.made import VM, Made, unique, vm_of
from tests.support.vpc.router import Router
from tests.unit.cloud import made as bodies
from tests.unit.cloud.servers import PROJECT, Http, running
from tests.unit.steps import make_lab


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    lab = make_lab(tmp_path, Recorder())
    subnet, network = lab.plan.clusters[0].subnet, lab.plan.network
    with running() as server:
        server.fresh()
        http = Http(server.endpoint)
        http.send("POST", "global/networks", {"name": network, "autoCreateSubnetworks": False})
        said = {
            **bodies.body("subnetworks", name=subnet.name),
            "network": f"global/networks/{network}",
        }
        http.send("POST", f"regions/{subnet.region}/subnetworks", said)
        docker = Docker(Recorder())
        google = Google(server.endpoint, PROJECT)
        yield Made(lab, google, Router(docker, "r"), "t-x")


def names(made: Made) -> set[str]:
    return {one.name for one in made.google.firewalls.list(project=PROJECT)}


def vm(made: Made, name: str = "vm", *, public: bool = False) -> VM:
    return made.vm(
        name, tags=["b", "a"], aliases=[{"ipCidrRange": "/32"}], public=public, wait=False
    )


def test_all_goes_that_was_made(made: Made) -> None:
    machine = vm(made, public=True)
    made.firewall({"name": made.own("a"), "allowed": [{"IPProtocol": "tcp"}]})
    made.firewall({"name": made.own("b"), "allowed": [{"IPProtocol": "tcp"}]})
    assert (machine.tags, len(machine.aliases), bool(machine.public)) == (("a", "b"), 1, True)
    assert machine.place.name == f"{made.lab.name}-vm-t-x-vm"
    made.delete("firewalls", "", made.own("a"))
    made.delete("firewalls", "", made.own("a"))  # it may be gone already
    assert names(made) == {"t-x-b"}
    made.close()
    assert names(made) == set()
    where = made.where(f"zones/{made.zone}")
    assert refused(lambda: made.google.instances.get(**where, instance=machine.name)).code == 404


def test_one_that_does_not_go_keeps_no_other(made: Made) -> None:
    made.firewall({"name": made.own("a"), "allowed": [{"IPProtocol": "tcp"}]})

    def fail() -> None:
        raise RuntimeError("no")

    made.on_close("x", fail)
    with pytest.raises(RuntimeError, match="no"):
        made.close()
    assert names(made) == set()


def test_what_a_run_makes_is_found_when_it_was_killed(made: Made) -> None:
    cloud = RestCloud(made.google.endpoint, PROJECT)
    rule = {"allowed": [{"IPProtocol": "tcp"}]}
    with of_no_run():
        made.firewall({"name": made.own("hand"), **rule})
    with run_of("r1"):
        made.firewall({"name": made.own("run"), **rule})
        vm(made)
    assert remove_from_cloud(cloud) == ["t-x-vm", "t-x-run"]
    assert names(made) == {"t-x-hand"}


def test_names_have_room_for_what_follows() -> None:
    assert unique("test_pod_and_node_rules", "abc123") == "t-pod-and-node-rules-abc123"
    assert len(unique("test_" + "very_long_" * 9, "abc123")) <= 33


def test_a_vm_as_the_cloud_tells_of_it() -> None:
    place = ContainerPlace(Docker(Recorder()), "c")
    nic = {"networkIP": "10.0.0.2", "aliasIpRanges": [{"ipCidrRange": "10.0.1.0/24"}]}
    told = {"name": "n", "zone": "https://x/zones/z-a", "networkInterfaces": [nic]}
    assert vm_of(told, place) == VM("n", "z-a", "10.0.0.2", "", ("10.0.1.0/24",), (), place)


def test_the_tables_targets_have_addresses(made: Made) -> None:
    server, peer = vm(made, "server", public=True), vm(made, "peer", public=True)
    inside, outside = (aims(server, peer, outside=outside) for outside in (False, True))
    assert set(inside) == set(TARGETS) == {*KINDS, "ping"}
    assert set(outside) == set(TARGETS) - {"alias"}
    assert inside["alias"].address == server.aliases[0]
    assert (inside["http"].address, outside["http"].address) == (server.address, server.public)
    assert (outside["peer"].who, outside["peer"].address) == (peer.name, peer.public)

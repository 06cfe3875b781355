"""From the cloud's state to machines: names, addresses, and what cannot be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from gkelab.cloud.machines.wanted import Machine, SubnetNetwork, subnet_networks, wanted
from gkelab.cloud.mirror import State
from gkelab.tools.docker import Network
from tests.unit.cloud.machines.fakes import BASE, LAB, LINK, NETWORKS, START, US, instance, state


def test_an_instance_is_a_machine() -> None:
    made = wanted(state(instance("web", aliases=["10.4.1.0/24", "10.128.3.4/32"])), LAB, NETWORKS)
    assert made.left_out == ()
    assert made.machines == {
        "lab-vm-web": Machine(
            instance="zones/us-central1-a/instances/web",
            number="7",
            hostname="web",
            container="lab-vm-web",
            network=US,
            address=IPv4Address("10.128.0.5"),
            aliases=(IPv4Network("10.4.1.0/24"), IPv4Network("10.128.3.4/32")),
            running=True,
            started=START,
        )
    }
    assert US.gateway == IPv4Address("10.128.0.1")


def test_a_hostname_of_its_own() -> None:
    own = {**instance("web"), "hostname": "web.example"}
    (machine,) = wanted(state(own), LAB, NETWORKS).machines.values()
    assert (machine.hostname, machine.container) == ("web.example", "lab-vm-web")


@pytest.mark.parametrize(
    ("status", "running"),
    [("RUNNING", True), ("STAGING", True), ("TERMINATED", False), ("SUSPENDED", False)],
)
def test_only_what_runs_in_the_cloud_runs(status: str, running: bool) -> None:
    (machine,) = wanted(state(instance("web", status=status)), LAB, NETWORKS).machines.values()
    assert machine.running is running


def test_nodes_are_kinds_business() -> None:
    node = instance("small-worker", labels={"goog-gke-node": ""})
    assert wanted(state(node), LAB, NETWORKS).machines == {}


def test_what_cannot_be_is_told() -> None:
    elsewhere = instance("a")
    elsewhere["networkInterfaces"][0]["subnetwork"] = f"{BASE}/regions/r/subnetworks/mine"
    two = instance("c")
    two["networkInterfaces"].append(two["networkInterfaces"][0])
    seen = State(
        "p",
        1,
        {
            "instances": [
                elsewhere,
                instance("b", "10.132.0.5"),
                two,
                instance("c", "10.128.0.6", zone="us-central1-b"),
            ]
        },
    )
    made = wanted(seen, LAB, NETWORKS)
    zone = "zones/us-central1-a/instances"
    assert list(made.machines) == ["lab-vm-c", "lab-vm-c.us-central1-b"]
    assert made.left_out == (
        f"{zone}/a: no docker network is regions/r/subnetworks/mine (there are: {LINK})",
        f"{zone}/b: 10.132.0.5 is not in 10.128.0.0/20, its docker network's range",
        f"{zone}/c: only the first of its interfaces is made real",
    )


def test_of_two_of_one_name_the_older_has_it_bare() -> None:
    """And the other is called by its zone, too. None is called anew while it is there."""
    old = instance("web", creationTimestamp="2026-01-01T00:00:00.000+00:00")
    new = instance(
        "web", "10.128.0.6", zone="asia-east1-a", creationTimestamp="2026-01-02T00:00:00.000+00:00"
    )
    bare, full = "lab-vm-web", "lab-vm-web.asia-east1-a"
    older, newer = "zones/us-central1-a/instances/web", "zones/asia-east1-a/instances/web"

    def named(*instances: Any, **kept: str) -> dict[str, str]:
        by_link = {{"older": older, "newer": newer}[which]: name for which, name in kept.items()}
        made = wanted(state(*instances), LAB, NETWORKS, by_link)
        assert made.left_out == ()
        return {machine.instance: name for name, machine in made.machines.items()}

    assert named(new, old) == {older: bare, newer: full}
    assert named(new, newer=full) == {newer: full}
    assert named(new, old, newer=full) == {older: bare, newer: full}
    assert named(new, old, newer=bare) == {
        older: "lab-vm-web.us-central1-a",
        newer: bare,
    }
    # What has another's name, or one of a lab before, is made anew.
    assert named(new, newer="lab-vm-other") == {newer: bare}


def network(name: str, *ranges: IPv4Network, **labels: str) -> Network:
    return Network("id", name, ranges, {f"gkelab.{k}": v for k, v in labels.items()}, "br-us", ())


def test_a_labs_subnets_are_its_networks() -> None:
    """Declared ones by their names, later ones by their labels."""
    later = "regions/us-central1/subnetworks/later"
    tags = {"subnetwork": later, "gateway": "10.9.4.1"}
    whole = IPv4Network("10.9.0.0/16")
    listed = [
        network("gkelab.lab.us", US.range),
        network("gkelab.lab.none", US.range),
        network("gkelab.lab.us-central1.later", whole, **tags),
        network("gkelab.other.us", US.range),
    ]
    # An expanded subnet keeps its gateway.
    name, gateway = "gkelab.lab.us-central1.later", IPv4Address("10.9.4.1")
    expected = {**NETWORKS, later: SubnetNetwork(name, whole, "br-us", gateway)}
    assert subnet_networks(LAB, [LINK], listed) == expected
    assert subnet_networks(LAB, [LINK], [network("gkelab.lab.us")]) == {}

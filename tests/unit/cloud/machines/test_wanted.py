"""From the cloud's state to machines: names, addresses, and what cannot be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

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
    assert list(made.machines) == ["lab-vm-c"]
    assert made.left_out == (
        f"{zone}/a: no docker network is regions/r/subnetworks/mine (there are: {LINK})",
        f"{zone}/b: 10.132.0.5 is not in 10.128.0.0/20, its docker network's range",
        f"{zone}/c: only the first of its interfaces is made real",
        f"zones/us-central1-b/instances/c: the container lab-vm-c is that of {zone}/c already",
    )


def test_the_older_of_two_of_one_name_is_real() -> None:
    old = instance("web", creationTimestamp="2026-01-01T00:00:00.000+00:00")
    new = instance(
        "web", "10.128.0.6", zone="asia-east1-a", creationTimestamp="2026-01-02T00:00:00.000+00:00"
    )
    made = wanted(state(new, old), LAB, NETWORKS)
    (machine,) = made.machines.values()
    assert machine.instance == "zones/us-central1-a/instances/web"
    assert made.left_out == (
        "zones/asia-east1-a/instances/web: the container lab-vm-web is that of"
        " zones/us-central1-a/instances/web already",
    )


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

"""Subnets that came after `up`: which they are, whose ranges this host cannot have, what goes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from gkelab.cloud.machines.plan import Seen
from gkelab.cloud.machines.subnets import (
    Claim,
    Later,
    going,
    later_subnets,
    network_claims,
    peer_claims,
    refusal,
    resolver_claims,
    smaller,
)
from gkelab.tools.docker import Network
from tests.unit.cloud.machines.fakes import BASE, LAB, LINK, instance, subnet, with_subnets

NEW = "regions/us-central1/subnetworks/new"
RANGE = IPv4Network("10.9.0.0/24")


def later(*subnets: dict[str, Any], **named: Any) -> tuple[Later, ...]:
    return later_subnets(with_subnets(*subnets, **named), LAB, [LINK])


def of_docker(one: Later, *ranges: IPv4Network, **labels: str) -> Network:
    """The docker network that was made for it."""
    return Network("n2", one.network.name, ranges or (RANGE,), {**one.labels, **labels}, "br-2", ())


def test_a_later_subnet_is_a_network_as_up_makes_them() -> None:
    (one,) = later(subnet("new", "10.9.0.0/24", "10.9.4.0/22"))
    assert (one.link, one.number, one.gateway) == (NEW, "9", IPv4Address("10.9.0.1"))
    assert one.ranges == (RANGE, IPv4Network("10.9.4.0/22"))
    assert one.network.name == "gkelab.lab.us-central1.new"
    assert (one.network.role, one.network.bridge) == ("subnet", IPv4Address("10.9.0.254"))
    assert not one.network.masquerade
    assert one.labels == {
        "gkelab.subnetwork": NEW,
        "gkelab.subnetwork.id": "9",
        "gkelab.gateway": "10.9.0.1",
    }


def test_the_oldest_comes_first_and_one_of_the_same_name_is_another_regions() -> None:
    found = later(
        subnet("b", "10.9.0.0/24", creationTimestamp="2026-02-02T00:00:00.000+00:00"),
        subnet("us", "10.9.1.0/24", region="europe-west1"),
    )
    assert [one.link for one in found] == [
        "regions/europe-west1/subnetworks/us",
        "regions/us-central1/subnetworks/b",
    ]
    assert found[0].network.name == "gkelab.lab.europe-west1.us"


def test_of_an_auto_mode_network_only_what_is_used_is_made() -> None:
    """It has a subnet a region: forty bridges for nothing."""
    auto = {"selfLink": f"{BASE}/global/networks/auto", "autoCreateSubnetworks": True}
    subnets = [
        subnet("auto", "10.138.0.0/20", region="us-west1", network="auto"),
        subnet("auto", "10.140.0.0/20", region="asia-east1", network="auto"),
    ]
    link = "regions/asia-east1/subnetworks/auto"
    used = instance("vm", "10.140.0.2", subnet=link)
    assert later(*subnets, networks=[auto]) == ()
    (one,) = later(*subnets, networks=[auto], instances=[used])
    assert one.link == link


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("10.9.0.0/24", ""),
        ("100.64.1.0/24", ""),
        ("10.9.0.0/16", "10.9.0.0/16 overlaps the host's route via eth0 10.9.8.0/24"),
        ("10.9.8.128/25", "10.9.8.128/25 overlaps the host's route via eth0 10.9.8.0/24"),
        ("8.8.8.0/24", "8.8.8.0/24 is not of private addresses, so this host would lose who has"),
        ("203.0.113.0/24", "203.0.113.0/24 is not of private addresses, so this host would lose"),
        ("10.0.0.0/7", "10.0.0.0/7 is not of private addresses, so this host would lose who has"),
    ],
)
def test_what_a_host_cannot_have_is_refused_in_a_sentence(network: str, why: str) -> None:
    claims = [Claim(IPv4Network("10.9.8.0/24"), "the host's route via eth0")]
    said = refusal(IPv4Network(network), claims)
    assert said.startswith(why) and bool(said) == bool(why)


def test_whom_a_host_needs() -> None:
    text = "# nameserver 10.1.1.1\nnameserver 10.1.0.53\nnameserver 127.0.0.53\nsearch nameserver\n"
    text += "nameserver fd00::1\nnameserver\n"
    assert list(resolver_claims(text)) == [
        Claim(IPv4Network("10.1.0.53/32"), "this host's name server")
    ]
    shown = "0      0      10.1.0.9:22    10.7.0.4:52144 \n0 0 127.0.0.1:5 127.0.0.1:6\n\n"
    shown += "0 0 10.1.0.9%eth0:68 10.1.0.1%eth0:67\n"
    assert [str(claim.range) for claim in peer_claims(shown)] == ["10.7.0.4/32", "10.1.0.1/32"]


def test_what_docker_has() -> None:
    network = Network("n", "mine", (RANGE,), {}, "br-n", ())
    assert list(network_claims([network])) == [Claim(RANGE, "docker's network mine")]


def vm_on(name: str, role: str = "vm") -> Seen:
    return Seen("1", "lab-vm-a", "exited", "", {"gkelab.role": role}, (name,))


def test_what_no_subnet_is_left_of_goes_and_what_up_made_never() -> None:
    (one,) = later(subnet("new", "10.9.0.0/24"))
    mine = of_docker(one)
    ups = Network("n1", "gkelab.lab.us", (RANGE,), {}, "br-1", ())
    assert going([mine, ups], [one], []) == []
    assert going([mine, ups], [], [vm_on(mine.name)]) == [mine]
    (anew,) = later(subnet("new", "10.9.0.0/24", id="10"))
    assert going([mine, ups], [anew], []) == [mine]


def test_an_expanded_subnet_is_made_anew_once_no_vm_is_on_it() -> None:
    (one,) = later(subnet("new", "10.9.0.0/23"))
    mine = of_docker(one)
    assert going([mine], [one], [vm_on(mine.name, "router")]) == [mine]
    assert going([mine], [one], [vm_on(mine.name)]) == []
    assert smaller(one, mine) == (
        f"{NEW} is 10.9.0.0/23 and real as 10.9.0.0/24 alone: docker's network cannot grow under"
        " its VMs; once these are deleted, it is made anew"
    )
    assert smaller(one, of_docker(one, one.range)) == ""

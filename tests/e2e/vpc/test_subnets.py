"""Subnets that come after `up`, by Google's client: machines are in them, and pods and the other
machines of the VPC reach these where rules let them, with their own addresses; nobody is where the
subnet was once it is deleted. (VPC: vpc/docs/create-modify-vpc-networks, "Add subnets".)"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network

import pytest

from gkelab.cloud.resources import node_tag
from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.parse import routes
from tests.support.places import ContainerPlace, Place
from tests.support.probes import http
from tests.support.say import expect
from tests.support.spare import UNRULED, spare_range
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import DATAGRAM, HTTP, MACHINE, VM, Made, machines_of, vm_of
from tests.support.vpc.router import Router
from tests.support.vpc.spoof import Sender

RANGE = 3  # of the spare ranges
TCP = [{"IPProtocol": "tcp", "ports": [str(HTTP)]}]
# Google's ranges for auto mode networks (vpc/docs/subnets), of two regions.
AUTO = {
    "europe-west2": IPv4Network("10.154.0.0/20"),
    "asia-east1": IPv4Network("10.140.0.0/20"),
}
ROUTES = ["ip", "-json", "-4", "route", "show"]


@dataclass(frozen=True)
class Ground:
    """A subnet made after `up` with a VM in it, and one in the first subnet. Of the later range
    no rule of the default network's lets anything in."""

    range: IPv4Network
    subnet: Body
    later: VM
    first: VM


def blocks(lab: Lab) -> list[IPv4Network]:
    """Four ranges for subnets of this file's."""
    return list(spare_range(lab.plan, RANGE, UNRULED).subnets(new_prefix=24))


@pytest.fixture(scope="module")
def ground(made: Made, lab: Lab) -> Ground:
    """The subnet, and what is in both."""
    whole = blocks(lab)[0]
    subnet = made.subnet("later", whole)
    first = made.vm("first", tags=[made.own("first")], wait=False)
    later = made.vm("vm", tags=[made.own("vm")], subnet=subnet["name"], wait=False)
    for vm in (first, later):
        made.until_serving(vm)
    made.applied()
    return Ground(whole, subnet, later, first)


def admit(made: Made, name: str, source: object, tag: str) -> str:
    """A rule that lets a range in to whom has a tag; its name."""
    own = made.own(name)
    said = {"sourceRanges": [str(source)], "targetTags": [tag], "allowed": TCP}
    made.firewall({"name": own, **said})
    made.applied()
    return own


def withdraw(made: Made, rule: str) -> None:
    """Delete a rule, and wait until packets meet none."""
    made.delete("firewalls", "", rule)
    made.applied()


def silent(place: Place, address: str) -> None:
    """Nobody answers there, as what is dropped is not answered."""
    answer = http(place, f"http://{address}:{HTTP}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=place.name, to=address)


def answers(place: Place, address: str, who: str, saw: str) -> None:
    """It answers there, and saw that source address. A node, and the ConfigMap of its pods'
    addresses, are told of a new subnet a moment later."""
    url = f"http://{address}:{HTTP}/"
    ask = partial(http, place, url, timeout=TIMEOUTS.short)
    eventually(ask, who=who, saw=saw, what=f"{place.name} reaches {who} at {address}")


def test_it_has_its_router_and_its_range(made: Made, lab: Lab, ground: Ground) -> None:
    """The gateway's address is the router's; the VM's is the range's first free one, and its way
    anywhere is the router."""
    assert ground.subnet["gatewayAddress"] == str(ground.range[1])
    assert ground.later.address == str(ground.range[2])
    interface = made.router.interface(ground.range[1])
    (network,) = (n for n in lab.docker.networks() if ground.range in n.subnets)
    assert network.labels["gkelab.lab"] == lab.name
    assert made.router.status().interfaces[ground.subnet["name"]] == interface.name
    said = routes(ground.later.place.exec(ROUTES).stdout)
    (default,) = (route for route in said if route.destination.prefixlen == 0)
    assert default.gateways == (str(ground.range[1]),)


def test_vms_of_two_subnets_meet_where_a_rule_lets_them(made: Made, ground: Ground) -> None:
    """Each sees the other's own address. Without the rule the later one is not let in: the default
    network's rule is for other ranges. (What it answers passes, as rules are stateful.)"""
    later, first = ground.later, ground.first
    answers(first.place, later.address, later.name, first.address)
    silent(later.place, first.address)
    rule = admit(made, "to-first", ground.range, first.tags[0])
    answers(later.place, first.address, first.name, later.address)
    withdraw(made, rule)
    silent(later.place, first.address)


def test_pods_reach_its_vm_with_their_own_addresses(
    made: Made, shared: Namespace, cluster: Cluster, ground: Ground
) -> None:
    """From every node; without the rule for the pods' range no pod does."""
    later, pods = ground.later, shared.pods("app=server")
    # Until the cluster knows the range, pods have their nodes' addresses there, which may.
    for pod in pods:
        eventually(
            lambda pod=pod: http(  # type: ignore[misc]
                shared.place(pod), f"http://{later.address}:{HTTP}/", timeout=TIMEOUTS.short
            ),
            outcome=Outcome.TIMEOUT,
            what=f"{pod.name} has its own address towards {ground.range}",
        )
    rule = admit(made, "pods", cluster.pod_range, later.tags[0])
    for pod in pods:
        answers(shared.place(pod), later.address, later.name, pod.ip)
    withdraw(made, rule)
    silent(shared.place(pods[0]), later.address)


def test_its_vm_reaches_pods_with_its_own_address(
    made: Made, lab: Lab, shared: Namespace, cluster: Cluster, ground: Ground
) -> None:
    """On every node; without the rule for the new range none."""
    later, pods = ground.later, shared.pods("app=server")
    silent(later.place, pods[0].ip)
    rule = admit(made, "to-pods", ground.range, node_tag(lab.plan, cluster))
    for pod in pods:
        answers(later.place, pod.ip, pod.name, later.address)
    withdraw(made, rule)
    silent(later.place, pods[0].ip)


def test_its_vm_sends_from_its_own_address_alone(
    made: Made, router: Router, ground: Ground
) -> None:
    """As another it is dropped at the router, and counted; as itself it arrives."""
    later, first = ground.later, ground.first
    name = made.own("all")
    said = {"targetTags": list(first.tags), "sourceRanges": ["0.0.0.0/0"]}
    made.firewall({"name": name, **said, "allowed": [{"IPProtocol": "all"}]})
    made.applied()
    sends = Sender(later.place, later.address, first.place, first.address, DATAGRAM)
    assert sends.seen_as(later.address)
    for source in (str(ground.range[9]), str(ground.range[1]), "10.128.0.2"):
        before = router.status()
        assert not sends.seen_as(source), f"{later.name} reached {first.name} as {source}"
        router.until_dropped(later.name, before)
    withdraw(made, name)


def test_nodes_and_the_host_hold_its_range(lab: Lab, ground: Ground) -> None:
    """Nodes by the router, else nowhere; the host over docker's bridge, else nowhere."""
    for node in lab.plan.nodes:
        place = ContainerPlace(lab.docker, node.name)
        until(
            lambda place=place: routes(place.exec(ROUTES).stdout),  # type: ignore[misc]
            lambda found: (
                {r.type for r in found if r.destination == ground.range}
                == {"unicast", "unreachable"}
            ),
            what=f"{node.name} knows {ground.range}",
            timeout=TIMEOUTS.machine,
            interval=0.2,
            tolerant=True,
        )
    held = [r for r in lab.ip.routes() if r.destination == ground.range]
    assert {route.kind for route in held} == {"unicast", "unreachable"}


def test_another_network_is_apart(made: Made, lab: Lab, router: Router, ground: Ground) -> None:
    """Two VPC networks do not know each other, whatever their rules let in. The counterfactual:
    machines of the other network reach each other by the same rule."""
    net = made.another_network("net")
    subnet = made.subnet("other", blocks(lab)[1], network=net)
    rule: Body = {"sourceRanges": ["0.0.0.0/0"], "allowed": [{"IPProtocol": "all"}]}
    made.firewall({"name": made.own("net-all"), "network": net, **rule})
    tags = {"targetTags": list(ground.later.tags)}
    made.firewall({"name": made.own("later-all"), **rule, **tags})
    one, two = (made.vm(name, subnet=subnet["name"], wait=False) for name in ("one", "two"))
    for vm in (one, two):
        made.until_serving(vm)
    made.applied()
    answers(one.place, two.address, two.name, one.address)
    for sender, receiver in ((one, ground.later), (ground.first, one)):
        before = router.status()
        silent(sender.place, receiver.address)
        router.until_dropped("nowhere", before)
    answers(ground.first.place, ground.later.address, ground.later.name, ground.first.address)


def test_the_default_network_has_every_region(made: Made, lab: Lab, ground: Ground) -> None:
    """An instance of the network alone, in a region where it has no subnet: it gets one with the
    region's range, as in Google's default network (VPC: vpc/docs/subnets, "Auto mode VPC
    networks"), which others reach. The counterfactual: once both are deleted nobody answers."""
    used = {subnet.region for subnet in lab.plan.subnets}
    region = next(one for one in AUTO if one not in used)
    zone, subnet = f"{region}-b", lab.plan.network
    name = made.own("far")
    said = {
        "name": name,
        "machineType": f"zones/{zone}/machineTypes/{MACHINE}",
        "networkInterfaces": [{"network": made.network}],
    }
    made.on_close(subnet, partial(made.delete, "subnetworks", f"regions/{region}", subnet))
    far = vm_of(made.insert("instances", f"zones/{zone}", said), made.place(name))
    assert IPv4Address(far.address) in AUTO[region]
    made.until_serving(far)
    made.applied()
    answers(ground.first.place, far.address, far.name, ground.first.address)
    made.delete("instances", f"zones/{zone}", name)
    made.delete("subnetworks", f"regions/{region}", subnet)
    made.applied()
    silent(ground.first.place, far.address)


def test_what_the_host_uses_is_told_and_left_to_it(made: Made, lab: Lab) -> None:
    """A range in docker's own network's: the API keeps the subnet, which is not real, and says
    why; docker's network is as it was."""
    (bridge,) = (n for n in lab.docker.networks() if n.name == "bridge")
    name, region = made.own("taken"), f"regions/{made.zone.rpartition('-')[0]}"
    taken = next(bridge.subnets[0].subnets(new_prefix=28))
    net = made.another_network("taken-net")
    made.insert("subnetworks", region, {"name": name, "network": net, "ipCidrRange": str(taken)})
    link = f"{region}/subnetworks/{name}"
    until(
        lambda: machines_of(lab)["left_out"],
        lambda said: any(one.startswith(f"{link} is not real: {taken} overlaps") for one in said),
        what=f"it is told that {link} is not real",
        timeout=TIMEOUTS.machine,
        interval=0.2,
        tolerant=True,
    )
    assert not made.real(link)
    now = {network.id: network.subnets for network in lab.docker.networks()}
    assert now[bridge.id] == bridge.subnets


def test_an_expanded_subnet_is_real_as_a_whole_once_nobody_is_in_it(
    made: Made, lab: Lab, ground: Ground
) -> None:
    """docker's network cannot grow under a VM; without one it is made anew."""
    _, _, small, _ = blocks(lab)
    half, whole = next(small.subnets()), small
    subnet = made.subnet("grows", half)
    where = made.where(f"regions/{made.zone.rpartition('-')[0]}")
    wanted = message("SubnetworksExpandIpCidrRangeRequest", {"ipCidrRange": str(whole)})
    done(
        made.google.subnetworks.expand_ip_cidr_range(
            **where,
            subnetwork=subnet["name"],
            subnetworks_expand_ip_cidr_range_request_resource=wanted,
        )
    )
    until(
        lambda: [n.subnets for n in lab.docker.networks() if n.subnets and whole in n.subnets],
        bool,
        what=f"{whole} is a docker network",
        timeout=TIMEOUTS.machine,
        interval=0.3,
    )
    vm = made.vm("grown", subnet=subnet["name"])
    made.applied()
    answers(ground.first.place, vm.address, vm.name, ground.first.address)


def test_a_deleted_subnet_is_gone(made: Made, lab: Lab, router: Router) -> None:
    """Its docker network, the router's address in it, and what nodes and the host knew."""
    whole = blocks(lab)[3]
    subnet = made.subnet("gone", whole)
    vm = made.vm("guest", subnet=subnet["name"])
    made.delete("instances", f"zones/{vm.zone}", vm.name)
    made.delete("subnetworks", f"regions/{vm.zone.rpartition('-')[0]}", subnet["name"])

    def left() -> list[str]:
        found = [n.name for n in lab.docker.networks() if whole in n.subnets]
        found += [str(r.destination) for r in lab.ip.routes() if r.destination == whole]
        found += [
            f"{router.name}: {r.destination}" for r in router.routes() if r.destination == whole
        ]
        for node in lab.plan.nodes:
            said = routes(ContainerPlace(lab.docker, node.name).exec(ROUTES).stdout)
            found += [f"{node.name}: {r.destination}" for r in said if r.destination == whole]
        return found

    until(
        left,
        lambda found: not found,
        what=f"nothing is left of {whole}",
        timeout=TIMEOUTS.machine,
        interval=0.3,
        describe="; ".join,
        tolerant=True,
    )
    assert lab.docker.container(vm.place.name) is None

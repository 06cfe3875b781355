"""Compute's zonal names (compute/docs/internal-dns): the resolver at a subnet's gateway knows the
VPC's instances by them, as long as they are there."""

from __future__ import annotations

from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Place, dns, http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import HTTP, Made

Said = tuple[str, tuple[str, ...]]


def said(place: Place, name: str, server: str) -> Said:
    """The response code and the addresses; the outcome where there was no response."""
    answer = dns(place, name, server=server)
    return str((answer.body or {}).get("rcode", answer.outcome)), answer.records


def until_said(place: Place, name: str, server: str, wanted: Said) -> None:
    """Wait until this is the answer, however long CoreDNS keeps another."""
    until(
        lambda: said(place, name, server),
        lambda seen: seen == wanted,
        what=f"{place.name} is told {wanted} of {name} by {server or 'its first resolver'}",
        timeout=TIMEOUTS.datapath,
        interval=0.2,
    )


def test_a_vm_is_found_by_its_name_while_it_is_there(
    lab: Lab, made: Made, cluster: Cluster, shared: Namespace
) -> None:
    """By a pod, through CoreDNS and by itself, and by a VM, which gets there by it. The
    counterfactual: once it is deleted nobody finds it."""
    vm, asks = made.vm("named", wait=False), made.vm("asks", wait=False)
    for each in (vm, asks):
        made.until_serving(each)
    made.applied()
    name = f"{vm.name}.{vm.zone}.c.{lab.plan.project}.internal"
    gateway, pod = str(cluster.subnet.gateway), shared.place("client")
    ways = ((pod, ""), (pod, gateway), (asks.place, gateway))
    for place, server in ways:
        until_said(place, name, server, ("NOERROR", (vm.address,)))
    expect(http(asks.place, f"http://{vm.address}:{HTTP}/"), who=vm.name, saw=asks.address)
    made.delete("instances", f"zones/{vm.zone}", vm.name)
    made.applied()
    for place, server in ways:
        until_said(place, name, server, ("NXDOMAIN", ()))


def test_the_internet_is_told_nothing(
    lab: Lab, cluster: Cluster, internet: ContainerPlace, made: Made
) -> None:
    """The resolver is the VPC's own: the client on the internet gets no answer, at the router's
    address on its side or at a subnet's gateway."""
    assert lab.plan.internet is not None
    node = cluster.control_plane
    name = f"{node.name}.{node.zone}.c.{lab.plan.project}.internal"
    assert said(made.router.place, name, "127.0.0.1") == ("NOERROR", (str(node.address),))
    for server in (lab.plan.internet.router, cluster.subnet.gateway):
        answer = dns(internet, name, server=str(server), timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=internet.name, to=str(server))

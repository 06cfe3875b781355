"""Routes that a person makes are for the instances of their network, or for those with a tag of
theirs: a NAT instance is some machines' way to the internet; pods take a route to an appliance
with their own addresses. (VPC: vpc/docs/static-routes, "Next hops and features".)"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support import changes
from tests.support.eventually import eventually
from tests.support.invoke import invoke
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Answer, Outcome
from tests.support.parse import routes
from tests.support.places import ContainerPlace
from tests.support.probes import http
from tests.support.say import expect
from tests.support.spare import UNRULED, spare_range
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import Body, done, message
from tests.support.vpc.made import HTTP, VM, Made

RANGE = 4  # of the spare ranges
ROUTES = ["ip", "-json", "-4", "route", "show"]


def blocks(lab: Lab) -> list[IPv4Network]:
    """Four ranges of this file's, where the lab has nothing."""
    return list(spare_range(lab.plan, RANGE, UNRULED).subnets(new_prefix=24))


def by(vm: VM) -> Body:
    """The next hop of a route by a VM."""
    return {"nextHopInstance": f"zones/{vm.zone}/instances/{vm.name}"}


def make(made: Made, name: str, destination: object, **more: object) -> str:
    """Make a route of the lab's network, and wait until packets meet it; its name."""
    own = made.own(name)
    said = {"name": own, "network": made.network, "destRange": str(destination), **more}
    made.insert("routes", "", said)
    made.applied()
    return own


def set_tags(made: Made, vm: VM, tags: Sequence[str]) -> None:
    """Have a VM have just these tags."""
    fingerprint = made.instance(vm.name, vm.zone)["tags"]["fingerprint"]
    wanted = message("Tags", {"items": list(tags), "fingerprint": fingerprint})
    where = {**made.where(f"zones/{vm.zone}"), "instance": vm.name}
    done(made.google.instances.set_tags(**where, tags_resource=wanted))
    made.applied()


def test_a_nat_instance(lab: Lab, made: Made, internet: ContainerPlace) -> None:
    """Machines with the route's tag reach the internet by it, which sees its public address; one
    without the tag, one that loses it, and all when the route is gone, do not."""
    assert lab.plan.internet is not None
    url = f"http://{lab.plan.internet.client}:{HTTP}/"
    tag = made.own("inside")
    nat = made.vm("nat", public=True, forward=True, wait=False)
    tagged = made.vm("tagged", tags=[tag], wait=False)
    other = made.vm("other", wait=False)
    for vm in (nat, tagged, other):
        made.until_serving(vm)
    made.applied()

    def ask(vm: VM) -> Answer:
        return http(vm.place, url, timeout=TIMEOUTS.short)

    def is_shut_out(vm: VM) -> None:
        before = made.router.status()
        expect(ask(vm), outcome=Outcome.TIMEOUT, from_=vm.name, to="the internet")
        made.router.until_dropped("no_public_address", before)

    is_shut_out(tagged)
    masquerade = ("POSTROUTING", "--table=nat", "--out-interface=eth0", "--jump=MASQUERADE")
    with changes.iptables_rule(nat.place, *masquerade):
        # The network's own default route has priority 1000.
        way = make(made, "by-nat", "0.0.0.0/0", priority=800, tags=[tag], **by(nat))
        expect(ask(tagged), who=internet.name, saw=nat.public, from_=tagged.name)
        expect(ask(nat), who=internet.name, saw=nat.public, from_=nat.name)
        is_shut_out(other)
        shown = invoke("trace", tagged.name, "client", f"--port={HTTP}", f"--lab={lab.name}")
        assert f"0.0.0.0/0 via {nat.address} ({way})" in shown.stdout
        set_tags(made, tagged, [])
        is_shut_out(tagged)
        set_tags(made, tagged, [tag])
        expect(ask(tagged), who=internet.name, saw=nat.public, from_=tagged.name)
        made.delete("routes", "", way)
        made.applied()
        is_shut_out(tagged)


def test_the_lower_number_of_two_routes_is_taken(made: Made, lab: Lab) -> None:
    """Of one destination, whichever was made first; the longer one comes before both."""
    whole = blocks(lab)[1]
    asks = made.vm("asks", wait=False)
    hops = [made.vm(f"hop-{name}", forward=True, wait=False) for name in "abc"]
    for vm in (asks, *hops):
        made.until_serving(vm)
    address = str(whole[7])
    url = f"http://{address}:{HTTP}/"

    def answers(vm: VM) -> None:
        expect(http(asks.place, url, timeout=TIMEOUTS.short), who=vm.name, saw=asks.address)

    first, second, third = hops
    with (
        changes.address(first.place, f"{address}/32", device="lo"),
        changes.address(second.place, f"{address}/32", device="lo"),
        changes.address(third.place, f"{address}/32", device="lo"),
    ):
        make(made, "first", whole, priority=900, **by(first))
        answers(first)
        lower = make(made, "second", whole, priority=800, **by(second))
        answers(second)
        longer = make(made, "third", f"{address}/32", priority=1000, **by(third))
        answers(third)
        for name, then in ((longer, second), (lower, first)):
            made.delete("routes", "", name)
            made.applied()
            answers(then)


@pytest.fixture
def appliance(made: Made, cluster: Cluster) -> VM:
    """A VM that forwards, and lets pods in."""
    vm = made.vm("appliance", tags=[made.own("appliance")], forward=True)
    made.firewall(
        {
            "name": made.own("pods"),
            "sourceRanges": [str(cluster.pod_range)],
            "targetTags": list(vm.tags),
            "allowed": [{"IPProtocol": "tcp", "ports": [str(HTTP)]}],
        }
    )
    return vm


def test_pods_take_a_route_to_where_the_lab_has_nothing(
    made: Made, lab: Lab, cluster: Cluster, shared: Namespace, appliance: VM
) -> None:
    """Nodes have a way by the router, so that nothing of it leaves the machine, and pods keep
    their addresses. An appliance that may not forward is no next hop: then the router drops it."""
    whole = blocks(lab)[0]
    address = str(whole[7])
    make(made, "on", whole, **by(appliance))

    def ways(node: str) -> list[tuple[str, ...]]:
        found = routes(lab.docker.exec(node, ROUTES).stdout)
        return [r.gateways for r in found if r.destination == whole and r.gateways]

    for node in cluster.nodes:
        until(
            partial(ways, node.name),
            [(str(cluster.subnet.gateway),)].__eq__,
            what=f"{node.name} has a way to {whole}",
            timeout=TIMEOUTS.machine,
        )

    def ask(pod: Pod) -> Answer:
        return http(shared.place(pod), f"http://{address}:{HTTP}/", timeout=TIMEOUTS.short)

    pods = shared.pods("app=client")
    with changes.address(appliance.place, f"{address}/32", device="lo"):
        for pod in pods:
            gets = f"{pod.name} gets there"
            eventually(partial(ask, pod), who=appliance.name, saw=pod.ip, what=gets)
        changed = {**made.instance(appliance.name, appliance.zone), "canIpForward": False}
        where = {**made.where(f"zones/{appliance.zone}"), "instance": appliance.name}
        wanted = message("Instance", changed)
        done(made.google.instances.update(**where, instance_resource=wanted))
        made.applied()
        before = made.router.status()
        expect(ask(pods[0]), outcome=Outcome.TIMEOUT, from_=pods[0].name, to=address)
        made.router.until_dropped("nowhere", before)

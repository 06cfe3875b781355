"""One VPC in two regions: a network is global, its subnets are regional, and the way between them
takes the time that the topology declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster, Latency
from gkelab.trace.run import traced
from gkelab.wait import until
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.ping import ping
from tests.support.places import Place
from tests.support.probes import http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import HTTP, VM, Made
from tests.support.vpc.paths import round_trip
from tests.support.vpc.router import Router

TRIES = 5
# Of the declared time: no packet is early by more than the clock's grain, and machines add to it.
AT_LEAST, AT_MOST = 0.95, 2.0


@dataclass(frozen=True)
class Regions:
    """A VM in each of the two, and one more in the first."""

    far: Latency
    here: VM
    near: VM
    there: VM


@pytest.fixture(scope="module")
def latency(lab: Lab) -> Latency:
    """What is declared of the way between the regions."""
    if len({subnet.region for subnet in lab.plan.subnets}) < 2:
        pytest.skip("this topology has one region; this needs two")
    if not lab.plan.latency:
        pytest.skip("this topology declares no latency between its regions")
    return lab.plan.latency[0]


@pytest.fixture(scope="module")
def regions(lab: Lab, made: Made, latency: Latency) -> Regions:
    """VMs in both."""
    one, other = latency.between

    def vm(name: str, region: str) -> VM:
        subnet = next(s for s in lab.plan.subnets if s.region == region)
        zone = next(n.zone for n in lab.plan.nodes if n.region == region)
        return made.vm(name, zone=zone, subnet=subnet.name, tags=[made.own("vm")], wait=False)

    found = Regions(latency, vm("here", one), vm("near", one), vm("there", other))
    for each in (found.here, found.near, found.there):
        made.until_serving(each)
    pods = [str(cluster.pod_range) for cluster in lab.plan.clusters]
    made.firewall(
        {
            "name": made.own("pods"),
            "sourceRanges": pods,
            "targetTags": [made.own("vm")],
            "allowed": [{"IPProtocol": "tcp"}, {"IPProtocol": "icmp"}],
        }
    )
    made.applied()
    return found


def shortest(place: Place, address: str) -> float:
    """The milliseconds of the quickest of some echoes: what the way takes, without what the
    machine adds; infinite when none is answered."""
    answers = [ping(place, address, timeout=TIMEOUTS.probe) for _ in range(TRIES)]
    answered = [answer for answer in answers if answer.outcome is Outcome.OK]
    return min((round_trip(answer.text) for answer in answered), default=float("inf"))


def test_the_way_between_regions_takes_its_time(
    regions: Regions, router: Router, record_property: Callable[[str, object], None]
) -> None:
    """There and back, both ways; within a region it does not."""
    for sentence in router.status().left_out:
        if sentence.startswith("latency between regions is not real here"):
            pytest.skip(f"this kernel has neither netem nor queues: {sentence}")
    declared = 2 * regions.far.one_way.total_seconds() * 1000
    here, near, there = regions.here, regions.near, regions.there

    def measure() -> dict[str, float]:
        return {
            "there": shortest(here.place, there.address),
            "back": shortest(there.place, here.address),
            "near": shortest(here.place, near.address),
        }

    # Where another test's subnet comes or goes, the router makes its delays anew.
    found = until(
        measure,
        lambda took: (
            AT_LEAST * declared <= min(took["there"], took["back"])
            and max(took["there"], took["back"]) <= AT_MOST * declared
            and took["near"] < declared / 4
        ),
        what=f"{declared:g} ms there and back between regions, and less within one",
        timeout=TIMEOUTS.datapath,
    )
    for name, value in found.items():
        record_property(f"round trip {name} (ms)", value)


def test_vms_meet_across_regions(regions: Regions) -> None:
    """With their own addresses, both ways; at an address of the far subnet that nobody has,
    nobody answers."""
    for asks, answers in ((regions.here, regions.there), (regions.there, regions.here)):
        answer = http(asks.place, f"http://{answers.address}:{HTTP}/")
        expect(answer, who=answers.name, saw=asks.address)


def test_a_trace_crosses_regions(lab: Lab, regions: Regions) -> None:
    """By the one router of both, which takes one off the TTL and keeps the address; to an address
    of the far subnet that nobody has it ends at the router."""
    here, there = regions.here, regions.there
    found = traced(lab, here.name, there.name, HTTP)
    assert (found.outcome, found.answered_by) == ("answered", there.name), found
    assert [hop.kind for hop in found.hops if hop.seen] == ["vm", "router", "vm"], found
    came, went = found.hops[1].seen
    assert (came.source, went.source, came.ttl - went.ttl) == (here.address, here.address, 1)
    subnet = next(s for s in lab.plan.subnets if there.zone.startswith(s.region))
    found = traced(lab, here.name, str(subnet.primary[-3]), HTTP)
    assert found.outcome in {"timeout", "unreachable"}, found
    assert found.dropped is not None, found
    assert [hop.kind for hop in found.hops if hop.seen] == ["vm", "router"], found


def test_pods_reach_vms_across_regions(
    lab: Lab, made: Made, regions: Regions, shared: Namespace, cluster: Cluster
) -> None:
    """With the pod's own address, in its own region and in the other; and VMs reach pods. The
    counterfactual: without the rule for the pods' ranges no pod reaches a VM."""
    pod = shared.pod("server")
    vms = (regions.here, regions.there)
    for vm in vms:
        answer = http(shared.place(pod), f"http://{vm.address}:{HTTP}/")
        expect(answer, who=vm.name, saw=pod.ip, from_=pod.name)
    own = next(vm for vm in vms if vm.zone.startswith(cluster.region))
    expect(http(own.place, f"http://{pod.ip}:{HTTP}/"), who=pod.name, saw=own.address)
    made.delete("firewalls", "", made.own("pods"))
    made.applied()
    for vm in vms:
        answer = http(shared.place(pod), f"http://{vm.address}:{HTTP}/", timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=pod.name, to=vm.name)

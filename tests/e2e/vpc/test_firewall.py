"""Firewall rules, case by case: who reaches what with these rules, and after one change of them.

The table is data (tests/support/vpc/cases.py). All of its rules have target tags that only this
file's VMs have, so nothing else in the lab is concerned.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gkelab.cloud.resources import node_tag
from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support.flow import Traffic, flow
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Probe, http, probe_many
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.cases import BASE, CASES, SERVERS, VMS, Case, Names, Rule, expected
from tests.support.vpc.ground import Ground, Spot
from tests.support.vpc.made import DATAGRAM, HTTP, LINE, VM, Made


@pytest.fixture(scope="module")
def vms(made: Made) -> dict[str, VM]:
    """The table's VMs, each with a tag of its own."""
    alias = [{"ipCidrRange": "/32"}]
    found = {
        name: made.vm(
            name,
            tags=[made.own(name)],
            aliases=alias if name in ("server", "friend") else [],
            public=name in SERVERS,
            wait=False,
        )
        for name in VMS
    }
    for vm in found.values():
        made.until_serving(vm)
    return found


@pytest.fixture(scope="module")
def names(made: Made, vms: dict[str, VM], lab: Lab, cluster: Cluster) -> Names:
    """What the table's names mean here."""
    assert lab.plan.internet is not None
    ranges = {name: f"{vm.address}/32" for name, vm in vms.items()}
    ranges |= {f"{name}-alias": f"{vm.aliases[0]}/32" for name, vm in vms.items() if vm.aliases}
    ranges |= {"pods": str(cluster.pod_range), "nodes": str(cluster.subnet.primary)}
    ranges["internet"] = str(lab.plan.internet.range)
    tags = {name: made.own(name) for name in (*VMS, "nobody")}
    return Names(ranges, {**tags, "nodes": node_tag(lab.plan, cluster)})


@pytest.fixture(scope="module")
def ground(
    made: Made, names: Names, vms: dict[str, VM], shared: Namespace, internet: ContainerPlace
) -> Iterator[Ground]:
    """The machines, and who tries them."""
    assert made.lab.plan.internet is not None
    pod, node = shared.pod("pod"), shared.pod("node")
    friend = vms["friend"]
    spots = {
        "friend": Spot(friend.place, friend.address),
        "friend-alias": Spot(friend.place, friend.aliases[0], own=True),
        "stranger": Spot(vms["stranger"].place, vms["stranger"].address),
        "pod": Spot(shared.place(pod), pod.ip),
        "node": Spot(shared.place(node), node.ip),
        "client": Spot(internet, str(made.lab.plan.internet.client), outside=True),
    }
    found = Ground(made, names, vms["server"], vms["peer"], spots)
    try:
        yield found
    finally:
        found.close()


def under(case: Case, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules on what lies beneath a case."""
    return rules if case.bare else (BASE, *rules)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rules(ground: Ground, case: Case) -> None:
    """Who gets where, by the address that the servers see; and the counterfactual: after one
    change of the rules, by the API, another matrix."""
    with ground.having(under(case, case.rules)):
        before = expected(case.opens, left_out=case.left_out)
        ground.until_seen(before, what=f"the rules of {case.id}")
        ground.apply(under(case, case.changed))
        after = expected(case.then, left_out=case.left_out)
        ground.until_seen(after, what=f"the rules of {case.id} after their change")


def test_answers_go_out_where_nothing_else_does(ground: Ground) -> None:
    """A server that may begin nothing answers who is let in, and reaches nobody itself; without
    the rule of egress it reaches the same machine."""
    server, peer = ground.server, ground.peer
    inward = Rule("in", allow="all", targets=SERVERS)
    no = Rule("no", deny="all", targets=("server",), egress=True, priority=0)
    friend = ground.spots["friend"]
    with ground.having((BASE, inward, no)):
        answer = http(friend.place, f"http://{server.address}:{HTTP}/")
        expect(answer, who=server.name, saw=friend.seen)
        answer = http(server.place, f"http://{peer.address}:{HTTP}/", timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=server.name, to=peer.name)
        ground.apply((BASE, inward))
        answer = http(server.place, f"http://{peer.address}:{HTTP}/")
        expect(answer, who=peer.name, saw=server.address)


def test_what_is_established_outlives_its_rule(ground: Ground) -> None:
    """Rules decide how connections begin (vpc/docs/firewalls: they are stateful). One that is
    there goes on without the rule that let it in, and no new one begins."""
    server, friend = ground.server, ground.spots["friend"]
    traffic = Traffic(server.address, LINE, requests=0)
    probes = [
        Probe("tcp", server.address, LINE, timeout=TIMEOUTS.probe),
        Probe("udp", server.address, DATAGRAM, timeout=TIMEOUTS.probe),
    ]
    assert isinstance(friend.place, ContainerPlace)
    with (
        ground.having((BASE, Rule("r", allow="all", sources=("friend",)))),
        flow(friend.place, traffic) as stream,
    ):
        stream.await_steady("a connection that is let in")
        for answer in probe_many(friend.place, probes):
            expect(answer, who=server.name, saw=friend.seen)
        ground.apply((BASE,))
        for answer in probe_many(friend.place, probes):
            expect(answer, outcome=Outcome.TIMEOUT, from_="friend", to=server.name)
        stream.await_steady("that connection without its rule")
        record = stream.stop()
    assert not record.resets, record.resets
    assert record.messages, "nothing went over the connection"

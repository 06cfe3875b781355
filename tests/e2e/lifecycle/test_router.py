"""The VPC router restarted and tampered with: nothing is open meanwhile, rules and routes are back
before traffic passes, and what was wrong is put right and told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from gkelab.faults.record import loss
from gkelab.lab import Lab
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.flow import Traffic, flow
from tests.support.outcomes import Answer, Outcome
from tests.support.prober import Prober
from tests.support.probes import Probe
from tests.support.say import expect
from tests.support.steady import steady
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import LINE, VM, Made, making, router_of
from tests.support.vpc.router import Router, Status

NOBODY = (Outcome.TIMEOUT, Outcome.UNREACHABLE)
RECOVERS = 60.0  # seconds that new connections may be without an answer
SOON = 3.0  # seconds from a write's answer until packets meet it, on a busy machine
Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Scene:
    """A client that may reach one server and not another, by a rule."""

    client: VM
    server: VM
    shut: VM
    rule: str


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Made]:
    """What this file makes in the cloud."""
    with making(lab, request.path) as things:
        yield things


@pytest.fixture(scope="module")
def router(lab: Lab) -> Router:
    """The lab's router."""
    return router_of(lab)


@pytest.fixture(scope="module")
def scene(made: Made) -> Scene:
    """The machines and the rule."""
    client, server = made.vm("client", wait=False), made.vm("server", wait=False)
    alias = [{"ipCidrRange": "/32"}]
    shut = made.vm("shut", tags=[made.own("shut")], aliases=alias, wait=False)
    for vm in (client, server, shut):
        made.until_serving(vm)
    found = Scene(client, server, shut, made.own("shut"))
    deny(made, found)
    return found


def deny(made: Made, scene: Scene) -> None:
    """Have the rule that shuts."""
    made.firewall(
        {
            "name": scene.rule,
            "priority": 10,
            "targetTags": list(scene.shut.tags),
            "denied": [{"IPProtocol": "all"}],
        }
    )
    made.applied()


@pytest.fixture
def knocks(scene: Scene) -> Iterator[Prober]:
    """What asks again and again at the machine that is shut."""
    with Prober(scene.client.place) as prober:
        yield prober


def knock(prober: Prober, vm: VM) -> Answer:
    """A try at a machine's line server."""
    return prober.one(Probe("tcp", vm.address, LINE, timeout=0.5))


def as_it_should_be(scene: Scene, prober: Prober) -> None:
    """The server answers, and the machine that is shut does not."""
    eventually(
        lambda: knock(prober, scene.server),
        who=scene.server.name,
        saw=scene.client.address,
        what="the server answers",
    )
    expect(knock(prober, scene.shut), outcome=Outcome.TIMEOUT, to=scene.shut.name)


def test_nothing_is_open_while_the_router_restarts(
    lab: Lab, made: Made, router: Router, scene: Scene, knocks: Prober
) -> None:
    """Who is shut stays shut at every moment of it. The counterfactual: without the rule the same
    prober reaches it at once."""
    as_it_should_be(scene, knocks)
    with Prober(scene.client.place) as other, steady(lambda: knock(other, scene.shut)) as answers:
        lab.run(["docker", "restart", "-t", "0", router.name])
        as_it_should_be(scene, knocks)
    seen = {answer.outcome for answer in answers}
    assert seen <= set(NOBODY), f"{scene.shut.name} was reached: {seen}"
    made.delete("firewalls", "", scene.rule)
    made.applied()
    answer = eventually(
        lambda: knock(knocks, scene.shut), who=scene.shut.name, what="without the rule it is open"
    )
    assert answer.saw == scene.client.address
    deny(made, scene)
    as_it_should_be(scene, knocks)


def started(lab: Lab, router: Router) -> str:
    """When the router's container was started last."""
    found = lab.docker.container(router.name)
    assert found is not None
    return found.started


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_flows_survive_a_restart_or_end_cleanly(
    lab: Lab, router: Router, scene: Scene, how: str, record_property: Record
) -> None:
    """Gracefully or not, the connection that was there goes on or is reset, and new ones are
    answered again within a bounded time. It may be back before anything is lost but time."""
    began = started(lab, router)
    with flow(scene.client.place, Traffic(scene.server.address, LINE)) as going:
        going.await_steady("a VM to another, before the router goes")
        at = time.time()
        if how == "restart":
            lab.run(["docker", "restart", "-t", "10", router.name])
        else:
            lab.run(["docker", "kill", router.name])
            lab.docker.start([router.name])
        going.await_steady("a VM to another, after the router's return", timeout=RECOVERS)
        lost = loss(going.stop(), at)
    for name in ("gap_ms", "recovery_ms", "resets", "messages_lost"):
        record_property(f"router {how}: {name}", getattr(lost, name))
    assert lost.survived or lost.resets, lost
    assert started(lab, router) != began, "the router was not away at all"
    assert lost.recovery_ms is not None, lost
    assert lost.recovery_ms < RECOVERS * 1000, lost


def repaired(router: Router, before: Status, what: str) -> str:
    """Wait until the agent tells that it has put something right; what was wrong."""
    status = until(
        router.status,
        lambda status: status.repairs != before.repairs,
        what=f"{router.name} repairs its {what}",
        timeout=TIMEOUTS.counted,
        interval=0.2,
        tolerant=True,
        describe=lambda status: f"it tells of {list(status.repairs)[-2:]}",
    )
    assert status.repairs[-1].what == what, status.repairs[-1]
    return status.repairs[-1].wrong


TABLE = ("ip", "gkelab")
TAMPERING = {
    "the table emptied": (("nft", "flush", "table", *TABLE), "nftables", "forward"),
    "the table deleted": (("nft", "delete", "table", *TABLE), "nftables", "is gone"),
    "a rule beside": (
        ("nft", "insert", "rule", *TABLE, "forward", "accept"),
        "nftables",
        "forward",
    ),
    "a set emptied": (("nft", "flush", "map", *TABLE, "ingress"), "nftables", "ingress"),
    "a route deleted": (("ip", "route", "delete", "ALIAS"), "routes", "ALIAS"),
    "a route beside": (("ip", "route", "add", "unreachable", "SHUT"), "routes", "SHUT"),
    "a neighbour deleted": (
        ("ip", "neigh", "delete", "SERVER", "dev", "DEV"),
        "neighbours",
        "SERVER",
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_repaired_and_told(
    made: Made, router: Router, scene: Scene, knocks: Prober, how: str
) -> None:
    """The agent finds it, says what was wrong, and packets meet what the cloud says."""
    words, what, wrong = TAMPERING[how]
    subnet = made.lab.plan.clusters[0].subnet
    stand_for = {
        "ALIAS": scene.shut.aliases[0],
        "SHUT": scene.shut.address,
        "SERVER": scene.server.address,
        "DEV": router.interface(subnet.gateway).name,
    }
    before = router.status()
    router.docker.exec(router.name, [stand_for.get(word, word) for word in words])
    assert stand_for.get(wrong, wrong) in repaired(router, before, what)
    as_it_should_be(scene, knocks)


def test_what_is_as_it_should_be_is_not_repaired(router: Router, made: Made, scene: Scene) -> None:
    """The counterfactual: a write by the API is no tampering, and is told as no repair."""
    before = router.status()
    made.delete("firewalls", "", scene.rule)
    made.applied()
    deny(made, scene)
    assert router.status().repairs == before.repairs


def test_a_rule_is_in_the_packets_way_soon(
    made: Made, router: Router, scene: Scene, knocks: Prober, record_property: Record
) -> None:
    """From the answer to a write until packets meet it, again and again."""
    took = []
    name = made.own("soon")
    expect(knock(knocks, scene.server), who=scene.server.name)
    for _ in range(5):
        made.firewall(
            {
                "name": name,
                "priority": 5,
                "sourceRanges": [f"{scene.client.address}/32"],
                "destinationRanges": [f"{scene.server.address}/32"],
                "denied": [{"IPProtocol": "tcp"}],
            }
        )
        began = time.monotonic()
        until(
            lambda: knock(knocks, scene.server),
            lambda answer: answer.outcome is Outcome.TIMEOUT,
            what="the new rule is in the packets' way",
            timeout=TIMEOUTS.datapath,
            interval=0.01,
        )
        # The probe that it met has waited for its own time-out.
        took.append(time.monotonic() - began - 0.5)
        made.delete("firewalls", "", name)
        eventually(
            lambda: knock(knocks, scene.server), who=scene.server.name, what="the rule is gone"
        )
    record_property("a rule in the way after (s)", [round(seconds, 2) for seconds in took])
    assert max(took) <= SOON, took

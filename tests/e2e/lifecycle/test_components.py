"""Parts of the lab killed under traffic: what is established goes on, and what is new comes back.

What was lost is in the report as a property of each test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from gkelab.faults.catalog import FAULTS, SERVER, Fault, kill
from gkelab.faults.measure import measure
from gkelab.faults.record import Record, loss
from gkelab.faults.stage import (
    NAMESPACE,
    OUTSIDE_TO_GATEWAY,
    OUTSIDE_TO_LB,
    POD_TO_NAME,
    POD_TO_POD,
    Stage,
)
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.wait import until

Report = Callable[[str, object], None]
# Milliseconds until new connections on the ways that a fault is about are as before; on the
# others nothing may be lost. So it is where packets do not go through what is killed. Cilium's
# programs stay in the kernel when the agent dies, which must not be noticed for long.
RECOVERS = {
    "cilium-agent killed": 5_000.0,
    "cilium-operator killed": 0.0,
    "istiod killed": 0.0,
    "MetalLB controller killed": 0.0,
    "MetalLB speaker killed": 30_000.0,
    "a CoreDNS killed": 30_000.0,
    "gateway pod deleted": 60_000.0,
}
# A connection through the gateway's only pod ends with it; one through the load balancer when
# another node takes over the address, which knows nothing of it.
NOT_ESTABLISHED = {
    "gateway pod deleted": (OUTSIDE_TO_GATEWAY,),
    "MetalLB speaker killed": (OUTSIDE_TO_LB,),
}
ALWAYS = (POD_TO_POD, OUTSIDE_TO_LB)
KILLED = [fault for fault in FAULTS if fault.name in RECOVERS]


def test_every_fault_that_is_killed_has_a_limit() -> None:
    """What the catalog gains must be judged here, or in test_node."""
    assert [fault.name for fault in FAULTS if fault not in KILLED] == ["worker node stopped"]


@pytest.mark.parametrize("fault", KILLED, ids=lambda fault: fault.name.replace(" ", "-"))
def test_traffic_goes_on(stage: Stage, fault: Fault, record_property: Report) -> None:
    """Established connections lose nothing, between pods and from outside; new ones are as
    before within the limit."""
    began = time.time()
    before = stage.announcer(stage.address())
    every = tuple(dict.fromkeys((*fault.ways, *ALWAYS)))
    costs = {row.way: row.loss for row in measure(stage, replace(fault, ways=every))}
    for way, cost in costs.items():
        record_property(way, json.dumps(cost.to_dict()))
    for way, cost in costs.items():
        limit = RECOVERS[fault.name] if way in fault.ways else 0.0
        assert cost.recovery_ms is not None, f"{way} never came back: {cost}"
        assert cost.recovery_ms <= limit, f"{way}, at most {limit:g} ms: {cost}"
        if way not in NOT_ESTABLISHED.get(fault.name, ()):
            assert cost.survived, f"{way}: {cost}"
    if fault.name == "MetalLB speaker killed" and announcers(stage, began) <= {before}:
        assert costs[OUTSIDE_TO_LB].survived, f"{before} kept the address: {costs}"
    if fault.name == "gateway pod deleted":
        assert not costs[OUTSIDE_TO_GATEWAY].survived, "nothing was deleted"


def announcers(stage: Stage, since: float) -> set[str]:
    """The nodes that MetalLB says took the stage's load balancer since then, by its events."""
    found = set()
    for event in stage.kubectl.list("events", NAMESPACE):
        if event.get("reason") == "nodeAssigned" and event["involvedObject"]["name"] == "outside":
            told = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
            # Whole seconds: one of the same second counts.
            if datetime.fromisoformat(told).timestamp() >= int(since):
                found.add(event["message"].split('"')[1])
    return found


def test_a_killed_server_is_noticed(stage: Stage, record_property: Report) -> None:
    """The counterfactual: when the server itself is killed, its connection ends and requests to
    it are refused until it is back."""
    fault = Fault(
        "server killed",
        (POD_TO_POD,),
        lambda stage: kill(stage, SERVER, stage.server()["spec"]["nodeName"]),
    )
    (row,) = measure(stage, fault)
    record_property(row.way, json.dumps(row.to_dict()))
    assert not row.loss.survived
    assert row.loss.resets >= 1
    assert row.loss.requests_lost >= 1
    assert row.loss.recovery_ms is not None


def test_a_restarted_controller_gives_addresses(stage: Stage) -> None:
    """MetalLB's controller, killed above, still gives a new Service its address."""
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "late", "namespace": NAMESPACE},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "server"},
            "ports": [{"name": "tcp", "port": 9000, "targetPort": 9000}],
        },
    }
    stage.kubectl.apply([service])
    try:
        way = stage.way(OUTSIDE_TO_LB)
        until(
            lambda: stage.kubectl.get("service", "late", NAMESPACE) or {},
            lambda found: bool(found.get("status", {}).get("loadBalancer", {}).get("ingress")),
            what="the late Service has an address",
            timeout=30,
        )
        assert stage.address("late") != way.traffic.host
    finally:
        stage.kubectl.delete("service", "late", NAMESPACE)


@pytest.fixture
def names(kubectl: Kubectl) -> Iterator[Callable[[int], None]]:
    """A way to set how many CoreDNS there are; in the end as many as there were."""
    found = kubectl.get("deployment", "coredns", "kube-system")
    assert found is not None

    def scale(replicas: int) -> None:
        kubectl(
            *("scale", "deployment/coredns", "--namespace=kube-system"), f"--replicas={replicas}"
        )
        until(
            lambda: kubectl.list("pods", "kube-system", "k8s-app=kube-dns"),
            lambda pods: len(pods) == replicas,
            what=f"there are {replicas} CoreDNS",
            timeout=120,
        )

    try:
        yield scale
    finally:
        scale(found["spec"]["replicas"])


def test_without_any_coredns_names_fail_and_connections_stay(
    stage: Stage, names: Callable[[int], None], record_property: Report
) -> None:
    """The counterfactual of the one CoreDNS that was killed: with none, every new connection by
    name fails, while the one that was made before goes on."""
    with stage.flowing(POD_TO_NAME) as flow:
        flow.await_steady(POD_TO_NAME)
        names(0)
        gone = time.time()
        until(
            lambda: tried_since(flow.record(), gone),
            lambda whys: len(whys) >= 20,
            what="20 requests by name",
            timeout=60,
        )
        whys = tried_since(flow.record(), gone)
        back = time.time()
        names(2)
        flow.await_steady(f"{POD_TO_NAME} again", timeout=180)
        lost = loss(flow.stop(), gone)
    record_property(POD_TO_NAME, json.dumps(lost.to_dict()))
    assert set(whys) <= {"DNS_ERROR", "TIMEOUT"}, whys
    assert lost.survived, lost
    assert lost.recovery_ms is not None
    assert lost.recovery_ms >= (back - gone) * 1000, "they came back without a CoreDNS"


def tried_since(record: Record, at: float) -> list[str]:
    """What became of the requests that began a second or more after `at`."""
    return [request.why for request in record.requests if request.began >= at + 1]

"""A worker stopped like one that loses its power, and started again."""

from __future__ import annotations

import json
from collections.abc import Callable

import testinfra

from gkelab.faults.catalog import FAULTS
from gkelab.faults.measure import measure
from gkelab.faults.stage import OUTSIDE_TO_LB, WAYS, Stage
from gkelab.lab import Lab
from gkelab.status import lab_status
from gkelab.topology import Cluster
from tests.support.own_lab import answers, ids

# Milliseconds. MetalLB's other speaker takes the address within seconds; the servers on the dead
# node are sent to until Kubernetes calls the node not ready, which takes 50 s by default.
RECOVERS = 120_000.0


def test_another_node_takes_over(
    stage: Stage,
    lab: Lab,
    cluster: Cluster,
    record_property: Callable[[str, object], None],
) -> None:
    """The node that announces the load balancer stops. New connections are served by the other
    one while it is away; started again it is the same node, with its routes, and whole."""
    (fault,) = (fault for fault in FAULTS if fault.name == "worker node stopped")
    before = ids(lab)
    (row,) = measure(stage, fault)
    record_property(OUTSIDE_TO_LB, json.dumps(row.to_dict()))
    assert row.loss.requests_lost > 0, "the node was not in the way at all"
    assert row.loss.recovery_ms is not None, f"nobody took over: {row.loss}"
    assert row.loss.recovery_ms <= RECOVERS, row.loss

    assert ids(lab) == before
    assert not lab_status(lab).problems
    held = {str(network) for network in lab.plan.held_inside()}
    for worker in cluster.workers:
        host = testinfra.get_host(f"docker://{worker.name}")
        routes = host.check_output("ip -4 route show type unreachable")
        have = {line.split()[1] for line in routes.splitlines() if line}
        assert held <= have, f"{worker.name} lost its routes under {sorted(held - have)}"
    answers(lab)


def test_traffic_is_steady_with_the_node_back(stage: Stage) -> None:
    """Every way works again, with both workers in it."""
    assert {pod["spec"]["nodeName"] for pod in stage.servers()} == {
        worker.name for worker in stage.cluster.workers
    }
    for way in WAYS:
        with stage.flowing(way) as flow:
            flow.await_steady(way, timeout=120)

"""A node drained and returned, as an upgrade of a node pool does it, under requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gkelab.faults.record import loss
from gkelab.lab import Lab
from gkelab.steps.wait_ready import wait_ready
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.flow import Traffic, flow
from tests.support.namespace import Namespace
from tests.support.own_lab import answers
from tests.support.probes import ContainerPlace

LONGEST = 300  # seconds for a drain: the gateway alone takes half a minute to go
# Each takes a second, so some are always on their way in every server.
SLOW = "&delay=1"


@contextmanager
def drained(kubectl: Kubectl, node: str) -> Iterator[None]:
    """The node without pods, and none to be scheduled there while the block runs."""
    try:
        words = ["--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={LONGEST}s"]
        kubectl("drain", node, *words, timeout=LONGEST + 60)
        yield
    finally:
        kubectl("uncordon", node)


@pytest.fixture
def whole_again(lab: Lab, cluster: Cluster) -> Iterator[None]:
    """The lab's own pods, which were moved too, all Ready in the end."""
    yield
    wait_ready(lab, cluster)


@pytest.mark.usefixtures("whole_again")
def test_a_drained_node_costs_no_request(
    namespace: Namespace,
    client: ContainerPlace,
    cluster: Cluster,
    lab: Lab,
    record_property: Callable[[str, object], None],
) -> None:
    """Both workers are drained, one after the other. When it is the second's turn both servers
    are there, and the budget keeps one until another is Ready. The gentle ones lose nothing;
    the abrupt ones, drained with them, lose requests: the check can fail."""
    first, second = (worker.name for worker in cluster.workers)
    assert {pod.node for pod in namespace.pods("app=gentle")} == {first, second}

    def slow(service: str) -> Traffic:
        address = namespace.address(service)
        return Traffic(address, 80, "http", query=SLOW, stream=0, timeout=8)

    kubectl = namespace.kubectl
    with flow(client, slow("gentle")) as gentle, flow(client, slow("abrupt")) as abrupt:
        gentle.await_steady("gentle")
        abrupt.await_steady("abrupt")
        at = time.time()
        with drained(kubectl, first):
            namespace.wait_ready()
            assert {pod.node for pod in namespace.pods("app=gentle")} == {second}
        with drained(kubectl, second):
            namespace.wait_ready()
            assert {pod.node for pod in namespace.pods("app=gentle")} == {first}, (
                "what was drained and returned takes no pods"
            )
        abrupt.await_steady("abrupt, afterwards", timeout=120)
        lost = {"gentle": loss(gentle.stop(), at), "abrupt": loss(abrupt.stop(), at)}
    for name, seen in lost.items():
        record_property(name, json.dumps(seen.to_dict()))
    assert lost["gentle"].requests >= 100
    assert lost["gentle"].requests_lost == 0, lost["gentle"]
    assert lost["abrupt"].requests_lost > 0, "nobody was evicted under traffic"
    wait_ready(lab, cluster)
    answers(lab)

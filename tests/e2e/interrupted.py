"""A test that is there to be killed in its midst. No run collects a file of this name by itself:
tests/e2e/lifecycle/test_interrupted.py names it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gkelab.ipam import HEALTH_CHECK_RANGES
from gkelab.lab import Lab
from gkelab.tools.iproute import unreachable_words
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support import changes
from tests.support.ingress import NAMESPACE
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace
from tests.support.vpc.made import making

LONGEST = 300.0  # seconds until it ends by itself, should nobody kill it


def test_until_it_is_killed(
    request: pytest.FixtureRequest,
    lab: Lab,
    cluster: Cluster,
    client: ContainerPlace,
    namespace: Namespace,
) -> None:
    """One of each kind of what tests make or change outside of their processes."""
    node = ContainerPlace(lab.docker, cluster.workers[0].name)
    free = f"{cluster.pod_range[-2]}/32"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{namespace.name}-outer", "namespace": NAMESPACE},
    }
    held = unreachable_words(HEALTH_CHECK_RANGES[-1])
    with ExitStack() as stack:
        made = stack.enter_context(making(lab, request.path))
        rule = {"name": made.own("rule"), "targetTags": [made.own("nobody")]}
        made.firewall({**rule, "allowed": [{"IPProtocol": "tcp"}]})
        stack.enter_context(namespace.having([secret]))
        stack.enter_context(changes.route(node, "unreachable", free))
        stack.enter_context(changes.address(client, free, "lo"))
        peer = ["type", "veth", "peer", "name", "t-peer"]
        stack.enter_context(changes.link(client, "t-link", *peer))
        stack.callback(client.exec, ["ip", "route", "replace", *held])
        assert client.exec(["ip", "route", "delete", *held]).code == 0
        until(lambda: False, bool, what="a SIGKILL", timeout=LONGEST)

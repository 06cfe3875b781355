"""The cloud away, and the clusters' API server: what was made real stays so, packets keep flowing,
and of every write that was under way the outcome is known."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import compute_v1

from gkelab.cloud.rest import RestCloud
from gkelab.containers import told
from gkelab.errors import LabError
from gkelab.faults.record import loss
from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.flow import Traffic, flow
from tests.support.namespace import Namespace
from tests.support.probes import http
from tests.support.say import expect
from tests.support.vpc.google import Body, body, message
from tests.support.vpc.made import HTTP, LINE, VM, Made, making
from tests.support.vpc.router import ways

BACK = 60.0  # seconds until the cloud answers again
NOTICED = 120.0  # seconds until a watch of an API server that is paused has noticed it
ENOUGH = 10  # writes that are answered before the cloud is killed
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Made]:
    """What this file makes in the cloud."""
    with making(lab, request.path) as things:
        yield things


@pytest.fixture(scope="module")
def vms(made: Made) -> tuple[VM, VM]:
    """Between whom packets flow."""
    client, server = (made.vm(name, wait=False) for name in ("client", "server"))
    for vm in (client, server):
        made.until_serving(vm)
    made.applied()
    return client, server


def resources(made: Made) -> Body:
    """All that the cloud has."""
    state = RestCloud(made.google.endpoint, made.google.project).state()
    return dict(state["resources"])


def until_back(made: Made) -> None:
    """Wait until the cloud answers."""
    until(
        lambda: resources(made),
        bool,
        what="the cloud answers again",
        timeout=BACK,
        interval=0.1,
        tolerant=True,
    )


def test_packets_flow_while_the_cloud_restarts(
    lab: Lab, made: Made, vms: tuple[VM, VM], record_property: Record
) -> None:
    """Nothing is lost by it, and the cloud has what it had; a rule written then is in the
    packets' way."""
    client, server = vms
    before = resources(made)
    with flow(client.place, Traffic(server.address, LINE)) as going:
        going.await_steady("a VM to another, before the cloud restarts")
        at = time.time()
        lab.run(["docker", "restart", "-t", "1", f"{lab.name}-cloud"])
        until_back(made)
        record_property("cloud back after (s)", round(time.time() - at, 1))
        made.applied()
        going.await_steady("a VM to another, after the cloud's restart")
        lost = loss(going.stop(), at)
    assert lost.survived, lost
    assert not lost.requests_lost, lost
    assert resources(made) == before
    name = made.own("deny")
    made.firewall(
        {
            "name": name,
            "priority": 10,
            "sourceRanges": [f"{client.address}/32"],
            "destinationRanges": [f"{server.address}/32"],
            "denied": [{"IPProtocol": "all"}],
        }
    )
    made.applied()
    assert str(http(client.place, f"http://{server.address}:{HTTP}/").outcome) == "TIMEOUT"
    made.delete("firewalls", "", name)
    made.applied()
    answer = http(client.place, f"http://{server.address}:{HTTP}/")
    expect(answer, who=server.name, saw=client.address)


@dataclass
class Attempt:
    """A write that was tried: the rule, the request's number, and its operation's name, "" where
    no answer came."""

    name: str
    said: Body
    number: str
    operation: str = ""


class Writer(threading.Thread):
    """Inserts rules one after the other, until the cloud does not answer."""

    def __init__(self, made: Made) -> None:
        super().__init__(daemon=True)
        self.made = made
        self.attempts: list[Attempt] = []
        # What marks a rule as this run's is known in this thread.
        self.rule = wanted(made)

    def run(self) -> None:
        """Each with a request's number of its own."""
        while True:
            name = self.made.own(f"rule-{len(self.attempts)}")
            attempt = Attempt(name, {**self.rule, "name": name}, str(uuid.uuid4()))
            self.attempts.append(attempt)
            try:
                attempt.operation = insert(self.made, attempt)
            except (GoogleAPICallError, requests.RequestException):
                return


def wanted(made: Made) -> Body:
    """A rule that is for nobody, with enough in it to be half-written."""
    return {
        "network": made.network,
        "description": made.description,
        "targetTags": [made.own("nobody")],
        "sourceRanges": [f"192.0.2.{number}/32" for number in range(50)],
        "allowed": [{"IPProtocol": "tcp", "ports": [str(n) for n in range(1000, 1020)]}],
    }


def insert(made: Made, attempt: Attempt) -> str:
    """Insert its rule; the operation's name."""
    request = compute_v1.InsertFirewallRequest(
        project=made.google.project,
        firewall_resource=message("Firewall", attempt.said),
        request_id=attempt.number,
    )
    operation: Any = made.google.firewalls.insert(request, retry=None, timeout=5)
    operation.result(timeout=5)
    return str(operation.name)


def test_the_cloud_killed_in_the_midst_of_writes(lab: Lab, made: Made, vms: tuple[VM, VM]) -> None:
    """Packets keep flowing. What was answered is there; what was not is there whole or not at
    all, and the same request (its requestId) says which: it answers the same operation, or does
    it now. No rule is there twice."""
    client, server = vms
    writer = Writer(made)
    with flow(client.place, Traffic(server.address, LINE)) as going:
        going.await_steady("a VM to another, before the cloud is killed")
        at = time.time()
        writer.start()
        until(
            lambda: sum(bool(a.operation) for a in list(writer.attempts)),
            lambda count: count >= ENOUGH,
            what="rules are being written",
            timeout=BACK,
            interval=0.02,
        )
        lab.run(["docker", "kill", f"{lab.name}-cloud"])
        writer.join(BACK)
        assert not writer.is_alive()
        lab.docker.start([f"{lab.name}-cloud"])
        until_back(made)
        going.await_steady("a VM to another, after the cloud was killed")
        lost = loss(going.stop(), at)
    assert lost.survived, lost
    assert not lost.requests_lost, lost
    there = {rule["name"]: rule for rule in resources(made)["firewalls"]}
    for attempt in writer.attempts:
        made.on_close(attempt.name, partial(made.delete, "firewalls", "", attempt.name))
        if attempt.operation:
            assert attempt.name in there, f"{attempt.name} was answered, and is not there"
        again = insert(made, attempt)
        if attempt.operation:
            assert again == attempt.operation
        rule = body(made.google.firewalls.get(project=made.google.project, firewall=attempt.name))
        for field in ("targetTags", "sourceRanges", "allowed", "description"):
            assert rule[field] == attempt.said[field], (
                f"{attempt.name} is half of what it should be"
            )
    after = [rule["name"] for rule in resources(made)["firewalls"]]
    assert len(after) == len(set(after))
    made.applied()


def problems(lab: Lab, cluster: Cluster) -> list[str]:
    """What the cluster's controllers say is wrong."""
    try:
        return list(told(lab, "controllers")["clusters"][cluster.name]["problems"])
    except (LabError, KeyError) as error:
        return [f"nothing is told ({error})"]


def test_routes_stay_while_kubernetes_is_away(
    lab: Lab, made: Made, cluster: Cluster, vms: tuple[VM, VM], namespace: Namespace
) -> None:
    """The controllers say that the API server does not answer; the nodes' alias ranges and their
    routes are what they were, and a VM reaches a pod all the while."""
    client, _ = vms
    pod = namespace.pod("server")

    def table() -> set[str]:
        return {str(way.destination) for way in ways(made.router.routes(), cluster.pod_range)}

    before = table()
    assert len(before) == len(cluster.nodes)
    until(lambda: problems(lab, cluster), lambda told: not told, what="all is well", timeout=BACK)
    node = cluster.control_plane.name
    with flow(client.place, Traffic(pod.ip, LINE)) as going:
        going.await_steady("a VM to a pod")
        at = time.time()
        lab.run(["docker", "pause", node])
        try:
            until(
                lambda: problems(lab, cluster),
                bool,
                what="the controllers say that the API server is away",
                timeout=NOTICED,
            )
            assert table() == before
            going.await_steady("a VM to a pod, without an API server")
        finally:
            lab.run(["docker", "unpause", node])
        lost = loss(going.stop(), at)
    assert lost.survived, lost
    until(
        lambda: problems(lab, cluster),
        lambda told: not told,
        what="the controllers are well again",
        timeout=NOTICED,
    )
    assert table() == before

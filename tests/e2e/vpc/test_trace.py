"""What `invoke trace` tells of a packet is what the packet did: an ordinary probe of the same pair
ends the same way, and what is named as its end is what the test put there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.cloud.router.decide import IMPLIED
from gkelab.containers import name_of, told
from gkelab.lab import Lab
from gkelab.shell import Result
from gkelab.topology import Cluster, Vm
from gkelab.trace.model import Trace
from gkelab.trace.run import traced
from gkelab.wait import until
from tests.support import changes
from tests.support.invoke import invoke
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Place, http, udp
from tests.support.running import description
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import DATAGRAM, Made

# A trace's endings, in the words of the ordinary probe's.
SAME = {
    "answered": (Outcome.OK,),
    "refused": (Outcome.REFUSED,),
    "timeout": (Outcome.TIMEOUT,),
    "unreachable": (Outcome.UNREACHABLE,),
}
HTTP, CLOSED = 8080, 8081


@dataclass(frozen=True)
class Scene:
    """Who there is: a client and servers of a pod network, a VM, and the internet's client."""

    lab: Lab
    space: Namespace
    vm: Vm
    here: Pod
    there: Pod
    alone: Pod

    def pod(self, pod: Pod) -> str:
        """A pod as trace takes it."""
        return f"{self.space.name}/{pod.name}"

    def place(self, name: str) -> Place:
        """Where the ordinary probe is made."""
        if name == "client":
            return ContainerPlace(self.lab.docker, name_of(self.lab, "client"))
        if "/" in name:
            return self.space.place(name.rpartition("/")[2])
        node = name in [node.name for node in self.lab.plan.nodes]
        return ContainerPlace(self.lab.docker, name if node else f"{self.lab.name}-vm-{name}")


@pytest.fixture(scope="module")
def scene(lab: Lab, shared: Namespace) -> Scene:
    """The scene, where the topology has a VM and two workers."""
    if not lab.plan.vms:
        pytest.skip("this topology has no VM")
    servers = shared.pods("app=server")
    if len({pod.node for pod in servers}) < 2:
        pytest.skip("this topology has one worker")
    return Scene(lab, shared, lab.plan.vms[0], servers[0], servers[1], shared.pod("alone"))


@contextmanager
def rule(lab: Lab, **said: Any) -> Iterator[str]:
    """Inside the block there is a firewall rule, and in the packets' way; its name."""
    place = recorded(lab.cloud_file)
    cloud = RestCloud(place.endpoint, place.project)
    name = f"t-trace-{secrets.token_hex(3)}"
    network = f"global/networks/{lab.plan.network}"

    def applied() -> None:
        until(
            lambda: (cloud.generation(), told(lab, "router").get("generation")),
            lambda seen: seen[1] is not None and seen[1] >= seen[0],
            what="the router has applied the rule",
            timeout=TIMEOUTS.datapath,
            tolerant=True,
        )

    about = {"name": name, "description": description(), "network": network, "priority": 5}
    cloud.insert("firewalls", "global", {**about, **said})
    try:
        applied()
        yield name
    finally:
        cloud.write("delete", "firewalls", "global", {"firewall": name})
        applied()


def both(
    scene: Scene, sender: str, receiver: str, address: str, port: int, *, protocol: str = "tcp"
) -> Trace:
    """A trace, and an ordinary probe that ends as it did; whoever answers is the same where only
    one may."""
    found = traced(scene.lab, sender, receiver, port, protocol)
    place = scene.place(sender)
    if protocol == "udp":
        answer = udp(place, address, port)
    else:
        answer = http(place, f"http://{address}:{port}/", timeout=TIMEOUTS.probe)
    assert answer.outcome in SAME[found.outcome], (found, answer)
    assert found.disagreements == (), found
    if found.outcome == "answered":
        assert found.delivered, found
        assert found.dropped is None, found
        assert found.answered_by == found.received_by, found
    return found


def passed(found: Trace) -> list[str]:
    """The kinds of the hops that were reached, in order."""
    return [hop.kind for hop in found.hops if hop.seen]


def test_between_pods_of_two_nodes(scene: Scene) -> None:
    """By both nodes and the router, whose rule is GKE's own for pods; each router takes one off
    the TTL."""
    sender, receiver = scene.pod(scene.here), scene.pod(scene.there)
    found = both(scene, sender, receiver, scene.there.ip, HTTP)
    assert (found.outcome, found.answered_by) == ("answered", receiver)
    assert passed(found) == ["pod", "node", "router", "node", "pod"]
    router = found.hops[2]
    assert router.decided is not None
    assert router.decided.receiver == scene.there.node
    assert router.decided.ingress_rule.endswith("-all")
    came, went = router.seen
    assert (came.source, went.source, came.ttl - went.ttl) == (scene.here.ip, scene.here.ip, 1)


def test_from_a_vm_to_a_pod_and_to_a_closed_port(scene: Scene) -> None:
    """A closed port is refused by the pod itself, which got the packet."""
    receiver = scene.pod(scene.there)
    found = both(scene, scene.vm.name, receiver, scene.there.ip, HTTP)
    assert passed(found) == ["vm", "router", "node", "pod"]
    assert found.answered_by == receiver
    found = both(scene, scene.vm.name, receiver, scene.there.ip, CLOSED)
    assert (found.outcome, found.answered_by) == ("refused", receiver)


def test_by_datagrams(scene: Scene) -> None:
    """A pod's server answers a VM, and where none listens the pod itself says so."""
    receiver = scene.pod(scene.there)
    found = both(scene, scene.vm.name, receiver, scene.there.ip, DATAGRAM, protocol="udp")
    assert passed(found) == ["vm", "router", "node", "pod"]
    assert found.answered_by == receiver
    found = both(scene, scene.vm.name, receiver, scene.there.ip, CLOSED, protocol="udp")
    assert (found.outcome, found.answered_by) == ("refused", receiver)


def test_from_a_node_to_a_pod_of_another(scene: Scene) -> None:
    """By the router, with the node's own address."""
    receiver = scene.pod(scene.there)
    found = both(scene, scene.here.node, receiver, scene.there.ip, HTTP)
    assert passed(found) == ["node", "router", "node", "pod"]
    assert found.answered_by == receiver
    own = {str(node.address) for node in scene.lab.plan.nodes if node.name == scene.here.node}
    assert {found.hops[1].seen[0].source} == own


def test_between_vms(scene: Scene, made: Made) -> None:
    """By the router, though they are of one subnet. A rule that denies it is named."""
    other = made.vm("other")
    address = str(scene.vm.address)
    found = both(scene, other.name, scene.vm.name, address, HTTP)
    assert passed(found) == ["vm", "router", "vm"]
    assert found.answered_by == scene.vm.name
    said = {"sourceRanges": [f"{other.address}/32"], "denied": [{"IPProtocol": "all"}]}
    with rule(scene.lab, **said) as name:
        found = both(scene, other.name, scene.vm.name, address, HTTP)
        assert found.dropped is not None
        assert found.dropped.what == f"ingress rule {name}"


def test_to_the_internet(scene: Scene, made: Made) -> None:
    """A VM with a public address reaches the client there, which sees that; one without ends at
    the router."""
    if scene.lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    public = made.vm("public", public=True)
    client = str(scene.lab.plan.internet.client)
    found = both(scene, public.name, "client", client, HTTP)
    assert passed(found) == ["vm", "router", "client"]
    assert found.hops[-1].seen[0].source == public.public
    found = both(scene, scene.vm.name, "client", client, HTTP)
    assert found.dropped is not None
    assert found.dropped.what.startswith("no public address")
    assert passed(found) == ["vm", "router"]


def test_an_implied_deny(scene: Scene) -> None:
    """The default network's rules have no pods' range: a pod does not reach the VM."""
    found = both(scene, scene.pod(scene.here), scene.vm.name, str(scene.vm.address), HTTP)
    assert passed(found) == ["pod", "node", "router"]
    assert found.dropped is not None
    assert (found.dropped.at, found.dropped.what) == (
        *(name_of(scene.lab, "router"), IMPLIED["INGRESS"]),
    )
    assert found.counters["implied_deny"] >= 1


@pytest.mark.parametrize("direction", ["INGRESS", "EGRESS"])
def test_a_rule_that_denies_is_named(scene: Scene, direction: str) -> None:
    """The rule is named; without it the same pair is answered."""
    receiver = scene.pod(scene.there)
    said: dict[str, Any] = {
        "direction": direction,
        "denied": [{"IPProtocol": "tcp"}],
        "destinationRanges": [f"{scene.there.ip}/32"],
    }
    if direction == "INGRESS":
        said["sourceRanges"] = [f"{scene.vm.address}/32"]
    with rule(scene.lab, **said) as name:
        found = both(scene, scene.vm.name, receiver, scene.there.ip, HTTP)
        assert found.dropped is not None
        assert found.dropped.what == f"{direction.lower()} rule {name}"
        assert found.answered_by == ""
    found = traced(scene.lab, scene.vm.name, receiver, HTTP)
    assert found.answered_by == receiver


def test_a_spoofed_source(scene: Scene, cluster: Cluster) -> None:
    """A node that sends with another node's pod's address: the check is named, and counted for
    the node. With its own it is answered. Of the nodes it is the one that no other test has send
    to the VM, or lets forward."""
    node, stolen = cluster.control_plane.name, scene.there.ip
    target = str(scene.vm.address)
    place = scene.place(node)
    way = [f"{target}/32", "via", str(cluster.subnet.gateway), "dev", "eth0", "src", stolen]
    with changes.address(place, f"{stolen}/32", "lo"), changes.route(place, *way):
        found = traced(scene.lab, node, scene.vm.name, HTTP)
    assert (found.outcome, found.disagreements) == ("timeout", ())
    assert found.dropped is not None
    assert found.dropped.what == "anti-spoofing"
    assert found.counters[f"spoofed by {node}"] >= 1
    found = both(scene, node, scene.vm.name, target, HTTP)
    assert found.answered_by == scene.vm.name


def test_nowhere(scene: Scene, cluster: Cluster) -> None:
    """An address of the pods' range that is no node's ends at the router."""
    nobody = str(cluster.pod_range[-2])
    found = both(scene, scene.vm.name, nobody, nobody, HTTP)
    assert found.dropped is not None
    assert found.dropped.what.startswith("no route")
    assert found.counters["nowhere"] >= 1


def test_a_cluster_ip(scene: Scene) -> None:
    """Whichever server it was, it is named, and the Service's address is gone behind the node."""
    address = scene.space.service_ip("inside")
    service = f"svc/{scene.space.name}/inside"
    found = both(scene, scene.pod(scene.here), service, address, 80)
    servers = {scene.pod(pod): pod.ip for pod in scene.space.pods("app=server")}
    assert found.answered_by in servers
    assert found.hops[0].seen[0].destination == address
    assert found.hops[-1].seen[-1].destination == servers[found.answered_by]


def test_a_load_balancer_from_the_internet(scene: Scene) -> None:
    """From the client by way of the router and a node to one of the servers."""
    if scene.lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    address = scene.space.address("outside")
    found = both(scene, "client", f"svc/{scene.space.name}/outside", address, 80)
    assert found.destination.address == address
    assert passed(found)[:3] == ["client", "router", "node"]
    assert found.answered_by in {scene.pod(pod) for pod in scene.space.pods("app=server")}


def test_what_is_not_public(scene: Scene) -> None:
    """The internet does not reach a pod's address. Its client itself knows no way there; where
    it is given one, the router ends it."""
    if scene.lab.plan.internet is None:
        pytest.skip("this topology declares no internet")
    receiver, gateway = scene.pod(scene.there), str(scene.lab.plan.internet.router)
    with changes.route(scene.place("client"), f"{scene.there.ip}/32", "via", gateway):
        found = both(scene, "client", receiver, scene.there.ip, HTTP)
    assert found.dropped is not None
    assert found.dropped.what == "not public"
    found = both(scene, "client", receiver, scene.there.ip, HTTP)
    assert (found.outcome, passed(found)) == ("unreachable", [])


def test_a_policy_of_cilium(scene: Scene) -> None:
    """Where the router let it through, Cilium is named, with its reason."""
    sender, receiver = scene.pod(scene.here), scene.pod(scene.alone)
    found = both(scene, sender, receiver, scene.alone.ip, HTTP)
    assert found.dropped is not None
    assert found.dropped.what.startswith("Cilium: POLICY_DENIED"), found
    assert found.dropped.at == scene.alone.node
    assert not found.delivered


def trace(*words: str) -> Result:
    """The command as a person types it."""
    return invoke("trace", *words, check=False)


def test_the_command(scene: Scene) -> None:
    """As text and as data; a name that is none is one sentence and a non-zero exit."""
    receiver = scene.pod(scene.there)
    said = trace(scene.vm.name, receiver, "--port", str(HTTP))
    assert (said.code, said.stderr) == (0, "")
    assert f"answered by {receiver}" in said.stdout
    data = json.loads(trace(scene.vm.name, receiver, "--protocol", "icmp", "--json").stdout)
    assert (data["outcome"], data["answered_by"], data["agrees"]) == ("answered", receiver, True)
    refused = trace(scene.vm.name, "nobody-has-this-name")
    assert refused.code == 1
    assert refused.stderr.startswith("gkelab: There is nothing named nobody-has-this-name")
    assert refused.stdout == ""

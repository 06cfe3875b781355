"""A machine sends only from its own addresses, unless canIpForward says that it forwards
(vpc/docs/using-routes, "Enable IP forwarding for instances"): what it sends with another's is
dropped at the router and counted, by who sent it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

import pytest
from google.api_core.exceptions import PreconditionFailed

from gkelab.lab import Lab
from gkelab.topology import Cluster
from tests.support.eventually import eventually
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.packets import Packet
from tests.support.probes import PodPlace, http
from tests.support.say import expect
from tests.support.spare import spare, spare_primary
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import done, message
from tests.support.vpc.made import DATAGRAM, HTTP, VM, Made
from tests.support.vpc.router import Router
from tests.support.vpc.spoof import Sender, send

PUBLIC = 3  # of the spare addresses
FREE = 0  # of the spare addresses of the primary range
WRITES = 5  # tries of a write that others get in front of


@pytest.fixture(scope="module")
def vm(made: Made) -> VM:
    """Who gets the packets: a VM that takes them from anywhere, so that no rule is in the way."""
    tag = made.own("receiver")
    made.firewall(
        {
            "name": made.own("all"),
            "targetTags": [tag],
            "sourceRanges": ["0.0.0.0/0"],
            "allowed": [{"IPProtocol": "all"}],
        }
    )
    receiver = made.vm("receiver", tags=[tag])
    made.applied()
    return receiver


@pytest.fixture(scope="module")
def sender(shared: Namespace) -> Pod:
    """A node, by a pod on its network."""
    return shared.pods("app=node")[0]


@pytest.fixture(scope="module")
def place(shared: Namespace, sender: Pod) -> PodPlace:
    """The node, as a place."""
    return shared.place(sender)


def others(lab: Lab, shared: Namespace, sender: Pod, vm: VM) -> dict[str, str]:
    """Addresses that are not the node's, by what they are."""
    cluster = shared.cluster
    podcidrs = {
        node["metadata"]["name"]: IPv4Network(node["spec"]["podCIDR"])
        for node in shared.kubectl.list("nodes")
    }
    pods = [pod for pod in shared.pods("app=pod") if pod.node != sender.node]
    found = {f"a pod of {pod.node}": pod.ip for pod in pods}
    (free, *_) = (network for name, network in podcidrs.items() if name != sender.node)
    found["an address of another node's that no pod has"] = str(free[-1])
    # The pod range is given to nodes from its beginning.
    found["a pod's address that is no node's"] = str(cluster.pod_range[-2])
    found["another node's own"] = str(
        next(n.address for n in cluster.nodes if n.name != sender.node)
    )
    found["a neighbour's, who is not there"] = str(spare_primary(cluster.subnet, FREE))
    found["a Service's"] = str(cluster.services_range[9])
    elsewhere = [subnet for subnet in lab.plan.subnets if subnet != cluster.subnet]
    if elsewhere:
        found["another subnet's"] = str(elsewhere[0].primary[9])
    found["a public one that is nobody's"] = str(spare(lab.plan, PUBLIC))
    if lab.plan.internet:
        found["one on the internet"] = str(lab.plan.internet.client)
    return {what: address for what, address in found.items() if address != vm.address}


@contextmanager
def forwarding(made: Made, name: str, zone: str) -> Iterator[None]:
    """Inside the block the instance may forward."""

    def write(value: bool) -> None:
        for attempt in range(WRITES):
            whole = {**made.instance(name, zone), "canIpForward": value}
            try:
                done(
                    made.google.instances.update(
                        **made.where(f"zones/{zone}"),
                        instance=name,
                        instance_resource=message("Instance", whole),
                    )
                )
            except PreconditionFailed:  # somebody else wrote in between: look again
                if attempt == WRITES - 1:
                    raise
            else:
                return

    try:
        write(True)
        made.applied()
        yield
    finally:
        write(False)
        made.applied()


def test_a_node_sends_from_its_own_addresses_alone(
    *, lab: Lab, shared: Namespace, router: Router, sender: Pod, place: PodPlace, vm: VM
) -> None:
    """What it sends as another is dropped and counted as its own; what it sends as itself
    arrives, by the same means."""
    sends = Sender(place, sender.ip, vm.place, vm.address, DATAGRAM)
    for what, address in others(lab, shared, sender, vm).items():
        before = router.status()
        got = sends.seen_as(address)
        assert not got, f"{sender.node} reached {vm.name} as {address} ({what}): {got}"
        assert router.until_dropped(sender.node, before) >= 1, what


def test_can_ip_forward_lets_it_through(
    *, lab: Lab, shared: Namespace, made: Made, sender: Pod, place: PodPlace, vm: VM
) -> None:
    """The counterfactual: with canIpForward the same packets arrive, with the source address
    that they were given; without it again they do not."""
    (node,) = (n for n in shared.cluster.nodes if n.name == sender.node)
    sends = Sender(place, sender.ip, vm.place, vm.address, DATAGRAM)
    addresses = others(lab, shared, sender, vm)
    with forwarding(made, node.name, node.zone):
        for what, address in addresses.items():
            got = sends.seen_as(address)
            assert sources(got) == {address}, f"as {what}: {got}"
    for what, address in addresses.items():
        assert not sends.seen_as(address), f"{what} still gets through"


def sources(packets: list[Packet]) -> set[str]:
    """Whom packets come from."""
    return {packet.source for packet in packets}


def test_a_vm_sends_from_its_own_addresses_alone(
    made: Made, router: Router, vm: VM, shared: Namespace
) -> None:
    """A VM has its primary address and its alias ranges; its neighbour's, and a pod's, are not
    its own until canIpForward says that it may send them."""
    sender = made.vm("sender", aliases=[{"ipCidrRange": "/32"}])
    made.applied()
    sends = Sender(sender.place, sender.address, vm.place, vm.address, DATAGRAM)
    for source in (sender.address, *sender.aliases):
        assert sends.seen_as(source), f"{sender.name} does not reach {vm.name} as {source}"
    foreign = (shared.pods("app=pod")[0].ip, str(shared.cluster.workers[0].address))
    for source in foreign:
        before = router.status()
        assert not sends.seen_as(source), f"{sender.name} reached {vm.name} as {source}"
        router.until_dropped(sender.name, before)
    with forwarding(made, sender.name, sender.zone):
        for source in foreign:
            assert sources(sends.seen_as(source)) == {source}
    assert not sends.seen_as(foreign[0])


def test_what_is_no_instances_goes_nowhere(
    *, made: Made, router: Router, cluster: Cluster, shared: Namespace, sender: Pod, vm: VM
) -> None:
    """Addresses of the subnet and of the pod range that nobody has: packets to them are dropped
    at the router and counted. The counterfactual: one of them given to a VM as an alias range,
    by the API, answers."""
    place = shared.place(sender)
    free = str(spare_primary(cluster.subnet, FREE))
    nowhere = {"subnet": free, "pod range": str(cluster.pod_range[-2])}
    for what, address in nowhere.items():
        before = router.status()
        send(vm.place, [vm.address], address, DATAGRAM)
        router.until_dropped("nowhere", before)
        answer = http(place, f"http://{address}:{HTTP}/", timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=sender.node, to=f"{address} ({what})")
    tag = made.own("receiver")
    taker = made.vm("taker", tags=[tag], aliases=[{"ipCidrRange": f"{free}/32"}])
    made.applied()
    eventually(
        lambda: http(place, f"http://{free}:{HTTP}/"),
        who=taker.name,
        saw=sender.ip,
        what=f"{free} is {taker.name}'s now",
    )

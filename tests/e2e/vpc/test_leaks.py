"""What is made up never leaves the machine, also where the routes that hold it are taken away: the
uplink is watched while the router, a VM and the client on the internet send to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network

import pytest

from gkelab.lab import Lab
from tests.support import changes
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace, Probe, probe_many
from tests.support.sniffer import sniff
from tests.support.timeouts import TIMEOUTS
from tests.support.uplink import knock, nobody, of_ranges, uplink_of
from tests.support.vpc.made import VM, Made
from tests.support.vpc.router import Router


@pytest.fixture(scope="module")
def uplink(lab: Lab) -> str:
    """The interface of the host's default route."""
    return uplink_of(lab)


@pytest.fixture(scope="module")
def vm(made: Made) -> VM:
    """A VM of the test's own."""
    machine = made.vm("vm", public=True)
    made.applied()
    return machine


@pytest.fixture(scope="module")
def made_up(lab: Lab) -> tuple[IPv4Network, ...]:
    """Everything that must not leave: also the subnets' own ranges."""
    return (*lab.plan.made_up_ranges(), *(subnet.primary for subnet in lab.plan.subnets))


def bridge_of(lab: Lab, network: str) -> str:
    """The host's bridge that is a docker network."""
    return next(n.bridge for n in lab.docker.networks() if n.name == network)


@contextmanager
def way_out(
    place: ContainerPlace, host: IPv4Address, ranges: tuple[IPv4Network, ...]
) -> Iterator[None]:
    """Inside the block the place sends what is knocked at in these ranges to the host itself, past
    the router and past its own unreachable routes. The ranges' other addresses are used by tests
    that run beside this one."""
    with ExitStack() as undo:
        for network in ranges:
            words = [f"{nobody(network)}/32", "via", str(host), "dev", "eth0", "onlink"]
            undo.enter_context(changes.route(place, *words))
        yield


def test_nothing_leaves(
    *,
    lab: Lab,
    uplink: str,
    vm: VM,
    internet: ContainerPlace,
    router: Router,
    made_up: tuple[IPv4Network, ...],
    namespace: Namespace,
) -> None:
    """As all is: what VMs, the client, the router, a pod and a node send to made-up ranges is held
    before it gets to the uplink."""
    node = ContainerPlace(lab.docker, lab.plan.clusters[0].workers[0].name)
    with sniff(uplink) as packets:
        for place in (vm.place, internet, router.place, namespace.place("client"), node):
            knock(place, made_up)
    leaked = of_ranges(packets, made_up)
    assert not leaked, f"{len(leaked)} packets left by {uplink}: {leaked[:3]}"


def test_the_host_holds_what_a_vm_sends_past_the_router(
    lab: Lab, uplink: str, vm: VM, made_up: tuple[IPv4Network, ...]
) -> None:
    """The counterfactual: a VM whose routes lead to the host is seen on the subnet's bridge, so
    the watcher would see a leak, and still nothing is on the uplink."""
    subnet = lab.plan.clusters[0].subnet
    ranges = tuple(n for n in made_up if not n.overlaps(subnet.primary))
    with (
        way_out(vm.place, subnet.bridge_address, ranges),
        sniff(bridge_of(lab, subnet.docker_network)) as seen,
        sniff(uplink) as left,
    ):
        knock(vm.place, ranges)
    sent = [packet for packet in of_ranges(seen, ranges) if packet.source == vm.address]
    assert sent, "the watcher saw nothing on the bridge: it could see no leak"
    assert not of_ranges(left, ranges)


def test_the_host_holds_what_the_client_sends_past_the_router(
    lab: Lab, uplink: str, internet: ContainerPlace, made_up: tuple[IPv4Network, ...]
) -> None:
    """The same for the client on the internet."""
    assert lab.plan.internet is not None
    ranges = tuple(n for n in made_up if not n.overlaps(lab.plan.internet.range))
    with (
        way_out(internet, lab.plan.internet.bridge_address, ranges),
        sniff(bridge_of(lab, lab.plan.internet.docker_network)) as seen,
        sniff(uplink) as left,
    ):
        knock(internet, ranges)
    me = str(lab.plan.internet.client)
    assert [packet for packet in of_ranges(seen, ranges) if packet.source == me]
    assert not of_ranges(left, ranges)


def test_the_client_reaches_nothing_inside(
    lab: Lab, vm: VM, internet: ContainerPlace, router: Router
) -> None:
    """What it sends to the VM's own address goes to the router, if its unreachable routes do not
    hold it, and ends there, counted."""
    assert lab.plan.internet is not None
    before = router.status()
    words = [f"{vm.address}/32", "via", str(lab.plan.internet.router), "dev", "eth0"]
    with changes.route(internet, *words):
        (answer,) = probe_many(internet, [Probe("http", vm.address, 8080, timeout=TIMEOUTS.short)])
    assert str(answer.outcome) == "TIMEOUT", answer
    router.until_dropped("not_public", before)

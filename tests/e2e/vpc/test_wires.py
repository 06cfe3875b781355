"""What machines and the router send each other goes from port to port, and not over the host's
bridge, whose iptables it would meet there."""

from __future__ import annotations

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.capture import capture
from tests.support.places import HostPlace
from tests.support.probes import http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import HTTP, VM, Made, machines_of
from tests.support.vpc.router import Router


@pytest.fixture(scope="module")
def vms(made: Made) -> tuple[VM, VM]:
    """Who asks, and who answers."""
    one, other = (made.vm(name, wait=False) for name in ("one", "other"))
    for vm in (one, other):
        made.until_serving(vm)
    made.applied()
    return one, other


@pytest.fixture(scope="module")
def wired(lab: Lab, vms: tuple[VM, VM]) -> dict[str, str]:
    """The router's ports by the containers of machines that have a wire to them."""
    wanted = {vm.place.name for vm in vms}
    told = until(
        lambda: machines_of(lab),
        lambda told: bool(told["bridged"]) or wanted <= told["wired"].keys(),
        what="the VMs have wires",
        timeout=TIMEOUTS.machine,
        tolerant=True,
    )
    if told["bridged"]:
        pytest.skip(f"this host has no wires: {told['bridged'][0]}")
    return dict(told["wired"])


@pytest.fixture(scope="module")
def bridge(cluster: Cluster, lab: Lab) -> str:
    """The host's bridge that is the subnet of the VMs."""
    name = cluster.subnet.docker_network
    (found,) = (network.bridge for network in lab.docker.networks() if network.name == name)
    return found


def test_every_machine_has_a_wire(lab: Lab, wired: dict[str, str], vms: tuple[VM, VM]) -> None:
    """Nodes, the topology's VMs and those that came later."""
    containers = {node.name for node in lab.plan.nodes} | {vm.place.name for vm in vms}
    containers |= {f"{lab.name}-vm-{vm.name}" for vm in lab.plan.vms}
    assert containers - set(wired) == set()


def test_packets_do_not_cross_the_bridge(
    *,
    lab: Lab,
    cluster: Cluster,
    router: Router,
    wired: dict[str, str],
    vms: tuple[VM, VM],
    bridge: str,
) -> None:
    """The router sees a request of one VM to another come and go, and the bridge does not. The
    counterfactual: what the host itself sends, which has no wire, is seen there."""
    one, other = vms
    words = f"tcp port {HTTP} and host {other.address}"
    host, port = HostPlace(lab.run), router.status().interfaces[cluster.subnet.name]
    assert port
    assert {wired[vm.place.name] for vm in vms} == {wired[cluster.workers[0].name]}
    with (
        capture(router.place, interface=port, filter=words) as led,
        capture(host, interface=bridge, filter=words) as crossed,
    ):
        answer = http(one.place, f"http://{other.address}:{HTTP}/")
    expect(answer, who=other.name, saw=one.address)
    assert {(p.source, p.destination) for p in led} >= {(one.address, other.address)}
    assert crossed == []
    with capture(host, interface=bridge, filter=words, until_seen=bool) as crossed:
        http(host, f"http://{other.address}:{HTTP}/", timeout=TIMEOUTS.short)
    assert other.address in {packet.destination for packet in crossed}

"""Several Services behind one address, said as on GKE: each asks for it by spec.loadBalancerIP
(GKE: how-to/internal-load-balancing, shared IP)."""

from __future__ import annotations

from functools import partial

import pytest

from gkelab.topology import Cluster, Vm
from tests.support.balancers import INTERNAL, balancer, refusal
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer
from tests.support.probes import ContainerPlace, Probe, http, probe_many

KEY = "metallb.io/allow-shared-ip"

# Of the pools, from their tops: MetalLB gives the lowest free one. The internal pool is the
# larger; its very last address is one that MetalLB avoids.
EXTERNAL_SHARED = -1
SHARED, RIVALS, OLD, NEW = -2, -3, -4, -5


@pytest.fixture(scope="module")
def sources(cluster: Cluster, vm: Vm, outside: str) -> dict[bool, set[str]]:
    """Whom the pod may see, by whether a Service is internal: who asks, or the node that leads to
    the pod's."""
    nodes = {str(node.address) for node in cluster.nodes}
    return {False: {outside, *nodes}, True: {str(vm.address), *nodes}}


@pytest.mark.parametrize("internal", [False, True], ids=["external", "internal"])
def test_ports_of_one_address(
    *,
    shared: Namespace,
    cluster: Cluster,
    client: ContainerPlace,
    machine: ContainerPlace,
    sources: dict[bool, set[str]],
    internal: bool,
) -> None:
    """HTTP, lines and datagrams, the last on the same port number as the first, by three Services
    with one address; the pod behind them answers to each, and sees who asks or, where another
    node leads to it, that node."""
    address = str(
        cluster.internal_pool[SHARED] if internal else cluster.external_pool[EXTERNAL_SHARED]
    )
    kind, annotations = ("internal", INTERNAL) if internal else ("external", {})
    ports = {"http": (80, "TCP", 8080), "tcp": (9000, "TCP", 9000), "udp": (80, "UDP", 9001)}
    shared.apply(
        [
            balancer(
                f"{kind}-{name}",
                port,
                protocol=protocol,
                target=target,
                annotations=annotations,
                loadBalancerIP=address,
            )
            for name, (port, protocol, target) in ports.items()
        ]
    )
    assert {shared.address(f"{kind}-{name}") for name in ports} == {address}

    def ask(probe: Probe) -> Answer:
        return probe_many(machine if internal else client, [probe])[0]

    for probe in (
        Probe("http", address, 80),
        Probe("tcp", address, 9000),
        Probe("udp", address, 80),
    ):
        what = f"{probe.kind} at {address}:{probe.port}"
        eventually(partial(ask, probe), who="server", saw=sources[internal], what=what)


def test_a_port_is_given_once(
    shared: Namespace, cluster: Cluster, machine: ContainerPlace, sources: dict[bool, set[str]]
) -> None:
    """The counterfactual: a second Service with the same port of the same address gets no address
    and an event says why, until the first one is gone."""
    address = str(cluster.internal_pool[RIVALS])
    shared.apply([balancer("first", annotations=INTERNAL, loadBalancerIP=address)])
    assert shared.address("first") == address
    shared.apply([balancer("second", annotations=INTERNAL, loadBalancerIP=address)])
    assert "port TCP/80 is already in use" in refusal(shared, "second")
    shared.remove("service", "first")
    assert shared.address("second") == address
    eventually(
        lambda: http(machine, f"http://{address}/"),
        who="server",
        saw=sources[True],
        what=f"{address} answers",
    )


def test_an_address_that_nobody_asked_for_is_not_shared(shared: Namespace) -> None:
    """The counterfactual: an address that MetalLB chose is its Service's alone, as an ephemeral
    one of GKE's is."""
    shared.apply([balancer("owner", annotations=INTERNAL)])
    address = shared.address("owner")
    guest = balancer("guest", 9000, annotations=INTERNAL, loadBalancerIP=address)
    shared.apply([guest])
    assert "address also in use by" in refusal(shared, "guest")


def test_a_key_follows_its_address(shared: Namespace, cluster: Cluster) -> None:
    """What GKE's words are translated to is corrected when they change, and left alone where it
    is a person's own."""
    old, new = (str(cluster.internal_pool[index]) for index in (OLD, NEW))
    shared.apply(
        [
            balancer("moves", annotations=INTERNAL, loadBalancerIP=old),
            balancer("own", annotations={**INTERNAL, KEY: "mine"}, loadBalancerIP=old),
        ]
    )
    assert key(shared, "moves") == f"gke/{old}"
    assert key(shared, "own") == "mine"
    shared.patch("service", "moves", {"spec": {"loadBalancerIP": new}})
    assert key(shared, "moves") == f"gke/{new}"
    shared.patch("service", "moves", {"spec": {"loadBalancerIP": None}})
    assert key(shared, "moves") == ""


def key(shared: Namespace, service: str) -> str:
    """MetalLB's sharing key of a Service."""
    return str(shared.service(service)["metadata"]["annotations"].get(KEY, ""))

"""Which of a Service's servers a pod gets: its node's, its zone's, the one it had before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gkelab.topology import Cluster, Node
from gkelab.wait import until
from tests.support.endpointslices import endpoints
from tests.support.eventually import eventually_from, names
from tests.support.namespace import READY, Namespace, Pod
from tests.support.netpol import Deviation
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import http_many
from tests.support.stats import requests_needed
from tests.support.timeouts import TIMEOUTS

MANY = requests_needed(1 / 2)
SAME_ZONE = "https://github.com/cilium/cilium/pull/44771"
_RECONCILER = "pkg/loadbalancer/reconciler/bpf_reconciler.go"
STILL_MATCHED = f"https://github.com/cilium/cilium/blob/v1.19.6/{_RECONCILER}#L898-L908"
REFUSED = {str(Outcome.REFUSED)}


def asks(shared: Namespace, client: Pod, service: str) -> Callable[[], list[Answer]]:
    """Many requests to a Service from one of the clients."""
    url, place = f"http://{shared.service_ip(service)}/", shared.place(client)
    return lambda: http_many(place, url, MANY, timeout=TIMEOUTS.short)


def served_by(
    shared: Namespace, client: Pod, service: str, servers: set[str], *, what: str
) -> None:
    """Wait until just these serve a client at a Service, and see the client's own address."""
    eventually_from(asks(shared, client, service), servers, saw=client.ip, what=what)


def by_node(shared: Namespace, app: str) -> dict[str, Pod]:
    """The pods of a DaemonSet by their node."""
    return {pod.node: pod for pod in shared.pods(f"app={app}")}


def all_servers(shared: Namespace) -> set[str]:
    """The servers' names."""
    return {pod.name for pod in shared.pods("app=server")}


def test_internal_traffic_policy(shared: Namespace, two_workers: tuple[Node, Node]) -> None:
    """Local: a pod gets its own node's server; Cluster: it gets all."""
    servers, clients = by_node(shared, "server"), by_node(shared, "client")
    for node in two_workers:
        only = {servers[node.name].name}
        served_by(shared, clients[node.name], "local", only, what=f"{node.name} serves itself")
    shared.patch("service", "local", {"spec": {"internalTrafficPolicy": "Cluster"}})
    for node in two_workers:
        every = all_servers(shared)
        served_by(shared, clients[node.name], "local", every, what=f"{node.name} is served by all")


def test_internal_traffic_policy_without_a_server(
    shared: Namespace, two_workers: tuple[Node, Node]
) -> None:
    """Local, and the only server on another node: nobody answers, until it is Cluster."""
    here, there = two_workers
    servers, clients = by_node(shared, "server"), by_node(shared, "client")
    shared.label(f"pod/{servers[here.name].name}", side="one")
    only = {servers[here.name].name}
    served_by(shared, clients[here.name], "one-sided", only, what="served here")
    eventually_from(asks(shared, clients[there.name], "one-sided"), REFUSED, what="not there")
    shared.patch("service", "one-sided", {"spec": {"internalTrafficPolicy": "Cluster"}})
    served_by(shared, clients[there.name], "one-sided", only, what="served there")


def hinted(shared: Namespace, service: str) -> None:
    """Wait until Kubernetes has given each of a Service's endpoints to its own zone."""
    until(
        lambda: endpoints(shared.slices(service)),
        lambda seen: bool(seen) and all(each.zones == (each.zone,) for each in seen),
        what=f"the endpoints of {service} are for their own zones",
        timeout=TIMEOUTS.datapath,
    )


def test_prefer_close(shared: Namespace, cluster: Cluster, two_workers: tuple[Node, Node]) -> None:
    """A pod gets the servers of its own zone; without trafficDistribution it gets all."""
    assert len({node.zone for node in two_workers}) == 2
    zones = {node.name: node.zone for node in cluster.workers}
    hinted(shared, "close")
    for client in shared.pods("app=client"):
        same = {s.name for s in shared.pods("app=server") if zones[s.node] == zones[client.node]}
        served_by(shared, client, "close", same, what=f"the zone of {client.node}")
    shared.patch("service", "close", {"spec": {"trafficDistribution": None}})
    for client in shared.pods("app=client"):
        served_by(shared, client, "close", all_servers(shared), what="any zone")


def test_prefer_close_falls_back(shared: Namespace, two_workers: tuple[Node, Node]) -> None:
    """A zone without a server gets another zone's; with one of its own, just that."""
    here, there = two_workers
    servers, clients = by_node(shared, "server"), by_node(shared, "client")
    far = clients[there.name]
    shared.label(f"pod/{servers[here.name].name}", zone="one")
    hinted(shared, "close-one-sided")
    other = {servers[here.name].name}
    served_by(shared, far, "close-one-sided", other, what="a zone without a server")
    shared.label(f"pod/{servers[there.name].name}", zone="one")
    own = {servers[there.name].name}
    served_by(shared, far, "close-one-sided", own, what="a zone that has got one")


@pytest.mark.xfail(strict=True, raises=Deviation, reason=SAME_ZONE)
def test_prefer_same_zone(shared: Namespace, two_workers: tuple[Node, Node]) -> None:
    """PreferSameZone is Kubernetes' new name for PreferClose; this Cilium does not know it and
    spreads over all zones."""
    hinted(shared, "close-by-its-new-name")
    client = by_node(shared, "client")[two_workers[0].name]
    every = all_servers(shared)
    served_by(shared, client, "close-by-its-new-name", every, what="as if it were not set")
    raise Deviation(f"{client.name} in {two_workers[0].zone} is served by {every}")


def sticks(ask: Callable[[], list[Answer]], among: set[str]) -> str:
    """Who alone of these answers, three times in a row."""
    seen: list[set[str]] = []

    def last_three() -> list[set[str]]:
        seen.append(names(ask()))
        return seen[-3:]

    found = until(
        last_three,
        lambda three: (
            len(three) == 3
            and all(one == three[0] for one in three)
            and len(three[0]) == 1
            and three[0] <= among
        ),
        what=f"one of {', '.join(sorted(among))} answers alone",
        timeout=TIMEOUTS.datapath,
        interval=0.1,
    )
    (name,) = found[0]
    return name


def test_session_affinity(shared: Namespace, two_workers: tuple[Node, Node]) -> None:
    """ClientIP: each client keeps its server; None: each gets all."""
    clients = shared.pods("app=client")
    for client in clients:
        sticks(asks(shared, client, "sticky"), all_servers(shared))
    loose = {"spec": {"sessionAffinity": "None", "sessionAffinityConfig": None}}
    shared.patch("service", "sticky", loose)
    for client in clients:
        served_by(shared, client, "sticky", all_servers(shared), what="no affinity")


def sticky_pair(shared: Namespace, workers: tuple[Node, Node]) -> set[str]:
    """Two servers, a node each, alone behind the Service sticky-leaving; their names."""
    servers = {by_node(shared, "server")[node.name].name for node in workers}
    for name in servers:
        shared.label(f"pod/{name}", stays="yes")
    both_there(shared, servers)
    return servers


@pytest.mark.xfail(strict=True, raises=Deviation, reason=STILL_MATCHED)
def test_affinity_when_the_server_leaves(shared: Namespace, two_workers: tuple[Node, Node]) -> None:
    """A server that leaves the Service, and no other, keeps its client: the entry that says it is
    the Service's goes only with the last Service that the server has."""
    servers = sticky_pair(shared, two_workers)
    ask = asks(shared, shared.pods("app=client")[0], "sticky-leaving")
    first = sticks(ask, servers)
    shared.label(f"pod/{first}", stays=None)
    both_there(shared, servers - {first})
    assert sticks(ask, servers) == first
    raise Deviation(f"{first} answers for a Service that it is not behind any more")


def test_affinity_when_the_server_is_gone(
    shared: Namespace, two_workers: tuple[Node, Node]
) -> None:
    """The client gets the other server."""
    servers = sticky_pair(shared, two_workers)
    client = shared.pods("app=client")[1]
    first = sticks(asks(shared, client, "sticky-leaving"), servers)
    shared.remove("pod", first)
    served_by(shared, client, "sticky-leaving", servers - {first}, what=f"{first} is gone")
    # Other tests of this file count on a server on every node, in whatever order they run.
    until(
        lambda: by_node(shared, "server"),
        lambda found: {node.name for node in two_workers} <= found.keys(),
        what=f"another is in the place of {first}",
        timeout=READY,
    )
    shared.wait_ready()


def both_there(shared: Namespace, servers: set[str]) -> None:
    """Wait until these are the Service's endpoints."""
    until(
        lambda: {each.pod for each in endpoints(shared.slices("sticky-leaving")) if each.ready},
        lambda pods: pods == servers,
        what=f"{', '.join(sorted(servers))} are the endpoints",
        timeout=TIMEOUTS.datapath,
    )

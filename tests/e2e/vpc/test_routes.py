"""The network itself knows the pods' ranges: nodes send everything to the router, and it has a
route for each alias range. Machines of one subnet meet there, too."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

import pytest

from gkelab.ipam import mac_address
from gkelab.lab import Lab
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support import changes
from tests.support.capture import capture
from tests.support.eventually import eventually
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.parse import routes
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect
from tests.support.spare import spare_primary
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.google import body, done, message
from tests.support.vpc.made import HTTP, VM, Made
from tests.support.vpc.paths import (
    alias_ways,
    direct,
    exceeded,
    hops,
    one_way,
    redirects,
)
from tests.support.vpc.router import Router, ways

ALIAS = 2  # of the spare addresses of the primary range
ROUTES = ["ip", "-json", "-4", "route", "show"]


@pytest.fixture(scope="module")
def client(shared: Namespace) -> Pod:
    """The pod that asks."""
    return shared.pods("app=server")[0]


@pytest.fixture(scope="module")
def server(shared: Namespace, client: Pod) -> Pod:
    """A pod of another node."""
    for pod in shared.pods("app=server"):
        if pod.node != client.node:
            return pod
    pytest.skip("this topology has one worker; pods of different nodes need two")


@pytest.fixture(scope="module")
def vms(made: Made) -> tuple[VM, VM]:
    """Two machines of one subnet, that the lab's own rules let reach each other."""
    first, second = (made.vm(name, wait=False) for name in ("first", "second"))
    for vm in (first, second):
        made.until_serving(vm)
    made.applied()
    return first, second


def on_node(lab: Lab, pod: Pod) -> ContainerPlace:
    """The node of a pod."""
    return ContainerPlace(lab.docker, pod.node)


def test_no_node_knows_a_direct_way(lab: Lab, cluster: Cluster) -> None:
    """Neither to the subnet's neighbours nor to their pods: all of the VPC's ranges are reached
    by the router's address."""
    gateway = cluster.subnet.gateway
    for node in cluster.nodes:
        found = routes(lab.docker.exec(node.name, ROUTES).stdout)
        for network in (cluster.subnet.primary, cluster.pod_range):
            assert not direct(found, network, gateway, cluster.subnet.bridge_address), node.name
        for other in cluster.nodes:
            if other != node:
                asked = ["ip", "-json", "route", "get", str(other.address)]
                (way,) = routes(lab.docker.exec(node.name, asked).stdout)
                assert way.gateways == (str(gateway),), f"{node.name} to {other.name}: {way}"


def test_a_direct_way_leads_nowhere(lab: Lab, shared: Namespace, client: Pod, server: Pod) -> None:
    """The counterfactual: a node that has one to a pod of another node (the test above would see
    it) does not reach it, as the subnet's machines are apart. Without it, the pod answers."""
    node, place = on_node(lab, client), shared.place(client)
    (other,) = (n for n in shared.cluster.nodes if n.name == server.node)
    url = f"http://{server.ip}:8080/"
    expect(http(place, url), who=server.name, saw=client.ip)
    words = [f"{server.ip}/32", "via", str(other.address), "dev", "eth0", "onlink"]
    with changes.route(node, *words):
        found = routes(node.exec(ROUTES).stdout)
        subnet = shared.cluster.subnet
        assert direct(found, shared.cluster.pod_range, subnet.gateway, subnet.bridge_address)
        answer = http(place, url, timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=client.name, to=f"{server.name}, directly")
    eventually(lambda: http(place, url), who=server.name, saw=client.ip, what="the way is back")


def test_pods_of_two_nodes_meet_at_the_router(
    lab: Lab, shared: Namespace, router: Router, client: Pod, server: Pod
) -> None:
    """Between two nodes a packet loses one of its time to live: it left for the router's MAC
    address and came from it, with the pods' own addresses, and nobody was told of a better way."""
    gateway = shared.cluster.subnet.gateway
    mac = router.interface(gateway).mac
    words = f"host {server.ip} or icmp"
    with (
        capture(on_node(lab, client), filter=words) as left,
        capture(on_node(lab, server), filter=words) as arrived,
    ):
        for _ in range(3):
            answer = http(shared.place(client), f"http://{server.ip}:8080/")
            expect(answer, who=server.name, saw=client.ip, from_=client.name)
    for source, at_first, at_last in (
        (client.ip, left, arrived),
        (server.ip, arrived, left),
    ):
        other = server.ip if source == client.ip else client.ip
        there, here = one_way(at_first, source, other), one_way(at_last, source, other)
        assert hops(there, here) == 1, f"{there} and {here}"
        assert {packet.destination_mac for packet in there} == {mac}
        assert {packet.source_mac for packet in here} == {mac}
    assert not redirects([*left, *arrived])


def test_the_router_redirects_nobody(cluster: Cluster, router: Router) -> None:
    """Though sender and receiver are on one link. The kernel takes the more generous of all's
    and the interface's setting. An interface that another test's subnet takes away meanwhile
    is not there to be read."""
    said = router.place.exec(
        ["sh", "-c", "grep -s . /proc/sys/net/ipv4/conf/*/send_redirects"]
    ).stdout
    settings = {
        path.split("/")[-2]: value
        for path, _, value in (line.partition(":") for line in said.splitlines())
    }
    assert {"all", router.interface(cluster.subnet.gateway).name} <= settings.keys(), said
    for quiet in ("lo", "default"):  # no packet comes in by these
        settings.pop(quiet, None)
    assert settings == dict.fromkeys(settings, "0")


def test_neighbours_of_a_subnet_meet_at_the_router(
    cluster: Cluster, router: Router, vms: tuple[VM, VM]
) -> None:
    """A VM reaches the other with its own address, one hop away; a packet that may make no hop
    is told so by the router. What a capture sees of ICMP it would see of a redirect."""
    first, second = vms
    gateway = cluster.subnet.gateway
    mac = router.interface(gateway).mac
    words = f"host {second.address} or icmp"
    with capture(first.place, filter=words) as left, capture(second.place, filter=words) as came:
        answer = http(first.place, f"http://{second.address}:{HTTP}/")
        expect(answer, who=second.name, saw=first.address)
        short = ["ping", "-n", "-c", "1", "-W", "2", "-t", "1", second.address]
        first.place.exec(short, timeout=TIMEOUTS.exec_grace)
    own = mac_address(IPv4Address(first.address))
    # While the bridge does not know where a machine is, every port gets what the router sends it.
    there = [
        p
        for p in one_way(left, first.address, second.address)
        if p.protocol == "TCP" and p.source_mac == own
    ]
    here = [p for p in one_way(came, first.address, second.address) if p.protocol == "TCP"]
    assert hops(there, here) == 1
    assert {packet.destination_mac for packet in there} == {mac}
    assert {packet.source_mac for packet in here} == {mac}
    assert exceeded(left) == {str(gateway)}
    assert not redirects([*left, *came])


def test_neighbours_do_not_meet_on_the_link(vms: tuple[VM, VM]) -> None:
    """The counterfactual: with a route to the other over the link itself nobody answers, since
    the bridge lets the subnet's machines reach the router alone; without it the other does."""
    first, second = vms
    url = f"http://{second.address}:{HTTP}/"
    with changes.route(first.place, f"{second.address}/32", "dev", "eth0", "scope", "link"):
        # Sooner than the kernel gives up to ask who has the address.
        answer = http(first.place, url, timeout=TIMEOUTS.short)
        expect(answer, outcome=Outcome.TIMEOUT, from_=first.name, to=f"{second.name}, on the link")
    eventually(
        lambda: http(first.place, url),
        who=second.name,
        saw=first.address,
        what="the way by the router is back",
    )


def test_the_router_has_one_route_for_each_alias_range(
    lab: Lab, made: Made, router: Router, cluster: Cluster
) -> None:
    """By way of the instance that has it, and none into a pod range beside these. Other tests'
    VMs come and go: what does not fit is looked at again."""
    secondary = [n for subnet in lab.plan.subnets for n in subnet.secondary_ranges.values()]

    def look() -> tuple[dict[str, str], dict[str, str]]:
        listed = made.google.instances.aggregated_list(project=made.google.project)
        instances = [body(one) for _, scoped in listed for one in scoped.instances]
        wanted = {str(n): via for n, via in alias_ways(instances).items()}
        table = router.routes()
        inside = {way for network in secondary for way in ways(table, network)}
        known = {
            str(way.destination): ",".join(way.gateways)
            for way in table
            if way in inside or (way.type == "unicast" and str(way.destination) in wanted)
        }
        return wanted, known

    wanted, _ = until(
        look,
        lambda seen: seen[0] == seen[1],
        what="the router has the instances' alias ranges, and no others",
        timeout=TIMEOUTS.datapath,
        interval=0.5,
    )
    for node in cluster.nodes:
        assert str(node.address) in wanted.values(), f"{node.name} has no alias range"


def test_a_route_comes_and_goes_with_its_alias_range(
    cluster: Cluster, made: Made, router: Router, vms: tuple[VM, VM]
) -> None:
    """By the API alone: an alias range given to a VM is routed and served, one that is taken
    away is neither."""
    first, second = vms
    zone = made.where(f"zones/{second.zone}")

    def set_aliases(aliases: list[dict[str, str]]) -> VM:
        nic = made.instance(second.name, second.zone)["networkInterfaces"][0]
        resource = {"aliasIpRanges": aliases, "fingerprint": nic["fingerprint"]}
        done(
            made.google.instances.update_network_interface(
                **zone,
                instance=second.name,
                network_interface=second.nic,
                network_interface_resource=message("NetworkInterface", resource),
            )
        )
        made.applied()
        return made.again(second)

    def via(alias: str) -> list[tuple[str, ...]]:
        found = [way for way in router.routes() if str(way.destination) == f"{alias}/32"]
        return [way.gateways for way in found if way.type == "unicast"]

    wanted = spare_primary(cluster.subnet, ALIAS)  # nobody else is given it when it is free again
    (alias,) = set_aliases([{"ipCidrRange": f"{wanted}/32"}]).aliases
    assert via(alias) == [(second.address,)]
    ask = partial(http, first.place, f"http://{alias}:{HTTP}/", timeout=TIMEOUTS.short)
    eventually(ask, who=second.name, saw=first.address, what=f"{alias} answers")
    set_aliases([])
    assert via(alias) == []
    before = router.status()
    answer = ask()
    expect(answer, outcome=Outcome.TIMEOUT, from_=first.name, to=f"{alias}, nobody's any more")
    router.until_dropped("nowhere", before)

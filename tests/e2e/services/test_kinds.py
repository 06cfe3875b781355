"""What a Service can be: names for ports, UDP, headless, a name alone, no selector, gated pods."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Literal

from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster, Vm
from tests.support.eventually import eventually, eventually_from
from tests.support.namespace import READY, Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Probe, http, http_many, probe_many, udp
from tests.support.say import expect
from tests.support.stats import requests_needed
from tests.support.timeouts import TIMEOUTS

MANY = requests_needed(1 / 2)  # one of two servers that answers none of so many is absent
WAYS: tuple[tuple[Literal["http", "tcp", "udp"], int, int], ...] = (
    ("http", 80, 8080),
    ("tcp", 9999, 9000),
    ("udp", 53, 9001),
)


def servers(shared: Namespace) -> list[Pod]:
    """The servers, one a worker."""
    return shared.pods("app=server")


def names(shared: Namespace) -> set[str]:
    """The servers' names."""
    return {pod.name for pod in servers(shared)}


def test_ports_by_name(shared: Namespace) -> None:
    """Each port leads to the container's port of its name, TCP or UDP, at every server; with a
    name that no container has, that port alone leads nowhere."""
    address, client = shared.service_ip("named"), shared.pod("client")
    place = shared.place(client)

    def served(probe: Probe, port: int) -> None:
        many = [probe] * MANY
        what = f"all servers answer {probe.kind} at {probe.port}"
        eventually_from(lambda: probe_many(place, many), names(shared), what=what)
        answer = probe_many(place, [probe])[0]
        expect(answer, who=names(shared), saw=client.ip, from_="client", to=what)
        assert answer.body is not None
        assert answer.body["destination_port"] == port

    for kind, number, port in WAYS:
        served(Probe(kind, address, number), port)
    ports = shared.service("named")["spec"]["ports"]
    nameless = [port | {"targetPort": "nothing"} if port["port"] == 80 else port for port in ports]
    shared.patch("service", "named", {"spec": {"ports": nameless}})
    url = f"http://{address}/"
    eventually(
        lambda: http(place, url), outcome=Outcome.REFUSED, what="a port of no name leads nowhere"
    )
    expect(probe_many(place, [Probe("tcp", address, 9999)])[0], who=names(shared))
    shared.patch("service", "named", {"spec": {"ports": ports}})
    eventually(lambda: http(place, url), who=names(shared), what="the name is there again")


def test_udp(shared: Namespace) -> None:
    """A datagram's answer comes from the Service's own address, or the socket would not take it;
    with a selector that chooses nobody, it is refused."""
    address, client = shared.service_ip("datagram"), shared.pod("client")
    place = shared.place(client)
    eventually(
        lambda: udp(place, address, 53), who=names(shared), saw=client.ip, what="UDP is answered"
    )
    shared.patch("service", "datagram", {"spec": {"selector": {"app": "nobody"}}})
    eventually(
        lambda: udp(place, address, 53), outcome=Outcome.REFUSED, what="UDP without a server"
    )
    shared.patch("service", "datagram", {"spec": {"selector": {"app": "server"}}})
    eventually(lambda: udp(place, address, 53), who=names(shared), what="UDP is answered again")


def test_headless_translates_nothing(shared: Namespace) -> None:
    """Its name is the pods' own addresses: their port answers, the Service's port does not."""
    assert shared.service_ip("headless") == "None"
    place = shared.place("client")
    name = f"headless.{shared.name}.svc.cluster.local."
    eventually(lambda: http(place, f"http://{name}:8080/"), who=names(shared), what=name)
    expect(http(place, f"http://{name}/"), outcome=Outcome.REFUSED, to=f"{name}:80")


def test_external_name(shared: Namespace) -> None:
    """A name for another name: what answers is behind that. (Names outside the cluster are not
    tried: their questions would leave the machine.)"""
    zone = f"{shared.name}.svc.cluster.local"
    spec: Object = {"type": "ExternalName", "externalName": f"inside.{zone}"}
    alias = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias"}, "spec": spec}
    shared.apply([alias])
    place, url = shared.place("client"), f"http://alias.{zone}./"
    eventually(lambda: http(place, url), who=names(shared), what="the alias")
    shared.patch("service", "alias", {"spec": {"externalName": f"missing.{zone}"}})
    eventually(
        lambda: http(place, url), outcome=Outcome.DNS_ERROR, what="the alias of a missing name"
    )


def test_without_a_selector(shared: Namespace) -> None:
    """Somebody's own EndpointSlice says who is behind it."""
    one, other = servers(shared)[:2]
    place, url = shared.place("client"), f"http://{shared.service_ip('handmade')}/"

    def point_to(pod: Pod) -> None:
        labels = {"kubernetes.io/service-name": "handmade"}
        slice = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "handmade", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [pod.ip], "conditions": {"ready": True}}],
            "ports": [{"port": 8080}],
        }
        shared.apply([slice])

    for pod in (one, other):
        point_to(pod)
        what = f"the slice names {pod.name}"
        eventually_from(lambda: http_many(place, url, MANY), {pod.name}, what=what)
    shared.remove("endpointslice", "handmade")
    eventually(
        lambda: http(place, url),
        outcome=Outcome.REFUSED,
        what="without its slice it leads nowhere",
    )


def gate(shared: Namespace, status: str) -> None:
    """Set the condition that the gated pod's readiness waits for, as GKE's NEG controller does
    with its own."""
    change = {"status": {"conditions": [{"type": "gkelab.test/open", "status": status}]}}
    words = ["--subresource=status", "--type=strategic", f"--patch={json.dumps(change)}"]
    shared.kubectl("patch", f"--namespace={shared.name}", "pod", "gated", *words)


def test_a_pod_that_is_not_ready_gets_nothing(shared: Namespace) -> None:
    """A readiness gate decides; publishNotReadyAddresses overrides it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gated", "labels": {"app": "gated"}, "namespace": shared.name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "readinessGates": [{"conditionType": "gkelab.test/open"}],
            "containers": [{"name": "server", "image": shared.lab.supplier.reference("workload")}],
        },
    }
    shared.kubectl.apply([pod])  # not by the namespace, which would wait until it is Ready
    place, url = shared.place("client"), f"http://{shared.service_ip('gated')}/"
    try:
        shared.kubectl.wait("ContainersReady", "pod/gated", shared.name, timeout=READY)
        direct = f"http://{shared.pod('gated').ip}:8080/"
        eventually(lambda: http(place, direct), who="gated", what="the pod itself answers")
        expect(http(place, url), outcome=Outcome.REFUSED, to="the Service of a gated pod")
        gate(shared, "True")
        eventually(lambda: http(place, url), who="gated", what="the gate is open")
        gate(shared, "False")
        eventually(lambda: http(place, url), outcome=Outcome.REFUSED, what="the gate is closed")
        shared.patch("service", "gated", {"spec": {"publishNotReadyAddresses": True}})
        eventually(lambda: http(place, url), who="gated", what="its address is published")
    finally:
        shared.remove("pod", "gated")


def test_addresses_are_of_the_declared_range(shared: Namespace, cluster: Cluster) -> None:
    """One can be asked for by its address in the range, and not by one outside it."""

    def wish(address: IPv4Address) -> Object:
        spec = {"clusterIP": str(address), "ports": [{"port": 80}]}
        metadata = {"name": "wished", "namespace": shared.name}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    # The lower part of the range is given only to who asks.
    inside, outside = cluster.services_range[7], cluster.pod_range[7]
    refused = shared.kubectl.apply([wish(outside)], check=False)
    assert refused.code == 1
    assert "clusterIP" in refused.stderr, refused.stderr
    shared.kubectl.apply([wish(inside)])
    assert shared.service_ip("wished") == str(inside)
    shared.remove("service", "wished")


def test_a_vm_reaches_a_pod_and_no_cluster_ip(
    shared: Namespace, machine: ContainerPlace, vm: Vm
) -> None:
    """A VM of the VPC reaches a pod at its own address, un-NATed, as the VPC routes it; a ClusterIP
    is of its cluster alone."""
    address, server = shared.service_ip("inside"), servers(shared)[0]
    reached = http(machine, f"http://{server.ip}:8080/")
    expect(reached, who=server.name, saw=str(vm.address), from_=vm.name, to=server.name)
    denied = http(machine, f"http://{address}/", timeout=TIMEOUTS.short)
    expect(denied, outcome=Outcome.TIMEOUT, from_=vm.name, to=f"the ClusterIP {address}")

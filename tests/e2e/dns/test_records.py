"""The records of Services and pods, asked of every CoreDNS pod and of the Service before them.

No question here may leave the machine: names end in the cluster's own domain, for which CoreDNS
forwards nothing, or in .internal, for which the VPC's resolver does not, or are those of the lab's
containers, which docker's knows. Addresses are turned into names only once CoreDNS knows them.
"""

from __future__ import annotations

import pytest

from gkelab.lab import Lab
from gkelab.steps.start_client import client_name
from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster
from tests.support.eventually import until_answered
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import Probe, dns, probe_many
from tests.support.say import ends, expect

Said = tuple[str, frozenset[str]]


@pytest.fixture(scope="module")
def zone(shared: Namespace) -> str:
    """Where the names of the namespace's Services are."""
    return f"{shared.name}.svc.cluster.local"


def said(answer: Answer) -> Said:
    """The response code and the records; the outcome instead where there was no response."""
    body = answer.body or {}
    return str(body.get("rcode", answer.outcome)), frozenset(answer.records)


def agree(
    shared: Namespace, resolvers: list[str], question: str, *records: str, rcode: str = "NOERROR"
) -> None:
    """Wait until all give just these records, in any order. The question is a name, or a type
    and a name."""
    kind, _, name = question.rpartition(" ")
    probes = [Probe("dns", name=name, type=kind or "A", server=server) for server in resolvers]
    wanted = (rcode, frozenset(records))

    def sentence(answer: Answer) -> str:
        code, found = said(answer)
        return f"{ends(answer)}: saw {' '.join((code, *sorted(found)))}"

    until_answered(
        lambda: probe_many(shared.place("client"), probes),
        lambda answers: all(said(answer) == wanted for answer in answers),
        lambda answers: answers,
        what=f"all answer {question} with {' '.join((rcode, *records))}",
        describe=lambda answers: "; ".join(sentence(answer) for answer in answers),
    )


def test_service(shared: Namespace, cluster: Cluster, resolvers: list[str], zone: str) -> None:
    """A Service's name is its ClusterIP, and the DNS's own address one of the same range; a name
    that no Service has does not exist."""
    agree(shared, resolvers, f"server.{zone}", shared.service_ip("server"))
    agree(shared, resolvers, f"missing.{zone}", rcode="NXDOMAIN")
    first = str(cluster.services_range[1])
    agree(shared, resolvers, "kubernetes.default.svc.cluster.local", first)
    assert resolvers[0] == str(cluster.services_range[10])


def test_no_ipv6(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """A name without an address of a family does exist: NXDOMAIN would hide the other family."""
    agree(shared, resolvers, f"AAAA server.{zone}")
    agree(shared, resolvers, f"AAAA missing.{zone}", rcode="NXDOMAIN")


def test_ports(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """Named ports have records by their name and protocol, and by no other."""
    agree(shared, resolvers, f"SRV _http._tcp.server.{zone}", f"0 100 80 server.{zone}")
    agree(shared, resolvers, f"SRV _data._udp.server.{zone}", f"0 100 53 server.{zone}")
    agree(shared, resolvers, f"SRV _data._tcp.server.{zone}", rcode="NXDOMAIN")


def test_headless(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """Its name is all of its pods' addresses; one that leaves is no more among them."""
    one, two = shared.pod("one"), shared.pod("two")
    names = [f"0 50 8080 {host}.headless.{zone}" for host in ("first", "second")]
    agree(shared, resolvers, f"headless.{zone}", one.ip, two.ip)
    agree(shared, resolvers, f"SRV _http._tcp.headless.{zone}", *names)
    shared.label("pod/two", listed="no")
    try:
        agree(shared, resolvers, f"headless.{zone}", one.ip)
        agree(shared, resolvers, f"second.headless.{zone}", rcode="NXDOMAIN")
    finally:
        shared.label("pod/two", listed="yes")
    agree(shared, resolvers, f"headless.{zone}", one.ip, two.ip)


def test_host_names(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """hostname and subdomain make a name of a pod's own, which it has for itself, too."""
    for pod, host in (("one", "first"), ("two", "second")):
        agree(shared, resolvers, f"{host}.headless.{zone}", shared.pod(pod).ip)
        itself = shared.place(pod).exec(["hostname", "--fqdn"])
        assert itself.stdout.strip() == f"{host}.headless.{zone}"
    agree(shared, resolvers, f"third.headless.{zone}", rcode="NXDOMAIN")


def test_pod_records(shared: Namespace, resolvers: list[str]) -> None:
    """A pod's address, written with dashes, is a name in its namespace, if there is one."""
    address = shared.pod("one").ip
    name = address.replace(".", "-")
    agree(shared, resolvers, f"{name}.{shared.name}.pod.cluster.local", address)
    agree(shared, resolvers, f"{name}.{shared.name}-x.pod.cluster.local", rcode="NXDOMAIN")


def test_addresses_back_to_names(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """A ClusterIP leads back to its Service, a pod's address to its name."""
    one = shared.pod("one")
    agree(shared, resolvers, f"server.{zone}", shared.service_ip("server"))
    agree(shared, resolvers, f"first.headless.{zone}", one.ip)
    place = shared.place("client")
    for server in resolvers:
        back = dns(place, shared.service_ip("server"), "PTR", server)
        assert back.records == (f"server.{zone}",), back
        assert f"first.headless.{zone}" in dns(place, one.ip, "PTR", server).records


def made(name: str, spec: Object) -> Object:
    """A Service."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def test_external_name(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """A name for another name of the cluster: both come in one answer."""
    target = f"server.{zone}"
    shared.apply([made("alias", {"type": "ExternalName", "externalName": target})])
    agree(shared, resolvers, f"alias.{zone}", target, shared.service_ip("server"))
    agree(shared, resolvers, f"CNAME alias.{zone}", target)


def test_names_come_and_go(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """With their Service."""
    agree(shared, resolvers, f"passing.{zone}", rcode="NXDOMAIN")
    shared.apply([made("passing", {"selector": {"app": "server"}, "ports": [{"port": 80}]})])
    agree(shared, resolvers, f"passing.{zone}", shared.service_ip("passing"))
    shared.remove("service", "passing")
    agree(shared, resolvers, f"passing.{zone}", rcode="NXDOMAIN")


def test_instances(shared: Namespace, lab: Lab, cluster: Cluster, resolvers: list[str]) -> None:
    """Outside the cluster there are Compute's names: VM.ZONE.c.PROJECT.internal is the instance's
    address, in its own zone alone (compute/docs/internal-dns)."""
    for node in cluster.nodes:
        name = f"{node.name}.{node.zone}.c.{lab.plan.project}.internal"
        agree(shared, resolvers, name, str(node.address))
        elsewhere = f"{node.name}.{node.zone}-x.c.{lab.plan.project}.internal"
        agree(shared, resolvers, elsewhere, rcode="NXDOMAIN")


def test_the_world(shared: Namespace, lab: Lab, outside: str, resolvers: list[str]) -> None:
    """What neither the cluster nor the VPC knows is asked of whom the router asks, docker: it has
    the client on the internet. The same name in the cluster's domain is asked of nobody."""
    name = client_name(lab)
    agree(shared, resolvers, name, outside)
    agree(shared, resolvers, f"{name}.cluster.local", rcode="NXDOMAIN")


def test_tcp(shared: Namespace, resolvers: list[str], zone: str) -> None:
    """The same answers by TCP; where nobody serves DNS it is refused."""
    place = shared.place("client")
    agree(shared, resolvers, f"server.{zone}", shared.service_ip("server"))
    for server in resolvers:
        answer = dns(place, f"server.{zone}", server=server, tcp=True)
        assert said(answer) == ("NOERROR", frozenset({shared.service_ip("server")}))
    nobody = dns(place, f"server.{zone}", server=shared.pod("one").ip, tcp=True)
    expect(nobody, outcome=Outcome.REFUSED, to="a pod that serves no DNS")

"""How a pod looks a name up: its search list, ndots, and which questions really leave it.

A lookup that finds nothing ends with the bare name, which CoreDNS would forward out of the
machine; so all of these find something, and clients that walk the list have no domains of the
host in it.
"""

from __future__ import annotations

import pytest

from gkelab.tools.kubectl import Object
from tests.support.capture import Packet, capture
from tests.support.eventually import eventually
from tests.support.inpod.probe import name_at
from tests.support.namespace import Namespace
from tests.support.probes import dns


def domains(shared: Namespace) -> list[str]:
    """Where a pod of the namespace looks for names."""
    return [f"{shared.name}.svc.cluster.local", "svc.cluster.local", "cluster.local"]


@pytest.fixture(scope="module")
def clients(shared: Namespace, server: str) -> Namespace:
    """Two clients more, with the cluster's domains alone; they differ in their ndots."""
    shared.apply([client(shared, server, "walking", "5"), client(shared, server, "direct", "2")])
    return shared


def client(shared: Namespace, server: str, name: str, ndots: str) -> Object:
    """A pod with a DNS configuration of its own."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "dnsPolicy": "None",
            "dnsConfig": {
                "nameservers": [server],
                "searches": domains(shared),
                "options": [{"name": "ndots", "value": ndots}],
            },
            "containers": [{"name": "client", "image": "gkelab/workload", "args": ["idle"]}],
        },
    }


def test_resolv_conf(shared: Namespace, server: str) -> None:
    """A pod asks the cluster's DNS, and looks in its own namespace first."""
    text = shared.place("client").exec(["cat", "/etc/resolv.conf"]).stdout
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert lines["nameserver"] == [server]
    assert lines["search"][:3] == domains(shared)
    assert "ndots:5" in lines["options"]


@pytest.mark.parametrize("short", ["server", "server.{}", "server.{}.svc"])
def test_short_names(shared: Namespace, short: str) -> None:
    """The less of its name a Service is called by, the nearer it must be: by its name alone, with
    its namespace, with "svc"."""
    place, name = shared.place("client"), short.format(shared.name)
    answer = eventually(lambda: dns(place, name, "HOST"), what=f"{name} is found")
    assert answer.records == (shared.service_ip("server"),)


def test_a_short_name_is_the_own_namespaces(shared: Namespace) -> None:
    """The counterfactual: what a pod of another namespace would make of it does not exist."""
    place = shared.place("client")
    eventually(lambda: dns(place, "server", "HOST"), what="server is found")
    answer = dns(place, "server.default.svc.cluster.local")
    assert (answer.body or {}).get("rcode") == "NXDOMAIN", answer


def asked(packets: list[Packet]) -> list[str]:
    """The names in questions, each once, in their order."""
    questions = [p for p in packets if p.protocol == "UDP" and p.destination_port == 53]
    return list(dict.fromkeys(name_at(packet.payload, 12)[0] for packet in questions))


def look_up(clients: Namespace, pod: str, name: str) -> list[str]:
    """What a pod asks for to find that name's address, which it does find."""
    place, last = clients.place(pod), name.rstrip(".")
    with capture(
        place, filter="udp port 53", until_seen=lambda packets: last in asked(packets)
    ) as packets:
        answer = dns(place, name, "HOST")
    assert answer.records == (clients.service_ip("server"),), answer
    return asked(packets)


def test_ndots(clients: Namespace) -> None:
    """A name of fewer dots than ndots is tried below every domain of the list first; one of more,
    or one that ends in a dot, is asked for as it is."""
    name = f"server.{domains(clients)[0]}"
    assert name.count(".") == 4
    below = [f"{name}.{domain}" for domain in domains(clients)]
    assert look_up(clients, "walking", name) == [*below, name]
    assert look_up(clients, "walking", f"{name}.") == [name]
    assert look_up(clients, "direct", name) == [name]

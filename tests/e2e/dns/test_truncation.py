"""Answers too large for a datagram: cut off by UDP, whole by TCP, and a client must be let both."""

from __future__ import annotations

from functools import partial
from itertools import islice

import pytest

from gkelab.lab import Lab
from gkelab.tools.kubectl import Object
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.netpol import filled, pick, policy, port, to
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import dns
from tests.support.say import expect

# A record takes 16 bytes of the 512 that a datagram without EDNS has.
SIZES = {"few": 2, "many": 60}


@pytest.fixture(scope="module")
def addresses(shared: Namespace, lab: Lab, resolvers: list[str]) -> dict[str, set[str]]:
    """What is behind each Service, once all of CoreDNS knows it. The addresses are front ends',
    which no cluster of this lab has."""
    found = {
        name: {str(address) for address in islice(lab.plan.frontend_range.hosts(), size)}
        for name, size in SIZES.items()
    }
    shared.apply([slice_of(name, sorted(found[name])) for name in SIZES])
    for name, wanted in found.items():
        for server in resolvers:
            ask = partial(dns, shared.place("client"), full(shared, name), server=server, tcp=True)
            answer = eventually(ask, what=f"{server} knows {name}")
            assert set(answer.records) == wanted
    return found


def slice_of(service: str, addresses: list[str]) -> Object:
    """A Service's EndpointSlice."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses
        ],
        "ports": [{"port": 80}],
    }


def full(shared: Namespace, service: str) -> str:
    """A Service's whole name."""
    return f"{service}.{shared.name}.svc.cluster.local"


def truncated(answer: Answer) -> bool:
    """Whether the server says that there is more."""
    expect(answer, to="the DNS")
    assert answer.body is not None
    return bool(answer.body["truncated"])


def test_udp_is_cut_off_and_tcp_is_whole(shared: Namespace, addresses: dict[str, set[str]]) -> None:
    """What fits is whole either way."""
    place = shared.place("client")
    few, many = full(shared, "few"), full(shared, "many")
    whole = dns(place, few)
    assert (truncated(whole), set(whole.records)) == (False, addresses["few"])
    cut = dns(place, many)
    assert truncated(cut)
    assert set(cut.records) < addresses["many"]
    by_tcp = dns(place, many, tcp=True)
    assert (truncated(by_tcp), set(by_tcp.records)) == (False, addresses["many"])


def test_programs_need_tcp(shared: Namespace, addresses: dict[str, set[str]]) -> None:
    """The C library asks again by TCP by itself. With a policy that lets out UDP alone it still
    finds the few, and waits for the many in vain."""
    place = shared.place("client")
    few, many = f"{full(shared, 'few')}.", f"{full(shared, 'many')}."

    def found(name: str, wanted: str) -> None:
        answer = eventually(lambda: dns(place, name, "HOST"), what=f"programs find {name}")
        assert set(answer.records) == addresses[wanted]

    found(few, "few")
    found(many, "many")
    rules = [to(ports=[port(53, "UDP")])]
    only_udp = policy("here", "only-udp", pick(app="client"), egress=rules, types=["Egress"])
    shared.apply([filled(only_udp, {"here": shared.name})])
    try:
        eventually(lambda: dns(place, many, "HOST"), outcome=Outcome.TIMEOUT, what="TCP is closed")
        found(few, "few")
    finally:
        shared.remove("networkpolicy", "only-udp")
    found(many, "many")

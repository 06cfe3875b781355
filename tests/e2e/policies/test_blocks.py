"""Blocks of addresses, nodes, DNS, and a client outside: what selectors of pods do not choose.

The client outside comes straight to pods' addresses, as a VM of the VPC would, and through a load
balancer that keeps its address; pods go to it. Cilium's blocks never choose pods or nodes.
"""

from __future__ import annotations

import pytest

from tests.support.matrix import Matrix
from tests.support.netpol import (
    Case,
    Enforcer,
    Expect,
    Ref,
    State,
    block,
    case,
    closed,
    from_,
    only_to,
    parameters,
    peer,
    pick,
    policy,
    port,
    prove,
    to,
)
from tests.support.reach import Reach

A = pick(pod="a")
NO_PODS = "https://github.com/cilium/cilium/issues/9209"
NO_NODES = (
    "https://docs.cilium.io/en/v1.19/security/policy/layer3/#selecting-nodes-with-cidr-ipblock"
)
CLIENT = block(Ref("client/32"))


def into(*sources: str) -> Expect:
    """That only these get into x/a, beside its own node, which nothing keeps out. The client gets
    in straight and through the load balancer, or neither way."""

    def expect(matrix: Matrix) -> Matrix:
        matrix.deny("*", "x/a").allow(["near", *sources], "x/a").deny("client", "balancer")
        return matrix.allow("client", "balancer") if "client" in sources else matrix

    return expect


def sources(id: str, *rules: dict[str, object], allowed: tuple[str, ...]) -> Case:
    """x/a takes what the rules say."""
    return case(f"in-{id}", policy("x", "p", A, ingress=rules), expect=into(*allowed))


def targets(id: str, *rules: dict[str, object], allowed: tuple[str, ...]) -> Case:
    """x/a goes where the rules say."""
    return case(f"out-{id}", leaving(*rules), expect=only_to("x/a", *allowed))


def leaving(*rules: dict[str, object]) -> dict[str, object]:
    """A policy about where x/a goes."""
    return policy("x", "p", A, egress=rules, types=["Egress"])


def entering(*rules: dict[str, object]) -> dict[str, object]:
    """A policy about who comes into x/a."""
    return policy("x", "p", A, ingress=rules)


DNS = [port(53, "UDP"), port(53, "TCP")]
RESOLVER = peer(
    pick(**{"k8s-app": "kube-dns"}), pick(**{"kubernetes.io/metadata.name": "kube-system"})
)

BESIDE = block(Ref("client/24"), Ref("client/32"))  # the client's neighbours without the client

INGRESS = [
    # Policies keep out everybody but the pod's own node, from where kubelet probes.
    sources("nobody", allowed=()),
    sources("block", from_(CLIENT), allowed=("client",)),
    sources("wider-block", from_(block(Ref("client/24"))), allowed=("client",)),
    sources("block-and-port", from_(CLIENT, ports=[port(8080)]), allowed=("client",)),
    # Behind a load balancer, too, policies know the pod's port.
    sources("block-and-service-port", from_(CLIENT, ports=[port(80)]), allowed=()),
    sources("any-namespace", from_(peer(spaces=pick())), allowed=("y/a",)),
    sources(
        "block-or-namespace",
        from_(CLIENT, peer(spaces=pick(env="dev"))),
        allowed=("client", "y/a"),
    ),
    case(
        "in-any-peer",
        closed("y", "Ingress"),
        entering({}),
        expect=lambda matrix: matrix.deny("*", "y/a").allow("far", "y/a"),
    ),
    case(
        "in-any-peer-on-a-port",
        closed("y", "Ingress"),
        entering(from_(ports=[port(8080)])),
        expect=lambda matrix: matrix.deny("*", "y/a").allow("far", "y/a"),
    ),
    Case(
        "in-exceptions",
        (
            State((entering(from_(BESIDE)),), into()),
            State((entering(from_(block(Ref("client/24"), Ref("others/25")))),), into("client")),
            State(
                (entering(from_(block(Ref("client/24"), Ref("others/25"), Ref("client/25")))),),
                into(),
            ),
        ),
    ),
    Case(
        "in-an-exception-is-no-deny",
        (
            State((entering(from_(BESIDE)),), into()),
            State(
                (entering(from_(BESIDE)), policy("x", "q", A, ingress=[from_(CLIENT)])),
                into("client"),
            ),
        ),
    ),
]

EGRESS = [
    # A pod's own node is no exception here.
    targets("nowhere", allowed=()),
    targets("block", to(CLIENT), allowed=("client:*",)),
    targets("wider-block", to(block(Ref("client/24"))), allowed=("client:*",)),
    targets("block-and-port", to(CLIENT, ports=[port(8080)]), allowed=("client:8080",)),
    targets("port", to(ports=[port(8080)]), allowed=("y/a", "client:8080")),
    targets("dns", to(RESOLVER, ports=DNS), allowed=("dns",)),
    targets("dns-of-anybody", to(ports=DNS), allowed=("dns",)),
    targets(
        "dns-and-namespace",
        to(RESOLVER, ports=DNS),
        to(peer(spaces=pick(env="dev"))),
        allowed=("dns", "y/a"),
    ),
    Case(
        "out-exceptions",
        (
            State((leaving(to(BESIDE)),), only_to("x/a")),
            State(
                (leaving(to(block(Ref("client/24"), Ref("others/25")))),),
                only_to("x/a", "client:*"),
            ),
        ),
    ),
]

# Pods in the host's network are nodes to a policy: their labels choose nothing.
HOSTS = [
    targets("port-of-nodes", to(ports=[port(18080)]), allowed=("near:18080", "far:18080")),
    targets("ports-of-nodes", to(ports=[port(18080, end=18081)]), allowed=("near:*", "far:*")),
    targets("labels-of-nodes", to(peer(spaces=pick(env="test"))), allowed=()),
    sources("labels-of-nodes", from_(peer(spaces=pick(env="test"))), allowed=()),
    case(
        "nodes-are-no-subject",
        closed("z", "Ingress", "Egress"),
        closed("y", "Ingress"),
        expect=lambda matrix: matrix.deny("*", "y/a").allow("far", "y/a"),
    ),
]


def different(id: str, made: dict[str, object], spec: Expect, real: Expect, link: str) -> Case:
    """A documented difference: what NetworkPolicy says, and what Cilium does."""
    return case(id, made, expect=spec, instead=real, link=link)


DIFFERENT = [
    different(
        "in-every-address",
        entering(from_(block("0.0.0.0/0"))),
        into("y/a", "far", "client"),
        into("client"),
        NO_PODS,
    ),
    different(
        "in-block-of-a-pod",
        entering(from_(block(Ref("y/a/32")))),
        into("y/a"),
        into(),
        NO_PODS,
    ),
    different(
        "in-block-of-a-node",
        entering(from_(block(Ref("far/32")))),
        into("far"),
        into(),
        NO_NODES,
    ),
    different(
        "out-every-address",
        leaving(to(block("0.0.0.0/0"))),
        only_to("x/a", "*"),
        only_to("x/a", "client:*"),
        NO_PODS,
    ),
    different(
        "out-block-of-a-pod",
        leaving(to(block(Ref("y/a/32")))),
        only_to("x/a", "y/a"),
        only_to("x/a"),
        NO_PODS,
    ),
    different(
        "out-block-of-a-node",
        leaving(to(block(Ref("far/32")))),
        only_to("x/a", "far:*"),
        only_to("x/a"),
        NO_NODES,
    ),
]


@pytest.mark.parametrize("case", parameters([*INGRESS, *EGRESS, *HOSTS, *DIFFERENT]))
def test_blocks(case: Case, outside_reach: Reach, enforcer: Enforcer) -> None:
    """The case's policies, and no others, decide who reaches whom."""
    prove(case, outside_reach, enforcer)

"""Where pods may go, and what comes of it where the other end has a policy of its own.

The pods are as in test_ingress.py (egress.yaml); replies always come back.
"""

from __future__ import annotations

import pytest

from tests.support.netpol import (
    Case,
    Enforcer,
    Ref,
    case,
    closed,
    from_,
    only_to,
    parameters,
    peer,
    pick,
    policy,
    prove,
    term,
    to,
)
from tests.support.reach import Reach

A = pick(pod="a")
POLICY_TYPES = "https://github.com/cilium/cilium/issues/48703"


def targets(id: str, *peers: dict[str, object], allowed: tuple[str, ...]) -> Case:
    """x/a gets only to those chosen by the peers, in one rule; others go where they like."""
    return case(
        f"to-{id}",
        policy("x", "p", A, egress=[to(*peers)], types=["Egress"]),
        expect=only_to("x/a", *allowed),
    )


CLOSED = closed("x", "Egress")

EGRESS = [
    case("closed", CLOSED, expect=lambda matrix: matrix.deny("x/*", "*")),
    case("closed-one-pod", closed("x", "Egress", pods=pick(pod="b")), expect=only_to("x/b")),
    targets("own-namespace", peer(pick()), allowed=("x/*",)),
    targets("pods", peer(pick(app="db")), allowed=("x/b",)),
    targets("pods-by-terms", peer(pick(term("legacy", "Exists"))), allowed=("x/b",)),
    targets("nobody", peer(pick(pod="c")), allowed=()),
    targets("namespace", peer(spaces=pick(env="dev")), allowed=("y/*",)),
    targets(
        "namespace-by-name",
        peer(spaces=pick(**{"kubernetes.io/metadata.name": Ref("z")})),
        allowed=("z/*",),
    ),
    targets(
        "namespaces-not-in", peer(spaces=pick(term("env", "NotIn", "dev"))), allowed=("x/b", "z/a")
    ),
    targets("one-kind-in-any-namespace", peer(pick(app="db"), pick()), allowed=("x/b", "y/b")),
    targets("both", peer(pick(pod="b"), pick(env="dev")), allowed=("y/b",)),
    targets(
        "either", peer(pick(pod="b")), peer(spaces=pick(env="dev")), allowed=("x/b", "y/a", "y/b")
    ),
    case(
        "to-two-rules",
        policy(
            *("x", "p", A),
            egress=[to(peer(pick(pod="b"))), to(peer(spaces=pick(team="blue")))],
            types=["Egress"],
        ),
        expect=only_to("x/a", "x/b", "z/a"),
    ),
    case("empty-rules", policy("x", "p", A, egress=[], types=["Egress"]), expect=only_to("x/a")),
    case(
        "empty-rule",
        CLOSED,
        policy("x", "p", A, egress=[{}], types=["Egress"]),
        expect=only_to("x/b"),
    ),
    case(
        "empty-to",
        CLOSED,
        policy("x", "p", A, egress=[{"to": []}], types=["Egress"]),
        expect=only_to("x/b"),
    ),
    case(
        "union",
        policy("x", "y", A, egress=[to(peer(spaces=pick(env="dev")))], types=["Egress"]),
        policy("x", "z", A, egress=[to(peer(spaces=pick(team="blue")))], types=["Egress"]),
        expect=only_to("x/a", "y/*", "z/a"),
    ),
]

BOTH_WAYS = [
    case(
        "closed-both-ways",
        closed("x", "Ingress", "Egress"),
        expect=lambda matrix: matrix.deny("x/*", "*").deny("*", "x/*"),
    ),
    # One end's allow is not the other's.
    case(
        "an-allow-at-one-end-is-not-enough",
        policy("x", "p", A, egress=[to(peer(spaces=pick(env="dev")))], types=["Egress"]),
        policy("y", "p", A, ingress=[from_(peer(spaces=pick(team="blue")))]),
        expect=lambda matrix: (
            matrix.deny("x/a", "*").allow("x/a", "y/b").deny("*", "y/a").allow("z/a", "y/a")
        ),
    ),
    case(
        "an-allow-at-both-ends",
        policy("x", "p", A, egress=[to(peer(spaces=pick(env="dev")))], types=["Egress"]),
        policy("y", "p", A, ingress=[from_(peer(spaces=pick(env="prod")))]),
        expect=lambda matrix: (
            matrix.deny("x/a", "*").allow("x/a", "y/*").deny("*", "y/a").allow("x/*", "y/a")
        ),
    ),
    # Without policyTypes a policy is about ingress, and about egress where it has rules for it.
    case(
        "types-left-out-with-rules-of-egress",
        policy("x", "p", A, egress=[to(peer(spaces=pick(env="dev")))]),
        expect=lambda matrix: matrix.deny("x/a", "*").deny("*", "x/a").allow("x/a", "y/*"),
    ),
    # Rules of a direction that policyTypes leaves out say nothing; Cilium takes them.
    case(
        "rules-of-a-type-left-out",
        policy(
            *("x", "p", A),
            ingress=[from_(peer(spaces=pick(env="dev")))],
            egress=[to(peer(spaces=pick(env="dev")))],
            types=["Egress"],
        ),
        expect=only_to("x/a", "y/*"),
        instead=lambda matrix: (
            matrix.deny("x/a", "*").deny("*", "x/a").allow("x/a", "y/*").allow("y/*", "x/a")
        ),
        link=POLICY_TYPES,
    ),
]


@pytest.mark.parametrize("case", parameters([*EGRESS, *BOTH_WAYS]))
def test_egress(case: Case, pods_reach: Reach, enforcer: Enforcer) -> None:
    """The case's policies, and no others, decide who reaches whom."""
    prove(case, pods_reach, enforcer)

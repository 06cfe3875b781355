"""Who may come in: every form of a policy's subject and of its peers, alone and together.

All cases share five pods (ingress.yaml). In each the whole matrix is compared, and all is open
again when the case's policies are gone.
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
    only,
    parameters,
    peer,
    pick,
    policy,
    prove,
    term,
)
from tests.support.reach import Reach

A = pick(pod="a")
BY_NAME = "kubernetes.io/metadata.name"


def subject(id: str, pods: dict[str, object], *chosen: str) -> Case:
    """Nobody gets into the pods that a selector chooses in x, everybody into the others."""
    return case(
        f"subject-{id}",
        policy("x", "closed", pods, types=["Ingress"]),
        expect=lambda matrix: matrix.deny("*", chosen),
    )


def sources(id: str, *peers: dict[str, object], allowed: tuple[str, ...]) -> Case:
    """Only those chosen by the peers, in one rule, get into x/a."""
    return case(
        f"from-{id}", policy("x", "p", A, ingress=[from_(*peers)]), expect=only("x/a", *allowed)
    )


def neighbours(id: str, pods: dict[str, object], *allowed: str) -> Case:
    """Into both pods of x, only those of x that a selector chooses."""
    return case(
        f"from-{id}",
        policy("x", "p", ingress=[from_(peer(pods))]),
        expect=lambda matrix: matrix.deny("*", "x/*").allow(allowed, "x/*"),
    )


CLOSED = closed("x", "Ingress")


SUBJECTS = [
    subject("all", pick(), "x/*"),
    subject("labels", pick(pod="a"), "x/a"),
    subject("two-labels", pick(pod="b", app="db"), "x/b"),
    subject("in", pick(term("pod", "In", "b", "c")), "x/b"),
    subject("not-in", pick(term("pod", "NotIn", "a", "c")), "x/b"),
    subject("not-in-without-the-key", pick(term("legacy", "NotIn", "true")), "x/a"),
    subject("exists", pick(term("legacy", "Exists")), "x/b"),
    subject("does-not-exist", pick(term("legacy", "DoesNotExist")), "x/a"),
    subject("labels-and-terms", pick(term("pod", "In", "a", "b"), app="web"), "x/a"),
    case(
        "subject-nobody",
        policy("x", "nobody", pick(pod="c"), types=["Ingress"]),
        policy("x", "b", pick(pod="b"), types=["Ingress"]),
        expect=only("x/b"),
    ),
    case("subject-of-one-namespace-alone", policy("y", "p", A, ingress=[]), expect=only("y/a")),
]

PEERS = [
    neighbours("own-namespace", pick(), "x/*"),
    neighbours("pods-not-in", pick(term("app", "NotIn", "web")), "x/b"),
    neighbours("pods-exist", pick(term("legacy", "Exists")), "x/b"),
    neighbours("pods-do-not-exist", pick(term("legacy", "DoesNotExist")), "x/a"),
    sources("pods", peer(pick(pod="b")), allowed=("x/b",)),
    sources("pods-in", peer(pick(term("app", "In", "db", "cache"))), allowed=("x/b",)),
    sources("nobody", peer(pick(pod="c")), allowed=()),
    sources("namespace", peer(spaces=pick(env="dev")), allowed=("y/*",)),
    sources("namespace-by-name", peer(spaces=pick(**{BY_NAME: Ref("y")})), allowed=("y/*",)),
    sources("namespaces-in", peer(spaces=pick(term("team", "In", "blue"))), allowed=("z/a",)),
    sources(
        "namespaces-not-in", peer(spaces=pick(term("env", "NotIn", "dev"))), allowed=("x/b", "z/a")
    ),
    sources("namespaces-exist", peer(spaces=pick(term("env", "Exists"))), allowed=("x/b", "y/*")),
    sources(
        "namespaces-do-not-exist", peer(spaces=pick(term("env", "DoesNotExist"))), allowed=("z/a",)
    ),
    sources("one-kind-in-any-namespace", peer(pick(app="db"), pick()), allowed=("x/b", "y/b")),
    # The same two selectors in one peer, and in a peer each: both, and either.
    sources("both", peer(pick(pod="b"), pick(env="dev")), allowed=("y/b",)),
    sources(
        "either", peer(pick(pod="b")), peer(spaces=pick(env="dev")), allowed=("x/b", "y/a", "y/b")
    ),
    sources(
        "both-by-terms",
        peer(pick(term("pod", "NotIn", "b")), pick(term("team", "In", "red"), env="dev")),
        allowed=("y/a",),
    ),
    case(
        "from-two-rules",
        policy(
            "x", "p", A, ingress=[from_(peer(pick(pod="b"))), from_(peer(spaces=pick(env="dev")))]
        ),
        expect=only("x/a", "x/b", "y/*"),
    ),
]

# Empty means all where it stands for a peer or a rule, and nothing where it stands for the rules.
EMPTY = [
    case("empty-rules", policy("x", "p", A, ingress=[], types=["Ingress"]), expect=only("x/a")),
    case("empty-rule", CLOSED, policy("x", "p", A, ingress=[{}]), expect=only("x/b")),
    case("empty-from", CLOSED, policy("x", "p", A, ingress=[{"from": []}]), expect=only("x/b")),
    case(
        "empty-namespace-selector",
        CLOSED,
        policy("x", "p", A, ingress=[from_(peer(spaces=pick()))]),
        expect=only("x/b"),
    ),
]


@pytest.mark.parametrize("case", parameters([*SUBJECTS, *PEERS, *EMPTY]))
def test_ingress(case: Case, pods_reach: Reach, enforcer: Enforcer) -> None:
    """The case's policies, and no others, decide who reaches whom."""
    prove(case, pods_reach, enforcer)

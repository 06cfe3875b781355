"""Policies, labels and pods that come, change and go: what is reached follows, in any order.

The pods are as in test_ingress.py (changes.yaml).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.eventually import eventually
from tests.support.matrix import Matrix
from tests.support.namespace import Namespace
from tests.support.netpol import (
    Case,
    Enforcer,
    Expect,
    State,
    case,
    closed,
    from_,
    only,
    parameters,
    peer,
    pick,
    policy,
    prove,
)
from tests.support.outcomes import Outcome
from tests.support.probes import tcp
from tests.support.reach import Reach
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS

LINE = 9000
A = pick(pod="a")
CLOSED = closed("x", "Ingress")


def allow(name: str, **labels: str) -> dict[str, object]:
    """A policy that lets namespaces with these labels into x/a."""
    return policy("x", name, A, ingress=[from_(peer(spaces=pick(**labels)))])


FROM_Y = allow("from-y", env="dev")
FROM_Z = allow("from-z", team="blue")


def x_but(*into_a: str) -> Expect:
    """x is closed, except that these get into x/a."""
    return lambda matrix: matrix.deny("*", "x/*").allow(into_a, "x/a")


CASES = [
    case("union", FROM_Y, FROM_Z, expect=only("x/a", "y/*", "z/a")),
    case("a-deny-does-not-win", CLOSED, FROM_Z, expect=x_but("z/a")),
    case(
        "two-namespaces",
        CLOSED,
        policy("y", "p", ingress=[from_(peer(pick()))]),
        expect=lambda matrix: matrix.deny("*", ["x/*", "y/*"]).allow("y/*", "y/*"),
    ),
    Case("deny-then-allow", (State((CLOSED,), x_but()), State((CLOSED, FROM_Z), x_but("z/a")))),
    Case(
        "allow-then-deny",
        (State((FROM_Z,), only("x/a", "z/a")), State((FROM_Z, CLOSED), x_but("z/a"))),
    ),
    Case(
        "removed-one-by-one",
        (
            State((CLOSED, FROM_Y, FROM_Z), x_but("y/*", "z/a")),
            State((CLOSED, FROM_Y), x_but("y/*")),
            State((CLOSED,), x_but()),
        ),
    ),
    Case(
        "changed-in-place",
        (
            State((allow("p", env="dev"),), only("x/a", "y/*")),
            State((allow("p", team="blue"),), only("x/a", "z/a")),
        ),
    ),
]


@pytest.mark.parametrize("case", parameters(CASES))
def test_order(case: Case, pods_reach: Reach, enforcer: Enforcer) -> None:
    """What is reached depends on the policies in force, not on the way there."""
    prove(case, pods_reach, enforcer)


@pytest.fixture
def undone(pods_reach: Reach, enforcer: Enforcer) -> Iterator[None]:
    """No policies before the test and none after it."""
    opened = pods_reach.matrix()
    pods_reach.until_seen(opened, what="before the test all is open")
    yield
    enforcer.enforce([])
    pods_reach.until_seen(opened, what="after the test all is open again")


def seen(reach: Reach, expect: Expect, what: str) -> Matrix:
    """Wait until that is what is reached."""
    matrix = reach.with_own(expect(reach.matrix()))
    reach.until_seen(matrix, what=what, in_a_row=2)
    return matrix


def test_a_pod_that_gets_a_label(
    spaces: Spaces, pods_reach: Reach, enforcer: Enforcer, undone: None
) -> None:
    """A policy's peer is who has the label now: with it x/b gets in, without it no more."""
    enforcer.enforce([policy("x", "p", A, ingress=[from_(peer(pick(role="friend")))])])
    seen(pods_reach, only("x/a"), "nobody has the label")
    space = spaces.by_name["x"]
    space.label("pod/b", role="friend")
    try:
        seen(pods_reach, only("x/a", "x/b"), "x/b has the label")
    finally:
        space.label("pod/b", role=None)
    seen(pods_reach, only("x/a"), "x/b has lost the label")


def test_a_pod_that_becomes_the_subject(
    spaces: Spaces, pods_reach: Reach, enforcer: Enforcer, undone: None
) -> None:
    """A policy is about who has the label now."""
    enforcer.enforce(
        [
            policy("x", "a", A, types=["Ingress"]),
            policy("x", "shut", pick(role="shut"), types=["Ingress"]),
        ]
    )
    seen(pods_reach, only("x/a"), "no pod is shut by its label")
    space = spaces.by_name["x"]
    space.label("pod/b", role="shut")
    try:
        seen(pods_reach, x_but(), "x/b is shut by its label")
    finally:
        space.label("pod/b", role=None)
    seen(pods_reach, only("x/a"), "x/b is open again")


def test_a_namespace_that_gets_a_label(
    spaces: Spaces, pods_reach: Reach, enforcer: Enforcer, undone: None
) -> None:
    """A namespace's new label counts for the pods that are in it already."""
    enforcer.enforce([allow("p", guest="yes")])
    seen(pods_reach, only("x/a"), "no namespace has the label")
    space = spaces.by_name["y"]
    space.label(f"namespace/{space.name}", guest="yes")
    try:
        seen(pods_reach, only("x/a", "y/*"), "namespace y has the label")
    finally:
        space.label(f"namespace/{space.name}", guest=None)
    seen(pods_reach, only("x/a"), "namespace y has lost the label")


def late(space: Namespace) -> str:
    """A new pod of the namespace; its address."""
    space.apply(
        [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "late", "labels": {"pod": "late"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "server", "image": "gkelab/workload"}],
                },
            }
        ]
    )
    return space.pod("late").ip


def test_a_pod_that_comes_later(spaces: Spaces, enforcer: Enforcer, undone: None) -> None:
    """A policy is about pods that it did not know, too; without it the same pod is open."""
    enforcer.enforce([CLOSED])
    space = spaces.by_name["x"]
    address = late(space)
    try:
        visitor = spaces.place("y/b")
        eventually(
            lambda: tcp(visitor, address, LINE, timeout=TIMEOUTS.short),
            outcome=Outcome.TIMEOUT,
            what="a late pod is closed",
        )
        enforcer.enforce([])
        eventually(
            lambda: tcp(visitor, address, LINE, timeout=TIMEOUTS.short),
            who="late",
            what="a late pod is open without the policy",
        )
    finally:
        space.remove("pod", "late")

"""Policies as data, and that a case proves what it says: with a cluster that is made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
import yaml

from gkelab.shell import Result
from gkelab.tools.kubectl import Object
from tests.support import netpol
from tests.support.matrix import Cell, Matrix, Observed
from tests.support.netpol import (
    Case,
    Deviation,
    Enforcer,
    Ref,
    State,
    block,
    case,
    closed,
    filled,
    from_,
    peer,
    pick,
    policy,
    port,
    prove,
    term,
    to,
)
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import Probe
from tests.support.reach import Reach, Source, Target

VALUES = {"x": "t-x-1", "client/32": "10.0.0.9/32"}


def test_a_policy_has_what_it_was_given_and_no_more() -> None:
    assert closed("x", "Ingress") == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed-ingress", "namespace": "x"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    made = policy("x", "p", pick(app="a"), ingress=[from_()], egress=[])
    assert made["spec"] == {
        "podSelector": {"matchLabels": {"app": "a"}},
        "ingress": [{}],
        "egress": [],
    }


def test_peers_ports_and_selectors() -> None:
    assert peer(pick(app="a")) == {"podSelector": {"matchLabels": {"app": "a"}}}
    assert peer(spaces=pick()) == {"namespaceSelector": {}}
    assert pick(term("k", "In", "v", "w")) == {
        "matchExpressions": [{"key": "k", "operator": "In", "values": ["v", "w"]}]
    }
    assert term("k", "Exists") == {"key": "k", "operator": "Exists"}
    assert block("10.0.0.0/8", Ref("client/32")) == {
        "ipBlock": {"cidr": "10.0.0.0/8", "except": [Ref("client/32")]}
    }
    assert [port(), port(80), port("web", "UDP"), port(1, end=2)] == [
        {},
        {"port": 80},
        {"port": "web", "protocol": "UDP"},
        {"port": 1, "endPort": 2},
    ]
    assert to(ports=[port(53)]) == {"ports": [{"port": 53}]}


def test_references_are_filled_in_and_a_policy_gets_its_namespace() -> None:
    made = policy("x", "p", egress=[to(block(Ref("client/32")), peer(spaces=pick(n=Ref("x"))))])
    done = filled(made, VALUES)
    assert done["metadata"]["namespace"] == "t-x-1"
    assert done["spec"]["egress"][0]["to"] == [
        {"ipBlock": {"cidr": "10.0.0.9/32"}},
        {"namespaceSelector": {"matchLabels": {"n": "t-x-1"}}},
    ]
    assert made["metadata"]["namespace"] == "x"
    with pytest.raises(KeyError):
        filled(policy("q", "p"), VALUES)


class Cluster:
    """Instead of kubectl: the policies that are there, by what was applied and deleted."""

    def __init__(self) -> None:
        self.there: dict[str, Object] = {}
        self.calls: list[tuple[str, list[str]]] = []

    def apply(self, objects: Sequence[Object], *, check: bool = True) -> None:
        names = [item["metadata"]["name"] for item in objects]
        self.calls.append(("apply", names))
        self.there |= dict(zip(names, objects, strict=True))

    def __call__(self, *words: str, input: str) -> Result:
        names = [item["metadata"]["name"] for item in yaml.safe_load_all(input)]
        self.calls.append((words[0], names))
        for name in names:
            del self.there[name]
        return Result(words, 0, "", "")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def enforcer(cluster: Cluster) -> Enforcer:
    return Enforcer(cluster, VALUES)  # type: ignore[arg-type]


def test_only_what_changed_is_applied_and_what_is_not_wanted_goes(
    cluster: Cluster, enforcer: Enforcer
) -> None:
    one, two = policy("x", "one"), policy("x", "two")
    enforcer.enforce([one, two])
    enforcer.enforce([two, policy("x", "one", pick(a="b"))])
    enforcer.enforce([two])
    enforcer.enforce([two])
    enforcer.enforce([])
    assert cluster.calls == [
        ("apply", ["one", "two"]),
        ("apply", ["one"]),
        ("delete", ["one"]),
        ("delete", ["two"]),
    ]
    with pytest.raises(ValueError, match="two policies"):
        enforcer.enforce([one, policy("x", "one", pick(a="b"))])


class Datapath(Reach):
    """Follows the cluster: each policy's name closes the target of that name."""

    def __init__(self, cluster: Cluster, closes: Mapping[str, Iterable[Cell]]) -> None:
        sources = {name: Source(None, ()) for name in ("a", "b")}  # type: ignore[arg-type]
        targets = {name: Target(Probe("tcp")) for name in ("a", "b")}
        super().__init__(sources, targets, own={("a", "a"), ("b", "b")})
        self.cluster = cluster
        self.closes = closes
        self.looks = 0

    def look(self, matrix: Matrix) -> dict[Cell, Answer]:
        self.looks += 1
        shut = {cell for name in self.cluster.there for cell in self.closes[name]} - self.own
        outcome = {True: Outcome.TIMEOUT, False: Outcome.OK}
        return {cell: Answer(outcome[cell in shut]) for cell in matrix.compared()}


A_TO_B: Mapping[str, Any] = {"p": [("a", "b"), ("a", "a")], "nothing": [], "both": [("b", "a")]}


def deny(source: str, target: str) -> netpol.Expect:
    return lambda matrix: matrix.deny(source, target)


def test_a_case_is_proven_and_undone(cluster: Cluster, enforcer: Enforcer) -> None:
    reach = Datapath(cluster, A_TO_B)
    states = (
        State((policy("x", "p"),), deny("a", "*")),
        State((policy("x", "both"), policy("x", "p")), lambda m: m.deny("*", "*")),
    )
    prove(Case("c", states), reach, enforcer)
    assert cluster.there == {}
    assert reach.looks == 6  # before, two for each state, after


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Reach.until_seen

    def soon(self: Reach, matrix: Matrix, **how: Any) -> Observed:
        return real(self, matrix, **{**how, "timeout": 0.3})

    monkeypatch.setattr(Reach, "until_seen", soon)


def test_a_policy_without_effect_fails(
    cluster: Cluster, enforcer: Enforcer, impatient: None
) -> None:
    reach = Datapath(cluster, A_TO_B)
    with pytest.raises(AssertionError, match=r"state 1 of c .*\n.*(.|\n)*a to b: expected TIMEOUT"):
        prove(case("c", policy("x", "nothing"), expect=deny("a", "b")), reach, enforcer)
    assert cluster.there == {}


def test_a_state_that_nothing_would_show_is_refused(cluster: Cluster, enforcer: Enforcer) -> None:
    reach = Datapath(cluster, A_TO_B)
    with pytest.raises(ValueError, match="state 1 changes nothing"):
        prove(case("c", policy("x", "nothing"), expect=lambda m: m), reach, enforcer)
    with pytest.raises(ValueError, match="state 1 changes nothing"):
        prove(case("c", policy("x", "p"), expect=deny("a", "a")), reach, enforcer)


def test_a_documented_difference_is_a_deviation_and_another_is_not(
    cluster: Cluster, enforcer: Enforcer, impatient: None
) -> None:
    reach = Datapath(cluster, A_TO_B)
    documented = case(
        "c", policy("x", "p"), expect=deny("b", "a"), instead=deny("a", "b"), link="docs"
    )
    with pytest.raises(Deviation, match="state 1 of c"):
        prove(documented, reach, enforcer)
    assert cluster.there == {}
    mended = case("c", policy("x", "both"), expect=deny("b", "a"), instead=deny("a", "b"))
    with pytest.raises(AssertionError, match="did not come true"):
        prove(mended, reach, enforcer)

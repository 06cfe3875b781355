"""NetworkPolicies as data, and cases of them: which are in force, and who then reaches whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from gkelab.tools.kubectl import Kubectl, Object, documents
from tests.support.matrix import Matrix, compare
from tests.support.reach import Reach, same

Expect = Callable[[Matrix], Matrix]
Tree = Any  # YAML's mappings, lists and scalars


class Deviation(AssertionError):
    """The datapath does what it is documented to do, which is not what Kubernetes says."""


@dataclass(frozen=True)
class Ref:
    """Stands in a policy for a value that is known only in the lab: a namespace's real name
    ("x"), a block of addresses ("client/32")."""

    name: str


def policy(
    space: str,
    name: str,
    pods: Object | None = None,
    *,
    ingress: Sequence[Object] | None = None,
    egress: Sequence[Object] | None = None,
    types: Sequence[str] = (),
) -> Object:
    """A NetworkPolicy of the namespace `space`; without `pods` it is about all of its pods."""
    spec: Object = {"podSelector": pods or {}}
    spec |= {"policyTypes": list(types)} if types else {}
    spec |= {"ingress": list(ingress)} if ingress is not None else {}
    spec |= {"egress": list(egress)} if egress is not None else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": spec,
    }


def closed(space: str, *types: str, pods: Object | None = None) -> Object:
    """Default deny, of these directions."""
    return policy(space, f"closed-{'-'.join(types).lower()}", pods, types=types)


def pick(*expressions: Object, **labels: Any) -> Object:
    """A label selector; of nothing at all, it selects everything."""
    found: Object = {}
    found |= {"matchLabels": labels} if labels else {}
    found |= {"matchExpressions": list(expressions)} if expressions else {}
    return found


def term(key: str, operator: str, *values: str) -> Object:
    """One expression of a label selector."""
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


def peer(pods: Object | None = None, spaces: Object | None = None) -> Object:
    """Pods of the policy's own namespace; with `spaces`, pods of these namespaces."""
    found: Object = {}
    found |= {"podSelector": pods} if pods is not None else {}
    found |= {"namespaceSelector": spaces} if spaces is not None else {}
    return found


def block(cidr: Ref | str, *excepted: Ref | str) -> Object:
    """A peer by its address."""
    return {"ipBlock": {"cidr": cidr} | ({"except": list(excepted)} if excepted else {})}


def port(
    number: int | str | None = None, protocol: str | None = None, end: int | None = None
) -> Object:
    """A port by number or name, or a range; what is None is left out."""
    fields = {"port": number, "protocol": protocol, "endPort": end}
    return {key: value for key, value in fields.items() if value is not None}


def from_(*peers: Object, ports: Sequence[Object] = ()) -> Object:
    """A rule of ingress; what is empty is left out, and then means all."""
    return _rule("from", peers, ports)


def to(*peers: Object, ports: Sequence[Object] = ()) -> Object:
    """A rule of egress; likewise."""
    return _rule("to", peers, ports)


def _rule(key: str, peers: Sequence[Object], ports: Sequence[Object]) -> Object:
    return ({key: list(peers)} if peers else {}) | ({"ports": list(ports)} if ports else {})


@dataclass(frozen=True)
class State:
    """Policies in force together, and what is reached then. `instead` is what Cilium is
    documented to do where it differs from that."""

    policies: tuple[Object, ...]
    expect: Expect
    instead: Expect | None = None


@dataclass(frozen=True)
class Case:
    """States that follow each other, from none in force to none in force again. `link` is to the
    document of the difference, where a state has one."""

    id: str
    states: tuple[State, ...]
    link: str = ""


def case(
    id: str, *policies: Object, expect: Expect, instead: Expect | None = None, link: str = ""
) -> Case:
    """A case of one state."""
    return Case(id, (State(policies, expect, instead),), link)


@dataclass
class Enforcer:
    """Keeps just the wanted policies in the cluster."""

    kubectl: Kubectl
    values: Mapping[str, str]
    _there: list[Object] = field(default_factory=list)

    def enforce(self, policies: Sequence[Object]) -> None:
        """Apply those that are new or changed, in this order; delete those not wanted any more."""
        wanted = [filled(item, self.values) for item in policies]
        new = [item for item in wanted if item not in self._there]
        gone = [item for item in self._there if _key(item) not in {_key(w) for w in wanted}]
        if len({_key(item) for item in wanted}) < len(wanted):
            raise ValueError("two policies of one name")
        # Remembered before it is tried: what a failed apply left behind is removed all the same.
        self._there = [*wanted, *gone]
        if new:
            self.kubectl.apply(new)
        if gone:
            text = documents(gone)
            words = ["--filename=-", "--ignore-not-found", "--wait=false"]
            self.kubectl("delete", *words, input=text)
        self._there = wanted


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def filled(tree: Tree, values: Mapping[str, str]) -> Tree:
    """The tree with its Refs, and its policies' namespaces, replaced by their values. Raises
    KeyError for one that has none."""
    if isinstance(tree, Ref):
        return values[tree.name]
    if isinstance(tree, Mapping):
        found = {key: filled(value, values) for key, value in tree.items()}
        if found.get("kind") == "NetworkPolicy":
            metadata = found["metadata"]
            found["metadata"] = metadata | {"namespace": values[metadata["namespace"]]}
        return found
    if isinstance(tree, list | tuple):
        return [filled(item, values) for item in tree]
    return tree


def prove(case: Case, reach: Reach, enforcer: Enforcer) -> None:
    """Go through the case's states, and see all open again when their policies are gone.

    Each state must change what is reached, or seeing it would prove nothing; it must be seen
    twice in a row. Raises AssertionError as `eventually_all` does; Deviation, after all else went
    well, where a state came out as documented and not as NetworkPolicy says.
    """
    opened = reach.with_own(reach.matrix())
    reach.until_seen(opened, what=f"before {case.id} all is open")
    before = opened
    deviation = ""
    try:
        for number, state in enumerate(case.states, 1):
            wanted = reach.with_own(state.expect(reach.matrix()))
            real = reach.with_own(state.instead(reach.matrix())) if state.instead else wanted
            if same(real, before):
                raise ValueError(f"{case.id}: state {number} changes nothing that could be seen")
            enforcer.enforce(state.policies)
            what = f"state {number} of {case.id}"
            seen = reach.until_seen(real, what=what, in_a_row=2)
            difference = compare(wanted, seen)
            deviation = deviation or (f"{what}\n{difference}" if difference else "")
            before = real
    finally:
        enforcer.enforce([])
    reach.until_seen(opened, what=f"after {case.id} all is open again")
    if deviation:
        raise Deviation(deviation)


def parameters(cases: Sequence[Case]) -> list[ParameterSet]:
    """The cases for `pytest.mark.parametrize`. One with a link must come out as documented, no
    worse and no better."""
    return [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.xfail(strict=True, raises=Deviation, reason=case.link)]
            if case.link
            else [],
        )
        for case in cases
    ]


def only(target: str, *sources: str) -> Expect:
    """That nobody but these sources reaches the target."""
    return lambda matrix: matrix.deny("*", target).allow(sources, target)


def only_to(source: str, *targets: str) -> Expect:
    """That the source reaches nothing but these targets."""
    return lambda matrix: matrix.deny(source, "*").allow(source, targets)

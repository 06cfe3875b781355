"""DNS while its pods go: one at a time is not noticed, all of them are.

Every pod of the lab under test asks CoreDNS, so this is apart from the suites that run side by
side.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pytest

from gkelab.tools.kubectl import Kubectl, Object
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.namespace import READY, Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.prober import Prober
from tests.support.probes import Probe
from tests.support.say import expect
from tests.support.steady import lost, steady
from tests.support.timeouts import TIMEOUTS

PODS = ("kube-system", "k8s-app=kube-dns")
# A datagram that is under way to a pod when it ends has no second try; the C library has.
MOST_LOST = 3
PATIENCE = 15.0  # more than the C library's two tries


@pytest.fixture
def datagrams(namespace: Namespace) -> Iterator[Prober]:
    """A client that asks once, by UDP."""
    with Prober(namespace.place("client")) as prober:
        yield prober


@pytest.fixture
def programs(namespace: Namespace) -> Iterator[Prober]:
    """A client that asks as programs do, by the C library."""
    with Prober(namespace.place("client")) as prober:
        yield prober


def once(namespace: Namespace) -> Probe:
    """One datagram with a question."""
    name = f"server.{namespace.name}.svc.cluster.local"
    return Probe("dns", name=name, timeout=TIMEOUTS.short)


def looked_up(namespace: Namespace) -> Probe:
    """A lookup of a whole name, which no search list lengthens."""
    name = f"server.{namespace.name}.svc.cluster.local."
    return Probe("dns", name=name, type="HOST", timeout=PATIENCE)


def failed(answer: Answer) -> bool:
    """Whether the name was not found."""
    return answer.outcome is not Outcome.OK


def all_ready(kubectl: Kubectl, gone: str = "") -> list[Object]:
    """Wait until CoreDNS has all of its pods, Ready, and not the one that is to go."""

    def ready() -> list[Object]:
        deployment = kubectl.get("deployment", "coredns", "kube-system")
        assert deployment is not None
        pods = kubectl.list("pods", *PODS)
        names = {pod["metadata"]["name"] for pod in pods}
        status = deployment.get("status", {})
        whole = status.get("readyReplicas", 0) == deployment["spec"]["replicas"] == len(pods)
        return pods if whole and gone not in names else []

    return until(ready, bool, what="CoreDNS is whole", timeout=READY, interval=0.5)


def more(answers: list[Answer], count: int = 50) -> None:
    """Wait for so many answers more."""
    wanted = len(answers) + count
    until(
        lambda: len(answers),
        lambda number: number >= wanted,
        what=f"{count} answers more",
        timeout=READY,
        interval=0.1,
    )


def test_a_pod_that_goes_is_not_noticed(
    namespace: Namespace, datagrams: Prober, programs: Prober
) -> None:
    """While one of the CoreDNS pods is deleted and made anew, programs find every name, and of
    single datagrams hardly one is lost, never two after each other."""
    kubectl = namespace.kubectl
    pods = all_ready(kubectl)
    assert len(pods) > 1, "with one pod there is nobody to take over"
    leaving = pods[0]["metadata"]["name"]
    question, lookup = once(namespace), looked_up(namespace)
    eventually(lambda: datagrams.one(question), what="the name is known", in_a_row=10)
    with (
        steady(lambda: datagrams.one(question)) as by_datagram,
        steady(lambda: programs.one(lookup)) as by_program,
    ):
        more(by_datagram)
        kubectl.delete("pod", leaving, "kube-system")
        all_ready(kubectl, gone=leaving)
        more(by_datagram)
        more(by_program)
    assert not lost(by_program), f"{len(lost(by_program))} of {len(by_program)} lookups failed"
    missed = lost(by_datagram)
    told = f"{len(missed)} of {len(by_datagram)} datagrams: {missed[:3]}"
    assert len(missed) <= MOST_LOST, told
    assert {answer.outcome for answer in missed} <= {Outcome.TIMEOUT, Outcome.REFUSED}, told
    outages = [list(run) for bad, run in groupby(by_datagram, key=failed) if bad]
    assert all(len(run) == 1 for run in outages), told
    wanted = (namespace.service_ip("server"),)
    assert {a.records for a in by_datagram if a.outcome is Outcome.OK} == {wanted}


@pytest.fixture
def without_coredns(kubectl: Kubectl) -> Iterator[None]:
    """CoreDNS scaled to nothing, and back at the end."""
    deployment = kubectl.get("deployment", "coredns", "kube-system")
    assert deployment is not None
    scale = ["scale", "deployment/coredns", "--namespace=kube-system"]
    kubectl(*scale, "--replicas=0")
    try:
        until(
            lambda: kubectl.list("pods", *PODS),
            lambda pods: not pods,
            what="CoreDNS has no pods",
            timeout=READY,
            describe=lambda pods: f"{len(pods)} are left",
        )
        yield
    finally:
        kubectl(*scale, f"--replicas={deployment['spec']['replicas']}")
        all_ready(kubectl)


@pytest.fixture
def back(namespace: Namespace, datagrams: Prober) -> Iterator[None]:
    """What holds after all else of the test is undone: the name is found again."""
    eventually(lambda: datagrams.one(once(namespace)), what="the name is known", in_a_row=10)
    yield
    eventually(lambda: datagrams.one(once(namespace)), what="it is found again", in_a_row=10)


def test_without_pods_nothing_is_found(
    namespace: Namespace, datagrams: Prober, programs: Prober, back: None, without_coredns: None
) -> None:
    """The counterfactual: with no CoreDNS pod a datagram is refused, and a lookup fails."""
    eventually(
        lambda: datagrams.one(once(namespace)), outcome=Outcome.REFUSED, what="nobody is asked"
    )
    expect(programs.one(looked_up(namespace)), outcome=Outcome.DNS_ERROR)

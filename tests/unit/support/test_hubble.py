"""What Hubble is asked, of whom, and how its flows read in a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gkelab.shell import CommandError, Result
from gkelab.tools.cilium import Flow
from gkelab.tools.docker import Docker
from gkelab.tools.kubectl import Kubectl
from tests.support.eventually import eventually_all, eventually_from
from tests.support.hubble import hubble_saw, hubble_says, told
from tests.support.matrix import Matrix
from tests.support.outcomes import Answer, Asked, Outcome
from tests.support.places import ContainerPlace, HostPlace, PodPlace
from tests.support.probes import Probe, dns, http, http_many, probe_many
from tests.support.recorder import Recorder
from tests.support.running import Running, run_of, running
from tests.support.say import expect
from tests.unit.tools import FOREIGN_CONTAINER

LATE = Answer(Outcome.TIMEOUT, detail="timed out")


def flow(second: int, verdict: str = "FORWARDED", reason: str = "", to: str = "t-x/b") -> Flow:
    time = f"2026-11-22T01:00:{second:02}Z"
    return Flow(time, "worker", "t-x/a", to, verdict, reason, "ingress", "TCP SYN")


RAW: dict[str, Any] = {
    "time": "2026-11-22T01:02:03Z",
    "verdict": "DROPPED",
    "source": {"namespace": "t-x", "pod_name": "a"},
    "destination": {"namespace": "t-x", "pod_name": "b"},
    "node_name": "worker",
    "drop_reason_desc": "POLICY_DENIED",
}
DROP = "  worker: t-x/a -> t-x/b DROPPED POLICY_DENIED"


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def kubectl(run: Recorder) -> Kubectl:
    return Kubectl(Path("kubectl"), Path("/k"), "kind-a", run)


@pytest.fixture
def pod(kubectl: Kubectl) -> PodPlace:
    return PodPlace(kubectl, "t-x", "a")


@pytest.fixture
def now(kubectl: Kubectl) -> Iterator[Running]:
    """Inside a run of end-to-end tests."""
    with run_of("r1") as now:
        now.clusters.append(kubectl)
        yield now


def answers(run: Recorder, kubectl: Kubectl, *filters: str, says: str | None = None) -> list[str]:
    """Expect the question to the only agent."""
    agent = {"metadata": {"name": "cilium-a"}, "spec": {"nodeName": "worker"}}
    words = ["--namespace=kube-system", "--selector=k8s-app=cilium", "--output=json"]
    run.handle(kubectl.argv("get", "pods", *words), json.dumps({"items": [agent]}))
    where = ["--namespace=kube-system", "exec", "cilium-a", "--container=cilium-agent", "--"]
    observe = ["hubble", "observe", "--last=100", "--since=90s", *filters, "--output=jsonpb"]
    argv = kubectl.argv(*where, *observe)
    run.handle(argv, json.dumps({"flow": RAW}) if says is None else says)
    return argv


# --- lines


def test_drops_come_first_and_repetitions_once() -> None:
    flows = [flow(1), flow(2), flow(3, "DROPPED", "POLICY_DENIED"), flow(4, "DROPPED", "NO_ROUTE")]
    assert told("of t-x/a", [*flows, flow(5)]).splitlines() == [
        "Hubble of t-x/a in the last 90s: 2 of 5 flows dropped",
        "  worker: t-x/a -> t-x/b DROPPED POLICY_DENIED ingress TCP SYN",
        "  worker: t-x/a -> t-x/b DROPPED NO_ROUTE ingress TCP SYN",
        "  worker: t-x/a -> t-x/b FORWARDED ingress TCP SYN (×3)",
    ]


def test_of_many_flows_ten_are_shown() -> None:
    said = told("of x", [flow(n, to=f"t-x/{n}") for n in range(25)]).splitlines()
    assert said[0].endswith("0 of 25 flows dropped, 15 of them not shown")
    assert len(said) == 11


def test_that_it_saw_nothing_says_something_too() -> None:
    assert told("of t-x/a", []) == "Hubble saw nothing of t-x/a in the last 90s"


# --- who is asked


def test_of_a_pod_its_own_cluster_is_asked(
    run: Recorder, kubectl: Kubectl, pod: PodPlace, now: Running
) -> None:
    now.clusters.append(Kubectl(Path("kubectl"), Path("/k"), "kind-b", run))
    argv = answers(run, kubectl, "--pod", "t-x/a")
    assert hubble_says(Asked(pod, "x")).splitlines()[1:] == [DROP]
    assert run.argvs[-1] == argv
    assert all(0 < (call.timeout or 0) <= 10 for call in run.calls)


def test_of_a_container_every_cluster_is_asked_for_its_addresses(
    run: Recorder, kubectl: Kubectl, now: Running
) -> None:
    inspect = ["docker", "container", "inspect", "client"]
    run.handle(inspect, json.dumps([FOREIGN_CONTAINER]))
    answers(run, kubectl, "--ip", "172.18.0.2")
    place = ContainerPlace(Docker(run), "client")
    assert hubble_says(Asked(place, "x")).splitlines()[1:] == [DROP]


def test_of_a_namespace(run: Recorder, kubectl: Kubectl) -> None:
    answers(run, kubectl, "--namespace", "t-x", says="")
    assert hubble_saw(kubectl, "t-x") == "Hubble saw nothing in t-x in the last 90s"


def test_of_a_place_that_hubble_does_not_know_nobody_is_asked(run: Recorder, now: Running) -> None:
    run.handle(["docker", "container", "inspect", "gone"], code=1)
    assert hubble_says(Asked(HostPlace(run), "x")) == ""
    assert hubble_says(Asked(ContainerPlace(Docker(run), "gone"), "x")) == ""
    assert hubble_says(None) == ""
    assert len(run.calls) == 1


def test_outside_of_a_run_nobody_is_asked(run: Recorder, pod: PodPlace) -> None:
    assert running() is None
    assert hubble_says(Asked(pod, "x")) == ""
    assert run.calls == []


# --- in sentences


def failing(answer: Answer) -> str:
    with pytest.raises(AssertionError) as caught:
        expect(answer)
    return str(caught.value)


def test_a_failed_expectation_says_what_hubble_saw(
    run: Recorder, kubectl: Kubectl, pod: PodPlace, now: Running
) -> None:
    answers(run, kubectl, "--pod", "t-x/a")
    late = Answer(Outcome.TIMEOUT, detail="timed out", asked=Asked(pod, "http://10.0.0.5/"))
    assert failing(late).splitlines() == [
        "from t-x/a to http://10.0.0.5/: expected OK, but saw TIMEOUT (timed out)",
        "Hubble of t-x/a in the last 90s: 1 of 1 flows dropped",
        DROP,
    ]


def test_hubble_is_asked_at_failure_alone(run: Recorder, pod: PodPlace, now: Running) -> None:
    good = Answer(Outcome.OK, 200, asked=Asked(pod, "x"))
    assert expect(good) is good
    assert run.calls == []


def test_when_hubble_is_away_the_sentence_stays(
    run: Recorder, kubectl: Kubectl, pod: PodPlace, now: Running
) -> None:
    argv = answers(run, kubectl, "--pod", "t-x/a", says="")
    run.handle(argv, code=1, stderr="no socket")
    with pytest.raises(CommandError):
        for _ in range(2):
            hubble_says(Asked(pod, "x"))
    said = failing(Answer(Outcome.TIMEOUT, asked=Asked(pod, "y")))
    assert said.startswith("from t-x/a to y: expected OK, but saw TIMEOUT\n(no more is known: ")
    assert "no socket" in said


def test_of_many_answers_the_first_wrong_ones_are_asked_about_each_place_once(
    run: Recorder, kubectl: Kubectl, now: Running
) -> None:
    names = ["a", "b", "c", "d", "e"]
    answers(run, kubectl, "--pod", "t-x/b", says="")
    for name in ("c", "d"):
        argv = answers(run, kubectl, "--pod", f"t-x/{name}")
    seen = {
        (source, target): Answer(
            Outcome.OK if source == "a" else Outcome.TIMEOUT,
            asked=Asked(PodPlace(kubectl, "t-x", source), target),
        )
        for source in names
        for target in ("y", "z")
    }
    with pytest.raises(AssertionError) as caught:
        eventually_all(lambda: seen, Matrix(names, ["y", "z"]), what="all is open", timeout=0)
    said = str(caught.value).splitlines()
    assert said[0] == "all is open did not come true within 0 s: "
    assert "b to y: expected OK, saw TIMEOUT" in said
    head = "Hubble of t-x/{} in the last 90s: 1 of 1 flows dropped"
    assert said[-5:] == [
        "Hubble saw nothing of t-x/b in the last 90s",
        *(head.format("c"), DROP),
        *(head.format("d"), DROP),
    ]
    assert run.argvs[-1] == argv


def test_what_is_waited_for_asks_hubble_when_it_is_given_up(
    run: Recorder, kubectl: Kubectl, pod: PodPlace, now: Running
) -> None:
    argv = answers(run, kubectl, "--pod", "t-x/a")
    late = Answer(Outcome.TIMEOUT, asked=Asked(pod, "http://10.0.0.5/"))
    with pytest.raises(AssertionError) as caught:
        eventually_from(lambda: [late, late], {"one", "two"}, what="both answer", timeout=0.3)
    assert str(caught.value).splitlines() == [
        "both answer did not come true within 0.3 s: "
        "from t-x/a to http://10.0.0.5/: expected one, two, but saw TIMEOUT.",
        "Hubble of t-x/a in the last 90s: 1 of 1 flows dropped",
        DROP,
    ]
    assert run.argvs.count(argv) == 1


# --- what probes know of themselves


def test_every_probe_knows_where_it_was_made_and_to_what() -> None:
    def silent(*_: object, **__: object) -> Result:
        return Result(("curl",), 124, "", "")

    place = HostPlace(silent)
    url = "http://10.0.0.5:8080/x"
    asked = [
        http(place, url).asked,
        *(answer.asked for answer in http_many(place, url, 2)),
        dns(place, "a.b", server="10.0.16.10").asked,
        *(
            answer.asked
            for answer in probe_many(
                place,
                [Probe("http", "h", 80, path="/p"), Probe("tcp", "h", 9), Probe("dns", name="n")],
            )
        ),
    ]
    assert asked == [
        Asked(place, target)
        for target in (
            *(url, url, url, "the name a.b (A) at 10.0.16.10"),
            *("http://h:80/p", "tcp://h:9", "the name n (A)"),
        )
    ]


def test_what_was_asked_is_no_part_of_what_was_seen(pod: PodPlace) -> None:
    assert Answer(Outcome.OK, asked=Asked(pod, "x")) == Answer(Outcome.OK)
    assert "asked" not in repr(Answer(Outcome.OK, asked=Asked(pod, "x")))
    assert str(LATE) == "saw TIMEOUT (timed out)"

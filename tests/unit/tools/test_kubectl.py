"""kubectl: always the lab's kubeconfig and a context; objects in and out as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gkelab.shell import CommandError
from gkelab.tools.kubectl import Kubectl
from tests.support.recorder import Recorder

HEAD = ["/bin/kubectl", "--kubeconfig", "/lab/kubeconfig", "--context", "kind-one"]
APPLY = ["apply", "--server-side", "--force-conflicts", "--field-manager=gkelab", "--filename=-"]
OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"x": "yes"}},
]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def kubectl(run: Recorder) -> Kubectl:
    return Kubectl(Path("/bin/kubectl"), Path("/lab/kubeconfig"), "kind-one", run)


def listing(*words: str) -> list[str]:
    return ["get", *words, "--output=json"]


@pytest.mark.parametrize(
    ("act", "words", "stdout"),
    [
        (lambda k: k("get", "pods"), ["get", "pods"], ""),
        (lambda k: k.list("pods"), listing("pods", "--all-namespaces"), '{"items": []}'),
        (
            lambda k: k.list("nodes,services", "x", "app=y"),
            listing("nodes,services", "--namespace=x", "--selector=app=y"),
            '{"items": []}',
        ),
        (
            lambda k: k.get("pod", "y", "x"),
            ["--namespace=x", "get", "pod", "y", "--ignore-not-found", "--output=json"],
            "{}",
        ),
        (
            lambda k: k.get("node", "y"),
            ["get", "node", "y", "--ignore-not-found", "--output=json"],
            "{}",
        ),
        (
            lambda k: k.delete("pod", "y", "x"),
            ["--namespace=x", "delete", "pod", "y", "--ignore-not-found", "--wait=true"],
            "",
        ),
        (
            lambda k: k.delete("node", "y", wait=False),
            ["delete", "node", "y", "--ignore-not-found", "--wait=false"],
            "",
        ),
        (
            lambda k: k.wait("Available", "deployment/y", "x", timeout=60),
            [
                *("--namespace=x", "wait", "deployment/y"),
                *("--for=condition=Available", "--timeout=60s"),
            ],
            "",
        ),
        (
            lambda k: k.exec("x", "y", ["curl", "http://z"]),
            ["--namespace=x", "exec", "y", "--", "curl", "http://z"],
            "",
        ),
        (
            lambda k: k.exec("x", "y", ["sh"], container="c", input="true", timeout=9),
            ["--namespace=x", "exec", "--stdin", "y", "--container=c", "--", "sh"],
            "",
        ),
    ],
)
def test_a_method_is_one_command(
    kubectl: Kubectl,
    run: Recorder,
    act: Callable[[Kubectl], object],
    words: list[str],
    stdout: str,
) -> None:
    run.handle([*HEAD, *words], stdout)
    act(kubectl)
    assert run.argvs == [[*HEAD, *words]]


def test_the_argv_is_there_for_who_becomes_kubectl(kubectl: Kubectl) -> None:
    assert kubectl.argv("logs", "-f") == [*HEAD, "logs", "-f"]


def test_objects_are_applied_on_the_servers_side_as_yaml(kubectl: Kubectl, run: Recorder) -> None:
    run.handle([*HEAD, *APPLY])
    kubectl.apply(OBJECTS)
    assert run.calls[0].input is not None
    assert list(yaml.safe_load_all(run.calls[0].input)) == OBJECTS  # "yes" stays a text


def test_a_refused_apply_is_an_error_unless_the_caller_judges(
    kubectl: Kubectl, run: Recorder
) -> None:
    run.handle([*HEAD, *APPLY], code=1, stderr="failed calling webhook")
    assert kubectl.apply(OBJECTS, check=False).stderr == "failed calling webhook"
    with pytest.raises(CommandError, match="failed calling webhook"):
        kubectl.apply(OBJECTS)


def test_get_is_the_object_or_none(kubectl: Kubectl, run: Recorder) -> None:
    words = ["get", "node", "y", "--ignore-not-found", "--output=json"]
    run.handle([*HEAD, *words], json.dumps(OBJECTS[0]))
    run.handle([*HEAD, *words], "\n")
    assert kubectl.get("node", "y") == OBJECTS[0]
    assert kubectl.get("node", "y") is None


def test_list_is_the_items(kubectl: Kubectl, run: Recorder) -> None:
    run.handle(
        [*HEAD, *listing("all", "--all-namespaces")], json.dumps({"kind": "List", "items": OBJECTS})
    )
    assert kubectl.list("all") == OBJECTS


def test_a_server_that_does_not_answer_is_an_error_not_an_empty_list(
    kubectl: Kubectl, run: Recorder
) -> None:
    run.handle([*HEAD, *listing("pods", "--all-namespaces")], code=1, stderr="connection refused")
    with pytest.raises(CommandError, match="connection refused"):
        kubectl.list("pods")


def test_execs_input_and_timeout_reach_the_runner(kubectl: Kubectl, run: Recorder) -> None:
    run.handle([*HEAD, "--namespace=x", "exec", "--stdin", "y", "--", "sh"], code=7)
    said = kubectl.exec("x", "y", ["sh"], input="exit 7", check=False, timeout=3)
    assert (said.code, run.calls[0].input, run.calls[0].timeout) == (7, "exit 7", 3)


def test_a_wait_gives_kubectl_the_time_to_say_that_it_was_in_vain(
    kubectl: Kubectl, run: Recorder
) -> None:
    words = ["--namespace=x", "wait", "pod/y", "--for=condition=Ready", "--timeout=60s"]
    run.handle([*HEAD, *words], code=1, stderr="error: timed out waiting for the condition")
    with pytest.raises(CommandError, match="timed out waiting"):
        kubectl.wait("Ready", "pod/y", "x", timeout=60)
    assert run.calls[0].timeout == 90

"""Places: the command lines, and that no failure raises."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gkelab.shell import CommandError, Result, run
from gkelab.tools.docker import Docker
from gkelab.tools.kubectl import Kubectl
from tests.support.places import ContainerPlace, HostPlace, PodPlace, no_verdict


class Recorder:
    """A runner that notes the argv and answers, or raises, what it is told."""

    def __init__(self, answer: Result | CommandError) -> None:
        self.answer = answer
        self.seen: list[tuple[list[str], str | None, float | None, bool]] = []

    def __call__(self, argv: Sequence[str], **options: Any) -> Result:
        told = options.get("input"), options.get("timeout"), options.get("check", True)
        self.seen.append((list(argv), *told))
        if isinstance(self.answer, CommandError):
            raise self.answer
        return self.answer


FAILED = Result(("x",), 1, "", "error: unable to upgrade connection: container not found")
KUBECTL = ["kubectl", "--kubeconfig", "/k/config", "--context", "kind-a"]


def pod(runner: Recorder, container: str = "") -> PodPlace:
    kubectl = Kubectl(Path("kubectl"), Path("/k/config"), "kind-a", runner)
    return PodPlace(kubectl, "x", "a", container)


def test_pod() -> None:
    runner = Recorder(FAILED)
    assert pod(runner, "web").exec(["true"], input="in", timeout=4) == FAILED
    words = ["--namespace=x", "exec", "--stdin", "a", "--container=web", "--", "true"]
    assert runner.seen == [([*KUBECTL, *words], "in", 4, False)]
    assert pod(runner).name == "x/a"


def test_container() -> None:
    runner = Recorder(FAILED)
    assert ContainerPlace(Docker(runner), "node").exec(["true"], input="") == FAILED
    wanted = ["docker", "exec", "--interactive", "node", "true"]
    assert runner.seen == [(wanted, "", None, False)]


def test_command_is_what_exec_runs() -> None:
    runner = Recorder(FAILED)
    container = ContainerPlace(Docker(runner), "node")
    for place in (pod(runner), pod(runner, "web"), container, HostPlace(runner)):
        place.exec(["ip", "route"])
        assert runner.seen[-1][0] == place.command(["ip", "route"])
        place.exec(["ip", "route"], input="text")
        assert runner.seen[-1][0] == place.command(["ip", "route"], stdin=True)


def test_time_outs_and_missing_tools_are_results() -> None:
    for place in (
        pod(Recorder(CommandError(Result(("kubectl",), 124, "part", ""), "took longer"))),
        ContainerPlace(Docker(Recorder(CommandError(Result(("d",), 124, "part", "")))), "node"),
        HostPlace(Recorder(CommandError(Result(("d",), 124, "part", "")))),
    ):
        result = place.exec(["true"])
        assert (result.code, result.stdout) == (124, "part")
        assert result.stderr
    missing = HostPlace(run).exec(["/no/such/program"])
    assert missing.code == 127
    assert "not there" in missing.stderr


def test_no_verdict_has_place_code_and_last_words() -> None:
    answer = no_verdict(pod(Recorder(FAILED)), FAILED)
    assert answer.detail == (
        "no verdict from x/a, exec ended with 1: "
        "error: unable to upgrade connection: container not found"
    )
    assert no_verdict(pod(Recorder(FAILED)), Result((), 137, "", "")).detail.endswith("with 137")

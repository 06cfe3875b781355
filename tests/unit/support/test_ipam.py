"""The allocator's answers, in the forms of Cilium 1.19's API (api/v1/openapi.yaml, ipam)."""

from __future__ import annotations

import pytest

from gkelab.shell import CommandError
from gkelab.tools.docker import Docker
from tests.support.ipam import give_back, take
from tests.support.places import ContainerPlace
from tests.support.recorder import Recorder


def argv(method: str, what: str) -> list[str]:
    return [
        *("docker", "exec", "worker", "curl", "-q", "--silent", "--show-error"),
        *("--max-time", "20", "--unix-socket", "/var/run/cilium/cilium.sock"),
        *("--request", method, "--write-out", "\\n%{http_code}", f"http://agent/v1/ipam/{what}"),
    ]


TAKE = argv("POST", "10.0.0.5?owner=gkelab-test&pool=default")
BACK = argv("DELETE", "10.0.0.5?pool=default")


@pytest.mark.parametrize(
    ("stdout", "granted", "taken"),
    [
        ("\n200", True, False),
        ('"provided IP is already allocated"\n\n500', False, True),
        ('"provided IP is not in the valid range"\n\n500', False, False),
    ],
)
def test_take(stdout: str, granted: bool, taken: bool) -> None:
    run = Recorder()
    run.handle(TAKE, stdout)
    said = take(ContainerPlace(Docker(run), "worker"), "10.0.0.5")
    assert (said.granted, said.taken) == (granted, taken)


def test_give_back() -> None:
    run = Recorder()
    run.handle(BACK, "\n200")
    give_back(ContainerPlace(Docker(run), "worker"), "10.0.0.5")
    refusing = Recorder()
    refusing.handle(BACK, '"IP is in use by endpoint 12"\n\n500')
    with pytest.raises(CommandError, match="status 500"):
        give_back(ContainerPlace(Docker(refusing), "worker"), "10.0.0.5")


@pytest.mark.parametrize(
    ("code", "stdout"), [(7, "\n000"), (0, ""), (127, ""), (1, "permission denied\n")]
)
def test_an_agent_that_does_not_answer(code: int, stdout: str) -> None:
    run = Recorder()
    run.handle(TAKE, stdout, code=code)
    with pytest.raises(CommandError):
        take(ContainerPlace(Docker(run), "worker"), "10.0.0.5")

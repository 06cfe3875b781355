"""`up` killed in each of its steps, with no chance to clean up, and resumed by the next `up`.

The tests are one story, in order: every `up` but the last is killed, each a step further than the
one before it, which shows that that one was resumed. The lab that comes of it is whole, and a
second `up` changes nothing of it.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab import commands
from gkelab.status import lab_status
from gkelab.supply.pins import ROOT
from tests.support.invoke import invoke
from tests.support.killed_up import STEPS, argv
from tests.support.own_lab import NAME, answers, changed, remove, settled, snapshot

LONGEST = 300.0  # seconds that an `up` may take to the step in which it is killed


@pytest.fixture(scope="module")
def nothing(topology: Path) -> Iterator[Path]:
    """The topology, of which there is no lab when the story begins; what labs are made of is
    there, as steps are to be killed and not builds."""
    remove()
    invoke("images.build")
    yield topology


@pytest.mark.parametrize(("step", "after"), STEPS, ids=[f"{step}-{at:g}s" for step, at in STEPS])
def test_up_is_killed(nothing: Path, tmp_path: Path, step: str, after: float) -> None:
    """It gets to that step, so what was killed before was resumed, and dies there."""
    output = tmp_path / "output"
    with output.open("wb") as out:
        done = subprocess.run(
            argv(step, after, str(nothing)),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=LONGEST,
            check=False,
        )
    assert done.returncode == -signal.SIGKILL, f"it was not killed in {step}: {output.read_text()}"


def test_a_plain_up_goes_on(nothing: Path) -> None:
    """The last one is not killed: the lab is whole, and traffic goes through it."""
    invoke("up", f"--topology={nothing}")
    lab = commands.open_lab(NAME)
    assert not lab_status(lab).problems
    answers(lab)


def test_a_second_up_changes_nothing(nothing: Path) -> None:
    """Containers, networks, pods and everything applied are what they were."""
    lab = commands.open_lab(NAME)
    before = settled(lab)
    assert any("ConfigMap kube-system/gkelab-applied" in name for name in before)
    invoke("up", f"--topology={nothing}")
    assert changed(before, snapshot(lab)) == []


def test_a_change_would_be_seen(nothing: Path) -> None:
    """The counterfactual: a label on one object that the lab applied, and a killed pod."""
    lab = commands.open_lab(NAME)
    kubectl = lab.kubectl(NAME)
    before = settled(lab)
    where = "--namespace=sample"
    kubectl("label", "service", "whoami", where, "gkelab.test=seen")
    try:
        kubectl("delete", "pod", where, "--selector=app=whoami", "--wait=true")
        seen = changed(before, snapshot(lab))
    finally:
        kubectl("label", "service", "whoami", where, "gkelab.test-")
    assert f"{NAME}: Service sample/whoami" in seen
    assert any(name.startswith(f"{NAME}: Pod sample/whoami-") for name in seen)
    assert f"{NAME}: ConfigMap kube-system/gkelab-applied" not in seen

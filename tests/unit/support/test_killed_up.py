"""An `up` that dies: at which step, when, and that every step has its turn."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gkelab import up
from gkelab.graph import Task
from gkelab.supply.pins import ROOT
from gkelab.wait import until
from tests.support import killed_up
from tests.support.killed_up import STEPS, Killing
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab
from tests.unit.tools import lists_containers

CLUSTER = Task("cluster:lifecycle", lambda: "", what="create it")
# They make files of the build cache, or nothing at all.
NO_STEPS = ("store", "load", "keep", "lab", "render-cilium", "render-metallb", "render-istio")


def test_every_step_has_its_turn(tmp_path: Path) -> None:
    run = Recorder()
    lists_containers(run, ["io.x-k8s.kind.cluster=vpc-native"], [])
    tasks = up.lab_tasks(make_lab(tmp_path, run))
    names = {task.name.partition(":")[0] for task in tasks}
    assert {step for step, _ in STEPS} == names - set(NO_STEPS)


def test_a_step_needs_only_steps_that_came_before(tmp_path: Path) -> None:
    """Else an `up` could not get to it past the ones that were killed."""
    run = Recorder()
    lists_containers(run, ["io.x-k8s.kind.cluster=vpc-native"], [])
    order = list(dict.fromkeys(step for step, _ in STEPS))
    for task in up.lab_tasks(make_lab(tmp_path, run)):
        name = task.name.partition(":")[0]
        needs = {need.partition(":")[0] for need in task.needs}
        if name in order:
            assert needs & set(order) <= set(order[: order.index(name)]), name


class Kill:
    """Remembers that it was called."""

    def __init__(self) -> None:
        self.called = threading.Event()

    def __call__(self) -> None:
        self.called.set()


def test_it_dies_in_the_midst_of_its_step() -> None:
    kill = Kill()
    lines = Killing("cluster", 0.05, kill)
    lines.started(Task("client", lambda: ""))
    lines.finished(Task("client", lambda: ""), 0, "", [])
    assert not kill.called.is_set()
    lines.started(CLUSTER)
    assert not kill.called.is_set()
    assert kill.called.wait(10)


def test_or_at_its_end_when_it_is_shorter() -> None:
    kill = Kill()
    lines = Killing("cluster", 3600, kill)
    try:
        lines.started(CLUSTER)
        lines.finished(CLUSTER, 0, "", [])
        assert kill.called.is_set()
    finally:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()


def test_it_takes_its_group_with_it() -> None:
    program = "import subprocess; from tests.support.killed_up import kill_group\n"
    program += "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True)\n"
    program += "kill_group()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    status = Path("/proc") / done.stdout.decode().strip() / "status"
    until(
        lambda: "" if not status.exists() else status.read_text(),
        lambda text: not text or "Z (zombie)" in text,
        what="the child is gone, too",
        timeout=10,
    )


def test_it_refuses_to_kill_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpgrp", lambda: 1)
    with pytest.raises(SystemExit, match="a session of its own"):
        killed_up.main(["cluster", "1", "small"])


def test_the_command_line_names_the_module() -> None:
    argv = killed_up.argv("cluster", 0.5, "x.yaml")
    assert argv == [sys.executable, "-m", "tests.support.killed_up", "cluster", "0.5", "x.yaml"]

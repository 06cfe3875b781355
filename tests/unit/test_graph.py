"""The graph of tasks: order, slots, and what a failure stops and what it does not."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED, Task, needed_for, run_graph


class Said:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.started_names: list[str] = []
        self.ended: list[tuple[str, float, str, list[str]]] = []
        self.failures: list[tuple[str, str]] = []

    def started(self, task: Task) -> None:
        self.started_names.append(task.name)

    def finished(self, task: Task, seconds: float, note: str, remaining: Sequence[str]) -> None:
        self.ended.append((task.name, seconds, note, list(remaining)))

    def failed(self, task: Task, seconds: float, error: LabError) -> None:
        self.failures.append((task.name, str(error)))


@pytest.fixture
def said() -> Said:
    return Said()


def noop(name: str, *needs: str, heavy: bool = False) -> Task:
    return Task(name, lambda: CACHED, needs, heavy)


def failing(name: str, *needs: str) -> Task:
    def fail() -> str:
        raise LabError(f"{name} is broken")

    return Task(name, fail, needs)


def test_needs_come_first_and_where_both_may_run_the_list_decides(said: Said) -> None:
    tasks = [noop("last", "b"), noop("a"), noop("b", "a"), noop("c")]
    run_graph(tasks, said, threads=1)
    assert said.started_names == ["a", "c", "b", "last"]


def test_what_does_not_need_each_other_runs_at_once(said: Said) -> None:
    together = threading.Barrier(2, timeout=20)

    def meet() -> str:
        together.wait()
        return ""

    run_graph([Task("a", meet), Task("b", meet)], said)
    assert sorted(name for name, *_ in said.ended) == ["a", "b"]


@pytest.mark.parametrize("slots", [1, 2])
def test_heavy_tasks_share_the_slots_and_light_ones_do_not_wait(said: Said, slots: int) -> None:
    lock = threading.Lock()
    light_ran = threading.Event()
    running, most = 0, 0

    def work() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert light_ran.wait(20)  # while the heavy ones hold every slot
        with lock:
            running -= 1
        return ""

    def light() -> str:
        light_ran.set()
        return ""

    tasks = [Task(f"heavy{n}", work, heavy=True) for n in range(4)]
    run_graph([*tasks, Task("light", light)], said, heavy_slots=slots)
    assert 1 <= most <= slots
    assert len(said.ended) == 5
    assert said.started_names[slots] == "light"


def test_a_failure_starts_nothing_new_but_what_runs_comes_to_its_end(said: Said) -> None:
    failed = threading.Event()
    finished: list[str] = []

    def slow() -> str:
        assert failed.wait(20)
        finished.append("slow")
        return ""

    class Watching(Said):
        def failed(self, task: Task, seconds: float, error: LabError) -> None:
            super().failed(task, seconds, error)
            failed.set()

    watching = Watching()
    tasks = [
        Task("slow", slow),
        failing("bad"),
        noop("after-slow", "slow"),
        noop("after-bad", "bad"),
    ]
    with pytest.raises(LabError, match=r"^bad is broken\.$"):
        run_graph(tasks, watching)
    assert finished == ["slow"]
    assert watching.started_names == ["slow", "bad"]
    assert [name for name, *_ in watching.ended] == ["slow"]


def test_of_two_failures_the_first_is_raised_and_both_are_reported(said: Said) -> None:
    second_may = threading.Event()

    def second() -> str:
        assert second_may.wait(20)
        raise LabError("second is broken")

    class Watching(Said):
        def failed(self, task: Task, seconds: float, error: LabError) -> None:
            super().failed(task, seconds, error)
            second_may.set()

    watching = Watching()
    with pytest.raises(LabError, match="first is broken"):
        run_graph([Task("second", second), failing("first")], watching)
    assert [name for name, _ in watching.failures] == ["first", "second"]


def test_what_the_system_refuses_a_task_is_its_failure_and_the_rest_comes_to_its_end(
    said: Said,
) -> None:
    failed = threading.Event()

    def full() -> str:
        with open("/dev/full", "w") as disk:  # a real one, as far as a write can tell
            disk.write("x")
        return ""

    def slow() -> str:
        assert failed.wait(20)
        return "whole"

    class Watching(Said):
        def failed(self, task: Task, seconds: float, error: LabError) -> None:
            super().failed(task, seconds, error)
            failed.set()

    watching = Watching()
    tasks = [Task("slow", slow), Task("image:net", full, what="image net"), noop("c", "image:net")]
    with pytest.raises(LabError, match=r"^Image net: no space is left on a disk\. Make room ") as e:
        run_graph(tasks, watching)
    assert isinstance(e.value.__cause__, OSError)
    assert [name for name, _ in watching.failures] == ["image:net"]
    assert [name for name, *_ in watching.ended] == ["slow"]
    assert "c" not in watching.started_names


def test_a_task_without_words_is_named(said: Said) -> None:
    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory", "/c/image.tar")

    with pytest.raises(LabError, match=r"^Load:net: /c/image\.tar is not there"):
        run_graph([Task("load:net", gone)], said)


def test_without_a_failure_everything_runs(said: Said) -> None:
    tasks = [noop("a"), noop("b", "a"), noop("c", "b", "a")]
    timings = run_graph(tasks, said)
    assert set(timings.took) == set(timings.started) == {"a", "b", "c"}
    assert said.failures == []


def test_a_need_that_no_task_fulfils_is_refused_before_anything_runs(said: Said) -> None:
    with pytest.raises(LabError, match="Task b needs gone, which is no task"):
        run_graph([noop("a"), noop("b", "gone")], said)
    assert said.started_names == []


def test_tasks_that_need_each_other_are_an_error_not_silence(said: Said) -> None:
    with pytest.raises(LabError, match="b, c need each other"):
        run_graph([noop("a"), noop("b", "c"), noop("c", "b")], said)


def test_reports_carry_the_note_the_seconds_and_what_remains(said: Said) -> None:
    ticks = iter(range(100))
    tasks = [Task("a", lambda: "3 nodes"), noop("b", "a"), noop("c", "b")]
    timings = run_graph(tasks, said, threads=1, clock=lambda: float(next(ticks)))
    assert said.ended[0] == ("a", 1.0, "3 nodes", ["b", "c"])
    assert said.ended[-1][2:] == (CACHED, [])
    assert timings.started["a"] == 1.0
    assert timings.started["a"] < timings.started["b"] < timings.started["c"]


def test_what_a_task_needs_is_all_that_is_kept_in_the_given_order() -> None:
    tasks = [
        noop("tool:hubble"),
        noop("image:a"),
        noop("lab", "b"),
        noop("b", "image:a"),
        noop("c", "b"),
    ]
    assert [task.name for task in needed_for(tasks, ["lab"])] == ["image:a", "lab", "b"]
    assert needed_for(tasks, []) == []


def test_a_need_or_a_goal_that_is_no_task_is_a_sentence() -> None:
    tasks = [noop("lab", "b"), noop("b", "gone"), noop("other", "nowhere")]
    with pytest.raises(LabError, match=r"^Task b needs gone, which is no task\.$"):
        needed_for(tasks, ["lab"])
    with pytest.raises(LabError, match=r"^There is no task ready\.$"):
        needed_for(tasks, ["ready"])
    # What no goal leads to is nobody's to complain of.
    assert [task.name for task in needed_for([*tasks, noop("c")], ["c"])] == ["c"]

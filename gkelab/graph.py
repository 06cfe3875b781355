"""Runs tasks that depend on each other, as many at once as their needs allow.

`up`'s steps and the builds of images are one graph, so that nodes boot while images are built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from gkelab.errors import LabError, of_os

CACHED = "cached"  # the note of a task that found its work done already: it gets no line


@dataclass(frozen=True)
class Task:
    """A named piece of work. `needs` are names of tasks to be done first.

    `heavy` tasks (compilers) use every core by themselves: only `heavy_slots` run at once.
    `run` returns a short note for the progress line, "" for none. `what` says it to a person.
    """

    name: str
    run: Callable[[], str]
    needs: tuple[str, ...] = ()
    heavy: bool = False
    what: str = ""


class Reporter(Protocol):
    """Where progress goes."""

    def started(self, task: Task) -> None: ...

    def finished(self, task: Task, seconds: float, note: str, remaining: Sequence[str]) -> None: ...

    def failed(self, task: Task, seconds: float, error: LabError) -> None: ...


@dataclass
class Timings:
    """Seconds by task: when it began (since the run's start) and how long it took."""

    started: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)


def run_graph(
    tasks: Sequence[Task],
    reporter: Reporter,
    *,
    threads: int = 16,
    heavy_slots: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Timings:
    """Run every task after those it needs; earlier in the list means earlier where both may run.

    When one fails, running tasks finish, no new one starts, and its error is raised; an OSError
    (a full disk, say) as the LabError that tells it. Raises LabError for a need that no task
    fulfils, and for needs that go in a circle.
    """
    by_name = {task.name: task for task in tasks}
    _check_needs(tasks, by_name)
    timings = Timings()
    waiting = list(tasks)
    running: dict[Future[str], Task] = {}
    done: set[str] = set()
    first_error: LabError | None = None
    begin = clock()
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="task")
    try:
        while waiting or running:
            if first_error is None:
                for task in _startable(waiting, done, running.values(), heavy_slots):
                    waiting.remove(task)
                    timings.started[task.name] = clock() - begin
                    reporter.started(task)
                    running[pool.submit(task.run)] = task
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = running.pop(future)
                took = clock() - begin - timings.started[task.name]
                timings.took[task.name] = took
                try:
                    note = _result(task, future)
                except LabError as error:
                    first_error = first_error or error
                    reporter.failed(task, took, error)
                else:
                    done.add(task.name)
                    left = [t.name for t in (*running.values(), *waiting)]
                    reporter.finished(task, took, note, left)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if first_error is not None:
        raise first_error
    if waiting:
        raise LabError(f"Tasks {', '.join(task.name for task in waiting)} need each other")
    return timings


def needed_for(tasks: Iterable[Task], goals: Iterable[str]) -> list[Task]:
    """Those of `tasks` that the goals need, the goals included, in the given order.

    Raises LabError for a goal or a need that is no task.
    """
    listed = list(tasks)
    by_name = {task.name: task for task in listed}
    keep: set[str] = set()
    stack = list(goals)
    for goal in stack:
        if goal not in by_name:
            raise LabError(f"There is no task {goal}")
    while stack:
        name = stack.pop()
        if name not in keep:
            keep.add(name)
            _check_needs([by_name[name]], by_name)
            stack.extend(by_name[name].needs)
    return [task for task in listed if task.name in keep]


def _result(task: Task, future: Future[str]) -> str:
    try:
        return future.result()
    except OSError as bad:
        raise of_os(bad, task.what or task.name) from bad


def _check_needs(tasks: Sequence[Task], by_name: dict[str, Task]) -> None:
    for task in tasks:
        for need in task.needs:
            if need not in by_name:
                raise LabError(f"Task {task.name} needs {need}, which is no task")


def _startable(
    waiting: Sequence[Task], done: set[str], running: Iterable[Task], heavy_slots: int
) -> list[Task]:
    free = heavy_slots - sum(task.heavy for task in running)
    ready: list[Task] = []
    for task in waiting:
        if not all(need in done for need in task.needs):
            continue
        if task.heavy:
            if free <= 0:
                continue
            free -= 1
        ready.append(task)
    return ready

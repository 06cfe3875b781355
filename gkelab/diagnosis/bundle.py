"""Fills a folder from many collectors at once, within a time, whatever becomes of each of them."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from gkelab.diagnosis.scrub import scrub
from gkelab.errors import LabError
from gkelab.shell import CommandError, Result, Runner

# What a collector that meets a half-made or broken lab ends with (a command that fails, an answer
# that is not of its form); it must not end the others.
FAILURES = (
    *(LabError, OSError, ValueError, LookupError, TypeError, AttributeError),
    yaml.YAMLError,
)
NO_TIME = "was not asked: the time for collecting was over"

Clock = Callable[[], float]


@dataclass(frozen=True)
class Collector:
    """A file of the bundle, by its path in it, and what gives its text."""

    path: str
    gather: Callable[[], str]


@dataclass(frozen=True)
class Group:
    """Sources that are known only after a question (which pods are there?); `path` names it
    where the question itself fails."""

    path: str
    expand: Callable[[], Sequence[Source]]


Source = Collector | Group


def said(done: Result) -> str:
    """What a command wrote, with its exit code where it failed half way. Raises CommandError
    when it failed and wrote nothing."""
    if done.code and not done.stdout.strip():
        raise CommandError(done)
    end = f"\n(exit code {done.code}: {done.stderr.strip()})\n" if done.code else ""
    return (done.stdout or done.stderr) + end


def within(run: Runner, deadline: float, each: float, now: Clock = time.monotonic) -> Runner:
    """A runner whose commands end by the deadline (of `now`), and after `each` seconds at most."""

    def limited(
        argv: Sequence[str],
        *,
        input: str | IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        log: Path | None = None,
    ) -> Result:
        left = min(deadline - now(), each, timeout or each)
        if left <= 0:
            raise CommandError(Result(tuple(argv), 124, "", ""), NO_TIME)
        return run(argv, input=input, env=env, cwd=cwd, timeout=left, check=check, log=log)

    return limited


def fill(
    folder: Path,
    sources: Sequence[Source],
    *,
    deadline: float,
    threads: int = 8,
    now: Clock = time.monotonic,
) -> dict[str, str]:
    """Write every source's files into the folder, scrubbed; the errors, by path, of those that
    failed or had no time. An error also stands in the folder, as PATH.error."""
    errors: dict[str, str] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="collect")
    running: dict[Future[Sequence[Source]], Source] = {}

    def start(source: Source) -> None:
        running[pool.submit(_do, folder, source)] = source

    def failed(source: Source, error: str) -> None:
        errors[source.path] = scrub(error)
        write(folder, f"{source.path}.error", f"{error}\n")

    for source in sources:
        start(source)
    try:
        while running and now() < deadline:
            done, _ = wait(running, timeout=deadline - now(), return_when=FIRST_COMPLETED)
            for future in done:
                source = running.pop(future)
                try:
                    for found in future.result():
                        start(found)
                except FAILURES as error:
                    failed(source, str(error) or repr(error))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for source in running.values():
        failed(source, f"{source.path} {NO_TIME}")
    return errors


def write(folder: Path, path: str, text: str) -> None:
    """The one way into a bundle: scrubbed."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(scrub(text), encoding="utf-8")


def pack(folder: Path) -> Path:
    """The folder as an archive beside it."""
    archive = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return archive


def _do(folder: Path, source: Source) -> Sequence[Source]:
    if isinstance(source, Group):
        return source.expand()
    write(folder, source.path, source.gather())
    return ()

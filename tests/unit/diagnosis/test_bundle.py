"""Filling a bundle: at once, in time, scrubbed, and whatever becomes of each part."""

from __future__ import annotations

import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gkelab.diagnosis import bundle
from gkelab.diagnosis.bundle import (
    NO_TIME,
    Collector,
    Group,
    Source,
    fill,
    pack,
    said,
    within,
    write,
)
from gkelab.errors import LabError
from gkelab.shell import CommandError, Result, run
from tests.support.recorder import Recorder
from tests.unit.diagnosis.test_scrub import SECRETS
from tests.unit.tools import program


def soon() -> float:
    return time.monotonic() + 20


def text(path: str, words: str = "text") -> Collector:
    return Collector(path, lambda: words)


def fails(path: str, error: Exception) -> Collector:
    def gather() -> str:
        raise error

    return Collector(path, gather)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_sources_become_files_and_groups_what_they_find(tmp_path: Path) -> None:
    deep = Group("g/h", lambda: [text("g/h/c", "C")])
    group = Group("g", lambda: [text("g/b", "B"), deep])
    assert fill(tmp_path, [text("a", "A"), group], deadline=soon()) == {}
    assert files(tmp_path) == {"a": "A", "g/b": "B", "g/h/c": "C"}


@pytest.mark.parametrize(
    "error",
    [
        LabError("It is wrong"),
        CommandError(Result(("kubectl",), 1, "", "refused")),
        FileNotFoundError("gone"),
        ValueError("no JSON"),
        KeyError("items"),
        TypeError("None"),
        yaml.YAMLError("tab"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_leaves_its_error_and_ends_nothing(tmp_path: Path, error: Exception) -> None:
    def ask() -> list[Collector]:
        raise error

    sources: list[Source] = [fails("a/b", error), Group("c", ask), text("d")]
    missing = fill(tmp_path, sources, deadline=soon())
    assert set(missing) == {"a/b", "c"}
    assert files(tmp_path) == {
        "a/b.error": f"{missing['a/b']}\n",
        "c.error": f"{missing['c']}\n",
        "d": "text",
    }
    assert missing["c"] in (str(error), repr(error))


def test_an_error_of_the_program_itself_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fill(tmp_path, [fails("a", ZeroDivisionError())], deadline=soon())


def test_those_that_do_not_need_each_other_run_at_once(tmp_path: Path) -> None:
    meet = threading.Barrier(3, timeout=10)

    def gather() -> str:
        meet.wait()
        return "met"

    sources = [Collector(name, gather) for name in "abc"]
    assert fill(tmp_path, sources, deadline=soon(), threads=3) == {}
    assert set(files(tmp_path).values()) == {"met"}


def test_when_the_time_is_over_the_rest_is_named(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow() -> str:
        go_on.wait(20)
        return "late"

    at = [0.0]

    def now() -> float:
        at[0] += 0.2
        return at[0]

    sources = [text("quick"), Collector("slow", slow), text("never")]
    missing = fill(tmp_path, sources, deadline=1.0, threads=1, now=now)
    go_on.set()
    assert missing == {path: f"{path} {NO_TIME}" for path in ("slow", "never")}
    assert files(tmp_path)["quick"] == "text"
    assert files(tmp_path)["never.error"] == f"never {NO_TIME}\n"


@pytest.mark.parametrize(
    ("asked", "each", "left", "given"),
    [(None, 30, 100, 30), (5, 30, 100, 5), (60, 30, 100, 30), (None, 30, 7, 7)],
)
def test_commands_get_the_time_that_is_left(
    asked: float | None, each: float, left: float, given: float
) -> None:
    recorder = Recorder()
    recorder.handle(["x"], "out")
    limited = within(recorder, left, each, lambda: 0.0)
    assert limited(["x"], input="in", check=False, timeout=asked).stdout == "out"
    call = recorder.calls[0]
    assert (call.timeout, call.input, call.check) == (given, "in", False)


def test_no_command_is_begun_when_the_time_is_over() -> None:
    recorder = Recorder()
    with pytest.raises(CommandError, match=NO_TIME):
        within(recorder, 10, 30, lambda: 10.0)(["x", "y"])
    assert recorder.calls == []


def test_a_real_command_ends_in_time() -> None:
    limited = within(run, time.monotonic() + 0.3, 30)
    before = time.monotonic()
    with pytest.raises(CommandError, match="took longer"):
        limited(program("import signal; signal.pause()"))
    assert time.monotonic() - before < 10


def test_a_command_that_fails_half_way_keeps_what_it_said() -> None:
    assert said(Result((), 0, "all", "")) == "all"
    assert said(Result((), 0, "", "No resources found\n")) == "No resources found\n"
    assert said(Result((), 3, "some", "denied\n")) == "some\n(exit code 3: denied)\n"
    with pytest.raises(CommandError, match="denied"):
        said(Result(("x",), 3, " \n", "denied"))


# --- secrets


def plants(folder: Path) -> list[str]:
    """A bundle in which every way of writing has every secret; the secrets that are in it."""
    whole = "\n".join(text for text, _ in SECRETS.values())
    sources: list[Source] = [
        text("a", whole),
        Group("b", lambda: [text("b/c", whole)]),
        fails("d", CommandError(Result(("kubectl",), 1, "", ""), whole)),
        fails("e", ValueError(whole)),
    ]
    missing = fill(folder, sources, deadline=soon())
    write(folder, "summary.txt", whole)
    written = "\n".join([*files(folder).values(), *missing.values()])
    return [secret for _, secret in SECRETS.values() if len(secret) > 6 and secret in written]


def test_no_secret_is_in_a_bundle(tmp_path: Path) -> None:
    assert plants(tmp_path) == []


def test_without_the_scrubber_they_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counterfactual: the test above can fail."""
    unchanged: Callable[[str], str] = str
    monkeypatch.setattr(bundle, "scrub", unchanged)
    assert len(plants(tmp_path)) > 20


def test_packed_it_is_all_there(tmp_path: Path) -> None:
    folder = tmp_path / "logs-x"
    write(folder, "a/b", "text")
    archive = pack(folder)
    assert archive == tmp_path / "logs-x.tar.gz"
    with tarfile.open(archive) as tar:
        member = tar.extractfile("logs-x/a/b")
        assert member is not None
        assert member.read() == b"text"

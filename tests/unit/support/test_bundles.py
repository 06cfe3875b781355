"""Labs that tests make for themselves are collected when a test fails, before they are taken down:
pytest is really run, with the hook of those tests; docker is made up."""

from __future__ import annotations

import sys
from html import unescape
from pathlib import Path

import pytest

from gkelab import logs
from gkelab.diagnosis.collect import Bundle
from gkelab.diagnosis.suspects import Suspect
from gkelab.errors import LabError
from gkelab.find import Found
from gkelab.results import read_junit
from gkelab.shell import Result, run
from gkelab.supply.pins import ROOT
from tests.support import bundles
from tests.unit.steps import plan_of

CONFTEST = """
from tests.e2e.lifecycle.conftest import pytest_runtest_makereport
from tests.unit.support.test_bundles import pretend

pretend({broken!r})
"""
INNER = """
import pytest
from tests.unit.support.test_bundles import note

@pytest.fixture(scope="module")
def lab(request):
    request.addfinalizer(lambda: note("down"))
    if __name__.endswith("up"):
        raise ValueError("it does not come up")

def test_good(lab):
    pass

def test_bad(lab):
    note("fails")
    assert False, "it does not"

def test_bad_too(lab):
    assert False, "nor does this"
"""
NAMES = ["lifecycle", "small"]


def note(what: str) -> None:
    """Remember what happened, in its order."""
    with Path("noted").open("a") as file:
        file.write(f"{what}\n")


def pretend(broken: bool) -> None:
    """Two labs are there, and collecting one is only noted; the first cannot be if `broken`."""

    def collect(name: str, output: str | None) -> Bundle:
        note(f"collect {name} {output}")
        if broken and name == NAMES[0]:
            raise RuntimeError("no thread can be started")
        made = bundle(name)
        print("\n".join(logs.told(made)))  # noqa: T201
        return made

    patch = pytest.MonkeyPatch()
    patch.setattr(bundles, "docker_answers", lambda _: True)
    found = [Found(name, plan_of(), "built") for name in NAMES]
    patch.setattr(bundles, "find_labs", lambda _: found)
    patch.setattr(logs, "collect", collect)


def bundle(name: str) -> Bundle:
    folder = Path(f"/r/logs-{name}-1")
    return Bundle(folder, Path(f"{folder}.tar.gz"), 7, {}, (Suspect("a.txt", "panic: x", 1),))


def runs(folder: Path, files: list[str], *, broken: bool = False) -> Result:
    """pytest on made-up tests, a file each of these names."""
    (folder / "conftest.py").write_text(CONFTEST.format(broken=broken))
    for name in files:
        (folder / f"test_{name}.py").write_text(INNER)
    (folder / "none.ini").write_text("[pytest]\n")
    argv = [sys.executable, "-m", "pytest", "--rootdir=.", "-c", "none.ini", "."]
    argv += ["-p", "no:cacheprovider", "--junitxml=junit.xml"]
    argv += ["--html=report.html", "--self-contained-html"]
    return run(argv, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=False)


def noted(folder: Path) -> list[str]:
    return (folder / "noted").read_text().splitlines()


COLLECTED = [f"collect {name} None" for name in NAMES]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two files with two failures each, and where they ran."""
    folder = tmp_path_factory.mktemp("run")
    return folder, runs(folder, ["first", "second"])


def test_labs_are_collected_before_they_go_and_once_a_file(ran: tuple[Path, Result]) -> None:
    folder, done = ran
    assert "4 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert noted(folder) == ["fails", *COLLECTED, "down"] * 2


def test_where_the_bundles_are_is_said_at_once_and_with_the_failure(
    ran: tuple[Path, Result],
) -> None:
    folder, done = ran
    for name in NAMES:
        told = logs.told(bundle(name))
        assert told[-1] == "  a.txt: panic: x"
        at_once, _, with_failure = done.stdout.partition("= FAILURES =")
        for part in (at_once, with_failure):
            assert "\n".join(told) in part
        assert told[0] in unescape((folder / "report.html").read_text())


def test_a_lab_that_does_not_come_up_is_collected(tmp_path: Path) -> None:
    done = runs(tmp_path, ["up"])
    assert "3 errors" in done.stdout, done.stdout + done.stderr
    assert noted(tmp_path) == [*COLLECTED, "down"]


def test_what_cannot_be_collected_hides_nothing(tmp_path: Path) -> None:
    done = runs(tmp_path, ["first"], broken=True)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "no logs were collected: lab lifecycle: RuntimeError" in done.stdout
    assert noted(tmp_path) == ["fails", *COLLECTED, "down"]
    results = read_junit((tmp_path / "junit.xml").read_text(), "", 0)
    assert [r.message.splitlines()[0] for r in results if r.bad] == [
        "AssertionError: it does not",
        "AssertionError: nor does this",
    ]


# --- by itself


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    """The labs that are there."""
    listed: list[Found] = []
    monkeypatch.setattr(bundles, "docker_answers", lambda _: True)
    monkeypatch.setattr(bundles, "find_labs", lambda _: listed)
    return listed


def test_without_a_lab_there_is_nothing_to_collect(labs: list[Found]) -> None:
    had: set[Path] = set()
    assert bundles.collect_labs(Path("a"), had) == "no logs were collected: no lab is there"
    assert bundles.collect_labs(Path("a"), had) == ""
    assert had == {Path("a")}


def test_docker_that_does_not_answer_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "docker_answers", lambda _: False)
    monkeypatch.setattr(bundles, "find_labs", None)
    told = bundles.collect_labs(Path("a"), set())
    assert told == "no logs were collected: docker does not answer"


def test_labs_that_cannot_be_found_are_said_to_be(
    labs: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise LabError("docker is gone")

    monkeypatch.setattr(bundles, "find_labs", fails)
    told = bundles.collect_labs(Path("a"), set())
    assert told.startswith("no logs were collected: the labs were not found: LabError")

"""`--reverse`: pytest is really run, on made-up tests with the options of the real ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gkelab.shell import run
from gkelab.supply.pins import ROOT

TESTS = """
import pytest

@pytest.fixture(params=["x", "y"], scope="module")
def value(request):
    return request.param

def test_one(value):
    pass

def test_two(value):
    pass

def test_three():
    pass
"""
MORE = """
def test_four():
    pass
"""
STORY = [f"test_story.py::test_{name}" for name in ("one[x]", "two[x]", "one[y]", "two[y]")]
STORY.append("test_story.py::test_three")
LIST = ("--collect-only", "--quiet")
FILES = ("tests/e2e/lifecycle/test_story", "tests/e2e/routing/test_a", "tests/unit/test_b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    (made / "conftest.py").write_text("from tests.conftest import *\n")
    (made / "none.ini").write_text("[pytest]\n")
    for name in FILES:
        file = made / f"{name}.py"
        file.parent.mkdir(parents=True)
        file.write_text(TESTS + MORE * (file.stem == "test_a"))
    return made


def order(folder: Path, *words: str) -> list[str]:
    """The tests in the order in which they run, if they do."""
    argv = [sys.executable, "-m", "pytest", "--rootdir=.", "-c", "none.ini", "tests"]
    argv += ["-p", "no:cacheprovider", *words]
    said = run(argv, cwd=folder, env={"PYTHONPATH": str(ROOT)}).stdout
    named = [line.strip() for line in said.splitlines() if "::" in line]
    ran = [line for line in named if "PASSED" in line]  # they are named when they begin, too
    return [line.rpartition("/")[2] for line in ran or named]


def test_files_and_their_tests_come_from_the_last_to_the_first_and_stories_as_they_are(
    folder: Path,
) -> None:
    forth, back = (order(folder, *LIST, *words) for words in ([], ["--reverse"]))
    story, others = forth[:5], forth[5:]
    assert story == STORY
    assert len(others) == 11
    assert others[0].startswith("test_a.py")
    assert others[-1] == "test_b.py::test_three"
    assert back == [*reversed(others), *story]


def test_a_worker_takes_files_in_that_order(folder: Path) -> None:
    worker = ["--numprocesses=1", "--dist=loadfile", "--verbose"]
    assert order(folder, *worker)[0].startswith("test_a.py"), "xdist begins with the longest"
    assert order(folder, *worker, "--reverse") == order(folder, *LIST, "--reverse")

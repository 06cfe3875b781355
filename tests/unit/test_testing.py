"""`invoke test`: which suites there are, and pytest's command line for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gkelab import commands, testing
from gkelab.errors import LabError
from gkelab.shell import run
from gkelab.supply.pins import ROOT


@pytest.fixture(autouse=True)
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "report"
    monkeypatch.setattr(testing, "REPORT", folder)
    return folder


def test_suites_are_unit_and_the_folders_of_e2e() -> None:
    names = testing.suites()
    assert names[0] == "unit"
    assert {"routing", "services", "policies", "mesh", "loadbalancing"} <= set(names)
    assert names[1:] == sorted(names[1:])
    assert all(any((ROOT / "tests" / "e2e" / name).glob("test_*.py")) for name in names[1:])
    assert "__pycache__" not in names


def test_suites_that_make_labs_of_their_own_are_suites() -> None:
    assert set(testing.APART) <= set(testing.suites())


def test_the_command_line(report: Path) -> None:
    argv = testing.pytest_argv(["unit", "mesh"], "small", ["-k", "mtls", "-x"])
    assert argv == [
        *(sys.executable, "-m", "pytest", "tests/unit", "tests/e2e/mesh"),
        *(f"--numprocesses={testing.WORKERS}", "--dist=loadgroup", "--durations=10"),
        *(f"--junitxml={report}/junit.xml", f"--html={report}/report.html"),
        *("--self-contained-html", "--lab=small", "-k", "mtls", "-x"),
    ]
    assert report.is_dir()


def test_unit_alone_names_no_lab() -> None:
    assert not [w for w in testing.pytest_argv(["unit"], "", []) if w.startswith("--lab")]


def test_pytest_understands_the_command_line() -> None:
    words = ["--collect-only", "-q", "-k", "test_pytest_understands_the_command_line"]
    argv = testing.pytest_argv(["unit"], "small", [*words, "--numprocesses=0"])
    argv[argv.index("tests/unit")] = "tests/unit/test_testing.py"
    assert "test_pytest_understands_the_command_line" in run(argv, cwd=ROOT).stdout


class Pytest:
    """Instead of running pytest and `up`, remember how it would have been done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.argvs: list[list[str]] = []
        self.ups: list[tuple[Any, ...]] = []
        monkeypatch.setattr("gkelab.testing.subprocess.run", self._run)
        monkeypatch.setattr(commands, "up", lambda *words: self.ups.append(words))

    def _run(self, argv: list[str], **_: Any) -> Any:
        self.argvs.append(argv)
        return type("Done", (), {"returncode": 5})


@pytest.fixture
def pytest_(monkeypatch: pytest.MonkeyPatch) -> Pytest:
    return Pytest(monkeypatch)


def test_unit_needs_no_lab_and_the_status_is_pytests(pytest_: Pytest) -> None:
    assert testing.test("unit", False, "small", None, []) == 5
    assert pytest_.ups == []
    assert pytest_.argvs == [testing.pytest_argv(["unit"], "", [])]


def test_suites_with_labs_of_their_own_need_no_other(pytest_: Pytest) -> None:
    testing.test("lifecycle", False, "small", None, [])
    assert pytest_.ups == []
    assert pytest_.argvs == [testing.pytest_argv(["lifecycle"], "", [])]


def test_another_suite_brings_the_lab_up_first(pytest_: Pytest) -> None:
    testing.test("mesh", False, "small", "built", ["-x"])
    assert pytest_.ups == [("small", "built", True, False)]
    assert pytest_.argvs == [testing.pytest_argv(["mesh"], "small", ["-x"])]


@pytest.mark.parametrize("everything", [False, True])
def test_suites_with_labs_of_their_own_run_only_when_all_do(
    pytest_: Pytest, everything: bool
) -> None:
    testing.test(None, everything, "small", None, [])
    (argv,) = pytest_.argvs
    assert "tests/unit" in argv
    assert "tests/e2e/mesh" in argv
    assert ("tests/e2e/lifecycle" in argv) is everything


def test_an_unknown_suite_is_refused_with_those_that_are(pytest_: Pytest) -> None:
    with pytest.raises(LabError, match=r"There is no suite nothing\. Name one of unit, "):
        testing.test("nothing", False, "small", None, [])
    assert (pytest_.argvs, pytest_.ups) == ([], [])

"""`invoke test`: which suites there are, and pytest's command line for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gkelab import commands, logs, testing
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.results import load
from gkelab.shell import run
from gkelab.status import LabStatus
from gkelab.status_vpc import VpcStatus
from gkelab.supply.pins import ROOT
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab


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
    argv = testing.pytest_argv(["unit", "mesh"], "small", "r1", ["-k", "mtls", "-x"])
    assert argv == [
        *(sys.executable, "-m", "pytest", "tests/unit", "tests/e2e/mesh"),
        *(f"--numprocesses={testing.WORKERS}", "--dist=loadfile", "--durations=10"),
        *(f"--junitxml={report}/junit.xml", f"--html={report}/report.html"),
        *("--self-contained-html", "--lab=small", "--run-id=r1", "-k", "mtls", "-x"),
    ]


def test_unit_alone_names_no_lab_and_no_run() -> None:
    argv = testing.pytest_argv(["unit"], "", "r1", [])
    assert not [word for word in argv if word.startswith(("--lab", "--run-id"))]


def test_pytest_understands_the_command_line() -> None:
    words = ["--collect-only", "-q", "-k", "test_pytest_understands_the_command_line"]
    argv = testing.pytest_argv(["unit"], "small", "r1", [*words, "--numprocesses=0"])
    argv[argv.index("tests/unit")] = "tests/unit/test_testing.py"
    assert "test_pytest_understands_the_command_line" in run(argv, cwd=ROOT).stdout


JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.{}.test_x" name="test_y" time="0.5">{}</testcase>
</testsuite></testsuites>"""
BAD = '<failure message="AssertionError: no">...</failure>'


class Pytest:
    """Instead of running pytest, `up` and `logs.collect`, remember how it would have been done.
    `code` is how pytest ends, `junit` what it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, report: Path, lab: Lab) -> None:
        self.argvs: list[list[str]] = []
        self.held: list[Sequence[int]] = []
        self.steps: list[str] = []
        self.code, self.junit = 0, JUNIT.format("e2e.mesh", "")
        self.waits: list[float | None] = []
        self.interrupts = 0
        self._report = report
        monkeypatch.setattr("gkelab.testing.subprocess.Popen", self)
        monkeypatch.setattr(commands, "up", lambda *words: self.steps.append(f"up {words}"))
        monkeypatch.setattr(commands, "open_lab", self._open(lab))
        monkeypatch.setattr(testing, "clean", lambda lab: self.steps.append(f"clean {lab.name}"))
        monkeypatch.setattr(logs, "collect", lambda *words: self.steps.append(f"logs {words}"))

    def _open(self, lab: Lab) -> Callable[[str], Lab]:
        def open_lab(name: str) -> Lab:
            self.steps.append(f"open {name}")
            return lab

        return open_lab

    def __call__(self, argv: list[str], *, cwd: Path, pass_fds: Sequence[int]) -> Pytest:
        assert cwd == ROOT
        self.steps.append("pytest")
        self.argvs.append(argv)
        self.held.append(pass_fds)
        if self.junit:
            (self._report / "junit.xml").write_text(self.junit)
        return self

    def wait(self, timeout: float | None = None) -> int:
        self.waits.append(timeout)
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        return self.code

    def kill(self) -> None:
        self.steps.append("kill")


@pytest.fixture
def pytest_(monkeypatch: pytest.MonkeyPatch, report: Path, tmp_path: Path) -> Pytest:
    monkeypatch.setenv("GKELAB_STATE", str(tmp_path / "state"))
    return Pytest(monkeypatch, report, make_lab(tmp_path, Recorder()))


def test_unit_needs_no_lab_and_the_status_is_pytests(pytest_: Pytest, report: Path) -> None:
    pytest_.code = 5
    assert testing.test("unit", False, "small", None, []) == 5
    assert pytest_.steps == ["pytest"]
    assert pytest_.argvs == [testing.pytest_argv(["unit"], "", "", [])]
    assert report.is_dir()


def test_suites_with_labs_of_their_own_need_no_other(pytest_: Pytest) -> None:
    testing.test("lifecycle", False, "small", None, [])
    assert pytest_.steps == ["pytest"]
    (argv,) = pytest_.argvs
    assert not any(word.startswith("--lab=") for word in argv)
    assert "--numprocesses=0" in argv


def test_another_suite_brings_the_lab_up_first_and_cleans_it(pytest_: Pytest) -> None:
    assert testing.test("mesh", False, "small", "built", ["-x"]) == 0
    up = "up ('small', 'built', True, False)"
    assert pytest_.steps == [up, "open small", "clean vpc-native", "pytest"]
    (argv,) = pytest_.argvs
    run = next(word for word in argv if word.startswith("--run-id=")).partition("=")[2]
    assert argv == testing.pytest_argv(["mesh"], "small", run, ["-x"])
    assert len(run) == 8


def test_several_suites_are_one_run(pytest_: Pytest) -> None:
    assert testing.test("mesh,unit,mesh", False, "small", None, []) == 0
    (argv,) = pytest_.argvs
    assert [word for word in argv if word.startswith("tests/")] == ["tests/e2e/mesh", "tests/unit"]


def test_every_run_has_an_id_of_its_own(pytest_: Pytest) -> None:
    for _ in range(2):
        testing.test("mesh", False, "small", None, [])
    first, second = pytest_.argvs
    assert first != second


def test_many_runs_bring_the_lab_up_once(
    pytest_: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert testing.test("mesh", False, "small", None, [], runs=3) == 0
    turn = ["open small", "clean vpc-native", "pytest"]
    assert pytest_.steps == ["up ('small', None, True, False)", *turn, *turn, *turn]
    assert len({tuple(argv) for argv in pytest_.argvs}) == 3
    assert "run 3 of 3 passed" in capsys.readouterr().err


def test_the_first_of_many_runs_that_fails_is_the_last(
    pytest_: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest_.code = 1
    assert testing.test("unit", False, "small", None, [], runs=3) == 1
    assert pytest_.steps == ["pytest"]
    assert "run 1 of 3 did not, after 0 that did" in capsys.readouterr().err
    with pytest.raises(LabError, match=r"--runs=0 tests nothing\. Say 1 or more"):
        testing.test("unit", False, "small", None, [], runs=0)


@pytest.mark.parametrize("everything", [False, True])
def test_suites_with_labs_of_their_own_run_only_when_all_do(
    pytest_: Pytest, everything: bool
) -> None:
    testing.test(None, everything, "small", None, [])
    argv, *apart = pytest_.argvs
    assert "tests/unit" in argv
    assert "tests/e2e/mesh" in argv
    assert "tests/e2e/lifecycle" not in argv
    assert ["tests/e2e/lifecycle" in each for each in apart] == [True] * everything


def test_an_unknown_suite_is_refused_with_those_that_are(pytest_: Pytest) -> None:
    with pytest.raises(LabError, match=r"There is no suite nothing\. Name one of unit, "):
        testing.test("nothing", False, "small", None, [])
    with pytest.raises(LabError, match=r"There is no suite nothing\. Name one of unit, "):
        testing.test("mesh,nothing", False, "small", None, [])
    assert pytest_.steps == []


def test_an_unknown_topology_is_refused_before_anything_is_done(pytest_: Pytest) -> None:
    with pytest.raises(LabError, match=r"There is no topology nowhere\."):
        testing.test("mesh", False, "nowhere", None, [])
    assert pytest_.steps == []


# --- another run


def test_a_second_run_on_the_same_lab_is_refused_before_it_is_touched(
    pytest_: Pytest, tmp_path: Path
) -> None:
    first = hold(tmp_path / "state" / "tests" / "small", "invoke test --topology small")
    with first, pytest.raises(LabError) as caught:
        testing.test("mesh", False, "small", None, [])
    assert str(caught.value).startswith(f"`invoke test --topology small` (process {os.getpid()}, ")
    assert str(caught.value).endswith("is testing lab small. Wait for it to end.")
    assert pytest_.steps == []


def test_runs_on_different_labs_and_of_unit_tests_do_not_wait(
    pytest_: Pytest, tmp_path: Path
) -> None:
    with hold(tmp_path / "state" / "tests" / "small", "invoke test --topology small"):
        assert testing.test("mesh", False, "vpc-native", None, []) == 0
        assert testing.test("unit", False, "small", None, []) == 0


def test_pytest_holds_the_lock_as_well(pytest_: Pytest, tmp_path: Path) -> None:
    """It outlives this command when that is killed, and its namespaces must not be removed."""
    testing.test("mesh", False, "small", None, [])
    ((held,),) = pytest_.held
    assert held > 2
    testing.test("unit", False, "small", None, [])
    assert pytest_.held[1] == ()


# --- interruptions


def test_an_interrupted_run_ends_with_a_sentence_when_pytest_has_torn_down(
    pytest_: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest_.interrupts, pytest_.code = 1, 2
    assert testing.test("mesh", False, "small", None, []) == 130
    assert pytest_.waits == [None, testing.GRACE]
    assert "kill" not in pytest_.steps
    assert capsys.readouterr().err == (
        "gkelab: the tests were interrupted; what they left in the lab goes when the next ones "
        "start\n"
    )


def test_a_second_interruption_ends_pytest(pytest_: Pytest) -> None:
    pytest_.interrupts = 2
    assert testing.test("mesh", False, "small", None, []) == 130
    assert pytest_.steps[-1] == "kill"


def test_interrupted_tests_are_not_failed_ones(pytest_: Pytest) -> None:
    pytest_.interrupts, pytest_.junit = 1, JUNIT.format("e2e.mesh", BAD)
    testing.test("mesh", False, "small", None, [])
    assert not [step for step in pytest_.steps if step.startswith("logs")]


# --- results and logs


def test_results_are_kept_and_other_suites_stay(pytest_: Pytest, report: Path) -> None:
    """Those of a test that is in the tree; there is no test_x in the suite mesh."""
    there = pytest_.junit.replace("test_x", "test_identity").replace("test_y", "test_mutual_tls")
    for junit in (pytest_.junit, there):
        pytest_.junit = junit
        testing.test("mesh", False, "small", None, [])
    pytest_.junit = JUNIT.format("unit", BAD)
    testing.test("unit", False, "small", None, [])
    kept = load(report)
    assert {test: (result.outcome, result.lab) for test, result in kept.items()} == {
        "tests/e2e/mesh/test_identity.py::test_mutual_tls": ("passed", "small"),
        "tests/unit/test_x.py::test_y": ("failed", ""),
    }


def test_an_earlier_runs_report_is_not_taken_for_this_ones(pytest_: Pytest, report: Path) -> None:
    pytest_.junit = JUNIT.format("e2e.mesh", BAD)
    testing.test("mesh", False, "small", None, [])
    before = load(report)
    pytest_.junit = ""  # pytest was killed
    testing.test("mesh", False, "small", None, [])
    assert load(report) == before
    assert not (report / "junit.xml").exists()


def test_a_report_that_is_cut_off_is_said_to_be(
    pytest_: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest_.junit = "<testsuites><testsuite"
    assert testing.test("mesh", False, "small", None, []) == 0
    assert "junit.xml is cut off" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["", "</testcase>"])
def test_what_is_left_of_a_run_has_no_secrets(pytest_: Pytest, report: Path, end: str) -> None:
    """Whole or cut off: JUnit's report and the kept results."""
    bad = '<failure message="token: hunter2">password: hunter2\n</failure>'
    pytest_.junit = JUNIT.format("e2e.mesh", bad + end)
    testing.test("mesh", False, "small", None, [])
    for name in ("junit.xml", "results.json"):
        assert "hunter2" not in (report / name).read_text(), name
    assert "password" in (report / "junit.xml").read_text()
    assert [result.message for result in load(report).values()] == (
        [] if end else ["token: (removed)"]
    )


@pytest.mark.parametrize(
    ("suite", "code", "junit", "collects"),
    [
        ("mesh", 1, JUNIT.format("e2e.mesh", BAD), True),
        ("mesh", 1, "", True),  # it never came to a test
        ("mesh", 0, JUNIT.format("e2e.mesh", ""), False),
        ("mesh", 4, "", False),  # words that pytest does not know
        (None, 1, JUNIT.format("unit", BAD), False),  # the lab has no part in it
        ("unit", 1, JUNIT.format("unit", BAD), False),
    ],
)
def test_when_tests_on_the_lab_fail_its_logs_are_collected(
    pytest_: Pytest, suite: str | None, code: int, junit: str, collects: bool
) -> None:
    pytest_.code, pytest_.junit = code, junit
    assert testing.test(suite, False, "small", None, []) == code
    assert ("logs ('small', None)" in pytest_.steps) is collects


def test_logs_that_cannot_be_collected_do_not_hide_the_tests_result(
    pytest_: Pytest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def collect(*_: object) -> None:
        raise LabError("docker does not answer")

    monkeypatch.setattr(logs, "collect", collect)
    pytest_.code, pytest_.junit = 1, JUNIT.format("e2e.mesh", BAD)
    assert testing.test("mesh", False, "small", None, []) == 1
    assert "gkelab: no logs were collected: docker does not answer." in capsys.readouterr().err


# --- what tests begin on


NO_VPC = VpcStatus("", None, None, 0, (), (), (), ())


def whole(monkeypatch: pytest.MonkeyPatch, *problems: str) -> None:
    status = LabStatus("small", "built", "/k", (), NO_VPC, (), tuple(problems))
    monkeypatch.setattr(testing, "lab_status", lambda _: status)


def test_a_lab_that_is_not_whole_is_refused_by_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole(monkeypatch, "node a is exited", "client b is exited")
    run = Recorder()
    with pytest.raises(LabError) as caught:
        testing.clean(make_lab(tmp_path, run))
    assert str(caught.value) == (
        "Lab vpc-native is not whole: node a is exited (and 1 more: invoke status). Run: invoke up."
    )
    assert run.calls == []


@pytest.mark.parametrize("left", [[], ["t-a-1", "t-b-2"]])
def test_what_an_interrupted_run_left_goes_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    left: list[str],
) -> None:
    whole(monkeypatch)
    monkeypatch.setattr(testing, "remove_leftovers", lambda _: left)
    testing.clean(make_lab(tmp_path, Recorder()))
    said = "gkelab: removed what an interrupted test run left: t-a-1, t-b-2\n"
    assert capsys.readouterr().err == (said if left else "")

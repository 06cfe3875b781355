"""`invoke test`: the lab is brought up, then pytest runs and writes its reports."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from gkelab import commands, logs
from gkelab.diagnosis.scrub import scrub, scrub_junit
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.leftovers import remove_leftovers
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.results import JUNIT, REPORT, TestResult, keep, read_junit
from gkelab.status import lab_status
from gkelab.supply.pins import ROOT

# Suites that make labs of their own, beside the one under test or instead of it, or take away
# from that one what the others stand on.
APART = ("lifecycle",)
WORKERS = 4  # probes wait for packets more than they compute
FAILED, INTERRUPTED = 1, 130  # pytest's exit code, and a shell's for Ctrl-C
GRACE = 60  # seconds that an interrupted pytest has to tear down what it made


def suites() -> list[str]:
    """The suites' names: unit, and the folders of tests/e2e."""
    folders = (ROOT / "tests" / "e2e").iterdir()
    return ["unit", *sorted(f.name for f in folders if any(f.glob("test_*.py")))]


def test(
    suite: str | None,
    everything: bool,
    topology: str,
    images: str | None,
    words: Sequence[str],
    *,
    runs: int = 1,
) -> int:
    """Run suites; the exit status is pytest's, 130 when it was interrupted. The lab is brought up
    if one of them tests it; suites that make labs of their own come after the others, alone.
    All of it `runs` times, or until one fails: what fails once in many is seen by that. `suite`
    is a name, several with commas between, or None for all.

    Raises LabError for an unknown suite, when another run tests the lab, and for whatever keeps
    the lab from coming up whole.
    """
    known = suites()
    named = list(dict.fromkeys(suite.split(","))) if suite is not None else []
    for unknown in (name for name in named if name not in known):
        raise LabError(f"There is no suite {unknown}", f"name one of {', '.join(known)}")
    if runs < 1:
        raise LabError(f"--runs={runs} tests nothing", "say 1 or more")
    chosen = named or [s for s in known if everything or s not in APART]
    if chosen == ["unit"]:
        argv = pytest_argv(chosen, "", "", words)
        return _again(lambda: _run(argv, "", ())[0], runs)
    name = commands.lab_name(topology)
    command = f"invoke test --topology {topology}" + (f" --suite {suite}" if suite else "")
    with hold(default_paths().state / "tests" / name, command, f"testing lab {name}") as held:
        if any(s not in APART for s in chosen):
            commands.up(topology, images, True, False)
        return _again(lambda: _once(chosen, name, words, held), runs)


def _again(once: Callable[[], int], runs: int) -> int:
    """Do it so many times, or until it fails; the exit status of the last."""
    code = 0
    for number in range(1, runs + 1):
        code = once()
        if runs > 1:
            how = "passed" if code == 0 else f"did not, after {number - 1} that did"
            _say(f"run {number} of {runs} {how}")
        if code:
            break
    return code


def _once(chosen: Sequence[str], name: str, words: Sequence[str], held: int) -> int:
    """Run the suites on the lab of that name, and those that make labs of their own."""
    shared = [s for s in chosen if s not in APART]
    apart = [s for s in chosen if s in APART]
    code = 0
    if shared:
        clean(commands.open_lab(name))
        argv = pytest_argv(shared, name, secrets.token_hex(4), words)
        code, results = _run(argv, name, (held,))
        bad = not results or any(r.bad and r.suite != "unit" for r in results)
        if code == FAILED and bad:
            _collect(name)
    if apart and code in {0, FAILED}:
        argv = pytest_argv(apart, "", secrets.token_hex(4), words)
        code = max(code, _run(argv, "", (held,))[0])
    return code


def clean(lab: Lab) -> None:
    """Make sure that tests begin on a whole lab without what an interrupted run left."""
    problems = lab_status(lab).problems
    if problems:
        more = f" (and {len(problems) - 1} more: invoke status)" if len(problems) > 1 else ""
        raise LabError(f"Lab {lab.name} is not whole: {problems[0]}{more}", "run: invoke up")
    removed = remove_leftovers(lab)
    if removed:
        _say(f"removed what an interrupted test run left: {', '.join(removed)}")


def pytest_argv(chosen: Sequence[str], lab: str, run: str, words: Sequence[str]) -> list[str]:
    """The pytest command line for these suites, as the run of that id; `words` are the person's
    own."""
    folders = [
        str(Path("tests") / ("unit" if suite == "unit" else f"e2e/{suite}")) for suite in chosen
    ]
    argv = [sys.executable, "-m", "pytest", *folders]
    # A file's tests share what they stand on, and run in one worker, one after the other. Those
    # apart are one story.
    alone = set(chosen) <= set(APART)
    argv += ["--numprocesses=0"] if alone else [f"--numprocesses={WORKERS}", "--dist=loadfile"]
    before = "apart-" if alone else ""
    argv += ["--durations=10", f"--junitxml={REPORT}/{before}{JUNIT}"]
    argv += [f"--html={REPORT}/{before}report.html"]
    argv += ["--self-contained-html"]
    argv += [f"--lab={lab}"] if lab else []
    argv += [f"--run-id={run}"] if run and chosen != ["unit"] else []
    return [*argv, *words]


def _run(argv: Sequence[str], lab: str, held: Sequence[int]) -> tuple[int, list[TestResult]]:
    """Run pytest and keep its results. `held` are the files of locks, which last as long as it,
    also when this process is killed."""
    REPORT.mkdir(exist_ok=True)
    (written,) = (word.partition("=")[2] for word in argv if word.startswith("--junitxml="))
    junit = Path(written)
    junit.unlink(missing_ok=True)  # one of an earlier run must not be taken for this one's
    process = subprocess.Popen(argv, cwd=ROOT, pass_fds=held)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = _interrupted(process)
    results = []
    if junit.exists():
        results = _scrubbed(junit, lab)
        keep(REPORT, results)
    return code, results


def _scrubbed(junit: Path, lab: str) -> list[TestResult]:
    """The results in pytest's report, which is then without secrets, as the lab's logs are: both
    are handed on together."""
    text = junit.read_text(errors="replace")
    try:
        scrubbed = scrub_junit(text)
    except ElementTree.ParseError:
        _say(f"{junit} is cut off; the results of this run are not kept")
        junit.write_text(scrub(text))
        return []
    junit.write_text(scrubbed)
    return read_junit(scrubbed, lab, time.time())


def _interrupted(process: subprocess.Popen[bytes]) -> int:
    """pytest has got the same Ctrl-C and tears down what it made; another one ends that, too."""
    try:
        process.wait(GRACE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    _say("the tests were interrupted; what they left in the lab goes when the next ones start")
    return INTERRUPTED


def _collect(name: str) -> None:
    try:
        logs.collect(name, None)
    except LabError as error:  # the tests' result counts, not this
        _say(f"no logs were collected: {error}")


def _say(text: str) -> None:
    print(f"gkelab: {text}", file=sys.stderr, flush=True)  # noqa: T201


def lint() -> int:
    """Style, format and types; the first that fails ends it."""
    for argv in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ):
        done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0

"""`invoke test`: the lab is brought up, then pytest runs and writes its reports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gkelab import commands
from gkelab.errors import LabError
from gkelab.supply.pins import ROOT

REPORT = ROOT / "report"
# Suites that make labs of their own, beside the one under test or instead of it.
APART = ("lifecycle",)
WORKERS = 4  # probes wait for packets more than they compute


def suites() -> list[str]:
    """The suites' names: unit, and the folders of tests/e2e."""
    folders = (ROOT / "tests" / "e2e").iterdir()
    return ["unit", *sorted(f.name for f in folders if any(f.glob("test_*.py")))]


def test(
    suite: str | None, everything: bool, topology: str, images: str | None, words: Sequence[str]
) -> int:
    """Run suites; the exit status is pytest's. The lab is brought up if one of them tests it.

    Raises LabError for an unknown suite, and whatever keeps the lab from coming up.
    """
    known = suites()
    if suite is not None and suite not in known:
        raise LabError(f"There is no suite {suite}", f"name one of {', '.join(known)}")
    chosen = [suite] if suite else [s for s in known if everything or s not in APART]
    name = ""
    if not set(chosen) <= {"unit", *APART}:
        commands.up(topology, images, True, False)
        name = commands.lab_name(topology)
    return subprocess.run(pytest_argv(chosen, name, words), cwd=ROOT, check=False).returncode


def pytest_argv(chosen: Sequence[str], lab: str, words: Sequence[str]) -> list[str]:
    """The pytest command line for these suites; `words` are the person's own."""
    folders = [
        str(Path("tests") / ("unit" if suite == "unit" else f"e2e/{suite}")) for suite in chosen
    ]
    REPORT.mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "pytest", *folders]
    argv += [f"--numprocesses={WORKERS}", "--dist=loadgroup", "--durations=10"]
    argv += [f"--junitxml={REPORT}/junit.xml", f"--html={REPORT}/report.html"]
    argv += ["--self-contained-html"]
    argv += [f"--lab={lab}"] if lab else []
    return [*argv, *words]


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

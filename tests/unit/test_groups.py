"""Tests of one xdist group run in one worker: what shares pods, or changes what all share, relies
on it, and neither pytest nor xdist complains where it does not hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
from pathlib import Path
import pytest

def here(worker, name):
    (Path(__file__).parent / f"{name}-{worker}").touch()

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(6))
def test_grouped(number, worker_id):
    here(worker_id, "grouped")

@pytest.mark.parametrize("number", range(6))
def test_alone(number, worker_id):
    here(worker_id, "alone")
"""


def test_a_group_has_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    argv = [sys.executable, "-m", "pytest", "--numprocesses=2", "--dist=loadgroup"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [*argv, "-p", "no:cacheprovider", "--quiet", str(tmp_path)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    assert len(list(tmp_path.glob("grouped-*"))) == 1, "the group's tests ran in both workers"
    assert {path.name.partition("-")[2] for path in tmp_path.glob("*-gw*")} == {"gw0", "gw1"}

"""The workflow runs every suite, pins what it uses, and leaves what a person needs of a failure."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab import testing
from gkelab.commands import topology_file
from gkelab.results import KEPT, REPORT
from gkelab.supply.pins import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
MATRIX = JOBS["lab"]["strategy"]["matrix"]
TESTING = [job for job in JOBS if job != "report"]


def runs(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def uploads(job: str, path: Path | None = None) -> list[dict[str, Any]]:
    """The steps that leave something, or leave that."""
    found = [s for s in JOBS[job]["steps"] if "upload-artifact" in s.get("uses", "")]
    left = path and path.relative_to(ROOT).as_posix()
    return [step for step in found if left in (None, step["with"]["path"])]


def test_every_suite_has_a_job() -> None:
    """A new folder of tests/e2e goes into the matrix."""
    assert ["unit", *MATRIX["suite"]] == testing.suites()
    assert any("./lab test --suite unit" in run for run in runs("check"))
    assert any("--suite" in run and "matrix.suite" in run for run in runs("lab"))


def test_its_topologies_exist() -> None:
    names = [*MATRIX["topology"], *(each["topology"] for each in MATRIX["include"])]
    assert names
    for name in names:
        topology_file(name)


def test_what_it_uses_is_pinned_by_hash() -> None:
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    assert [
        each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)
    ] == []


@pytest.mark.parametrize("job", TESTING)
def test_a_failure_leaves_its_report(job: str) -> None:
    (upload,) = uploads(job, REPORT)
    assert "failure()" in upload["if"]


@pytest.mark.parametrize("job", sorted(JOBS))
def test_every_run_has_a_summary(job: str) -> None:
    (step,) = [s for s in JOBS[job]["steps"] if "GITHUB_STEP_SUMMARY" in s.get("run", "")]
    assert "./lab report --summary" in step["run"]
    assert step.get("if") == ("always()" if job in TESTING else None)


def test_what_jobs_leave_has_names_of_their_own() -> None:
    names = [upload["with"]["name"] for job in JOBS for upload in uploads(job)]
    assert len(set(names)) == len(names)
    for upload in uploads("lab"):
        assert all(f"matrix.{key}" in upload["with"]["name"] for key in ("topology", "suite"))


# --- labs


def test_a_lab_comes_up_where_tests_are_of_it() -> None:
    """Suites that make their own have none beside them: a restart of docker would stop it."""
    (up,) = [step for step in JOBS["lab"]["steps"] if "./lab up" in step.get("run", "")]
    assert up["if"] == " && ".join(f"matrix.suite != '{suite}'" for suite in testing.APART)


# --- the report of all jobs


def test_every_job_leaves_its_results() -> None:
    """Whatever became of it, under a name that the last job asks for."""
    (download,) = [s for s in JOBS["report"]["steps"] if "download-artifact" in s.get("uses", "")]
    wanted = download["with"]["pattern"]
    for job in TESTING:
        (upload,) = uploads(job, REPORT / KEPT)
        assert upload["if"] == "always()"
        assert fnmatch(upload["with"]["name"], wanted)
        (other,) = uploads(job, REPORT)
        assert not fnmatch(other["with"]["name"], wanted)


def test_the_last_job_reports_of_all() -> None:
    job = JOBS["report"]
    assert (job["needs"], job["if"]) == (TESTING, "always()")
    (download,) = [s for s in job["steps"] if "download-artifact" in s.get("uses", "")]
    assert any(f"./lab report --merge {download['with']['path']}" in run for run in runs("report"))
    (upload,) = uploads("report", REPORT)
    assert upload["if"] == "always()"

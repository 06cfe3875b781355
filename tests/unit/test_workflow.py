"""The workflow runs every suite, pins what it uses, and leaves what a person needs of a failure."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from gkelab import testing
from gkelab.commands import topology_file
from gkelab.results import REPORT
from gkelab.supply.pins import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
MATRIX = JOBS["lab"]["strategy"]["matrix"]


def runs(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


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


@pytest.mark.parametrize("job", sorted(JOBS))
def test_a_failure_leaves_its_report_and_every_run_a_summary(job: str) -> None:
    (upload,) = [s for s in JOBS[job]["steps"] if "upload-artifact" in s.get("uses", "")]
    assert "failure()" in upload["if"]
    assert upload["with"]["path"] == REPORT.relative_to(ROOT).as_posix()
    (summary,) = [s for s in JOBS[job]["steps"] if "GITHUB_STEP_SUMMARY" in s.get("run", "")]
    assert "./lab report --summary" in summary["run"]
    assert summary["if"] == "always()"


def test_reports_of_jobs_have_names_of_their_own() -> None:
    names = re.findall(r"name: (report-.*)", TEXT)
    assert len(set(names)) == len(names) == len(JOBS)
    assert all(f"matrix.{key}" in names[-1] for key in ("topology", "suite"))

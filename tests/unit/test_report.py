"""`invoke report`: its page, its data, the README's table and a workflow's summary."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gkelab import report
from gkelab.errors import LabError
from gkelab.fidelity import CLAIMS, Claim, table
from gkelab.page import page
from gkelab.proof import judge
from gkelab.results import TestResult, keep, load

TEST = "tests/e2e/mesh/test_x.py::test_a[<&>]"
BAD = TestResult(TEST, "mesh", "failed", 2.5, "assert '<b>' | `x`\nmore", 86400.0, "small")
GOOD = TestResult("tests/unit/test_x.py::test_b", "unit", "passed", 0.5, "", 86400.0, "")
SKIPPED = TestResult("tests/unit/test_x.py::test_c", "unit", "skipped", 0, "no", 86400.0, "")
EXPECTED = TestResult("tests/unit/test_x.py::test_d", "unit", "xfailed", 0, "#1", 86400.0, "")


class Seen(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# --- the page


def test_the_page_shows_claims_results_and_what_is_missing() -> None:
    claims = [
        Claim("Pods & <Services>", "https://d/a", "emulated", "by `x`", "less", (TEST,)),
        Claim("Else", "https://d/b", "emulated", "so", tests=("tests/none.py::test_z",)),
    ]
    seen = Seen(page(judge({TEST: BAD}, claims), 86400.0))
    for part in (
        *("Pods & <Services>", "emulated: less", TEST, "failed on small, 2.5 s"),
        *("1970-01-02 00:00 UTC", "assert '<b>' | `x`", "tests/none.py::test_z: no result"),
        *("0 proven", "1 failed", "1 unproven", "0 absent"),
    ):
        assert part in seen.text, part
    assert "more" not in seen.text
    assert ("a", {"href": "https://d/a"}) in seen.tags
    assert ("code", {}) in seen.tags
    assert ("b", {}) not in seen.tags, "what tests say is escaped"


def test_the_counts_are_above_the_claims() -> None:
    text = page(judge({}), 0)
    assert text.index("unproven</li>") < text.index("<table>")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    seen = Seen(page(judge({TEST: BAD, GOOD.test: GOOD}), 0))
    assert not {tag for tag, _ in seen.tags} & {"script", "link", "img", "iframe"}
    links = {attributes.get("href") for tag, attributes in seen.tags if tag == "a"}
    assert links == {claim.doc for claim in CLAIMS}


# --- the files


def test_page_and_data_are_written_from_the_kept_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = CLAIMS[0]
    keep(tmp_path, [TestResult(test, "lab", "passed", 1, "", 1, "small") for test in proof.tests])
    report.report(tmp_path)
    data = json.loads((tmp_path / "fidelity.json").read_text())
    assert [claim["state"] for claim in data["claims"]].count("proven") == 1
    assert proof.tests[0] in (tmp_path / "fidelity.html").read_text()
    said = capsys.readouterr().out
    assert said.startswith("1 proven, 0 failed, ")
    assert str(tmp_path / "fidelity.html") in said


def test_before_any_test_has_run_it_says_that_nothing_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.report(tmp_path / "new")
    assert capsys.readouterr().out.startswith("0 proven, 0 failed, ")


def test_where_it_cannot_be_written_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"The report cannot be written under .*/file: "):
        report.report(tmp_path / "file")


# --- of several runs


def test_results_of_other_runs_are_taken_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, result in (("a", GOOD), ("b/c", BAD)):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        keep(folder, [result])
    report.take_in(str(tmp_path / "results"), tmp_path / "report")
    assert load(tmp_path / "report") == {GOOD.test: GOOD, BAD.test: BAD}
    assert capsys.readouterr().out.startswith("2 tests' results, with those of 2 runs below ")


def test_where_no_other_run_left_results_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"There is no results\.json below .*/none"):
        report.take_in(str(tmp_path / "none"), tmp_path / "report")


# --- the README


def test_only_what_is_between_the_marks_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_readme(readme)
    once = readme.read_text()
    assert once == f"before\n{report.BEGIN}\n\n{table()}\n{report.END}\nafter\n"
    report.write_readme(readme)
    assert readme.read_text() == once


@pytest.mark.parametrize("text", ["", report.BEGIN, report.END, f"{report.END}{report.BEGIN}"])
def test_a_readme_without_the_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(LabError, match=r"README\.md has no place for the table"):
        report.write_readme(readme)
    assert readme.read_text() == text


# --- the summary


def test_the_summary_counts_by_suite_and_names_what_failed_or_was_skipped(tmp_path: Path) -> None:
    keep(tmp_path, [BAD, GOOD, SKIPPED, EXPECTED])
    (tmp_path / "logs-small-20261122-010203.tar.gz").write_bytes(b"")
    lines = report.summary(tmp_path).splitlines()
    assert "| mesh | 0 | 1 | 0 | 0 | 2 |" in lines
    assert "| unit | 1 | 0 | 1 | 1 | 0 |" in lines
    assert lines[lines.index("### failed") :][:7] == [
        "### failed",
        "",
        "- <code>tests/e2e/mesh/test&#95;x.py::test&#95;a&#91;&lt;&amp;&gt;&#93;</code>: "
        "assert &#x27;&lt;b&gt;&#x27; &#124; &#96;x&#96;",
        "",
        "### skipped",
        "",
        "- <code>tests/unit/test&#95;x.py::test&#95;c</code>: no",
    ]
    assert not any("test&#95;d" in line for line in lines)
    assert "The lab's logs are in logs-small-20261122-010203.tar.gz." in lines
    assert lines[-1].startswith("GKE and the lab: 0 proven, 0 failed, ")


def test_a_summary_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.show_summary(tmp_path)
    assert "No test has run." in capsys.readouterr().out


def test_a_good_run_has_no_list_of_failures(tmp_path: Path) -> None:
    keep(tmp_path, [GOOD, EXPECTED])
    assert "###" not in report.summary(tmp_path)

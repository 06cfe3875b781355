"""`invoke logs.collect`: what it says when it has collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gkelab import commands, logs
from gkelab.diagnosis.bundle import Source
from gkelab.diagnosis.collect import Bundle
from gkelab.diagnosis.suspects import Suspect
from gkelab.errors import LabError
from gkelab.find import Found
from gkelab.host.checks import Finding
from gkelab.lab import Lab
from gkelab.results import REPORT
from tests.support.recorder import Recorder
from tests.unit.diagnosis import gathered
from tests.unit.steps import make_lab, plan_of
from tests.unit.tools import lists_containers, recorded, stopped

FOLDER = Path("/r/logs-vpc-native-20261122-010203")
ARCHIVE = Path(f"{FOLDER}.tar.gz")


def bundle(missing: dict[str, str], suspects: Sequence[Suspect] = ()) -> Bundle:
    return Bundle(FOLDER, ARCHIVE, 7, missing, tuple(suspects))


def test_where_it_is_and_that_all_is_well() -> None:
    assert logs.told(bundle({})) == [
        f"collected 7 files: {FOLDER} and {ARCHIVE.name}",
        "nothing in it is suspicious",
    ]


def test_what_it_lacks_and_what_stands_out() -> None:
    missing = {f"c/{n}": f"It is wrong {n}.\nand more" for n in range(8)}
    said = logs.told(bundle(missing, [Suspect("a.txt", "x panic: y", 3), Suspect("b", "z", 1)]))
    assert said[1:] == [
        "could not collect 8:",
        *(f"  c/{n}: It is wrong {n}." for n in range(5)),
        "  and 3 more: summary.txt",
        "first suspicious lines:",
        "  a.txt: x panic: y (×3)",
        "  b: z",
    ]


# --- the command


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The only lab; its kubeconfig is not looked at."""
    lab = make_lab(tmp_path, Recorder())
    found = Found("vpc-native", plan_of(), "built")
    monkeypatch.setattr(commands, "find_lab", lambda _: found)
    monkeypatch.setattr(commands, "lab_of", lambda _: lab)
    return lab


Collects = list[tuple[Lab, Path, Callable[[Lab], Sequence[Source]]]]


@pytest.fixture
def collects(monkeypatch: pytest.MonkeyPatch) -> Collects:
    """Instead of collecting, remember what would have been."""
    asked: Collects = []

    def collect(lab: Lab, output: Path, more: Callable[[Lab], Sequence[Source]]) -> Bundle:
        asked.append((lab, output, more))
        return bundle({})

    monkeypatch.setattr(logs, "collect_bundle", collect)
    return asked


@pytest.mark.parametrize(("output", "folder"), [(None, REPORT), ("/tmp/x", Path("/tmp/x"))])
def test_into_the_report_or_where_it_is_told(
    lab: Lab,
    collects: Collects,
    capsys: pytest.CaptureFixture[str],
    output: str | None,
    folder: Path,
) -> None:
    assert logs.collect(None, output) == bundle({})
    assert [(asked[0], asked[1]) for asked in collects] == [(lab, folder)]
    assert capsys.readouterr().out.startswith(f"collected 7 files: {FOLDER}")


def test_what_status_and_doctor_say_is_in_it(
    lab: Lab, collects: Collects, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def examined(file: Path, forced: str, *, host_setup: bool) -> list[Finding]:
        asked.append((file.name, forced))
        return [Finding("memory", "ok", "16 GiB", "")]

    monkeypatch.setattr(commands, "examined", examined)
    logs.collect(None, None)
    assert isinstance(lab.run, Recorder)
    raws = [stopped(raw) for raw in recorded("containers")]
    lists_containers(lab.run, ["gkelab.lab=vpc-native"], raws)
    pages = gathered(collects[0][2](lab))
    assert "✗ node vpc-native-worker is exited" in pages["status.txt"]
    assert "16 GiB" in pages["doctor.txt"]
    assert asked == [("vpc-native.yaml", "built")]


def test_a_lab_of_another_file_has_no_doctors_page(
    lab: Lab, collects: Collects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_file(name: str) -> Path:
        raise LabError(f"There is no topology {name}")

    monkeypatch.setattr(commands, "topology_file", no_file)
    logs.collect(None, None)
    page = next(page for page in collects[0][2](lab) if page.path == "doctor.txt")
    with pytest.raises(LabError, match="There is no topology vpc-native"):
        gathered([page])


def test_a_place_that_cannot_be_written_is_a_sentence(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"The logs cannot be written under .*/file: "):
        logs.collect(None, str(tmp_path / "file"))


def test_without_a_lab_there_is_nothing_to_collect(
    monkeypatch: pytest.MonkeyPatch, collects: Collects
) -> None:
    monkeypatch.setattr(commands, "docker_answers", lambda _: True)
    monkeypatch.setattr(commands, "find_labs", lambda _: [])
    with pytest.raises(LabError, match=r"There is no lab x on this machine"):
        logs.collect("x", None)
    assert collects == []

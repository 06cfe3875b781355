"""Measuring: traffic first, the shot then, and the lab whole again whatever happens."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from gkelab import commands
from gkelab.errors import LabError
from gkelab.faults import bench, measure
from gkelab.faults.bench import sentence, table, try_all
from gkelab.faults.catalog import Fault
from gkelab.faults.flow import Flow, Traffic
from gkelab.faults.measure import Measured
from gkelab.faults.record import Loss, Message, Record, Request
from gkelab.faults.stage import Stage
from gkelab.progress import Lines
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.faults import stage_of
from tests.unit.steps import plan_of

FINE = Record((Message(0, 100.0, 100.1),), (), (Request(0, 100.0, 100.1, ""),), 101.0)


@dataclass
class Played:
    """Flows, a stage and time that are played; `log` is what happened."""

    log: list[str] = field(default_factory=list)
    clock: float = 99.9
    steady_again: bool = True
    never_steady: bool = False
    record: Record = FINE

    traffic = Traffic("h", 1, timeout=0)

    def await_steady(self, what: str) -> None:
        if self.never_steady:
            raise WaitError("it never was")
        self.log.append(f"steady {what}")

    def steady(self) -> bool:
        return self.steady_again

    def stop(self) -> Record:
        self.log.append("stop")
        return self.record

    @contextmanager
    def flowing(self, name: str) -> Iterator[Flow]:
        self.log.append("flow")
        yield cast(Flow, self)
        self.log.append("gone")

    def now(self) -> float:
        self.clock += 1
        return self.clock

    def fault(self, *ways: str, breaks: BaseException | None = None) -> Fault:
        def shot() -> None:
            self.log.append("shot")
            if breaks:
                raise breaks

        def aim(_: Stage) -> Callable[[], None]:
            self.log.append("aim")
            return shot

        return Fault("a fault", ways or ("a way",), aim)


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: Played) -> Stage:
    monkeypatch.setattr(Stage, "flowing", played.flowing)
    monkeypatch.setattr(Stage, "restore", lambda _: played.log.append("restore"))
    return stage_of(tmp_path, Recorder())


def run(stage: Stage, played: Played, fault: Fault) -> list[Measured]:
    return measure.measure(stage, fault, now=played.now)


def test_traffic_the_shot_the_end_and_whole_again(stage: Stage, played: Played) -> None:
    (row,) = run(stage, played, played.fault())
    assert played.log == [
        *("flow", "steady a way, before a fault", "aim", "shot", "stop", "restore", "gone"),
    ]
    assert (row.fault, row.way) == ("a fault", "a way")
    assert row.loss.survived


def test_a_row_for_every_way(stage: Stage, played: Played) -> None:
    rows = run(stage, played, played.fault("one", "other"))
    assert [row.way for row in rows] == ["one", "other"]
    assert played.log.count("restore") == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LabError("no such pod")])
def test_whole_again_when_it_is_interrupted(
    stage: Stage, played: Played, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        run(stage, played, played.fault(breaks=error))
    assert played.log[-1] == "restore"


def test_a_lab_without_steady_traffic_is_not_shot_at(stage: Stage, played: Played) -> None:
    played.never_steady = True
    with pytest.raises(WaitError):
        run(stage, played, played.fault())
    assert "shot" not in played.log
    assert "restore" not in played.log, "nothing was broken"


def test_traffic_that_never_comes_back_is_a_result(
    stage: Stage, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "RECOVERS", 0)
    played.steady_again = False
    played.record = Record((), (), (Request(0, 101.0, 103.0, "TIMEOUT"),), 104.0)
    (row,) = run(stage, played, played.fault())
    assert row.loss.recovery_ms is None
    assert played.log[-2:] == ["restore", "gone"]


# --- the table


LOSS = Loss(True, 100, 0, 0, 51.0, 50, 2, 400.0, 1234.0, {"TIMEOUT": 2})
ROW = Measured("istiod killed", "outside to gateway", LOSS)
NEVER = Measured("worker stopped", "outside to LB", Loss(False, 9, 4, 1, 9e3, 9, 9, 9e3, None))


def test_a_table_of_what_was_asked_for() -> None:
    out = Console(file=io.StringIO(), width=160)
    out.print(table([ROW, NEVER]))
    head, first, second = cast(io.StringIO, out.file).getvalue().splitlines()
    assert head.split("  ")[0] == "fault"
    assert first.split() == [
        *("istiod", "killed", "outside", "to", "gateway", "yes"),
        *("0", "of", "100", "2", "of", "50", "51", "1234"),
    ]
    assert second.split()[-2:] == ["9000", "never"]
    assert "no" in second.split()


def test_a_row_as_a_sentence_and_as_data() -> None:
    assert sentence(ROW) == ("outside to gateway: survived, 0 messages and 2 new connections lost")
    assert sentence(NEVER).startswith("outside to LB: broken, 4 messages and 9 new")
    data = ROW.to_dict()
    assert data["fault"] == "istiod killed"
    assert data["recovery_ms"] == 1234.0


def test_a_line_a_fault_and_those_left_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "measure", lambda _, fault: [ROW])
    pools = {"nodePools": [{"name": "p", "locations": ["us-central1-a"]}]}
    stage = stage_of(tmp_path, Recorder(), plan_of(**pools))
    out = io.StringIO()
    faults = [Fault("one", ("w",), _never), Fault("two", ("w",), _never, workers=2)]
    assert try_all(stage, faults, Lines(out)) == [ROW]
    first, second = out.getvalue().splitlines()
    assert "✓" in first
    assert "one" in first
    assert "0 messages and 2 new connections lost" in first
    assert second == "  - two: left out, it takes 2 workers"


def test_a_fault_that_cannot_be_tried_ends_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> list[Measured]:
        raise LabError("no such pod")

    monkeypatch.setattr(bench, "measure", broken)
    out = io.StringIO()
    with pytest.raises(LabError, match="no such pod"):
        try_all(stage_of(tmp_path, Recorder()), [Fault("one", ("w",), _never)], Lines(out))
    assert "one: failed" in out.getvalue()


@pytest.fixture
def benched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A lab to bench, whose stage and faults are played; its problems can be added to."""
    problems: list[str] = []
    lab = stage_of(tmp_path, Recorder()).lab
    monkeypatch.setenv("GKELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(commands, "open_lab", lambda _: lab)
    monkeypatch.setattr(bench, "lab_status", lambda _: SimpleNamespace(problems=problems))
    monkeypatch.setattr(bench, "staged", lambda *_: nullcontext("the stage"))
    monkeypatch.setattr(bench, "try_all", lambda *_: [ROW, NEVER])
    return problems


def test_the_bench_shows_a_table_and_writes_its_figures(
    benched: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.bench_faults(None, str(tmp_path / "faults.json"))
    assert "istiod killed" in capsys.readouterr().out
    figures = json.loads((tmp_path / "faults.json").read_text())
    assert figures["lab"] == "vpc-native"
    assert figures["faults"] == [ROW.to_dict(), NEVER.to_dict()]
    bench.bench_faults(None, None)


def test_a_lab_that_is_not_whole_is_not_benched(benched: list[str], tmp_path: Path) -> None:
    benched.append("node x is exited")
    with pytest.raises(LabError, match=r"vpc-native is not whole: node x is exited\. Run: invoke"):
        bench.bench_faults(None, str(tmp_path / "faults.json"))
    assert not (tmp_path / "faults.json").exists()


def _never(_: Stage) -> Callable[[], None]:
    raise AssertionError("this fault is not to be aimed at")

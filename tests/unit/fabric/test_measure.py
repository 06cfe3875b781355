"""The order of things: ways in turns, levels, direct that is direct; probes that really talk."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gkelab.errors import LabError
from gkelab.fabric import measure, writes
from gkelab.fabric.measure import BRIDGE, DIRECT, FULL, LEVELS, ROUTER
from gkelab.fabric.stage import Stage, Way
from gkelab.fabric.writes import measure_writes, talking
from tests.support.recorder import Recorder

PROGRAM = Path(__file__).parents[3] / "images" / "workload" / "fabric.py"


class FakeStage:
    """A stage that writes down what is done; direct routes are a hop less, if `shorter`."""

    def __init__(self, *, shorter: bool = True, rules: int = 1000) -> None:
        self.pods, self.bridge = Way((), "pod"), Way((), "container")
        self.did: list[str] = []
        self.direct, self.shorter = False, shorter
        self.cloud = SimpleNamespace(list_of=lambda *_: [{}] * rules)

    def have_rules(self, count: int) -> None:
        self.did.append(f"{count} rules")

    def have_denials(self) -> None:
        self.did.append("denials")

    def have_aliases(self, count: int) -> None:
        self.did.append(f"{count} aliases")

    def probe(self, way: Way, words: list[str], seconds: float) -> str:
        if words[0] == "quiet":
            return '{"busy": 0, "took": 3}'
        fresh = " anew" if "--fresh" in words else ""
        self.did.append(f"{words[0]}{fresh} {'direct' if self.direct else way.host}")
        return json.dumps(
            {"bits": 8e9, "seconds": 1, "busy": 1, "took": 1, "transactions": 5} | {"p50": 1}
        )

    def route(self, *, direct: bool) -> None:
        self.direct = direct

    def ttl(self) -> int:
        return 61 + (self.direct and self.shorter)

    def open_ports(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()

    def as_stage(self) -> Stage:
        return cast(Stage, self)


def test_ways_are_measured_in_turns() -> None:
    stage = FakeStage()
    ways = {ROUTER: stage.pods, BRIDGE: stage.bridge}
    found = measure.turns(stage.as_stage(), ways, ["throughput", "connections"], 2)
    streams, connects = ["throughput pod", "throughput container"], ["ask anew pod"]
    connects.append("ask anew container")
    assert stage.did == 2 * [*(4 * streams), *(2 * connects)]
    assert [sample.value for sample in found[ROUTER]["connections"]] == [5.0, 5.0]


def test_levels_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from gkelab.fabric.figures import Fates

    monkeypatch.setattr(measure, "measure_writes", lambda *_: Fates((0.1,), 1, 0, 1, 0))
    stage, said = FakeStage(), list[str]()
    figures = measure.measure(stage.as_stage(), 1, 100, said.append)
    made = [line for line in stage.did if line.split()[-1] in ("rules", "aliases", "denials")]
    assert made == ["10 rules", "100 rules", "1000 rules", "denials", "1000 aliases"]
    assert list(figures.levels) == [*LEVELS, FULL]
    assert set(figures.past) == {ROUTER, DIRECT}
    assert "throughput direct" in stage.did
    assert len(said) == 6
    assert json.loads(json.dumps(figures.to_dict()))["writes"]["leaked"] == 0


def test_direct_routes_that_are_not_are_an_error() -> None:
    with pytest.raises(LabError, match="Direct routes are not one hop less than the router's"):
        measure.past_the_router(FakeStage(shorter=False).as_stage(), 1)


def test_a_list_that_is_not_whole_is_no_figure() -> None:
    with pytest.raises(LabError, match="has 500, and 1000 were made"):
        measure.listing(FakeStage(rules=500).as_stage())


# --- the program


def workload() -> Any:
    sys.path.insert(0, str(PROGRAM.parent))
    try:
        import fabric  # type: ignore[import-not-found]  # the image's
    finally:
        sys.path.pop(0)
    return fabric


def test_work_is_what_is_neither_idle_nor_waiting_nor_stolen() -> None:
    #                user nice system idle iowait irq softirq steal guest
    text = "cpu  100 20 30 4000 500 6 7 80 90 0\ncpu0 1 1 1 1\n"
    assert workload().busy(text, 100) == 1.63


@pytest.fixture
def where(tmp_path: Path) -> tuple[str, ...]:
    """The words that run a command where the program is installed."""
    program = tmp_path / "fabric"
    program.write_text(f"#!{sys.executable}\n{PROGRAM.read_text()}")
    program.chmod(0o755)
    return ("env", f"PATH={tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_datagrams_where_nobody_decides(
    where: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is denied gets through, and is counted: so would it be, were the router open."""
    monkeypatch.setattr(writes, "server_pod", lambda _: where)
    monkeypatch.setattr(writes, "GAP", 0.3)
    asked: list[tuple[object, ...]] = []
    cloud = SimpleNamespace(patch=lambda *words: asked.append(words))
    stage = SimpleNamespace(cloud=cloud, pods=Way(where, "127.0.0.1"))
    found = measure_writes(cast(Stage, stage), 2)
    assert [words[-1] for words in asked] == [{"disabled": False}, {"disabled": True}]
    assert found.delays[0] is None  # nothing was denied
    assert found.delays[1] is not None and found.delays[1] < 1
    assert found.leaked > 0.5 * found.denied > 10


def test_a_probe_that_breaks_off_is_told_of() -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no route')"]
    with talking(argv) as talker:
        with pytest.raises(LabError, match="no route"):
            talker.await_line("receiving")
        with pytest.raises(LabError, match="The probe broke off: no route"):
            talker.end()


def test_the_words_of_a_probe() -> None:
    run = Recorder()
    stage = object.__new__(Stage)
    object.__setattr__(stage, "lab", SimpleNamespace(run=run))
    run.handle(["in-pod", "fabric", "ask", "10.0.0.130", "--seconds=2", "--fresh"], '{"a": 1}')
    assert stage.probe(Way(("in-pod",), "x"), ["ask", "10.0.0.130", "--seconds=2", "--fresh"], 2)
    assert run.calls[0].timeout == 122

"""`invoke logs.firewall`: the router's log as a person reads it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gkelab import commands
from gkelab.containers import FIREWALL_LOG
from gkelab.errors import LabError
from gkelab.shell import Result
from gkelab.tools.docker import Docker
from gkelab.vpc import commands as vpc
from gkelab.vpc.decisions import chosen, decisions, draw, parse

# As a lab's router wrote it, names cut; the last was turned into one of an egress rule.
LINES = (Path(__file__).parent / "recorded" / "firewall.log").read_text()


def test_lines() -> None:
    allowed, denied, out = parse(LINES)
    assert (allowed.disposition, allowed.rule, allowed.priority) == ("ALLOWED", "t-yes", 900)
    assert (allowed.direction, allowed.protocol) == ("INGRESS", "tcp")
    assert allowed.source == "10.128.0.7:42784 (t-asks)"
    assert allowed.destination == "10.128.0.9:8080 (t-answers)"
    assert allowed.record["vpc"]["vpc_name"] == "default"
    # Without the metadata it has no names.
    assert (denied.disposition, denied.source) == ("DENIED", "10.128.0.7:42796")
    # Of an egress rule the instance is who sends.
    assert (out.direction, out.source) == ("EGRESS", "10.128.0.7:44638 (t-asks)")
    assert out.destination == "198.18.0.2:9000"


def test_a_line_that_is_cut_off_is_left_out() -> None:
    assert [one.rule for one in parse(LINES[:-20])] == ["t-yes", "t-no"]
    assert parse("\n{}\nnot JSON\n") == []


def test_of_one_rule_and_the_last() -> None:
    found = parse(LINES)
    assert [one.rule for one in chosen(found, None, 2)] == ["t-no", "t-out"]
    assert [one.rule for one in chosen(found, "t-yes", 2)] == ["t-yes"]
    assert chosen(found, "other", 2) == []


def test_what_was_turned_over_comes_first() -> None:
    asked = []

    def run(argv: list[str], **_: object) -> Result:
        asked.append(argv)
        return Result(tuple(argv), 0, LINES, "")

    assert len(decisions(Docker(run), "x-router")) == 3  # type: ignore[arg-type]
    assert f"{FIREWALL_LOG}.1 {FIREWALL_LOG}" in asked[0][-1]


def test_drawn() -> None:
    out = io.StringIO()
    draw(parse(LINES), Console(file=out, width=160))
    first, *lines = out.getvalue().splitlines()
    assert first.split()[:2] == ["time", "firewall"]
    assert "DENIED" in lines[1]
    assert "t-no" in lines[1]
    draw([], Console(file=out, width=160))
    assert "no firewall rule has logged" in out.getvalue()


def test_a_count_of_no_lines() -> None:
    with pytest.raises(LabError, match="--last=0: it is a count of lines, at least 1"):
        vpc.firewall_log(None, None, 0, as_json=False)


def test_as_data_it_is_googles_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Here:
        name = "x"

        class docker:
            state = "running"

            @classmethod
            def container(cls, name: str) -> object:
                return cls if name == "x-router" else None

            @staticmethod
            def exec(name: str, argv: list[str]) -> Result:
                return Result(tuple(argv), 0, LINES, "")

    monkeypatch.setattr(commands, "find_lab", lambda name: name)
    monkeypatch.setattr(commands, "lab_of", lambda found: Here)
    vpc.firewall_log("x", None, 1, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(LINES.splitlines()[-1])
    Here.docker.state = "exited"
    with pytest.raises(LabError, match="The router of lab x does not run"):
        vpc.firewall_log("x", None, 1, as_json=True)

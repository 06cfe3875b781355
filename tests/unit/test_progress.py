"""Lines of progress: what a file or a pipe gets, and what a terminal gets beside it."""

from __future__ import annotations

import io
import sys

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED, Task
from gkelab.progress import Lines, console
from gkelab.wait import until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def task(name: str, what: str = "") -> Task:
    return Task(name, lambda: "", what=what)


def test_a_line_a_task_with_its_time_and_note() -> None:
    out = io.StringIO()
    with Lines(out) as lines:
        lines.started(task("cluster:one"))
        lines.finished(task("cluster:one", "create cluster one"), 20.04, "3 nodes", [])
        lines.finished(task("image:pause"), 0.26, "", [])
        lines.failed(task("cilium:one", "install Cilium"), 4.0, LabError("no"))
        lines.say("range us/pods: 10.0.0.0/20")
    assert out.getvalue().splitlines() == [
        "  ✓   20.0 s  create cluster one  3 nodes",
        "  ✓    0.3 s  image:pause",
        "  ✗    4.0 s  install Cilium: failed",
        "range us/pods: 10.0.0.0/20",
    ]


def test_what_was_done_already_gets_no_line() -> None:
    out = io.StringIO()
    with Lines(out) as lines:
        lines.started(task("networks"))
        lines.finished(task("networks"), 0.1, CACHED, [])
    assert out.getvalue() == ""


def test_where_there_is_no_terminal_a_heartbeat_says_what_runs() -> None:
    out = io.StringIO()
    with Lines(out, heartbeat=0) as lines:
        lines.started(task("image:cilium"))
        lines.started(task("image:etcd"))
        lines.finished(task("image:pause"), 1, CACHED, ["image:cilium", "image:etcd", "lab"])
        until(out.getvalue, bool, what="a heartbeat", timeout=20, interval=0.05)
    assert out.getvalue().splitlines()[0] == "  … image:cilium 1 s, image:etcd 1 s (1 more to come)"
    assert "\r" not in out.getvalue()


def test_before_its_time_there_is_no_heartbeat() -> None:
    out = io.StringIO()
    lines = Lines(out, heartbeat=30)
    with lines:
        lines.started(task("image:cilium"))
    assert out.getvalue() == ""


def test_nothing_runs_nothing_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    with Lines(out) as lines:
        lines.started(task("a"))
        lines.finished(task("a"), 1, "", [])
    assert "…" not in out.getvalue()


def test_a_terminal_has_a_live_line_that_the_next_line_wipes() -> None:
    out = Terminal()
    with Lines(out) as lines:
        lines.started(task("image:cilium"))
        until(lambda: "…" in out.getvalue(), bool, what="a live line", timeout=20, interval=0.05)
        lines.say("next")
    text = out.getvalue()
    assert "  … image:cilium 0 s" in text or "  … image:cilium 1 s" in text
    assert "\r\033[Knext\n" in text


def test_tables_are_wide_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert console().width == 160

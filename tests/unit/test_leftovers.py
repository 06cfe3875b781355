"""What goes of an interrupted test run, and what stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gkelab.leftovers import remove_leftovers
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit.steps import Object, kubectl, make_lab, two_regions


def namespace(name: str, *, going: bool = False) -> Object:
    metadata: Object = {"name": name, "labels": {"gkelab.test": "true", "gkelab.test-run": "r1"}}
    return {"metadata": metadata | ({"deletionTimestamp": "2026-11-22"} if going else {})}


# Only what carries a run: pytest by hand makes namespaces without one, and may be at work.
LISTING = [
    *("get", "namespaces", "--all-namespaces", "--selector=gkelab.test=true,gkelab.test-run"),
    "--output=json",
]


def delete(*names: str) -> list[str]:
    return ["delete", "namespace", *names, "--ignore-not-found", "--timeout=0s"]


def test_the_namespaces_of_runs_that_are_over_go_at_once(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    found = [namespace("t-a-1"), namespace("t-b-2"), namespace("t-c-3", going=True)]
    found.append(namespace("mine"))  # of a person who copied the labels
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": found}))
    run.handle(kubectl(lab, *delete("t-a-1", "t-b-2")))
    assert remove_leftovers(lab) == ["t-a-1", "t-b-2"]


def test_where_nothing_was_left_nothing_is_done(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": []}))
    assert remove_leftovers(lab) == []
    assert len(run.calls) == 1


def test_every_cluster_is_looked_at(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run, two_regions())
    for number, names in enumerate((["t-a"], ["t-b"])):
        items = [namespace(name) for name in names]
        run.handle(kubectl(lab, *LISTING, cluster=number), json.dumps({"items": items}))
        run.handle(kubectl(lab, *delete(*names), cluster=number))
    assert remove_leftovers(lab) == ["t-a", "t-b"]


def test_one_that_does_not_go_is_an_error(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(kubectl(lab, *LISTING), json.dumps({"items": [namespace("t-a")]}))
    run.handle(kubectl(lab, *delete("t-a")), code=1, stderr="timed out waiting")
    with pytest.raises(CommandError, match="timed out waiting"):
        remove_leftovers(lab)

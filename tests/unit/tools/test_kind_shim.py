"""The `docker` that kind is given, run for real before a docker that only tells what it got."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gkelab.shell import CommandError, run
from gkelab.tools.kind import SHIM

# One line a word, so that words with blanks and empty ones are seen as they are.
DOCKER = '#!/bin/sh\nfor word in "$@"; do printf "<%s>\\n" "$word"; done\nexit "${CODE:-0}"\n'
ARGUMENTS = ["--ip=10.128.0.3", "--label=gkelab.lab=my lab", "--label=gkelab.role=node"]

Docker = Callable[..., list[str]]


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """Run the shim with these words; returns the words that docker got."""
    folder = tmp_path / "node arguments"
    folder.mkdir()
    (folder / "one-worker").write_text("".join(f"{word}\n" for word in ARGUMENTS))
    for name, text in (("docker", DOCKER), ("shim", SHIM)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    env = {
        "GKELAB_DOCKER": str(tmp_path / "docker"),
        "GKELAB_NODE_ARGUMENTS": str(folder),
    }

    def call(*words: str, **more: str) -> list[str]:
        done = run([str(tmp_path / "shim"), *words], env=env | more)
        return [line[1:-1] for line in done.stdout.splitlines()]

    return call


def test_run_gets_the_named_nodes_arguments_before_its_own(docker: Docker) -> None:
    own = ["--detach", "--name", "one-worker", "--env", "A=b c", "", "kindest/node:v1"]
    first, *rest = docker("run", *own)
    assert first == "run"
    assert sorted(rest[: len(ARGUMENTS)]) == sorted(ARGUMENTS)
    assert rest[len(ARGUMENTS) :] == own


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--detach", "--name", "two-worker", "kindest/node:v1"],
        ["run", "--rm", "kindest/node:v1", "true"],
        ["run", "--rm", "one-worker"],  # its image, not its name
        ["run"],
        ["ps", "--filter", "name=one-worker", "--name", "one-worker"],
        ["exec", "--privileged", "one-worker", "cat", "/kind/version"],
        ["inspect", "--format", "{{ .Name }} x", "one-worker"],
        ["info", ""],
        [],
    ],
)
def test_everything_else_passes_through(docker: Docker, words: list[str]) -> None:
    assert docker(*words) == words


def test_of_several_names_the_last_counts_as_with_docker(docker: Docker) -> None:
    words = ["run", "--name", "one-worker", "--name", "two-worker", "x"]
    assert docker(*words) == words


def test_dockers_exit_code_is_the_shims(docker: Docker) -> None:
    for words in (["run", "--name", "one-worker", "x"], ["ps"]):
        with pytest.raises(CommandError, match="exited with 125"):
            docker(*words, CODE="125")


def test_without_its_settings_it_fails_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "shim").write_text(SHIM)
    (tmp_path / "shim").chmod(0o755)
    assert "GKELAB_DOCKER" not in os.environ
    with pytest.raises(CommandError, match="GKELAB_DOCKER"):
        run([str(tmp_path / "shim"), "ps"])

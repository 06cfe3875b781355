"""docker's news: the exact words, and that a docker that comes back is asked again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gkelab.cloud.machines import events


def test_the_words() -> None:
    assert events.argv("lab") == [
        *("docker", "events", "--filter=type=container", "--filter=label=gkelab.lab=lab"),
        *("--filter=event=start", "--filter=event=die", "--filter=event=destroy"),
        *("--filter=event=pause", "--filter=event=unpause", "--format={{.Status}}"),
    ]


def test_every_line_is_news_and_so_is_a_docker_that_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho start\necho die\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(events, "AGAIN", 0.01)
    heard, enough, stop = [], threading.Event(), threading.Event()

    def news() -> None:
        heard.append(1)
        if len(heard) >= 6:  # that it is there, and two lines; twice
            enough.set()

    thread = events.follow("lab", news, stop)
    assert enough.wait(20)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_without_docker_it_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    stop = threading.Event()
    thread = events.follow("lab", lambda: None, stop)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()

"""A machine on which everything is right, and what its programs answer."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import pytest

from gkelab.host.facts import GIB, HostFacts
from tests.support.recorder import Recorder

FACTS = HostFacts(
    os_id="debian",
    root=True,
    systemd=False,
    missing_capabilities=(),
    cgroup=2,
    btf=True,
    inotify_instances=1024,
    inotify_watches=524288,
    memory_total=16 * GIB,
    memory_available=12 * GIB,
    disk_free=100 * GIB,
    cores=4,
)
VERSION = "docker version --format {{.Server.Version}}"


def recorded(answers: Mapping[str, str]) -> Recorder:
    """A runner that knows these commands, words joined by blanks, and what each prints."""
    run = Recorder()
    for line, stdout in answers.items():
        run.handle(line.split(), stdout)
    return run


def installed(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Let just these programs be on PATH."""

    def which(name: str) -> str | None:
        return f"/usr/bin/{name}" if name in programs else None

    monkeypatch.setattr(shutil, "which", which)

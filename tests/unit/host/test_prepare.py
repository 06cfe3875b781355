"""What a host still needs, by what it has; the exact commands; and who may be made to run them."""

from __future__ import annotations

import errno
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.host import prepare
from gkelab.host.facts import HostFacts
from gkelab.host.prepare import Preparation, carry_out, docker_answers, needed, start_docker
from tests.support.recorder import Recorder
from tests.unit.host.fakes import FACTS, VERSION, installed, recorded

ALL = ("docker", "dockerd", "iptables", "ip", "jq", "mmdebstrap", "sysctl")
LACKING = replace(FACTS, missing_capabilities=("CAP_SYS_RESOURCE",))
APT = ["apt-get", "install", "-y", "--no-install-recommends"]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may touch the machine's own docker."""
    runtime = tmp_path / "libexec" / "gkelab"
    monkeypatch.setattr(prepare, "RUNTIME_DIR", runtime)
    monkeypatch.setattr(prepare, "RUNTIME", runtime / "runc-caps")
    monkeypatch.setattr(prepare, "DAEMON_JSON", tmp_path / "etc" / "docker" / "daemon.json")
    monkeypatch.setattr(prepare, "PID_FILE", tmp_path / "docker.pid")
    monkeypatch.setattr(prepare, "DOCKERD_LOG", tmp_path / "dockerd.log")


def answering() -> Recorder:
    return recorded({VERSION: "28.2.2\n"})


def silent(why: str = "Cannot connect to the Docker daemon") -> Recorder:
    run = Recorder()
    run.handle(VERSION.split(), code=1, stderr=why)
    return run


def checks(facts: HostFacts, run: Recorder, *, build: bool = False) -> list[str]:
    return [item.check for item in needed(facts, run, build=build)]


def test_a_ready_host_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    assert needed(FACTS, answering(), build=True) == []


@pytest.mark.parametrize(
    ("gone", "facts", "build", "package"),
    [
        ("iptables", FACTS, False, "iptables"),
        ("ip", FACTS, False, "iproute2"),
        ("mmdebstrap", FACTS, True, "mmdebstrap"),
        ("mmdebstrap", FACTS, False, None),
        ("jq", LACKING, False, "jq"),
        ("jq", FACTS, False, None),
        ("sysctl", replace(FACTS, inotify_watches=1), False, "procps"),
        ("sysctl", FACTS, False, None),
        ("dockerd", FACTS, False, None),  # docker answers, wherever it runs
    ],
)
def test_packages_by_what_is_used(
    monkeypatch: pytest.MonkeyPatch, gone: str, facts: HostFacts, build: bool, package: str | None
) -> None:
    installed(monkeypatch, *(name for name in ALL if name != gone))
    whys = [i.why for i in needed(facts, answering(), build=build) if i.check == "programs"]
    assert whys == ([f"installing {package}"] if package else [])


def test_no_docker_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "iptables", "ip", "jq", "sysctl")
    packages, start = needed(FACTS, Recorder(), build=False)
    assert packages.why == "installing docker.io"
    assert packages.commands[:2] == ("apt-get update", " ".join([*APT, "docker.io"]))
    assert start.commands == ("dockerd &",)
    (_, by_systemd) = needed(replace(FACTS, systemd=True), Recorder(), build=False)
    assert by_systemd.commands == ("systemctl enable --now docker",)


def test_the_client_is_installed_where_docker_came_without(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *(name for name in ALL if name != "docker"))
    packages, _ = needed(FACTS, Recorder(), build=False)
    assert packages.why == "installing docker-cli"

    installed(monkeypatch, "iptables", "ip")
    packages, _ = needed(FACTS, run := Recorder(), build=False)
    for words in (["docker.io"], ["docker-cli"]):
        run.handle([*APT, *words])
    run.handle(["apt-get", "update"])
    packages.do()
    assert run.argvs == [["apt-get", "update"], [*APT, "docker.io"], [*APT, "docker-cli"]]

    both = Recorder()  # as Debian 12's docker.io
    both.handle(["apt-get", "update"])
    both.handle([*APT, "docker.io"], does=lambda: installed(monkeypatch, "docker"))
    packages, _ = needed(FACTS, both, build=False)
    packages.do()
    assert both.argvs == [["apt-get", "update"], [*APT, "docker.io"]]


def test_a_docker_that_refuses_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    (start,) = needed(FACTS, silent("permission denied while trying to connect"), build=False)
    assert start.commands == ('usermod --append --groups docker "$USER", then log in again',)
    (start,) = needed(FACTS, silent(), build=False)
    assert start.commands == ("dockerd &",)


def test_a_docker_that_hangs_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    run = Recorder()
    run.handle(VERSION.split(), fails="took longer than 60 s")
    assert not docker_answers(run)
    assert run.calls[0].timeout is not None
    assert docker_answers(answering())


def test_the_runtime_is_registered_beside_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    prepare.DAEMON_JSON.parent.mkdir(parents=True)
    prepare.DAEMON_JSON.write_text('{"mtu": 1400, "runtimes": {"other": {"path": "/x"}}}')
    # Docker does not run yet: nothing is to be started again.
    runtime, _ = needed(LACKING, silent(), build=False)
    assert runtime.check == "capabilities"
    runtime.do()
    path = str(prepare.RUNTIME)
    assert json.loads(prepare.DAEMON_JSON.read_text()) == {
        "mtu": 1400,
        "runtimes": {"other": {"path": "/x"}, "gkelab": {"path": path}},
        "default-runtime": "gkelab",
    }
    assert prepare.RUNTIME.stat().st_mode & 0o111
    assert checks(LACKING, answering()) == []
    # Another set of capabilities, another wrapper, other settings: each is mended.
    two = replace(FACTS, missing_capabilities=("CAP_SYS_RESOURCE", "CAP_SYS_TIME"))
    assert checks(two, answering()) == ["capabilities"]
    prepare.RUNTIME.write_text("#!/bin/sh\n")
    assert checks(LACKING, answering()) == ["capabilities"]
    runtime.do()
    prepare.DAEMON_JSON.write_text("{}")
    assert checks(LACKING, answering()) == ["capabilities"]


def test_a_newer_wrapper_is_no_reason_to_restart_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    prepare.DAEMON_JSON.parent.mkdir(parents=True)
    runtime, _ = needed(LACKING, silent(), build=False)
    runtime.do()
    prepare.RUNTIME.write_text("#!/bin/sh\n")
    run = answering()
    (runtime,) = needed(LACKING, run, build=False)
    asked = len(run.calls)
    runtime.do()
    assert checks(LACKING, answering()) == []
    assert run.calls[asked:] == []


def test_a_full_disk_leaves_dockers_settings_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them, and docker would not start again."""
    installed(monkeypatch, *ALL)
    prepare.DAEMON_JSON.parent.mkdir(parents=True)
    prepare.DAEMON_JSON.write_text('{"mtu": 1400}')
    runtime, _ = needed(LACKING, silent(), build=False)
    write = Path.write_text

    def full(path: Path, text: str) -> int:
        if "daemon.json" not in path.name:
            return write(path, text)
        write(path, text[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError) as caught:
        runtime.do()
    assert caught.value.filename == str(prepare.DAEMON_JSON)
    assert prepare.DAEMON_JSON.read_text() == '{"mtu": 1400}'
    assert [path.name for path in prepare.DAEMON_JSON.parent.iterdir()] == ["daemon.json"]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_settings_that_are_no_settings(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    installed(monkeypatch, *ALL)
    runtime, _ = needed(LACKING, silent(), build=False)
    runtime.do()
    prepare.DAEMON_JSON.write_text(text)
    with pytest.raises(LabError, match=r"daemon\.json .*Mend it"):
        needed(LACKING, answering(), build=False)
    with pytest.raises(LabError):
        runtime.do()
    assert prepare.DAEMON_JSON.read_text() == text


@pytest.mark.parametrize(
    ("instances", "watches", "settings"),
    [
        (512, 262144, []),
        (511, 262144, ["fs.inotify.max_user_instances=1024"]),
        (512, 262143, ["fs.inotify.max_user_watches=524288"]),
        (0, 0, ["fs.inotify.max_user_instances=1024", "fs.inotify.max_user_watches=524288"]),
    ],
)
def test_inotify_limits(
    monkeypatch: pytest.MonkeyPatch, instances: int, watches: int, settings: list[str]
) -> None:
    installed(monkeypatch, *ALL)
    facts = replace(FACTS, inotify_instances=instances, inotify_watches=watches)
    run = answering()
    todo = needed(facts, run, build=False)
    assert [item.check for item in todo] == (["inotify limits"] if settings else [])
    for item in todo:
        run.handle(["sysctl", "-w", *settings])
        item.do()
        assert run.argvs[-1] == ["sysctl", "-w", *settings]


@pytest.mark.parametrize("pid", ["", "not a number", "1", "999999999"])
def test_a_pid_file_that_names_no_dockerd_is_stale(
    monkeypatch: pytest.MonkeyPatch, pid: str
) -> None:
    installed(monkeypatch, *ALL)
    prepare.PID_FILE.write_text(pid)
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda argv, **_: started.append(argv))
    with pytest.raises(LabError, match="names no running dockerd"):
        prepare.stop_docker(Recorder())
    start_docker(FACTS, answering())
    assert started == [["dockerd"]]
    assert not prepare.PID_FILE.exists()


def test_docker_by_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)
    run = answering()
    run.handle(["systemctl", "enable", "--now", "docker"])
    start_docker(replace(FACTS, systemd=True), run)
    assert run.argvs[0] == ["systemctl", "enable", "--now", "docker"]


@pytest.mark.parametrize(
    ("facts", "allowed", "refusal"),
    [
        (FACTS, True, ""),
        (replace(FACTS, os_id="ubuntu"), True, ""),
        (FACTS, False, "--no-host-setup"),
        (replace(FACTS, root=False), True, "as root"),
        (replace(FACTS, os_id="fedora"), True, "for fedora"),
    ],
)
def test_who_is_prepared(facts: HostFacts, allowed: bool, refusal: str) -> None:
    done: list[str] = []
    said: list[str] = []
    todo = [Preparation("x", "mending x", ("mend x",), lambda: done.append("x"))]
    if refusal:
        with pytest.raises(LabError, match=refusal) as refused:
            carry_out(todo, facts, said.append, allowed=allowed)
        assert "mend x" in refused.value.remedy
    else:
        carry_out(todo, facts, said.append, allowed=allowed)
    assert (done, said) == (([], []) if refusal else (["x"], ["mending x"]))
    carry_out([], facts, said.append, allowed=allowed)  # with nothing to do, nobody is refused

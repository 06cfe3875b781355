"""What may be wrong when `up` begins: one sentence, a status, and a machine that is as it was.

What goes wrong later has its tests where it does: a full disk and a kill in supply/test_cache.py,
a module that cannot be had in supply/test_built.py, a port that is taken and a node that is gone in
steps/test_create_cluster.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gkelab import commands
from gkelab.commands import plain_errors
from gkelab.errors import LabError
from gkelab.host.doctor import examine
from gkelab.host.facts import GIB, HostFacts
from gkelab.lock import hold
from gkelab.supply.choose import Choice
from tests.support.recorder import Recorder
from tests.unit.host.fakes import FACTS, VERSION, installed, recorded
from tests.unit.steps import FakeSupplier

PROGRAMS = ("docker", "dockerd", "iptables", "ip", "jq", "mmdebstrap", "sysctl")
LOOKS = {
    VERSION: "28.2.2\n",
    "ip -json -4 route show": "[]",
    "docker network ls --no-trunc --quiet": "",
    "docker network ls --no-trunc --quiet --filter label=gkelab.lab": "",
    "docker ps --all --no-trunc --quiet --filter label=gkelab.lab": "",
}
Up = Callable[..., str]


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Up:
    """`invoke up` on a machine of the test's own; what it says in the end, without "gkelab: "."""
    monkeypatch.setenv("GKELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GKELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(commands, "examine", functools.partial(examine, in_use=lambda _: []))
    chosen = Choice(FakeSupplier(), "The images are built here: the test says so.")
    monkeypatch.setattr(commands, "choose_supplier", lambda *_: chosen)
    monkeypatch.setattr(commands, "bring_up", pytest.fail)

    def up(
        facts: HostFacts = FACTS,
        run: Recorder | None = None,
        topology: str = "small",
        host_setup: bool = True,
    ) -> str:
        run = run or recorded(LOOKS)
        monkeypatch.setattr(commands, "run", run)
        monkeypatch.setattr(commands, "read_facts", lambda **_: facts)
        with pytest.raises(SystemExit) as ended, plain_errors():
            commands.up(topology, None, host_setup, False)
        assert ended.value.code == 1
        assert [argv for argv in run.argvs if " ".join(argv) not in LOOKS] == []
        assert not (tmp_path / "cache").exists()
        assert [path.name for path in (tmp_path / "state").glob("*")] in ([], ["lock"])
        said = capsys.readouterr().err
        assert said.startswith("gkelab: ")
        return said.removeprefix("gkelab: ").rstrip("\n")

    return up


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *PROGRAMS)


def test_this_machine_has_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, up: Up) -> None:
    """Or the tests below would find one that they did not make."""

    class UpError(LabError):
        """It came as far as to bring the lab up."""

    def bring_up(*_: object) -> None:
        raise UpError("It begins")

    monkeypatch.setattr(commands, "bring_up", bring_up)
    assert up() == "It begins."


def test_no_docker(monkeypatch: pytest.MonkeyPatch, up: Up) -> None:
    installed(monkeypatch, *(name for name in PROGRAMS if not name.startswith("docker")))
    said = up(host_setup=False, run=recorded({"ip -json -4 route show": "[]"}))
    first, *commands_to_run = said.splitlines()
    assert first == "programs: not all are installed (and 1 more: invoke doctor). Run:"
    assert "apt-get install -y --no-install-recommends docker.io" in commands_to_run


def test_a_docker_that_does_not_answer(up: Up) -> None:
    run = recorded({"ip -json -4 route show": "[]"})
    run.handle(VERSION.split(), code=1, stderr="Cannot connect to the Docker daemon\n")
    assert up(host_setup=False, run=run) == (
        "docker: does not answer: Cannot connect to the Docker daemon. Run:\ndockerd &."
    )


def test_no_root(up: Up) -> None:
    said = up(replace(FACTS, root=False))
    assert said == "root: no, and `up` puts routes on this host. Run `up` as root, as with sudo."


def test_no_disk(up: Up) -> None:
    said = up(replace(FACTS, disk_free=GIB))
    assert said.startswith("disk: 1 GiB free. Make room for 12 GiB where docker's data and")


def test_no_memory(up: Up) -> None:
    said = up(replace(FACTS, memory_available=GIB))
    assert said.startswith("memory: 1 GiB of 16 GiB available. Stop what else uses memory")


@pytest.mark.parametrize("text", ["name: mine\n", "name: [\n", ""])
def test_a_wrong_topology(up: Up, tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    run = Recorder()  # not even docker's version is asked for
    assert "mine.yaml: " in up(run=run, topology=str(file))
    assert not (tmp_path / "state").exists()


def test_a_topology_that_is_not_there(up: Up, tmp_path: Path) -> None:
    assert str(tmp_path / "mine.yaml") in up(run=Recorder(), topology=str(tmp_path / "mine.yaml"))


def test_another_command_at_it(up: Up, tmp_path: Path) -> None:
    with hold(tmp_path / "state", "invoke up --topology vpc-native"):
        said = up(run=Recorder())
    assert said.startswith("`invoke up --topology vpc-native` (process ")
    assert said.endswith(" s) is changing the lab. Wait for it to end.")


def test_a_state_folder_that_is_none(up: Up, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    assert up(run=Recorder()).startswith(f"{tmp_path / 'state'}: File exists. ")

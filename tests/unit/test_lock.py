"""The lock: one command at a time, and the second one is told who is at it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.lock import hold
from tests.unit.tools import program

HOLDER = """
import sys
from pathlib import Path
from gkelab.lock import hold
with hold(Path(sys.argv[1]), 'invoke up --topology small'):
    print('held', flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).parents[2]


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its stdin ends."""
    holder = subprocess.Popen(
        [*program(HOLDER), str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def test_the_second_is_told_who_holds_it_since_when(tmp_path: Path) -> None:
    with another(tmp_path) as holder, pytest.raises(LabError) as caught, hold(tmp_path, "down"):
        pass
    said = str(caught.value)
    assert said.startswith(f"`invoke up --topology small` (process {holder.pid}, for ")
    assert said.endswith(" s) is changing the lab. Wait for it to end.")


def test_who_is_refused_leaves_the_holders_name_there(tmp_path: Path) -> None:
    with another(tmp_path) as holder:
        for _ in range(2):
            with pytest.raises(LabError, match=f"process {holder.pid}"), hold(tmp_path, "down"):
                pass


def test_when_the_holder_ends_the_lock_is_free(tmp_path: Path) -> None:
    with another(tmp_path) as holder:
        holder.communicate(timeout=20)
        with hold(tmp_path, "invoke down"):
            assert (tmp_path / "lock").read_text().startswith(f'{{"pid": {os.getpid()}, ')


def test_when_the_holder_is_killed_the_lock_is_free(tmp_path: Path) -> None:
    with another(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(20)
        with hold(tmp_path, "invoke down"):
            pass


def test_it_is_free_again_after_the_block_and_after_its_error(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    with pytest.raises(ValueError, match="inside"), hold(folder, "one"):
        raise ValueError("inside")
    with hold(folder, "two"):
        pass
    with hold(folder, "three"):
        pass


def test_a_holder_that_has_not_written_yet_is_another_command(tmp_path: Path) -> None:
    with another(tmp_path):
        (tmp_path / "lock").write_text("")
        with pytest.raises(LabError, match="Another command is changing"), hold(tmp_path, "x"):
            pass


def test_on_a_full_disk_it_is_held_though_nobody_can_note_it(tmp_path: Path) -> None:
    """Or no `down` and no `prune` could make room."""
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"), (tmp_path / "lock").open("w") as handle:
        handle.write("x")
    with hold(tmp_path, "invoke images.prune"):
        pass


def test_a_folder_that_nobody_may_make_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught, hold(tmp_path / "file" / "state", "invoke up"):
        pass
    assert caught.value.filename == str(tmp_path / "file" / "state")


def test_the_time_is_counted_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with another(tmp_path):
        monkeypatch.setattr(time, "time", lambda: now + 3600)
        with pytest.raises(LabError, match=r"for 3[56]\d\d s"), hold(tmp_path, "x"):
            pass


def test_what_is_held_may_be_another_matter(tmp_path: Path) -> None:
    with (
        another(tmp_path),
        pytest.raises(LabError, match=r"is testing lab x\. Wait for it to end\.$"),
        hold(tmp_path, "invoke test", "testing lab x"),
    ):
        pass


def test_who_was_given_the_file_holds_it_when_the_first_is_gone(tmp_path: Path) -> None:
    """As pytest does, when the command that started it is killed."""
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with hold(tmp_path, "invoke test") as held:
        child = subprocess.Popen(
            program(code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[held],
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
    try:
        with pytest.raises(LabError), hold(tmp_path, "another"):
            pass
    finally:
        child.communicate()
    with hold(tmp_path, "another"):
        pass

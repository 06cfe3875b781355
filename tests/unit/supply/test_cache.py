"""The cache: an entry is there whole or not at all, whatever ends its making or its removal."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.supply.cache import Cache, Entry, content_key, copy_tree
from tests.unit.supply import FixedCache, touch
from tests.unit.tools import program

ROOT = Path(__file__).parents[3]
BUILDS = """
import os, signal, sys
from pathlib import Path
from gkelab.supply.cache import Cache
def build(work):
    (work / 'half').write_text('half of it')
    os.kill(os.getpid(), signal.SIGKILL)
Cache(Path(sys.argv[1])).make('images', 'net', 'aaaa', 'a test', build)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return FixedCache(tmp_path / "cache")


def make(cache: Cache, name: str = "net", key: str = "aaaa", text: str = "whole") -> Path:
    def build(work: Path) -> None:
        touch(work / "image.tar", text)

    return cache.make("images", name, key, "a test", build)


def leftovers(cache: Cache) -> list[Path]:
    return sorted((cache.root / "tmp").rglob("*"))


def only(cache: Cache) -> Entry:
    (entry,) = cache.entries()
    return entry


def test_an_entry_is_made_once(cache: Cache) -> None:
    folder = make(cache)
    assert folder == cache.path("images", "net", "aaaa")
    assert make(cache, text="another") == folder
    assert (folder / "image.tar").read_text() == "whole"
    entry = only(cache)
    assert (entry.kind, entry.name, entry.key, entry.source) == ("images", "net", "aaaa", "a test")
    assert entry.size == len("whole")
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    "fault", [LabError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_making_that_fails_leaves_nothing(cache: Cache, fault: BaseException) -> None:
    def build(work: Path) -> None:
        touch(work / "half", "half of it")
        raise fault

    with pytest.raises(type(fault)):
        cache.make("images", "net", "aaaa", "a test", build)
    assert not cache.has("images", "net", "aaaa")
    assert leftovers(cache) == []
    assert (make(cache) / "image.tar").read_text() == "whole"


def test_a_disk_that_is_full_at_the_last_moment_leaves_nothing(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry's own note is what finishes it."""
    write = Path.write_text

    def full(path: Path, text: str) -> int:
        if path.name == "entry.json":
            write(path, text[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left") as caught:
        make(cache)
    assert caught.value.filename == str(cache.path("images", "net", "aaaa"))
    monkeypatch.undo()
    assert not cache.has("images", "net", "aaaa")
    assert leftovers(cache) == []
    make(cache)
    assert json.loads((cache.path("images", "net", "aaaa") / "entry.json").read_text())


def test_a_killed_making_is_no_entry_and_its_leftovers_go(tmp_path: Path) -> None:
    done = subprocess.run([*program(BUILDS), str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    cache = Cache(tmp_path)
    assert [path.name for path in leftovers(cache) if path.is_file()] == ["half"]
    assert cache.entries() == []
    cache.remove_leftovers()
    assert leftovers(cache) == []
    assert (make(cache) / "image.tar").read_text() == "whole"


def test_leftovers_go_and_what_is_whole_stays(cache: Cache) -> None:
    cache.remove_leftovers()  # where there are none
    folder = make(cache)
    touch(cache.root / "tmp" / "half" / "file")
    cache.remove_leftovers()
    assert not (cache.root / "tmp").exists()
    assert (folder / "image.tar").exists()


def test_an_entry_is_removed(cache: Cache) -> None:
    make(cache, "net")
    make(cache, "pause", "bbbb")
    cache.remove(next(entry for entry in cache.entries() if entry.name == "net"))
    assert only(cache).name == "pause"
    assert leftovers(cache) == []


def test_a_killed_removal_leaves_nothing_that_looks_whole(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files go in any order: with its note there and its archive gone, it would be taken for it."""
    make(cache)

    def killed(folder: Path, **_: object) -> None:
        next(Path(folder).rglob("image.tar")).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.remove(only(cache))
    monkeypatch.undo()
    assert not cache.has("images", "net", "aaaa")
    cache.remove_leftovers()
    assert leftovers(cache) == []


def test_a_removal_needs_no_room(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what makes some."""
    make(cache)
    cache.remove_leftovers()

    def full(path: Path, **_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "mkdir", full)
    cache.remove(only(cache))
    assert not cache.path("images", "net", "aaaa").exists()
    assert cache.entries() == []


# --- Go's caches


def module_cache(cache: Cache) -> Path:
    """A module as Go unpacks it: nothing in it can be written."""
    folder = cache.root / "go" / "mod" / "example.com" / "net@v1"
    touch(folder / "agent" / "agent.go", "package agent")
    (folder / "agent" / "agent.go").chmod(0o444)
    for each in (folder / "agent", folder):
        each.chmod(0o555)
    touch(cache.root / "go" / "build" / "00" / "x-a", "object")
    return folder


def test_gos_caches_and_their_size(cache: Cache) -> None:
    assert cache.go_size() == 0
    cache.remove_go()  # where there are none
    module_cache(cache)
    make(cache)
    assert cache.go_size() == len("package agent") + len("object")
    cache.remove_go()
    assert not (cache.root / "go").exists()
    assert leftovers(cache) == []
    assert only(cache).name == "net"


def test_read_only_folders_are_made_removable_first(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root needs it not; who runs this suite may be either."""
    module_cache(cache)
    modes: set[int] = set()

    def rmtree(folder: Path, **_: object) -> None:
        modes.update(os.stat(place).st_mode & 0o777 for place, _, _ in os.walk(folder))

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    cache.remove_go()
    assert modes == {0o700}


def test_a_killed_removal_leaves_no_half_of_a_module(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go takes a module's folder that is there for all of the module."""
    folder = module_cache(cache)

    def killed(_: Path, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.remove_go()
    monkeypatch.undo()
    assert not folder.exists()
    cache.remove_leftovers()
    assert leftovers(cache) == []


def test_a_copy_can_be_removed_where_its_source_cannot(cache: Cache, tmp_path: Path) -> None:
    source = module_cache(cache)
    copy_tree(source, tmp_path / "copy")
    assert (tmp_path / "copy" / "agent" / "agent.go").read_text() == "package agent"
    assert (tmp_path / "copy" / "agent").stat().st_mode & 0o200
    assert source.stat().st_mode & 0o222 == 0


# --- keys


def test_a_key_is_of_texts_files_and_their_names(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "one", "1")
    before = content_key(["x", tmp_path / "a"])
    assert before == content_key(["x", tmp_path / "a"])
    assert content_key(["y", tmp_path / "a"]) != before
    touch(tmp_path / "a" / "sub" / "two", "2")
    more = content_key(["x", tmp_path / "a"])
    (tmp_path / "a" / "sub" / "two").rename(tmp_path / "a" / "sub" / "three")
    assert len({before, more, content_key(["x", tmp_path / "a"])}) == 3

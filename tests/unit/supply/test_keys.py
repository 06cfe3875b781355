"""Keys of folders: all that is in them counts, and nothing that running a program leaves there."""

from __future__ import annotations

from pathlib import Path

from gkelab.supply.cache import content_key
from tests.unit.supply import touch


def test_every_file_and_its_name_counts(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    touch(folder / "a.py", "1")
    keys = {content_key([folder])}
    touch(folder / "a.py", "2")
    keys.add(content_key([folder]))
    touch(folder / "b" / "a.py", "2")
    keys.add(content_key([folder]))
    (folder / "b" / "a.py").rename(folder / "b" / "c.py")
    keys.add(content_key([folder]))
    assert len(keys) == 4


def test_compiled_python_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    touch(folder / "a.py", "1")
    before = content_key([folder])
    touch(folder / "__pycache__" / "a.cpython-311.pyc", "x")
    assert content_key([folder]) == before

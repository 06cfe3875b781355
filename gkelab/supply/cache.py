"""The build cache: finished things only, each under a key made of all that it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

ENTRY = "entry.json"
GO = "go"  # the folder in which Go keeps modules and what it compiled


@dataclass(frozen=True)
class Entry:
    """One finished thing. `size` is bytes, `made` seconds since the epoch, `took` seconds."""

    kind: str
    name: str
    key: str
    source: str
    made: float
    took: float
    size: int


def content_key(parts: Iterable[str | bytes | Path]) -> str:
    """12 hex digits over texts, bytes, and files (a folder counts with all its files' names, but
    for what Python leaves beside a program that was run)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(p for p in (part.rglob("*") if part.is_dir() else [part])):
                if file.is_file() and "__pycache__" not in file.parts:
                    digest.update(str(file.relative_to(part)).encode() + b"\0")
                    digest.update(file.read_bytes() + b"\0")
        else:
            digest.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return digest.hexdigest()[:12]


class Cache:
    """A folder of finished entries. An entry appears whole, by a rename, or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, name: str, key: str) -> Path:
        """Where the entry is, or would be."""
        return self.root / kind / f"{name}-{key}"

    def has(self, kind: str, name: str, key: str) -> bool:
        """Whether the entry is finished."""
        return (self.path(kind, name, key) / ENTRY).exists()

    def make(
        self, kind: str, name: str, key: str, source: str, build: Callable[[Path], None]
    ) -> Path:
        """The entry's folder; when it is missing, `build` fills an empty one first."""
        final = self.path(kind, name, key)
        if self.has(kind, name, key):
            os.utime(final / ENTRY)  # prune counts age from the last use
            return final
        work = self.scratch(name)
        began = time.monotonic()
        try:
            build(work)
            entry = Entry(
                kind, name, key, source, time.time(), time.monotonic() - began, _size(work)
            )
            (work / ENTRY).write_text(json.dumps(asdict(entry)) + "\n")
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.exists():
                shutil.rmtree(final)
            work.rename(final)
        except OSError as bad:
            bad.filename = bad.filename or str(final)  # a write to a full disk does not name it
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return final

    def scratch(self, name: str) -> Path:
        """A fresh folder on the cache's own filesystem, the caller's to remove."""
        tmp = self.root / "tmp"
        tmp.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=tmp))

    def log(self, name: str) -> Path:
        """An empty log file for a build of that name."""
        logs = self.root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        path = logs / f"{name.replace('/', '-')}.log"
        path.write_bytes(b"")
        return path

    def entries(self) -> list[Entry]:
        """All finished entries, by kind and name."""
        found = [
            Entry(**json.loads(path.read_text())) for path in sorted(self.root.glob(f"*/*/{ENTRY}"))
        ]
        return sorted(found, key=lambda entry: (entry.kind, entry.name))

    def remove(self, entry: Entry) -> None:
        """Remove one finished entry."""
        self._discard(self.path(entry.kind, entry.name, entry.key))

    def go_size(self) -> int:
        """Bytes of Go's module and build caches, which are no entries; 0 where there are none."""
        return _size(self.root / GO)

    def remove_go(self) -> None:
        """Remove Go's module and build caches."""
        if (self.root / GO).exists():
            self._discard(self.root / GO)

    def remove_leftovers(self) -> None:
        """Remove what killed builds and removals left. The caller holds the lab's lock."""
        _remove_tree(self.root / "tmp", ignore_errors=True)

    def _discard(self, folder: Path) -> None:
        """Remove a folder that is gone at once, by a rename: what is left of it by a kill is taken
        for nothing whole."""
        gone = self.root / "tmp" / f"removed-{folder.name}"
        try:
            gone.parent.mkdir(exist_ok=True)
            folder.rename(gone)
        except OSError:  # such as a disk that is too full even for that
            (folder / ENTRY).unlink(missing_ok=True)
            gone = folder
        _remove_tree(gone)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder, such as a Go module's, whose folders are read-only; the copy's are not, so
    that they are the lab's to remove."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def _remove_tree(folder: Path, *, ignore_errors: bool = False) -> None:
    """Remove a folder with the read-only ones in it, of which Go's module cache is made."""
    for place, _, _ in os.walk(folder):
        with contextlib.suppress(PermissionError):  # somebody else's, which rmtree will complain of
            os.chmod(place, 0o700)
    shutil.rmtree(folder, ignore_errors=ignore_errors)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())

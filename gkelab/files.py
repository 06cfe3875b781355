"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file by a rename, so that a full disk or a kill leaves it as it was. Links are
    followed. Raises OSError, which names the file as that of a write does not by itself."""
    path = path.resolve()
    new = path.with_name(f"{path.name}.gkelab")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        new.touch(mode=mode)
        new.write_text(text)
        new.replace(path)
    except OSError as bad:
        bad.filename = bad.filename or str(path)
        new.unlink(missing_ok=True)
        raise

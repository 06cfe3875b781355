"""One command at a time changes the lab; a second one is told who is at it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gkelab.errors import LabError


@contextmanager
def hold(folder: Path, command: str, doing: str = "changing the lab") -> Iterator[int]:
    """Hold the machine-wide lock of that folder for `command`; the kernel drops it when the
    process ends, and every other one that it gave the file to, whose number this yields.

    Raises LabError naming the holder's process, its command and what it is `doing`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("ab", buffering=0) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise LabError(f"{_holder(path)} is {doing}", "wait for it to end") from held
        who = {"pid": os.getpid(), "command": command, "since": time.time()}
        _note(handle, json.dumps(who))
        yield handle.fileno()
        _note(handle, "")


def _note(handle: IO[bytes], text: str) -> None:
    """Write down who holds it. It is held all the same where the disk is too full for that, as it
    may be when somebody makes room by a `down` or a `prune`."""
    with contextlib.suppress(OSError):
        handle.truncate(0)
        handle.write(text.encode())


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text())
    except ValueError:
        return "Another command"
    ago = time.time() - said["since"]
    return f"`{said['command']}` (process {said['pid']}, for {ago:.0f} s)"

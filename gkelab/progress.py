"""What a person sees while the lab works: one line a task, with its time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console

from gkelab.errors import LabError
from gkelab.graph import CACHED, Task


def console() -> Console:
    """Where tables go; in a file or a pipe they are wide, as nobody's screen is."""
    return Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())


class Lines:
    """Writes a line when a task ends; on a terminal also a live last line of what is running.

    Where there is no terminal (CI), a heartbeat line every 30 s says what is still running.
    """

    def __init__(self, out: TextIO = sys.stderr, *, heartbeat: float = 30) -> None:
        self._out = out
        self._live = out.isatty()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Task, float]] = {}
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self._heartbeat = heartbeat
        self._spoke = time.monotonic()
        self._remaining = 0

    def __enter__(self) -> Lines:
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._ticker:
            self._ticker.join()
        self._clear()

    def say(self, text: str) -> None:
        """A line of its own."""
        with self._lock:
            self._clear()
            self._spoke = time.monotonic()
            print(text, file=self._out, flush=True)

    def started(self, task: Task) -> None:
        with self._lock:
            self._running[task.name] = (task, time.monotonic())

    def finished(self, task: Task, seconds: float, note: str, remaining: Sequence[str]) -> None:
        with self._lock:
            self._running.pop(task.name, None)
            self._remaining = len(remaining)
        if note == CACHED:
            return
        extra = f"  {note}" if note else ""
        self.say(f"  ✓ {seconds:6.1f} s  {task.what or task.name}{extra}")

    def failed(self, task: Task, seconds: float, error: LabError) -> None:
        with self._lock:
            self._running.pop(task.name, None)
        self.say(f"  ✗ {seconds:6.1f} s  {task.what or task.name}: failed")

    def _tick(self) -> None:
        while not self._stop.wait(0.5 if self._live else 1.0):
            with self._lock:
                now = time.monotonic()
                if not self._running:
                    continue
                text = ", ".join(
                    f"{task.name} {now - since:.0f} s" for task, since in self._running.values()
                )
                waiting = max(0, self._remaining - len(self._running))
                if waiting:
                    text += f" ({waiting} more to come)"
                if self._live:
                    self._clear()
                    print(f"  … {text}"[:110], end="", file=self._out, flush=True)
                elif now - self._spoke >= self._heartbeat:
                    self._spoke = now
                    print(f"  … {text}", file=self._out, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._out, flush=True)

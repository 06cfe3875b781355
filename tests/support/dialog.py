"""A command in a place that is talked to: a line there, a line back, for as long as it lives."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gkelab.errors import LabError
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS

_END = ""


class DialogError(LabError):
    """No answer came: the command is late, has ended, or never began."""


class Dialog:
    """A command that answers each line with a line. After a DialogError it is over: an answer
    that comes later would be taken for the next one's."""

    def __init__(self, place: Place, argv: Sequence[str]) -> None:
        """Start it. Raises DialogError when the tool that leads there is missing."""
        self.name = place.name
        try:
            self._process = subprocess.Popen(
                place.command(argv, stdin=True),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                bufsize=1,
            )
        except OSError as error:
            raise DialogError(f"nothing runs in {place.name}: {error}") from error
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors: deque[str] = deque(maxlen=1)
        readers = (self._read, self._read_errors)
        self._readers = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for thread in self._readers:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, line: str, timeout: float) -> str:
        """Say a line and take one. Raises DialogError with the command's last words."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            said = self._lines.get(timeout=timeout)
        except (OSError, ValueError) as error:  # a closed pipe
            raise DialogError(f"{self.name} does not listen: {self._last_words(error)}") from error
        except queue.Empty:
            raise DialogError(f"{self.name} did not answer within {timeout:g} s") from None
        if said == _END:
            self._lines.put(_END)
            raise DialogError(f"{self.name} has ended: {self._last_words('without a word')}")
        return said.rstrip("\n")

    def close(self) -> None:
        """Say no more, and wait for the end; one that does not end is killed."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what was not yet written has nowhere to go
            self._process.stdin.close()
        try:
            self._process.wait(TIMEOUTS.dialog_end)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._readers:
            thread.join(TIMEOUTS.dialog_end)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(_END)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._errors.extend(line.strip() for line in lines if line.strip())

    def _last_words(self, otherwise: object) -> str:
        self._readers[1].join(TIMEOUTS.dialog_end)
        return self._errors[-1] if self._errors else str(otherwise)

"""The one way to run a command: argv in, a result or an error with both streams out."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from gkelab.errors import LabError


@dataclass(frozen=True)
class Result:
    """What a finished command said. `stdout` and `stderr` are text."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class CommandError(LabError):
    """A command failed, was not found, or took too long; carries the command and its streams."""

    def __init__(self, result: Result, reason: str = "") -> None:
        self.result = result
        why = reason or f"exited with {result.code}"
        tail = "\n".join((result.stderr.strip() or result.stdout.strip()).splitlines()[-12:])
        message = f"`{shlex.join(result.argv)}` {why}"
        super().__init__(f"{message}: {tail}" if tail else message)


class Runner(Protocol):
    """What every wrapper of a tool takes, so that tests can answer from recordings."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        input: str | IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        log: Path | None = None,
    ) -> Result: ...


def run(
    argv: Sequence[str],
    *,
    input: str | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    check: bool = True,
    log: Path | None = None,
) -> Result:
    """Run `argv` (never a shell string) and wait for it.

    `input` is text, or an open file. `env` is added to the process's environment, `timeout` is
    in seconds. With `log`, both
    streams go to that file and the result's stdout holds its last 8 KiB.
    Raises CommandError when the program is missing or none of this machine's, takes too long, or
    (with `check`) fails.
    """
    words = tuple(str(word) for word in argv)
    merged = {**os.environ, **env} if env else None
    sink: IO[bytes] | None = log.open("ab") if log else None
    try:
        done = subprocess.run(
            words,
            **_stdin(input),
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            env=merged,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as missing:
        gone = Result(words, 127, "", "")
        raise CommandError(gone, f"cannot run: {missing.filename} is not there") from missing
    except OSError as broken:
        cannot = Result(words, 126, "", "")
        raise CommandError(cannot, f"cannot run: {broken.strerror}") from broken
    except subprocess.TimeoutExpired as late:
        partial = Result(words, 124, _text(late.stdout), _text(late.stderr))
        raise CommandError(partial, f"took longer than {timeout:g} s") from late
    finally:
        if sink:
            sink.close()
    out = _tail(log) if log else _text(done.stdout)
    result = Result(words, done.returncode, out, _text(done.stderr))
    if check and result.code != 0:
        raise CommandError(result)
    return result


def _stdin(source: str | IO[bytes] | None) -> dict[str, Any]:
    if source is None:
        return {"stdin": subprocess.DEVNULL}
    return {"input": source.encode()} if isinstance(source, str) else {"stdin": source}


def _text(raw: bytes | None) -> str:
    return raw.decode(errors="replace") if raw else ""


def _tail(path: Path, size: int = 8192) -> str:
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - size))
        return handle.read().decode(errors="replace")

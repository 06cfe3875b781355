"""A runner that answers from what a test told it, and fails the test at any other command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gkelab.shell import CommandError, Result


@dataclass(frozen=True)
class Call:
    """A command that was run, and how. `input` is what was given as text, None for a file."""

    argv: tuple[str, ...]
    input: str | None
    env: Mapping[str, str]
    cwd: Path | None
    timeout: float | None
    check: bool
    log: Path | None


@dataclass(frozen=True)
class _Answer:
    code: int
    stdout: str
    stderr: str
    does: Callable[[], object] | None
    fails: str


@dataclass
class Recorder:
    """A Runner for tests. `calls` are the commands that were run, in order."""

    calls: list[Call] = field(default_factory=list)
    _answers: dict[tuple[str, ...], list[_Answer]] = field(default_factory=dict)

    def handle(
        self,
        argv: Iterable[str | Path],
        stdout: str = "",
        *,
        code: int = 0,
        stderr: str = "",
        does: Callable[[], object] | None = None,
        fails: str = "",
    ) -> None:
        """Expect a command. Told several times of the same one, it gives the answers in that
        order, and the last one again and again.

        `does` is what the command leaves behind, done before it answers. `fails` is why it never
        came to an end (missing, too slow): the CommandError's reason.
        """
        words = tuple(map(str, argv))
        self._answers.setdefault(words, []).append(_Answer(code, stdout, stderr, does, fails))

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
    ) -> Result:
        """As `gkelab.shell.run`. Raises AssertionError for a command that nobody expected."""
        words = tuple(argv)
        if words not in self._answers:
            known = "\n".join(f"  {list(each)}" for each in self._answers) or "  none"
            raise AssertionError(f"nobody expected {list(words)}; expected are\n{known}")
        text = input if isinstance(input, str) else None
        self.calls.append(Call(words, text, dict(env or {}), cwd, timeout, check, log))
        left = self._answers[words]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer.does:
            answer.does()
        if answer.fails:
            raise CommandError(Result(words, 127, answer.stdout, answer.stderr), answer.fails)
        stdout, stderr = answer.stdout, answer.stderr
        if log:
            stdout, stderr = stdout + stderr, ""
            log.write_text(stdout)
        result = Result(words, answer.code, stdout, stderr)
        if check and result.code != 0:
            raise CommandError(result)
        return result

    @property
    def argvs(self) -> list[list[str]]:
        """The commands that were run, in order."""
        return [list(call.argv) for call in self.calls]

    def times(self, *first: str | Path) -> int:
        """How many commands were run that begin with these words."""
        words = tuple(map(str, first))
        return sum(call.argv[: len(words)] == words for call in self.calls)

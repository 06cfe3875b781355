"""Commands: what a result holds, and what a person is told when one fails."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.shell import CommandError, Result, run
from tests.unit.tools import program

BOTH = "import sys; print('to out'); print('to err', file=sys.stderr); sys.exit({})"
ECHO = "import sys; sys.stdout.write(sys.stdin.read())"


def test_a_result_has_argv_code_and_both_streams_apart() -> None:
    argv = program(BOTH.format(0))
    assert run(argv) == Result(tuple(argv), 0, "to out\n", "to err\n")


def test_a_failure_has_the_command_both_streams_and_a_line_to_paste() -> None:
    with pytest.raises(CommandError) as caught:
        run(program("import sys; sys.exit('it is broken')"))
    assert str(caught.value) == (
        f"`{sys.executable} -c 'import sys; sys.exit('\"'\"'it is broken'\"'\"')'`"
        " exited with 1: it is broken."
    )
    with pytest.raises(CommandError) as caught:
        run(program(BOTH.format(3)))
    assert (caught.value.result.code, caught.value.result.stdout) == (3, "to out\n")
    assert caught.value.result.stderr == "to err\n"
    assert isinstance(caught.value, LabError)


def test_the_sentence_has_stdout_where_stderr_is_empty_and_only_the_last_lines() -> None:
    with pytest.raises(CommandError) as caught:
        run(program("print(*map(str, range(30)), sep='\\n'); raise SystemExit(2)"))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("exited with 2: 18")
    assert lines[-1] == "29."


def test_a_failure_without_a_word_still_says_the_code() -> None:
    with pytest.raises(CommandError, match=r"exited with 7\.$"):
        run(program("raise SystemExit(7)"))


def test_unchecked_the_code_is_the_callers_to_judge() -> None:
    assert run(program("raise SystemExit(5)"), check=False).code == 5


def test_one_that_takes_too_long_is_ended_with_what_it_said_so_far() -> None:
    began = time.monotonic()
    with pytest.raises(CommandError) as caught:
        run(program("import time; print('begun', flush=True); time.sleep(60)"), timeout=5)
    assert time.monotonic() - began < 30
    assert caught.value.result.code == 124
    assert str(caught.value).endswith("took longer than 5 s: begun.")


def test_too_long_counts_even_unchecked() -> None:
    with pytest.raises(CommandError, match=r"took longer than 0\.1 s"):
        run(program("import time; time.sleep(60)"), timeout=0.1, check=False)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(CommandError) as caught:
        run(["/nowhere/kind", "version"], check=False)
    assert caught.value.result.code == 127
    assert str(caught.value) == "`/nowhere/kind version` cannot run: /nowhere/kind is not there."


@pytest.mark.parametrize(
    ("mode", "why"), [(0o644, "Permission denied"), (0o755, "Exec format error")]
)
def test_a_program_that_is_none_of_this_machines(tmp_path: Path, mode: int, why: str) -> None:
    kind = tmp_path / "kind"
    kind.write_bytes(b"\x00for another machine")
    kind.chmod(mode)
    with pytest.raises(CommandError) as caught:
        run([str(kind), "version"], check=False)
    assert caught.value.result.code == 126
    assert str(caught.value) == f"`{kind} version` cannot run: {why}."


def test_stdin_is_text_or_an_open_file_or_nothing(tmp_path: Path) -> None:
    assert run(program(ECHO), input="größe\n").stdout == "größe\n"
    (tmp_path / "archive").write_bytes(b"from a file")
    with (tmp_path / "archive").open("rb") as stream:
        assert run(program(ECHO), input=stream).stdout == "from a file"
    # Without input a command that reads does not wait for the terminal.
    assert run(program(ECHO), timeout=20).stdout == ""


def test_the_environment_is_added_to_and_the_process_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GKELAB_KEPT", "kept")
    show = program("import os; print(os.environ['GKELAB_KEPT'], os.environ.get('GKELAB_NEW'))")
    assert run(show, env={"GKELAB_NEW": "new"}).stdout == "kept new\n"
    assert run(show).stdout == "kept None\n"
    assert "GKELAB_NEW" not in os.environ


def test_cwd(tmp_path: Path) -> None:
    show = program("import os; print(os.getcwd())")
    assert run(show, cwd=tmp_path).stdout.strip() == str(tmp_path.resolve())


def test_a_log_gets_both_streams_behind_what_it_had_and_the_result_its_tail(
    tmp_path: Path,
) -> None:
    log = tmp_path / "build.log"
    log.write_text("earlier\n")
    done = run(program("import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')"), log=log)
    assert log.read_text() == "earlier\nout\nerr\n"
    assert (done.stdout, done.stderr) == ("earlier\nout\nerr\n", "")
    done = run(program("print('x' * 20000 + 'end')"), log=log)
    assert len(done.stdout) == 8192
    assert done.stdout.endswith("xend\n")


def test_a_failure_shows_its_logs_last_lines(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"exited with 4: to (out|err)\nto (out|err)\.$"):
        run(program(BOTH.format(4)), log=tmp_path / "build.log")


def test_output_that_is_no_text_is_kept_as_far_as_it_is() -> None:
    assert run(program("import os; os.write(1, b'a\\xffb')")).stdout == "a�b"

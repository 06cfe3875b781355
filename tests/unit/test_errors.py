"""Errors are sentences: what is wrong, and what to do."""

from __future__ import annotations

import errno
import os

import pytest

from gkelab.errors import LabError, of_os


@pytest.mark.parametrize(
    ("message", "remedy", "sentences"),
    [
        ("There is no lab", "", "There is no lab."),
        ("There is no lab", "bring one up", "There is no lab. Bring one up."),
        ("It ends already.", "So does this. ", "It ends already. So does this."),
        ("It", "kind stays small inside: kind", "It. Kind stays small inside: kind."),
    ],
)
def test_sentences(message: str, remedy: str, sentences: str) -> None:
    assert str(LabError(message, remedy)) == sentences


def test_the_parts_are_kept_for_who_makes_other_sentences() -> None:
    error = LabError("It is full.", "make room.")
    assert (error.message, error.remedy) == ("It is full", "make room")


ROOM = "Make room (`invoke images.prune` removes what no lab uses), then run it again."
FOLDERS = "GKELAB_CACHE and GKELAB_STATE name other folders than these."


@pytest.mark.parametrize(
    ("code", "file", "sentences"),
    [
        (errno.ENOSPC, "/c/x", f"No space is left on the disk of /c/x. {ROOM}"),
        (errno.EDQUOT, None, f"No space is left on a disk. {ROOM}"),
        (
            errno.EACCES,
            "/c/x",
            f"This user may not use /c/x. Run it as root, or as the owner; {FOLDERS}",
        ),
        (
            errno.EPERM,
            None,
            f"This user may not use a file. Run it as root, or as the owner; {FOLDERS}",
        ),
        (
            errno.EROFS,
            "/c/x",
            f"/c/x cannot be written, as it is mounted read-only. Mount it writable; {FOLDERS}",
        ),
        (
            errno.ENOENT,
            "/c/x",
            "/c/x is not there."
            " Run `invoke up`, which makes anew what is missing of the lab's own.",
        ),
        (errno.EIO, "/c/x", "/c/x: Input/output error. Mend it, then run it again."),
        (errno.EIO, None, "Input/output error. Mend it, then run it again."),
    ],
)
def test_what_the_system_refuses_is_a_sentence(code: int, file: str | None, sentences: str) -> None:
    assert str(of_os(OSError(code, os.strerror(code), file))) == sentences


def test_it_says_during_what() -> None:
    error = of_os(OSError(errno.ENOSPC, "x", b"/c/x"), "image cilium")
    assert error.message == "Image cilium: no space is left on the disk of /c/x"


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert of_os(OSError("timed out")).message == "Timed out"

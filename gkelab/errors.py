"""The error that reaches a person: one sentence of what is wrong and where, and what to do."""

from __future__ import annotations

import errno
import os


class LabError(Exception):
    """Something a person can act on. `str()` is the message, then the remedy, as sentences."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message.rstrip(". ")
        self.remedy = remedy.rstrip(". ")
        text = self.message + "."
        if self.remedy:
            text += " " + self.remedy[0].upper() + self.remedy[1:] + "."
        super().__init__(text)


_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_ELSEWHERE = "GKELAB_CACHE and GKELAB_STATE name other folders than these"


def of_os(error: OSError, doing: str = "") -> LabError:
    """What the system refused, as a person reads it: what, where, and what to do about it. `doing`
    says during what, where the file alone does not tell."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    if error.errno in _FULL:
        said = f"no space is left on the disk of {place}" if place else "no space is left on a disk"
        remedy = "make room (`invoke images.prune` removes what no lab uses), then run it again"
    elif error.errno in _FORBIDDEN:
        said = f"this user may not use {place or 'a file'}"
        remedy = f"run it as root, or as the owner; {_ELSEWHERE}"
    elif error.errno == errno.EROFS:
        said = f"{place or 'a disk'} cannot be written, as it is mounted read-only"
        remedy = f"mount it writable; {_ELSEWHERE}"
    elif error.errno == errno.ENOENT:
        said = f"{place or 'a file'} is not there"
        remedy = "run `invoke up`, which makes anew what is missing of the lab's own"
    else:
        said = ": ".join(part for part in (place, error.strerror or str(error)) if part)
        remedy = "mend it, then run it again"
    whole = f"{doing}: {said}" if doing else said
    return LabError(whole[0].upper() + whole[1:], remedy)

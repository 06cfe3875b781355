"""Python packages for an image: those that requirements.lock pins, fetched by this machine's own
pip, with whatever mirror and certificates it is set to. Nothing of that gets into the image."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.supply.cache import Cache, content_key
from gkelab.supply.pins import ROOT

LOCK = ROOT / "requirements.lock"
# What runs on Debian of the pinned suite, and packages are built for, by PEP 600; pip knows the
# older names of these itself.
GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")
FOLDER = "python"


@dataclass(frozen=True)
class PythonPackages:
    """Packages, all of them by name, for a Python of that version (3.13)."""

    version: str
    names: Sequence[str]
    lock: Path = LOCK

    @property
    def requirements(self) -> str:
        """The lines of the lock that pin them, hashes and all. LabError for one that it lacks."""
        pinned = locked(self.lock.read_text())
        absent = [name for name in self.names if name not in pinned]
        if absent:
            raise LabError(f"{self.lock.name} does not pin {', '.join(absent)}")
        return "".join(pinned[name] for name in sorted(self.names))

    @property
    def key(self) -> str:
        """The key of what is fetched."""
        return content_key(["python-1", self.version, platform.machine(), self.requirements])

    def fetch(self, cache: Cache, run: Runner) -> Path:
        """The folder that has them, to be in Python's path; fetched when it is missing. Raises
        CommandError with pip's words."""

        def build(work: Path) -> None:
            wanted = work / "requirements.txt"
            wanted.write_text(self.requirements)
            argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
            # For the image's Python, whichever is this one.
            argv += ["--require-hashes", "--only-binary=:all:", "--implementation=cp"]
            argv += [f"--python-version={self.version}"]
            argv += [f"--platform={glibc}_{platform.machine()}" for glibc in GLIBC]
            run([*argv, f"--target={work / FOLDER}", f"--requirement={wanted}"])

        source = f"{len(self.names)} packages of {self.lock.name}"
        return cache.make("python", "packages", self.key, source, build) / FOLDER


def locked(text: str) -> dict[str, str]:
    """What a lock file says of each package, by its name: the line that pins it, and its hashes."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        starts = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==", line)
        if starts:
            name = starts[1].lower()
            found[name] = ""
        if name and line.strip():
            found[name] += line
    return found

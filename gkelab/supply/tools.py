"""Programs for the host: a right one that is installed, else the project's own release."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import platform
import re
import shutil
import tarfile
import threading
import urllib.request
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from gkelab.errors import LabError
from gkelab.shell import CommandError, Runner
from gkelab.supply.pins import ToolPin
from gkelab.timeouts import TIMEOUTS

CHUNK = 1 << 20
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def installed(pin: ToolPin, name: str, version: str, run: Runner) -> Path | None:
    """The program on PATH, if it says that it is exactly this version; else None."""
    found = shutil.which(name)
    if found is None:
        return None
    try:
        said = run([found, *pin.probe], check=False, timeout=TIMEOUTS.program_version)
    except CommandError:  # it hangs, or is for another machine
        return None
    right = said.code == 0 and says_version(said.stdout + said.stderr, version)
    return Path(found) if right else None


def says_version(text: str, version: str) -> bool:
    """Whether the version stands in the text by itself: 1.2.3 in `v1.2.3+g1`, not in `1.2.3-rc1`,
    `1.2.30` or `go1.2.3`."""
    return bool(re.search(rf"(?<![\w.-])v?{re.escape(version)}(?![\w-]|\.\d)", text))


@dataclass
class Installed:
    """Remembers, for as long as this process lives, which installed programs are right."""

    run: Runner
    _found: dict[str, Path | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, pin: ToolPin, name: str, version: str) -> Path | None:
        """As `installed`, asking each program once."""
        with self._lock:
            if name not in self._found:
                self._found[name] = installed(pin, name, version, self.run)
            return self._found[name]


@dataclass(frozen=True)
class Machine:
    """The machine in the words of release files: `linux` and `amd64` or `arm64`."""

    os: str
    arch: str


def this_machine() -> Machine:
    """What this machine is. Its own word stands for an architecture that no release is made for."""
    arch = platform.machine()
    return Machine(platform.system().lower(), ARCHITECTURES.get(arch.lower(), arch))


@dataclass(frozen=True)
class Release:
    """A program's published file. `checksum` is the address of its SHA-256; `member` is the
    program's path in a tar.gz, "" where the file is the program."""

    program: str
    version: str
    url: str
    checksum: str
    member: str

    @property
    def what(self) -> str:
        """The program and its version."""
        return f"{self.program} {self.version}"


def release(pin: ToolPin, name: str, version: str, machine: Machine) -> Release:
    """The release that a pin with a `url` names. Raises LabError when it has no checksum."""
    words = {"version": version, "os": machine.os, "arch": machine.arch}
    url = pin.url.format(**words)
    if not pin.checksum:
        raise LabError(
            f"versions.toml: tools.{name}: {url} has no checksum to check it with",
            "name the suffix of its checksum file",
        )
    return Release(name, version, url, url + pin.checksum, pin.member.format(**words))


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *answer: Any) -> urllib.request.Request | None:
        target: str = answer[-1]
        if urlsplit(target).scheme != "https":
            raise URLError(f"it leads to {target}, which is not https")
        return super().redirect_request(*answer)


def https_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """urllib, with the machine's own proxy settings, that never follows a way out of https."""
    return urllib.request.build_opener(_HttpsOnly, *handlers)


def fetch(wanted: Release, folder: Path, opener: urllib.request.OpenerDirector) -> None:
    """Put the release's program into the folder; nothing is unpacked before its hash is right.

    Raises LabError when it cannot be had whole, or is not what its publisher says it is.
    """
    sums = folder / "checksum"
    packed = folder / "download"
    _download(wanted, wanted.checksum, sums, opener)
    right = parse_checksum(sums.read_text(errors="replace"), PurePosixPath(wanted.url).name)
    if not right:
        raise LabError(
            f"{wanted.checksum} holds no SHA-256 checksum of {wanted.what}",
            f"try again later, or install {wanted.what} yourself",
        )
    _download(wanted, wanted.url, packed, opener)
    with packed.open("rb") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    if got != right:
        raise LabError(
            f"{wanted.url} has the SHA-256 {got}, and its publisher says {right}",
            f"do not use it; try again later, or install {wanted.what} yourself",
        )
    program = folder / wanted.program
    if wanted.member:
        _unpack(wanted, packed, program)
        packed.unlink()
    else:
        packed.rename(program)
    sums.unlink()
    program.chmod(0o755)


def parse_checksum(text: str, file: str) -> str:
    """The SHA-256 for `file` in `<hash>` or `<hash>  <file>` lines; "" where there is none."""
    for line in text.splitlines():
        words = line.split()
        if not words or not re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
            continue
        if len(words) == 1 or PurePosixPath(words[-1].lstrip("*")).name == file:
            return words[0].lower()
    return ""


def _download(
    wanted: Release, url: str, target: Path, opener: urllib.request.OpenerDirector
) -> None:
    host = urlsplit(url).hostname
    try:
        if urlsplit(url).scheme != "https":
            raise URLError("it is not https")
        request = urllib.request.Request(url, headers={"User-Agent": "gkelab"})
        with (
            opener.open(request, timeout=TIMEOUTS.download_stalls) as answer,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(answer, out, CHUNK)
            told = answer.headers.get("Content-Length")
            if told is not None and out.tell() != int(told):
                raise URLError(f"it ended after {out.tell()} of {told} bytes")
    except HTTPError as refused:
        raise LabError(
            f"{wanted.what} cannot be downloaded: {url} answers {refused.code} {refused.reason}",
            f"check its version in versions.toml, or install {wanted.what} yourself",
        ) from refused
    except (OSError, http.client.HTTPException) as bad:
        if isinstance(bad, OSError) and bad.errno == errno.ENOSPC:
            raise LabError(
                f"{wanted.what} cannot be downloaded: no space left for {target.parent}",
                "make room there, or set GKELAB_CACHE to a larger disk",
            ) from bad
        why = bad.reason if isinstance(bad, URLError) else str(bad) or type(bad).__name__
        raise LabError(
            f"{wanted.what} cannot be downloaded from {url}: {why}",
            f"check that this machine reaches {host}, or install {wanted.what} yourself",
        ) from bad


def _unpack(wanted: Release, packed: Path, program: Path) -> None:
    try:
        with tarfile.open(packed, "r:gz") as archive:
            stream = _member(archive, wanted.member)
            if stream is not None:
                with stream, program.open("wb") as out:
                    shutil.copyfileobj(stream, out, CHUNK)
                return
        why = f"holds no file {wanted.member}"
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as bad:
        why = f"cannot be unpacked: {bad}"
    raise LabError(f"{wanted.url} {why}", f"check tools.{wanted.program} in versions.toml")


def _member(archive: tarfile.TarFile, path: str) -> IO[bytes] | None:
    for member in archive:
        if member.isfile() and PurePosixPath(member.name) == PurePosixPath(path):
            return archive.extractfile(member)
    return None

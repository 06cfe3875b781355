"""Programs for the host: which installed ones are right, and downloads that can go wrong."""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import tarfile
from pathlib import Path
from urllib.error import URLError

import pytest

from gkelab.errors import LabError
from gkelab.supply.pins import ToolPin, load_pins
from gkelab.supply.tools import (
    Installed,
    Machine,
    Release,
    fetch,
    https_opener,
    installed,
    parse_checksum,
    release,
    says_version,
    this_machine,
)
from tests.support.recorder import Recorder
from tests.unit.supply import Page, Web, error, path_of, program

LINUX = Machine("linux", "amd64")
PIN = ToolPin(version="1.36.4", module="kubernetes", probe=("version", "--client"))
URL = "https://dl.example/thing"
THING = Release("thing", "1.2.3", URL, f"{URL}.sha256", "")
PACKED = Release("thing", "1.2.3", f"{URL}.tar.gz", f"{URL}.tar.gz.sha256", "linux-amd64/thing")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Client Version: v1.36.4\nKustomize Version: v5.7.1\n", "1.36.4"),
        ("kind v0.33.0 go1.26.1 linux/amd64\n", "0.33.0"),
        ("v4.3.1+g1a2b3c4\n", "4.3.1"),
        ("client version: 1.30.3\n", "1.30.3"),
        ("client version: 1.31-eed52ebb66ad\n", "1.31-eed52ebb66ad"),
        ("hubble 1.19.6@HEAD-9a89824 compiled with go1.26.1\n", "1.19.6"),
        ("It is version 1.2.3.", "1.2.3"),
    ],
)
def test_says_version(text: str, version: str) -> None:
    assert says_version(text, version)


@pytest.mark.parametrize(
    "text",
    ["v1.36.40", "v11.36.4", "v1.36.4-dispatcher", "v1.36.4-rc.0", "v1.36.4.1", "go1.36.4"],
)
def test_says_another_version(text: str) -> None:
    assert not says_version(text, "1.36.4")


def test_a_right_program_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = program(path_of(monkeypatch, tmp_path), "kubectl")
    run = Recorder()
    run.handle([kubectl, "version", "--client"], "Client Version: v1.36.4\n")
    assert installed(PIN, "kubectl", "1.36.4", run) == kubectl
    assert run.calls[0].timeout is not None


@pytest.mark.parametrize("stdout", ["Client Version: v1.35.0\n", ""])
def test_a_wrong_program_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdout: str
) -> None:
    kubectl = program(path_of(monkeypatch, tmp_path), "kubectl")
    run = Recorder()
    run.handle([kubectl, "version", "--client"], stdout)
    assert installed(PIN, "kubectl", "1.36.4", run) is None


def test_a_broken_program_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = program(path_of(monkeypatch, tmp_path), "kubectl")
    run = Recorder()
    argv = [str(kubectl), "version", "--client"]
    run.handle(argv, "Client Version: v1.36.4\n", code=1)
    run.handle(argv, "Client Version: v1.36.4\n", fails="took longer than 10 s")
    assert installed(PIN, "kubectl", "1.36.4", run) is None
    assert installed(PIN, "kubectl", "1.36.4", run) is None


def test_one_for_another_machine_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = program(path_of(monkeypatch, tmp_path), "kubectl")

    run = Recorder()
    run.handle([kubectl, "version", "--client"], fails="cannot run: Exec format error")
    assert installed(PIN, "kubectl", "1.36.4", run) is None


def test_none_is_asked_where_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path_of(monkeypatch, tmp_path)
    assert installed(PIN, "kubectl", "1.36.4", Recorder()) is None


def test_each_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = program(path_of(monkeypatch, tmp_path), "kubectl")
    run = Recorder()
    run.handle([kubectl, "version", "--client"], "Client Version: v1.35.0\n")
    known = Installed(run)
    assert [known.find(PIN, "kubectl", "1.36.4") for _ in range(3)] == [None] * 3
    assert run.times(kubectl) == 1


def test_the_pinned_releases() -> None:
    tools = load_pins().tools
    seen = {
        name: release(pin, name, pin.version_of("upstream"), LINUX)
        for name, pin in tools.items()
        if pin.url
    }
    assert {
        name: (r.url, r.checksum.removeprefix(r.url), r.member) for name, r in seen.items()
    } == {
        "kind": ("https://kind.sigs.k8s.io/dl/v0.33.0/kind-linux-amd64", ".sha256sum", ""),
        "kubectl": ("https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubectl", ".sha256", ""),
        "helm": (
            "https://get.helm.sh/helm-v4.3.1-linux-amd64.tar.gz",
            ".sha256sum",
            "linux-amd64/helm",
        ),
        "istioctl": (
            "https://github.com/istio/istio/releases/download/1.30.3/"
            "istioctl-1.30.3-linux-amd64.tar.gz",
            ".sha256",
            "istioctl",
        ),
    }


def test_a_release_without_checksum_is_refused() -> None:
    pin = ToolPin(version="1", module="m", probe=(), url=URL)
    with pytest.raises(LabError) as raised:
        release(pin, "thing", "1", LINUX)
    assert error(raised) == (
        f"versions.toml: tools.thing: {URL} has no checksum to check it with."
        " Name the suffix of its checksum file."
    )


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    for said, arch in (("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")):
        monkeypatch.setattr("platform.machine", lambda said=said: said)
        assert this_machine() == Machine("linux", arch)


HASH = "0f" * 32


@pytest.mark.parametrize(
    "text",
    [
        HASH,
        f"{HASH}\n",
        f"{HASH.upper()}\n",
        f"{HASH}  thing\n",
        f"{HASH} *thing\n",
        f"{HASH}  out/release/thing\n",
        f"{'1' * 64}  other\n{HASH}  thing\n",
    ],
)
def test_checksum_files(text: str) -> None:
    assert parse_checksum(text, "thing") == HASH


@pytest.mark.parametrize("text", ["", "<html>\n", "0f0f  thing\n", f"{HASH}  other\n"])
def test_files_without_a_checksum(text: str) -> None:
    assert parse_checksum(text, "thing") == ""


def sums(body: bytes) -> Page:
    return Page(f"{hashlib.sha256(body).hexdigest()}  thing\n".encode())


def packed(member: str = "linux-amd64/thing", body: bytes = b"program") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in (("linux-amd64/README", b"read me"), (member, body)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed_web(body: bytes) -> Web:
    checksum = Page(hashlib.sha256(body).hexdigest().encode())
    return Web({PACKED.checksum: checksum, PACKED.url: Page(body)})


def test_a_plain_program(tmp_path: Path) -> None:
    web = Web({THING.checksum: sums(b"program"), URL: Page(b"program")})
    fetch(THING, tmp_path, https_opener(web))
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    assert (tmp_path / "thing").read_bytes() == b"program"
    assert (tmp_path / "thing").stat().st_mode & 0o777 == 0o755
    assert web.asked == [THING.checksum, URL]


@pytest.mark.parametrize("member", ["linux-amd64/thing", "./linux-amd64/thing"])
def test_a_packed_program(tmp_path: Path, member: str) -> None:
    fetch(PACKED, tmp_path, https_opener(packed_web(packed(member))))
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    assert (tmp_path / "thing").read_bytes() == b"program"


def test_redirections_within_https_are_followed(tmp_path: Path) -> None:
    moved = Page(code=302, headers={"Location": "https://cdn.example/thing"})
    pages = {THING.checksum: sums(b"program"), URL: moved}
    web = Web(pages | {"https://cdn.example/thing": Page(b"program")})
    fetch(THING, tmp_path, https_opener(web))
    assert (tmp_path / "thing").read_bytes() == b"program"


def failing(tmp_path: Path, *pages: Page, wanted: Release = THING) -> str:
    web = Web(dict(zip((wanted.checksum, wanted.url), pages, strict=False)))
    with pytest.raises(LabError) as raised:
        fetch(wanted, tmp_path, https_opener(web))
    assert not (tmp_path / "thing").exists()
    return error(raised)


def test_a_wrong_checksum(tmp_path: Path) -> None:
    body = packed()
    said = failing(tmp_path, Page(b"0" * 64), Page(body), wanted=PACKED)
    assert said == (
        f"{PACKED.url} has the SHA-256 {hashlib.sha256(body).hexdigest()},"
        f" and its publisher says {'0' * 64}."
        " Do not use it; try again later, or install thing 1.2.3 yourself."
    )


def test_a_checksum_that_is_none(tmp_path: Path) -> None:
    said = failing(tmp_path, Page(b"<html>sign in</html>"))
    assert said == (
        f"{THING.checksum} holds no SHA-256 checksum of thing 1.2.3."
        " Try again later, or install thing 1.2.3 yourself."
    )


@pytest.mark.parametrize(("code", "reason"), [(404, "Not Found"), (503, "Service Unavailable")])
def test_a_refused_download(tmp_path: Path, code: int, reason: str) -> None:
    said = failing(tmp_path, sums(b""), Page(code=code))
    assert said == (
        f"thing 1.2.3 cannot be downloaded: {URL} answers {code} {reason}."
        " Check its version in versions.toml, or install thing 1.2.3 yourself."
    )


def test_a_truncated_download(tmp_path: Path) -> None:
    said = failing(tmp_path, sums(b"program"), Page(b"prog", headers={"Content-Length": "7"}))
    assert said == (
        f"thing 1.2.3 cannot be downloaded from {URL}: it ended after 4 of 7 bytes."
        " Check that this machine reaches dl.example, or install thing 1.2.3 yourself."
    )


def test_a_truncated_download_of_unknown_length(tmp_path: Path) -> None:
    said = failing(tmp_path, sums(b"program"), Page(b"prog", headers={"Content-Length": "4"}))
    assert "its publisher says" in said


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (URLError("[Errno -2] Name or service not known"), "[Errno -2] Name or service not known"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset"),
        (TimeoutError("The read operation timed out"), "timed out"),
        (http.client.RemoteDisconnected("closed without response"), "closed without response"),
    ],
)
def test_a_broken_connection(tmp_path: Path, fault: Exception, why: str) -> None:
    said = failing(tmp_path, Page(fails=fault))
    assert said.startswith(f"thing 1.2.3 cannot be downloaded from {THING.checksum}: ")
    assert why in said
    assert "Check that this machine reaches dl.example" in said


def test_a_full_disk(tmp_path: Path) -> None:
    said = failing(tmp_path, Page(fails=OSError(errno.ENOSPC, "No space left on device")))
    assert said == (
        f"thing 1.2.3 cannot be downloaded: no space left for {tmp_path}."
        " Make room there, or set GKELAB_CACHE to a larger disk."
    )


@pytest.mark.parametrize("target", ["http://cdn.example/thing", "ftp://cdn.example/thing"])
def test_no_way_out_of_https(tmp_path: Path, target: str) -> None:
    said = failing(tmp_path, sums(b""), Page(code=302, headers={"Location": target}))
    assert f"it leads to {target}, which is not https" in said


@pytest.mark.parametrize("url", ["http://dl.example/thing", "file:///etc/passwd"])
def test_only_https(tmp_path: Path, url: str) -> None:
    with pytest.raises(LabError, match="it is not https"):
        fetch(Release("thing", "1", url, url, ""), tmp_path, https_opener(Web({})))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (packed("linux-arm64/thing"), "holds no file linux-amd64/thing"),
        (b"no archive at all", "cannot be unpacked: "),
        (packed()[:60], "cannot be unpacked: "),
    ],
    ids=["another member", "no archive", "cut off"],
)
def test_what_cannot_be_unpacked(tmp_path: Path, body: bytes, why: str) -> None:
    with pytest.raises(LabError) as raised:
        fetch(PACKED, tmp_path, https_opener(packed_web(body)))
    assert error(raised).startswith(f"{PACKED.url} {why}")
    assert error(raised).endswith("Check tools.thing in versions.toml.")

"""The upstream supplier: its command lines, and what it does when the world is not as pinned."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.shell import CommandError
from gkelab.supply.built import Built
from gkelab.supply.golang import module_key
from gkelab.supply.tools import Machine, https_opener
from gkelab.supply.upstream import BASE, Upstream, upstream_base
from tests.support.recorder import Recorder
from tests.unit.supply import (
    DIGEST,
    FixedCache,
    Page,
    Web,
    error,
    path_of,
    program,
    some_pins,
    task,
    touch,
)

NET = "docker.io/net/net:1"
NODE = "kindest/node:v1"
KIND = "https://dl.example/1.2.3/linux-amd64/kind"
GONE = "Error: No such image"


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def web() -> Web:
    checksum = hashlib.sha256(b"kind").hexdigest().encode()
    return Web({KIND: Page(b"kind"), f"{KIND}.sha256": Page(checksum)})


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for proxy in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    return path_of(monkeypatch, tmp_path / "bin")


@pytest.fixture
def upstream(tmp_path: Path, run: Recorder, web: Web, path: Path) -> Upstream:
    cache = FixedCache(tmp_path / "cache")
    return Upstream(some_pins(), cache, run, https_opener(web), Machine("linux", "amd64"))


def work(upstream: Upstream, name: str) -> Path:
    return upstream.cache.root / "tmp" / name


def nothing_left(upstream: Upstream) -> bool:
    return not list((upstream.cache.root / "tmp").glob("*")) and not upstream.cache.entries()


# --- images


def saved(upstream: Upstream, run: Recorder, name: str, reference: str) -> list[str]:
    """Let `docker save` write the archive."""
    out = work(upstream, name) / "image.tar"
    argv = ["docker", "save", "--output", str(out), reference]
    run.handle(argv, does=lambda: out.write_text("archive"))
    return argv


def test_an_image_is_pulled_by_its_version(upstream: Upstream, run: Recorder) -> None:
    run.handle(["docker", "image", "inspect", NET], code=1, stderr=GONE)
    run.handle(["docker", "pull", "--quiet", NET])
    save = saved(upstream, run, "net", NET)
    run.handle(["docker", "image", "rm", NET])
    assert not upstream.cached("net")
    assert task(upstream, "image:net").run() == NET
    assert run.argvs == [
        ["docker", "image", "inspect", NET],
        ["docker", "pull", "--quiet", NET],
        save,
        ["docker", "image", "rm", NET],
    ]
    assert upstream.cached("net")
    assert upstream.archive("net").read_text() == "archive"
    assert [entry.source for entry in upstream.cache.entries()] == [f"pulled {NET}"]
    assert task(upstream, "image:net").run() == CACHED
    assert len(run.calls) == 4


def test_an_image_is_pulled_by_its_digest(upstream: Upstream, run: Recorder) -> None:
    exact = f"{NODE}@{DIGEST}"
    run.handle(["docker", "image", "inspect", NODE], code=1, stderr=GONE)
    run.handle(["docker", "image", "inspect", exact], code=1, stderr=GONE)
    run.handle(["docker", "pull", "--quiet", exact])
    run.handle(["docker", "tag", exact, NODE])
    save = saved(upstream, run, "node", NODE)
    assert task(upstream, "image:node").run() == NODE
    # docker itself runs the node image, so that its copy stays.
    assert run.argvs[2:] == [
        ["docker", "pull", "--quiet", exact],
        ["docker", "tag", exact, NODE],
        save,
    ]


def test_what_docker_had_before_stays(upstream: Upstream, run: Recorder) -> None:
    run.handle(["docker", "image", "inspect", NET], "[{}]")
    run.handle(["docker", "pull", "--quiet", NET])
    saved(upstream, run, "net", NET)
    task(upstream, "image:net").run()
    assert run.times("docker", "image", "rm") == 0


def test_another_digest_is_another_archive(upstream: Upstream, tmp_path: Path) -> None:
    pins = some_pins()
    other = pins.images["node"].model_copy(update={"digest": ""})
    changed = pins.model_copy(update={"images": pins.images | {"node": other}})
    second = Upstream(changed, upstream.cache, upstream.run)
    assert second.archive("node") != upstream.archive("node")
    assert second.archive("net") == upstream.archive("net")


def test_a_pull_that_fails(upstream: Upstream, run: Recorder) -> None:
    run.handle(["docker", "image", "inspect", NET], code=1, stderr=GONE)
    refused = "Error response from daemon: toomanyrequests: You have reached your pull rate limit."
    run.handle(["docker", "pull", "--quiet", NET], code=1, stderr=f"Using default tag\n{refused}\n")
    with pytest.raises(LabError) as raised:
        task(upstream, "image:net").run()
    assert error(raised) == (
        f"The image {NET} cannot be pulled: {refused}"
        " Check that docker reaches its registry (docker pull),"
        " or build the images here: invoke up --images=built."
    )
    assert nothing_left(upstream)
    log = upstream.cache.root / "logs" / "image-net.log"
    assert refused in log.read_text()


def test_a_save_that_fails_leaves_nothing(upstream: Upstream, run: Recorder) -> None:
    run.handle(["docker", "image", "inspect", NET], code=1, stderr=GONE)
    run.handle(["docker", "pull", "--quiet", NET])
    out = work(upstream, "net") / "image.tar"
    full = "write image.tar: no space left on device"
    run.handle(["docker", "save", "--output", out, NET], code=1, stderr=full)
    run.handle(["docker", "image", "rm", NET])
    with pytest.raises(CommandError, match="no space left on device"):
        task(upstream, "image:net").run()
    assert run.argvs[-1] == ["docker", "image", "rm", NET]
    assert nothing_left(upstream)


def test_what_the_node_image_brings(upstream: Upstream, run: Recorder) -> None:
    assert upstream.cached("pause")
    assert task(upstream, "image:pause").run() == CACHED
    with pytest.raises(LabError, match=r"pause:3 comes with kindest/node:v1"):
        upstream.archive("pause")
    assert run.calls == []


# --- the lab's own images


def base_argv(upstream: Upstream, *proxies: str) -> list[str]:
    base = upstream_base(upstream.pins.debian)
    argv = ["docker", "build", "--network=host", "--force-rm", f"--tag={base}"]
    argv += ["--build-arg", "DEBIAN=debian:trixie-slim", "--build-arg", "PACKAGES=curl kmod"]
    return [*argv, *(word for proxy in proxies for word in ("--build-arg", proxy)), str(BASE)]


def test_the_base_is_built_on_the_pulled_debian(
    upstream: Upstream, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    base = upstream_base(upstream.pins.debian)
    build = base_argv(upstream, "https_proxy=http://proxy.example:3128")
    run.handle(["docker", "image", "inspect", base], code=1, stderr=GONE)
    run.handle(["docker", "pull", "--quiet", "debian:trixie-slim"])
    run.handle(build)
    assert task(upstream, "debian").run() == "debian:trixie-slim"
    assert run.argvs[1:] == [["docker", "pull", "--quiet", "debian:trixie-slim"], build]
    assert base.startswith("gkelab/base:")


def test_the_base_that_docker_has_is_used(upstream: Upstream, run: Recorder) -> None:
    run.handle(["docker", "image", "inspect", upstream_base(upstream.pins.debian)], "[{}]")
    assert task(upstream, "debian").run() == CACHED


def test_an_own_image_is_built_on_the_base(upstream: Upstream, run: Recorder) -> None:
    context = work(upstream, "workload") / "context"
    argv = ["docker", "build", "--network=host", "--force-rm", "--tag=gkelab/workload:1"]
    argv += ["--build-arg", "KUBERNETES_VERSION=v1", "--build-arg", "PAUSE=registry.k8s.io/pause:3"]
    argv += ["--build-arg", f"BASE={upstream_base(upstream.pins.debian)}", str(context)]
    run.handle(argv)
    save = saved(upstream, run, "workload", "gkelab/workload:1")
    run.handle(["docker", "image", "rm", "gkelab/workload:1"])
    scratch = ["--filter", "dangling=true", "--filter", "label=gkelab.scratch=workload"]
    run.handle(["docker", "image", "ls", "--quiet", *scratch])
    assert task(upstream, "image:workload").needs == ("debian",)
    assert task(upstream, "image:workload").run() == "gkelab/workload:1"
    assert run.argvs[:2] == [argv, save]
    assert upstream.archive("workload").read_text() == "archive"
    assert task(upstream, "image:workload").run() == CACHED
    # No image is left to build on the base, so that it is not needed either.
    assert task(upstream, "debian").run() == CACHED
    assert len(run.calls) == 4


@pytest.mark.parametrize(
    ("change", "also_built"),
    [({"image": "debian:other"}, False), ({"base": ("curl",)}, True), ({"suite": "sid"}, True)],
)
def test_another_base_is_another_own_image(
    upstream: Upstream, change: dict[str, Any], also_built: bool
) -> None:
    debian = upstream.pins.debian.model_copy(update=change)
    pins = upstream.pins.model_copy(update={"debian": debian})
    second = Upstream(pins, upstream.cache, upstream.run)
    pulled_base = "suite" not in change  # which is Debian's image, whatever its suite is called
    assert (second.archive("workload") != upstream.archive("workload")) is pulled_base
    assert second.archive("net") == upstream.archive("net")
    one, two = (Built(each, upstream.cache, upstream.run) for each in (upstream.pins, pins))
    assert (one.archive("workload") != two.archive("workload")) is also_built


def test_what_the_base_is_built_from_is_in_the_own_images_key(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = upstream.archive("workload")
    touch(tmp_path / "base" / "Dockerfile", "FROM scratch\n")
    monkeypatch.setattr("gkelab.supply.upstream.BASE", tmp_path / "base")
    one = upstream.archive("workload")
    touch(tmp_path / "base" / "Dockerfile", "FROM scratch\nRUN true\n")
    assert len({before, one, upstream.archive("workload")}) == 3


def test_an_own_images_folder_is_in_its_key(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gkelab.supply.imagebuild.ImageBuilder.folder", lambda *_: tmp_path / "own")
    touch(tmp_path / "own" / "workload.py", "print(1)\n")
    before = upstream.archive("workload")
    touch(tmp_path / "own" / "workload.py", "print(2)\n")
    assert upstream.archive("workload") != before


# --- programs


def test_a_release_is_downloaded(upstream: Upstream, web: Web) -> None:
    assert task(upstream, "tool:kind").run() == "1.2.3"
    assert upstream.tool("kind").read_bytes() == b"kind"
    assert upstream.tool("kind").stat().st_mode & 0o111
    assert task(upstream, "tool:kind").run() == CACHED
    assert web.asked == [f"{KIND}.sha256", KIND]


def test_an_installed_program_is_used(upstream: Upstream, run: Recorder, path: Path) -> None:
    kind = program(path, "kind")
    run.handle([kind, "version"], "kind v1.2.3 go1.26.1 linux/amd64\n")
    assert upstream.tool("kind") == kind
    assert task(upstream, "tool:kind").run() == CACHED
    assert upstream.tool("kind") == kind
    assert run.argvs == [[str(kind), "version"]]


def test_a_program_in_the_cache_asks_nobody(upstream: Upstream, run: Recorder, path: Path) -> None:
    task(upstream, "tool:kind").run()
    program(path, "kind")
    other = Upstream(upstream.pins, upstream.cache, run, upstream.opener, upstream.machine)
    assert other.tool("kind") == upstream.tool("kind")
    assert run.calls == []


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(b"evil"), "and its publisher says"),
        (Page(b"ki", headers={"Content-Length": "4"}), "it ended after 2 of 4 bytes"),
        (Page(code=404), f"{KIND} answers 404 Not Found"),
        (Page(fails=TimeoutError("timed out")), "Check that this machine reaches dl.example"),
    ],
)
def test_a_bad_download_leaves_nothing(upstream: Upstream, web: Web, page: Page, said: str) -> None:
    web.pages = {**web.pages, KIND: page}
    with pytest.raises(LabError) as raised:
        task(upstream, "tool:kind").run()
    assert said in error(raised)
    assert nothing_left(upstream)
    assert not upstream.tool("kind").exists()


def go_program(run: Recorder, path: Path) -> Path:
    go = program(path, "go")
    run.handle([go, "env", "GOVERSION"], "go1.26.1\n")
    return go


def test_what_has_no_release_is_built(upstream: Upstream, run: Recorder, path: Path) -> None:
    go = go_program(run, path)
    source = upstream.cache.root / "go" / "mod" / "example.com" / "net@v1"
    answer = {"Dir": str(source), "Sum": "h1:x"}
    download = [str(go), "mod", "download", "-json", "example.com/net@v1"]
    run.handle(download, json.dumps(answer))
    out = work(upstream, "net") / "out"
    build = [str(go), "build", "-C", str(source), "-trimpath"]
    build += ["-gcflags=all=-dwarf=false", "-ldflags", "-s -w"]
    build += ["-o", f"{out}/", "./cmd/watch"]  # and not ./cmd/agent, which nobody needs here
    run.handle(build, does=lambda: touch(out / "watch", "watch"))
    made = task(upstream, "tool:watch")
    assert made.heavy
    assert made.run() == "v1"
    assert run.argvs == [[str(go), "env", "GOVERSION"], download, build]
    assert upstream.tool("watch").read_text() == "watch"
    whole = module_key(upstream.pins.modules["net"])
    assert not upstream.cache.has("programs", "net", whole)
    assert task(upstream, "tool:watch").run() == CACHED


def test_a_module_that_cannot_be_had(upstream: Upstream, run: Recorder, path: Path) -> None:
    go = go_program(run, path)
    argv = [str(go), "mod", "download", "-json", "example.com/net@v1"]
    run.handle(argv, json.dumps({"Error": "example.com/net@v1: 410 Gone"}), code=1)
    with pytest.raises(LabError) as raised:
        task(upstream, "tool:watch").run()
    assert error(raised) == (
        "The Go module example.com/net@v1 cannot be downloaded: example.com/net@v1: 410 Gone."
        " Check that the Go module proxy of this machine (go env GOPROXY) answers."
    )
    assert nothing_left(upstream)


# --- charts


def helm_pull(upstream: Upstream, run: Recorder, path: Path) -> list[str]:
    helm = program(path, "helm")
    run.handle([helm, "version"], "v1.2.3+g0\n")
    argv = [str(helm), "pull", "net", "--repo=https://charts.example/", "--version=1.2.3"]
    return [*argv, f"--destination={work(upstream, 'net')}"]


def test_a_chart_is_pulled(upstream: Upstream, run: Recorder, path: Path) -> None:
    argv = helm_pull(upstream, run, path)
    run.handle(argv, does=lambda: touch(work(upstream, "net") / "net-1.2.3.tgz", "chart"))
    pulled = task(upstream, "chart:net")
    assert pulled.needs == ("tool:helm",)
    assert pulled.run() == "1.2.3"
    assert run.argvs[-1] == argv
    assert upstream.chart("net").read_text() == "chart"
    assert task(upstream, "chart:net").run() == CACHED


def test_a_chart_that_cannot_be_pulled(upstream: Upstream, run: Recorder, path: Path) -> None:
    argv = helm_pull(upstream, run, path)
    why = 'Error: looks like "https://charts.example/" is not a valid chart repository'
    run.handle(argv, code=1, stderr=f"{why}\n")
    with pytest.raises(LabError) as raised:
        task(upstream, "chart:net").run()
    assert error(raised) == (
        f"The chart net 1.2.3 cannot be pulled: {why}."
        " Check that this machine reaches https://charts.example/,"
        " or build everything here: invoke up --images=built."
    )
    assert nothing_left(upstream)


def test_helm_that_pulls_nothing(upstream: Upstream, run: Recorder, path: Path) -> None:
    run.handle(helm_pull(upstream, run, path))
    with pytest.raises(LabError, match="helm pulled no archive of the chart net"):
        task(upstream, "chart:net").run()
    assert nothing_left(upstream)


def test_the_tasks(upstream: Upstream) -> None:
    names = [task.name for task in upstream.tasks()]
    assert names == [
        *("image:node", "image:pause", "image:net", "image:workload", "debian"),
        *("tool:kind", "tool:helm", "tool:watch", "chart:net"),
        "definitions:kinds",
    ]
    assert upstream.reference("net") == NET

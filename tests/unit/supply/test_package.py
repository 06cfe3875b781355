"""What of gkelab goes into an image: enough to run there, and counted by its content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gkelab.shell import run
from gkelab.supply import imagebuild
from gkelab.supply.cache import Cache
from gkelab.supply.imagebuild import ImageBuilder
from gkelab.supply.pins import ROOT, Pins, load_pins
from gkelab.supply.python import PythonPackages
from tests.support.recorder import Recorder
from tests.unit.supply import FixedCache, some_pins, touch

PINS = load_pins()
# By program: the image that it runs in, and a word of its --help.
PROGRAMS = {
    "gkelab.cloud.router": ("router", "--internet-range"),
    "gkelab.cloud.api": ("cloud", "--external-range"),
    "gkelab.cloud.machines": ("cloud", "--command"),
    "gkelab.cloud.controllers": ("cloud", "--kubeconfig"),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_run_from_what_their_image_has(tmp_path: Path, program: str) -> None:
    """That of the router without this environment's packages: its image has Python's alone."""
    image, word = PROGRAMS[program]
    pin = PINS.images[image]
    imagebuild._package(pin, tmp_path)
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path / 'package')!r}); "
    code += f"sys.argv[1:] = ['--help']; runpy.run_module({program!r}, run_name='__main__')"
    alone = [] if pin.python else ["-S"]
    argv = [sys.executable, "-I", *alone, "-c", code]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert word in done.stdout


def with_package(*package: str, python: tuple[str, ...] = ()) -> Pins:
    pins = some_pins()
    changes = {"package": package, "python": python}
    pin = pins.images["workload"].model_copy(update=changes)
    return pins.model_copy(update={"images": {**pins.images, "workload": pin}})


def test_another_package_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagebuild, "PACKAGE", tmp_path)

    def key(*package: str, python: tuple[str, ...] = ()) -> str:
        pins = with_package(*package, python=python)
        return ImageBuilder(pins, Cache(tmp_path), run, "built", "gkelab/base:x").key("workload")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.py").write_text("1\n")
    without, before, more = key(), key("a"), key("a", python=("uvicorn",))
    (tmp_path / "a" / "c.py").write_text("2\n")
    assert len({without, before, more, key("a")}) == 4


def test_what_is_under_the_package_is_built_first_and_kept_by_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a changed line of the lab's own source would fetch and compile all else again."""
    touch(tmp_path / "images" / "Dockerfile", "FROM scratch AS deps\n")
    touch(tmp_path / "packages" / "uvicorn" / "main.py")
    monkeypatch.setattr(ImageBuilder, "folder", lambda *_: tmp_path / "images")
    monkeypatch.setattr(PythonPackages, "fetch", lambda *_: tmp_path / "packages")
    cache, recorder = FixedCache(tmp_path / "cache"), Recorder()
    pins = with_package("errors.py", "cloud/api", python=("uvicorn",))
    builder = ImageBuilder(pins, cache, recorder, "built", "gkelab/base:x")
    context = cache.root / "tmp" / "workload" / "context"
    rest = ["--build-arg", "KUBERNETES_VERSION=v1", "--build-arg", "PAUSE=registry.k8s.io/pause:3"]
    rest += ["--build-arg", "BASE=gkelab/base:x", str(context)]
    start = ["docker", "build", "--network=host", "--force-rm"]
    seen: set[str] = set()

    def look() -> None:
        for folder, _, files in os.walk(context):
            seen.update(str((Path(folder) / file).relative_to(context)) for file in files)

    deps = [*start, "--tag=gkelab/workload-deps:1", "--target=deps", *rest]
    whole = [*start, "--tag=gkelab/workload:1", *rest]
    save = ["docker", "save", "--output", str(context.parent / "image.tar"), "gkelab/workload:1"]
    run_scratch = ["docker", "image", "ls", "--quiet", "--filter", "dangling=true"]
    recorder.handle(deps, does=look)
    recorder.handle(whole)
    recorder.handle(save)
    recorder.handle(["docker", "image", "rm", "gkelab/workload:1"])
    recorder.handle([*run_scratch, "--filter", "label=gkelab.scratch=workload"], "old\n")
    # A container may still run on it.
    recorder.handle(["docker", "image", "rm", "old"], code=1)
    builder.build("workload", None)
    assert recorder.argvs[:3] == [deps, whole, save]
    assert {"Dockerfile", "package/gkelab/errors.py", "package/gkelab/cloud/api/app.py"} <= seen
    assert "python/uvicorn/main.py" in seen
    assert not [file for file in seen if "__pycache__" in file or "cloud/router" in file]


@pytest.mark.parametrize("image", sorted({image for image, _ in PROGRAMS.values()}))
def test_a_dockerfile_has_the_stage_that_is_kept(image: str) -> None:
    text = (ROOT / "images" / image / "Dockerfile").read_text()
    stages = [line.split() for line in text.splitlines() if line.startswith("FROM")]
    assert stages == [["FROM", "${BASE}", "AS", imagebuild.DEPS], ["FROM", imagebuild.DEPS]]
    assert f"LABEL gkelab.scratch={image}" in text
    assert text.index("COPY package/") > text.index(f"FROM {imagebuild.DEPS}\n")

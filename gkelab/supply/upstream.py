"""The supplier for hosts with the internet: what each project publishes, at the pinned versions."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gkelab.errors import LabError
from gkelab.graph import CACHED, Task
from gkelab.shell import CommandError
from gkelab.supply.cache import content_key
from gkelab.supply.definitions import Definitions
from gkelab.supply.golang import build_programs, module_key
from gkelab.supply.pins import ROOT, DebianPin, ModulePin, SupplierName
from gkelab.supply.supplier import FromCache
from gkelab.supply.tools import (
    Machine,
    Release,
    fetch,
    https_opener,
    release,
    this_machine,
)
from gkelab.tools.docker import Docker
from gkelab.tools.helm import Helm

BASE = ROOT / "images" / "base"


def upstream_base(pin: DebianPin) -> str:
    """The docker image that the lab's own images start from."""
    return f"gkelab/base:{content_key(['upstream-1', pin.image, *pin.base, BASE])}"


@dataclass
class Upstream(FromCache):
    """Pulls images and charts, and downloads programs, into the cache."""

    name: SupplierName = field(default="upstream", init=False)
    opener: urllib.request.OpenerDirector = field(default_factory=https_opener)
    machine: Machine = field(default_factory=this_machine)

    def base(self) -> str:
        """The base that is built on Debian's image."""
        return upstream_base(self.pins.debian)

    def tool(self, name: str) -> Path:
        """The program in the cache; where it is not there, a right installed one."""
        kind, entry, key = self._program(name)
        found = None if self.cache.has(kind, entry, key) else self._installed(name)
        return found or self.cache.path(kind, entry, key) / name

    def chart(self, name: str) -> Path:
        """The chart's archive in the cache."""
        return self.cache.path("charts", name, self._chart_key(name)) / "chart.tgz"

    def definitions(self, name: str) -> Path:
        """The definitions' file in the cache."""
        return Definitions(self.pins, self.cache, self.go).file(name)

    def archive(self, image: str) -> Path:
        """The image's archive in the cache. Raises LabError for what kindest/node brings."""
        pin = self.pins.images[image]
        if pin.in_node:
            raise LabError(f"The image {self.reference(image)} comes with {self.reference('node')}")
        if pin.own:
            return self.images.archive(image)
        return self.cache.path("images", image, self._image_key(image)) / "image.tar"

    def cached(self, image: str) -> bool:
        """Whether the image needs no pulling or building."""
        pin = self.pins.images[image]
        if pin.own:
            return self.images.cached(image)
        return pin.in_node or self.cache.has("images", image, self._image_key(image))

    def tasks(self) -> Sequence[Task]:
        """The node image and what creates the cluster first; then the rest, as pinned."""
        tasks: list[Task] = []
        for name, pin in self.pins.images.items():
            needs = ("debian",) if pin.own and pin.based else ()
            work = self._build(name) if pin.own else self._pull(name)
            tasks.append(Task(f"image:{name}", work, needs, what=f"image {name}"))
        tasks.append(Task("debian", self._debian, what="Debian base"))
        for name, tool in self.pins.tools.items():
            compiles = not tool.url and not self.cache.has(*self._program(name))
            what = f"build {name}" if compiles else f"program {name}"
            tasks.append(Task(f"tool:{name}", self._tool(name), heavy=compiles, what=what))
        for name in self.pins.charts:
            work = self._chart(name)
            tasks.append(Task(f"chart:{name}", work, ("tool:helm",), what=f"chart {name}"))
        return [*tasks, *Definitions(self.pins, self.cache, self.go).tasks()]

    # --- programs

    def _installed(self, name: str) -> Path | None:
        pin = self.pins.tools[name]
        return self.installed.find(pin, name, pin.version_of(self.name))

    def _release(self, name: str) -> Release:
        pin = self.pins.tools[name]
        return release(pin, name, pin.version_of(self.name), self.machine)

    def _module(self, name: str) -> ModulePin:
        """The tool's module, with none of its other programs."""
        module = self.pins.modules[self.pins.tools[name].module]
        return module.model_copy(update={"packages": {name: module.packages[name]}})

    def _program(self, name: str) -> tuple[str, str, str]:
        """The cache's kind, name and key of a tool."""
        pin = self.pins.tools[name]
        if not pin.url:
            return "programs", pin.module, module_key(self._module(name))
        wanted = self._release(name)
        return "tools", name, content_key(["release-1", wanted.url, wanted.member])

    def _tool(self, name: str) -> Callable[[], str]:
        def get() -> str:
            kind, entry, key = self._program(name)
            if self.cache.has(kind, entry, key) or self._installed(name):
                return CACHED
            if kind == "programs":
                build_programs(self.go(), entry, self._module(name))
                return self._module(name).version
            wanted = self._release(name)
            self.cache.make(
                kind, entry, key, wanted.url, lambda work: fetch(wanted, work, self.opener)
            )
            return wanted.version

        return get

    # --- charts

    def _chart_key(self, name: str) -> str:
        pin = self.pins.charts[name]
        return content_key(["chart-1", pin.repository, name, pin.version])

    def _chart(self, name: str) -> Callable[[], str]:
        pin = self.pins.charts[name]

        def pull(work: Path) -> None:
            try:
                Helm(self.tool("helm"), self.run).pull(pin.repository, name, pin.version, work)
            except CommandError as bad:
                raise LabError(
                    f"The chart {name} {pin.version} cannot be pulled: {_why(bad)}",
                    f"check that this machine reaches {pin.repository},"
                    " or build everything here: invoke up --images=built",
                ) from bad
            pulled = sorted(work.glob("*.tgz"))
            if len(pulled) != 1:
                raise LabError(f"helm pulled no archive of the chart {name} {pin.version}")
            pulled[0].rename(work / "chart.tgz")

        def get() -> str:
            key = self._chart_key(name)
            if self.cache.has("charts", name, key):
                return CACHED
            self.cache.make("charts", name, key, f"pulled from {pin.repository}", pull)
            return pin.version

        return get

    # --- images

    def _image_key(self, name: str) -> str:
        return content_key(["pull-1", self.reference(name), self.pins.images[name].digest])

    def _pull(self, name: str) -> Callable[[], str]:
        pin = self.pins.images[name]
        reference = self.reference(name)
        exact = f"{reference}@{pin.digest}" if pin.digest else reference
        names = list(dict.fromkeys([reference, exact]))
        docker = Docker(self.run)

        def pull(work: Path) -> None:
            had = any([docker.has_image(known) for known in names])
            self._docker_pull(name, exact)
            try:
                if exact != reference:
                    self.run(["docker", "tag", exact, reference])
                docker.save([reference], work / "image.tar")
            finally:
                # What docker had before stays, and so does what docker itself is to run.
                if not had and pin.on:
                    self.run(["docker", "image", "rm", *names], check=False)

        def get() -> str:
            if self.cached(name):
                return CACHED
            self.cache.make("images", name, self._image_key(name), f"pulled {exact}", pull)
            return reference

        return get

    def _docker_pull(self, name: str, reference: str) -> None:
        try:
            Docker(self.run).pull(reference, log=self.cache.log(f"image-{name}"))
        except CommandError as bad:
            raise LabError(
                f"The image {reference} cannot be pulled: {_why(bad)}",
                "check that docker reaches its registry (docker pull),"
                " or build the images here: invoke up --images=built",
            ) from bad

    def _debian(self) -> str:
        needed = [name for name, pin in self.pins.images.items() if pin.own and pin.based]
        reference = self.base()
        if all(self.cached(name) for name in needed) or Docker(self.run).has_image(reference):
            return CACHED
        self._docker_pull("base", self.pins.debian.image)
        argv = ["docker", "build", "--network=host", "--force-rm", f"--tag={reference}"]
        arguments = {
            "DEBIAN": self.pins.debian.image,
            "PACKAGES": " ".join(self.pins.debian.base),
        }
        # docker hands these to the build without keeping them in the image.
        proxies = ("http_proxy", "https_proxy", "no_proxy")
        arguments |= {key: os.environ[key] for key in proxies if os.environ.get(key)}
        for key, value in arguments.items():
            argv += ["--build-arg", f"{key}={value}"]
        self.run([*argv, str(BASE)], log=self.cache.log("debian-base"))
        return self.pins.debian.image

    def _build(self, name: str) -> Callable[[], str]:
        pin = self.pins.images[name]

        def build() -> str:
            if self.cached(name):
                return CACHED
            go = self.go() if pin.programs or pin.files else None
            self.images.build(name, go)
            return self.reference(name)

        return build


def _why(error: CommandError) -> str:
    """The last thing that the command said."""
    said = f"{error.result.stdout}\n{error.result.stderr}".strip().splitlines()
    return said[-1].strip() if said else str(error)
